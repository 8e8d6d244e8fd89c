"""What the kernel says about processes, descriptors, mounts and cgroups."""

import os
from pathlib import Path


def all_processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def state(pid):
    """The one-letter state, or an empty string when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat[stat.rindex(")") + 2]
    except (OSError, ValueError):
        return ""


def parent(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat[stat.rindex(")") + 2 :].split()[1])
    except (OSError, ValueError):
        return 0


def with_mark(mark):
    """Living processes (zombies too) whose command line holds the text; our own tests do not count."""
    return [pid for pid in all_processes() if pid != os.getpid() and mark in command_line(pid)]


def descendants(root):
    """All processes below `root`, zombies too."""
    children = {}
    for pid in all_processes():
        children.setdefault(parent(pid), []).append(pid)
    found, queue = [], list(children.get(root, []))
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def server_process(mark):
    """The innermost process of a marked server: the server itself, not the jail around it."""
    found = with_mark(mark)
    inner = [pid for pid in found if not any(parent(other) == pid for other in found)]
    return inner[0] if inner else None


def descriptors(pid):
    """What each open descriptor of a process is, without the numbers of sockets and pipes."""
    kinds = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            kinds.append(os.readlink(f"/proc/{pid}/fd/{name}").split("[")[0])
        except OSError:
            pass
    return sorted(kinds)


def mounts(pid="self"):
    return sorted(line.split(" ", 1)[1] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def tag(state):
    """The name of this state directory among all of the machine."""
    hashed = 0xCBF29CE484222325
    for byte in os.path.realpath(state).encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) % 2**64
    digits = ""
    while hashed:
        hashed, digit = divmod(hashed, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def cgroups(state):
    """Every cgroup directory that the gateway of this state directory made."""
    name = f"/mcp-gateway-{tag(state)}"
    return sorted(folder for folder, _, _ in os.walk("/sys/fs/cgroup") if name in folder)


def namespaces():
    """Named network namespaces."""
    try:
        return sorted(os.listdir("/run/netns"))
    except OSError:
        return []


def directories(root):
    """Every path below a directory, relative to it."""
    found = []
    for folder, names, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names + files]
    return sorted(found)
