"""A small client of the transport of 2024-11-05."""

import itertools
import urllib.parse

from fixture.schema import Conversation

from .http import Stream, exchange
from .mcp import LEGACY, Checked, text_of


class Old(Checked):
    """One stream and what is posted beside it. Answers of one client are read by one thread."""

    def __init__(self, sandbox, version=LEGACY, capabilities=None, url=None, headers=None, start=True):
        self.url = url or sandbox.url.removesuffix("/mcp") + "/sse"
        self.fields = {
            "Authorization": f"Bearer {sandbox.token}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        self.ids = itertools.count(1)
        self.opening = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "end-to-end", "version": "1"},
        }
        fields = {name: value for name, value in self.fields.items() if name != "Content-Type"}
        self.conversation = Conversation("Server", version)
        self.stream = Stream(self.url, "GET", None, fields | {"Accept": "text/event-stream"}, self.check)
        assert self.stream.status == 200
        first = self.stream.next()
        assert first.kind == "endpoint", first
        self.messages = urllib.parse.urljoin(self.url, first.data)
        if start:
            self.hello = self.ask("initialize", self.opening)
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def post(self, message):
        self.heed(message)
        reply = exchange(self.messages, "POST", message, self.fields)
        assert (reply.status, reply.body) == (202, b""), reply
        return reply

    def send(self, method, params=None, ident=None):
        ident = next(self.ids) if ident is None else ident
        message = {"jsonrpc": "2.0", "id": ident, "method": method}
        if params is not None:
            message["params"] = params
        self.post(message)
        return ident

    def next(self):
        """The next message of the stream."""
        event = self.stream.next()
        assert event is not None, "the stream has ended"
        return event.json

    def answer(self, ident):
        """The answer to a request; other messages before it are skipped."""
        while True:
            message = self.next()
            if message.get("id") == ident and "method" not in message:
                return message

    def ask(self, method, params=None, ident=None, fails=False):
        message = self.answer(self.send(method, params, ident))
        assert fails == ("error" in message), message
        return message["error"] if fails else message["result"]

    def text(self, name, arguments=None, ident=None):
        return text_of(self.ask("tools/call", {"name": name, "arguments": arguments or {}}, ident))

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
