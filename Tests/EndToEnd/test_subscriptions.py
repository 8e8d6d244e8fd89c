"""Changes that servers tell of: subscriptions to resources and lists, between all eras, and streams that end."""

import json
import subprocess

import pytest

from support.gateway import CHECKED, HERE, VENVS, fixture, new_mark
from support.mcp import META, RPCError
from support.waiting import wait_until

UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"
TEXT, BINARY = "fixture://text", "fixture://binary"


def asked(client, name="fix"):
    return json.loads(client.text(f"{name}_asked"))


class Watcher:
    """A client of either era that subscribes and hears."""

    def __init__(self, sandbox, era, uris=(), **lists):
        self.era, self.sandbox = era, sandbox
        self.client = getattr(sandbox, era)()
        if era == "legacy":
            self.stream = self.client.listen()
            self.acknowledged = None
            for uri in uris:
                assert self.client.ask("resources/subscribe", {"uri": uri}) == {}
        else:
            filter = lists | ({"resourceSubscriptions": list(uris)} if uris else {})
            self.stream = self.client.stream("subscriptions/listen", {"notifications": filter}, "L")
            first = self.stream.next().json
            assert first["method"] == "notifications/subscriptions/acknowledged"
            self.acknowledged = first["params"]["notifications"]

    def hears(self, method=UPDATED):
        """The params of the next message, which must be of this method."""
        message = self.stream.next().json
        assert message["method"] == method, message
        params = message.get("params", {})
        if self.era == "modern":
            assert params.pop("_meta") == {META + "subscriptionId": "L"}
        else:
            assert "_meta" not in params
        return params

    def close(self):
        self.stream.close()
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    made = gateway.create({"fix": fixture(new_mark(), "--era", request.param, *CHECKED)})
    made.era = request.param
    yield made
    assert made.text("fix_mistakes") == "[]"
    made.kill()


@pytest.fixture
def other(server):
    with server.legacy() as client:
        yield client


