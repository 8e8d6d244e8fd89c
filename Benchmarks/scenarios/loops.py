"""Whether a second event loop brings a second loop's worth."""

from harness import accounting, load
from harness.anchors import Nginx, installed
from harness.gateway import Gateway
from harness.places import CORES, Unavailable
from harness.scenario import Column, Scenario

LOOPS = 2


class Loops(Scenario):
    name = "loops"
    title = "From one event loop to two"
    columns = (
        Column("capacity", "requests/s that the loops' CPU allows", 0),
        Column("per_second", "requests/s measured", 0),
        Column("cpu_us", "CPU µs/request", 2),
        Column("busiest", "busiest thread's share", 2),
        Column("p50_us", "p50 µs", 0),
        Column("p99_us", "p99 µs", 0),
    )
    point_unit = "connections"
    primary, primary_title = "cost_us", "loop time per request (CPU / loops), µs"

    @property
    def about(self):
        shared = (
            f"This machine has {len(CORES)} cores, so that loops, servers and load generator share them: requests/s "
            "measured says little, and what counts is the CPU of a request: loops / CPU is what they could do if "
            "nothing else ran. "
            if len(CORES) < 2 * LOOPS
            else ""
        )
        return (
            "The same load on one loop and on two, each on a core of its own. Connections are spread over the loops "
            "by the kernel, sandboxes by their id. `kept`: each connection keeps to one sandbox, as clients do, and "
            "moves to its loop. `mixed`: each connection calls all sandboxes in turn, as a reverse proxy's do, so "
            "that half of the calls change loops. " + shared
        )

    def targets(self):
        if len(CORES) < LOOPS:
            raise Unavailable("Two loops need two cores")
        many, isolation = self.options.sandboxes, self.options.isolation
        two = ",".join(map(str, CORES[:LOOPS]))
        targets = [
            Gateway("gateway_loops_1", f"one loop, {many} sandboxes", sandboxes=many, isolation=isolation),
            Gateway("gateway_loops_2", f"two loops, {many} sandboxes", sandboxes=many, isolation=isolation, workers=2,
                    cores=two),
        ]  # fmt: skip
        targets[0].beside = "gateway_loops_2"
        anchors, missing = installed(
            Nginx("nginx_workers_1", "nginx, one worker", "gateway_loops_1"),
            Nginx("nginx_workers_2", "nginx, two workers", "gateway_loops_2", workers=2, cores=two))  # fmt: skip
        for target in targets + anchors:
            target.loops = 2 if target.name.endswith("_2") else 1
        return targets + anchors, missing

    def points(self):
        return ["64 kept", "64 mixed"]

    def prepare(self, target):
        load.wrk(target, 8, 1, self.options.bytes)

    def measure(self, target, point):
        cores = ",".join(map(str, CORES[LOOPS:] or CORES))
        before = accounting.nanoseconds_by_thread(target.own_processes())
        count, way = point.split()
        seconds, text_bytes = self.options.seconds, self.options.bytes
        if way == "kept":
            figures = load.kept(target, int(count), seconds, text_bytes, cores=cores)
        else:
            figures = load.wrk(target, int(count), seconds, text_bytes, threads=2, cores=cores)
        after = accounting.nanoseconds_by_thread(target.own_processes())
        used = sorted(now - before.get(thread, 0) for thread, now in after.items())
        figures["busiest"] = used[-1] / max(sum(used), 1)
        figures["cost_us"] = figures["cpu_us"] / target.loops
        figures["capacity"] = 1e6 / max(figures["cost_us"], 0.001)
        return figures
