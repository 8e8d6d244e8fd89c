"""Event streams held open within TLS and over HTTP/2, by this process: few enough that Python will do."""

import json
import socket
import ssl

import h2.config
import h2.connection
import h2.events

from .client import ANSWER_SECONDS

READ_BYTES = 65536
# Of each connection, fewer when the target allows fewer; as a reverse proxy would share one.
STREAMS_PER_CONNECTION = 100


class SecureStreams:
    """One TLS connection for each of `records`, which are pairs of requests as `streams` makes them."""

    def __init__(self, port, records, certificate):
        self.context = ssl.create_default_context(cafile=certificate)
        self.port, self.bad, self.held = port, 0, []
        for first, second in records:
            connection = self.open(first, second)
            if connection:
                self.held.append(connection)
            else:
                self.bad += 1

    @property
    def good(self):
        return len(self.held)

    def open(self, first, second):
        raw = socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS)
        connection = self.context.wrap_socket(raw, server_hostname="127.0.0.1")
        if first:
            connection.sendall(first)
            session = field(whole_answer(connection), b"mcp-session-id")
            second = second.replace(b"@SESSION@", session)
        connection.sendall(second)
        if head_of_answer(connection).startswith(b"HTTP/1.1 200"):
            return connection
        connection.close()
        return None

    def close(self):
        for connection in self.held:
            connection.close()


def head_of_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(READ_BYTES)
        if not more:
            break
        data += more
    return data


def whole_answer(connection):
    data = head_of_answer(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(field(head, b"content-length") or 0) - len(body)
    while missing > 0:
        missing -= len(connection.recv(READ_BYTES)) or missing
    return head


def field(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


class Http2Streams:
    """`endpoints[i % n]` gets the i-th of `count` streams of `subscriptions/listen`, by prior knowledge."""

    def __init__(self, port, endpoints, count):
        self.bad, self.good, self.held = 0, 0, []
        while self.good + self.bad < count:
            self.fill(port, endpoints, count - self.good - self.bad)

    def fill(self, port, endpoints, wanted):
        connection = Http2Connection(port)
        room = min(wanted, STREAMS_PER_CONNECTION, connection.room)
        opened = [connection.listen(endpoints[number % len(endpoints)]) for number in range(room)]
        statuses = connection.statuses(opened)
        good = sum(status == b"200" for status in statuses)
        self.good += good
        self.bad += room - good
        self.held.append(connection)

    def close(self):
        for connection in self.held:
            connection.socket.close()


class Http2Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self.machine = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.machine.initiate_connection()
        self.seen = {}
        self.has_settings = False
        self.flush()
        while not self.has_settings:
            self.receive()

    @property
    def room(self):
        return self.machine.remote_settings.max_concurrent_streams

    def flush(self):
        self.socket.sendall(self.machine.data_to_send())

    def listen(self, endpoint):
        params = {"notifications": {"toolsListChanged": True}}
        body = json.dumps(endpoint.message(1, "subscriptions/listen", params), separators=(",", ":")).encode()
        fields = endpoint.headers("subscriptions/listen").items()
        head = [(":method", "POST"), (":scheme", "http"), (":authority", f"127.0.0.1:{endpoint.port}"),
                (":path", endpoint.path), *((name.lower(), value) for name, value in fields)]  # fmt: skip
        stream = self.machine.get_next_available_stream_id()
        self.machine.send_headers(stream, head)
        self.machine.send_data(stream, body, end_stream=True)
        self.flush()
        return stream

    def statuses(self, streams):
        while not all(stream in self.seen for stream in streams):
            self.receive()
        return [self.seen[stream] for stream in streams]

    def receive(self):
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError("the HTTP/2 connection has ended")
        for event in self.machine.receive_data(data):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                self.has_settings = True
            elif isinstance(event, h2.events.ResponseReceived):
                self.seen[event.stream_id] = dict(event.headers)[b":status"]
            elif isinstance(event, h2.events.StreamReset):
                self.seen[event.stream_id] = b"reset"
            elif isinstance(event, h2.events.DataReceived):
                self.machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
