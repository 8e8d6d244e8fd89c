"""Two small MCP clients, one for each era, that show what is on the wire."""

import http.client
import itertools
import json
import urllib.parse

from .http import TIMEOUT, Stream, exchange

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
BOTH = "application/json, text/event-stream"
META = "io.modelcontextprotocol/"


class RPCError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code, self.message, self.data = error.get("code"), error.get("message"), error.get("data")


def result_of(reply, ident):
    message = reply.json
    assert message.get("jsonrpc") == "2.0", reply
    assert message.get("id") == ident and type(message.get("id")) is type(ident), reply
    if "error" in message:
        raise RPCError(message["error"])
    return message["result"]


def text_of(result):
    return "".join(block.get("text", "") for block in result["content"])


class Legacy:
    """A session of the handshake era."""

    def __init__(self, url, token, version=LEGACY, capabilities=None, start=True):
        self.url, self.token, self.version = url, token, version
        self.capabilities = capabilities or {}
        self.session = None
        self.ids = itertools.count(1)
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        if start:
            self.initialize()

    def headers(self, **more):
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Accept": BOTH}
        if self.session:
            fields["Mcp-Session-Id"] = self.session
            if self.version >= "2025-06-18":
                fields["MCP-Protocol-Version"] = self.version
        fields.update({name.replace("_", "-"): value for name, value in more.items()})
        return {name: value for name, value in fields.items() if value is not None}

    def initialize(self):
        params = {
            "protocolVersion": self.version,
            "capabilities": self.capabilities,
            "clientInfo": {"name": "end-to-end", "version": "1"},
        }
        reply = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert reply.status == 200, reply
        self.hello = result_of(reply, 0)
        self.session = reply.headers.get("mcp-session-id")
        self.version = self.hello["protocolVersion"]
        reply = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert reply.status == 202 and reply.body == b"", reply
        return self.hello

    def post(self, message, **headers):
        return exchange(self.url, "POST", message, self.headers(**headers), connection=self.connection)

    def reply(self, method, params=None, ident=None, **headers):
        ident = next(self.ids) if ident is None else ident
        message = {"jsonrpc": "2.0", "id": ident, "method": method}
        if params is not None:
            message["params"] = params
        return self.post(message, **headers)

    def ask(self, method, params=None, ident=None):
        ident = next(self.ids) if ident is None else ident
        reply = self.reply(method, params, ident)
        assert reply.status == 200, reply
        return result_of(reply, ident)

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        return self.post(message)

    def tools(self):
        return {tool["name"]: tool for tool in self.ask("tools/list")["tools"]}

    def call(self, name, arguments=None, ident=None):
        return self.ask("tools/call", {"name": name, "arguments": arguments or {}}, ident)

    def text(self, name, arguments=None):
        return text_of(self.call(name, arguments))

    def stream(self, method, params, ident):
        """A request whose answer is read while it comes."""
        message = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
        return Stream(self.url, "POST", message, self.headers())

    def listen(self, **headers):
        """The GET stream."""
        return Stream(self.url, "GET", None, self.headers(Accept="text/event-stream", Content_Type=None, **headers))

    def delete(self):
        return exchange(self.url, "DELETE", None, self.headers(Content_Type=None), connection=self.connection)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def envelope(**more):
    return {
        META + "protocolVersion": MODERN,
        META + "clientInfo": {"name": "end-to-end", "version": "1"},
        META + "clientCapabilities": {},
        **more,
    }


class Modern:
    """Requests of 2026-07-28: no session, every request stands alone."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.ids = itertools.count(1)
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)

    def request(self, method, params=None, ident=None, headers=None, meta=None):
        """Body and headers of a correct request; `headers` and `meta` override, None removes."""
        ident = next(self.ids) if ident is None else ident
        params = dict(params or {})
        params["_meta"] = {k: v for k, v in (envelope() | (meta or {})).items() if v is not None}
        fields = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": BOTH,
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": method,
        }
        target = params.get("uri") if method == "resources/read" else params.get("name")
        if target is not None and method in ("tools/call", "prompts/get", "resources/read"):
            fields["Mcp-Name"] = target
        fields = {name: value for name, value in (fields | (headers or {})).items() if value is not None}
        return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}, fields, ident

    def reply(self, method, params=None, ident=None, headers=None, meta=None):
        body, fields, _ = self.request(method, params, ident, headers, meta)
        return exchange(self.url, "POST", body, fields, connection=self.connection)

    def ask(self, method, params=None, ident=None):
        body, fields, ident = self.request(method, params, ident)
        reply = exchange(self.url, "POST", body, fields, connection=self.connection)
        assert reply.status == 200, reply
        return result_of(reply, ident)

    def tools(self):
        return {tool["name"]: tool for tool in self.ask("tools/list")["tools"]}

    def call(self, name, arguments=None, ident=None):
        return self.ask("tools/call", {"name": name, "arguments": arguments or {}}, ident)

    def text(self, name, arguments=None):
        return text_of(self.call(name, arguments))

    def stream(self, method, params, ident, meta=None):
        body, fields, _ = self.request(method, params, ident, None, meta)
        return Stream(self.url, "POST", json.dumps(body), fields)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
