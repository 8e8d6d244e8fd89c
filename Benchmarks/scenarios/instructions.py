"""How many instructions a call takes in user space."""

import os
import re
import shutil
import signal
import subprocess
import time

from harness import accounting
from harness.anchors import Bound, Nginx, installed
from harness.gateway import Gateway
from harness.places import BINARY, RUN, SCRATCH, program
from harness.scenario import Column, Scenario

from .allocations import CONNECTIONS, WARM_CALLS, run

SHOWN_FUNCTIONS = 12
# What a call's instructions go to, by the functions' names; the first that fits counts.
AREAS = {
    "reference counts and classes": r"swift_(?:retain|release|bridge|isUnique|beginAccess|getObject|weak)|ReferenceCounting",
    "memory": r"malloc|free|calloc|swift_(?:alloc|dealloc|slow)|ChunkPool|Heap\.|ByteQueue",
    "copying bytes": r"mem(?:cpy|move|set|chr|cmp)",
    "HTTP requests": r"FieldLines|RequestParser|RequestLine|RequestHead|Field\.|Framing|HTTP1Connection|FieldValue|Accept",
    "JSON": r"JSON|Envelope|ObjectWalker|Scanner|ce_scan|utf8",
    "routing, tokens and calls": r"Router|route|Authori|Token|SandboxKey|CallTable|Endpoint|Backend|LoopState|Session"
                                 r"|SandboxHome|CallID|Identity|ObjectTable|Access",
    "rewriting and answering": r"Splice|Rewriter|ResponseWriter|Outbox|AnswerHead|ByteCursor|Digits|EventWriter",
    "the loop and system calls": r"Loop|Poller|ce_|epoll|Mailbox|TimerWheel|SlotTable|Source|read|writev|send|recv",
}


class Instructions(Scenario):
    name = "instructions"
    title = "User instructions of a call"
    about = (
        "Counted by callgrind over calls on open connections, one call at a time, after a warm-up; the least noisy "
        "figure of all, since neither the machine nor its load changes it. The kernel's part is not in it. What runs "
        "is a copy of the binary without debug information, which valgrind cannot read, and servers run without "
        "jails: valgrind up to 3.19 knows no pidfds, so a preloaded library gives the gateway plain forks instead, "
        "and neither does it know io_uring."
    )
    columns = (Column("calls", "calls", 0), Column("instructions", "instructions/call", 0))
    primary, primary_title = "instructions", "user instructions per call"
    rounds_max = 1

    def targets(self):
        wrapper = [program("valgrind"), "--tool=callgrind", "--instr-atstart=no", "--dump-instr=no"]
        stripped = RUN / "mcp-gateway-stripped"
        subprocess.run([program("objcopy"), "--strip-debug", BINARY, stripped], check=True)
        environment = {"LD_PRELOAD": str(SCRATCH / "plain_clone.so"), "OWN_PROGRAM": str(BINARY)}

        def traced(name):
            remove_dumps(RUN / f"{name}.callgrind")
            return [*wrapper, f"--callgrind-out-file={RUN}/{name}.callgrind.%p"]

        ours = [
            Gateway(name, f"{era} requests", sandboxes=4, era=era, isolation="none", binary=stripped,
                    wrapper=traced(name), environment=environment, poller="epoll")
            for name, era in (("gateway_instructions", "legacy"), ("gateway_instructions_modern", "modern"))
        ]  # fmt: skip
        anchors, missing = installed(
            Bound(4, ours[0].name, wrapper=traced("bound_instructions"), name="bound_instructions"),
            Nginx("nginx_instructions", "nginx as a proxy", ours[0].name, wrapper=traced("nginx_instructions")))  # fmt: skip
        return ours + anchors, missing

    def measure(self, target, point):
        calls = self.options.counted_calls // 4
        ends = [target.endpoints[number % len(target.endpoints)] for number in range(CONNECTIONS)]
        open_ends = [(endpoint, endpoint.connect()) for endpoint in ends]
        bad = run(open_ends, WARM_CALLS // 4)
        control("--instr=on", target)
        bad += run(open_ends, calls)
        # Before counting is switched off, which would forget the counts.
        control("--dump", target)
        for _, connection in open_ends:
            connection.close()
        total, functions, areas = read_dump(RUN / f"{target.name}.callgrind")
        if not total:
            raise RuntimeError(f"{target.name}: callgrind has counted nothing")
        return {"calls": calls, "bad": bad, "instructions": total / calls, "functions": functions,
                "areas": areas if isinstance(target, Gateway) else {}}  # fmt: skip

    def finish(self, target):
        """Its children's ends go unnoticed there, so it would wait for them; the processes are ended one by one."""
        for pid in reversed(accounting.with_descendants(target.process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        target.process.wait()

    def check(self, target):
        return target.check() if target.process.poll() is None else []


def control(action, target):
    """A process and those that it forked keep counts of their own."""
    for pid in target.own_processes():
        subprocess.run(["callgrind_control", action, str(pid)], check=True, capture_output=True)


def read_dump(file):
    """Instructions of the dump that has the most, and its most expensive functions and areas."""
    best, dump, end = 0, None, time.monotonic() + 10
    while dump is None and time.monotonic() < end:
        for one in file.parent.glob(file.name + "*"):
            found = re.search(r"^(?:summary|totals): (\d+)", one.read_text(errors="replace"), re.MULTILINE)
            if found and int(found[1]) > best:
                best, dump = int(found[1]), one
        time.sleep(0.1)
    if dump is None:
        return 0, [], {}
    done = subprocess.run(["callgrind_annotate", "--threshold=100", dump], capture_output=True, text=True)
    rows = re.findall(r"^ *([\d,]+) \(.*?\) +\S*?:(.+?)(?: \[.*)?$", demangled(done.stdout), re.MULTILINE)
    functions = [{"share": int(count.replace(",", "")) / best, "name": name[:160]} for count, name in rows]
    remove_dumps(file)
    return best, functions[:SHOWN_FUNCTIONS], by_area(functions)


def by_area(functions):
    """Shares by `AREAS`, the largest first."""
    found = {}
    for one in functions:
        area = next((name for name, pattern in AREAS.items() if re.search(pattern, one["name"])), "anything else")
        found[area] = found.get(area, 0) + one["share"]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def remove_dumps(file):
    for one in file.parent.glob(file.name + "*"):
        one.unlink()


def demangled(text):
    """With Swift's names as they are written, where there is a toolchain."""
    if not shutil.which("swift"):
        return text
    done = subprocess.run(["swift", "demangle", "--simplified"], input=text, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else text
