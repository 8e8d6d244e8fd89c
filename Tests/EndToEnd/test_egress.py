"""What the servers of a sandbox reach where the network is `listed`: the hosts that their configuration names, and
nothing else."""

import json
import os
import socket
import threading

import pytest

from support import databases
from support.gateway import FIXTURE, PYTHON, new_mark
from support.http import exchange
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks of sandboxes need root")
PROGRAM = FIXTURE.parent / "python.py"

DIAL = """
import errno, socket
def dial(host, port, say=b""):
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(say)
            return (connection.recv(100) or b"closed").decode()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
"""


def program(**environment):
    """A server that runs Python."""
    return {"command": [PYTHON, "-I", str(PROGRAM), new_mark()], "env": environment}


def run(sandbox, code, name="py"):
    return json.loads(sandbox.text(f"{name}_python", {"code": DIAL + code}))


class Echo:
    """Sends back what it gets, and says which address of its own was reached."""

    def __init__(self, address="127.0.0.1"):
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def close(self):
        if self.listener.fileno() >= 0:
            # A thread in accept would keep the socket.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def listed(*private, hosts=()):
    lines = ["network: listed", f"allow-private-egress: [{', '.join(private)}]"]
    if hosts:
        lines.append("egress-hosts: [%s]" % ", ".join(f'"{host}"' for host in hosts))
    return "\n".join(lines) + "\n"


def verdicts(gateway):
    body = exchange(gateway.admin_url + "/metrics").body.decode()
    prefix = 'mcp_gateway_egress_total{verdict="'
    lines = [line.removeprefix(prefix) for line in body.splitlines() if line.startswith(prefix)]
    return {line.split('"')[0]: int(line.rsplit(" ", 1)[1]) for line in lines}


# ------------------------------------------------------------------ real databases

# The built-in entry runs a package of npm; this one, of PyPI, takes the same setting.
POSTGRES = {
    "key": "postgres",
    "title": "PostgreSQL",
    "category": "data",
    "summary": "Runs SQL.",
    "config": [{"name": "url", "type": "string", "required": True, "secret": True}],
    "run": {
        "pypi": {
            "package": "database-mcp-postgres",
            "version": "0.2.1",
            "env": {"DATABASE_URL": "${config.url}", "POSTGRES_DATABASE": "postgres"},
        }
    },
}


@pytest.fixture(scope="module")
def real(scratch):
    with databases.redis(scratch) as redis, databases.postgres(scratch) as postgres:
        yield redis, postgres


@pytest.mark.timeout(400)
def test_databases_are_reached_by_their_servers_and_by_nothing_else(own_gateway, real, scratch):
    (redis_port, redis_password), (postgres_port, postgres_password) = real
    catalog = scratch / "postgres.json"
    catalog.write_text(
        json.dumps({"formatVersion": 1, "categories": [{"id": "data", "title": "Data"}], "servers": [POSTGRES]})
    )
    config = listed(f"127.0.0.1:{redis_port}", f"localhost:{postgres_port}") + f"catalogs: [{catalog}]\n"
    gateway = own_gateway(config=config)
    mcp = {
        "redis": {"host": "127.0.0.1", "port": redis_port, "pwd": redis_password},
        "postgres": {"url": f"postgresql://ada:{postgres_password}@localhost:{postgres_port}/postgres"},
    }
    with gateway.create(mcp, timeout=900) as sandbox, gateway.create({"py": program()}) as stranger:
        for name in mcp:
            sandbox.wait_state(name, "ready", 300)
        with sandbox.legacy() as client:
            client.text("redis_set", {"key": "greeting", "value": "hello from inside"})
            assert "hello from inside" in client.text("redis_get", {"key": "greeting"})
            rows = client.text("postgres_execute_sql", {"sql": "select sum(pieces) as total from fruit"})
            assert "7" in rows
        for port in (redis_port, postgres_port):
            assert run(stranger, f"result = dial('127.0.0.1', {port})") == "ECONNREFUSED"
            assert run(stranger, f"result = dial('localhost', {port})") == "ECONNREFUSED"
        assert verdicts(gateway)["allowed"] >= 2
        assert f"to=127.0.0.1:{redis_port} verdict=allowed" in gateway.log
    for password in (redis_password, postgres_password):
        assert password not in gateway.log
        assert password not in exchange(gateway.admin_url + "/metrics").body.decode()


