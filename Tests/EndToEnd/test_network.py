"""What a server reaches: with a network of its own, its sandbox's endpoint and nothing else."""

import json
import os
import socket

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
@pytest.mark.parametrize("network", ["none", None])
def test_its_own_endpoint_and_nothing_else(own_gateway, network):
    """Of this machine, that is; also where nobody has said anything."""
    gateway = own_gateway(network=network)
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


@needs_root
def test_without_a_word_of_the_operator_the_web_is_reached_by_a_proxy(own_gateway):
    gateway = own_gateway(network=None)
    with gateway.create({"py": program()}) as sandbox:
        assert sandbox.detail()["mcp"]["network"] == "proxy"
        assert dials(sandbox, 50006) == "there"
        code = "import os\nresult = os.environ['HTTPS_PROXY']"
        assert json.loads(sandbox.text("py_python", {"code": code})) == "http://127.0.0.1:50006"
    words = '$gateway.network: "host" is more than this gateway\'s operator allows, which is "proxy"'
    assert words in told(gateway, {"$gateway": {"network": "host"}})


def test_where_there_can_be_no_networks_the_operator_is_told(own_gateway):
    gateway = own_gateway(network=None, isolation="none", config="allow-custom-servers: true\n")
    with gateway.create({"py": program()}) as sandbox:
        assert sandbox.detail()["mcp"]["network"] == "host"
    assert "sandboxes reach all that this host reaches" in gateway.log
    assert "which isolation: none does without" in gateway.log


def test_the_host_network_has_the_public_url(gateway):
    with gateway.create({"fix": looking_around(gateway)}) as sandbox:
        seen = report(sandbox)
        assert seen["url"] == f"{gateway.url}/sandbox/{sandbox.id}/mcp"
        assert seen["token"] == sandbox.token
        assert seen["listed"][0] == 200
        assert seen["without"][0] == 401


# ------------------------------------------------------------------ a sandbox's own choice

PYTHON_SERVER = FIXTURE.parent / "python.py"
DIAL = """
import errno, socket
def dial(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return "there"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
result = dial("127.0.0.1", %d)
"""


def program(**environment):
    return {"command": [PYTHON, "-I", str(PYTHON_SERVER), new_mark()], "env": environment}


def dials(sandbox, port, name="py"):
    return json.loads(sandbox.text(f"{name}_python", {"code": DIAL % port}))


def told(gateway, mcp, **body):
    reply = gateway.control().request("POST", "/v2/sandboxes", {"mcp": mcp, **body})
    assert reply.status == 400, reply
    return reply.json["message"]


@needs_root
def test_a_sandbox_may_reach_less_than_the_host_does(gateway):
    with gateway.create({"py": program()}) as all, gateway.create(
        {"py": program(), "$gateway": {"network": "none"}}
    ) as less:
        assert all.detail()["mcp"]["network"] == "host" and all.detail()["allowInternetAccess"] is True
        assert less.detail()["mcp"]["network"] == "none" and less.detail()["allowInternetAccess"] is False
        assert dials(all, gateway.port) == "there"
        assert dials(less, gateway.port) == "ECONNREFUSED"
        assert dials(less, 50005) == "there"


@needs_root
@pytest.mark.parametrize("choice", ["none", "listed", "proxy"])
def test_each_choice_up_to_the_maximum(own_gateway, choice):
    gateway = own_gateway(config="network: none..proxy\nallow-private-egress: [127.0.0.1]\n")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    mcp = {"py": program(URL=f"tcp://127.0.0.1:{port}"), "$gateway": {"network": choice}}
    with gateway.create(mcp) as sandbox, gateway.create({"py": program()}) as plain:
        assert sandbox.detail()["mcp"]["network"] == choice and plain.detail()["mcp"]["network"] == "none"
        assert dials(sandbox, port) == ("ECONNREFUSED" if choice == "none" else "there")
        assert dials(sandbox, 50006) == ("there" if choice == "proxy" else "ECONNREFUSED")
        assert dials(plain, 50006) == "ECONNREFUSED"
    words = '$gateway.network: "host" is more than this gateway\'s operator allows, which is "proxy"'
    assert words in told(gateway, {"$gateway": {"network": "host"}})
    listener.close()


