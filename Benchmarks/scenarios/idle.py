"""What those cost who do nothing: streams, connections, sandboxes."""

import time

from harness import accounting, streams
from harness.anchors import Bound, Events, FastMCP, Haproxy, MCPProxy, Nginx, installed
from harness.gateway import Gateway
from harness.other_streams import Http2Streams, SecureStreams
from harness.places import LOAD_CORE, Unavailable
from harness.scenario import Column, Scenario

# Sessions of one sandbox are bounded; so are those that the Python peers bear.
STREAMS_PER_SANDBOX = 500
PEER_STREAMS = 500
WATCH_SECONDS = 5


class Idle(Scenario):
    is_fresh = True
    rounds_max, rounds_quick = 3, 1
    primary, primary_title = "bytes_each", "user-space bytes each"

    @property
    def point_unit(self):
        return self.many

    # What one is called, and many.
    what, many = "", ""

    @property
    def columns(self):
        return (
            Column("count", self.many, 0),
            Column("bytes_each", f"user-space bytes/{self.what}", 0),
            Column("empty_bytes", "user space before, MiB", 1, 1 / 2**20),
            Column("full_bytes", "with them, MiB", 1, 1 / 2**20),
            Column("open_ms", "opened in ms", 0),
            Column("idle_cpu_ms", "CPU ms/s meanwhile", 2),
        )

    def points(self):
        return [self.options.idle]

    def rounds(self, target):
        return 1 if target.is_slow else super().rounds(target)

    def weigh(self, target, make):
        """Anonymous memory before and after `make` has made so many, and the CPU they use while nothing happens."""
        pids = target.own_processes()
        before = accounting.settled_memory(pids)
        began = time.monotonic()
        count = make()
        elapsed = time.monotonic() - began
        after = accounting.settled_memory(pids)
        used = accounting.usage(pids).nanoseconds
        watch = 1 if self.options.quick else WATCH_SECONDS
        time.sleep(watch)
        used = accounting.usage(pids).nanoseconds - used
        return {"count": count, "bytes_each": (after - before) / max(count, 1), "empty_bytes": before,
                "full_bytes": after, "open_ms": elapsed * 1000, "idle_cpu_ms": used / 1e6 / watch}  # fmt: skip


class Held(Idle):
    """Connections of some kind that are held open."""

    def record(self, target):
        raise NotImplementedError

    def prepare(self, target):
        """The first few make what is made once; they are not counted."""
        self.hold(target, min(len(target.endpoints), 20)).close()

    def hold(self, target, count):
        ends, record = target.endpoints, self.record(target)
        records = [record(ends[number % len(ends)]) for number in range(count)]
        return streams.Streams(target.name, target.port, records)

    def measure(self, target, point):
        count = min(point, PEER_STREAMS) if target.is_slow else point
        held = []

        def make():
            held.append(self.hold(target, count))
            return held[0].good

        figures = self.weigh(target, make)
        held[0].close()
        return figures | {"bad": held[0].bad}


class IdleStreams(Held):
    name = "idle-streams"
    title = "Idle event streams"
    what, many = "stream", "streams"
    about = (
        "Streams are opened and nothing is sent. User space is the growth of the target's anonymous memory; the "
        "kernel's part (about 4 KiB of slab for each socket) is the same for all. A stream of the legacy era includes "
        "its session. `_tls` is the same within TLS 1.3; `_h2` is listening streams of HTTP/2, a hundred on each "
        f"connection, whose part is counted. The Python peers hold {PEER_STREAMS}, and no child of their own for each session."
    )

    def targets(self):
        sandboxes = -(-self.options.idle // STREAMS_PER_SANDBOX)
        isolation = self.options.isolation
        ours = [
            Gateway("gateway_streams", "GET streams of sessions", sandboxes=sandboxes, isolation=isolation),
            Gateway("gateway_listen", "subscriptions/listen", sandboxes=sandboxes, era="modern", isolation=isolation),
            Gateway("gateway_streams_tls", "GET streams of sessions, within TLS", sandboxes=sandboxes, tls=True,
                    isolation=isolation),
            Gateway("gateway_streams_h2", "subscriptions/listen over HTTP/2", sandboxes=sandboxes, era="modern",
                    http2=True, isolation=isolation),
        ]  # fmt: skip
        self.source = Events("", "events_for_idle", LOAD_CORE)
        self.source.begin()
        anchors, missing = installed(
            Events(""),
            Nginx("nginx_streams", "nginx as a proxy", "gateway_streams", upstream=self.source.port),
            Haproxy("haproxy_streams", "haproxy as a proxy", "gateway_streams", upstream=self.source.port),
            MCPProxy("gateway_streams", sessions=16), FastMCP("gateway_streams", sessions=16))  # fmt: skip
        return ours + anchors, missing

    def record(self, target):
        if isinstance(target, (Events, Nginx)):
            return streams.plain_stream
        return streams.listen_stream if getattr(target, "era", "") == "modern" else streams.session_stream

    def hold(self, target, count):
        if getattr(target, "http2", False):
            return Http2Streams(target.port, target.endpoints, count)
        if target.certificate:
            ends = target.endpoints
            records = [streams.session_stream(ends[number % len(ends)]) for number in range(count)]
            return SecureStreams(target.port, records, target.certificate)
        return super().hold(target, count)

    def check(self, target):
        return [] if isinstance(target, (Events, Nginx)) else target.check()

    def close(self):
        self.source.stop()


class IdleConnections(Held):
    name = "idle-connections"
    title = "Idle connections"
    what, many = "connection", "connections"
    about = "Connections that made one call and stay open."

    def targets(self):
        ours = Gateway("gateway_connections", "one sandbox", isolation=self.options.isolation)
        anchors, missing = installed(
            Bound(1, ours.name, name="bound_connections"), Nginx("nginx_connections", "nginx as a proxy", ours.name),
            Haproxy("haproxy_connections", "haproxy as a proxy", ours.name))  # fmt: skip
        return [ours, *anchors], missing

    def record(self, target):
        return streams.idle_connection


class IdleSandboxes(Idle):
    name = "idle-sandboxes"
    title = "Idle sandboxes"
    what, many = "sandbox", "sandboxes"
    about = (
        "Sandboxes that were created and are not used: without servers, and each with one server, whose own memory "
        "does not count. Beside them what a process of its own for each tenant takes, with nobody connected."
    )
    KEYS = 8
    SERVED_MAX = 64

    def targets(self):
        isolation = self.options.isolation
        ours = [
            Gateway("gateway_empty", "sandboxes without servers", keys=self.KEYS, isolation=isolation),
            Gateway("gateway_served", "sandboxes with one server each", isolation=isolation),
        ]
        peers, missing = installed(MCPProxy("gateway_served", sessions=16), FastMCP("gateway_served", sessions=16))
        return ours + peers, missing

    def points(self):
        return [min(self.options.idle // 4, 2000)]

    def measure(self, target, point):
        if not isinstance(target, Gateway):
            used = accounting.settled_memory(target.own_processes())
            return {"count": 1, "bytes_each": used, "empty_bytes": 0, "full_bytes": used, "open_ms": 0,
                    "idle_cpu_ms": 0}  # fmt: skip
        is_empty = target.name == "gateway_empty"
        count = point if is_empty else min(point, self.SERVED_MAX)
        connection = target.endpoints[0].connect()
        server = [] if is_empty else None

        def make():
            for number in range(count):
                target.create(server, number % target.key_count, connection, session=False)
            return count

        try:
            return self.weigh(target, make)
        except RuntimeError as error:
            raise Unavailable(str(error)) from error
        finally:
            connection.close()
