"""HTTP/1.1 as clients live it: connections kept and ended, bodies in pieces, deadlines."""

import json
import threading
import time

import pytest

from support.http import exchange
from support.mcp import BOTH
from support.waiting import wait_until


@pytest.fixture
def raw(gateway):
    with gateway.raw() as connection:
        yield connection


def head(sandbox, *lines, target=None, method="POST"):
    target = target or f"/sandbox/{sandbox.id}/mcp/call_tool"
    fields = [
        f"{method} {target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {sandbox.token}",
        "Content-Type: application/json", f"Accept: {BOTH}", *lines, "", "",
    ]  # fmt: skip
    return "\r\n".join(fields).encode()


def call(name, **arguments):
    return json.dumps({"name": name, "arguments": arguments}).encode()


def post(sandbox, body, *lines):
    return head(sandbox, f"Content-Length: {len(body)}", *lines) + body


def answer(reply):
    assert reply.status == 200, reply
    return reply.json["content"][0]["text"]


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_connection_is_kept(raw, sandbox):
    for number in range(200):
        assert answer(raw.send(post(sandbox, call("fix_add", a=number, b=1))).reply()) == str(number + 1)


def test_pipelined_requests_are_answered_in_order(raw, sandbox):
    """A slow first one must not be overtaken."""
    requests = post(sandbox, call("fix_sleep", seconds=0.3))
    requests += b"".join(post(sandbox, call("fix_add", a=number, b=0)) for number in range(20)) + HEALTH
    raw.send(requests)
    assert answer(raw.reply()) == "slept 0.3 s"
    for number in range(20):
        assert answer(raw.reply()) == str(number)
    assert raw.reply().json == {"status": "ok"}


def test_a_request_byte_by_byte(raw, sandbox):
    for byte in post(sandbox, call("fix_add", a=1, b=1)):
        raw.send(bytes([byte]))
    assert answer(raw.reply()) == "2"


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_request_in_two_pieces(raw, sandbox, cut):
    data = post(sandbox, call("fix_add", a=1, b=1))
    at = len(data) * cut // 40
    raw.send(data[:at])
    raw.send(data[at:] + HEALTH)
    assert answer(raw.reply()) == "2"
    assert raw.reply().status == 200


def chunks(body, size, extension=b"", trailer=b""):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize(("extension", "trailer"), [(b"", b""), (b";a=b", b"X-Trailer: 1\r\n")], ids=["bare", "more"])
def test_a_chunked_body(raw, sandbox, size, extension, trailer):
    body = call("fix_echo", text="x" * 200)
    raw.send(head(sandbox, "Transfer-Encoding: chunked") + chunks(body, size, extension, trailer) + HEALTH)
    assert json.loads(answer(raw.reply())) == {"text": "x" * 200}
    assert raw.reply().status == 200, "what follows the body is the next request"


def test_a_chunked_body_byte_by_byte(raw, sandbox):
    for byte in head(sandbox, "Transfer-Encoding: Chunked") + chunks(call("fix_add", a=1, b=1), 5):
        raw.send(bytes([byte]))
    assert answer(raw.reply()) == "2"


def test_a_large_chunked_body(raw, sandbox):
    body = call("fix_blob", size=5, pad="x" * 1_000_000)
    raw.send(head(sandbox, "Transfer-Encoding: chunked") + chunks(body, 16_384))
    assert answer(raw.reply()) == "xxxxx"