def test_a_choice_that_is_none_is_told(gateway):
    words = '$gateway.network: must be one of "none", "listed", "proxy", "host"'
    assert words in told(gateway, {"$gateway": {"network": "some"}})


def test_without_jails_there_are_no_networks(own_gateway):
    gateway = own_gateway(isolation="none", config="allow-custom-servers: true\n")
    assert "isolation: none does without" in told(gateway, {"$gateway": {"network": "none"}})
    assert "isolation: none does without" in told(gateway, {}, allowInternetAccess=False)
    words = "$gateway.servers.py.network: cannot be had here: servers have no jails"
    assert words in told(gateway, {"py": program(), "$gateway": {"servers": {"py": {"network": "none"}}}})


@needs_root
def test_the_network_of_a_sandbox_is_that_of_its_creation(gateway):
    server = program()
    with gateway.create({"py": server, "$gateway": {"network": "listed"}}) as sandbox:
        wider = {"py": server, "$gateway": {"network": "host"}}
        reply = sandbox.control.request("PUT", f"{sandbox.path}/mcp", wider)
        assert reply.status == 400 and 'which is "listed"' in reply.json["message"]
        assert sandbox.control.request("PUT", f"{sandbox.path}/mcp", {"py": server, "new": program()}).status == 200
        sandbox.wait_state("new", "ready")
        assert sandbox.detail()["mcp"]["network"] == "listed"
        assert dials(sandbox, gateway.port, "new") == "ECONNREFUSED"


@needs_root
def test_no_internet_access_is_no_network(gateway):
    with gateway.create({"py": program()}, allow_internet_access=False) as sandbox:
        assert sandbox.detail()["mcp"]["network"] == "none"
        assert dials(sandbox, gateway.port) == "ECONNREFUSED"
    words = told(gateway, {"$gateway": {"network": "listed"}}, allowInternetAccess=False)
    assert 'allowInternetAccess is false and $gateway.network is "listed"' in words


def test_a_server_may_reach_nothing_at_all(gateway):
    """Whatever the others of its sandbox reach."""
    mcp = {"py": program(), "off": program(), "$gateway": {"servers": {"off": {"network": "none"}}}}
    with gateway.create(mcp) as sandbox:
        assert dials(sandbox, gateway.port) == "there"
        assert dials(sandbox, gateway.port, "off") == "ECONNREFUSED"
        code = "result = [line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]"
        assert json.loads(sandbox.text("off_python", {"code": code})) == ["lo"]
    assert "the network of its sandbox" in told(
        gateway, {"py": program(), "$gateway": {"servers": {"py": {"network": "host"}}}}
    )


@needs_root
def test_hosts_in_variables_of_the_sandbox_are_listed(own_gateway):
    gateway = own_gateway(config="network: listed\nallow-private-egress: [127.0.0.1]\n")
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    first, second, third = (listener.getsockname()[1] for listener in listeners)
    variables = {
        "DATABASE_URL": f"postgres://ada:s3cret@127.0.0.1:{first}/shop", "CACHE": f"127.0.0.1:{second}",
        "API_KEY": f"localhost:{third}",
    }  # fmt: skip
    with gateway.create({"py": program()}, envVars=variables) as sandbox:
        assert dials(sandbox, first) == "there" and dials(sandbox, second) == "there"
        assert dials(sandbox, third) == "ECONNREFUSED", "a key is no host, whatever it looks like"
        # A new set of servers leaves the variables as they are.
        again = {"py": program()}
        assert sandbox.control.request("PUT", f"{sandbox.path}/mcp", again).status == 200
        sandbox.wait_state("py", "ready")
        assert dials(sandbox, first) == "there"
    assert "s3cret" not in gateway.log
    for listener in listeners:
        listener.close()
