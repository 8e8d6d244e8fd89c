"""Who used how much of the processor, from /proc."""

import os
from pathlib import Path

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


def usage(pids):
    """Nanoseconds on a processor, and context switches, of all threads of these processes."""
    nanoseconds = switches = 0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            folder = Path(f"/proc/{pid}/task/{thread}")
            try:
                nanoseconds += int((folder / "schedstat").read_text().split()[0])
                for line in (folder / "status").read_text().splitlines():
                    if "ctxt_switches" in line:
                        switches += int(line.split()[1])
            except OSError:
                pass
    return nanoseconds, switches


def resident_bytes(pids):
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def machine():
    """Seconds that all cores were busy, and seconds that a hypervisor took away."""
    fields = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    busy = sum(fields) - fields[3] - fields[4]
    return busy / TICKS, fields[7] / TICKS


def take_priority():
    """The harness and what it starts become a session of their own that the scheduler prefers, so that others on the
    machine disturb it less (sched_autogroup). Without the right to do so nothing changes."""
    try:
        os.setsid()
        Path("/proc/self/autogroup").write_text("-19")
    except OSError:
        pass
