"""A server that wants out: it sees nobody, harms nobody, and is gone when its sandbox is killed."""

import json
import os
import threading

import pytest

from support import processes
from support.gateway import FIXTURE, PYTHON, fixture, new_mark
from support.waiting import wait_until
from test_leftovers import census, differences

HOSTILE = FIXTURE.parent / "hostile.py"
NETWORKS = ["host", "none"] if os.geteuid() == 0 else ["host"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="control groups and mounts need root")


def hostile(mark, *flags):
    return {"command": [PYTHON, "-I", str(HOSTILE), str(FIXTURE), "--mark", mark, *map(str, flags)]}


def answer(sandbox, tool, arguments=None):
    return json.loads(sandbox.text(f"bad_{tool}", arguments))


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request, scratch):
    """A hostile sandbox, a good one, and their gateway."""
    from support.gateway import Gateway

    with Gateway(scratch / f"hostile-{request.param}", config=f"network: {request.param}\n") as gateway:
        marks = new_mark(), new_mark()
        secret = {"env": {"SECRET": "secret-of-the-good"}}
        with (
            gateway.create({"bad": hostile(marks[0])}) as bad,
            gateway.create({"good": fixture(marks[1]) | secret}) as good,
        ):
            assert good.text("good_write", {"path": "/workspace/private", "data": "private-of-the-good"}) == "written"
            yield gateway, bad, good, marks


def test_it_reads_nothing_that_is_not_its_own(pair):
    gateway, bad, good, marks = pair
    victim = processes.server_process(marks[1])
    paths = [
        "/etc/shadow", "/root", "/home", "/var/lib", "/sys", "/sys/fs/cgroup", "/boot", "/run/lock", "/run/dbus", "/dev/shm",
        str(gateway.state), str(gateway.state / "sandboxes"), str(gateway.directory / "keys"), str(gateway.log_path),
        str(gateway.state / "sandboxes" / good.id / "workspace"),
        str(gateway.state / "sandboxes" / good.id / "workspace/private"),
        f"/proc/{victim}/environ", f"/proc/{victim}/root/workspace/private", f"/proc/{victim}/cwd/private",
        f"/proc/{gateway.pid}/environ", f"/proc/{gateway.pid}/root/etc/shadow", f"/proc/{gateway.pid}/fd",
        "/proc/1/root/etc/shadow", "/proc/1/cwd", "/proc/self/root/etc/shadow", "/proc/kcore", "/proc/1/environ",
        "/proc/keys", "/proc/self/mountinfo", "/workspace/../etc/shadow", "/proc/net/unix",
    ]  # fmt: skip
    seen = answer(bad, "look", {"paths": paths})
    everything = json.dumps(list(seen.values()))
    for secret in ("secret-of-the-good", "private-of-the-good", "root:$", "root:*", *gateway.keys.values()):
        assert secret not in everything
    empty = {"/sys", "/dev/shm", "/root", "/home", "/var/lib", "/run/lock", "/run/dbus", "/boot"}
    for path in paths:
        if path in empty:
            # Places of the files that its own command names.
            own = [f"done: ['{part}']" for part in FIXTURE.parts]
            assert seen[path] in ("ENOENT", "EACCES", "done: []", *own), (path, seen[path])
        elif not path.startswith("/proc/"):
            assert seen[path] in ("ENOENT", "EACCES", "ENOTDIR"), (path, seen[path])
    # Its own mounts do not tell where the gateway keeps others.
    assert good.id not in everything and str(gateway.directory / "keys") not in seen["/proc/self/mountinfo"]


def test_links_lead_nowhere(pair):
    gateway, bad, _, _ = pair
    seen = answer(bad, "links", {"path": str(gateway.directory / "keys")})
    assert {seen[name] for name in ("symbolic", "directory", "hard")} <= {"ENOENT", "EACCES", "EPERM", "EXDEV"}, seen
    assert seen["device"] == "EPERM"


def test_it_reaches_no_foreign_process(pair):
    gateway, bad, good, marks = pair
    foreign = [processes.server_process(marks[1]), gateway.pid, os.getpid()]
    seen = answer(bad, "others", {"pids": foreign})
    assert seen["count"] <= 4
    for pid, tried in seen["pids"].items():
        assert set(tried.values()) <= {"ESRCH", "ENOENT", "EPERM", "EINVAL"}, (pid, tried)
    assert processes.state(foreign[0]) in ("S", "R") and good.text("good_whoami") == marks[1]


