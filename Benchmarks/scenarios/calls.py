"""What a tools/call costs, over HTTP/1.1, TLS and HTTP/2."""

from harness import load
from harness.anchors import Bound, FastMCP, Haproxy, MCPProxy, Nginx, installed
from harness.gateway import Gateway
from harness.places import program
from harness.scenario import Column, Scenario

FIGURES = (
    Column("per_second", "requests/s", 0),
    Column("cpu_us", "CPU µs/request", 2),
    Column("user_us", "of it user µs", 2),
    Column("p50_us", "p50 µs", 0),
    Column("p99_us", "p99 µs", 0),
    Column("switches", "switches/request", 2),
    Column("load_share", "load generator's core", 2),
    Column("resident_bytes", "RSS MiB", 1, 1 / 2**20),
)
READING = (
    "Closed loop: latencies are not corrected for coordinated omission, and at many connections they are queueing by "
    "construction. CPU is of the target's own threads; its MCP servers do not count."
)


class CallScenario(Scenario):
    columns = FIGURES
    point_unit = "connections"
    primary, primary_title = "cpu_us", "CPU per request, µs"

    def prepare(self, target):
        if not (self.options.quick and target.is_slow):
            load.wrk(target, 8, 1, self.options.bytes)


class Calls(CallScenario):
    name = "calls"
    title = "tools/call over HTTP/1.1"
    rounds_quick = 3
    about = (
        "A call of an echo tool with a short text through a stdio server, as wrk sends it. `_64` spreads the calls "
        "over 64 sandboxes, each with a server of its own. nginx and haproxy pass the call to an nginx that answers a "
        "constant of the same length; they know nothing of MCP, tokens or processes. " + READING
    )

    def targets(self):
        many, isolation = self.options.sandboxes, self.options.isolation
        spread = f"gateway_{many}"
        ours = [
            Gateway(spread, f"{many} sandboxes, legacy requests", sandboxes=many, isolation=isolation),
            Gateway(f"{spread}_modern", f"{many} sandboxes, modern requests", sandboxes=many, era="modern",
                    isolation=isolation),
            Gateway("gateway_1", "one sandbox, legacy requests", isolation=isolation),
            Gateway(f"{spread}_epoll", f"{many} sandboxes, legacy requests, with --poller epoll", sandboxes=many,
                    isolation=isolation, poller="epoll"),
        ]  # fmt: skip
        anchors, missing = installed(
            Bound(many, spread), Bound(1, "gateway_1"), Nginx("nginx", "nginx as a proxy", spread),
            Haproxy("haproxy", "haproxy as a proxy", spread), MCPProxy("gateway_1"), FastMCP("gateway_1"))  # fmt: skip
        return ours + anchors, missing

    def points(self):
        return self.options.connections

    def measure(self, target, point):
        return load.wrk(target, point, self.options.seconds, self.options.bytes)


class TLSCalls(CallScenario):
    name = "tls"
    title = "tools/call over TLS"
    about = "As above within TLS 1.3, on connections that stay open: what encryption of each call costs. " + READING

    def targets(self):
        many = self.options.sandboxes
        ours = Gateway(f"gateway_{many}_tls", f"{many} sandboxes", sandboxes=many, tls=True,
                       isolation=self.options.isolation)  # fmt: skip
        anchors, missing = installed(Nginx("nginx_tls", "nginx as a proxy", ours.name, tls=True),
                                     Haproxy("haproxy_tls", "haproxy as a proxy", ours.name, tls=True))  # fmt: skip
        return [ours, *anchors], missing

    def points(self):
        return self.options.connections[-1:] if self.options.quick else self.options.connections

    def measure(self, target, point):
        return load.wrk(target, point, self.options.seconds, self.options.bytes)


class Http2Calls(CallScenario):
    name = "http2"
    title = "tools/call over HTTP/2"
    about = (
        "As h2load sends it, by prior knowledge; a point is connections × requests at a time on each. "
        "All calls go to one sandbox. " + READING
    )
    tls = False
    point_unit = "connections × streams"

    def targets(self):
        program("h2load")
        suffix = "_h2_tls" if self.tls else "_h2"
        ours = Gateway("gateway" + suffix, "one sandbox", http2=True, tls=self.tls, isolation=self.options.isolation)
        anchors, missing = installed(
            Nginx("nginx" + suffix, "nginx as a proxy", ours.name, http2=True, tls=self.tls),
            Haproxy("haproxy" + suffix, "haproxy as a proxy", ours.name, http2=True, tls=self.tls))  # fmt: skip
        return [ours, *anchors], missing

    def points(self):
        return ["16 × 20"] if self.options.quick else ["1 × 1", "16 × 1", "16 × 20", "1 × 64"]

    def prepare(self, target):
        load.h2load(target, 4, 2, 1, self.options.bytes)

    def measure(self, target, point):
        connections, streams = map(int, point.split(" × "))
        return load.h2load(target, connections, streams, self.options.seconds, self.options.bytes)


class Http2TLSCalls(Http2Calls):
    name = "http2-tls"
    title = "tools/call over HTTP/2 within TLS"
    about = "As above, negotiated within TLS 1.3. " + READING
    tls = True
