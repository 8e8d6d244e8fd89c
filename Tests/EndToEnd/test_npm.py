"""Servers of the npm kind, from packages that are packed here: npm's registry need not be reachable. And what of their
arguments is seen."""

import json
import os
import secrets as random
import shutil
import subprocess

import pytest

from support import processes
from support.gateway import FIXTURE, PYTHON, new_mark
from support.waiting import wait_until
from test_egress import run
from test_secrets import LOOK

PROGRAM = FIXTURE.parent / "python.py"

SERVER = """#!/usr/bin/env node
const lines = require("node:readline").createInterface({ input: process.stdin });
const send = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
const tool = { name: "greet", description: "Greets", inputSchema: { type: "object" } };
lines.on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize") {
    send(id, {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "greeter", version: "1.0.0" },
    });
  } else if (method === "tools/list") {
    send(id, { tools: [tool] });
  } else if (method === "tools/call" && params.arguments.all) {
    const { argv, env } = process;
    send(id, { content: [{ type: "text", text: JSON.stringify({ argv: argv.slice(2), env }) }] });
  } else if (method === "tools/call") {
    const text = `${process.env.GREETING}, ${params.arguments.who} ${process.argv[2]}`;
    send(id, { content: [{ type: "text", text }] });
  } else if (id !== undefined) {
    send(id, {});
  }
});
"""


@pytest.fixture(scope="module")
def package(scratch):
    """The file that `npm pack` makes."""
    folder = scratch / "greeter"
    folder.mkdir()
    manifest = {"name": "greeter-mcp", "version": "1.0.0", "bin": {"greeter-mcp": "server.js"}, "files": ["server.js"]}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "server.js").write_text(SERVER)
    (folder / "server.js").chmod(0o755)
    subprocess.run(["npm", "pack", "--silent"], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "greeter-mcp-1.0.0.tgz"


@pytest.fixture(scope="module")
def catalog(scratch, package):
    """A catalog of the operator's own, with one server in it."""
    entry = {
        "key": "greeter", "aliases": [], "title": "Greeter", "category": "special", "tags": [], "status": "active",
        "summary": "Greets.", "config": [{"name": "greeting", "type": "string", "required": True, "secret": False}],
        "run": {"npm": {"package": f"file:{package}", "version": "1.0.0", "command": "greeter-mcp", "args": ["!"],
                        "env": {"GREETING": "${config.greeting}"}}},
    }  # fmt: skip
    keeper = {
        "key": "keeper", "aliases": [], "title": "Keeper", "category": "special", "tags": [], "status": "active",
        "summary": "Takes a secret by its command line.",
        "config": [{"name": "token", "type": "string", "required": True, "secret": True},
                   {"name": "options", "type": "string", "required": False, "secret": False}],
        "run": {"npm": {"package": f"file:{package}", "version": "1.0.0", "command": "greeter-mcp",
                        "args": ["start", "--token=${config.token}", "last \\ one"],
                        "env": {"NODE_OPTIONS": "${config.options}"}}},
    }  # fmt: skip
    timed = {
        "key": "timed", "aliases": [], "title": "Timed", "category": "special", "tags": [], "status": "active",
        "summary": "The same in Python.",
        "config": [{"name": "zone", "type": "string", "required": True, "secret": True}],
        "run": {"pypi": {"package": "mcp-server-time", "args": ["--local-timezone", "${config.zone}"]}},
    }  # fmt: skip
    file = scratch / "own-catalog.json"
    categories = [{"id": "special", "title": "Special"}]
    file.write_text(json.dumps({"formatVersion": 1, "sources": [], "categories": categories, "servers": [entry, keeper, timed]}))
    return file


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_a_packed_npm_server(own_gateway, catalog):
    gateway = own_gateway(config=f"catalogs:\n  - {catalog}\n")
    with gateway.create({"greeter": {"greeting": "Hello"}}, timeout=120) as sandbox:

        def is_ready():
            server = sandbox.server("greeter")
            assert server["state"] not in ("failed", "crash_loop"), server
            return server["state"] == "ready"

        wait_until(is_ready, 60, "the server is installed and ready")
        assert sandbox.text("greeter_greet", {"who": "Ada"}) == "Hello, Ada !"
    reply = gateway.control().request("POST", "/v2/sandboxes", {"mcp": {"greeter": {}}})
    assert reply.status == 400 and "greeting" in reply.json["message"]


def as_nobody(path):
    """What a user of the host reads there, who is neither root nor the sandbox's."""
    run = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat", path], capture_output=True)
    return run.stdout if run.returncode == 0 else None


def command_lines():
    return [(pid, processes.command_line(pid)) for pid in processes.all_processes()]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("npm"), reason="needs root and npm")
@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_a_secret_in_an_argument_is_in_no_command_line(own_gateway, catalog, isolation):
    """Its program has it all the same, and nobody else: no user of the host, no other server, here or elsewhere."""
    config = f"catalogs:\n  - {catalog}\nallow-custom-servers: true\n"
    gateway = own_gateway(config=config, isolation=isolation)
    secret = "tok1" + random.token_hex(16) + "\n" + random.token_hex(4)
    look = LOOK.replace("SECRET", repr(secret.split("\n")[0]))
    command = {"command": [PYTHON, "-I", str(PROGRAM), new_mark()]}
    keeper = {"token": secret, "options": "--no-warnings"}
    with gateway.create({"keeper": keeper, "other": command}, timeout=300) as sandbox, gateway.create({"py": command}) as stranger:
        sandbox.wait_state("keeper", "ready", 60)
        seen = json.loads(sandbox.text("keeper_greet", {"all": True}))
        assert seen["argv"] == ["start", f"--token={secret}", "last \\ one"]
        assert seen["env"]["NODE_OPTIONS"] == "--no-warnings" and "MCP_GATEWAY_ARGUMENTS" not in seen["env"]
        assert not [line for line in command_lines() if secret[:36] in line[1]]
        holders = [pid for pid in processes.descendants(gateway.pid) if "greeter-mcp" in processes.command_line(pid)]
        assert holders
        for pid in holders:
            assert as_nobody(f"/proc/{pid}/cmdline") and as_nobody(f"/proc/{pid}/environ") is None
        if isolation != "none":
            assert run(sandbox, look, "other") == [] and run(stranger, look) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.timeout(400)
def test_the_same_in_python(own_gateway, catalog):
    gateway = own_gateway(config=f"catalogs:\n  - {catalog}\n")
    with gateway.create({"timed": {"zone": "Pacific/Chatham"}}, timeout=900) as sandbox:
        sandbox.wait_state("timed", "ready", 300)
        assert "Pacific/Chatham" in json.dumps(sandbox.tools()["timed_get_current_time"])
        assert not [line for line in command_lines() if "Chatham" in line[1]]
        assert [line for line in command_lines() if "mcp-server-time" in line[1]]
