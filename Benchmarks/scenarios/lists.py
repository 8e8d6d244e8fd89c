"""What a tools/list costs."""

from harness import load
from harness.anchors import FastMCP, MCPProxy, Nginx, installed
from harness.gateway import Gateway
from harness.places import PYTHON_SERVER
from harness.scenario import Scenario
from harness.transports import Http1

from .calls import FIGURES, READING

TOOLS = 20


class Lists(Scenario):
    name = "lists"
    title = f"tools/list of {TOOLS} tools"
    about = (
        f"One sandbox with a server of {TOOLS} tools, beside an nginx that returns the very bytes of the gateway's "
        "answer as a constant, without a proxy in between. " + READING
    )
    columns = FIGURES
    point_unit = "connections"
    primary, primary_title = "cpu_us", "CPU per list, µs"

    def targets(self):
        isolation = self.options.isolation
        ours = Gateway("gateway_list", "legacy requests", server=PYTHON_SERVER, isolation=isolation)
        modern = Gateway("gateway_list_modern", "modern requests", server=PYTHON_SERVER, era="modern",
                         isolation=isolation)  # fmt: skip
        constant = Nginx("nginx_constant", "the same bytes from nginx", ours.name, answer=self.bytes(ours),
                         is_origin=True)  # fmt: skip
        peers, missing = installed(MCPProxy(ours.name, PYTHON_SERVER), FastMCP(ours.name, PYTHON_SERVER))
        return [ours, modern, constant, *peers], missing

    def bytes(self, gateway):
        """What the gateway answers, from a short life of its own."""
        try:
            gateway.begin()
            with Http1(gateway.endpoints[0]) as peer:
                peer.connection.request("POST", gateway.endpoints[0].path,
                                        '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}',
                                        gateway.endpoints[0].headers("tools/list"))  # fmt: skip
                return peer.connection.getresponse().read().decode()
        finally:
            if gateway.process:
                gateway.stop()

    def points(self):
        return self.options.connections[-1:] if self.options.quick else self.options.connections

    def check(self, target):
        """All clients see the same list, so it is the number of tools that has to be right."""
        with Http1(target.endpoints[0]) as peer:
            status, message = target.endpoints[0].ask(peer.connection, "tools/list")
        try:
            count = len(message["result"]["tools"])
        except (KeyError, TypeError):
            return [f"status {status}: {str(message)[:200]}"]
        return [] if count == TOOLS else [f"{count} tools instead of {TOOLS}"]

    def prepare(self, target):
        if not (self.options.quick and target.is_slow):
            load.wrk(target, 8, 1, self.options.bytes, "tools/list")

    def measure(self, target, point):
        return load.wrk(target, point, self.options.seconds, self.options.bytes, "tools/list")
