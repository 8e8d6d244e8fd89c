"""The stateless era on the wire (2026-07-28), and both eras side by side on one URL."""

import json
import threading

import pytest

from support.gateway import fixture, new_mark
from support.http import exchange
from support.mcp import BOTH, META, MODERN, RPCError, envelope, text_of
from support.waiting import wait_until

CAPABILITIES = META + "clientCapabilities"
VERSION = META + "protocolVersion"


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.modern() as made:
        yield made


def refused(reply, status, code, ident=...):
    assert reply.status == status, reply
    assert reply.json["error"]["code"] == code, reply
    assert reply.json["error"]["message"], reply
    if ident is not ...:
        assert reply.json["id"] == ident, reply
    return reply.json["error"]


def test_discover(client):
    result = client.ask("server/discover")
    assert result["resultType"] == "complete"
    assert result["supportedVersions"] == [MODERN]
    assert set(result["capabilities"]) >= {"tools", "prompts", "resources"}
    assert result["_meta"][META + "serverInfo"]["name"]
    assert isinstance(result["ttlMs"], int) and result["ttlMs"] >= 0 and result["cacheScope"] in ("public", "private")


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"])
def test_lists_carry_their_cache_hints(client, method):
    result = client.ask(method)
    assert result["resultType"] == "complete"
    assert isinstance(result["ttlMs"], int) and result["ttlMs"] >= 0
    assert result["cacheScope"] in ("public", "private")
    assert "nextCursor" not in result


def test_results_say_that_they_are_complete(client):
    assert client.call("fix_add", {"a": 1, "b": 2})["resultType"] == "complete"
    assert client.ask("prompts/get", {"name": "fix_plain"})["resultType"] == "complete"
    read = client.ask("resources/read", {"uri": "fixture://text"})
    assert read["resultType"] == "complete" and read["ttlMs"] >= 0 and read["cacheScope"] in ("public", "private")
    reference = {"type": "ref/prompt", "name": "fix_greet"}
    found = client.ask("completion/complete", {"ref": reference, "argument": {"name": "who", "value": "pa"}})
    assert found["resultType"] == "complete" and found["completion"]["values"]


def test_no_session_is_ever_made(client):
    reply = client.reply("tools/list")
    assert "mcp-session-id" not in reply.headers
    reply = client.reply("tools/list", headers={"Mcp-Session-Id": "made-up"})
    assert reply.status == 200 and "mcp-session-id" not in reply.headers


def test_each_request_stands_alone(sandbox):
    """Requests of one caller on connections of their own, in any order, without any before them."""
    with sandbox.modern() as maker:
        for number in range(20):
            body, fields, ident = maker.request("tools/call", {"name": "fix_add", "arguments": {"a": number, "b": 1}})
            reply = exchange(sandbox.url, "POST", body, fields)
            assert text_of(reply.json["result"]) == str(number + 1) and reply.json["id"] == ident


def test_missing_client_info_is_served(client):
    assert client.reply("tools/list", meta={META + "clientInfo": None}).status == 200


@pytest.mark.parametrize(
    "meta",
    [
        {CAPABILITIES: None}, {CAPABILITIES: []}, {CAPABILITIES: "x"},
        {VERSION: None}, {VERSION: 5}, {VERSION: {}},
        {VERSION: None, CAPABILITIES: None, META + "clientInfo": None},
    ],
    ids=["no-caps", "array-caps", "text-caps", "no-version", "number-version", "object-version", "empty"],
)  # fmt: skip
def test_incomplete_envelopes(client, meta):
    refused(client.reply("tools/list", ident="e", meta=meta), 400, -32602, "e")


def test_no_envelope_at_all(client, sandbox):
    fields = client.request("tools/list")[1]
    for params in ({}, {"_meta": 5}, {"_meta": []}, [], None):
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        if params is not None:
            body["params"] = params
        reply = exchange(sandbox.url, "POST", body, fields)
        assert reply.status == 400 and reply.json["error"]["code"] in (-32602, -32600), reply


@pytest.mark.parametrize("version", ["2099-01-01", "v9", "", "2025-11-25", "2024-11-05"])
def test_unsupported_versions(client, version):
    reply = client.reply("tools/list", ident=4, meta={VERSION: version}, headers={"MCP-Protocol-Version": version})
    error = refused(reply, 400, -32022, 4)
    assert error["data"]["supported"] == [MODERN] and error["data"]["requested"] == version
    assert set(error["data"]["supported"]) <= set(client.ask("server/discover")["supportedVersions"])


CALL = ("tools/call", {"name": "fix_add", "arguments": {"a": 1, "b": 2}})
MISMATCHES = {
    "version-missing": {"MCP-Protocol-Version": None},
    "version-legacy": {"MCP-Protocol-Version": "2025-11-25"},
    "version-other": {"MCP-Protocol-Version": "2099-01-01"},
    "method-missing": {"Mcp-Method": None},
    "method-other": {"Mcp-Method": "tools/list"},
    "method-case": {"Mcp-Method": "Tools/Call"},
    "name-missing": {"Mcp-Name": None},
    "name-other": {"Mcp-Name": "fix_echo"},
    "name-case": {"Mcp-Name": "FIX_ADD"},
    "name-empty": {"Mcp-Name": ""},
    "name-other-base64": {"Mcp-Name": "=?base64?Zml4X2VjaG8=?="},
    "name-bad-base64": {"Mcp-Name": "=?base64?Zml4X2FkZA?="},
    "name-not-base64": {"Mcp-Name": "=?base64?!!!!?="},
}


