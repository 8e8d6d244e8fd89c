"""HTTP as the tests need it: plain replies, event streams read while they are open, and raw bytes."""

import http.client
import json
import queue
import socket
import threading
import time
import urllib.parse

TIMEOUT = 30


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.headers.get('content-type')} {self.body[:300]!r}>"

    @property
    def json(self):
        """The JSON value of the body; of an event stream, the last message."""
        if self.is_stream:
            return self.messages[-1]
        return json.loads(self.body)

    @property
    def is_stream(self):
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def messages(self):
        return [json.loads(event.data) for event in parse_events(self.body.decode()) if event.data]


class Event:
    def __init__(self):
        self.kind, self.ident, self.data = "message", None, ""

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"<event {self.kind} {self.data[:200]}>"


def parse_events(text):
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        event = read_event(block.split("\n"))
        if event:
            events.append(event)
    return events


def read_event(lines):
    """An event of its lines; None for a block of comments."""
    event, data = Event(), []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            event.kind = value
        elif field == "id":
            event.ident = value
    event.data = "\n".join(data)
    return event if data else None


def exchange(url, method="GET", body=None, headers=None, timeout=TIMEOUT, connection=None):
    """One request, on a connection of its own unless one is given."""
    parts = urllib.parse.urlsplit(url)
    own = connection is None
    connection = connection or http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    target = parts.path + ("?" + parts.query if parts.query else "")
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        fields = {}
        for name, value in response.getheaders():
            name = name.lower()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return Reply(response.status, fields, response.read())
    except BaseException:
        connection.close()  # the next request on it opens it anew
        raise
    finally:
        if own:
            connection.close()


class Stream:
    """A request whose answer is read event by event, on a thread, while it is open; from `read` on, if it is lazy."""

    def __init__(self, url, method="GET", body=None, headers=None, check=None, is_lazy=False):
        self.check = check or (lambda message: None)
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        self.connection.request(method, parts.path, body=body, headers=headers or {})
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}
        self.events = queue.Queue()
        # ids of events without content, and the last `retry`
        self.primed, self.retry = [], None
        self.thread = threading.Thread(target=self._read, daemon=True)
        if not is_lazy:
            self.read()

    def read(self):
        self.thread.start()

    def _read(self):
        lines = []
        try:
            if not self.headers.get("content-type", "").startswith("text/event-stream"):
                whole = Event()
                whole.data = self.response.read().decode()
                if whole.data:
                    self.events.put(whole)
            for raw in self.response:
                line = raw.decode().rstrip("\r\n")
                if line:
                    lines.append(line)
                    continue
                event = read_event(lines)
                self.retry = next((int(line[6:]) for line in lines if line.startswith("retry:")), self.retry)
                lines = []
                if event and event.data:
                    self.events.put(event)
                elif event and event.ident:
                    self.primed.append(event.ident)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        self.events.put(None)

    def next(self, seconds=10):
        """The next event; None at the end of the stream. Fails when neither comes in time."""
        try:
            event = self.events.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no event within {seconds:g} s") from None
        if event is not None and event.data and event.kind == "message":
            self.check(event.json)
        return event

    def next_message(self, method, seconds=10):
        """The next message of this method; others before it are skipped."""
        end = time.monotonic() + seconds
        while True:
            event = self.next(max(0.01, end - time.monotonic()))
            assert event is not None, f"the stream ended before {method}"
            if event.data and event.json.get("method") == method:
                return event.json

    def rest(self, seconds=20):
        """All further events until the end."""
        found = []
        while (event := self.next(seconds)) is not None:
            found.append(event)
        return found

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread.ident:
            self.thread.join(10)
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Raw:
    """A socket to which the tests write bytes of their own making."""

    def __init__(self, port, timeout=TIMEOUT):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def end(self):
        """Half-close: we send no more, and still read."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def _fill(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def until(self, mark):
        while mark not in self.buffer:
            if not self._fill():
                raise EOFError(self.buffer)
        head, _, self.buffer = self.buffer.partition(mark)
        return head + mark

    def take(self, count):
        while len(self.buffer) < count:
            if not self._fill():
                raise EOFError(self.buffer)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def reply(self, to_head=False):
        """Reads one answer strictly; interim answers (1xx) are answers too."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1", status_line
        fields = {}
        for line in lines:
            name, value = line.split(":", 1)
            assert name.lower() not in fields or name.lower() in ("vary",), f"{name} twice in {head!r}"
            fields[name.lower()] = value.strip()
        status = int(status)
        assert not ("content-length" in fields and "transfer-encoding" in fields), head
        if to_head or status < 200 or status in (204, 304):
            return Reply(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Reply(status, fields, self._chunks())
        if "content-length" in fields:
            return Reply(status, fields, self.take(int(fields["content-length"])))
        return Reply(status, fields, self.drain())

    def _chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n")[:-2].split(b";")[0], 16)
            if size == 0:
                assert self.until(b"\r\n") == b"\r\n"
                return body
            body += self.take(size)
            assert self.take(2) == b"\r\n"

    def drain(self):
        """Everything until the peer closes."""
        while self._fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def at_end(self):
        """True when the peer has closed and sent nothing more."""
        if self.buffer:
            return False
        try:
            return not self._fill()
        except ConnectionError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
