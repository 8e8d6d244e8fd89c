"""Clients of either era at servers of either era: what both have is the same, what one lacks is left out."""

import pytest

from support.gateway import CHECKED, fixture, new_mark
from support.mcp import META, RPCError, text_of
from support.waiting import wait_until

SERVERS = ["legacy", "modern", "dual"]


@pytest.fixture(scope="module")
def servers(gateway):
    """A sandbox with a server of each era."""
    made = gateway.create({era: fixture(f"{era}-{new_mark()}", "--era", era, *CHECKED) for era in SERVERS})
    yield made
    for era in SERVERS:
        assert made.text(f"{era}_mistakes") == "[]"
    made.kill()


@pytest.fixture(params=["legacy", "modern"])
def client(request, servers):
    with getattr(servers, request.param)() as one:
        one.is_modern = request.param == "modern"
        yield one


def settings(name, **options):
    return {"$gateway": {"servers": {name: options}}}


def test_the_state_names_the_era(servers):
    assert {era: servers.server(era)["era"] for era in SERVERS} == {
        "legacy": "legacy",
        "modern": "modern",
        "dual": "modern",
    }


@pytest.mark.parametrize("era", SERVERS)
class TestEachQuadrant:
    def test_lists(self, client, era):
        names = client.tools()
        assert f"{era}_add" in names and f"{era}_confirm" in names

    def test_a_call(self, client, era):
        result = client.call(f"{era}_add", {"a": 1, "b": 2})
        assert text_of(result) == "3"
        assert ("resultType" in result) == client.is_modern

    def test_arguments_and_unicode_pass(self, client, era):
        result = client.call(f"{era}_echo", {"z": [1, None, {"ů": "漢"}], "a": 1e3})
        assert result["structuredContent"] == {"z": [1, None, {"ů": "漢"}], "a": 1e3}

    def test_structured_content_that_is_no_object(self, client, era):
        # Only 2026-07-28 has a word for it: what an older server says all the same is passed on.
        client.is_lenient = era == "legacy"
        result = client.call(f"{era}_number")
        assert text_of(result) == "42"
        if era != "legacy":
            assert result.get("structuredContent") == (42 if client.is_modern else None)

    def test_errors_keep_code_and_data(self, client, era):
        with pytest.raises(RPCError) as error:
            client.call(f"{era}_error")
        assert (error.value.code, error.value.data) == (-31999, {"why": ["a", 1]})

    def test_a_tool_that_fails(self, client, era):
        assert client.call(f"{era}_fail")["isError"] is True

    def test_prompts_and_completion(self, client, era):
        said = client.ask("prompts/get", {"name": f"{era}_greet", "arguments": {"who": "you"}})
        assert "Greet you" in said["messages"][0]["content"]["text"]
        argument = {"name": "who", "value": "par"}
        params = {"ref": {"type": "ref/prompt", "name": f"{era}_greet"}, "argument": argument}
        assert client.ask("completion/complete", params)["completion"]["values"] == ["paris", "park", "party"]

    def test_progress_comes_with_the_clients_token(self, client, era):
        params = {"name": f"{era}_progress", "arguments": {"count": 3}}
        meta = {"progressToken": "mine"}
        if client.is_modern:
            stream = client.stream("tools/call", params, 7, meta)
        else:
            stream = client.stream("tools/call", params | {"_meta": meta}, 7)
        with stream:
            events = [event.json for event in stream.rest()]
        notices, answer = events[:-1], events[-1]
        assert [notice["params"]["progress"] for notice in notices] == [1, 2, 3]
        assert {notice["params"]["progressToken"] for notice in notices} == {"mine"}
        assert answer["id"] == 7 and text_of(answer["result"]) == "3 notices"

    def test_cancellation_reaches_the_server(self, client, servers, era):
        before = int(client.text(f"{era}_cancellations"))
        params = {"name": f"{era}_sleep", "arguments": {"seconds": 60}}
        meta = {"progressToken": 1}
        if client.is_modern:
            stream = client.stream("tools/call", params, "c", meta)
            stream.next_message("notifications/progress")
            stream.close()
        else:
            stream = client.stream("tools/call", params | {"_meta": meta}, "c")
            stream.next_message("notifications/progress")
            client.notify("notifications/cancelled", {"requestId": "c"})
            stream.close()
        wait_until(lambda: int(client.text(f"{era}_cancellations")) > before, 5, "the server has noticed")

    def test_a_message_of_many_lines(self, client, servers, era):
        body = '{"jsonrpc": "2.0",\n "id": 5,\r\n "method": "tools/call", "params": {\n"name": "%s_add",' % era
        body += '\n"arguments": {"a": 1,\n "b": 2}%s}}'
        if client.is_modern:
            import json

            request, fields, _ = client.request("tools/call", {"name": f"{era}_add"})
            meta = json.dumps(request["params"]["_meta"])
            from support.http import exchange

            reply = exchange(client.url, "POST", body % (',"_meta":' + meta), fields)
        else:
            reply = client.post(body % "")
        assert reply.status == 200 and text_of(reply.json["result"]) == "3", reply


