"""Tenants at once on one gateway: answers never cross, tokens open one door only."""

import http.client
import json
import random
import threading

import pytest

from support.gateway import fixture, new_mark
from support.http import exchange
from support.mcp import BOTH, MODERN, envelope

CLIENTS, CALLS = 16, 25


@pytest.fixture(scope="module")
def tenants(gateway):
    """Two owners, a sandbox each; the servers have the same names and differ in their marks."""
    marks = new_mark(), new_mark()
    one = gateway.create({"fix": fixture(marks[0])}, owner="alpha")
    two = gateway.create({"fix": fixture(marks[1])}, owner="beta")
    yield (one, marks[0]), (two, marks[1])
    one.kill()
    two.kill()


def crowd(work):
    """Runs `work(number)` on as many threads as there are clients, all starting together."""
    gate, wrong = threading.Barrier(CLIENTS), []

    def run(number):
        gate.wait(30)
        try:
            work(number, wrong)
        except Exception as error:
            wrong.append(f"client {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a client never ended"
    assert wrong == [], wrong[:10]


def check(number, call, mark, answer, ident, wrong):
    wanted = f"client {number} call {call} of {mark}"
    if answer.get("id") != ident:
        wrong.append(f"{wanted}: id {answer.get('id')!r}, not {ident!r}")
    elif answer.get("result", {}).get("structuredContent") != {"text": wanted}:
        wrong.append(f"{wanted}: got {json.dumps(answer)[:200]}")


@pytest.mark.parametrize("era", ["legacy", "modern", "mixed"])
def test_answers_of_clients_with_the_same_ids_never_cross(tenants, era):
    def work(number, wrong):
        sandbox, mark = tenants[number % 2]
        is_legacy = era == "legacy" or (era == "mixed" and number % 4 < 2)
        with sandbox.legacy() if is_legacy else sandbox.modern() as client:
            for call in range(1, CALLS + 1):
                params = {"name": "fix_echo", "arguments": {"text": f"client {number} call {call} of {mark}"}}
                reply = client.reply("tools/call", params, ident=call)
                check(number, call, mark, reply.json, call, wrong)

    crowd(work)


def test_progress_tokens_never_cross(tenants):
    def work(number, wrong):
        sandbox, mark = tenants[number % 2]
        with sandbox.legacy() as client:
            for _ in range(5):
                count = 1 + number
                params = {"name": "fix_progress", "arguments": {"count": count}, "_meta": {"progressToken": 1}}
                with client.stream("tools/call", params, 1) as stream:
                    events = [event.json for event in stream.rest()]
                seen = [(one["params"]["progress"], one["params"]["total"]) for one in events[:-1]]
                if seen != [(step, count) for step in range(1, count + 1)]:
                    wrong.append(f"client {number}: {seen}")

    crowd(work)


def test_the_shims_never_cross(tenants):
    def work(number, wrong):
        sandbox, mark = tenants[number % 2]
        for call in range(CALLS):
            text = f"client {number} call {call} of {mark}"
            reply = sandbox.call("fix_echo", {"text": text})
            if reply.json.get("structuredContent") != {"text": text}:
                wrong.append(f"{text}: {reply}")

    crowd(work)


def test_answers_in_another_order_than_the_calls(tenants):
    """Calls that take differently long on one server: each answer still finds its client."""

    def work(number, wrong):
        sandbox, _ = tenants[number % 2]
        seconds = round(random.Random(number).uniform(0.01, 0.4), 3)
        with sandbox.legacy() as client:
            for _ in range(3):
                text = client.text("fix_sleep", {"seconds": seconds})
                if text != f"slept {seconds:g} s":
                    wrong.append(f"client {number}: {text}")

    crowd(work)


def test_each_sandbox_has_a_server_of_its_own(tenants):
    (one, first), (two, second) = tenants
    assert one.text("fix_whoami") == first and two.text("fix_whoami") == second
    one.text("fix_learn", {"name": "only_here"})
    assert "fix_only_here" not in two.tools()


def strip(reply):
    """All that a stranger sees of an answer, without what changes by the clock."""
    return reply.status, {name: value for name, value in reply.headers.items() if name != "date"}, reply.body


@pytest.mark.parametrize("route", ["mcp", "mcp/list_tools", "mcp/call_tool"])
def test_401_is_the_same_for_each_reason(gateway, tenants, route):
    (one, _), (two, _) = tenants
    killed = gateway.create({})
    killed.kill()
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    answers = []
    for ident, authorization in [
        (one.id, f"Bearer {two.token}"),
        (one.id, None),
        (one.id, "Bearer"),
        (one.id, "Bearer "),
        (one.id, f"Basic {one.token}"),
        (one.id, one.token),
        (one.id, f"Bearer {one.token}x"),
        (one.id, f"Bearer {one.token[:-1]}"),
        (one.id, f"Bearer {one.token} {one.token}"),
        (one.id, "Bearer " + "x" * 5000),
        ("0" * 22, f"Bearer {one.token}"),
        ("zz" + one.id[2:], f"Bearer {one.token}"),
        ("nobody", f"Bearer {one.token}"),
        (killed.id, f"Bearer {killed.token}"),
        (one.id.upper(), f"Bearer {one.token}"),
    ]:
        fields = {"Content-Type": "application/json", "Accept": BOTH}
        if authorization is not None:
            fields["Authorization"] = authorization
        answers.append(strip(exchange(f"{gateway.url}/sandbox/{ident}/{route}", "POST", body, fields)))
    for answer in answers:
        assert answer == answers[0]
    status, headers, body = answers[0]
    assert status == 401 and headers["www-authenticate"].startswith("Bearer")
    message = json.loads(body)
    if route == "mcp":
        assert message["id"] is None and message["jsonrpc"] == "2.0" and message["error"]["message"]
    else:
        assert message["error"]["code"] == "UNAUTHORIZED" and message["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_401_comes_before_every_other_answer(tenants, method):
    (one, _), _ = tenants
    assert exchange(one.url, method, headers={"Accept": "text/event-stream"}).status == 401


@pytest.mark.parametrize("place", ["query", "cookie", "api-key", "path"])
def test_tokens_count_in_their_header_alone(gateway, tenants, place):
    (one, _), _ = tenants
    fields = {"Content-Type": "application/json"}
    url = one.url + "/list_tools"
    if place == "query":
        url += f"?token={one.token}&access_token={one.token}&authorization=Bearer%20{one.token}"
    elif place == "cookie":
        fields["Cookie"] = f"token={one.token}; Authorization=Bearer {one.token}"
    elif place == "api-key":
        fields["X-API-KEY"] = one.token
    elif place == "path":
        url = f"{gateway.url}/sandbox/{one.token}/mcp/list_tools"
    assert exchange(url, "POST", {}, fields).status == 401


def test_two_authorization_headers_are_refused(gateway, tenants):
    (one, _), (two, _) = tenants
    data = b"{}"
    for tokens in ((one.token, two.token), (two.token, one.token), (one.token, one.token)):
        lines = [f"POST /sandbox/{one.id}/mcp/list_tools HTTP/1.1", "Host: localhost", "Content-Length: 2"]
        lines += ["Content-Type: application/json", *(f"Authorization: Bearer {token}" for token in tokens), "", ""]
        with gateway.raw() as raw:
            assert raw.send("\r\n".join(lines).encode() + data).reply().status in (400, 401)


def test_a_session_is_no_proof_of_identity(tenants):
    (one, _), (two, _) = tenants
    with one.legacy() as client:
        fields = client.headers() | {"Authorization": f"Bearer {two.token}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert exchange(one.url, "POST", body, fields).status == 401
        # At the other's URL the session does not exist.
        assert exchange(two.url, "POST", body, fields).status == 404


def test_tokens_are_not_in_the_log(gateway, tenants):
    (one, _), (two, _) = tenants
    log = gateway.log
    for secret in (one.token, two.token, *gateway.keys.values()):
        assert secret not in log


def test_one_tenants_flood_leaves_the_other_served(tenants):
    """While one tenant keeps 16 long calls open and asks for large answers, the other's calls go through."""
    (one, _), (two, mark) = tenants
    stop, errors = threading.Event(), []

    def flood():
        with one.modern() as client:
            while not stop.is_set():
                if len(client.text("fix_blob", {"size": 500_000})) != 500_000:
                    errors.append("short")

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        with two.modern() as client:
            for _ in range(50):
                assert client.text("fix_whoami") == mark
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert errors == []


def test_keep_alive_connection_may_change_tenant(gateway, tenants):
    """What one request proved does not count for the next one on the same connection."""
    (one, first), (two, second) = tenants
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        for _ in range(5):
            for sandbox, mark in tenants:
                fields = {
                    "Authorization": f"Bearer {sandbox.token}", "Content-Type": "application/json", "Accept": BOTH,
                    "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "fix_whoami",
                }  # fmt: skip
                params = {"name": "fix_whoami", "arguments": {}, "_meta": envelope()}
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
                reply = exchange(sandbox.url, "POST", body, fields, connection=connection)
                assert reply.json["result"]["content"][0]["text"] == mark
                wrong = fields | {"Authorization": "Bearer " + (two if sandbox is one else one).token}
                assert exchange(sandbox.url, "POST", body, wrong, connection=connection).status == 401
    finally:
        connection.close()