@pytest.mark.parametrize("headers", MISMATCHES.values(), ids=MISMATCHES)
def test_headers_must_equal_the_body(client, headers):
    refused(client.reply(*CALL, ident="h", headers=headers), 400, -32020, "h")


@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Name": "=?base64?Zml4X2FkZA==?="}, {"Mcp-Name": "  fix_add \t"}, {"Mcp-Method": " tools/call "},
        {"Mcp-Method": None, "MCP-METHOD": "tools/call"}, {"Mcp-Name": None, "mcp-name": "fix_add"},
    ],
    ids=["base64", "blanks", "blanks-method", "upper", "lower"],
)  # fmt: skip
def test_headers_in_other_spellings(client, headers):
    reply = client.reply(*CALL, headers=headers)
    assert reply.status == 200 and text_of(reply.json["result"]) == "3"


@pytest.mark.parametrize("name", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"])
def test_repeated_routing_headers_are_refused(gateway, client, sandbox, name):
    body, fields, _ = client.request(*CALL)
    data = json.dumps(body).encode()
    lines = [f"POST /sandbox/{sandbox.id}/mcp HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
    lines += [f"{key}: {value}" for key, value in fields.items()] + [f"{name}: {fields[name]}", "", ""]
    with gateway.raw() as raw:
        reply = raw.send("\r\n".join(lines).encode() + data).reply()
    refused(reply, 400, -32020)


def test_names_that_are_not_ascii(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as own, own.modern() as client:
        uri = "fixture://item/žluť"
        sentinel = "=?base64?Zml4dHVyZTovL2l0ZW0vxb5sdcWl?="
        reply = client.reply("resources/read", {"uri": uri}, headers={"Mcp-Name": sentinel})
        assert reply.status == 200, reply
        assert reply.json["result"]["contents"][0]["text"] == "item žluť"


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "made/up", "tools/Call"],
)
def test_methods_that_are_gone_or_never_were(client, method):
    refused(client.reply(method, {}, ident="m"), 404, -32601, "m")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_are_405(client, sandbox, method):
    fields = {"Authorization": f"Bearer {sandbox.token}", "MCP-Protocol-Version": MODERN, "Accept": BOTH}
    reply = exchange(sandbox.url, method, headers=fields)
    assert reply.status == 405 and "POST" in reply.headers["allow"]


def test_batches_and_responses_are_400(client, sandbox):
    body, fields, _ = client.request("tools/list")
    refused(exchange(sandbox.url, "POST", [body], fields), 400, -32600)
    refused(exchange(sandbox.url, "POST", {"jsonrpc": "2.0", "id": 1, "result": {}}, fields), 400, -32600)


def test_notifications_are_202(client, sandbox):
    fields = client.request("notifications/cancelled")[1]
    body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": envelope()}}
    reply = exchange(sandbox.url, "POST", body, fields)
    assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "fix_missing"}, -32602), ("tools/call", {"arguments": {}}, -32602),
        ("prompts/get", {"name": "missing"}, -32602), ("tools/list", {"cursor": "made-up"}, -32602),
    ],
)  # fmt: skip
def test_wrong_parameters(client, method, params, code):
    reply = client.reply(method, params, ident="w")
    assert reply.status in (200, 400) and reply.json["error"]["code"] == code and reply.json["id"] == "w"


def test_a_missing_resource_names_its_uri(client):
    reply = client.reply("resources/read", {"uri": "nowhere://at/all"}, ident="r")
    assert reply.json["error"]["code"] == -32602 and reply.json["error"]["data"]["uri"] == "nowhere://at/all"


def test_an_error_of_the_server_passes(client):
    with pytest.raises(RPCError) as error:
        client.call("fix_error")
    assert error.value.code == -31999


def test_the_envelope_does_not_reach_an_older_server(client):
    """The scripted server speaks the handshake era; it echoes its arguments, which hold what we sent."""
    arguments = {"_meta": {"kept": True}, "text": "x"}
    assert client.call("fix_echo", arguments)["structuredContent"] == arguments


def test_progress_and_answer_on_one_stream(client):
    params = {"name": "fix_progress", "arguments": {"count": 4}}
    for token in ("t", 5):
        with client.stream("tools/call", params, 8, meta={"progressToken": token}) as stream:
            events = [event.json for event in stream.rest()]
        assert [one["params"]["progress"] for one in events[:-1]] == [1, 2, 3, 4]
        assert all(one["params"]["progressToken"] == token for one in events[:-1])
        assert events[-1]["id"] == 8 and events[-1]["result"]["resultType"] == "complete"


