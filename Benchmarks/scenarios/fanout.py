"""What it costs to tell everyone."""

import time

from harness import streams
from harness.accounting import Meter
from harness.anchors import Events, Haproxy, Nginx, installed
from harness.client import connect, post
from harness.gateway import Gateway
from harness.latency import Latencies
from harness.places import LOAD_CORE, PYTHON_SERVER
from harness.scenario import Column, Scenario

# Of one run, one after the other.
EVENTS = 10
WAIT_SECONDS = 20


class FanOut(Scenario):
    name = "fan-out"
    title = "One event to many streams"
    about = (
        "A server says that its list has changed, and every client with an open stream is told. Latency is from the "
        "request that causes it to the arrival at each stream, all streams of all rounds together. For the gateway "
        "that includes reading the list anew from the server. nginx and haproxy pass on what the bare source sends; "
        "the source's CPU does not count there. mcp-proxy and FastMCP do not pass such notifications on."
    )
    columns = (
        Column("streams", "streams", 0),
        Column("cpu_us", "CPU µs/stream and event", 2),
        Column("p50_us", "p50 µs", 0),
        Column("p99_us", "p99 µs", 0),
        Column("max_us", "last µs", 0),
    )
    point_unit = "streams"
    primary, primary_title = "cpu_us", "CPU per stream and event, µs"

    def __init__(self, options):
        super().__init__(options)
        self.held, self.origins = [], {}

    def targets(self):
        isolation = self.options.isolation
        ours = [
            Gateway("gateway_fanout", "GET streams of sessions", server=PYTHON_SERVER, isolation=isolation),
            Gateway("gateway_fanout_modern", "subscriptions/listen", server=PYTHON_SERVER, era="modern",
                    isolation=isolation),
        ]  # fmt: skip
        source = Events("gateway_fanout")
        proxies, missing = installed(
            Nginx("nginx_fanout", "nginx as a proxy", "gateway_fanout", upstream=self.origin("nginx_fanout")),
            Haproxy("haproxy_fanout", "haproxy as a proxy", "gateway_fanout", upstream=self.origin("haproxy_fanout")))  # fmt: skip
        return [*ours, source, *proxies], missing

    def origin(self, name):
        """A bare source on the load's core, for a proxy to have behind it; its port."""
        self.origins[name] = source = Events("", f"events_for_{name}", LOAD_CORE)
        source.begin()
        return source.port

    def points(self):
        return [1000]

    def check(self, target):
        return target.check() if isinstance(target, Gateway) else []

    def prepare(self, target):
        count = self.points()[0]
        if not isinstance(target, Gateway):
            make = streams.plain_stream
        else:
            make = streams.listen_stream if target.era == "modern" else streams.session_stream
        target.streams = held = streams.Streams(target.name, target.port, [make(target.endpoints[0])] * count)
        self.held.append(held)

    def measure(self, target, point):
        connection, cause = self.cause(target)
        latencies, told = Latencies(), 0
        with Meter(target) as meter:
            for _ in range(EVENTS):
                target.streams.mark()
                began = time.monotonic_ns()
                cause()
                for at in target.streams.arrivals(target.streams.good, WAIT_SECONDS):
                    latencies.add((at - began) / 1e3)
                    told += 1
        connection.close()
        lost = point * EVENTS - told
        return {"streams": told // EVENTS, "bad": lost, **meter.per(told), **latencies.figures()}

    def cause(self, target):
        """A connection, and what makes the event happen."""
        if isinstance(target, Gateway):
            endpoint = target.endpoints[0]
            connection = endpoint.connect()
            tool = endpoint.tool.replace("echo", "announce")
            return connection, lambda: endpoint.use(connection, tool, {})
        connection = connect(self.origins[target.name].port if target.name in self.origins else target.port)
        return connection, lambda: post(connection, "/", {}, {})

    def close(self):
        for held in self.held:
            held.close()
        for source in self.origins.values():
            source.stop()
