#!/usr/bin/env python3
"""Kills the gateway at random moments, and looks at what the next start finds left.

    Tests/EndToEnd/soak_kill.py [--cycles 500] [--seed N] [--seconds 0.8]

Each cycle starts the gateway, lets clients create sandboxes, call them and kill them as fast as they can, in a network
of the cycle's choice, and sends SIGKILL after a random part of `--seconds`, which may be before it is up. Servers go by
themselves, but for those whose jail was being made at that moment, which are counted; then the next start finds, and
leaves, no process, mount, network namespace, control group, leased user of the host, or file in the state directory.
The seed makes the same choices again; what the machine does in between is its own.

Exit status 0: nothing was ever left; 1: something was, which is printed with its cycle and the seed.
"""

import argparse
import ctypes
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from support import processes  # noqa: E402
from support.gateway import BINARY, ECHO, FIXTURE, PYTHON, SCRATCH, Gateway, echo, fixture, new_mark  # noqa: E402
from support.http import exchange  # noqa: E402
from support.waiting import wait_until  # noqa: E402

CLIENTS = 4
# Until what a killed gateway left has gone by itself: microseconds, on a machine that has time.
GRACE_SECONDS = 1
IS_ROOT = os.geteuid() == 0
NETWORKS = ("none", "listed", "proxy", "host") if IS_ROOT else ("host",)
# Where users of the host are leased to sandboxes.
LOCKS = Path("/run/lock")
CLONE_NEWNS = 0x20000
# fcntl(2): looks for locks of other open files.
F_OFD_GETLK = 36


class Left(Exception):
    """Something was left behind."""


