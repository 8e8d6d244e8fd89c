"""What a sandbox may use: the operator's numbers, a sandbox's own within them, and what is told of those it met."""

import os
import subprocess

import pytest

from support import processes
from support.gateway import BINARY, fixture, new_mark
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
        assert "limitHits" not in sandbox.server("fix")


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


def test_a_mistake_in_a_limit_is_named(scratch):
    file = scratch / "wrong.yaml"
    file.write_text("# limits\nserver-memory: 4GiB..2GiB\nserver-cpu: 1\n")
    run = subprocess.run([BINARY, "check-config", file], capture_output=True, text=True)
    assert run.returncode == 1
    assert f'{file}:2: server-memory: "4GiB..2GiB" has a maximum below its default' in run.stderr
    assert f"{file}:3: server-cpu: unknown key; did you mean \"server-cpus\"?" in run.stderr
    run = subprocess.run([BINARY, "serve", "--server-memory", "lots"], capture_output=True, text=True)
    assert run.returncode == 64 and "--server-memory: " in run.stderr
