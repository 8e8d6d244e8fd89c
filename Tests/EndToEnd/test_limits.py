"""What a sandbox may use: the operator's numbers, a sandbox's own within them, and what is told of those it met."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from support import processes
from support.gateway import BINARY, FIXTURE, PYTHON, fixture, new_mark
from support.waiting import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
CONFIG = """
server-memory: 256MiB..512MiB
server-processes: 40..60
sandbox-disk: 8MiB..16MiB
server-open-files: 200
"""


@pytest.fixture(scope="module")
def limited(scratch):
    from support.gateway import Gateway

    with Gateway(scratch / "limited", config=CONFIG, flags=["--server-cpus", "0.8"]) as running:
        yield running


def test_the_operators_limits_are_those_of_a_sandbox(limited):
    with limited.create({"fix": fixture(new_mark())}) as sandbox:
        limits = sandbox.detail()["limits"]
        assert limits["server-memory"] == "256MiB" and limits["sandbox-disk"] == "8MiB"
        assert limits["server-cpus"] == "0.8" and limits["sandbox-memory"] == "4GiB"
        assert sandbox.detail()["diskSizeMB"] == 8 and sandbox.detail()["memoryMB"] == 4096
        # Python's start takes more than its share of CPU time on a slow machine.
        assert not set(sandbox.server("fix").get("limitHits", {})) - {"server-cpus"}


def test_a_sandbox_may_ask_for_more_up_to_the_maximum(limited):
    mark = new_mark()
    own = {"$gateway": {"limits": {"server-memory": "512MiB", "server-open-files": 50}}, "fix": fixture(mark)}
    with limited.create(own) as sandbox:
        assert sandbox.detail()["limits"]["server-memory"] == "512MiB"
        with open(f"/proc/{processes.server_process(mark)}/limits") as file:
            line = next(line for line in file if line.startswith("Max open files"))
        assert line.split()[3:5] == ["50", "50"]


@pytest.mark.parametrize(
    "limits, words",
    [
        ({"server-memory": "1GiB"}, "$gateway.limits.server-memory: is more than this gateway's operator allows, which is 512MiB"),
        ({"server-cpus": 1}, "$gateway.limits.server-cpus: is more than this gateway's operator allows, which is 0.8"),
        ({"server-mem": "1GiB"}, "did you mean \"server-memory\"?"),
        ({"sandbox-disk": "much"}, "$gateway.limits.sandbox-disk: must be a size"),
    ],
)  # fmt: skip
def test_more_than_the_maximum_is_refused(limited, limits, words):
    body = {"mcp": {"$gateway": {"limits": limits}, "fix": fixture(new_mark())}}
    reply = limited.control().request("POST", "/v2/sandboxes", body)
    assert reply.status == 400 and words in reply.json["message"], reply


@needs_root
def test_a_limit_that_is_met_shows_in_the_state_and_in_metrics(limited):
    before = {name: limited.metric(f'limit_hits_total{{limit="{name}"}}') for name in ("server-processes", "sandbox-disk")}
    with limited.create({"fix": fixture(new_mark()), "other": fixture(new_mark())}) as sandbox:
        assert "processes" in sandbox.text("fix_forks", {"count": 100})
        assert "No space" in sandbox.text("fix_fill", {"path": "/workspace/full", "megabytes": 20})
        hits = sandbox.server("fix")["limitHits"]
        assert hits["server-processes"] >= 1 and hits["sandbox-disk"] == 1
        assert "server-processes" not in sandbox.server("other").get("limitHits", {})
        for name, old in before.items():
            assert limited.metric(f'limit_hits_total{{limit="{name}"}}') > old, name
    for name, old in before.items():
        assert limited.metric(f'limit_hits_total{{limit="{name}"}}') > old, name


@needs_root
def test_what_ends_a_server_is_told(limited):
    with limited.create({"fix": fixture(new_mark())}) as sandbox:
        sandbox.call("fix_eat", {"megabytes": 2000})
        wait_until(lambda: sandbox.server("fix")["restarts"] >= 1, 20, "it was started again")
        assert "out of memory: the limit is 256 MiB" in sandbox.server("fix")["lastError"]
        assert sandbox.server("fix")["limitHits"]["server-memory"] >= 1


# ------------------------------------------------------------------ of one server


def program():
    return {"command": [PYTHON, "-I", str(FIXTURE.parent / "python.py"), new_mark()]}


def run(sandbox, name, code):
    return json.loads(sandbox.text(f"{name}_python", {"code": code}))


def own(**limits):
    """Limits of the server `py` alone; `other` has its sandbox's."""
    return {"py": program(), "other": program(), "$gateway": {"servers": {"py": {"limits": limits}}}}


