"""The ways in which a client reaches an endpoint, each with the same `call(id, text)`."""

import http.client
import json
import socket
import ssl

import httpx

from .client import ANSWER_SECONDS, LEGACY, connect, parse, post

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
SETTINGS_FRAME = 4


class Http1:
    """Streamable HTTP over HTTP/1.1, with TLS when the endpoint has a certificate."""

    has_ids = True

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def __enter__(self):
        self.connection = self.endpoint.connect()
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, ident, text):
        arguments = {"name": self.endpoint.tool, "arguments": {"text": text}}
        return self.endpoint.ask(self.connection, "tools/call", arguments, ident)


class Shim(Http1):
    """The form without JSON-RPC: …/mcp/call_tool."""

    has_ids = False

    def call(self, ident, text):
        body = {"name": self.endpoint.tool, "arguments": {"text": text}}
        headers = {"Authorization": f"Bearer {self.endpoint.token}", "Content-Type": "application/json"}
        status, fields, data = post(self.connection, self.endpoint.path + "/call_tool", body, headers)
        return status, parse(fields, data)


class Http2:
    """Streamable HTTP over HTTP/2: by prior knowledge, or as TLS negotiates it."""

    has_ids = True

    def __init__(self, endpoint):
        self.endpoint = endpoint
        scheme = "https" if endpoint.certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{endpoint.port}{endpoint.path}"

    def __enter__(self):
        verify = ssl.create_default_context(cafile=self.endpoint.certificate) if self.endpoint.certificate else False
        self.client = httpx.Client(http1=False, http2=True, verify=verify, timeout=ANSWER_SECONDS)
        return self

    def __exit__(self, *_):
        self.client.close()

    def call(self, ident, text):
        message = self.endpoint.call_message(ident, text)
        answer = self.client.post(self.url, json=message, headers=self.endpoint.headers())
        if answer.http_version != "HTTP/2":
            return answer.status_code, f"answered as {answer.http_version}"
        return answer.status_code, parse(answer.headers, answer.content)


class TwoEndpoints:
    """The transport of 2024-11-05: a stream of events, and a place to post to."""

    has_ids = True

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.path = endpoint.path.removesuffix("/mcp") + "/sse"
        self.headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json"}

    def __enter__(self):
        self.stream = connect(self.endpoint.port)
        self.stream.request("GET", self.path, headers=self.headers | {"Accept": "text/event-stream"})
        self.answers = self.stream.getresponse()
        if self.answers.status != 200:
            raise RuntimeError(f"{self.path}: {self.answers.status}")
        self.target = self.next_event()
        self.connection = connect(self.endpoint.port)
        params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.stream.close()

    def next_event(self):
        while line := self.answers.readline():
            if line.startswith(b"data:"):
                return line[5:].strip().decode()
        raise RuntimeError("the stream has ended")

    def send(self, message):
        path = self.target[self.target.index("/", 8) :] if "://" in self.target else self.target
        return post(self.connection, path, message, self.headers)[0]

    def ask(self, message):
        status = self.send(message)
        while status < 300:
            answer = json.loads(self.next_event())
            if answer.get("id") == message["id"]:
                return 200, answer
        return status, None

    def call(self, ident, text):
        params = {"name": self.endpoint.tool, "arguments": {"text": text}}
        return self.ask({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params})


def speaks_http2(port, certificate=""):
    """True when a server answers the connection preface (RFC 9113 §3.4), or chooses h2 within TLS."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(2)
            if certificate:
                context = ssl.create_default_context(cafile=certificate)
                context.set_alpn_protocols(["h2", "http/1.1"])
                with context.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                    return secured.selected_alpn_protocol() == "h2"
            connection.sendall(PREFACE)
            answer = connection.recv(9)
            return len(answer) == 9 and answer[3] == SETTINGS_FRAME
    except OSError:
        return False


def speaks_tls(port, certificate):
    try:
        context = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(2)
            context.wrap_socket(connection, server_hostname="127.0.0.1").close()
            return True
    except OSError:
        return False


def has_two_endpoints(endpoint):
    connection = connect(endpoint.port)
    try:
        headers = {"Authorization": f"Bearer {endpoint.token}", "Accept": "text/event-stream",
                   "MCP-Protocol-Version": LEGACY}  # fmt: skip
        connection.request("GET", endpoint.path.removesuffix("/mcp") + "/sse", headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