# ------------------------------------------------------------------ who reaches what


def test_a_host_is_found_by_its_name(own_gateway):
    """Whatever the name leads to outside, inside it is an address of the sandbox's own."""
    name = socket.gethostname()
    echo = Echo(socket.gethostbyname(name))
    gateway = own_gateway(config=listed(name))
    with gateway.create({"py": program(ECHO_URL=f"tcp://{name}:{echo.port}")}) as sandbox:
        assert run(sandbox, f"result = dial('{name}', {echo.port}, b'hello')") == "hello"
        assert run(sandbox, f"result = socket.gethostbyname('{name}')") == "127.0.1.1"
        assert run(sandbox, f"result = dial('{name}', {echo.port + 1})") == "ECONNREFUSED"
        assert f"127.0.1.1 {name}" in run(sandbox, "result = open('/etc/hosts').read()")
    echo.close()


def test_nothing_else_exists(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1"))
    with gateway.create({"py": program(ECHO=f"127.0.0.1:{echo.port}")}) as sandbox:
        other = Echo()
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"
        for port in (other.port, gateway.port, gateway.admin_port):
            assert run(sandbox, f"result = dial('127.0.0.1', {port})") == "ECONNREFUSED"
        for address in ("169.254.169.254", "10.0.0.1", "1.1.1.1", "100.100.100.200"):
            assert run(sandbox, f"result = dial('{address}', 80)") == "ENETUNREACH"
        assert run(sandbox, "result = dial('::ffff:169.254.169.254', 80)") == "ENETUNREACH"
        assert run(sandbox, "result = dial('fd00:ec2::254', 80)") in ("ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT")
        other.close()


def test_there_is_no_name_server(own_gateway):
    gateway = own_gateway(config=listed())
    with gateway.create({"py": program()}) as sandbox:
        assert run(sandbox, "result = dial('example.com', 80)") in ("EAI_AGAIN", "gaierror")
        ask = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('%s', 53))"
        assert "unreachable" in run(sandbox, ask % "8.8.8.8")
        assert "nameserver" not in run(sandbox, "result = open('/etc/resolv.conf').read()").replace("name server", "")


def test_sandboxes_do_not_reach_each_other(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1"))
    mcp = {"py": program(ECHO=f"127.0.0.1:{echo.port}")}
    with gateway.create(mcp) as one, gateway.create(mcp) as two:
        port = run(
            one,
            "import builtins\nbuiltins.kept = s = socket.create_server(('0.0.0.0', 0))\nresult = s.getsockname()[1]",
        )
        assert run(two, f"result = dial('127.0.0.1', {port})") == "ECONNREFUSED"
        assert run(one, f"result = socket.create_connection(('127.0.0.1', {port})) and 'there'") == "there"


def test_servers_without_a_list_reach_nothing_of_the_world(own_gateway, echo):
    """Those of another sandbox may; those of the same one share its network."""
    gateway = own_gateway(config=listed("127.0.0.1"))
    named = program(ECHO=f"127.0.0.1:{echo.port}")
    with gateway.create({"py": program()}) as without, gateway.create({"py": program(), "too": named}) as both:
        assert run(without, f"result = dial('127.0.0.1', {echo.port})") == "ECONNREFUSED"
        assert run(both, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"


# ------------------------------------------------------------------ private addresses


def test_a_private_host_needs_the_operator(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1:1"))
    with gateway.create({"py": program(ECHO=f"127.0.0.1:{echo.port}")}) as sandbox:
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port})") == "ECONNRESET"
    assert echo.accepted == 0
    assert verdicts(gateway)["forbidden"] == 1
    assert "verdict=forbidden" in gateway.log and "loopback" in gateway.log


def test_a_private_host_needs_the_sandboxes_owner(own_gateway, echo):
    """What the operator allows is not there for those who do not ask for it."""
    gateway = own_gateway(config=listed("127.0.0.0/8"))
    with gateway.create({"py": program()}) as sandbox:
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port})") == "ECONNREFUSED"
    assert echo.accepted == 0