def enter_own_lock_directory():
    """Leases of other gateways of this machine are not ours: a mount namespace with an empty directory for them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "leases", str(LOCKS)], check=True)


def leased_users():
    """Whether any user of the host is still leased."""
    file = LOCKS / "mcp-gateway.users"
    if not IS_ROOT or not file.exists():
        return False
    with open(file, "r+b") as opened:
        # struct flock: type, whence, start, length (0 is to the end), pid.
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(opened, F_OFD_GETLK, asked)
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK


class Soak:
    """One state directory, which many gateways use one after the other."""

    def __init__(self, directory, seed, seconds, owns_locks):
        self.random = random.Random(seed)
        self.seconds, self.owns_locks = seconds, owns_locks
        self.mark = new_mark()
        self.gateway = Gateway(directory)
        self.counts = {"created": 0, "called": 0, "killed": 0, "before it was up": 0, "jails in the making": 0}
        self.lock = threading.Lock()
        self.choose_network()
        self.gateway.start()
        # What every start makes, and no sandbox.
        self.files = processes.directories(self.gateway.state)
        self.groups = processes.cgroups(self.gateway.state)
        self.mounts, self.named = processes.mounts(), processes.namespaces()
        self.gateway.kill()

    def choose_network(self):
        self.gateway.config = f"network: {self.random.choice(NETWORKS)}\n"

    # ------------------------------------------------------------------ a cycle

    def cycle(self):
        """Returns nothing; raises when something is left."""
        self.choose_network()
        delay = self.random.uniform(0, self.seconds)
        seeds = [self.random.random() for _ in range(CLIENTS)]
        self.gateway.spawn()
        began = time.monotonic()
        ending = threading.Event()
        clients = [threading.Thread(target=self.client, args=(seed, ending), daemon=True) for seed in seeds]
        for client in clients:
            client.start()
        # The moment is what the seed has chosen; nothing is waited for.
        time.sleep(max(delay - (time.monotonic() - began), 0))
        self.gateway.kill()
        ending.set()
        for client in clients:
            client.join(30)
        self.look_at_what_goes_by_itself()
        self.gateway.start()
        self.look_at_what_the_next_start_sweeps()
        self.gateway.kill()

    def client(self, seed, ending):
        chooser, control = random.Random(seed), self.gateway.control()
        while not ending.is_set():
            try:
                if exchange(self.gateway.url + "/health", timeout=5).status != 200:
                    continue
                break
            except OSError:
                time.sleep(0.002)
        else:
            self.count("before it was up")
        while not ending.is_set():
            try:
                self.live(control, chooser)
            except (OSError, ValueError, AssertionError):
                # The gateway has been killed under it: whatever it was told is no answer.
                if self.gateway.process.poll() is None and not ending.is_set():
                    time.sleep(0.002)

    def live(self, control, chooser):
        kinds = {
            "echo": echo(),
            "fixture": fixture(self.mark, "--ignore-term"),
            "escape": {"command": [PYTHON, "-I", str(FIXTURE.parent / "escape.py"), self.mark]},
            "dies": fixture(self.mark, "--die", 3),
        }
        names = chooser.sample(sorted(kinds), chooser.randint(1, 2))
        sandbox = control.create({name: kinds[name] for name in names})
        self.count("created")
        for name, tool, arguments in (
            ("echo", "echo_echo", {"text": "x"}),
            ("fixture", "fixture_write", {"path": "/workspace/file", "data": "x" * 10_000}),
            ("escape", "escape_attack", {"name": "stay", "facts": {"mark": self.mark, "count": 3}}),
        ):
            if name in names:
                sandbox.call(tool, arguments)
                self.count("called")
        if chooser.random() < 0.7:
            sandbox.kill()
            self.count("killed")

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    # ------------------------------------------------------------------ what is left

    def ours(self):
        """Processes of servers, and of their jails."""
        return [pid for pid in processes.all_processes() if pid != os.getpid() and self.is_ours(pid)]

    def is_ours(self, pid):
        line = processes.command_line(pid)
        return self.mark in line or str(ECHO) in line

    def look_at_what_goes_by_itself(self):
        """Before any next start: no server runs but one that was being started."""
        try:
            wait_until(lambda: not self.ours(), GRACE_SECONDS, "no process is left")
        except AssertionError:
            self.count("jails in the making", sum(processes.parent(pid) not in self.ours() for pid in self.ours()))
        self.none(lambda: ["users"] if self.owns_locks and leased_users() else [], "leases of host users", 0)
        self.none(lambda: surplus(processes.mounts(), self.mounts), "mounts", 0)

    def look_at_what_the_next_start_sweeps(self):
        state = self.gateway.state
        self.none(lambda: [processes.command_line(pid) for pid in self.ours()], "processes", 0)
        self.none(self.network_namespaces, "network namespaces", 0)
        self.none(lambda: surplus(processes.directories(state), self.files), "files in the state directory", 0)
        self.none(lambda: surplus(processes.cgroups(state), self.groups), "control groups", 0)
        self.none(lambda: surplus(processes.mounts(self.gateway.pid), self.mounts), "mounts of the gateway", 0)
        self.none(lambda: processes.descendants(self.gateway.pid), "processes below the gateway", 0)

    def network_namespaces(self):
        """Those of which somebody holds a descriptor, or a mount."""
        held = [kind for kind in processes.descriptors(self.gateway.pid) if kind.startswith("net:")]
        return held + surplus(processes.namespaces(), self.named)

    def none(self, look, what, seconds):
        try:
            wait_until(lambda: not look(), seconds, f"no {what}")
        except AssertionError:
            raise Left(f"{what}: {', '.join(map(str, look()[:10]))}") from None

    def end(self):
        """A polite end after the last cycle takes away the rest."""
        self.gateway.start()
        if self.gateway.stop() != 0:
            raise Left(f"the last gateway ended with {self.gateway.process.returncode}")
        self.none(self.ours, "processes after a polite end", 0)
        self.none(lambda: processes.cgroups(self.gateway.state), "control groups after a polite end", 0)


def surplus(now, before):
    rest = list(now)
    for one in before:
        if one in rest:
            rest.remove(one)
    return rest


# ------------------------------------------------------------------ the command line


def show(soak, done, cycles, began):
    line = f"{done} of {cycles} cycles, " + ", ".join(f"{count} {what}" for what, count in soak.counts.items())
    line += f", {time.monotonic() - began:.0f} s"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="" if done < cycles else "\n", file=sys.stderr, flush=True)
    elif done % 25 == 0 or done == cycles:
        print(line, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=0.8, help="the latest moment of a kill after its start")
    options = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"soak_kill.py: {BINARY} is missing: make build")
    print(f"seed {options.seed}", flush=True)
    if IS_ROOT:
        enter_own_lock_directory()
    directory, began = SCRATCH / f"soak-{os.getpid()}", time.monotonic()
    soak = Soak(directory, options.seed, options.seconds, owns_locks=IS_ROOT)
    done = 0
    try:
        for done in range(1, options.cycles + 1):
            soak.cycle()
            show(soak, done, options.cycles, began)
        soak.end()
    except Left as left:
        print(f"\nleft behind in cycle {done} of seed {options.seed}: {left}\nthe log: {soak.gateway.log_path}")
        if soak.gateway.process.poll() is None:
            soak.gateway.kill()
        return 1
    shutil.rmtree(directory)
    print(f"nothing was left in {options.cycles} cycles: " + ", ".join(f"{n} {what}" for what, n in soak.counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
