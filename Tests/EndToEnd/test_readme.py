"""The README's own examples, run as they stand against a running gateway."""

import json
import re
import shlex
import subprocess

import pytest

from support.gateway import BINARY, ROOT, VENVS

README = ROOT / "README.md"
# The server comes from PyPI, on the first run of a machine through the network.
RESOLVE_SECONDS = 120


def blocks(language):
    """(heading, code) of every fenced block of a language."""
    found, heading = [], ""
    text = README.read_text() if README.exists() else ""
    for match in re.finditer(r"^(#+ [^\n]*)$|^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1].lstrip("# ")
        elif match[2] == language:
            found.append((heading, match[3]))
    return found


@pytest.fixture(scope="module")
def target(gateway):
    with gateway.create({"time": {}}, timeout=600) as sandbox:
        sandbox.wait_state("time", "ready", RESOLVE_SECONDS)
        yield sandbox


def localised(code, gateway, sandbox):
    """An example with this run's addresses and secrets in the places that a reader fills in."""
    code = code.replace("http://127.0.0.1:8080", gateway.url).replace("http://localhost:8080", gateway.url)
    for name in ("<id>", "SANDBOX_ID", "<sandbox-id>"):
        code = code.replace(f"/sandbox/{name}/", f"/sandbox/{sandbox.id}/")
    return (
        code.replace("<token>", sandbox.token)
        .replace("<mcp_token>", sandbox.token)
        .replace("<mcpToken>", sandbox.token)
    )


def environment(gateway, sandbox):
    return {
        "PATH": "/usr/bin:/bin", "E2B_API_KEY": gateway.keys["alpha"], "E2B_API_URL": gateway.url,
        "E2B_SANDBOX_URL": gateway.url, "MCP_URL": sandbox.url, "MCP_TOKEN": sandbox.token, "TOKEN": sandbox.token,
    }  # fmt: skip


def test_there_is_a_readme_with_examples():
    assert README.exists()
    assert blocks("python"), "no Python example"
    assert [code for language in ("bash", "sh", "console") for _, code in blocks(language) if "curl" in code], "no curl"
    text = README.read_text()
    for word in ("make run", "make test", "claude mcp add --transport http", "inspector", "E2B_API_URL", "requests"):
        assert word in text, word


PYTHON = blocks("python")


@pytest.mark.parametrize(("heading", "code"), PYTHON, ids=[f"{n}-{heading}" for n, (heading, _) in enumerate(PYTHON)])
def test_python_examples_run(gateway, target, heading, code):
    name = "e2b" if "e2b" in code else "tests" if "requests" in code else "sdk2"
    done = subprocess.run(
        [VENVS / name / "bin/python", "-c", localised(code, gateway, target)], capture_output=True, text=True,
        timeout=90, env=environment(gateway, target),
    )  # fmt: skip
    assert done.returncode == 0, f"{heading}:\n{code}\n{done.stderr[-2000:]}"


SHELL = [(heading, code) for language in ("bash", "sh") for heading, code in blocks(language) if "curl" in code]


@pytest.mark.parametrize(("heading", "code"), SHELL, ids=[f"{n}-{heading}" for n, (heading, _) in enumerate(SHELL)])
def test_curl_examples_run(gateway, target, heading, code):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", localised(code, gateway, target)], capture_output=True, text=True,
        timeout=60, env=environment(gateway, target),
    )  # fmt: skip
    assert done.returncode == 0, f"{heading}:\n{code}\n{done.stderr[-2000:]}"
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            assert "error" not in json.loads(line), line


def test_commands_of_the_readme_exist():
    """Each `mcp-gateway …` line of a shell block names a subcommand and flags that the binary knows."""
    help_of = {}
    for language in ("bash", "sh", "console"):
        for _, code in blocks(language):
            for line in re.findall(r"^\s*(?:\$ )?mcp-gateway +(.*)$", code.replace("\\\n", " "), re.MULTILINE):
                words = shlex.split(line.split("#")[0].split("|")[0])
                command = [word for word in words[:2] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
                command = command if command[:1] and command[0] in ("sandbox", "catalog") else command[:1]
                key = " ".join(command)
                if key not in help_of:
                    done = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, timeout=20)
                    assert done.returncode == 0, line
                    help_of[key] = done.stdout
                for flag in [word.split("=")[0] for word in words if word.startswith("--")]:
                    assert flag in help_of[key], line
