"""The official E2B SDKs from PyPI, unmodified."""

import json
import subprocess

import pytest

from support import processes
from support.gateway import HERE, VENVS, fixture, new_mark
from support.mcp import Legacy
from support.waiting import wait_until


def run_sdk(gateway, script, *arguments, key=None):
    done = subprocess.run(
        [VENVS / "e2b/bin/python", HERE / f"clients/{script}.py", *arguments],
        capture_output=True, text=True, timeout=120,
        env={
            "E2B_API_KEY": key or gateway.keys["alpha"], "E2B_API_URL": gateway.url, "E2B_SANDBOX_URL": gateway.url,
            "PATH": "/usr/bin:/bin",
        },
    )  # fmt: skip
    assert done.stdout, f"{script} said nothing and ended with {done.returncode}:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["e2b", "e2b_code_interpreter"])
def test_life_of_a_sandbox(gateway, module):
    mark = new_mark()
    facts = run_sdk(gateway, "use_e2b", module, json.dumps({"fix": fixture(mark)}), mark)
    assert "error" not in facts, facts
    assert facts["id"].isalnum() and facts["id"] == facts["id"].lower() and len(facts["id"]) >= 20
    assert facts["url"].startswith(f"https://50005-{facts['id']}.") and facts["url"].endswith("/mcp")
    assert facts["token"] and facts["token"] == facts["connected_token"].strip() == facts["connected_token"]
    assert facts["connected_id"] == facts["id"]
    assert facts["running"] is True
    assert 470 <= facts["extended_seconds"] <= 610
    assert facts["metadata"] == {"suite": "end to end", "run": mark}
    assert facts["state"] == "running"
    assert facts["listed"] is True
    assert facts["found_by_metadata"] == [facts["id"]]
    assert facts["by_headers"] == 200
    assert facts["by_name"] == 200
    assert facts["killed"] is True and facts["killed_again"] is False
    assert facts["running_after_kill"] is False
    assert facts["connect_after_kill"] == "SandboxNotFoundException"
    assert processes.with_mark(mark) == []


WRONG = [
    ({"no-such-server": {}}, ["no-such-server"]),
    ({"tiem": {}}, ["tiem", "time"]),
    ({"time": {"localTimezon": "Europe/Berlin"}}, ["time", "localTimezon", "localTimezone"]),
    ({"notion": {}}, ["notion", "internalIntegrationToken"]),
    ({"exa": {"apiKey": {"key": "k"}}}, ["exa", "apiKey"]),
    ({"git": {"paths": "not an array"}}, ["git", "paths"]),
]


@pytest.mark.parametrize(("servers", "words"), WRONG, ids=[str(index) for index in range(len(WRONG))])
def test_wrong_configuration_raises_with_server_and_property(gateway, servers, words):
    facts = run_sdk(gateway, "use_e2b", "e2b", json.dumps(servers), "wrong")
    assert facts["kind"] == "SandboxException", facts
    for word in words:
        assert word in facts["error"], facts


def test_wrong_key_raises_authentication_exception(gateway):
    facts = run_sdk(gateway, "use_e2b", "e2b", "{}", "wrong", key="e2b_" + "0" * 40)
    assert facts["kind"] == "AuthenticationException", facts


def test_nothing_of_a_refused_sandbox_is_left(gateway):
    mark = new_mark()
    facts = run_sdk(gateway, "use_e2b", "e2b", json.dumps({"fix": fixture(mark), "notion": {}}), "wrong")
    assert "internalIntegrationToken" in facts["error"]
    assert processes.with_mark(mark) == []


def test_asynchronous_sdk(gateway):
    mark = new_mark()
    facts = run_sdk(gateway, "use_e2b_async", json.dumps({"fix": fixture(mark)}))
    assert len(set(facts["ids"])) == len(set(facts["tokens"])) == 3
    assert facts["running"] == [True, True, True]
    assert facts["killed"] == [True, True, True]
    assert processes.with_mark(mark) == []


def test_token_of_the_sdk_opens_the_endpoint(gateway):
    """The SDK makes a token of its own and hands it over by its start command; both it and the URL must work."""
    script = """
import json, sys
from e2b import Sandbox
sandbox = Sandbox.create(mcp=json.loads(sys.argv[1]), timeout=60)
print(json.dumps([sandbox.sandbox_id, sandbox.get_mcp_token()]))
"""
    done = subprocess.run(
        [VENVS / "e2b/bin/python", "-c", script, json.dumps({"fix": fixture(new_mark())})],
        capture_output=True, text=True, timeout=60,
        env={"E2B_API_KEY": gateway.keys["alpha"], "E2B_API_URL": gateway.url, "E2B_SANDBOX_URL": gateway.url},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ident, token = json.loads(done.stdout)
    with Legacy(f"{gateway.url}/sandbox/{ident}/mcp", token) as client:
        wait_until(lambda: "fix_add" in client.tools(), 10, "the tools are there")
        assert client.text("fix_add", {"a": 20, "b": 22}) == "42"
    assert gateway.control().request("DELETE", f"/sandboxes/{ident}").status == 204
