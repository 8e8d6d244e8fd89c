"""The handshake era on the wire: sessions, streams, batches, cancellation (2024-11-05 to 2025-11-25)."""

import json
import threading

import pytest

from support.gateway import fixture, new_mark
from support.http import exchange
from support.mcp import HANDSHAKE_VERSIONS, LEGACY, Legacy, RPCError, result_of, text_of
from support.waiting import wait_until


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.legacy() as session:
        yield session


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_each_version_is_negotiated(sandbox, version):
    with sandbox.legacy(version=version) as session:
        assert session.hello["protocolVersion"] == version
        assert session.hello["serverInfo"]["name"]
        assert session.hello["capabilities"]["tools"]["listChanged"] is True
        assert session.text("fix_add", {"a": 1, "b": 2}) == "3"


@pytest.mark.parametrize("asked", ["2026-07-28", "1999-01-01", "", "latest"])
def test_unknown_versions_get_the_newest_of_the_era(sandbox, asked):
    with sandbox.legacy(version=asked) as session:
        assert session.hello["protocolVersion"] == LEGACY


def test_session_ids_are_visible_ascii_and_unique(sandbox):
    sessions = [sandbox.legacy() for _ in range(10)]
    idents = [session.session for session in sessions]
    assert len(set(idents)) == 10
    for ident in idents:
        assert ident and all(0x21 <= ord(letter) <= 0x7E for letter in ident)
    for session in sessions:
        session.close()


def test_a_request_without_session_is_400(client):
    reply = client.reply("tools/list", ident=5, Mcp_Session_Id=None)
    assert reply.status == 400, reply
    assert reply.json["error"]["message"] and reply.json["id"] == 5


@pytest.mark.parametrize("ident", ["x", "gw1.AAAA", "0" * 300, "ž"])
def test_an_unknown_session_is_404(client, ident):
    reply = client.reply("tools/list", Mcp_Session_Id=ident.encode().decode("latin-1"))
    assert reply.status == 404, reply
    assert "error" in reply.json


def test_a_session_of_another_sandbox_is_404(gateway, client, sandbox):
    with gateway.create({}) as other:
        with other.legacy() as foreign:
            assert client.reply("ping", Mcp_Session_Id=foreign.session).status == 404


def test_a_changed_session_id_is_404(client):
    ident = client.session
    changed = ident[:-1] + ("A" if ident[-1] != "A" else "B")
    assert client.reply("ping", Mcp_Session_Id=changed).status == 404


def test_delete_ends_the_session(sandbox):
    with sandbox.legacy() as session:
        assert session.delete().status in (200, 204)
        assert session.reply("ping").status == 404
        assert session.delete().status == 404


@pytest.mark.parametrize("version", ["1.0", "2024-01-01", "x"])
def test_a_bad_version_header_is_400(client, version):
    reply = client.reply("ping", MCP_Protocol_Version=version)
    assert reply.status == 400, reply


def test_an_absent_version_header_is_accepted(client):
    assert client.reply("ping", MCP_Protocol_Version=None).status == 200


def test_notifications_and_responses_are_202_and_empty(client):
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/made/up", "params": {"a": 1}},
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        {"jsonrpc": "2.0", "id": "nobody-asked", "result": {}},
        {"jsonrpc": "2.0", "id": 77, "error": {"code": -1, "message": "no"}},
    ):
        reply = client.post(message)
        assert (reply.status, reply.body) == (202, b""), (message, reply)


def test_ping_is_exactly_empty(client):
    reply = client.reply("ping", ident=9)
    assert reply.json == {"jsonrpc": "2.0", "id": 9, "result": {}}


@pytest.mark.parametrize("ident", [0, -1, 2**53, 1, "1", "", "a b", "ž漢", '"', "x" * 200])
def test_ids_come_back_as_they_were(client, ident):
    assert client.ask("ping", ident=ident) == {}
    assert text_of(client.call("fix_add", {"a": 1, "b": 1}, ident=ident)) == "2"


