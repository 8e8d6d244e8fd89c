"""What a large result costs."""

import hashlib
import json
import time

from harness import accounting
from harness.accounting import Meter
from harness.anchors import Bound, FastMCP, MCPProxy, installed
from harness.gateway import Gateway
from harness.latency import Latencies
from harness.places import PYTHON_SERVER
from harness.scenario import Column, Scenario

BLOB_BYTES = 10 * 1024 * 1024


class LargeResults(Scenario):
    name = "results"
    title = f"Results of {BLOB_BYTES // 2**20} MiB"
    about = (
        "One client calls a tool whose result is one long text, again and again, and compares a digest of what "
        "arrives. The peak is the target's largest resident memory ever."
    )
    columns = (
        Column("mib_per_second", "MiB/s", 0),
        Column("cpu_us", "CPU µs/MiB", 0),
        Column("p50_us", "p50 ms", 1, 1e-3),
        Column("peak_bytes", "peak RSS MiB", 1, 1 / 2**20),
    )
    primary, primary_title = "cpu_us", "CPU per MiB, µs"

    def targets(self):
        ours = Gateway("gateway_results", "legacy requests", server=PYTHON_SERVER, isolation=self.options.isolation)
        anchors, missing = installed(
            Bound(1, ours.name, server=PYTHON_SERVER, name="bound_results"), MCPProxy(ours.name, PYTHON_SERVER),
            FastMCP(ours.name, PYTHON_SERVER))  # fmt: skip
        return [ours, *anchors], missing

    def measure(self, target, point):
        endpoint, connection = target.endpoints[0], target.endpoints[0].connect()
        tool = endpoint.tool.replace("echo", "blob")
        latencies, bad, calls = Latencies(), 0, 2 if target.is_slow else 10
        self.fetch(endpoint, connection, tool)
        with Meter(target) as meter:
            for _ in range(calls):
                began = time.monotonic()
                bad += not self.fetch(endpoint, connection, tool)
                latencies.add((time.monotonic() - began) * 1e6)
        connection.close()
        mib = calls * BLOB_BYTES / 2**20
        return {"bad": bad, "mib_per_second": mib / meter.elapsed, **meter.per(mib), **latencies.figures(),
                "peak_bytes": accounting.memory(target.own_processes(), "VmHWM")}  # fmt: skip

    def fetch(self, endpoint, connection, tool):
        """True when the whole text came. It is compared as bytes: to parse it would cost more than to fetch it."""
        message = endpoint.message(1, "tools/call", {"name": tool, "arguments": {"bytes": BLOB_BYTES}})
        connection.request("POST", endpoint.path, json.dumps(message), endpoint.headers(tool=tool))
        response = connection.getresponse()
        data = response.read()
        start = data.find(b'"text":"x') + 8
        text = memoryview(data)[start : start + BLOB_BYTES]
        is_all = len(data) > start + BLOB_BYTES and data[start + BLOB_BYTES] == ord('"')
        return response.status == 200 and is_all and hashlib.sha256(text).digest() == EXPECTED


EXPECTED = hashlib.sha256(b"x" * BLOB_BYTES).digest()