def test_expect_100_continue(raw, sandbox):
    body = call("fix_add", a=1, b=1)
    raw.send(head(sandbox, f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert raw.reply().status == 100
    assert answer(raw.send(body).reply()) == "2"


def test_expect_with_the_body_at_once(raw, sandbox):
    raw.send(post(sandbox, call("fix_add", a=1, b=1), "Expect: 100-continue"))
    reply = raw.reply()
    assert answer(raw.reply() if reply.status == 100 else reply) == "2"


def test_expect_is_not_encouraged_when_the_body_is_too_long(raw, sandbox):
    raw.send(head(sandbox, "Content-Length: 999999999", "Expect: 100-continue"))
    assert raw.reply().status == 413
    assert raw.at_end()


def test_an_unknown_expectation_is_417(raw, sandbox):
    assert raw.send(head(sandbox, "Content-Length: 0", "Expect: miracles")).reply().status == 417


@pytest.mark.parametrize("length", [4 * 1024 * 1024 + 1, 10**12, 2**63 - 1, 2**64, 10**30])
def test_a_body_that_is_too_long_is_refused_before_it_is_sent(raw, sandbox, length):
    reply = raw.send(head(sandbox, f"Content-Length: {length}")).reply()
    assert reply.status in (400, 413) and reply.headers["connection"] == "close"
    assert raw.at_end()


def test_a_chunked_body_that_grows_too_long(gateway, sandbox):
    with gateway.raw() as raw:
        raw.send(head(sandbox, "Transfer-Encoding: chunked"))
        part = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        try:
            for _ in range(200):
                raw.send(part)
        except ConnectionError:
            pass
        try:
            assert raw.reply().status == 413
        except (EOFError, ConnectionError):
            pass
    assert sandbox.call("fix_whoami").status == 200


def test_half_close_still_gets_its_answer(raw, sandbox):
    raw.send(post(sandbox, call("fix_sleep", seconds=0.3))).end()
    assert answer(raw.reply()) == "slept 0.3 s"
    assert raw.at_end()


def test_half_close_after_pipelined_requests(raw, sandbox):
    raw.send(post(sandbox, call("fix_sleep", seconds=0.2)) + HEALTH + post(sandbox, call("fix_add", a=2, b=2))).end()
    assert answer(raw.reply()) == "slept 0.2 s"
    assert raw.reply().json == {"status": "ok"}
    assert answer(raw.reply()) == "4"
    assert raw.at_end()


def test_connection_close_is_honoured(raw, sandbox):
    reply = raw.send(post(sandbox, call("fix_add", a=1, b=1), "Connection: close")).reply()
    assert answer(reply) == "2" and reply.headers["connection"] == "close"
    assert raw.at_end()


def test_http_1_0_closes_unless_asked(gateway):
    with gateway.raw() as raw:
        assert raw.send(b"GET /health HTTP/1.0\r\n\r\n").until(b"\r\n").startswith(b"HTTP/1.1 200")
        raw.drain()
    with gateway.raw() as raw:
        raw.send(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        reply = raw.reply()
        assert reply.status == 200
        if reply.headers.get("connection", "").lower() == "keep-alive":
            assert raw.send(HEALTH).reply().status == 200


def test_head_has_the_head_of_get(gateway):
    got = exchange(gateway.url + "/health")
    with gateway.raw() as raw:
        reply = raw.send(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n").reply(to_head=True)
        assert reply.status == 200
        assert reply.headers["content-length"] == got.headers["content-length"]
        assert reply.headers["content-type"] == got.headers["content-type"]
        assert raw.send(HEALTH).reply().json == {"status": "ok"}, "no body came after the head"


def test_options(raw):
    reply = raw.send(b"OPTIONS /health HTTP/1.1\r\nHost: localhost\r\n\r\n").reply()
    assert reply.status in (200, 204) and "GET" in reply.headers["allow"]
    reply = raw.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").reply()
    assert reply.status in (200, 204, 400)


def test_answers_have_what_every_answer_needs(raw, sandbox):
    reply = raw.send(post(sandbox, call("fix_add", a=1, b=1))).reply()
    assert reply.headers["date"].endswith(" GMT")
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert "server" not in reply.headers or "/" not in reply.headers["server"], "no version for strangers"


def test_a_stream_is_chunked_and_not_buffered(raw, sandbox):
    with sandbox.modern() as client:
        params = {"name": "fix_progress", "arguments": {"count": 3}}
        body, fields, _ = client.request("tools/call", params, 1, meta={"progressToken": 1})
    data = json.dumps(body).encode()
    lines = [f"POST /sandbox/{sandbox.id}/mcp HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()] + ["", ""]
    reply = raw.send("\r\n".join(lines).encode() + data).reply()
    assert reply.headers["transfer-encoding"] == "chunked"
    assert "no-cache" in reply.headers["cache-control"] or "no-store" in reply.headers["cache-control"]
    assert reply.headers["x-accel-buffering"] == "no"
    assert len(reply.messages) == 4
    assert raw.send(HEALTH).reply().status == 200, "the connection serves on after the stream"


def test_targets_in_other_forms(raw, sandbox):
    reply = raw.send(b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n").reply()
    assert reply.status == 200, "RFC 9112 section 3.2.2: a server accepts the absolute form"
    assert raw.send(b"GET /health?a=b&c HTTP/1.1\r\nHost: localhost\r\n\r\n").reply().status == 200


def test_empty_lines_before_a_request(raw):
    assert raw.send(b"\r\n" + HEALTH).reply().status == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]", "[::1]:8080"])
def test_hosts_of_this_machine(gateway, host):
    assert exchange(gateway.url + "/health", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_foreign_hosts_are_misdirected(gateway, sandbox, host):
    """DNS rebinding: the name must be one of ours."""
    reply = exchange(sandbox.url, "POST", {}, {"Host": host, "Authorization": f"Bearer {sandbox.token}"})
    assert reply.status in (403, 421)


def test_a_client_that_leaves_mid_answer(gateway, sandbox):
    for _ in range(20):
        with gateway.raw() as raw:
            raw.send(post(sandbox, call("fix_blob", size=3_000_000)))
            raw.until(b"xxxx")
    assert sandbox.call("fix_whoami").status == 200


def test_a_client_that_reads_nothing_holds_up_nobody(gateway, sandbox):
    with gateway.raw() as raw:
        raw.send(post(sandbox, call("fix_blob", size=8_000_000)) * 3)
        for _ in range(20):
            assert sandbox.text("fix_add", {"a": 1, "b": 1}) == "2"


def test_many_connections_at_once(gateway):
    connections = [gateway.raw() for _ in range(500)]
    try:
        for raw in connections:
            raw.send(HEALTH)
        for raw in connections:
            assert raw.reply().status == 200
    finally:
        for raw in connections:
            raw.close()
    wait_until(lambda: gateway.metric("connections") < 50, 10, "the gateway has seen them leave")


SLOW = {
    "half a line": (b"POST /v2/sand", b""),
    "half a head": (b"POST /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\n", b""),
    "dripping head": (b"POST /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
}


def test_a_head_has_a_deadline(own_gateway):
    """A half-sent head is given up (408 or a close) ten seconds after it began, however it drips; a complete
    request on a new connection is served meanwhile."""
    gateway = own_gateway()
    found = {}

    def work(name):
        start, drip = SLOW[name]
        with gateway.raw(timeout=1) as raw:
            began = time.monotonic()
            raw.send(start)
            while time.monotonic() - began < 20:
                try:
                    if drip:
                        raw.send(drip)
                    data = raw.socket.recv(4096)
                    found[name] = (data, time.monotonic() - began)
                    return
                except TimeoutError:
                    continue
                except ConnectionError:
                    found[name] = (b"", time.monotonic() - began)
                    return

    threads = [threading.Thread(target=work, args=(name,)) for name in SLOW]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert exchange(gateway.url + "/health").status == 200
        threads[0].join(0.2)
        for thread in threads:
            thread.join(0.05)
    for name in SLOW:
        assert name in found, f"{name}: still open after 20 s"
        data, seconds = found[name]
        assert data == b"" or data.startswith(b"HTTP/1.1 408"), (name, data)
        assert 8 <= seconds <= 14, (name, seconds)