def test_lists_are_merged_and_valid(client):
    tools = client.ask("tools/list")["tools"]
    names = [tool["name"] for tool in tools]
    assert len(names) == len(set(names))
    for tool in tools:
        assert tool["name"].startswith("fix_") and len(tool["name"]) <= 64
        assert tool["inputSchema"]["type"] == "object" and tool["description"]
    assert {prompt["name"] for prompt in client.ask("prompts/list")["prompts"]} == {
        "fix_plain", "fix_greet", "fix_link",
    }  # fmt: skip
    assert [one["uri"] for one in client.ask("resources/list")["resources"]] == ["fixture://text", "fixture://binary"]
    templates = client.ask("resources/templates/list")["resourceTemplates"]
    assert [one["uriTemplate"] for one in templates] == ["fixture://item/{id}"]


def test_nothing_of_the_modern_era_leaks(client):
    for method, params in [
        ("tools/list", None), ("prompts/list", None), ("resources/list", None), ("resources/templates/list", None),
        ("tools/call", {"name": "fix_add", "arguments": {"a": 1, "b": 2}}),
        ("resources/read", {"uri": "fixture://text"}), ("ping", None),
    ]:  # fmt: skip
        result = client.ask(method, params)
        assert not {"resultType", "ttlMs", "cacheScope"} & set(result), (method, result)


def test_a_wrong_cursor_is_refused(client):
    with pytest.raises(RPCError) as error:
        client.ask("tools/list", {"cursor": "made-up"})
    assert error.value.code == -32602


def test_prompts_resources_and_completion(client):
    prompt = client.ask("prompts/get", {"name": "fix_greet", "arguments": {"who": "Ada"}})
    assert "Greet Ada" in prompt["messages"][0]["content"]["text"]
    assert client.ask("resources/read", {"uri": "fixture://text"})["contents"][0]["text"].startswith("text of mark-")
    assert client.ask("resources/read", {"uri": "fixture://binary"})["contents"][0]["blob"] == "AAECAwQ="
    assert client.ask("resources/read", {"uri": "fixture://item/4%2F2"})["contents"][0]["text"] == "item 4%2F2"
    reference = {"type": "ref/prompt", "name": "fix_greet"}
    found = client.ask("completion/complete", {"ref": reference, "argument": {"name": "who", "value": "par"}})
    assert found["completion"]["values"] == ["paris", "park", "party"]
    reference = {"type": "ref/resource", "uri": "fixture://item/{id}"}
    found = client.ask("completion/complete", {"ref": reference, "argument": {"name": "id", "value": "pra"}})
    assert found["completion"]["values"] == ["prague"]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "fix_missing", "arguments": {}}, -32602),
        ("tools/call", {"name": "echo", "arguments": {}}, -32602),
        ("tools/call", {"name": "", "arguments": {}}, -32602),
        ("tools/call", {}, -32602),
        ("tools/call", {"name": 5}, -32602),
        ("prompts/get", {"name": "greet"}, -32602),
        ("resources/read", {"uri": "nowhere://at/all"}, -32002),
        ("resources/read", {}, -32602),
        ("made/up", {}, -32601),
        ("server/discover", {}, -32601),
    ],
)
def test_mistakes_have_their_codes(client, method, params, code):
    with pytest.raises(RPCError) as error:
        client.ask(method, params)
    assert error.value.code == code
    assert error.value.message


def test_an_error_of_the_server_passes_unchanged(client):
    with pytest.raises(RPCError) as error:
        client.call("fix_error")
    assert (error.value.code, error.value.message) == (-31999, "a private error")
    assert error.value.data == {"why": ["a", 1]}


def test_a_failed_tool_is_a_result(client):
    assert client.call("fix_fail")["isError"] is True


def test_results_pass_byte_for_byte(client):
    reply = client.reply("tools/call", {"name": "fix_verbatim", "arguments": {}}, ident=3)
    wanted = (
        rb'{"content":[{"type":"text","text":"\ud83d\ude00 \u0000 \/ \u00e9 \ud800"}],'
        rb'"structuredContent":{"z":1.0E+2,"a":12345678901234567890,"m":-0.0,"z2":[ 1 , 2 ]},'
        rb'"x-vendor":{"kept":true},"isError":false}'
    )
    assert wanted in reply.body


def test_arguments_pass_byte_for_byte(client):
    """Line breaks between tokens become blanks on the way to a line-based server; nothing else changes."""
    arguments = '{ "n" : 1.50,\r\n\t"big":12345678901234567890123,\n"s":"\\u00e9\\/\\ud83d\\ude00" }'
    body = '{"jsonrpc":"2.0","id":1,"method":"tools/call",\n"params":{"arguments":%s,"name":"fix_echo"}}' % arguments
    reply = exchange(client.url, "POST", body, client.headers())
    assert reply.status == 200, reply
    echoed = json.loads(text_of(reply.json["result"]))
    assert echoed == json.loads(arguments)


