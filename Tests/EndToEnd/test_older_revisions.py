"""What came with later revisions, for sessions of earlier ones: the clients hold it against their revision's schema."""

import json

import pytest

from support.gateway import CHECKED, fixture, new_mark
from support.mcp import HANDSHAKE_VERSIONS, text_of
from support.old import Old

LINK = "A text: fixture://text\nto read"


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", request.param, *CHECKED)}) as made:
        made.era = request.param
        yield made
        assert made.text("fix_mistakes") == "[]"


def kinds(version):
    if version >= "2025-06-18":
        return ["text", "resource_link", "audio"]
    return ["text", "text", "audio" if version >= "2025-03-26" else "resource"]


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
class TestEachRevision:
    def test_content_is_of_kinds_that_it_knows(self, server, version):
        with server.legacy(version=version) as client:
            result = client.call("fix_media")
        assert [block["type"] for block in result["content"]] == kinds(version)
        assert ("structuredContent" in result) == (version >= "2025-06-18")
        if version < "2025-06-18":
            assert result["content"][1]["text"] == LINK
        if version < "2025-03-26":
            assert result["content"][2]["resource"]["blob"] == "UklGRg=="

    def test_prompts_are_too(self, server, version):
        with server.legacy(version=version) as client:
            messages = client.ask("prompts/get", {"name": "fix_link"})["messages"]
        assert [message["content"]["type"] for message in messages] == kinds(version)[1:]

    def test_structured_content_is_not_lost(self, server, version):
        with server.legacy(version=version) as client:
            result = client.call("fix_bare", {"value": {"a": [1.50, "é"]}})
            if version >= "2025-06-18":
                assert result == {"content": [], "structuredContent": {"a": [1.50, "é"]}}
            else:
                ((block),) = result["content"]
                assert json.loads(block["text"]) == {"a": [1.50, "é"]} and "structuredContent" not in result
            if server.era == "modern":
                result = client.call("fix_bare", {"value": [1, 2]})
                assert json.loads(result["content"][0]["text"]) == [1, 2] and "structuredContent" not in result

    def test_lists_have_what_it_knows(self, server, version):
        with server.legacy(version=version) as client:
            tool = client.tools()["fix_media"]
            prompt = next(one for one in client.ask("prompts/list")["prompts"] if one["name"] == "fix_link")
        assert ("icons" in tool) == (version >= "2025-11-25")
        assert ("annotations" in tool) == (version >= "2025-03-26")
        for member in ("title", "outputSchema"):
            assert (member in tool) == (version >= "2025-06-18")
        assert ("title" in prompt) == ("title" in prompt["arguments"][0]) == (version >= "2025-06-18")
        assert tool["inputSchema"]["type"] == "object" and prompt["arguments"][0]["name"] == "who"


def test_the_old_transport(server):
    with Old(server, "2024-11-05") as client:
        result = client.ask("tools/call", {"name": "fix_media", "arguments": {}})
        assert [block["type"] for block in result["content"]] == kinds("2024-11-05")


def test_the_newest_revision_has_all_of_it(server):
    with server.modern() as client:
        assert [block["type"] for block in client.call("fix_media")["content"]] == kinds("2026-07-28")
        assert {"icons", "title", "annotations", "outputSchema"} <= set(client.tools()["fix_media"])


def test_plain_http_has_all_of_it(server):
    assert [block["type"] for block in server.call("fix_media").json["content"]] == kinds("2026-07-28")


# What servers ask, and what they are answered.

ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
SEEN = {"type": "text", "text": "seen"}
IMAGE = {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}
SOUND = {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"}
ANSWER = {"role": "assistant", "content": SEEN, "model": "m"}
ACCEPTED = {"action": "accept", "content": {"size": "s"}}
CHOICES = {"type": "string", "title": "Size", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]}
COLOURS = {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}


def question(client, method, params, answer):
    """What the server was told in the end, and the params of what the client was asked."""
    message, asked = client.converse("fix_question", {"method": method, "params": params}, lambda _: answer)
    if "inputRequests" in (asked[0] if asked else {}):
        asked = [ask for round in asked for ask in round["inputRequests"].values()]
    return message, [ask["params"] for ask in asked]


def sampling(*messages, **more):
    return {"messages": [{"role": role, "content": content} for role, content in messages], "maxTokens": 9, **more}


def form(**properties):
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": properties}
    return {"mode": "form", "message": "Which?", "requestedSchema": schema | {"required": [*properties][:1]}}


def refused(message, *words):
    """The server was told that its question cannot be asked, or its call has failed for it."""
    said = message["error"]["message"] if "error" in message else text_of(message["result"])
    assert all(word in said for word in words), said
    return True


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_a_model_is_asked_with_one_block_a_message(server, version):
    asks = sampling(("user", [{"type": "text", "text": "look"}, IMAGE, SOUND]), ("assistant", SEEN), ("user", []))
    with server.legacy(version=version, capabilities=ALL) as client:
        message, (params,) = question(client, "sampling/createMessage", asks, ANSWER)
    assert json.loads(text_of(message["result"])) == ANSWER
    if version >= "2025-11-25":
        assert params["messages"] == asks["messages"]
        return
    told = [(one["role"], one["content"]["type"]) for one in params["messages"]]
    last = "audio" if version >= "2025-03-26" else "text"
    assert told == [("user", "text"), ("user", "image"), ("user", last), ("assistant", "text")]
    assert version >= "2025-03-26" or "audio/wav" in params["messages"][2]["content"]["text"]
    assert params["maxTokens"] == 9


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS[:3])
def test_a_model_without_tools_is_asked_nothing_about_them(server, version):
    use = {"type": "tool_use", "id": "1", "name": "look", "input": {}}
    with server.legacy(version=version, capabilities=ALL) as client:
        for asks in (sampling(("assistant", [use])), sampling(("user", SEEN), tools=[], toolChoice={"mode": "auto"})):
            message, asked = question(client, "sampling/createMessage", asks, ANSWER)
            assert not asked and refused(message, "sampl")


