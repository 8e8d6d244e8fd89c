"""A page in a browser, such as the MCP Inspector, that talks to the endpoint directly."""

import pytest

from support.http import exchange
from support.mcp import BOTH

ORIGIN = "http://localhost:6274"
ASKED = "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name,last-event-id"


def words(value):
    return {word.strip().lower() for word in value.split(",")}


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_preflight_needs_no_token(sandbox, method):
    fields = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ASKED}
    reply = exchange(sandbox.url, "OPTIONS", headers=fields)
    assert reply.status in (200, 204) and reply.body == b""
    assert reply.headers["access-control-allow-origin"] in (ORIGIN, "*")
    assert method.lower() in words(reply.headers["access-control-allow-methods"])
    allowed = words(reply.headers["access-control-allow-headers"])
    # `*` does not cover Authorization (Fetch standard)
    assert words(ASKED) <= allowed or ("*" in allowed and "authorization" in allowed)


def test_answers_may_be_read_by_the_page(sandbox):
    with sandbox.legacy() as client:
        for reply in (client.reply("ping", Origin=ORIGIN), client.reply("tools/list", Origin=ORIGIN)):
            assert reply.headers["access-control-allow-origin"] == ORIGIN
            assert "origin" in words(reply.headers["vary"])
            assert {"mcp-session-id", "www-authenticate"} <= words(reply.headers["access-control-expose-headers"])


def test_streams_may_be_read_by_the_page(sandbox):
    with sandbox.legacy() as client, client.listen(Origin=ORIGIN) as stream:
        assert stream.status == 200 and stream.headers["access-control-allow-origin"] == ORIGIN


def test_errors_may_be_read_by_the_page(sandbox):
    reply = exchange(sandbox.url, "POST", {}, {"Origin": ORIGIN, "Content-Type": "application/json"})
    assert reply.status == 401 and reply.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://127.0.0.1:5173", "http://[::1]:3000", "https://localhost"]
)
def test_pages_of_this_machine(sandbox, origin):
    with sandbox.legacy() as client:
        assert client.reply("ping", Origin=origin).status == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil.example", "file://",
     "http://localhost@evil.example", "chrome-extension://abc", "x", "http://evil.example/localhost"],
)  # fmt: skip
def test_foreign_pages_are_refused(sandbox, origin):
    """Even with a valid token (DNS rebinding, MCP 2025-11-25)."""
    with sandbox.legacy() as client:
        reply = client.reply("ping", Origin=origin)
        assert reply.status == 403, reply
        assert "access-control-allow-origin" not in reply.headers
        assert reply.json["error"]["message"] and reply.json["id"] is None


def test_an_allowed_page_of_the_operators_choice(own_gateway):
    gateway = own_gateway(config="allowed-origins:\n  - https://app.example\n")
    with gateway.create({}) as sandbox, sandbox.legacy() as client:
        reply = client.reply("ping", Origin="https://app.example")
        assert reply.status == 200 and reply.headers["access-control-allow-origin"] == "https://app.example"
        assert client.reply("ping", Origin="https://other.example").status == 403


def test_no_cors_lines_without_an_origin(sandbox):
    fields = {"Authorization": f"Bearer {sandbox.token}", "Content-Type": "application/json", "Accept": BOTH}
    reply = exchange(sandbox.url + "/list_tools", "POST", {}, fields)
    assert reply.status == 200 and "access-control-allow-origin" not in reply.headers
