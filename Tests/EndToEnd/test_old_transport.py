"""The transport of 2024-11-05: a stream of its own for all answers, and a URL to post to."""

import json
import threading
import urllib.parse

import pytest

from support.gateway import CHECKED, fixture, new_mark
from support.http import exchange
from support.mcp import text_of
from support.old import Old
from support.waiting import wait_until
from test_clients import check, run_client

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
FORM = {"action": "accept", "content": {"name": "me"}}


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    made = gateway.create({"fix": fixture(new_mark(), "--era", request.param, *CHECKED)})
    made.era = request.param
    yield made
    assert made.text("fix_mistakes") == "[]"
    made.kill()


@pytest.fixture
def client(server):
    with Old(server) as one:
        yield one


def test_the_official_client(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        facts = run_client("sdk1", "use_sdk1_sse", sandbox)
        check(facts)
        assert [step[0] for step in facts["steps"]] == [1, 2, 3]
        assert facts["failed"] is True and facts["large"] == 500_000
        assert facts["greeting"].startswith("Greet Ada from mark-")
        assert facts["asked"] == FORM
        assert facts["logged"] == ["error", "critical", "alert", "emergency"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_revision_is_negotiated(server, version):
    with Old(server, version=version) as client:
        assert client.hello["protocolVersion"] == version
        assert "fix_add" in {tool["name"] for tool in client.ask("tools/list")["tools"]}


def test_the_first_event_names_the_url(server):
    with Old(server, start=False) as client:
        url = urllib.parse.urlsplit(client.messages)
        assert url.path == f"/sandbox/{server.id}/messages"
        assert len(urllib.parse.parse_qs(url.query)["session_id"][0]) >= 32


def test_by_host_name(server, gateway):
    fields = {"Host": f"50005-{server.id}.localhost:{gateway.port}"}
    with Old(server, url=f"{gateway.url}/sse", headers=fields) as client:
        assert urllib.parse.urlsplit(client.messages).path == "/messages"
        assert client.text("fix_add", {"a": 1, "b": 2}) == "3"


def test_calls_prompts_and_resources(client):
    assert client.text("fix_add", {"a": 1, "b": 2}) == "3"
    assert "resultType" not in client.ask("tools/call", {"name": "fix_add", "arguments": {"a": 1, "b": 2}})
    assert client.ask("ping") == {}
    said = client.ask("prompts/get", {"name": "fix_greet", "arguments": {"who": "you"}})
    assert "Greet you" in said["messages"][0]["content"]["text"]
    assert client.ask("resources/read", {"uri": "fixture://text"})["contents"][0]["uri"] == "fixture://text"


def test_errors_come_on_the_stream(client):
    for method, params, code in (
        ("made/up", {}, -32601),
        ("tools/call", {"name": "none"}, -32602),
        ("tools/call", {}, -32602),
        ("fix", None, -32601),
    ):
        assert client.ask(method, params, fails=True)["code"] == code


def test_progress_comes_with_the_clients_token(client):
    params = {"name": "fix_progress", "arguments": {"count": 3}, "_meta": {"progressToken": "mine"}}
    ident = client.send("tools/call", params)
    for step in (1, 2, 3):
        notice = client.next()
        assert notice["method"] == "notifications/progress", notice
        assert notice["params"]["progressToken"] == "mine" and notice["params"]["progress"] == step
    assert client.answer(ident)["result"]


def test_a_server_asks(server):
    with Old(server, capabilities=ALL) as client:
        ident = client.send("tools/call", {"name": "fix_confirm", "arguments": {"question": "Ready?"}})
        ask = client.next()
        assert ask["method"] == "elicitation/create" and ask["params"]["message"] == "Ready?"
        client.post({"jsonrpc": "2.0", "id": ask["id"], "result": FORM})
        assert json.loads(text_of(client.answer(ident)["result"])) == FORM


def test_cancellation_reaches_the_server(client):
    before = int(client.text("fix_cancellations"))
    params = {"name": "fix_sleep", "arguments": {"seconds": 60}, "_meta": {"progressToken": 1}}
    ident = client.send("tools/call", params)
    assert client.next()["method"] == "notifications/progress"
    client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": ident}})
    wait_until(lambda: int(client.text("fix_cancellations")) > before, 5, "the server has noticed")


def test_the_end_of_the_stream_ends_the_session_and_its_calls(server):
    with Old(server) as other:
        before = int(other.text("fix_cancellations"))
        client = Old(server)
        params = {"name": "fix_sleep", "arguments": {"seconds": 60}, "_meta": {"progressToken": 1}}
        client.send("tools/call", params)
        assert client.next()["method"] == "notifications/progress"
        client.close()
        wait_until(lambda: int(other.text("fix_cancellations")) > before, 5, "the server has noticed")
        reply = exchange(client.messages, "POST", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, client.fields)
        assert reply.status == 404 and reply.json["error"]["code"] == -32600


def test_a_client_that_comes_back_has_a_new_session(server):
    with Old(server) as first:
        messages = first.messages
    with Old(server) as second:
        assert second.messages != messages
        assert second.text("fix_add", {"a": 2, "b": 2}) == "4"


def test_sessions_do_not_mix(server):
    clients = [Old(server) for _ in range(20)]
    found = {}

    def work(number, client):
        found[number] = [client.text("fix_add", {"a": number, "b": step}, ident=step + 100) for step in range(10)]

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for client in clients:
        client.close()
    assert found == {number: [str(number + step) for step in range(10)] for number in range(20)}


def test_changed_lists_are_announced(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, Old(sandbox) as client:
        assert client.text("fix_learn", {"name": "fresh"})
        while client.next().get("method") != "notifications/tools/list_changed":
            pass
        assert "fix_fresh" in {tool["name"] for tool in client.ask("tools/list")["tools"]}


def test_changes_of_resources_are_told(server):
    with Old(server) as client, server.legacy() as other:
        assert client.ask("resources/subscribe", {"uri": "fixture://text"}) == {}
        other.text("fix_touch", {"uri": "fixture://text"})
        while (message := client.next()).get("method") != "notifications/resources/updated":
            pass
        assert message["params"] == {"uri": "fixture://text"}


def test_arrays_of_2025_03_26(server):
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {"name": "fix_add", "arguments": {"a": 1, "b": 2}}},
    ]
    with Old(server, version="2025-03-26") as client:
        assert client.post(batch).status == 202
        found = {one["id"]: one for one in (client.next(), client.next())}
        assert found["a"]["result"] == {} and text_of(found["b"]["result"]) == "3"
    with Old(server, version="2024-11-05") as client:
        reply = exchange(client.messages, "POST", batch, client.fields)
        assert reply.status == 400 and "2025-03-26" in reply.json["error"]["message"]


class TestRefusals:
    def test_before_initialize(self, server):
        with Old(server, start=False) as client:
            assert client.ask("ping") == {}
            assert "initialize" in client.ask("tools/list", fails=True)["message"]

    def test_initialize_twice(self, client):
        assert client.ask("initialize", client.opening, fails=True)["code"] == -32600

    def test_no_session_or_another(self, server, client):
        bare = client.messages.split("?")[0]
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        for url, status in ((bare, 400), (bare + "?session_id=", 404), (bare + "?session_id=x", 404)):
            assert exchange(url, "POST", message, client.fields).status == status, url

    def test_a_token_is_needed_for_both(self, server, client, gateway):
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        bare = {"Content-Type": "application/json"}
        assert exchange(client.url, "GET", None, bare).status == 401
        assert exchange(client.messages, "POST", message, bare).status == 401
        assert exchange(client.url, "GET", None, {"X-API-KEY": gateway.keys["alpha"]}).status == 401

    def test_a_session_of_another_sandbox(self, client, gateway):
        with gateway.create({"fix": fixture(new_mark())}) as other, Old(other) as stranger:
            query = urllib.parse.urlsplit(client.messages).query
            url = stranger.messages.split("?")[0] + "?" + query
            message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            assert exchange(url, "POST", message, stranger.fields).status == 404

    @pytest.mark.parametrize("body", ["{", "[]", "7", '{"jsonrpc":"2.0"}', '{"id":1}'])
    def test_what_is_no_message(self, client, body):
        assert exchange(client.messages, "POST", body, client.fields).status == 400

    def test_other_methods_and_types(self, client):
        assert exchange(client.url, "POST", {}, client.fields).status == 405
        assert exchange(client.messages, "GET", None, client.fields).status == 405
        fields = client.fields | {"Content-Type": "text/plain"}
        assert exchange(client.messages, "POST", {}, fields).status == 415

    def test_a_request_of_2026_07_28(self, server, client):
        with server.modern() as modern:
            body, fields, _ = modern.request("tools/list")
        reply = exchange(client.messages, "POST", body, client.fields)
        assert reply.status == 202
        assert "2025-11-25" in client.answer(body["id"])["error"]["message"]


def test_a_sandbox_that_is_killed_ends_its_streams(gateway):
    sandbox = gateway.create({"fix": fixture(new_mark())})
    with Old(sandbox) as client, Old(sandbox, start=False) as idle:
        sandbox.kill()
        assert client.stream.next(5) is None and idle.stream.next(5) is None
