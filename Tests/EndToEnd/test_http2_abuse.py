"""Clients of HTTP/2 that mean ill: each is ended or held within limits, and everyone else is served meanwhile."""

import json
import socket
import threading

import hpack
import pytest

from support.gateway import Gateway, echo, fixture, new_mark

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# Of frames in one attack; far above every budget.
MANY = 50_000
# Of our memory that an attack may cost while it lasts, in KiB: nothing may grow with what a client sends.
GROWTH_KIB = 48 * 1024


@pytest.fixture(scope="module")
def target(scratch):
    with Gateway(scratch / "abused", flags=["--workers", "1"]) as gateway:
        with gateway.create({"e": echo(), "fix": fixture(new_mark())}) as sandbox:
            gateway.sandbox = sandbox
            yield gateway


def frame(kind, payload=b"", flags=0, stream=0):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def number(value):
    return value.to_bytes(4, "big")


class Attacker:
    """Sends frames as they are; a thread reads what comes unless it shall wait in the socket."""

    def __init__(self, gateway, settings=b"", reads=True):
        self.gateway = gateway
        self.encoder = hpack.Encoder()
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), 20)
        self.is_ended = threading.Event()
        self.goaway = None
        self.seen = b""
        self.send(PREFACE + frame(SETTINGS, settings))
        if reads:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while more := self.socket.recv(65536):
                self.seen += more
                self.cut()
        except OSError:
            pass
        self.is_ended.set()

    def cut(self):
        while len(self.seen) >= 9:
            length = int.from_bytes(self.seen[:3], "big")
            if len(self.seen) < 9 + length:
                return
            if self.seen[3] == GOAWAY:
                self.goaway = int.from_bytes(self.seen[13:17], "big")
            self.seen = self.seen[9 + length :]

    def send(self, data):
        """False once the other side has ended the connection."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            self.is_ended.set()
            return False

    def call(self, stream, tool="e_echo", end=True, **arguments):
        """A tool call, in a HEADERS and a DATA frame."""
        body = json.dumps({"jsonrpc": "2.0", "id": stream, "method": "tools/call",
                           "params": {"name": tool, "arguments": arguments, "_meta": META}}).encode()  # fmt: skip
        return self.head(stream, tool) + frame(DATA, body, END_STREAM if end else 0, stream)

    def head(self, stream, tool="e_echo", flags=END_HEADERS, extra=()):
        sandbox = self.gateway.sandbox
        fields = [
            (":method", "POST"), (":scheme", "http"), (":authority", f"127.0.0.1:{self.gateway.port}"),
            (":path", f"/sandbox/{sandbox.id}/mcp"), ("authorization", f"Bearer {sandbox.token}"),
            ("content-type", "application/json"), ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool), *extra,
        ]  # fmt: skip
        return frame(HEADERS, self.encoder.encode(fields), flags, stream)

    def must_end(self):
        assert self.is_ended.wait(20), "the connection is still open"

    def close(self):
        self.socket.close()


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "abuse", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Bystander:
    """A good client that calls all the time; every answer must be its own."""

    def __init__(self, gateway):
        self.sandbox, self.wrong, self.served = gateway.sandbox, [], 0
        self.has_ended = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            with self.sandbox.modern() as client:
                while not self.has_ended.is_set() or self.served == 0:
                    text = f"call {self.served}"
                    found = client.call("e_echo", {"text": text})["content"][0]["text"]
                    if found != text:
                        self.wrong.append((text, found))
                    self.served += 1
        except Exception as error:  # noqa: BLE001 - whatever it fails with is what the test is about
            self.wrong.append(repr(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.has_ended.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
        assert self.wrong == []


def resident_kib(gateway):
    status = open(f"/proc/{gateway.pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0])


def rapid_reset(attacker):
    for stream in range(1, 2 * MANY, 2):
        yield attacker.call(stream, text="x") + frame(RST, number(8), 0, stream)


def made_you_reset_by_window(attacker):
    """CVE-2025-8671: a WINDOW_UPDATE of 0 makes the server reset the stream that it works on."""
    for stream in range(1, 2 * MANY, 2):
        yield attacker.call(stream, text="x") + frame(WINDOW, number(0), 0, stream)


def made_you_reset_by_data(attacker):
    """Data behind the end of its stream does the same."""
    for stream in range(1, 2 * MANY, 2):
        yield attacker.call(stream, text="x") + frame(DATA, b"x", 0, stream)


def made_you_reset_by_priority(attacker):
    """So does a stream that depends on itself."""
    for stream in range(1, 2 * MANY, 2):
        yield attacker.call(stream, text="x") + frame(PRIORITY, number(stream) + b"\0", 0, stream)


def continuation_flood(attacker):
    yield attacker.head(1, flags=0)
    for _ in range(MANY):
        yield frame(CONTINUATION, b"", 0, 1)


def large_continuations(attacker):
    yield attacker.head(1, flags=0)
    for _ in range(MANY):
        # A literal field without indexing: name of 1 byte, value of 4,000.
        yield frame(CONTINUATION, b"\x00\x01a\x7f\xa1\x1e" + b"v" * 4000, 0, 1)


def settings_flood(attacker):
    for _ in range(MANY):
        yield frame(SETTINGS, b"\0\x03\0\0\0\x64") * 10


def ping_flood(attacker):
    for _ in range(MANY):
        yield frame(PING, b"12345678") * 10


def empty_data_flood(attacker):
    yield attacker.head(1)
    for _ in range(MANY):
        yield frame(DATA, b"", 0, 1) * 10


def priority_flood(attacker):
    for _ in range(MANY):
        yield frame(PRIORITY, number(0) + b"\x10", 0, 3) * 10


def unknown_frames(attacker):
    for _ in range(MANY):
        yield frame(0xBE, b"grease") * 10


def window_flood(attacker):
    yield attacker.head(1)
    for _ in range(MANY):
        yield frame(WINDOW, number(1), 0, 1) * 10


def hpack_bomb(attacker):
    """A field of 4,000 bytes in the table, then named a thousand times by one byte each."""
    entry = b"\x40\x01b\x7f\xa1\x1e" + b"v" * 4000
    for stream in range(1, 2 * MANY, 2):
        yield frame(HEADERS, (entry if stream == 1 else b"") + b"\xbe" * 4000, END_HEADERS | END_STREAM, stream)


ENDED = [
    rapid_reset, made_you_reset_by_window, made_you_reset_by_data, made_you_reset_by_priority, continuation_flood,
    large_continuations, settings_flood, ping_flood, empty_data_flood, priority_flood, unknown_frames, window_flood,
    hpack_bomb,
]  # fmt: skip


@pytest.mark.parametrize("attack", ENDED, ids=lambda attack: attack.__name__)
def test_it_is_ended_and_nobody_else_notices(target, attack):
    before = resident_kib(target)
    with Bystander(target):
        attacker = Attacker(target)
        for data in attack(attacker):
            if attacker.is_ended.is_set() or not attacker.send(data):
                break
        else:
            pytest.fail("the whole attack was taken")
        attacker.must_end()
        attacker.close()
    assert resident_kib(target) - before < GROWTH_KIB
    # ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED or COMPRESSION_ERROR, unless the reset came first.
    assert attacker.goaway in (None, 1, 5, 9, 11)


def zero_windows(attacker):
    """Large answers that nobody takes: as many as there may be streams."""
    for stream in range(1, 201, 2):
        yield attacker.call(stream, tool="fix_blob", size=1_000_000)


def dribbled_windows(attacker):
    yield from zero_windows(attacker)
    for _ in range(200):
        yield b"".join(frame(WINDOW, number(1), 0, stream) for stream in range(1, 201, 2))


@pytest.mark.parametrize("attack", [zero_windows, dribbled_windows], ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does-not-read"])
def test_answers_that_nobody_takes_hold_up_nobody(target, attack, reads):
    """The windows of all streams are 0 (SETTINGS_INITIAL_WINDOW_SIZE)."""
    attacker = Attacker(target, settings=b"\0\x04\0\0\0\0", reads=reads)
    with Bystander(target) as bystander:
        for data in attack(attacker):
            if not attacker.send(data):
                break
        served = bystander.served
        with target.sandbox.modern() as client:
            for step in range(50):
                assert client.call("e_echo", {"text": f"beside {step}"})["content"][0]["text"] == f"beside {step}"
    assert bystander.served >= served
    attacker.close()


def test_pings_whose_answers_nobody_reads_are_bounded(target):
    attacker = Attacker(target, reads=False)
    attacker.socket.settimeout(20)
    before = resident_kib(target)
    with Bystander(target):
        for _ in range(MANY):
            if not attacker.send(frame(PING, b"12345678") * 10):
                break
        else:
            pytest.fail("all pings were taken")
    assert resident_kib(target) - before < GROWTH_KIB
    attacker.close()


def test_many_connections_that_never_send_a_frame(target):
    """The preface alone, a hundred times: they cost a descriptor each, and a good one beside is served."""
    held = [socket.create_connection(("127.0.0.1", target.port), 20) for _ in range(100)]
    for one in held:
        one.sendall(PREFACE)
    with target.sandbox.modern() as client:
        assert client.call("e_echo", {"text": "beside"})["content"][0]["text"] == "beside"
    for one in held:
        one.close()
