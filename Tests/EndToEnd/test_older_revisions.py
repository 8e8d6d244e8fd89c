"""What came with later revisions, for sessions of earlier ones: the clients hold it against their revision's schema."""

import json

import pytest

from support.gateway import fixture, new_mark
from support.mcp import HANDSHAKE_VERSIONS
from support.old import Old

LINK = "A text: fixture://text\nto read"


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", request.param)}) as made:
        made.era = request.param
        yield made


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