def test_the_kernel_gives_it_nothing(pair):
    _, bad, _, _ = pair
    for name, how in answer(bad, "kernel").items():
        assert how in ("EPERM", "ENOSYS", "EACCES", "ENOENT", "EROFS", "EINVAL", "ENOTTY", "EAFNOSUPPORT"), (name, how)


def test_answers_that_nobody_asked_for_reach_nobody(pair):
    gateway, bad, good, marks = pair
    before = gateway.metric("server_stray_answers_total")
    failures = []

    def ask():
        try:
            for _ in range(50):
                assert good.text("good_whoami") == marks[1]
                assert bad.text("bad_whoami") == marks[0]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        assert bad.text("bad_lie", {"count": 3000}) == "lied"
    for thread in threads:
        thread.join(60)
    assert not failures, failures[0]
    assert gateway.metric("server_stray_answers_total") > before


def test_floods_of_its_outputs_harm_nobody(pair):
    gateway, bad, good, marks = pair
    assert bad.text("bad_streams", {"megabytes": 40}) == "flooded"
    assert bad.text("bad_whoami") == marks[0] and good.text("good_whoami") == marks[1]
    assert sum(len(line) for line in bad.server("bad").get("stderrTail", [])) < 200_000
    with open(f"/proc/{gateway.pid}/status") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert resident < 400_000, f"{resident} KiB"


BOMBS = {
    "forkbomb": [("forkbomb", {})],
    "memory": [("eat", {"megabytes": 100_000})],
    "disk": [("fill", {"path": f"{folder}/bomb", "megabytes": 100_000}) for folder in ("/workspace", "/tmp", "/var/tmp", "/dev/shm")],
    "files": [("files", {"folder": "/workspace/many", "count": 100_000}), ("files", {"folder": "/tmp/many", "count": 1000})],
    "spin": [("spin", {"threads": 4})],
    "descriptors": [("descriptors", {})],
    "stay": [("stay", {"count": 20})],
}  # fmt: skip


@needs_root
@pytest.mark.parametrize("kind", BOMBS)
def test_what_it_takes_is_bounded_and_given_back(pair, kind):
    """Neighbours answer all the while, and after the kill there is nothing of it."""
    gateway, _, good, good_mark = pair[0], pair[1], pair[2], pair[3][1]
    limits = {"server-memory": "300MiB", "sandbox-disk": "200MiB", "server-processes": 100, "server-open-files": 300}
    with gateway.create({"warm": fixture(new_mark())}):
        pass
    wait_until(lambda: gateway.metric("connections") <= 1, 10, "connections are closed")
    before = census(gateway)
    mark = new_mark()
    own = {"$gateway": {"limits": limits}, "bad": hostile(mark, "--ignore-term"), "beside": fixture(mark)}
    with gateway.create(own) as sandbox:
        for tool, arguments in BOMBS[kind]:
            more = {"mark": mark} if tool == "stay" else {}
            said = sandbox.call(f"bad_{tool}", arguments | more)
            assert said.status in (200, 503), said
            # What lies in memory may end it before its place is full.
            if kind == "disk" and said.status == 200:
                assert "No space" in said.json["content"][0]["text"], (arguments, said)
            if kind == "descriptors":
                assert json.loads(said.json["content"][0]["text"])["kept"] < 300
            for _ in range(20):
                assert good.text("good_whoami") == good_mark
        assert len(processes.with_mark(mark)) <= 260
        assert sandbox.kill().status == 204
    assert processes.with_mark(mark) == []
    wait_until(
        lambda: not differences(before, census(gateway)), 10, f"no difference: {differences(before, census(gateway))}"
    )
    assert good.text("good_whoami") == good_mark


@needs_root
def test_a_killed_gateway_takes_them_all_with_it(own_gateway):
    """SIGKILL in the middle of it: processes at once, files, mounts and groups at the next start."""
    gateway = own_gateway()
    mounts = processes.mounts()
    marks = [new_mark() for _ in range(3)]
    for mark in marks:
        limits = {"limits": {"server-processes": 60}}
        sandbox = gateway.create({"$gateway": limits, "bad": hostile(mark, "--ignore-term")})
        sandbox.call("bad_stay", {"mark": mark, "count": 5})
        sandbox.call("bad_files", {"folder": "/workspace/many", "count": 1000})
        sandbox.call("bad_forkbomb")
    gateway.kill()
    for mark in marks:
        wait_until(lambda: not processes.with_mark(mark), 10, "every process is gone")  # noqa: B023
    gateway.start()
    assert [mount for mount in processes.mounts() if mount not in mounts] == []
    assert list((gateway.state / "sandboxes").iterdir()) == []
    assert gateway.stop() == 0