@pytest.mark.parametrize("era", ["legacy", "modern"])
class TestEachQuadrant:
    def test_a_change_is_told_to_who_watches_it(self, server, other, era):
        with Watcher(server, era, [TEXT]) as one, Watcher(server, era, [BINARY]) as two:
            other.text("fix_touch", {"uri": TEXT})
            assert one.hears() == {"uri": TEXT}
            other.text("fix_touch", {"uri": BINARY})
            assert two.hears() == {"uri": BINARY}
            other.text("fix_touch", {"uri": TEXT})
            assert one.hears() == {"uri": TEXT}

    def test_a_resource_that_no_list_names(self, server, other, era):
        with Watcher(server, era, ["fixture://item/7"]) as watcher:
            other.text("fix_touch", {"uri": "fixture://item/7"})
            assert watcher.hears() == {"uri": "fixture://item/7"}

    def test_a_part_of_what_is_watched(self, server, other, era):
        with Watcher(server, era, [TEXT]) as watcher:
            other.text("fix_touch", {"uri": TEXT, "parts": 3})
            assert sorted(watcher.hears()["uri"] for _ in range(3)) == [f"{TEXT}/{n}" for n in range(3)]

    def test_changes_of_lists(self, gateway, server, era):
        with gateway.create({"fix": fixture(new_mark(), "--era", server.era)}) as sandbox:
            with Watcher(sandbox, era, toolsListChanged=True) as watcher:
                sandbox.text("fix_learn", {"name": "news"})
                watcher.hears(TOOLS_CHANGED)
                assert "fix_news" in watcher.client.tools()

    def test_the_server_is_told_once_and_untold_when_the_last_has_left(self, server, other, era):
        uri = f"fixture://item/{era}"
        with Watcher(server, era, [uri]), Watcher(server, era, [uri]):
            assert uri in asked(other)["watched"]
        wait_until(lambda: uri not in asked(other)["watched"] or era == "legacy", 10, "the server is told")

    def test_a_server_that_comes_back_is_told_again(self, gateway, server, era):
        with gateway.create({"fix": fixture(new_mark(), "--era", server.era)}) as sandbox:
            with Watcher(sandbox, era, [TEXT]) as watcher, sandbox.legacy() as other:
                with pytest.raises(RPCError):
                    other.call("fix_exit", {"code": 3})
                # What changed meanwhile is not known
                while watcher.stream.next().json["method"] != UPDATED:
                    pass
                wait_until(lambda: TEXT in asked(other)["watched"], 10, "the new process knows")
                other.text("fix_touch", {"uri": TEXT})
                watcher.hears()

    def test_a_uri_that_two_servers_have(self, gateway, server, era):
        servers = {name: fixture(new_mark(), "--era", server.era) for name in ("one", "two")}
        with gateway.create(servers) as sandbox, sandbox.legacy() as other:
            mapped = next(
                one["uri"] for one in other.ask("resources/list")["resources"] if one["uri"].startswith("mcpgw+two")
            )
            with Watcher(sandbox, era, [TEXT]) as first, Watcher(sandbox, era, [mapped]) as second:
                changed = "fixture://text" if "text" in mapped else "fixture://binary"
                other.text("two_touch", {"uri": changed})
                assert second.hears() == {"uri": mapped}
                other.text("one_touch", {"uri": TEXT})
                assert first.hears() == {"uri": TEXT}

    def test_a_server_that_does_not_tell(self, gateway, server, era):
        with gateway.create({"fix": fixture(new_mark(), "--era", server.era, "--no-watch")}) as sandbox:
            if era == "modern":
                with Watcher(sandbox, era, [TEXT], toolsListChanged=True) as watcher:
                    assert watcher.acknowledged == {"toolsListChanged": True}
                discovered = watcher.client.ask("server/discover")
                assert "subscribe" not in discovered["capabilities"]["resources"]
            else:
                with sandbox.legacy() as client:
                    assert "subscribe" not in client.hello["capabilities"]["resources"]
                    with pytest.raises(RPCError) as error:
                        client.ask("resources/subscribe", {"uri": TEXT})
                    assert error.value.code == -32602

    def test_a_server_that_refuses_one_resource(self, gateway, server, era):
        flags = ("--era", server.era, "--refuse-watch", BINARY)
        with gateway.create({"fix": fixture(new_mark(), *flags)}) as sandbox, sandbox.legacy() as other:
            if era == "modern":
                with Watcher(sandbox, era, [BINARY, TEXT]) as watcher:
                    assert watcher.acknowledged == {"resourceSubscriptions": [TEXT]}
                    other.text("fix_touch", {"uri": TEXT})
                    assert watcher.hears() == {"uri": TEXT}
            else:
                with Watcher(sandbox, era, [TEXT]) as watcher:
                    with pytest.raises(RPCError):
                        watcher.client.ask("resources/subscribe", {"uri": BINARY})
                    other.text("fix_touch", {"uri": TEXT})
                    assert watcher.hears() == {"uri": TEXT}


def test_both_eras_hear_the_same_change_once(server, other):
    with Watcher(server, "legacy", [TEXT]) as old, Watcher(server, "modern", [TEXT]) as new:
        for uri in (TEXT, TEXT, TEXT):
            other.text("fix_touch", {"uri": uri})
            assert (old.hears(), new.hears()) == ({"uri": TEXT}, {"uri": TEXT})


def test_what_is_unknown_is_not_acknowledged(server):
    with Watcher(server, "modern", ["nowhere://x", TEXT], promptsListChanged=True, toolsListChanged=False) as watcher:
        assert watcher.acknowledged == {"promptsListChanged": True, "resourceSubscriptions": [TEXT]}


def test_a_session_cannot_subscribe_to_what_is_unknown(server, other):
    with pytest.raises(RPCError) as error:
        other.ask("resources/subscribe", {"uri": "nowhere://x"})
    assert (error.value.code, error.value.data) == (-32002, {"uri": "nowhere://x"})


def test_unsubscribed_is_unheard(server, other):
    with Watcher(server, "legacy", [TEXT, BINARY]) as watcher:
        assert watcher.client.hello["capabilities"]["resources"]["subscribe"] is True
        assert watcher.client.ask("resources/unsubscribe", {"uri": TEXT}) == {}
        other.text("fix_touch", {"uri": TEXT})
        other.text("fix_touch", {"uri": BINARY})
        assert watcher.hears() == {"uri": BINARY}