def test_a_selection_is_of_the_form_of_its_revision(server):
    fields = {"size": CHOICES | {"default": "s"}, "count": {"type": "integer", "minimum": 1, "default": 2},
              "sure": {"type": "boolean", "default": True}, "plain": {"type": "string", "enum": ["a"], "default": "a"}}  # fmt: skip
    older = {"size": {"type": "string", "title": "Size", "enum": ["s", "l"], "enumNames": ["Small", "Large"]},
             "count": {"type": "integer", "minimum": 1}, "sure": fields["sure"], "plain": {"type": "string", "enum": ["a"]}}  # fmt: skip
    for version, expected in (("2025-06-18", older), ("2025-11-25", fields)):
        with server.legacy(version=version, capabilities={"elicitation": {}}) as client:
            message, (params,) = question(client, "elicitation/create", form(**fields), ACCEPTED)
        assert params["requestedSchema"]["properties"] == expected
        assert params["requestedSchema"]["required"] == ["size"] and params["message"] == "Which?"
        assert ("mode" in params) == ("$schema" in params["requestedSchema"]) == (version == "2025-11-25")
        assert json.loads(text_of(message["result"])) == ACCEPTED


def test_a_form_that_a_revision_does_not_have_is_not_shown(server):
    with server.legacy(version="2025-06-18", capabilities=ALL) as client:
        message, asked = question(client, "elicitation/create", form(size=CHOICES, colours=COLOURS), ACCEPTED)
        assert not asked and refused(message, "colours", "2025-06-18")
        url = {"mode": "url", "message": "Go", "url": "https://example.test/", "elicitationId": "e"}
        message, asked = question(client, "elicitation/create", url, {"action": "accept"})
        assert not asked and refused(message, "elicitation")
    with server.legacy(capabilities=ALL) as client:
        message, (params,) = question(client, "elicitation/create", form(colours=COLOURS), ACCEPTED)
        assert params["requestedSchema"]["properties"] == {"colours": COLOURS}


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS[:2])
def test_what_a_revision_does_not_know_is_not_asked(server, version):
    with server.legacy(version=version, capabilities=ALL) as client:
        message, asked = question(client, "elicitation/create", form(size=CHOICES), ACCEPTED)
        assert not asked and refused(message, "elicitation")


def test_the_newest_revision_is_asked_as_its_server_asks(server):
    asks = sampling(("user", [SEEN, IMAGE, SOUND]))
    with server.modern(capabilities=ALL) as client:
        assert question(client, "sampling/createMessage", asks, ANSWER)[1] == [asks]
        asks = form(size=CHOICES, colours=COLOURS)
        assert question(client, "elicitation/create", asks, ACCEPTED)[1] == [asks]


@pytest.fixture(scope="module", params=HANDSHAKE_VERSIONS)
def older(request, gateway):
    """A server of an older revision."""
    with gateway.create({"fix": fixture(new_mark(), "--revision", request.param, *CHECKED)}) as made:
        made.version = request.param
        yield made
        assert made.text("fix_mistakes") == "[]"


@pytest.mark.parametrize("era", ["legacy", "modern"])
class TestServersOfEachRevision:
    def test_a_model_answers_in_one_block(self, older, era):
        with getattr(older, era)(capabilities=ALL) as client:
            told = []
            for content in (SEEN, [SEEN], [SEEN, SEEN], [SEEN, IMAGE], [SOUND]):
                answer = ANSWER | {"content": content}
                message, _ = question(client, "sampling/createMessage", sampling(("user", SEEN)), answer)
                told.append(json.loads(text_of(message["result"]))["content"])
        if older.version >= "2025-11-25":
            assert told == [SEEN, [SEEN], [SEEN, SEEN], [SEEN, IMAGE], [SOUND]]
            return
        assert told[:3] == [SEEN, SEEN, {"type": "text", "text": "seen\nseen"}]
        assert told[3]["text"].startswith("seen\n") and "image/png" in told[3]["text"]
        assert told[4]["type"] == ("audio" if older.version >= "2025-03-26" else "text")

    @pytest.mark.parametrize("older", HANDSHAKE_VERSIONS[2:], indirect=True)
    def test_a_form_without_content(self, older, era):
        asks = {"message": "Which?", "requestedSchema": {"type": "object", "properties": {
            "size": {"type": "string", "enum": ["s"], "enumNames": ["Small"]}}}}  # fmt: skip
        with getattr(older, era)(capabilities=ALL) as client:
            message, (params,) = question(client, "elicitation/create", asks, {"action": "decline", "content": None})
        assert params == asks and json.loads(text_of(message["result"])) == {"action": "decline"}