@pytest.mark.parametrize("size", [0, 1, 1000, 16_000, 65_535, 65_536, 65_537, 1_000_000, 9_000_000])
def test_answers_of_each_size(client, size):
    assert len(client.text("fix_blob", {"size": size})) == size


@pytest.mark.parametrize("size", [1000, 65_536, 1_000_000, 4_000_000])
def test_arguments_of_each_size(client, size):
    echoed = client.call("fix_echo", {"text": "y" * size})
    assert len(echoed["structuredContent"]["text"]) == size


def test_large_structured_content(client):
    rows = client.call("fix_structured", {"count": 20_000})["structuredContent"]["rows"]
    assert len(rows) == 20_000 and rows[-1]["n"] == 19_999


def test_progress_comes_before_the_result_with_the_token_of_the_client(client):
    for token in ("text-token", 7, 2**53 - 1, "7"):
        params = {"name": "fix_progress", "arguments": {"count": 5}, "_meta": {"progressToken": token}}
        with client.stream("tools/call", params, "p") as stream:
            events = [event.json for event in stream.rest()]
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert [one["params"]["progress"] for one in events[:-1]] == [1, 2, 3, 4, 5]
        for one in events[:-1]:
            assert one["method"] == "notifications/progress"
            assert one["params"]["progressToken"] == token and type(one["params"]["progressToken"]) is type(token)
        assert events[-1]["id"] == "p" and text_of(events[-1]["result"]) == "5 notices"


def test_without_a_token_the_answer_is_plain_json(client):
    reply = client.reply("tools/call", {"name": "fix_progress", "arguments": {"count": 5}})
    assert reply.headers["content-type"].startswith("application/json")


def test_two_calls_with_the_same_token_do_not_mix(sandbox):
    found = {}

    def work(name):
        with sandbox.legacy() as session:
            params = {
                "name": "fix_sleep", "arguments": {"seconds": 0.3}, "_meta": {"progressToken": 1},
            }  # fmt: skip
            with session.stream("tools/call", params, 1) as stream:
                found[name] = [event.json for event in stream.rest()]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 6
    for events in found.values():
        assert [one["params"]["progress"] for one in events[:-1]] == list(range(10))
        assert text_of(events[-1]["result"]) == "slept 0.3 s"


def start_sleep(session, ident, seconds=30):
    """A call of sleep that has certainly begun: its first progress notice is here."""
    params = {"name": "fix_sleep", "arguments": {"seconds": seconds}, "_meta": {"progressToken": f"t{ident}"}}
    stream = session.stream("tools/call", params, ident)
    stream.next_message("notifications/progress")
    return stream


def test_cancelled_reaches_the_server(sandbox):
    with sandbox.legacy() as session:
        before = int(session.text("fix_cancellations"))
        with start_sleep(session, "c1") as stream:
            assert session.notify("notifications/cancelled", {"requestId": "c1", "reason": "enough"}).status == 202
            events = stream.rest(5)
        assert all("result" not in event.json for event in events)
        wait_until(lambda: int(session.text("fix_cancellations")) == before + 1, 5, "the server saw it")


def test_one_client_cannot_cancel_the_call_of_another(sandbox):
    with sandbox.legacy() as one, sandbox.legacy() as other:
        with start_sleep(one, "same-id", 1) as stream:
            assert other.notify("notifications/cancelled", {"requestId": "same-id"}).status == 202
            assert text_of(stream.rest()[-1].json["result"]) == "slept 1 s"


def test_a_lost_connection_does_not_cancel(sandbox):
    with sandbox.legacy() as session:
        before = int(session.text("fix_cancellations"))
        start_sleep(session, "d1", 0.5).close()
        # The call after it on the same server is answered when the first has run its time.
        assert session.text("fix_sleep", {"seconds": 0.8}) == "slept 0.8 s"
        assert int(session.text("fix_cancellations")) == before


def test_cancelling_what_is_not_there_is_harmless(client):
    for params in ({"requestId": "gone"}, {"requestId": 4}, {}, {"requestId": None}, {"requestId": {}}):
        assert client.notify("notifications/cancelled", params).status in (202, 400)
    assert client.ask("ping") == {}


