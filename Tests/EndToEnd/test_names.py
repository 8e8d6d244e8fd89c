"""Tools of many servers under one roof: names, collisions, pages, resources."""

import pytest

from support.gateway import echo, fixture, new_mark
from support.mcp import RPCError


def test_tools_of_many_servers_are_merged(gateway):
    marks = {name: new_mark() for name in ("one", "two", "three-3")}
    servers = {name: fixture(mark) for name, mark in marks.items()}
    with gateway.create(servers) as sandbox, sandbox.legacy() as client:
        tools = list(client.tools())
        for name, mark in marks.items():
            assert client.text(f"{name}_whoami") == mark
        assert tools == sorted(tools, key=lambda name: list(servers).index(name.split("_")[0]))


def test_a_name_is_kept_as_the_caller_wrote_it(gateway):
    with gateway.create({"myEcho": echo(), "UPPER": echo()}) as sandbox:
        assert set(sandbox.tools()) == {"myEcho_echo", "UPPER_echo"}
        assert sandbox.text("UPPER_echo", {"text": "x"}) == "x"


def test_no_prefix_twice(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--tool", "fix_already", "--tool", "fixed")}) as sandbox:
        tools = sandbox.tools()
        assert "fix_already" in tools and "fix_fix_already" not in tools
        assert "fix_fixed" in tools
        assert sandbox.call("fix_already", {"text": "x"}).status == 200


def test_illegal_and_long_names_become_legal_and_stay_callable(gateway):
    odd = ["with space", "with/slash", "ünïcödé", "x" * 100, "x" * 100 + "y", "dots.and-dashes", "a:b", "a b", "a_b"]
    flags = [part for name in odd for part in ("--tool", name)]
    with gateway.create({"fix": fixture(new_mark(), *flags)}) as sandbox:
        names = [tool["name"] for tool in sandbox.tools().values() if tool["description"].startswith("The tool ")]
        described = {tool["description"]: name for name, tool in sandbox.tools().items()}
        assert len(set(names)) == len(odd)
        for name in odd:
            exposed = described[f"The tool {name}"]
            assert len(exposed) <= 64 and exposed.isascii()
            assert all(letter.isalnum() or letter in "_-./" for letter in exposed)
            reply = sandbox.call(exposed, {"text": name})
            assert reply.json["structuredContent"] == {"text": name}


def test_changed_names_are_the_same_in_another_sandbox(gateway):
    flags = ("--tool", "z" * 90, "--tool", "with space")
    with gateway.create({"fix": fixture(new_mark(), *flags)}) as one:
        first = list(one.tools())
    with gateway.create({"fix": fixture(new_mark(), *flags)}) as two:
        assert list(two.tools()) == first


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("always", {"one_echo", "two_echo"}), ("on-collision", None), ("none", None)],
)
def test_prefix_modes(gateway, prefix, expected):
    servers = {"one": fixture(new_mark(), "--tool", "only_one"), "two": echo(), "$gateway": {"prefix": prefix}}
    with gateway.create(servers) as sandbox:
        tools = set(sandbox.tools())
        if prefix == "always":
            assert expected <= tools and "one_only_one" in tools
        elif prefix == "on-collision":
            assert "only_one" in tools and {"one_echo", "two_echo"} <= tools
        else:
            assert {"echo", "only_one"} <= tools and not any(name.startswith("one_") for name in tools)


@pytest.mark.parametrize("option", [{"prefix": "sometimes"}, {"prefix": 1}, {"nonsense": 1}, []])
def test_wrong_gateway_options_are_refused(gateway, option):
    reply = gateway.control().request("POST", "/v2/sandboxes", {"mcp": {"e": echo(), "$gateway": option}})
    assert reply.status == 400 and "$gateway" in reply.json["message"]


def test_lists_of_many_pages_are_read_to_the_end(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--tools", 300, "--page", 7)}) as sandbox:
        with sandbox.legacy() as client:
            tools = client.tools()
            assert all(f"fix_extra_{number}" in tools for number in range(300))
            assert client.text("fix_extra_299", {"text": "last"})
            assert len(client.ask("prompts/list")["prompts"]) == 3


def test_the_same_resource_of_two_servers(gateway):
    """The first keeps the URI; the other one's can be read all the same."""
    first, second = new_mark(), new_mark()
    with gateway.create({"one": fixture(first), "two": fixture(second)}) as sandbox, sandbox.legacy() as client:
        resources = client.ask("resources/list")["resources"]
        uris = [one["uri"] for one in resources if one["name"] == "text"]
        assert len(uris) == len(set(uris)) == 2 and "fixture://text" in uris
        texts = {client.ask("resources/read", {"uri": uri})["contents"][0]["text"] for uri in uris}
        assert texts == {f"text of {first}", f"text of {second}"}
        read = client.ask("resources/read", {"uri": "fixture://text"})
        assert read["contents"][0]["text"] == f"text of {first}"


def test_an_empty_sandbox_lists_nothing(gateway):
    with gateway.create({}) as sandbox, sandbox.legacy() as client:
        assert client.ask("tools/list")["tools"] == []
        assert client.ask("prompts/list")["prompts"] == []
        with pytest.raises(RPCError):
            client.call("anything")
        assert sandbox.rest("list_tools").json == {"tools": []}


def test_a_server_without_tools(gateway):
    with gateway.create({"none": fixture(new_mark(), "--no-tools"), "e": echo()}) as sandbox:
        assert set(sandbox.tools()) == {"e_echo"}
        assert sandbox.server("none")["state"] == "ready"