def test_plain_http_at_each_server(servers):
    for era in SERVERS:
        assert servers.text(f"{era}_add", {"a": 20, "b": 22}) == "42"


def test_resources_not_found_have_the_code_of_the_clients_era(gateway):
    for era in ("legacy", "modern"):
        with gateway.create({"one": fixture(new_mark(), "--era", era)}) as sandbox:
            for client, code in ((sandbox.legacy(), -32002), (sandbox.modern(), -32602)):
                with client, pytest.raises(RPCError) as error:
                    client.ask("resources/read", {"uri": "fixture://item/../none"[:13] + "absent"})
                assert error.value.code == code, (era, error.value)
                with client:
                    read = client.ask("resources/read", {"uri": "fixture://text"})
                    assert ("ttlMs" in read) == (code == -32602)


@pytest.mark.parametrize("probe", ["exit", "error"])
def test_a_server_that_does_not_know_the_question(gateway, probe):
    with gateway.create({"old": fixture(new_mark(), "--probe", probe)}) as sandbox:
        found = sandbox.server("old")
        assert (found["state"], found["era"], found["restarts"]) == ("ready", "legacy", 0), found
        assert sandbox.text("old_add", {"a": 1, "b": 1}) == "2"


def test_a_server_that_is_silent_when_asked_is_initialized_too(gateway):
    with gateway.create({"old": fixture(new_mark(), "--probe", "silence")}) as sandbox:
        assert sandbox.wait_state("old", "ready", 15)["era"] == "legacy"


@pytest.mark.parametrize(("pinned", "speaks"), [("modern", "legacy"), ("legacy", "modern")])
def test_a_pinned_era_that_the_server_does_not_speak(gateway, pinned, speaks):
    server = {"one": fixture(new_mark(), "--era", speaks)} | settings("one", era=pinned)
    with gateway.create(server) as sandbox:
        found = sandbox.wait_state("one", "crash_loop", 15)
        assert "2026-07-28" in found["lastError"] or "initialize" in found["lastError"], found


@pytest.mark.parametrize("pinned", ["modern", "legacy"])
def test_a_pinned_era_of_a_server_with_both(gateway, pinned):
    with gateway.create({"one": fixture(new_mark(), "--era", "dual")} | settings("one", era=pinned)) as sandbox:
        assert sandbox.server("one")["era"] == pinned
        assert sandbox.text("one_add", {"a": 1, "b": 1}) == "2"


def test_what_was_learnt_serves_the_next_sandbox(gateway):
    server = {"one": fixture(new_mark(), "--era", "modern")}
    before = gateway.metric("server_starts_total")
    for _ in range(2):
        with gateway.create(server) as sandbox:
            assert sandbox.server("one")["era"] == "modern"
    assert gateway.metric("server_starts_total") - before == 2


def test_a_mirrored_server_has_a_process_for_each_era(gateway):
    import json

    with gateway.create({"one": fixture(new_mark(), "--era", "dual")} | settings("one", era="mirror")) as sandbox:
        assert sandbox.server("one")["era"] == "mirror"
        with sandbox.legacy() as old, sandbox.modern() as new:
            told = [json.loads(client.text("one_asked")) for client in (old, new)]
        assert [one["era"] for one in told] == ["legacy", "modern"]
        assert sandbox.server("one")["tools"] > 0


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_mirror_of_a_server_with_one_era_is_that_server(gateway, era):
    with gateway.create({"one": fixture(new_mark(), "--era", era)} | settings("one", era="mirror")) as sandbox:
        assert (sandbox.server("one")["state"], sandbox.server("one")["era"]) == ("ready", era)
        assert sandbox.text("one_add", {"a": 1, "b": 1}) == "2"


@pytest.mark.parametrize(
    ("options", "property"),
    [
        ({"servers": {"fix": {"era": "newest"}}}, "servers.fix.era"),
        ({"servers": {"fix": {"interactive": True}}}, "servers.fix.interactive"),
        ({"servers": {"fix": {"eras": "auto"}}}, "servers.fix.eras"),
        ({"servers": {"fixx": {}}}, "servers.fixx"),
        ({"servers": []}, "servers"),
    ],
)
def test_mistakes_in_the_options_are_named(gateway, options, property):
    body = {"mcp": {"$gateway": options, "fix": fixture(new_mark())}}
    reply = gateway.control().request("POST", "/v2/sandboxes", body)
    assert reply.status == 400 and property in reply.json["message"], reply


def test_meta_of_other_vendors_passes_and_the_protocols_does_not(servers):
    with servers.modern() as client:
        body, fields, ident = client.request("tools/call", {"name": "legacy_add", "arguments": {"a": 1, "b": 2}})
        body["params"]["_meta"]["vendor/x"] = {"kept": True}
        body["params"]["_meta"][META + "logLevel"] = "error"
        from support.http import exchange

        reply = exchange(client.url, "POST", body, fields)
        assert text_of(reply.json["result"]) == "3"
