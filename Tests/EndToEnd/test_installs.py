"""Code that runs while a package is installed is a stranger's, as its server is: what it reaches, and what it may use."""

import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

from support import processes
from support.gateway import FIXTURE
from support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not shutil.which("git"), reason="git is not installed"),
]
PYTHON = "/usr/bin/python3"
NAME = "github/acme/probe"
INDEX = "https://operator:password@index.example/simple"


class Git(http.server.BaseHTTPRequestHandler):
    """What `git http-backend` makes of a request (CGI, RFC 3875)."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        variables = {
            "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "PATH": os.environ["PATH"],
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        said = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def mirror(scratch):
    """GitHub, of one repository."""
    source, root = scratch / "probe-source", scratch / "mirror"
    source.mkdir()
    for file in ("installing.py", "python.py"):
        shutil.copy(FIXTURE.parent / file, source)
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    for step in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, "-C", source, *step], check=True, capture_output=True)
    bare = root / "acme/probe.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", source, bare], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Git)
    server.root = root
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def canary():
    """A service of the host that is nobody's business."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_called(server):
    try:
        server.accept()[0].close()
        return True
    except BlockingIOError:
        return False


@pytest.fixture
def started(own_gateway, mirror):
    def start(config=""):
        return own_gateway(config=config, environment={"MCP_GATEWAY_GITHUB_URL": mirror, "UV_EXTRA_INDEX_URL": INDEX})

    return start


def probe(*attack):
    install = " ".join([PYTHON, "installing.py", *map(str, attack)])
    return {NAME: {"installCmd": install, "runCmd": f"{PYTHON} python.py"}}


def settled(sandbox):
    (name,) = [server["name"] for server in sandbox.detail()["mcp"]["servers"]]

    def look():
        server = sandbox.server(name)
        return server if server["state"] not in ("resolving", "starting") else None

    return wait_until(look, 90, "the installation is over")


def report(sandbox):
    server = settled(sandbox)
    assert server["state"] == "ready", server
    (tool,) = [tool for tool in sandbox.tools() if tool.endswith("python")]
    return json.loads(json.loads(sandbox.text(tool, {"code": "result = open('report.json').read()"})))


@pytest.mark.parametrize("network", ["none", "listed", "proxy"])
def test_what_an_install_command_reaches(started, canary, network):
    gateway = started(f"network: {network}\n")
    with gateway.create(probe("look", canary.getsockname()[1]), timeout=120) as sandbox:
        found = report(sandbox)
    assert found["loopback"] != "connected" and found["metadata"] != "connected"
    assert found["metadata by proxy"] == 403
    assert found["loopback by proxy"].split()[1] == "403"
    assert found["names"] == "gaierror"
    assert found["secrets"] == [] and found["index"] == "https://index.example/simple"
    assert not was_called(canary)


def test_it_reaches_what_its_sandbox_may_reach(started, canary):
    """With `network: host` servers reach the host's loopback interface, and so does what installs them."""
    gateway = started("network: host\n")
    with gateway.create(probe("look", canary.getsockname()[1]), timeout=120) as sandbox:
        found = report(sandbox)
    assert (found["loopback"], found["loopback by proxy"], found["secrets"]) == ("connected", "no proxy", [])
    assert was_called(canary)


@pytest.mark.parametrize(
    ("attack", "words"),
    [("memory", "out of memory: the limit is 128 MiB"), ("forks", r"refused after \d+ processes")],
)
def test_what_an_install_command_may_use(started, attack, words):
    gateway = started("sandbox-memory: 128MiB\nserver-memory: 128MiB\nsandbox-processes: 60\nserver-processes: 60\n")
    before = len(processes.descendants(gateway.pid))
    with gateway.create(probe(attack), timeout=120) as sandbox:
        server = settled(sandbox)
        assert server["state"] == "failed" and re.search(words, server["lastError"]), server
        assert NAME.split("/")[-1] in server["lastError"]
        if attack == "forks":
            assert int(re.search(r"after (\d+)", server["lastError"])[1]) < 60
        wait_until(lambda: len(processes.descendants(gateway.pid)) == before, 10, "nothing of it runs any more")


def test_nothing_of_an_installation_runs_on(started):
    gateway = started()
    before = len(processes.descendants(gateway.pid))
    with gateway.create(probe("linger"), timeout=120) as sandbox:
        assert report(sandbox) is None
        running = [processes.command_line(pid) for pid in processes.descendants(gateway.pid)]
        assert not [line for line in running if "installing.py" in line]
    wait_until(lambda: len(processes.descendants(gateway.pid)) == before, 10, "the server is gone")
