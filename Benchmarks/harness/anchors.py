"""What the gateway is measured beside: the bare bound in C, nginx, haproxy, mcp-proxy, FastMCP."""

import json
import resource
import time
from pathlib import Path

from . import accounting, client, programs, transports
from .client import CHECKING_CLIENTS, Endpoint
from .places import ECHO_SERVER, HERE, LOAD_CORE, RUN, SCRATCH, TARGET_CORE, Unavailable, free_port, program
from .target import Target, end_process

CONSTANT = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "x" * 110}], "isError": False}},
    separators=(",", ":"),
)
# nginx takes no longer word than 4096 bytes in its configuration.
NGINX_WORD_BYTES = 3000
# Of haproxy.
CONNECTIONS_MAX = 15_000
# Sessions of a stateful peer: with one alone its bookkeeping would be too cheap.
PEER_SESSIONS = 64


class Bound(Target):
    """The bare epoll loop in C, with its children on its core."""

    def __init__(self, children, beside, server=None, wrapper=(), name=""):
        super().__init__(name or f"bound_{children}", f"bare epoll loop in C, {children} children", beside)
        self.children, self.server, self.wrapper = children, server or ECHO_SERVER, list(wrapper)

    def start(self):
        command = [*self.wrapper, SCRATCH / "bound", self.port, self.children, *self.server]
        self.process = self.launch(command)
        self.wait_for_port(self.process, self.port)
        self.endpoints = [Endpoint(self.port, f"/sandbox/{number}/mcp") for number in range(self.children)]

    def stop(self):
        children = accounting.with_descendants(self.process.pid)[1:]
        super().stop()
        end = time.monotonic() + 5
        while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in children):
            time.sleep(0.01)


class Nginx(Target):
    """nginx in front of an nginx that answers a constant, or that constant itself (`is_origin`)."""

    checks_answers = False

    def __init__(self, name, note, beside, *, answer=CONSTANT, is_origin=False, tls=False, http2=False, workers=1,
                 cores=TARGET_CORE, upstream=None, wrapper=()):  # fmt: skip
        super().__init__(name, note, beside, cores)
        self.answer, self.is_origin, self.tls, self.http2, self.workers = answer, is_origin, tls, http2, workers
        self.fixed_upstream, self.wrapper = upstream, list(wrapper)
        self.upstream = None
        if http2:
            self.transport = transports.Http2

    def start(self):
        behind = self.fixed_upstream or free_port()
        constant = constant_answer(self.answer)
        if not self.is_origin and not self.fixed_upstream:
            self.upstream = self.launch(self.command("upstream", f"127.0.0.1:{behind}", 1, constant, 1), LOAD_CORE)
            self.wait_for_port(self.upstream, behind)
        proxy = ('proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 3600s; '
                 "proxy_buffering off; " if self.fixed_upstream else
                 'proxy_http_version 1.1; proxy_set_header Connection ""; ') + "proxy_pass http://behind;"  # fmt: skip
        listen = f"127.0.0.1:{self.port}" + (" ssl" if self.tls else "") + (" http2" if self.http2 else "")
        location = constant if self.is_origin else proxy
        self.process = self.launch(
            [*self.wrapper, *self.command("front", listen, behind, location, self.workers)])  # fmt: skip
        self.wait_for_port(self.process, self.port)
        self.certificate = str(programs.certificate()[0]) if self.tls else ""
        self.endpoints = [Endpoint(self.port, "/sandbox/0/mcp", certificate=self.certificate)]

    def command(self, role, listen, behind, location, workers):
        role = f"{self.name}-{role}"
        text = (HERE / "nginx.conf").read_text()
        tls = ""
        if self.tls:
            chain, key, _ = programs.certificate()
            tls = f"ssl_certificate {chain}; ssl_certificate_key {key};"
        values = {"FOLDER": RUN, "ROLE": role, "LISTEN": listen, "UPSTREAM": behind, "LOCATION": location,
                  "WORKERS": workers, "TLS": tls,
                  # One process is easier to trace, and may write where this one may.
                  "MASTER": "off" if self.wrapper else "on"}  # fmt: skip
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        file = RUN / f"{role}.conf"
        file.write_text(text)
        return [program("nginx"), "-c", file]

    def own_processes(self):
        return accounting.with_descendants(self.process.pid)

    def stop(self):
        super().stop()
        end_process(self.upstream)
        self.upstream = None


