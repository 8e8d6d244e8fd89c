"""An HTTP/2 client that shows what is on its streams."""

import json
import socket

import h2.config
import h2.connection
import h2.events


class HTTP2Client:
    """Many streams on one connection, in plain text or in TLS."""

    def __init__(self, gateway, context=None):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), 20)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.connection.initiate_connection()
        self.authority = f"127.0.0.1:{gateway.port}"
        self.answers, self.statuses, self.ended, self.resets = {}, {}, set(), {}
        self.is_closed = False

    def send(self):
        self.socket.sendall(self.connection.data_to_send())

    def post(self, sandbox, message, accept="application/json, text/event-stream", session=None, fields=None):
        stream = self.connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"), (":scheme", "http"), (":authority", self.authority),
            (":path", f"/sandbox/{sandbox.id}/mcp"), ("authorization", f"Bearer {sandbox.token}"),
            ("content-type", "application/json"), ("accept", accept),
        ]  # fmt: skip
        headers += list((fields or {"mcp-protocol-version": "2025-06-18"}).items())
        if session:
            headers.append(("mcp-session-id", session))
        self.connection.send_headers(stream, headers)
        self.connection.send_data(stream, json.dumps(message).encode(), end_stream=True)
        self.send()
        return stream

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            self.is_closed = True
            return
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.statuses[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.answers[event.stream_id] = self.answers.get(event.stream_id, b"") + event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
        self.send()

    def wait(self, streams):
        while not set(streams) <= self.ended | set(self.resets) and not self.is_closed:
            self.read()

    def open_session(self, sandbox):
        stream = self.post(
            sandbox,
            {"jsonrpc": "2.0", "id": 0, "method": "initialize",
             "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}},
        )  # fmt: skip
        self.wait([stream])
        return self.statuses[stream]["mcp-session-id"]

    def close(self):
        self.socket.close()
