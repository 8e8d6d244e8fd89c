"""The server of somebody who wants out (fixture/escape.py), in every network, under a gateway of root and under one of
an ordinary user: it gets out of nothing, its neighbours are answered, and nothing of it is left."""

import contextlib
import functools
import json
import os
import socket
import time
from pathlib import Path

import pytest

from support import processes
from support.gateway import FIXTURE, PYTHON, Gateway, fixture, new_mark
from support.waiting import wait_until
from test_egress import Echo
from test_leftovers import census, differences

ESCAPE = FIXTURE.parent / "escape.py"
# Nobody's on any machine of ours: an ordinary user who has nothing here.
ORDINARY = 61_234
IS_ROOT = os.geteuid() == 0
NETWORKS = ("none", "listed", "proxy", "host")
RUNS = [("root", network) for network in NETWORKS] + [("user", "host")] if IS_ROOT else [("user", "host")]
needs_root = pytest.mark.skipif(not IS_ROOT, reason="control groups and mounts need root")
INSIDE, PROXY = 50005, 50006


def escaping(mark, *flags):
    return {"command": [PYTHON, "-I", str(ESCAPE), mark, *flags]}


def start(scratch, who, network, config=""):
    user = ORDINARY if IS_ROOT and who == "user" else None
    return Gateway(scratch / f"escape-{who}-{network}-{new_mark()}", f"network: {network}\n{config}", user=user)


def do(sandbox, name, **facts):
    """What an attack came to."""
    return json.loads(sandbox.text("bad_attack", {"name": name, "facts": facts}))


def gains(found, allowed=()):
    return {what: how for what, how in found.items() if str(how).startswith("GOT") and what not in allowed}


