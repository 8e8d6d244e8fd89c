"""How often the allocator is asked during a call."""

import struct

from harness.anchors import Haproxy, Nginx, installed
from harness.gateway import Gateway
from harness.places import RUN, SCRATCH
from harness.scenario import Column, Scenario

COUNTS = ("malloc", "calloc", "realloc", "aligned")
CONNECTIONS = 8
WARM_CALLS = 400


class Allocations(Scenario):
    name = "allocations"
    title = "Allocations of a call"
    about = (
        f"Counted by a preloaded library over calls on {CONNECTIONS} connections that are open already, one call at a "
        "time, after a warm-up: everything that any thread of the target asks of the allocator, divided by the calls. "
        "nginx and haproxy take their memory from pools, which ask seldom and for much."
    )
    columns = (
        Column("calls", "calls", 0),
        Column("allocations", "allocations/call", 4),
        Column("bytes", "bytes asked for/call", 1),
        *(Column(f"{kind}_calls", kind, 4) for kind in COUNTS),
    )
    primary, primary_title = "allocations", "allocations per call"
    rounds_max = 2

    def targets(self):
        self.folder = RUN / "counters"
        self.folder.mkdir(exist_ok=True)
        environment = {"LD_PRELOAD": str(SCRATCH / "allocations.so"), "COUNTERS": str(self.folder)}
        isolation = self.options.isolation
        ours = [
            Gateway("gateway_allocations", "legacy requests", sandboxes=4, environment=environment,
                    isolation=isolation),
            Gateway("gateway_allocations_modern", "modern requests", sandboxes=4, era="modern",
                    environment=environment, isolation=isolation),
        ]  # fmt: skip
        anchors, missing = installed(Nginx("nginx_allocations", "nginx as a proxy", ours[0].name),
                                     Haproxy("haproxy_allocations", "haproxy as a proxy", ours[0].name))  # fmt: skip
        for target in anchors:
            target.environment = environment
        return ours + anchors, missing

    def measure(self, target, point):
        calls = self.options.counted_calls
        ends = [target.endpoints[number % len(target.endpoints)] for number in range(CONNECTIONS)]
        open_ends = [(endpoint, endpoint.connect()) for endpoint in ends]
        bad = run(open_ends, WARM_CALLS)
        before = self.counts(target)
        bad += run(open_ends, calls)
        asked = [after - start for after, start in zip(self.counts(target), before, strict=True)]
        for _, connection in open_ends:
            connection.close()
        figures = {f"{kind}_calls": asked[index] / calls for index, kind in enumerate(COUNTS)}
        return {"calls": calls, "bad": bad, "allocations": sum(asked[:4]) / calls, "bytes": asked[4] / calls} | figures

    def counts(self, target):
        total = [0] * 5
        for pid in target.own_processes():
            file = self.folder / str(pid)
            if file.exists():
                total = [a + b for a, b in zip(total, struct.unpack("5Q", file.read_bytes()), strict=True)]
        if not any(total):
            raise RuntimeError(f"{target.name}: the preloaded library counts nothing")
        return total


def run(open_ends, calls):
    """So many calls, one at a time; how many went wrong."""
    bad = 0
    for number in range(calls):
        endpoint, connection = open_ends[number % len(open_ends)]
        status, _ = endpoint.use(connection, endpoint.tool, {"text": "x" * 110}, number)
        bad += status != 200
    return bad