def test_a_metadata_service_is_never_reached(own_gateway):
    gateway = own_gateway(config=listed("0.0.0.0/0", "169.254.169.254"))
    with gateway.create({"py": program(URL="http://169.254.169.254:80/")}) as sandbox:
        assert run(sandbox, "result = dial('169.254.169.254', 80)") == "ENETUNREACH"
    assert verdicts(gateway)["allowed"] == 0


def test_a_name_that_does_not_exist_is_a_reset(own_gateway):
    gateway = own_gateway(config=listed())
    with gateway.create({"py": program(URL="http://no-such-host.invalid/")}) as sandbox:
        assert run(sandbox, "result = dial('no-such-host.invalid', 80)") == "ECONNRESET"
    assert verdicts(gateway)["unresolved"] == 1


def test_a_closed_port_is_a_reset(own_gateway, echo):
    echo.close()
    gateway = own_gateway(config=listed("127.0.0.1"))
    with gateway.create({"py": program(ECHO=f"127.0.0.1:{echo.port}")}) as sandbox:
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port})") == "ECONNRESET"
    assert verdicts(gateway)["unreachable"] == 1


# ------------------------------------------------------------------ lists


def test_hosts_of_the_operator_and_of_the_sandbox(own_gateway, echo):
    second = Echo()
    gateway = own_gateway(config=listed("127.0.0.1", hosts=[f"127.0.0.1:{echo.port}"]))
    mcp = {"py": program(), "$gateway": {"hosts": [f"127.0.0.1:{second.port}"]}}
    with gateway.create(mcp) as sandbox, gateway.create({"py": program()}) as plain:
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"
        assert run(sandbox, f"result = dial('127.0.0.1', {second.port}, b'x')") == "x"
        assert run(plain, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"
        assert run(plain, f"result = dial('127.0.0.1', {second.port}, b'x')") == "ECONNREFUSED"
    second.close()


def test_new_servers_bring_their_hosts_and_old_ones_take_theirs(own_gateway, echo):
    second = Echo()
    gateway = own_gateway(config=listed("127.0.0.1"))
    kept = program()
    first = program(ECHO=f"127.0.0.1:{echo.port}")
    with gateway.create({"py": kept, "old": first}) as sandbox:
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"
        hold = f"import builtins\nbuiltins.kept = socket.create_connection(('127.0.0.1', {echo.port}))"
        assert run(sandbox, hold) is None
        mcp = {"py": kept, "new": program(ECHO=f"127.0.0.1:{second.port}")}
        assert gateway.control().request("PUT", f"{sandbox.path}/mcp", mcp).status == 200
        sandbox.wait_state("new", "ready")
        assert run(sandbox, f"result = dial('127.0.0.1', {second.port}, b'x')") == "x"
        assert run(sandbox, f"result = dial('127.0.0.1', {echo.port})") == "ECONNREFUSED"
        assert "ConnectionResetError" in run(sandbox, "result = kept.recv(1)")
    second.close()


# ------------------------------------------------------------------ bytes


def test_bytes_pass_both_ways_and_each_direction_ends_by_itself(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1"))
    size = 32 << 20
    code = f"""
import hashlib, os, threading
data = os.urandom(1 << 20)
connection = socket.create_connection(("127.0.0.1", {echo.port}))
def send():
    for _ in range({size >> 20}):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
sent, got, count = hashlib.sha256(data * {size >> 20}), hashlib.sha256(), 0
while piece := connection.recv(1 << 16):
    got.update(piece)
    count += len(piece)
result = [count, sent.digest() == got.digest()]
"""
    with gateway.create({"py": program(ECHO=f"127.0.0.1:{echo.port}")}) as sandbox:
        assert run(sandbox, code) == [size, True]
    assert gateway.metric("egress_bytes_total") == 2 * size
    assert gateway.metric("egress_connections") == 0


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_a_reader_that_does_not_read_stops_its_sender(own_gateway):
    """Bytes wait at their sender, not in the gateway."""
    sent = []
    listener = socket.create_server(("127.0.0.1", 0))

    def flood():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(1)
            total = 0
            try:
                while total < 1 << 30:
                    total += connection.send(bytes(1 << 16))
            except TimeoutError:
                pass
            sent.append(total)
            connection.close()

    threading.Thread(target=flood, daemon=True).start()
    port = listener.getsockname()[1]
    gateway = own_gateway(config=listed("127.0.0.1"))
    with gateway.create({"py": program(FLOOD=f"127.0.0.1:{port}")}) as sandbox:
        before = resident(gateway.pid)
        hold = f"import builtins\nbuiltins.kept = socket.create_connection(('127.0.0.1', {port}))"
        assert run(sandbox, hold) is None
        wait_until(lambda: sent, 30, "the sender is stopped")
        assert resident(gateway.pid) - before < 16 << 20
        assert sent[0] < 1 << 30
        # What was sent arrives all the same.
        count = "count = 0\nwhile piece := kept.recv(1 << 16): count += len(piece)\nresult = count"
        assert run(sandbox, count) == sent[0]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_host_that_speaks_first_is_heard(own_gateway):
    listener = socket.create_server(("127.0.0.1", 0))

    def greet():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"220 welcome\r\n" * 1000)

    threading.Thread(target=greet, daemon=True).start()
    port = listener.getsockname()[1]
    gateway = own_gateway(config=listed("127.0.0.1"))
    with gateway.create({"py": program(SMTP=f"127.0.0.1:{port}")}) as sandbox:
        code = f"""
result = []
for _ in range(100):
    with socket.create_connection(("127.0.0.1", {port})) as s:
        result.append(len(s.makefile("rb").read()))
"""
        assert run(sandbox, code) == [13000] * 100
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


# ------------------------------------------------------------------ limits and ends


def test_connections_of_a_sandbox_are_limited(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1"))
    mcp = {"py": program(ECHO=f"127.0.0.1:{echo.port}")}
    with gateway.create(mcp) as greedy, gateway.create(mcp) as modest:
        code = f"""
import builtins
builtins.kept = []
result = 0
for _ in range(300):
    try:
        s = socket.create_connection(("127.0.0.1", {echo.port}), timeout=10)
        s.sendall(b"x")
        result += s.recv(1) == b"x"
        kept.append(s)
    except OSError:
        pass
"""
        assert 200 < run(greedy, code) <= 256
        assert verdicts(gateway)["limited"] >= 44
        assert gateway.log.count("verdict=limited") <= 100
        assert run(modest, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x"
        assert run(greedy, "for s in kept: s.close()") is None
        wait_until(lambda: gateway.metric("egress_connections") == 0, 10, "they are closed")
        wait_until(lambda: run(greedy, f"result = dial('127.0.0.1', {echo.port}, b'x')") == "x", 10, "it may again")


def test_a_sandbox_leaves_no_connection_behind(own_gateway, echo):
    gateway = own_gateway(config=listed("127.0.0.1"))
    gateway.create({"py": program()}).kill()  # what is opened once and kept is open now
    before = len(gateway.descriptors())
    for _ in range(5):
        with gateway.create({"py": program(ECHO=f"127.0.0.1:{echo.port}", MORE="tcp://example.com:1")}) as sandbox:
            hold = f"import builtins\nbuiltins.kept = [socket.create_connection(('127.0.0.1', {echo.port})) for _ in range(9)]"
            assert run(sandbox, hold) is None
            wait_until(lambda: gateway.metric("egress_connections") == 9, 10, "they are open")
        assert gateway.metric("egress_connections") == 0
    wait_until(lambda: len(gateway.descriptors()) <= before, 10, "no descriptor is left")
    assert gateway.stop() == 0


def test_the_endpoint_is_still_there(own_gateway):
    gateway = own_gateway(config=listed())
    with gateway.create({"py": program(URL="http://localhost:50005/")}) as sandbox:
        code = """
import os, urllib.request
request = urllib.request.Request(os.environ["E2B_MCP_URL"] + "/list_tools", method="POST", data=b"")
request.add_header("Authorization", "Bearer " + os.environ["E2B_MCP_TOKEN"])
result = urllib.request.urlopen(request).status
"""
        assert run(sandbox, code) == 200


def test_a_mistake_in_a_list_is_told(gateway):
    reply = gateway.control().request("POST", "/v2/sandboxes", {"mcp": {"$gateway": {"hosts": ["no port"]}}})
    assert reply.status == 400 and "hosts[0]" in reply.json["message"]
