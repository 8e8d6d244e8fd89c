"""What is measured: the gateway, the bare bound in C, and nginx as an HTTP proxy. All on the first core, their children
with them; the load generator (and nginx' upstream) on the second."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import accounting, client
from .client import Endpoint

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
SCRATCH = Path(os.environ.get("MCP_GATEWAY_BENCH_DIR", ROOT / ".build-bench"))
BINARY = Path(os.environ.get("MCP_GATEWAY_BINARY", ROOT / ".build/release/mcp-gateway"))
ECHO_SOURCE = ROOT / "Tests/EndToEnd/fixture/echo.c"
TARGET_CORE, LOAD_CORE = "0", "1"
START_SECONDS = 30
CONSTANT = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "x" * 110}], "isError": False}},
    separators=(",", ":"),
)


def compile_programs():
    for source, name in ((HERE / "bound.c", "bound"), (ECHO_SOURCE, "echo")):
        program = SCRATCH / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-static", "-o", program, source], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Target:
    """A started server, and the endpoints that the load goes to."""

    name = ""
    note = ""
    checks_answers = True

    def __init__(self):
        self.process = None
        self.port = free_port()
        self.endpoints = []

    def launch(self, command, core=TARGET_CORE):
        log = open(SCRATCH / f"{self.name}.log", "wb")
        with log:
            process = subprocess.Popen(
                ["taskset", "-c", core, *map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return process

    def wait_for_port(self, process, port):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                log = (SCRATCH / f"{self.name}.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} ended with {process.returncode}: {log[-1000:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"{self.name} does not listen within {START_SECONDS} s")

    def own_processes(self):
        """The processes whose time is counted: not the MCP servers."""
        return [self.process.pid]

    def stop(self):
        for process in (self.process,):
            end_process(process)

    def check(self):
        if not self.checks_answers:
            connection = client.connect(self.port)
            status, _, _ = self.endpoints[0].call(connection, 1, "x")
            connection.close()
            return [] if status == 200 else [f"status {status}"]
        return client.mistakes(self.endpoints)


def end_process(process):
    if process and process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Bound(Target):
    def __init__(self, children):
        super().__init__()
        self.children = children
        self.name = f"bound_{children}"
        self.note = f"bare epoll loop in C, {children} children on its core"

    def start(self):
        self.process = self.launch([SCRATCH / "bound", self.port, self.children, SCRATCH / "echo"])
        self.wait_for_port(self.process, self.port)
        self.endpoints = [Endpoint(self.port, f"/sandbox/{number}/mcp") for number in range(self.children)]

    def stop(self):
        children = accounting.with_descendants(self.process.pid)[1:]
        end_process(self.process)
        end = time.monotonic() + 5
        while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in children):
            time.sleep(0.01)


class Proxy(Target):
    name = "nginx_proxy"
    note = "nginx, one worker, in front of an nginx that answers a constant"
    checks_answers = False

    def start(self):
        upstream = free_port()
        quoted = CONSTANT.replace("'", "\\'")
        self.upstream = self.launch(self.command("upstream", upstream, 1, f"return 200 '{quoted}';"), LOAD_CORE)
        self.wait_for_port(self.upstream, upstream)
        proxy = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://behind;'
        self.process = self.launch(self.command("proxy", self.port, upstream, proxy))
        self.wait_for_port(self.process, self.port)
        self.endpoints = [Endpoint(self.port, "/sandbox/0/mcp")]

    def command(self, role, port, upstream, answer):
        text = (HERE / "nginx.conf").read_text()
        values = {"FOLDER": SCRATCH, "ROLE": role, "PORT": port, "UPSTREAM": upstream, "ANSWER": answer}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        file = SCRATCH / f"nginx-{role}.conf"
        file.write_text(text)
        return [shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]), "-c", file]

    def own_processes(self):
        return accounting.with_descendants(self.process.pid)

    def stop(self):
        end_process(self.process)
        end_process(self.upstream)


class Gateway(Target):
    """Our gateway with one loop; a sandbox with one echo server each, created through its own API."""

    def __init__(self, sandboxes, era, isolation):
        super().__init__()
        self.sandboxes, self.era, self.isolation = sandboxes, era, isolation
        self.name = f"gateway_{sandboxes}" + ("_modern" if era == "modern" else "")
        self.note = f"this gateway, {sandboxes} sandbox{'es' if sandboxes > 1 else ''}, {era} requests"

    def start(self):
        folder = SCRATCH / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        key = "e2b_" + secrets.token_hex(20)
        (folder / "keys").write_text(f"bench {key}\n")
        self.process = self.launch(
            [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{free_port()}",
             "--state-dir", folder / "state", "--api-key-file", folder / "keys", "--workers", 1,
             "--isolation", self.isolation, "--log-level", "warning"]
        )  # fmt: skip
        self.wait_for_port(self.process, self.port)
        self.endpoints = [self.create(key) for _ in range(self.sandboxes)]

    def create(self, key):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = {"mcp": {"bench": {"command": [str(SCRATCH / "echo")]}}, "timeout": 3600}
        status, _, data = client.post(
            connection, "/v2/sandboxes", body, {"X-API-KEY": key, "Content-Type": "application/json"}
        )
        connection.close()
        if status != 201:
            raise RuntimeError(f"creating a sandbox: {status} {data[:500]!r}")
        made = json.loads(data)
        endpoint = Endpoint(self.port, f"/sandbox/{made['sandboxID']}/mcp", made["mcpToken"], "bench_echo", self.era)
        if self.era == "legacy":
            endpoint.open_session()
        return endpoint
