"""What a hostile sandbox costs the calls of a quiet one beside it."""

import json
import os
import socket
import threading
import time

from harness import accounting
from harness.gateway import Gateway
from harness.latency import Latencies
from harness.places import CORES, PYTHON, ROOT
from harness.scenario import Column, Scenario

# The server of the end-to-end tests that wants out, and what it is told to do for each point.
ESCAPE = ROOT / "Tests/EndToEnd/fixture/escape.py"
ATTACKS = {
    "spin": ("spin", {"processes": 8}),
    "fork bomb": ("forks", {}),
    "memory bomb": ("memory", {"kind": "anonymous"}),
    "disk bomb": ("disk", {"place": "/workspace", "megabytes": 1 << 20, "files": 1 << 30, "depth": 0}),
    "junk on stdout": ("flood", {"kind": "lines"}),
    "answers nobody asked for": ("flood", {"kind": "answers"}),
    "a line without end": ("flood", {"kind": "endless"}),
    "flood of stderr": ("flood", {"kind": "errors"}),
}
# Of the quiet sandbox: far below what it could do, so that what is seen is waiting and not load.
CALLS_PER_SECOND = 400
# Until an attack is at work: a fork bomb needs as long to be at its limit.
BEGIN_SECONDS = 0.5


class Neighbours(Scenario):
    name = "neighbours"
    title = "A quiet sandbox beside a hostile one"
    about = (
        f"{CALLS_PER_SECOND} calls a second of one sandbox, one after the other: alone, and then while another sandbox, "
        "in its jail and with the default limits, does its worst. The gateway has its loops, and the servers their "
        f"processes, on all {len(CORES)} cores, which the client shares with them; what is looked at is the ratio within "
        "a round. Other programs on the machine raise the quiet figures and hide what the hostile sandbox adds."
    )
    columns = (
        Column("calls", "calls", 0),
        Column("quiet_p50_us", "alone, p50 µs", 0),
        Column("quiet_p99_us", "alone, p99 µs", 0),
        Column("p50_us", "beside it, p50 µs", 0),
        Column("p99_us", "beside it, p99 µs", 0),
        Column("p50_ratio", "p50 ÷ alone", 2),
        Column("p99_ratio", "p99 ÷ alone", 2),
    )
    point_unit = ""

    def targets(self):
        cores = ",".join(map(str, CORES))
        return [
            Gateway("gateway_neighbours", "one loop a core", isolation=self.options.isolation, workers=0, cores=cores)
        ], []

    def points(self):
        return list(ATTACKS)

    def prepare(self, target):
        self.calls(target.endpoints[0], 0.5)

    def measure(self, target, point):
        quiet = target.endpoints[0]
        alone = self.calls(quiet, self.options.seconds)
        server = [PYTHON, "-I", str(ESCAPE), f"neighbour-{os.getpid()}"]
        hostile = target.create(server=server)
        try:
            with accounting.Meter(target) as meter:
                self.begin(hostile, *ATTACKS[point])
                beside = self.calls(quiet, self.options.seconds)
        finally:
            target.kill(hostile)
        figures = beside.figures() | {"calls": self.options.seconds * CALLS_PER_SECOND, "bad": 0}
        for name in ("p50", "p99"):
            before = alone.figures()[f"{name}_us"]
            figures[f"quiet_{name}_us"] = before
            figures[f"{name}_ratio"] = figures[f"{name}_us"] / max(before, 1)
        return figures | {"stolen": meter.per(1)["stolen"]}

    def begin(self, endpoint, name, facts):
        """The call need not come back: its server may be dead by then."""

        def call():
            try:
                connection = endpoint.connect()
                endpoint.use(connection, "bench_attack", {"name": name, "facts": facts})
                connection.close()
            except OSError:
                pass

        threading.Thread(target=call, daemon=True).start()
        time.sleep(BEGIN_SECONDS)

    def calls(self, endpoint, seconds):
        """Paced calls over one connection, by a client that does as little as can be."""
        body = json.dumps(endpoint.call_message(1, "x" * self.options.bytes)).encode()
        fields = endpoint.headers() | {"Host": f"127.0.0.1:{endpoint.port}", "Content-Length": str(len(body))}
        head = f"POST {endpoint.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request, latencies = head.encode() + b"\r\n" + body, Latencies()
        with socket.create_connection(("127.0.0.1", endpoint.port), 20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            due = time.monotonic()
            for _ in range(int(seconds * CALLS_PER_SECOND)):
                time.sleep(max(due - time.monotonic(), 0))
                due = max(due + 1 / CALLS_PER_SECOND, time.monotonic())
                began = time.monotonic()
                connection.sendall(request)
                answer = connection.recv(65536)
                while b'"result"' not in answer and b'"error"' not in answer:
                    piece = connection.recv(65536)
                    if not piece:
                        raise RuntimeError(f"the connection ended after {answer[:200]!r}")
                    answer += piece
                latencies.add((time.monotonic() - began) * 1e6)
                if b'"error"' in answer:
                    raise RuntimeError(f"a quiet call failed: {answer[:300]!r}")
        return latencies
