"""One measured run of wrk against one target."""

import json
import os
import re
import resource
import subprocess
import time

from . import accounting
from .targets import HERE, LOAD_CORE, SCRATCH


def run(target, connections, seconds, text_bytes):
    file = SCRATCH / f"{target.name}.endpoints"
    file.write_text("".join(endpoint.line + "\n" for endpoint in target.endpoints))
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(HERE / "load.lua"), f"http://127.0.0.1:{target.port}/"]
    environment = os.environ | {"LOAD_ENDPOINTS": str(file), "LOAD_BYTES": str(text_bytes)}
    own = target.own_processes()
    busy, stolen = accounting.machine()
    load = resource.getrusage(resource.RUSAGE_CHILDREN)
    nanoseconds, switches = accounting.usage(own)
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds + 30)
    elapsed = time.monotonic() - began
    after, switches_after = accounting.usage(own)
    busy_after, stolen_after = accounting.machine()
    load_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk: {done.stdout[-500:]}{done.stderr[-500:]}")
    result = json.loads(found[1])
    requests = max(result["requests"], 1)
    load_seconds = load_after.ru_utime + load_after.ru_stime - load.ru_utime - load.ru_stime
    return {
        "target": target.name,
        "connections": connections,
        "requests": result["requests"],
        "bad": result["bad"],
        "per_second": result["requests"] / (result["microseconds"] / 1e6),
        "cpu_us": (after - nanoseconds) / 1e3 / requests,
        "switches": (switches_after - switches) / requests,
        "p50_us": result["p50"],
        "p99_us": result["p99"],
        "load_share": load_seconds / elapsed,
        "machine_busy": (busy_after - busy) / elapsed,
        "stolen": (stolen_after - stolen) / elapsed,
        "resident_bytes": accounting.resident_bytes(own),
    }