class Scene:
    """A hostile sandbox and a good one with secrets, in one gateway."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.marks = new_mark(), new_mark()
        good = fixture(self.marks[1]) | {"env": {"SECRET": "secret-of-the-good"}}
        self.good = gateway.create({"good": good})
        assert self.good.text("good_write", {"path": "/workspace/private", "data": "private-of-the-good"}) == "written"
        self.bad = gateway.create({"bad": escaping(self.marks[0])})
        self.victim = processes.server_process(self.marks[1])
        self.secrets = ["secret-of-the-good", "private-of-the-good", "root:$", "root:*", *gateway.keys.values()]


def run_name(run):
    return "-".join(run)


def only(*networks):
    """For tests of some networks alone."""
    runs = [run for run in RUNS if run[1] in networks]
    return pytest.mark.parametrize("scene", runs, ids=run_name, indirect=True)


@pytest.fixture(scope="module", params=RUNS, ids=run_name)
def scene(request, scratch):
    who, network = request.param
    with start(scratch, who, network) as gateway:
        made = Scene(gateway)
        yield made
        made.bad.kill()
        made.good.kill()


def test_no_file_of_the_host_or_of_others(scene):
    gateway, good = scene.gateway, scene.good
    workspace = gateway.state / "sandboxes" / good.id / "workspace"
    paths = ["/etc/shadow", "/etc/sudoers", "/etc/ssh", "/root/.ssh", "/home", "/boot", "/sys/kernel", "/sys/fs/cgroup",
             "/run/docker.sock", "/run/podman", "/run/lock", "/var/run/dbus", "/var/log", "/var/spool", "/var/lib/dpkg",
             "/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/key-users", "/proc/sched_debug", "/proc/timer_list",
             str(gateway.state), str(gateway.state / "sandboxes"), str(gateway.state / "api-key"), str(workspace),
             str(workspace / "private"), str(gateway.directory / "keys"), str(gateway.directory / "config.yaml"),
             str(gateway.log_path), str(gateway.state / "packages")]  # fmt: skip
    found = do(scene.bad, "files", paths=paths)
    everything = json.dumps(found)
    assert not [secret for secret in scene.secrets if secret in everything]
    # The kernel's own symbols are there, without their addresses.
    nothing = ("GOT []", "GOT ''", "GOT (None, '')")
    told = {what: how for what, how in gains(found).items() if how not in nothing and "'0000000000000000 " not in how}
    assert not told, told


def test_nothing_of_the_host_can_be_written(scene):
    found = do(scene.bad, "writes")
    allowed = {"setuid file"}
    assert not gains(found, allowed), gains(found, allowed)
    # Who runs it stays who it is.
    assert found["setuid file"] in ("GOT '1000\\n'", "no: EPERM", "no: EINVAL"), found["setuid file"]


def test_no_process_but_its_own(scene):
    foreign = [scene.victim, scene.gateway.pid, os.getpid(), processes.parent(scene.victim)]
    found = do(scene.bad, "processes", pids=foreign)
    assert found.pop("count") <= 3
    commands = json.dumps(found.pop("commands"))
    assert scene.marks[1] not in commands and "--admin-listen" not in commands
    assert not gains(found), gains(found)
    assert processes.state(scene.victim) in ("S", "R") and scene.good.text("good_whoami") == scene.marks[1]


def test_no_descriptor_and_no_secret_is_left_to_it(scene):
    found = do(scene.bad, "descriptors")
    environment = found.pop("own environment"), found.pop("environment of 1")
    for text in environment:
        assert not [secret for secret in scene.secrets if secret in text] and "MCP_GATEWAY" not in text
    first = found.pop("of 1")
    assert str(scene.gateway.state) not in first and "socket" not in first and "/memfd" not in first, first
    assert found.pop("terminal").startswith("no:")
    assert found.pop("push into a terminal").startswith("no:") and found.pop("keyboard").startswith("no:")
    assert set(found) == {"0", "1", "2"} and all(kind.startswith("pipe:") for kind in found.values()), found


def test_nothing_of_the_kernel(scene):
    found = do(scene.bad, "kernel")
    assert not gains(found), gains(found)


@only("none", "listed", "proxy")
def test_nothing_but_its_own_endpoint(scene):
    gateway, echo = scene.gateway, Echo()
    name = socket.gethostname()
    own = {socket.gethostbyname(name), "127.0.0.1", "::1"}
    targets = [(address, port) for address in own for port in (gateway.port, gateway.admin_port, echo.port, 22)]
    targets += [("169.254.169.254", 80), ("100.100.100.200", 80), ("fd00:ec2::254", 80), ("10.0.0.1", 443),
                ("192.168.0.1", 80), ("172.17.0.1", 80), ("1.1.1.1", 443), ("8.8.8.8", 53), ("::ffff:1.1.1.1", 80),
                ("2606:4700::1111", 443), ("127.0.0.53", 53), ("0.0.0.0", gateway.port)]  # fmt: skip
    names = ["example.com", "metadata.google.internal", "host.docker.internal", name]
    facts = {"targets": targets, "datagrams": ["8.8.8.8", "127.0.0.53", "169.254.169.254", "127.0.0.1", "::1"]}
    found = do(scene.bad, "network", names=names, **facts)
    assert found.pop("abstract") == [] and found.pop("routes") == [] and found.pop("interfaces") == ["lo"]
    assert not gains(found), gains(found)
    assert echo.accepted == 0
    echo.close()


def test_no_endpoint_but_its_own(scene):
    found = do(scene.bad, "foreign", other=scene.good.id, own="bad_attack", foreign="good_whoami")
    assert not gains(found), gains(found)


PROXY_TARGETS = [
    "127.1:{port}", "0x7f000001:{port}", "2130706433:{port}", "0177.0.0.1:{port}", "localhost.:{port}", "LOCALHOST:{port}",
    "[::ffff:127.0.0.1]:{port}", "[::ffff:7f00:1]:{port}", "[::127.0.0.1]:{port}", "[64:ff9b::7f00:1]:{port}",
    "[2002:7f00:1::]:{port}", "[2001:0:7f00:1::]:{port}", "[::]:{port}", "0:{port}", "0.0.0.0:{port}", "{name}:{port}",
    "{own}:{port}", "169.254.169.254:80", "0xA9FEA9FE:80", "[fd00:ec2::254]:80", "metadata.google.internal:80",
    "127.0.0.1%00.example.com:{port}", "example.com@127.0.0.1:{port}", "127.0.0.1:{port}#example.com:443",
    "[fe80::1%25lo]:{port}", "[::1]:{port}", "127.0.0.2:{port}", "224.0.0.1:{port}", "255.255.255.255:{port}",
]  # fmt: skip


@only("proxy")
def test_the_proxy_is_not_misled(scene):
    echo, name = Echo("0.0.0.0"), socket.gethostname()
    words = {"port": echo.port, "name": name, "own": socket.gethostbyname(name)}
    targets = [target.format(**words) for target in PROXY_TARGETS]
    targets += [target.format(**words | {"port": 443}) for target in PROXY_TARGETS]
    found = do(scene.bad, "proxy", port=PROXY, targets=targets)
    assert not gains(found), gains(found)
    assert echo.accepted == 0
    echo.close()


# ------------------------------------------------------------------ taking everything

LIMITS = {"server-memory": "200MiB", "sandbox-memory": "400MiB", "sandbox-disk": "64MiB", "server-processes": 100,
          "sandbox-processes": 150, "server-open-files": 500}  # fmt: skip
BOMBS = {
    "forks": [("forks", {})],
    "threads": [("threads", {})],
    **{
        f"memory-{kind.replace(' ', '-')}": [("memory", {"kind": kind})]
        for kind in ("anonymous", "memfd", "shared", "sysv", "pipes", "sockets", "queues", "files in /tmp")
    },
    "disk": [
        ("disk", {"place": place, "megabytes": 300, "files": 100_000, "depth": 3000})
        for place in ("/workspace", "/var/tmp", "/dev/shm")
    ],
    "spin": [("spin", {"processes": 8})],
    "hoard": [("hoard", {"port": INSIDE, "count": 400})],
    "knock": [("knock", {"port": INSIDE})],
    **{f"flood-{kind}": [("flood", {"kind": kind})] for kind in ("lines", "endless", "errors", "changes", "answers", "asks")},
}  # fmt: skip


# What an ordinary user's gateway can hold without control groups: the rest is the machine's.
UNAIDED = {"forks", "threads", "spin", *(kind for kind in BOMBS if kind.startswith("flood"))}
BOMBINGS = [("root", kind) for kind in BOMBS if IS_ROOT] + [("user", kind) for kind in BOMBS if kind in UNAIDED]


@pytest.fixture(scope="module")
def full(scratch):
    """Gateways with a good sandbox each, by who runs them."""
    with contextlib.ExitStack() as stack:

        def make(who):
            gateway = stack.enter_context(start(scratch, who, "none" if who == "root" else "host"))
            good = stack.enter_context(gateway.create({"good": fixture(new_mark())}, timeout=3600))
            with gateway.create({"warm": fixture(new_mark())}):
                pass
            return gateway, good

        yield functools.cache(make)


def is_met(sandbox, *limits):
    hits = sandbox.server("bad").get("limitHits", {})
    return any(hits.get(limit, 0) > 0 for limit in limits)


def has_worked(mark):
    """The processes of a mark have used CPU time worth speaking of, or written more than a pipe holds."""
    ticks = written = 0
    for pid in processes.with_mark(mark):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            written += int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])
        except (OSError, IndexError):
            pass
    return ticks >= 0.1 * os.sysconf("SC_CLK_TCK") or written > 200_000


@pytest.mark.parametrize("who, kind", BOMBINGS, ids=map(run_name, BOMBINGS))
def test_what_it_takes_is_bounded_and_neighbours_are_answered(full, who, kind):
    gateway, good = full(who)
    wait_until(lambda: gateway.metric("connections") <= 1, 10, "connections are closed")
    before = census(gateway)
    mark = new_mark()
    with gateway.create({"$gateway": {"limits": LIMITS}, "bad": escaping(mark)}) as bad:
        for name, facts in BOMBS[kind]:
            said = bad.call("bad_attack", {"name": name, "facts": facts})
            assert said.status in (200, 503, 504), said
        if kind.startswith("memory"):
            wait_until(lambda: is_met(bad, "server-memory", "sandbox-memory"), 30, "its memory is at the limit")
        if kind in ("forks", "threads") and who == "root":
            wait_until(lambda: is_met(bad, "server-processes"), 30, "its processes are as many as it may have")
        if kind in ("forks", "spin", "knock") or kind.startswith("flood"):
            wait_until(lambda: has_worked(mark), 30, "it is at work")
        for _ in range(30):
            assert good.text("good_add", {"a": 2, "b": 3}) == "5"
        # With the two of bubblewrap.
        assert len(processes.with_mark(mark)) <= 102
        with open(f"/proc/{gateway.pid}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        assert resident < 400_000, f"{resident} KiB"
        assert bad.kill().status == 204
    assert processes.with_mark(mark) == []
    wait_until(
        lambda: not differences(before, census(gateway)), 10, f"no difference: {differences(before, census(gateway))}"
    )


def test_a_server_that_asks_and_does_not_read_the_answers_is_ended(full):
    """They would wait in the gateway, more and more of them."""
    gateway, good = full("root" if IS_ROOT else "user")
    with gateway.create({"bad": escaping(new_mark())}) as bad:
        assert do(bad, "flood", kind="deaf") == {"began": True}
        wait_until(lambda: bad.server("bad")["restarts"] >= 1, 30, "it was ended")
        assert "does not read its input" in bad.server("bad")["lastError"]
        assert good.text("good_add", {"a": 2, "b": 3}) == "5"


def test_what_nobody_asked_for_does_not_hold_up_others(full):
    """A server that floods is read so much a second, however much it says: the gateway has time for its neighbours."""
    gateway, good = full("root" if IS_ROOT else "user")
    with gateway.create({"bad": escaping(new_mark())}) as bad:
        do(bad, "flood", kind="answers")
        before = gateway.metric("server_stray_answers_total")
        wait_until(lambda: gateway.metric("server_stray_answers_total") > before + 4000, 30, "it floods")
        began, count = time.monotonic(), gateway.metric("server_stray_answers_total")
        while time.monotonic() < began + 2:
            assert good.text("good_add", {"a": 2, "b": 3}) == "5"
        seen = gateway.metric("server_stray_answers_total") - count
        # One read may bring 64 KiB more than there was credit for.
        assert seen <= 4000 * (time.monotonic() - began) + 2000, seen


@needs_root
def test_a_call_that_calls_itself_comes_to_an_end(full):
    gateway, good = full("root")
    with gateway.create({"bad": escaping(new_mark())}) as bad:
        found = do(bad, "recurse", **{"depth": 500, "as": "bad"})
        assert "refused" in found, found
        assert good.text("good_add", {"a": 2, "b": 3}) == "5"


@needs_root
def test_a_list_without_end_is_cut(full):
    gateway, _ = full("root")
    with gateway.create({"bad": escaping(new_mark(), "--endless-list")}) as bad:
        assert do(bad, "processes", pids=[])["count"] <= 3
        assert list(bad.tools()) == ["bad_attack"]


@pytest.mark.parametrize("who", ["root", "user"] if IS_ROOT else ["user"])
def test_what_wants_to_stay_goes(scratch, who):
    """By the end of its sandbox, and by the sudden end of the gateway."""
    with start(scratch, who, "host") as gateway:
        marks = [new_mark(), new_mark()]
        sandboxes = [gateway.create({"bad": escaping(mark)}) for mark in marks]
        for sandbox, mark in zip(sandboxes, marks, strict=True):
            do(sandbox, "stay", mark=mark, count=10)
            do(sandbox, "spin", processes=2)
            assert len(processes.with_mark(mark)) >= 12
        assert sandboxes[0].kill().status == 204
        assert processes.with_mark(marks[0]) == []
        gateway.kill()
        wait_until(lambda: not processes.with_mark(marks[1]), 10, "every process is gone")
        gateway.start()
        assert list((gateway.state / "sandboxes").iterdir()) == []
