"""The gateway under test, its control API, and sandboxes made through it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from . import processes
from .http import Raw, exchange
from .mcp import Legacy, Modern
from .waiting import wait_until

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
BINARY = Path(os.environ.get("MCP_GATEWAY_BINARY", ROOT / ".build/release/mcp-gateway"))
SCRATCH = Path(os.environ.get("MCP_GATEWAY_E2E_DIR", ROOT / ".build-e2e"))
VENVS = Path(os.environ.get("MCP_GATEWAY_VENVS", ROOT / ".build-venvs"))
PYTHON = "/usr/bin/python3"
FIXTURE = SCRATCH / "fixture/server.py"
ECHO = SCRATCH / "echo"
# Flags of a fixture that holds what it is told against the schemas.
CHECKED = ("--check", FIXTURE.parent / "schema.py")
CHECKED += tuple(FIXTURE.parent / f"schema/{file.name}" for file in sorted((HERE / "fixture/schema").glob("*.json")))
READY_SECONDS = 20
GIVEN_PORTS = set()
# Of every instance: MCP_GATEWAY_E2E_FLAGS="--poller epoll" Tests/EndToEnd/run
FLAGS = os.environ.get("MCP_GATEWAY_E2E_FLAGS", "").split()


def free_port():
    """Below those that the kernel gives to connections, which could take it before a listener has it."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN_PORTS.add(port)
        return port


def fixture(mark, *flags):
    """The configuration of a server that is our scripted one."""
    return {"command": [PYTHON, "-I", str(FIXTURE), "--mark", mark, *map(str, flags)]}


def echo():
    """The configuration of a server that is the small one in C."""
    return {"command": [str(ECHO)]}


def new_mark():
    """A text that finds one server's processes among all of this machine."""
    return f"mark-{secrets.token_hex(6)}"


class Gateway:
    """One running `mcp-gateway serve`, with two API keys: of alpha and of beta."""

    def __init__(self, directory, config="", flags=(), environment=None, isolation="auto", preexec=None,
                 user=None, network="host"):  # fmt: skip
        """`user` is who runs it; None is who runs the tests. Most tests serve what their servers reach themselves, at
        the host's loopback interface; with None as `network` it is the gateway's own choice."""
        self.directory = Path(directory)
        self.state = self.directory / "state"
        self.log_path = self.directory / "gateway.log"
        self.keys = {name: "e2b_" + secrets.token_hex(20) for name in ("alpha", "beta")}
        self.config, self.flags, self.isolation = config, list(flags), isolation
        if network and "network:" not in config and "--network" not in self.flags:
            self.flags += ["--network", network]
        self.environment, self.preexec = environment or {}, preexec
        self.user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.process = None
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        if user is not None:
            os.chown(self.directory, user, user)

    def command(self):
        keys = self.directory / "keys"
        keys.write_text("".join(f"{name} {key}\n" for name, key in self.keys.items()))
        keys.chmod(0o600)
        if self.user:
            os.chown(keys, self.user["user"], self.user["group"])
        command = [
            str(BINARY), "serve",
            "--listen", f"127.0.0.1:{self.port}",
            "--admin-listen", f"127.0.0.1:{self.admin_port}",
            "--state-dir", str(self.state),
            "--api-key-file", str(keys),
            "--isolation", self.isolation,
        ]  # fmt: skip
        if self.config:
            file = self.directory / "config.yaml"
            file.write_text(self.config)
            command += ["--config", str(file)]
        return command + FLAGS + self.flags

    def start(self):
        self.spawn()
        wait_until(self._is_up, READY_SECONDS, f"the gateway serves; its log: {self.log_path}")
        return self

    def spawn(self):
        """Starts it, and does not wait until it serves."""
        self.port, self.admin_port = free_port(), free_port()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MCP_GATEWAY_")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=environment | self.environment, preexec_fn=self.preexec, **self.user,
            )  # fmt: skip

    def _is_up(self):
        assert self.process.poll() is None, f"the gateway ended with {self.process.returncode}:\n{self.log[-3000:]}"
        try:
            return exchange(self.url + "/health", timeout=2).status == 200
        except OSError:
            return False

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the gateway did not end within 30 s of SIGTERM") from None
        return self.process.returncode

    def kill(self):
        """SIGKILL: what it leaves is the next start's to sweep."""
        self.process.kill()
        self.process.wait(10)

    def remove_groups(self):
        """Those that a killed gateway left, when nothing runs in them any more."""
        for group in reversed(processes.cgroups(self.state)):
            try:
                os.rmdir(group)
            except OSError:
                pass

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.stop()
        self.remove_groups()
        if kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self):
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def raw(self, timeout=30):
        return Raw(self.port, timeout)

    def metric(self, name):
        body = exchange(self.admin_url + "/metrics").body.decode()
        for line in body.splitlines():
            if line.startswith(f"mcp_gateway_{name} ") or line.startswith(f"mcp_gateway_{name}{{"):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name} in:\n{body}")

    def control(self, owner="alpha"):
        return Control(self, self.keys[owner])

    def create(self, mcp, owner="alpha", **body):
        return self.control(owner).create(mcp, **body)

    def descriptors(self):
        return processes.descriptors(self.pid)


class Control:
    """The control API with one key."""

    def __init__(self, gateway, key):
        self.gateway, self.key = gateway, key

    def request(self, method, path, body=None, key=..., **headers):
        key = self.key if key is ... else key
        fields = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            fields["X-API-KEY"] = key
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        return exchange(self.gateway.url + path, method, body, fields, timeout=60)

    def create(self, mcp, **body):
        reply = self.request("POST", "/v2/sandboxes", {"mcp": mcp, **body})
        assert reply.status == 201, reply
        return Sandbox(self, reply.json)


class Sandbox:
    def __init__(self, control, created):
        self.control, self.created = control, created
        self.id, self.token, self.url = created["sandboxID"], created["mcpToken"], created["mcpUrl"]

    @property
    def path(self):
        return f"/sandboxes/{self.id}"

    def legacy(self, **options):
        return Legacy(self.url, self.token, **options)

    def modern(self, **options):
        return Modern(self.url, self.token, **options)

    def rest(self, route, body=None, token=..., **headers):
        token = self.token if token is ... else token
        fields = {"Content-Type": "application/json"}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        return exchange(f"{self.url}/{route}", "POST", body, fields)

    def tools(self):
        reply = self.rest("list_tools")
        assert reply.status == 200, reply
        return {tool["name"]: tool for tool in reply.json["tools"]}

    def call(self, name, arguments=None):
        return self.rest("call_tool", {"name": name, "arguments": arguments or {}})

    def text(self, name, arguments=None):
        reply = self.call(name, arguments)
        assert reply.status == 200, reply
        return "".join(block.get("text", "") for block in reply.json["content"])

    def detail(self):
        reply = self.control.request("GET", self.path)
        assert reply.status == 200, reply
        return reply.json

    def server(self, name):
        return next(server for server in self.detail()["mcp"]["servers"] if server["name"] == name)

    def wait_state(self, name, state, seconds=20):
        def reached():
            found = self.server(name)
            return found if found["state"] == state else None

        return wait_until(reached, seconds, f"server {name} is {state}; now {self.server(name)}")

    def kill(self):
        return self.control.request("DELETE", self.path)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        ended = self.kill()
        if kind is None:
            assert ended.status in (204, 404), ended
