"""What a server reaches: with a network of its own, its sandbox's endpoint and nothing else."""

import json
import os

import pytest

from support.gateway import FIXTURE, PYTHON, new_mark

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks of sandboxes need root")
INSIDE = FIXTURE.parent / "inside.py"


def looking_around(gateway):
    ports = f"{gateway.port},{gateway.admin_port}"
    return {"command": [PYTHON, "-I", str(INSIDE), str(FIXTURE), ports, "--mark", new_mark()]}


def report(sandbox):
    return json.loads(sandbox.text("fix_read", {"path": "/workspace/report.json"}))


@needs_root
def test_its_own_endpoint_and_nothing_else(own_gateway):
    gateway = own_gateway(config="network: none\n")
    with gateway.create({"fix": looking_around(gateway)}) as sandbox:
        seen = report(sandbox)
        assert seen["url"] == "http://localhost:50005/mcp"
        assert seen["listed"][0] == 200 and "tools" in json.loads(seen["listed"][1])
        assert seen["without"][0] == 401 and seen["wrong"][0] == 401
        assert seen["control"][0] == 404 and seen["foreign"][0] == 404
        assert seen["host"] == [False, False] and seen["metadata"] is False
        descriptors = len(gateway.descriptors())
    assert len(gateway.descriptors()) < descriptors
    assert gateway.stop() == 0


def test_the_host_network_has_the_public_url(gateway):
    with gateway.create({"fix": looking_around(gateway)}) as sandbox:
        seen = report(sandbox)
        assert seen["url"] == f"{gateway.url}/sandbox/{sandbox.id}/mcp"
        assert seen["token"] == sandbox.token
        assert seen["listed"][0] == 200
        assert seen["without"][0] == 401
