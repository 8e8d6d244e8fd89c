"""Many connections held open by a program in C."""

import json
import subprocess

from .client import BOTH, INITIALIZE, LEGACY, META, MODERN
from .places import LOAD_CORE, RUN, SCRATCH

OPEN_SECONDS = 180


def request(endpoint, method, path=None, body=None, fields=None):
    """One HTTP/1.1 request as bytes."""
    data = json.dumps(body, separators=(",", ":")).encode() if body is not None else b""
    lines = [f"{method} {path or endpoint.path} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}",
             f"Authorization: Bearer {endpoint.token}"]  # fmt: skip
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def initialize(endpoint):
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}
    return request(endpoint, "POST", body=body, fields={"Accept": BOTH})


def session_stream(endpoint):
    """A session and its GET stream, on one connection."""
    fields = {"Accept": "text/event-stream", "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": "@SESSION@"}
    return initialize(endpoint), request(endpoint, "GET", fields=fields)


def listen_stream(endpoint):
    """A stream of `subscriptions/listen` (2026-07-28)."""
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    fields = {"Accept": BOTH, "MCP-Protocol-Version": MODERN, "Mcp-Method": "subscriptions/listen"}
    return b"", request(endpoint, "POST", body=body, fields=fields)


def plain_stream(endpoint):
    """A GET stream without MCP, for proxies and the bare source."""
    return b"", request(endpoint, "GET", fields={"Accept": "text/event-stream"})


def idle_connection(endpoint):
    """A connection that stays open after one short call."""
    fields = dict(endpoint.headers())
    fields.pop("Authorization")
    fields.pop("Content-Type")
    return request(endpoint, "POST", body=endpoint.call_message(1, "x"), fields=fields), b""


class Streams:
    """`records` are pairs of requests, one pair for each connection."""

    def __init__(self, name, port, records):
        file = RUN / f"{name}.records"
        with open(file, "wb") as out:
            for first, second in records:
                out.write(f"{len(first)} {len(second)}\n".encode() + first + second)
        command = ["taskset", "-c", LOAD_CORE, SCRATCH / "streams", str(port), file]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, bufsize=1)  # fmt: skip
        words = self.process.stdout.readline().split()
        file.unlink()
        if len(words) != 4:
            raise RuntimeError(f"{name}: the streams do not open: {self.process.stderr.read()[-300:]}")
        self.good, self.bad, self.milliseconds = int(words[1]), int(words[2]), int(words[3])

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().split()

    def mark(self):
        self.ask("mark")

    def arrivals(self, count, seconds):
        """When each stream saw an event since the mark, in nanoseconds of the monotonic clock."""
        return [int(word) for word in self.ask(f"await {count} {int(seconds * 1000)}")[1:]]

    def close(self):
        self.process.stdin.close()
        self.process.wait(OPEN_SECONDS)
        self.process.stdout.close()
        self.process.stderr.close()
