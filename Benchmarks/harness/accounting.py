"""Who used how much of the processor and of memory, from /proc."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

PREFERRED = "-19"
TICKS = os.sysconf("SC_CLK_TCK")


def parent(pid):
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def with_descendants(root):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(parent(int(name)), []).append(int(name))
            except OSError:
                pass
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


@dataclass
class Usage:
    """Of all threads of some processes: time on a processor, ticks in and out of the kernel, context switches."""

    nanoseconds: int = 0
    user: int = 0
    system: int = 0
    switches: int = 0

    def add(self, folder):
        self.nanoseconds += int((folder / "schedstat").read_text().split()[0])
        fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        self.user += int(fields[11])
        self.system += int(fields[12])
        for line in (folder / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                self.switches += int(line.split()[1])


def threads(pid):
    try:
        return [Path(f"/proc/{pid}/task/{name}") for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def usage(pids):
    total = Usage()
    for folder in (folder for pid in pids for folder in threads(pid)):
        try:
            total.add(folder)
        except OSError:
            pass
    return total


def nanoseconds_by_thread(pids):
    found = {}
    for folder in (folder for pid in pids for folder in threads(pid)):
        one = Usage()
        try:
            one.add(folder)
        except OSError:
            continue
        found[folder.name] = one.nanoseconds
    return found


def memory(pids, field="VmRSS"):
    """Bytes by a field of /proc/PID/status; RssAnon is what a process has of its own."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def settled_memory(pids, field="RssAnon", seconds=5):
    """Bytes once two looks in a row see the same, within 16 KiB."""
    end, last = time.monotonic() + seconds, None
    while True:
        now = memory(pids, field)
        if last is not None and abs(now - last) <= 16384 or time.monotonic() > end:
            return now
        last = now
        time.sleep(0.2)


def machine():
    """Seconds that all cores were busy, and seconds that a hypervisor took away."""
    fields = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    busy = sum(fields) - fields[3] - fields[4]
    return busy / TICKS, fields[7] / TICKS


class Meter:
    """What a target used between `with` and its end, in figures for each request."""

    def __init__(self, target):
        self.pids = target.own_processes()

    def __enter__(self):
        self.ours = own_seconds()
        self.busy, self.stolen = machine()
        self.began = time.monotonic()
        self.before = usage(self.pids)
        return self

    def __exit__(self, *_):
        self.after = usage(self.pids)
        self.elapsed = time.monotonic() - self.began
        busy, stolen = machine()
        self.busy, self.stolen = busy - self.busy, stolen - self.stolen
        self.ours = own_seconds() - self.ours

    @property
    def nanoseconds(self):
        return self.after.nanoseconds - self.before.nanoseconds

    def per(self, requests):
        requests = max(requests, 1)
        cpu = self.nanoseconds / 1e3 / requests
        user, system = self.after.user - self.before.user, self.after.system - self.before.system
        return {
            "cpu_us": cpu,
            "user_us": cpu * user / max(user + system, 1),
            "switches": (self.after.switches - self.before.switches) / requests,
            "foreign": max(self.busy - self.ours, 0) / self.elapsed,
            "stolen": self.stolen / self.elapsed,
            "resident_bytes": memory(self.pids),
        }


def own_seconds():
    """Time on a processor of the harness, of all that it has started, and of what has ended since."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage(with_descendants(os.getpid())).nanoseconds / 1e9 + ended.ru_utime + ended.ru_stime


def take_priority():
    """The harness and what it starts become a session of their own that the scheduler prefers, so that others on the
    machine disturb it less (sched_autogroup). Without the right to do so nothing changes."""
    try:
        os.setsid()
        Path("/proc/self/autogroup").write_text(PREFERRED)
    except OSError:
        pass


def give_priority(root):
    """The same for those below a process that began sessions of their own."""
    for pid in with_descendants(root)[1:]:
        try:
            Path(f"/proc/{pid}/autogroup").write_text(PREFERRED)
        except OSError:
            pass