def test_no_log_messages_unless_asked_for(client):
    with client.stream("tools/call", {"name": "fix_log", "arguments": {}}, 1) as stream:
        assert stream.headers["content-type"].startswith("application/json")


def test_a_lost_connection_cancels(sandbox, client):
    before = int(client.text("fix_cancellations"))
    params = {"name": "fix_sleep", "arguments": {"seconds": 30}}
    stream = client.stream("tools/call", params, 1, meta={"progressToken": 1})
    stream.next_message("notifications/progress")
    stream.close()
    wait_until(lambda: int(client.text("fix_cancellations")) == before + 1, 5, "the server was told")


REGION = {"region": "Zürich"}
IN_BASE64 = "=?base64?WsO8cmljaA==?="


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, {}),
        ({"region": None}, {}),
        (REGION, {"Mcp-Param-Region": IN_BASE64}),
        ({"region": "eu"}, {"mcp-PARAM-region": "eu"}),
        ({"region": "=?base64?ZXU="}, {"Mcp-Param-Region": "=?base64?ZXU="}),
        ({"within": {"shard": 42}}, {"Mcp-Param-Shard": "42"}),
        ({"region": "eu"}, {"Mcp-Param-Region": "eu", "Mcp-Param-Other": "unknown"}),
    ],
)
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_arguments_in_headers(routed, era, arguments, headers):
    reply = routed[era].reply("tools/call", {"name": f"{era}_routed", "arguments": arguments}, headers=headers)
    assert reply.status == 200 and json.loads(text_of(reply.json["result"])) == arguments


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"region": "eu"}, {}),
        ({"region": "eu"}, {"Mcp-Param-Region": "us"}),
        ({"region": "eu"}, {"Mcp-Param-Region": "EU"}),
        ({}, {"Mcp-Param-Region": "eu"}),
        ({"region": None}, {"Mcp-Param-Region": "null"}),
        (REGION, {"Mcp-Param-Region": IN_BASE64.replace("==?", "?")}),
        (REGION, {"Mcp-Param-Region": IN_BASE64.replace("8", "!")}),
        ({"within": {"shard": 42}}, {"Mcp-Param-Shard": "43"}),
        ({"within": {"shard": 42}}, {}),
    ],
)
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_headers_that_say_other_than_the_arguments(routed, era, arguments, headers):
    reply = routed[era].reply(
        "tools/call", {"name": f"{era}_routed", "arguments": arguments}, "mine", headers=headers
    )
    assert "Mcp-Param-" in refused(reply, 400, -32020, "mine")["message"]


@pytest.fixture(scope="module")
def routed(gateway):
    """A client for each era of the server, which its tools have in their names."""
    servers = {era: fixture(new_mark(), "--routed", "--era", era) for era in ("legacy", "modern")}
    with gateway.create(servers) as made, made.modern() as one:
        yield {era: one for era in servers}


def test_a_session_needs_no_such_headers(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--routed")}) as made, made.legacy() as old:
        assert json.loads(old.text("fix_routed", REGION)) == REGION


def test_listen_acknowledges_and_tells_of_changes(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as own, own.modern() as client:
        params = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["fixture://text"]}}
        with client.stream("subscriptions/listen", params, "L1") as stream:
            first = stream.next().json
            assert first["method"] == "notifications/subscriptions/acknowledged"
            assert first["params"]["notifications"].get("toolsListChanged") is True
            assert first["params"]["_meta"][META + "subscriptionId"] == "L1"
            client.text("fix_learn", {"name": "heard_of"})
            message = stream.next_message("notifications/tools/list_changed")
            assert message["params"]["_meta"][META + "subscriptionId"] == "L1"
            assert "fix_heard_of" in client.tools()


def test_listen_hears_only_what_it_asked_for(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as own, own.modern() as client:
        with client.stream("subscriptions/listen", {"notifications": {"promptsListChanged": True}}, 1) as quiet:
            with client.stream("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, 2) as eager:
                quiet.next()
                eager.next()
                client.text("fix_learn", {"name": "unheard"})
                eager.next_message("notifications/tools/list_changed")
                assert quiet.events.empty()


def test_both_eras_at_once_on_one_url(sandbox):
    """Same URL, same ids, at the same time; both see the same tools."""
    wrong = []

    def legacy():
        with sandbox.legacy() as client:
            for number in range(40):
                if client.text("fix_add", {"a": number, "b": 1000}) != str(number + 1000):
                    wrong.append(("legacy", number))

    def modern():
        with sandbox.modern() as client:
            for number in range(40):
                if client.text("fix_add", {"a": number, "b": 2000}) != str(number + 2000):
                    wrong.append(("modern", number))

    threads = [threading.Thread(target=work) for work in (legacy, modern) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    with sandbox.legacy() as old, sandbox.modern() as new:
        assert list(old.tools()) == list(new.tools())


def test_a_modern_claim_wins_over_a_session(sandbox):
    with sandbox.legacy() as old, sandbox.modern() as new:
        reply = new.reply("tools/list", headers={"Mcp-Session-Id": old.session})
        assert reply.json["result"]["resultType"] == "complete"
        assert old.ask("ping") == {}
