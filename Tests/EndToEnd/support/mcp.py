"""Two small MCP clients, one for each era, that show what is on the wire."""

import http.client
import itertools
import json
import urllib.parse

from fixture.schema import Conversation

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


class Checked:
    """A client that holds all it is told against the schema of its revision. `is_lenient`: what servers say may be
    wrong, and is passed on."""

    is_lenient = False

    def heed(self, message):
        """A message that is about to be sent: what it asks will be answered."""
        self.conversation.heard(json.loads(message) if isinstance(message, str) else message)

    def check(self, message):
        if self.is_lenient:
            return
        mistakes = self.conversation.mistakes(message)
        assert not mistakes, f"{mistakes} in {json.dumps(message)[:2000]}"

    def checked(self, reply):
        """Whatever of a reply is of MCP."""
        if reply.body and (reply.is_stream or reply.headers.get("content-type", "").startswith("application/json")):
            for message in reply.messages if reply.is_stream else [reply.json]:
                self.check(message)
        return reply


class Legacy(Checked):
    """A session of the handshake era."""

    def __init__(self, url, token, version=LEGACY, capabilities=None, start=True, is_lenient=False):
        self.url, self.token, self.version, self.is_lenient = url, token, version, is_lenient
        self.conversation = Conversation("Server", version)
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
        # What is not known is answered with the newest.
        self.conversation.revision = self.version if self.version in HANDSHAKE_VERSIONS else LEGACY
        reply = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert reply.status == 200, reply
        self.hello = result_of(reply, 0)
        self.session = reply.headers.get("mcp-session-id")
        self.version = self.hello["protocolVersion"]
        reply = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert reply.status == 202 and reply.body == b"", reply
        return self.hello

    def post(self, message, **headers):
        reply = exchange(self.url, "POST", message, self.headers(**headers), connection=self.connection)
        try:
            self.heed(message)
        except ValueError:
            return reply  # no JSON, and meant to be none
        return self.checked(reply)

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
        self.heed(message)
        return Stream(self.url, "POST", message, self.headers(), self.check)

    def converse(self, name, arguments, answer, ident=None, token=None, stream=None):
        """Calls a tool and answers what is asked meanwhile: `answer` makes a result, or an error, of each request.
        Returns the message that ends the call, and the requests."""
        ident = next(self.ids) if ident is None else ident
        params = {"name": name, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        asked = []
        with self.stream("tools/call", params, ident) as own:
            while (event := own.next()) is not None:
                message = event.json
                if "method" in message and "id" in message:
                    asked.append(message)
                    self.give(message["id"], answer(message))
                elif message.get("id") == ident:
                    return message, asked
        raise AssertionError("the stream ended without the answer")

    def give(self, ident, answer):
        """Posts the answer to a request of the server's; an RPCError is its error."""
        message = {"jsonrpc": "2.0", "id": ident}
        if isinstance(answer, dict) and set(answer) == {"code", "message"}:
            message["error"] = answer
        else:
            message["result"] = answer
        reply = self.post(message)
        assert (reply.status, reply.body) == (202, b""), reply

    def listen(self, after=None, **headers):
        """The GET stream, or another one that is taken up after the event with this id."""
        headers |= {"Last_Event_ID": after} if after else {}
        fields = self.headers(Accept="text/event-stream", Content_Type=None, **headers)
        return Stream(self.url, "GET", None, fields, self.check)

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


class Modern(Checked):
    """Requests of 2026-07-28: no session, every request stands alone."""

    def __init__(self, url, token, capabilities=None, is_lenient=False):
        self.url, self.token, self.is_lenient = url, token, is_lenient
        self.conversation = Conversation("Server", MODERN)
        self.capabilities = capabilities
        self.ids = itertools.count(1)
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)

    def request(self, method, params=None, ident=None, headers=None, meta=None):
        """Body and headers of a correct request; `headers` and `meta` override, None removes."""
        ident = next(self.ids) if ident is None else ident
        params = dict(params or {})
        declared = {META + "clientCapabilities": self.capabilities} if self.capabilities else {}
        params["_meta"] = {k: v for k, v in (envelope() | declared | (meta or {})).items() if v is not None}
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
        if method.startswith("tasks/") and "taskId" in params:
            fields["Mcp-Name"] = params["taskId"]
        fields = {name: value for name, value in (fields | (headers or {})).items() if value is not None}
        return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}, fields, ident

    def reply(self, method, params=None, ident=None, headers=None, meta=None):
        body, fields, _ = self.request(method, params, ident, headers, meta)
        self.heed(body)
        return self.checked(exchange(self.url, "POST", body, fields, connection=self.connection))

    def ask(self, method, params=None, ident=None):
        body, fields, ident = self.request(method, params, ident)
        self.heed(body)
        reply = self.checked(exchange(self.url, "POST", body, fields, connection=self.connection))
        assert reply.status == 200, reply
        return result_of(reply, ident)

    def tools(self):
        return {tool["name"]: tool for tool in self.ask("tools/list")["tools"]}

    def call(self, name, arguments=None, ident=None):
        return self.ask("tools/call", {"name": name, "arguments": arguments or {}}, ident)

    def text(self, name, arguments=None):
        return text_of(self.call(name, arguments))

    def converse(self, name, arguments, answer, method="tools/call"):
        """Calls a tool and comes back with answers as long as it asks. Returns the last reply's message, and the
        results that asked."""
        params, rounds = {"name": name, "arguments": arguments}, []
        while True:
            reply = self.reply(method, params)
            result = reply.json.get("result", {})
            if result.get("resultType") != "input_required":
                return reply.json, rounds
            rounds.append(result)
            assert len(rounds) < 12, rounds
            params = {"name": name, "arguments": arguments}
            if "inputRequests" in result:
                params["inputResponses"] = {key: answer(ask) for key, ask in result["inputRequests"].items()}
            if "requestState" in result:
                params["requestState"] = result["requestState"]

    def stream(self, method, params, ident, meta=None, **options):
        body, fields, _ = self.request(method, params, ident, None, meta)
        self.heed(body)
        return Stream(self.url, "POST", json.dumps(body), fields, self.check, **options)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