NUMBER = "import resource\nresult = resource.getrlimit(resource.RLIMIT_NOFILE)[0]"


def test_a_server_may_have_limits_of_its_own(limited):
    with limited.create(own(**{"server-open-files": 60})) as sandbox:
        assert run(sandbox, "py", NUMBER) == 60
        assert run(sandbox, "other", NUMBER) == 200
        # One that has other limits is another one.
        pid, mcp = sandbox.server("other")["pid"], own(**{"server-open-files": 50})
        mcp["other"] = program()
        assert sandbox.control.request("PUT", f"{sandbox.path}/mcp", mcp).status == 200
        assert run(sandbox, "py", NUMBER) == 50 and sandbox.server("other")["pid"] != pid


@pytest.mark.parametrize(
    "limits, words",
    [
        ({"server-memory": "1GiB"}, "$gateway.servers.py.limits.server-memory: is more than this gateway's operator"),
        ({"sandbox-disk": "1MiB"}, "$gateway.servers.py.limits.sandbox-disk: is of the sandbox as a whole"),
        ({"server-mem": "1GiB"}, "did you mean \"server-memory\"?"),
    ],
)  # fmt: skip
def test_a_servers_own_have_the_operators_maximum_too(limited, limits, words):
    reply = limited.control().request("POST", "/v2/sandboxes", {"mcp": own(**limits)})
    assert reply.status == 400 and words in reply.json["message"], reply


def hits(sandbox, name="py"):
    return sandbox.server(name).get("limitHits", {})


class Counted:
    """A limit that a server meets shows in its own state alone, and in the metrics."""

    def __init__(self, gateway, limit):
        self.gateway, self.limit = gateway, limit
        self.before = self.metric()

    def metric(self):
        return self.gateway.metric(f'limit_hits_total{{limit="{self.limit}"}}')

    def check(self, sandbox):
        assert hits(sandbox)[self.limit] >= 1
        assert self.limit not in hits(sandbox, "other")
        assert self.metric() > self.before


@needs_root
def test_memory_of_one_server(limited):
    counted = Counted(limited, "server-memory")
    with limited.create(own(**{"server-memory": "64MiB"})) as sandbox:
        assert run(sandbox, "other", "x = bytearray(100 << 20)\nresult = len(x)") == 100 << 20
        assert sandbox.call("py_python", {"code": "x = bytearray(b'x') * (100 << 20)"}).status == 503
        wait_until(lambda: sandbox.server("py")["restarts"] >= 1, 20, "it was started again")
        assert "out of memory: the limit is 64 MiB" in sandbox.server("py")["lastError"]
        counted.check(sandbox)


@needs_root
def test_processes_of_one_server(limited):
    counted = Counted(limited, "server-processes")
    code = """
import os
started, result = [], 0
try:
    for _ in range(%d):
        started.append(os.posix_spawn("/bin/sleep", ["sleep", "1000"], os.environ))
        result += 1
except BlockingIOError:
    result = "refused"
for child in started:
    os.kill(child, 9)
    os.waitpid(child, 0)
"""
    with limited.create(own(**{"server-processes": 12})) as sandbox:
        assert run(sandbox, "other", code % 25) == 25
        assert run(sandbox, "py", code % 25) == "refused"
        counted.check(sandbox)


@needs_root
def test_cpu_time_of_one_server(limited):
    counted = Counted(limited, "server-cpus")
    code = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass"
    with limited.create(own(**{"server-cpus": 0.1})) as sandbox:
        assert run(sandbox, "py", code) is None
        assert hits(sandbox)["server-cpus"] >= 1
        assert counted.metric() > counted.before


@needs_root
def test_open_files_of_one_server(limited):
    """Those that it has open at a time, and those of which it complains."""
    counted = Counted(limited, "server-open-files")
    code = """
import builtins, os
builtins.kept = []
try:
    while len(kept) < 100: kept.append(os.dup(0))
    result = "all of them"
except OSError as error:
    result = error.strerror
"""
    with limited.create(own(**{"server-open-files": 40})) as sandbox:
        assert run(sandbox, "other", code) == "all of them"
        assert run(sandbox, "py", code) == "Too many open files"
        counted.check(sandbox)
        assert hits(sandbox)["server-open-files"] == 1
        complain = "import os, sys\nfor one in kept: os.close(one)\nprint(OSError(24, os.strerror(24)), file=sys.stderr, flush=True)"
        run(sandbox, "py", complain)
        wait_until(lambda: hits(sandbox)["server-open-files"] == 2, 10, "its complaint is counted")


