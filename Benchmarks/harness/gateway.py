"""The gateway under test, with sandboxes made through its own API."""

import json
import secrets
import shutil
from pathlib import Path

from . import accounting, client, programs, transports
from .client import Endpoint
from .places import BINARY, ECHO_SERVER, RUN, TARGET_CORE, Unavailable, free_port
from .target import Target

# Longer than any run: a soak takes an hour.
SANDBOX_SECONDS = 6 * 3600


class Gateway(Target):
    """One gateway. `servers` is what each sandbox has; `http2` and `tls` ask for what not every build offers."""

    def __init__(self, name, note, *, sandboxes=1, era="legacy", server=None, isolation="auto", workers=1, tls=False,
                 http2=False, cores=TARGET_CORE, environment=None, wrapper=(), keys=1, binary=BINARY,
                 poller="auto"):  # fmt: skip
        super().__init__(name, note, cores=cores)
        self.about = note
        self.sandboxes, self.era, self.isolation, self.workers = sandboxes, era, isolation, workers
        self.server = server or ECHO_SERVER
        self.tls, self.http2, self.binary, self.poller = tls, http2, binary, poller
        self.environment, self.wrapper, self.key_count = environment or {}, list(wrapper), keys
        self.keys = []
        if http2:
            self.transport = transports.Http2

    def start(self):
        folder = RUN / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.keys = ["e2b_" + secrets.token_hex(20) for _ in range(self.key_count)]
        file = folder / "keys"
        file.write_text("".join(f"bench{number} {key}\n" for number, key in enumerate(self.keys)))
        file.chmod(0o600)
        config = folder / "config.yaml"
        # Where there are no jails they are off by default.
        config.write_text("allow-custom-servers: true\n")
        command = [*self.wrapper, self.binary, "serve", "--listen", f"127.0.0.1:{self.port}",
                   "--admin-listen", f"127.0.0.1:{free_port()}", "--state-dir", folder / "state",
                   "--api-key-file", file, "--workers", self.workers, "--isolation", self.isolation,
                   "--poller", self.poller, "--log-level", "warning", "--config", config]  # fmt: skip
        if self.tls:
            chain, key, _ = programs.certificate()
            command += ["--tls-cert", chain, "--tls-key", key]
            self.certificate = str(chain)
        self.process = self.launch(command)
        try:
            self.wait_for_port(self.process, self.port)
        except RuntimeError as error:
            if self.tls and "tls" in str(error).lower():
                raise Unavailable(f"this gateway does not serve TLS ({last_line(error)})") from error
            if "io_uring" in str(error):
                raise Unavailable(last_line(error)) from error
            raise
        self.require_protocols()
        self.endpoints = [self.create() for _ in range(self.sandboxes)]
        accounting.give_priority(self.process.pid)
        self.note = self.about + ("" if self.has_jails() else ", servers without jails")

    def require_protocols(self):
        if self.tls and not transports.speaks_tls(self.port, self.certificate):
            raise Unavailable("this gateway does not serve TLS")
        if self.http2 and not transports.speaks_http2(self.port, self.certificate):
            within = "within TLS" if self.tls else "without TLS (prior knowledge)"
            raise Unavailable(f"this gateway does not serve HTTP/2 {within}")

    def has_jails(self):
        """True when bubblewrap is among the gateway's descendants."""
        names = (Path(f"/proc/{pid}/comm") for pid in accounting.with_descendants(self.process.pid))
        return any(name.exists() and name.read_text().strip() == "bwrap" for name in names)

    def request(self, method, path, body=None, key=0, connection=None):
        """One request of the control API: status and data."""
        own = connection or Endpoint(self.port, "/", certificate=self.certificate).connect()
        headers = {"X-API-KEY": self.keys[key], "Content-Type": "application/json"}
        status, _, data = client.post(own, path, body, headers, method)
        if not connection:
            own.close()
        return status, data

    def create(self, server=None, key=0, connection=None, session=True):
        """A new sandbox's endpoint; `server` is a command, an empty one makes a sandbox without servers."""
        command = self.server if server is None else server
        mcp = {"bench": {"command": command}} if command else {}
        body = {"mcp": mcp, "timeout": SANDBOX_SECONDS}
        status, data = self.request("POST", "/v2/sandboxes", body, key, connection)
        if status != 201:
            raise RuntimeError(f"{self.name}: creating a sandbox: {status} {data[:500]!r}")
        made = json.loads(data)
        endpoint = Endpoint(self.port, f"/sandbox/{made['sandboxID']}/mcp", made.get("mcpToken", ""), "bench_echo",
                            self.era, certificate=self.certificate, sandbox=made["sandboxID"])  # fmt: skip
        if self.era == "legacy" and session and command:
            endpoint.open_session()
        return endpoint

    def kill(self, endpoint, key=0, connection=None):
        status, data = self.request("DELETE", f"/sandboxes/{endpoint.sandbox}", None, key, connection)
        if status != 204:
            raise RuntimeError(f"{self.name}: killing a sandbox: {status} {data[:300]!r}")

    def stop(self):
        super().stop()
        shutil.rmtree(RUN / self.name / "state", ignore_errors=True)


def last_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"
