"""A server of the npm kind, from a package that is packed here: npm's registry need not be reachable."""

import json
import shutil
import subprocess

import pytest

from support.waiting import wait_until

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
    file = scratch / "own-catalog.json"
    categories = [{"id": "special", "title": "Special"}]
    file.write_text(json.dumps({"formatVersion": 1, "sources": [], "categories": categories, "servers": [entry]}))
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
