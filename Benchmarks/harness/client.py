"""The requests that the harness makes itself: to set targets up, and to see that they answer right."""

import http.client
import json
import threading
from dataclasses import dataclass

LEGACY, MODERN = "2025-06-18", "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Endpoint:
    port: int
    path: str
    token: str = "t"
    tool: str = "echo"
    era: str = "legacy"
    session: str = ""

    @property
    def line(self):
        return f"{self.path} {self.token} {self.tool} {self.era} {self.session}".rstrip()

    def headers(self):
        fields = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN if self.era == "modern" else LEGACY,
        }
        if self.era == "modern":
            fields |= {"Mcp-Method": "tools/call", "Mcp-Name": self.tool}
        elif self.session:
            fields["Mcp-Session-Id"] = self.session
        return fields

    def call(self, connection, ident, text):
        params = {"name": self.tool, "arguments": {"text": text}}
        if self.era == "modern":
            params["_meta"] = META
        body = {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params}
        return post(connection, self.path, body, self.headers())

    def open_session(self):
        connection = connect(self.port)
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        status, fields, data = post(connection, self.path, body, self.headers())
        if status != 200:
            raise RuntimeError(f"initialize at {self.path}: {status} {data[:300]!r}")
        self.session = fields.get("mcp-session-id", "")
        post(connection, self.path, {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.headers())
        connection.close()


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def post(connection, path, body, headers):
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    data = response.read()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, data


def mistakes(endpoints, clients=16, calls=25):
    """Clients that all use the same ids call at once; returns what was wrong with their answers."""
    wrong = []

    def work(number):
        endpoint = endpoints[number % len(endpoints)]
        connection = connect(endpoint.port)
        for ident in range(1, calls + 1):
            text = f"client {number} call {ident}"
            status, _, data = endpoint.call(connection, ident, text)
            try:
                answer = json.loads(data)
                right = answer["id"] == ident and answer["result"]["content"][0]["text"] == text
            except (ValueError, KeyError, TypeError):
                right = False
            if status != 200 or not right:
                wrong.append(f"{text}: {status} {data[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        if thread.is_alive():
            wrong.append("a client had no answer within 60 s")
    return wrong