def test_get_stream_tells_of_changed_lists(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as own, own.legacy() as session:
        with session.listen() as stream:
            assert stream.status == 200 and stream.headers["content-type"].startswith("text/event-stream")
            assert "fix_new_one" not in session.tools()
            session.text("fix_learn", {"name": "new_one"})
            stream.next_message("notifications/tools/list_changed")
            assert "fix_new_one" in session.tools()
            assert session.text("fix_new_one", {"text": "works"})


def test_the_change_goes_to_every_session_of_the_sandbox_and_to_no_other(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as own, gateway.create({"fix": fixture(new_mark())}) as other:
        with own.legacy() as a, own.legacy() as b, other.legacy() as c:
            with a.listen() as to_a, b.listen() as to_b, c.listen() as to_c:
                a.text("fix_learn", {"name": "for_all"})
                to_a.next_message("notifications/tools/list_changed")
                to_b.next_message("notifications/tools/list_changed")
                # c hears of its own change first, so it heard nothing of the other's.
                c.text("fix_learn", {"name": "for_c"})
                to_c.next_message("notifications/tools/list_changed")
                assert "fix_for_c" in c.tools() and "fix_for_all" not in c.tools()
                assert to_c.events.empty()


def test_get_without_session_or_with_the_wrong_accept(client):
    fields = client.headers(Accept="text/event-stream", Content_Type=None)
    without = {name: value for name, value in fields.items() if name != "Mcp-Session-Id"}
    assert exchange(client.url, "GET", headers=without).status == 400
    assert exchange(client.url, "GET", headers=fields | {"Mcp-Session-Id": "unknown"}).status == 404
    assert exchange(client.url, "GET", headers=fields | {"Accept": "application/json"}).status in (405, 406)


def test_a_second_get_stream_is_decided(sandbox):
    """Either it is refused (409), or it takes the place of the first, which ends."""
    with sandbox.legacy() as session, session.listen() as first, session.listen() as second:
        if second.status == 200:
            assert first.next(5) is None
        else:
            assert second.status == 409


def test_a_session_outlives_its_connections(gateway):
    """A stream may be opened again, and tells what changed meanwhile; other connections go on with the session."""
    with gateway.create({"fix": fixture(new_mark())}) as own, own.legacy() as session, own.legacy() as other:
        with session.listen() as stream:
            assert stream.status == 200
        session.close()
        other.text("fix_learn", {"name": "meanwhile"})
        wait_until(lambda: "fix_meanwhile" in other.tools(), 5, "the tool is listed")
        with session.listen() as stream:
            stream.next_message("notifications/tools/list_changed")
            assert session.text("fix_meanwhile", {"text": "works"})
            other.text("fix_learn", {"name": "later"})
            stream.next_message("notifications/tools/list_changed")


def test_a_forgotten_session_goes_on_unless_it_had_something_to_lose(gateway):
    """There is room for 1024 sessions. One that has given way comes back by itself; who believes to have subscribed is
    told to begin anew."""
    with gateway.create({"fix": fixture(new_mark())}) as one:
        plain, watching, logging = (one.legacy() for _ in range(3))
        watching.ask("resources/subscribe", {"uri": "fixture://text"})
        logging.ask("logging/setLevel", {"level": "debug"})
        plain.tools()
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "n", "version": "1"}}
        with one.legacy() as other:
            headers = other.headers()
            del headers["Mcp-Session-Id"]
            for number in range(1024):
                body = {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}
                assert exchange(one.url, "POST", body, headers, connection=other.connection).status == 200
        assert plain.text("fix_add", {"a": 1, "b": 2}) == "3"
        for client in (watching, logging):
            reply = client.reply("tools/list")
            assert reply.status == 404 and "initialize" in reply.json["error"]["message"]
            client.session = None
            client.initialize()
            assert client.text("fix_add", {"a": 1, "b": 2}) == "3"
            client.close()
        plain.close()


def test_the_end_of_a_session_ends_its_calls(sandbox):
    with sandbox.legacy() as client:
        before = int(sandbox.text("fix_cancellations"))
        params = {"name": "fix_sleep", "arguments": {"seconds": 60}, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, 1) as stream:
            stream.next_message("notifications/progress")
            assert client.delete().status == 200
            assert stream.rest()[-1].json["error"]["code"] == -32800
        wait_until(lambda: int(sandbox.text("fix_cancellations")) == before + 1, 5, "the server has noticed")


