"""The requests that the harness makes itself: to set targets up, and to see that they answer right."""

import http.client
import json
import ssl
import threading
from dataclasses import dataclass

LEGACY, MODERN = "2025-06-18", "2026-07-28"
BOTH = "application/json, text/event-stream"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
ANSWER_SECONDS = 20
CHECKING_CLIENTS, CHECKING_CALLS = 16, 25


@dataclass
class Endpoint:
    """One MCP endpoint of a target. `certificate` is the file that its certificate is in; empty: no TLS."""

    port: int
    path: str
    token: str = "t"
    tool: str = "echo"
    era: str = "legacy"
    session: str = ""
    certificate: str = ""
    sandbox: str = ""

    @property
    def line(self):
        """As load.lua reads it."""
        return f"{self.path} {self.token} {self.tool} {self.era} {self.session}".rstrip()

    def headers(self, method="tools/call", tool=None):
        fields = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": BOTH,
            "MCP-Protocol-Version": MODERN if self.era == "modern" else LEGACY,
        }
        if self.era == "modern":
            fields["Mcp-Method"] = method
            if method == "tools/call":
                fields["Mcp-Name"] = tool or self.tool
        elif self.session:
            fields["Mcp-Session-Id"] = self.session
        return fields

    def message(self, ident, method, params=None):
        params = dict(params or {})
        if self.era == "modern":
            params["_meta"] = META
        return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}

    def call_message(self, ident, text):
        return self.message(ident, "tools/call", {"name": self.tool, "arguments": {"text": text}})

    def ask(self, connection, method, params=None, ident=1, tool=None):
        """Status and the JSON-RPC answer, None when there is none."""
        message = self.message(ident, method, params)
        status, fields, data = post(connection, self.path, message, self.headers(method, tool))
        return status, parse(fields, data)

    def use(self, connection, tool, arguments, ident=1):
        return self.ask(connection, "tools/call", {"name": tool, "arguments": arguments}, ident, tool)

    def connect(self):
        if not self.certificate:
            return connect(self.port)
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS, context=context)

    def open_session(self):
        connection = self.connect()
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}
        status, fields, data = post(connection, self.path, body, self.headers())
        if status != 200:
            raise RuntimeError(f"initialize at {self.path}: {status} {data[:300]!r}")
        self.session = fields.get("mcp-session-id", "")
        post(connection, self.path, {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.headers())
        connection.close()


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)


def post(connection, path, body, headers, method="POST"):
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    data = response.read()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, data


def parse(fields, data):
    """The JSON-RPC message of an answer, be it plain or the last event of a stream that has an id."""
    try:
        if "event-stream" not in fields.get("content-type", ""):
            return json.loads(data) if data else None
        lines = [line[5:] for line in data.decode().splitlines() if line.startswith("data:")]
        messages = [json.loads(line) for line in lines if line.strip()]
        return next((one for one in reversed(messages) if "id" in one), None)
    except ValueError:
        return None


def mistakes(endpoints, transport, clients=CHECKING_CLIENTS, calls=CHECKING_CALLS):
    """Clients that all use the same ids call at once; returns what was wrong with their answers."""
    wrong = []

    def work(number):
        try:
            with transport(endpoints[number % len(endpoints)]) as peer:
                for ident in range(1, calls + 1):
                    text = f"client {number} call {ident}"
                    status, message = peer.call(ident, text)
                    if not is_right(status, message, ident if peer.has_ids else None, text):
                        wrong.append(f"{text}: {status} {str(message)[:200]}")
        except Exception as error:  # noqa: BLE001 - whatever a client fails with is a wrong answer
            wrong.append(f"client {number}: {error!r}"[:300])

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ANSWER_SECONDS)
        if thread.is_alive():
            wrong.append(f"a client had no answer within {ANSWER_SECONDS} s")
    return wrong


def is_right(status, message, ident, text):
    try:
        result = message if ident is None else message["result"]
        same_id = ident is None or message["id"] == ident
        return status == 200 and same_id and result["content"][0]["text"] == text
    except (KeyError, TypeError, IndexError):
        return False
