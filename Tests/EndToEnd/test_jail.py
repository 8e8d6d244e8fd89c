"""What a server can see and touch: its own things, and nobody else's."""

import json
import os

import pytest

from support import processes
from support.gateway import fixture, new_mark


@pytest.fixture(scope="module")
def jailed(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}, envVars={"OF_THE_SANDBOX": "yes"}) as sandbox:
        yield sandbox, mark


def test_three_descriptors(jailed):
    assert json.loads(jailed[0].text("fix_fds")) == ["0", "1", "2"]
    server = processes.server_process(jailed[1])
    assert len(processes.descriptors(server)) == 3


def test_a_clean_environment(jailed):
    sandbox, _ = jailed
    names = json.loads(sandbox.text("fix_env"))
    assert sandbox.text("fix_env", {"name": "OF_THE_SANDBOX"}) == "yes"
    assert sandbox.text("fix_env", {"name": "E2B_SANDBOX_ID"}) == sandbox.id
    for name in names:
        assert not name.startswith("MCP_GATEWAY_") and name not in ("E2B_API_KEY", "SSH_AUTH_SOCK", "OLDPWD")
    assert {"PATH", "HOME"} <= set(names)


def test_environment_of_a_custom_server(gateway):
    configuration = fixture(new_mark()) | {"env": {"MY_SETTING": "a b=c ž"}}
    with gateway.create({"one": configuration, "two": fixture(new_mark())}) as sandbox:
        assert sandbox.text("one_env", {"name": "MY_SETTING"}) == "a b=c ž"
        assert sandbox.text("two_env", {"name": "MY_SETTING"}) == ""


def test_it_sees_its_own_processes_only(jailed):
    sandbox, _ = jailed
    seen = json.loads(sandbox.text("fix_processes"))
    assert len(seen) <= 4, seen
    assert int(sandbox.text("fix_pid")) < 20


def test_files_of_the_gateway_are_out_of_reach(gateway, jailed):
    sandbox, _ = jailed
    for path in (
        str(gateway.directory / "keys"), str(gateway.log_path), "/etc/shadow", "/root/.bashrc", "/proc/1/environ",
        f"/proc/{gateway.pid}/environ", f"/proc/{gateway.pid}/cmdline",
    ):  # fmt: skip
        reply = sandbox.call("fix_read", {"path": path})
        answer = reply.json["content"][0]["text"]
        if path == "/proc/1/environ" and not reply.json.get("isError"):
            assert "MCP_GATEWAY" not in answer and "SSH" not in answer
            continue
        assert reply.json.get("isError") is True, (path, answer[:100])
    for secret in gateway.keys.values():
        assert secret not in sandbox.call("fix_list", {"path": "/"}).body.decode()


def test_the_state_directory_is_out_of_reach(gateway, jailed):
    listing = jailed[0].call("fix_list", {"path": str(gateway.state)})
    assert listing.json.get("isError") is True or json.loads(listing.json["content"][0]["text"]) == []


def test_what_one_sandbox_writes_another_cannot_read(gateway, jailed):
    sandbox, _ = jailed
    with gateway.create({"fix": fixture(new_mark())}) as other:
        for folder in ("/tmp", "/workspace"):
            path = f"{folder}/a-file-of-one-sandbox"
            assert sandbox.text("fix_write", {"path": path, "data": "private"}) == "written", folder
            assert sandbox.text("fix_read", {"path": path}) == "private"
            assert other.call("fix_read", {"path": path}).json["isError"] is True


def test_system_directories_are_read_only(jailed):
    sandbox, _ = jailed
    for path in ("/usr/x", "/etc/x", "/bin/x", "/lib/x", "/proc/sys/kernel/hostname"):
        assert sandbox.call("fix_write", {"path": path, "data": "x"}).json.get("isError") is True, path


def test_no_new_privileges_and_no_capabilities(jailed):
    with open(f"/proc/{processes.server_process(jailed[1])}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == 0 or int(status["CapPrm"], 16) == 0


def test_a_machine_without_memory_loses_servers_first(gateway, jailed):
    def score(pid):
        with open(f"/proc/{pid}/oom_score_adj") as file:
            return int(file.read())

    assert score(processes.server_process(jailed[1])) > score(gateway.pid)


def test_own_namespaces(gateway, jailed):
    server = processes.server_process(jailed[1])
    for kind in ("pid", "mnt", "ipc", "uts"):
        assert os.readlink(f"/proc/{server}/ns/{kind}") != os.readlink(f"/proc/{gateway.pid}/ns/{kind}"), kind
