"""Real clients from PyPI, each in the environment that its packages need, used as their users use them."""

import json
import subprocess

import pytest

from support.gateway import HERE, VENVS, fixture, new_mark

EXPECTED_TOOLS = {"fix_echo", "fix_add", "fix_unicode", "fix_blob"}


@pytest.fixture(scope="module")
def target(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as made:
        yield made


def run_client(environment, script, target, option="", extra_environment=None):
    command = [VENVS / environment / "bin/python", HERE / f"clients/{script}.py", target.url, target.token, option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def check(facts):
    assert set(facts["tools"]) >= EXPECTED_TOOLS
    assert len(facts["tools"]) == len(set(facts["tools"]))
    assert facts["added"] == "42"
    assert facts.get("echoed", True) is True


@pytest.mark.parametrize(
    ("environment", "script", "option", "version"),
    [
        ("sdk2", "use_sdk2", "auto", "2026-07-28"),
        ("sdk2", "use_sdk2", "legacy", "2025-11-25"),
        ("sdk2", "use_sdk2", "2026-07-28", "2026-07-28"),
        ("sdk1", "use_sdk1", "", "2025-11-25"),
    ],
    ids=["python-sdk-2-auto", "python-sdk-2-legacy", "python-sdk-2-modern", "python-sdk-1"],
)
def test_official_python_client(target, environment, script, option, version):
    facts = run_client(environment, script, target, option)
    check(facts)
    assert facts["version"] == version
    assert [step[0] for step in facts["steps"]] == [1, 2, 3]
    assert facts["failed"] is True
    assert set(facts["prompts"]) == {"fix_plain", "fix_greet", "fix_link"}
    assert facts["greeting"].startswith("Greet Ada from mark-")
    assert "fixture://text" in facts["resources"]
    assert facts["resource"].startswith("text of mark-")
    assert facts["large"] == 2_000_000


@pytest.mark.parametrize("major", ["2", "3", "4"])
def test_fastmcp_client(target, major):
    facts = run_client(f"fastmcp{major}", "use_fastmcp", target)
    check(facts)
    assert set(facts["prompts"]) == {"fix_plain", "fix_greet", "fix_link"}
    assert facts["resource"].startswith("text of mark-")


def test_openai_agents_client(target):
    check(run_client("agents", "use_openai_agents", target))


def test_langchain_client(target):
    facts = run_client("langchain", "use_langchain", target)
    check(facts)
    assert "漢字" in facts["unicode"]


def test_pydantic_ai_client(target):
    check(run_client("pydantic-ai", "use_pydantic_ai", target))


def test_requests_as_documented(target):
    check(run_client("tests", "use_requests", target))


def curl(target, script):
    """Runs a command as a user pastes it, with MCP_URL and MCP_TOKEN set."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=30,
        env={"MCP_URL": target.url, "MCP_TOKEN": target.token, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_lists_tools_as_documented(target):
    out = curl(
        target,
        r"""
curl -X POST \
    -H "Authorization: Bearer $MCP_TOKEN" \
    -H "Content-Type: application/json" \
    "$MCP_URL/list_tools"
""",
    )
    assert {tool["name"] for tool in json.loads(out)["tools"]} >= EXPECTED_TOOLS


def test_curl_calls_a_tool_as_documented(target):
    out = curl(
        target,
        r"""
curl -X POST \
    -H "Authorization: Bearer $MCP_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{"name":"fix_add","arguments":{"a":2,"b":40}}' \
    "$MCP_URL/call_tool"
""",
    )
    assert json.loads(out)["content"][0]["text"] == "42"


def test_curl_speaks_the_protocol_by_hand(target):
    out = curl(
        target,
        r"""
accept=(-H "Authorization: Bearer $MCP_TOKEN" -H "Content-Type: application/json" \
    -H "Accept: application/json, text/event-stream")
session=$(curl -sS -D - -o /dev/null "${accept[@]}" "$MCP_URL" -d '{"jsonrpc":"2.0","id":1,"method":"initialize",
  "params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' |
    tr -d '\r' | awk 'tolower($1) == "mcp-session-id:" {print $2}')
curl -sS "${accept[@]}" -H "Mcp-Session-Id: $session" "$MCP_URL" \
    -d '{"jsonrpc":"2.0","method":"notifications/initialized"}'
curl -sS "${accept[@]}" -H "Mcp-Session-Id: $session" "$MCP_URL" \
    -d '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"fix_add","arguments":{"a":2,"b":40}}}'
""",
    )
    assert json.loads(out)["result"]["content"][0]["text"] == "42"
