"""Clients that ask for much and read nothing: what waits for them is bounded, and costs nobody else anything."""

import json
import socket

import pytest

from support.gateway import fixture, new_mark
from support.waiting import wait_until

BLOB = 8_000_000
CLIENTS = 40
# Four times the longest line of a server, and what the allocator keeps.
LIMIT, ROOM = 128 << 20, 64 << 20


def resident(gateway):
    status = open(f"/proc/{gateway.pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def ask_and_do_not_read(gateway, sandbox, size):
    """A call whose answer stays in the gateway: the socket takes a few kilobytes."""
    body = json.dumps({"name": "fix_blob", "arguments": {"size": size}}).encode()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(30)
    raw.connect(("127.0.0.1", gateway.port))
    raw.sendall(
        f"POST /sandbox/{sandbox.id}/mcp/call_tool HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )  # fmt: skip
    # The head is there once the answer is.
    assert raw.recv(12, socket.MSG_PEEK).startswith(b"HTTP/1.1 ")
    return raw


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_that_nobody_reads_do_not_fill_the_memory(own_gateway, workers):
    gateway = own_gateway(flags=["--workers", str(workers)])
    greedy = gateway.create({"fix": fixture(new_mark())})
    other = gateway.create({"fix": fixture(new_mark())})
    before = resident(gateway)
    held = [ask_and_do_not_read(gateway, greedy, BLOB) for _ in range(CLIENTS)]
    assert CLIENTS * BLOB > LIMIT + ROOM > resident(gateway) - before

    refused = greedy.rest("call_tool", {"name": "fix_blob", "arguments": {"size": BLOB}})
    assert refused.status == 429
    assert f"more than {LIMIT} bytes wait" in json.dumps(refused.json)
    # Short answers go on, and other sandboxes do not notice.
    with greedy.modern() as client:
        assert client.call("fix_add", {"a": 2, "b": 3})["content"][0]["text"] == "5"
    with other.modern() as client:
        assert len(client.call("fix_blob", {"size": 1_000_000})["content"][0]["text"]) == 1_000_000

    for raw in held:
        raw.close()
    wait_until(
        lambda: greedy.rest("call_tool", {"name": "fix_blob", "arguments": {"size": BLOB}}).status == 200,
        30, "long answers pass again once the others are gone",
    )  # fmt: skip
