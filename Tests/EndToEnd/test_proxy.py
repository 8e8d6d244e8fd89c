"""The HTTP proxy of a sandbox where the network is `proxy`: what is refused is refused after resolution, counted and
logged."""

import os
import socket

import pytest

from test_egress import Echo, program, run, verdicts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks of sandboxes need root")

ASK = """
def ask(request, then=b""):
    with socket.create_connection(("127.0.0.1", 50006), timeout=10) as s:
        s.sendall(request)
        got = b""
        while b"\\r\\n\\r\\n" not in got:
            piece = s.recv(65536)
            if not piece: break
            got += piece
        if then:
            s.sendall(then)
            got += s.recv(65536)
        return got.decode()
def tunnel(target, then=b""):
    return ask(f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n".encode(), then)
"""


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def start(own_gateway, *private):
    return own_gateway(config=f"network: proxy\nallow-private-egress: [{', '.join(private)}]\n")


def test_a_tunnel_leads_to_an_allowed_host(own_gateway, echo):
    gateway = start(own_gateway, "127.0.0.1")
    target = f"127.0.0.1:{echo.port}"
    mcp = {"py": program(), "$gateway": {"hosts": [target]}}
    with gateway.create(mcp) as sandbox:
        answer = run(sandbox, ASK + f"result = tunnel('{target}', b'through')")
        assert answer.startswith("HTTP/1.1 200 ") and answer.endswith("through")
        variables = run(sandbox, "import os\nresult = [os.environ['HTTPS_PROXY'], os.environ['http_proxy']]")
        assert variables == ["http://127.0.0.1:50006"] * 2
    assert verdicts(gateway)["allowed"] == 1
    assert f"to={target} verdict=allowed" in gateway.log


def test_a_request_for_a_url_is_forwarded(own_gateway, echo):
    """The echo sends back the request as the host sees it."""
    gateway = start(own_gateway, "127.0.0.1")
    target = f"127.0.0.1:{echo.port}"
    mcp = {"py": program(), "$gateway": {"hosts": [target]}}
    request = f"GET http://{target}/a?b=c HTTP/1.1\\r\\nHost: {target}\\r\\nProxy-Authorization: Basic eA==\\r\\n\\r\\n"
    with gateway.create(mcp) as sandbox:
        seen = run(sandbox, ASK + f"result = ask(b'{request}')")
    assert seen.startswith(f"GET /a?b=c HTTP/1.1\r\nHost: {target}\r\n")
    assert "Proxy-Authorization" not in seen and "Connection: close" in seen


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1:443", "localhost:443", "10.0.0.1:443", "192.168.1.1:80", "[::1]:443", "[fd00::1]:443",
     "169.254.1.1:80", "169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[fe80::1]:80", "0.0.0.0:80"],
)  # fmt: skip
def test_what_is_not_public_is_refused(own_gateway, target):
    """Even where the operator would allow it to those that name it."""
    gateway = start(own_gateway, "0.0.0.0/0", '"::/0"', "localhost")
    with gateway.create({"py": program()}) as sandbox:
        answer = run(sandbox, ASK + f"result = tunnel('{target}')")
        assert answer.startswith("HTTP/1.1 403 ") and "destination_ip_prohibited" in answer
    assert verdicts(gateway)["forbidden"] == 1 and verdicts(gateway)["allowed"] == 0
    assert "verdict=forbidden" in gateway.log


def test_a_name_is_refused_by_what_it_leads_to(own_gateway):
    """A name of this machine, whose addresses are its own."""
    name = socket.gethostname()
    gateway = start(own_gateway)
    with gateway.create({"py": program()}) as sandbox:
        answer = run(sandbox, ASK + f"result = tunnel('{name}:443')")
        assert answer.startswith("HTTP/1.1 403 ") and "destination_ip_prohibited" in answer
    assert verdicts(gateway)["forbidden"] == 1


def test_the_gateway_and_other_sandboxes_are_not_there(own_gateway):
    gateway = start(own_gateway)
    with gateway.create({"py": program()}) as one, gateway.create({"py": program()}) as two:
        port = run(one, "import builtins\nbuiltins.kept = s = socket.create_server(('0.0.0.0', 0))\n"
                        "result = s.getsockname()[1]")  # fmt: skip
        assert run(two, f"result = dial('127.0.0.1', {port})") == "ECONNREFUSED"
        for other in (port, gateway.port, gateway.admin_port):
            assert run(two, ASK + f"result = tunnel('127.0.0.1:{other}')").startswith("HTTP/1.1 403 ")
            assert run(two, f"result = dial('127.0.0.1', {other})") == "ECONNREFUSED"
    assert verdicts(gateway)["allowed"] == 0


def test_what_is_no_request_to_a_proxy_is_told(own_gateway):
    gateway = start(own_gateway)
    with gateway.create({"py": program()}) as sandbox:
        assert run(sandbox, ASK + "result = ask(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')").startswith("HTTP/1.1 400 ")
    assert verdicts(gateway)["malformed"] == 1
