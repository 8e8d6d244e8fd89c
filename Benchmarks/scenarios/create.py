"""How long a sandbox takes from nothing to its first list, alone and in a burst."""

import json
import os
import threading
import time

from harness.accounting import Meter
from harness.anchors import FastMCP, MCPProxy, installed
from harness.client import INITIALIZE
from harness.gateway import Gateway
from harness.latency import Latencies
from harness.places import ECHO_SERVER, TARGET_CORE, Unavailable, program
from harness.scenario import Column, Scenario
from harness.target import Target, end_process

BUBBLEWRAP = ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]


class Process(Target):
    """A stdio server that is started anew each time, with nothing in front of it."""

    def __init__(self, name, note, beside, wrapper=()):
        super().__init__(name, note, beside)
        self.command = [*wrapper, *ECHO_SERVER]

    def begin(self):
        self.first_list()

    def own_processes(self):
        return [os.getpid()]

    def check(self):
        return []

    def first_list(self):
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # A child has its parent's cores; taskset would be one more program to start.
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {int(TARGET_CORE)})
        actions = [(os.POSIX_SPAWN_DUP2, theirs_in, 0), (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                   (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]  # fmt: skip
        try:
            pid = os.posix_spawn(self.command[0], self.command, os.environ, file_actions=actions, setsid=True)
        finally:
            os.sched_setaffinity(0, cores)
            os.close(theirs_in)
            os.close(theirs_out)
        with open(ours_out, "wb", buffering=0) as requests, open(ours_in, "rb") as answers:
            for ident, method, params in ((1, "initialize", INITIALIZE), (2, "tools/list", {})):
                message = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
                requests.write(json.dumps(message).encode() + b"\n")
                answer = answers.readline()
        os.waitpid(pid, 0)
        if b'"tools"' not in answer:
            raise Unavailable(f"{self.name}: the server does not start this way")


class Create(Scenario):
    name = "create"
    title = "From create to the first list"
    about = (
        "The time from the request that creates a sandbox with one small server to the answer to its first "
        "tools/list; for mcp-proxy and FastMCP from the start of their process; for a process by itself from its "
        "start to the answer over its pipes. Each of the gateway's runs is followed by one of such a process, so that the "
        "difference of the medians is what the API and the full jail cost over a plain posix_spawn. Servers written in Python take hundreds of milliseconds of their own to "
        "start, whatever is in front of them."
    )
    columns = (
        Column("count", "times", 0),
        Column("p50_us", "p50 ms", 2, 1e-3),
        Column("p90_us", "p90 ms", 2, 1e-3),
        Column("p99_us", "p99 ms", 2, 1e-3),
        Column("over_us", "p50 over a posix_spawn, ms", 2, 1e-3),
        Column("created_us", "of it until created, ms", 2, 1e-3),
        Column("cpu_us", "gateway's CPU ms", 2, 1e-3),
    )
    primary, primary_title = "p50_us", "create to first list, median µs"

    def targets(self):
        ours = [Gateway("gateway_create", "servers in jails", isolation="auto"),
                Gateway("gateway_create_bare", "isolation none", isolation="none")]  # fmt: skip
        if self.options.isolation != "auto":
            ours = [Gateway("gateway_create", f"isolation {self.options.isolation}", isolation=self.options.isolation)]
        self.plain = Process("process", "posix_spawn, alone", "gateway_create")
        processes = [self.plain]
        missing = []
        try:
            jail = Process("bubblewrap", "a jail by hand", "gateway_create", [program("bwrap"), *BUBBLEWRAP])
            jail.first_list()
            processes.append(jail)
        except (Unavailable, OSError) as reason:
            missing.append(f"bubblewrap: {reason}.")
        peers, more = installed(MCPProxy("gateway_create", sessions=1), FastMCP("gateway_create", sessions=1))
        return ours + processes + peers, missing + more

    def check(self, target):
        return target.check()

    def measure(self, target, point):
        times = (1 if self.options.quick else 3) if target.is_slow else self.options.creations
        whole, created, plain = Latencies(), Latencies(), Latencies()
        with Meter(target) as meter:
            for _ in range(times):
                began = time.monotonic()
                made = self.once(target)
                whole.add((time.monotonic() - began) * 1e6)
                if made:
                    created.add((made - began) * 1e6)
                if isinstance(target, Gateway):
                    began = time.monotonic()
                    self.plain.first_list()
                    plain.add((time.monotonic() - began) * 1e6)
        figures = whole.figures() | {"count": times, "bad": 0}
        if isinstance(target, Gateway):
            figures["cpu_us"] = meter.per(times)["cpu_us"]
            figures["created_us"] = created.figures()["p50_us"]
            figures["over_us"] = figures["p50_us"] - plain.figures()["p50_us"]
        return figures

    def once(self, target):
        """One start; the time at which it was created, where there is such a thing."""
        if isinstance(target, Process):
            return target.first_list()
        if isinstance(target, Gateway):
            endpoint = target.create(session=False)
            made = time.monotonic()
            endpoint.open_session()
        else:
            end_process(target.process)
            target.begin()
            endpoint, made = target.endpoints[0], 0
        connection = endpoint.connect()
        status, message = endpoint.ask(connection, "tools/list")
        connection.close()
        if status != 200 or not message["result"]["tools"]:
            raise RuntimeError(f"{target.name}: {status} {message}")
        if isinstance(target, Gateway):
            target.kill(endpoint)
        return made


class Burst(Scenario):
    name = "spawn"
    title = "A burst of creations"
    about = (
        "Sixteen clients create sandboxes with one server each at the same time, as fast as they can; then all are "
        "killed. A process by itself is what one Python thread can start one after the other."
    )
    columns = (
        Column("count", "sandboxes", 0),
        Column("per_second", "created/s", 0),
        Column("cpu_us", "gateway's CPU ms each", 2, 1e-3),
        Column("p50_us", "p50 ms", 1, 1e-3),
        Column("p99_us", "p99 ms", 1, 1e-3),
        Column("killed_per_second", "killed/s", 0),
    )
    primary, primary_title = "each_us", "time per creation, µs"
    CLIENTS = 16

    def targets(self):
        isolation = self.options.isolation
        ours = [Gateway("gateway_burst", f"isolation {isolation}", isolation=isolation)]
        if isolation == "auto":
            ours.append(Gateway("gateway_burst_bare", "isolation none", isolation="none"))
        return [*ours, Process("process", "posix_spawn, alone", "gateway_burst")], []

    def measure(self, target, point):
        count = self.options.creations * 2
        if isinstance(target, Process):
            latencies, began = Latencies(), time.monotonic()
            for _ in range(count):
                started = time.monotonic()
                target.first_list()
                latencies.add((time.monotonic() - started) * 1e6)
            return self.figures(count, time.monotonic() - began, latencies)
        with Meter(target) as meter:
            made, latencies, seconds = self.create_all(target, count)
        began = time.monotonic()
        connection = target.endpoints[0].connect()
        for endpoint in made:
            target.kill(endpoint, connection=connection)
        connection.close()
        killed = len(made) / (time.monotonic() - began)
        more = {"cpu_us": meter.per(count)["cpu_us"], "bad": count - len(made), "killed_per_second": killed}
        return self.figures(count, seconds, latencies) | more

    def create_all(self, target, count):
        made, latencies, lock = [], Latencies(), threading.Lock()

        def work(number):
            connection = target.endpoints[0].connect()
            for _ in range(number, count, self.CLIENTS):
                started = time.monotonic()
                endpoint = target.create(connection=connection, session=False)
                with lock:
                    latencies.add((time.monotonic() - started) * 1e6)
                    made.append(endpoint)
            connection.close()

        began = time.monotonic()
        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return made, latencies, time.monotonic() - began

    def figures(self, count, seconds, latencies):
        return {"count": count, "per_second": count / seconds, "each_us": seconds / count * 1e6, **latencies.figures()}