@needs_root
@pytest.mark.parametrize("is_killed", [True, False])
def test_file_size_of_one_server(limited, is_killed):
    """A program that does not mind the signal gets an error instead, of which nobody but itself can tell."""
    counted = Counted(limited, "server-file-size")
    code = """
import signal, sys, traceback
if %r: signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    with open("/tmp/large", "wb") as file: file.write(bytes(3 << 20))
except OSError as error:
    traceback.print_exc()
    result = error.strerror
"""
    with limited.create(own(**{"server-file-size": "2MiB"})) as sandbox:
        assert run(sandbox, "other", code % is_killed) is None
        if is_killed:
            assert sandbox.call("py_python", {"code": code % True}).status == 503
            wait_until(lambda: "lastError" in sandbox.server("py"), 10, "its end is known")
            assert "a file became too large: the limit is 2 MiB" in sandbox.server("py")["lastError"]
        else:
            assert run(sandbox, "py", code % False) == "File too large"
            wait_until(lambda: hits(sandbox), 10, "its complaint is counted")
        counted.check(sandbox)


@needs_root
def test_processes_of_a_sandbox(limited):
    counted = Counted(limited, "sandbox-processes")
    limits = {"sandbox-processes": 40, "server-processes": 39}
    mcp = {"fix": fixture(new_mark()), "other": fixture(new_mark()), "$gateway": {"limits": limits}}
    with limited.create(mcp) as sandbox:
        assert "processes" in sandbox.text("fix_forks", {"count": 50})
        assert "processes" in sandbox.text("other_forks", {"count": 50})
        # Together: neither is at a limit of its own.
        assert hits(sandbox, "fix")["sandbox-processes"] >= 1 and hits(sandbox, "other")["sandbox-processes"] >= 1
        assert counted.metric() > counted.before


def test_a_mistake_in_a_limit_is_named(scratch):
    file = scratch / "wrong.yaml"
    file.write_text("# limits\nserver-memory: 4GiB..2GiB\nserver-cpu: 1\n")
    run = subprocess.run([BINARY, "check-config", file], capture_output=True, text=True)
    assert run.returncode == 1
    assert f'{file}:2: server-memory: "4GiB..2GiB" has a maximum below its default' in run.stderr
    assert f"{file}:3: server-cpu: unknown key; did you mean \"server-cpus\"?" in run.stderr
    run = subprocess.run([BINARY, "serve", "--server-memory", "lots"], capture_output=True, text=True)
    assert run.returncode == 64 and "--server-memory: " in run.stderr


def idle_marks(gateway, sandbox):
    """What the `cpu.idle` of a sandbox's own groups says."""
    groups = [group for group in processes.cgroups(gateway.state) if group.endswith(f".{sandbox.id}")]
    files = [Path(group, "cpu.idle") for group in groups]
    return [file.read_text().strip() for file in files if file.exists()]


@needs_root
def test_a_sandbox_that_computes_leaves_cpu_time_to_others_until_it_is_done(own_gateway):
    gateway = own_gateway()
    spin = "import time\nend = time.process_time() + 3\nwhile time.process_time() < end: pass"
    with gateway.create({"py": program()}) as busy, gateway.create({"py": program()}) as quiet:
        if not idle_marks(gateway, quiet):
            pytest.skip("no group of this machine leaves CPU time to others")
        # The start of Python is computing too.
        wait_until(lambda: gateway.metric("sandboxes_yielding") == 0, 20, "both have started")
        thread = threading.Thread(target=run, args=(busy, "py", spin))
        thread.start()
        wait_until(lambda: idle_marks(gateway, busy) == ["1"], 20, "the busy sandbox yields")
        assert idle_marks(gateway, quiet) == ["0"]
        assert gateway.metric("sandboxes_yielding") == 1
        assert run(quiet, "py", "result = 7") == 7
        wait_until(lambda: idle_marks(gateway, busy) == ["0"], 20, "the sandbox that is done yields no longer")
        thread.join(20)
        assert gateway.metric("sandboxes_yielding") == 0