def test_a_session_without_a_stream_hears_of_it_when_it_opens_one(server, other):
    with server.legacy() as client:
        client.ask("resources/subscribe", {"uri": TEXT})
        for _ in range(3):
            other.text("fix_touch", {"uri": TEXT})
        with client.listen() as stream:
            assert stream.next().json["params"] == {"uri": TEXT}
            other.text("fix_touch", {"uri": BINARY})
            client.ask("resources/subscribe", {"uri": BINARY})
            other.text("fix_touch", {"uri": BINARY})
            assert stream.next().json["params"] == {"uri": BINARY}


def test_a_session_that_ends_watches_nothing(server, other):
    with server.legacy() as client:
        client.ask("resources/subscribe", {"uri": "fixture://item/ended"})
        assert "fixture://item/ended" in asked(other)["watched"]
        client.delete()
        wait_until(lambda: "fixture://item/ended" not in asked(other)["watched"], 12, "the server is told")


def test_a_session_of_2024_has_no_ids(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        with sandbox.legacy(version="2024-11-05") as client, client.listen() as stream:
            client.ask("resources/subscribe", {"uri": TEXT})
            client.text("fix_touch", {"uri": TEXT})
            event = stream.next()
            assert event.json["params"] == {"uri": TEXT} and not event.ident and not stream.primed


def test_one_listen_request_at_a_server_for_all(gateway):
    """The old one ends only when the new one is acknowledged; then there is one again."""
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern")}) as sandbox, sandbox.legacy() as other:
        uris = [f"fixture://item/{number}" for number in range(8)]
        watchers = [Watcher(sandbox, "modern", [uri], toolsListChanged=True) for uri in uris]
        try:
            wait_until(lambda: asked(other)["listens"] == 1, 10, "one listen request is left")
            assert asked(other)["watched"] == uris
            for watcher, uri in zip(watchers, uris):
                other.text("fix_touch", {"uri": uri})
                assert watcher.hears() == {"uri": uri}
            other.text("fix_learn", {"name": "news"})
            for watcher in watchers:
                watcher.hears(TOOLS_CHANGED)
        finally:
            for watcher in watchers:
                watcher.close()


def test_a_listen_stream_that_the_server_ends_is_opened_again(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern")}) as sandbox, sandbox.legacy() as other:
        with Watcher(sandbox, "modern", [TEXT]) as watcher:
            other.text("fix_hang_up")
            # What changed meanwhile is not known
            assert watcher.hears() == {"uri": TEXT}
            assert asked(other) | {"watched": [TEXT], "listens": 1} == asked(other)
            other.text("fix_touch", {"uri": TEXT})
            assert watcher.hears() == {"uri": TEXT}


def test_a_burst_of_changes_reaches_a_reader_that_keeps_up(server, other):
    with Watcher(server, "modern", [TEXT]) as watcher:
        other.text("fix_touch", {"uri": TEXT, "parts": 1000})
        assert {watcher.hears()["uri"] for _ in range(1000)} == {f"{TEXT}/{number}" for number in range(1000)}


def test_a_reader_that_falls_behind_ends_its_listen_stream_in_good_order(server, other):
    wanted = {"notifications": {"resourceSubscriptions": [TEXT]}}
    with server.modern() as client, client.stream("subscriptions/listen", wanted, "L", is_lazy=True) as stream:
        # More than the sockets in between hold
        for _ in range(10):
            other.text("fix_touch", {"uri": TEXT, "parts": 10000})
        stream.read()
        events = [event.json for event in stream.rest()]
        end = {"resultType": "complete", "_meta": {META + "subscriptionId": "L"}}
        assert events[-1] == {"jsonrpc": "2.0", "id": "L", "result": end}
        # Those that came in one breath with too many are not told.
        assert {event["method"] for event in events[1:-1]} <= {UPDATED}


def test_what_a_listen_stream_waits_for_is_no_call_in_flight(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern")}) as sandbox:
        with Watcher(sandbox, "modern", [TEXT], toolsListChanged=True):
            wait_until(lambda: gateway.metric("calls_in_flight") == 0, 10, "nothing is in flight")
            assert json.loads(sandbox.text("fix_asked"))["listens"] == 1


@pytest.mark.parametrize(
    ("environment", "mode"), [("sdk1", "legacy"), ("sdk2", "legacy"), ("sdk2", "auto")], ids=lambda value: value
)
def test_official_clients_hear_of_changes(server, environment, mode):
    command = [VENVS / environment / "bin/python", HERE / "clients/subscribe.py", server.url, server.token, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"heard": [TEXT, BINARY]}