def constant_answer(text):
    """nginx' words for a constant answer of any length."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "${dollar}")
    parts = [escaped[at : at + NGINX_WORD_BYTES] for at in range(0, len(escaped), NGINX_WORD_BYTES)]
    words = "".join(f"set $part{number} '{part}'; " for number, part in enumerate(parts))
    return words + "return 200 " + "".join(f"$part{number}" for number in range(len(parts))) + ";"


class Haproxy(Nginx):
    """haproxy in front of the same nginx."""

    def start(self):
        binary = program("haproxy")
        behind = self.fixed_upstream or free_port()
        if not self.fixed_upstream:
            constant = constant_answer(self.answer)
            self.upstream = self.launch(self.command("upstream", f"127.0.0.1:{behind}", 1, constant, 1), LOAD_CORE)
            self.wait_for_port(self.upstream, behind)
        chain, _, both = programs.certificate() if self.tls else ("", "", "")
        self.certificate = str(chain)
        bind = f"127.0.0.1:{self.port} backlog 4096"
        if self.tls:
            bind += f" ssl crt {both} alpn " + ("h2" if self.http2 else "http/1.1")
        elif self.http2:
            bind += " proto h2"
        text = (HERE / "haproxy.cfg").read_text()
        for name, value in self.values(bind, behind).items():
            text = text.replace(f"@{name}@", str(value))
        file = RUN / f"{self.name}.cfg"
        file.write_text(text)
        self.process = self.launch([binary, "-f", file, "-db"])
        self.wait_for_port(self.process, self.port)
        self.endpoints = [Endpoint(self.port, "/sandbox/0/mcp", certificate=self.certificate)]

    def values(self, bind, behind):
        # Each connection takes two descriptors, one to the client and one to the server.
        most = min((resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2, CONNECTIONS_MAX)
        return {"BIND": bind, "UPSTREAM": behind, "THREADS": self.workers, "CONNECTIONS": most}


class Peer(Target):
    """A stateful gateway from PyPI in front of one child."""

    is_slow = True

    def __init__(self, beside, server=None, sessions=PEER_SESSIONS):
        super().__init__(self.title, self.about, beside)
        self.server, self.sessions = server or ECHO_SERVER, sessions

    def start(self):
        self.process = self.launch(self.command())
        self.wait_for_port(self.process, self.port)
        self.endpoints = [self.open() for _ in range(self.sessions)]

    def check(self):
        """Each client has a session of its own: ids are unique in a session, and these peers rely on it."""
        return client.mistakes(self.endpoints, self.transport, clients=min(len(self.endpoints), CHECKING_CLIENTS))

    def open(self):
        endpoint = Endpoint(self.port, "/mcp")
        endpoint.open_session()
        return endpoint


class MCPProxy(Peer):
    title = "mcp-proxy"
    about = "mcp-proxy (Python), one child for all clients"

    def command(self):
        binary = programs.environment("mcp-proxy") / "bin/mcp-proxy"
        return [binary, "--log-level", "ERROR", "--port", self.port, "--", *self.server]


class FastMCP(Peer):
    title = "FastMCP"
    about = "FastMCP proxy (Python), one child for all clients"

    def command(self):
        python = programs.environment("fastmcp4") / "bin/python"
        return [python, HERE / "fastmcp_proxy.py", self.port, *self.server]


class Events(Target):
    """The bare source of event streams in C."""

    checks_answers = False

    def __init__(self, beside, name="events_c", cores=TARGET_CORE):
        super().__init__(name, "bare event streams in C", beside, cores)

    def start(self):
        self.process = self.launch([SCRATCH / "events", self.port])
        self.wait_for_port(self.process, self.port)
        self.endpoints = [Endpoint(self.port, "/")]


def installed(*targets):
    """Those of the targets whose programs are there, and why the others are not."""
    found, reasons = [], []
    for target in targets:
        try:
            if isinstance(target, Haproxy):
                program("haproxy")
            if isinstance(target, Peer):
                target.command()
            found.append(target)
        except Unavailable as reason:
            reasons.append(f"{target.name}: {reason}")
    return found, reasons
