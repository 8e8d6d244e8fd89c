"""Load from wrk and h2load, one run each, with what the target used meanwhile."""

import json
import os
import re
import resource
import subprocess

from .accounting import Meter
from .latency import Latencies
from .places import HERE, LOAD_CORE, RUN, SCRATCH, program
from .streams import request

GRACE_SECONDS = 60


def wrk(target, connections, seconds, text_bytes, method="tools/call", threads=1, cores=LOAD_CORE):
    """A closed loop over HTTP/1.1, with TLS when the target has a certificate."""
    file = RUN / f"{target.name}.endpoints"
    file.write_text("".join(endpoint.line + "\n" for endpoint in target.endpoints))
    scheme = "https" if target.certificate else "http"
    script = str(HERE / "load.lua")
    command = ["taskset", "-c", cores, "wrk", f"-t{threads}", f"-c{max(connections, threads)}", f"-d{seconds}s",
               "--timeout", "10s", "-s", script, f"{scheme}://127.0.0.1:{target.port}/"]  # fmt: skip
    environment = os.environ | {"LOAD_ENDPOINTS": str(file), "LOAD_BYTES": str(text_bytes), "LOAD_METHOD": method}
    meter, output, share = measured(target, command, seconds, environment)
    return closed_loop(meter, output, share)


def kept(target, connections, seconds, text_bytes, cores=LOAD_CORE):
    """A closed loop over HTTP/1.1 in which every connection keeps to one endpoint; the ids are all 1."""
    file = RUN / f"{target.name}.records"
    with open(file, "wb") as out:
        for number in range(connections):
            endpoint = target.endpoints[number % len(target.endpoints)]
            fields = endpoint.headers()
            del fields["Authorization"], fields["Content-Type"]
            message = endpoint.call_message(1, "x" * text_bytes)
            record = request(endpoint, "POST", body=message, fields=fields)
            out.write(f"{len(record)}\n".encode() + record)
    command = ["taskset", "-c", cores, SCRATCH / "calls", str(target.port), str(seconds), file]
    meter, output, share = measured(target, command, seconds, None)
    file.unlink()
    return closed_loop(meter, output, share)


def closed_loop(meter, output, share):
    """The figures of a run that printed RESULT and LATENCIES."""
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if not found:
        raise RuntimeError(f"no result: {output[-500:]}")
    result = json.loads(found[1])
    seen = re.search(r"^LATENCIES(.*)$", output, re.MULTILINE)
    latencies = Latencies(map(int, pair.split(":")) for pair in (seen[1].split() if seen else ()))
    return {
        "requests": result["requests"],
        "bad": result["bad"],
        "per_second": result["requests"] / (result["microseconds"] / 1e6),
        "answer_bytes": result["bytes"] / max(result["requests"], 1),
        "load_share": share,
        **meter.per(result["requests"]),
        **latencies.figures(),
    }


def h2load(target, connections, streams, seconds, text_bytes):
    """A closed loop over HTTP/2 with `streams` requests at a time on each connection, all to the first endpoint and
    with one id, since h2load sends the same bytes each time."""
    endpoint = target.endpoints[0]
    body, log = RUN / f"{target.name}.body", RUN / f"{target.name}.h2log"
    body.write_text(json.dumps(endpoint.call_message(1, "x" * text_bytes), separators=(",", ":")))
    log.unlink(missing_ok=True)
    scheme = "https" if target.certificate else "http"
    command = ["taskset", "-c", LOAD_CORE, program("h2load"), "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}",
               "-d", str(body), f"--log-file={log}"]  # fmt: skip
    for name, value in endpoint.headers().items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"{scheme}://127.0.0.1:{target.port}{endpoint.path}")
    meter, output, share = measured(target, command, seconds, None)
    finished = re.search(r"finished in [^,]*, ([\d.]+) req/s", output)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", output)
    if not finished or not counts:
        raise RuntimeError(f"h2load: {output[-500:]}")
    latencies, good, bad = Latencies(), 0, 0
    for line in log.read_text().splitlines():
        _, status, microseconds = line.split()
        if status == "200":
            good += 1
            latencies.add(int(microseconds))
        else:
            bad += 1
    log.unlink()
    return {
        "requests": good,
        "bad": bad + int(counts[2]) + int(counts[3]),
        "per_second": float(finished[1]),
        "load_share": share,
        **meter.per(good),
        **latencies.figures(),
    }


def measured(target, command, seconds, environment):
    """The meter over a run, what the program said, and how much of a core it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Meter(target) as meter:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=seconds + GRACE_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return meter, done.stdout + done.stderr, used / meter.elapsed