def test_delete_ends_the_get_stream(sandbox):
    with sandbox.legacy() as session, session.listen() as stream:
        assert session.delete().status in (200, 204)
        assert stream.next(5) is None


def test_batches_of_2025_03_26(sandbox):
    with sandbox.legacy(version="2025-03-26") as session:
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": "two", "method": "tools/call",
             "params": {"name": "fix_add", "arguments": {"a": 2, "b": 3}}},
            {"jsonrpc": "2.0", "id": 3, "method": "made/up"},
        ]  # fmt: skip
        reply = session.post(batch)
        assert reply.status == 200, reply
        answers = reply.messages if reply.is_stream else json.loads(reply.body)
        if len(answers) == 1 and isinstance(answers[0], list):
            answers = answers[0]
        found = {answer["id"]: answer for answer in answers}
        assert set(found) == {1, "two", 3}
        assert text_of(found["two"]["result"]) == "5" and found[3]["error"]["code"] == -32601
        reply = session.post([{"jsonrpc": "2.0", "method": "notifications/initialized"}] * 2)
        assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
def test_batches_are_refused_in_other_versions(sandbox, version):
    with sandbox.legacy(version=version) as session:
        reply = session.post([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])
        assert reply.status == 400 and reply.json["error"]["code"] == -32600


@pytest.mark.parametrize(
    "batch",
    [
        [], [1], [{}], [[]], [None],
        [{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}],
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "1.0", "id": 2, "method": "ping"}],
        [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(5000)],
    ],
    ids=["empty", "number", "object", "array", "null", "initialize", "version", "huge"],
)  # fmt: skip
def test_wrong_batches_are_refused(sandbox, batch):
    with sandbox.legacy(version="2025-03-26") as session:
        reply = session.post(batch)
        assert reply.status == 400 and reply.json["error"]["code"] == -32600


def test_log_level_filters_for_this_session(sandbox):
    with sandbox.legacy() as session:
        assert session.ask("logging/setLevel", {"level": "warning"}) == {}
        with session.stream("tools/call", {"name": "fix_log", "arguments": {}}, "l") as stream:
            events = [event.json for event in stream.rest()]
        levels = [event["params"]["level"] for event in events if event.get("method") == "notifications/message"]
        assert levels == ["warning", "error", "critical", "alert", "emergency"]
        with pytest.raises(RPCError) as error:
            session.ask("logging/setLevel", {"level": "loud"})
        assert error.value.code == -32602


def test_three_requests_at_once_on_one_session(sandbox):
    with sandbox.legacy() as session:
        found = {}

        def work(number):
            message = {
                "jsonrpc": "2.0", "id": number, "method": "tools/call",
                "params": {"name": "fix_sleep", "arguments": {"seconds": 0.2}},
            }  # fmt: skip
            found[number] = exchange(session.url, "POST", message, session.headers())

        threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        for number in (1, 2, 3):
            assert text_of(result_of(found[number], number)) == "slept 0.2 s"


@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list", "made/up", "ping"])
def test_requests_of_a_server_get_an_answer(client, method):
    """The client has declared nothing: the server gets an error, never silence; ping gets its result."""
    answer = json.loads(client.text("fix_ask", {"method": method}))
    if method == "ping":
        assert answer == {"result": {}}
    else:
        assert answer["error"]["code"] < 0 and answer["error"]["message"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/event-stream", "application/json"), ("application/json", "application/json"),
        ("*/*", "application/json"), (None, "application/json"), ("text/event-stream", "text/event-stream"),
    ],
)  # fmt: skip
def test_the_answer_has_a_form_that_was_asked_for(client, accept, kind):
    reply = client.reply("tools/list", Accept=accept)
    assert reply.status == 200 and reply.headers["content-type"].startswith(kind)
    assert reply.json["result"]["tools"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_only_json_bodies(client, kind):
    assert client.reply("ping", Content_Type=kind).status == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json ;x=y"])
def test_media_types_with_parameters(client, kind):
    assert client.reply("ping", Content_Type=kind).status == 200


def test_old_style_sessions_may_come_back(sandbox):
    """Two clients of one sandbox do not share a session; each keeps its own log level and streams."""
    with Legacy(sandbox.url, sandbox.token) as one, Legacy(sandbox.url, sandbox.token) as two:
        assert one.session != two.session
        one.delete()
        assert two.ask("ping") == {}
