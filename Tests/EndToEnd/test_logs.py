"""Log messages between all eras: each client gets those that it asked for, and servers tell no more than is wanted."""

import json
import threading

import pytest

from support.gateway import fixture, new_mark
from support.mcp import META, text_of
from support.waiting import wait_until

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
LOG = {"name": "fix_log", "arguments": {}}


@pytest.fixture(params=["legacy", "modern"])
def server(request, gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", request.param)}) as made:
        made.era = request.param
        yield made


def told(client):
    return json.loads(client.text("fix_asked"))["level"]


def messages(stream):
    events = [event.json for event in stream.rest()]
    assert "result" in events[-1], events
    return [event["params"] for event in events[:-1] if event["method"] == "notifications/message"]


def heard(client, level=None, **arguments):
    """The levels of what one call says to a client; `level` is that of a request of 2026-07-28."""
    params = {"name": "fix_log", "arguments": arguments}
    meta = {META + "logLevel": level}
    stream = client.stream("tools/call", params, "l", meta) if level else client.stream("tools/call", params, "l")
    with stream:
        return [one["level"] for one in messages(stream)]


class TestSessions:
    @pytest.mark.parametrize("level", ["debug", "warning", "emergency"])
    def test_from_their_level_on(self, server, level):
        with server.legacy() as client:
            assert client.ask("logging/setLevel", {"level": level}) == {}
            assert heard(client) == LEVELS[LEVELS.index(level) :]
            assert told(client) == level

    def test_nothing_without_one(self, server):
        with server.legacy() as loud, server.legacy() as client:
            loud.ask("logging/setLevel", {"level": "debug"})
            assert heard(client) == []

    def test_each_has_its_own(self, server):
        with server.legacy() as one, server.legacy() as two:
            one.ask("logging/setLevel", {"level": "debug"})
            two.ask("logging/setLevel", {"level": "error"})
            assert heard(one) == LEVELS and heard(two) == LEVELS[4:]
            one.ask("logging/setLevel", {"level": "alert"})
            assert heard(one) == LEVELS[6:] and heard(two) == LEVELS[4:]

    def test_a_level_that_is_none(self, server):
        with server.legacy() as client:
            for params in ({"level": "loud"}, {"level": 3}, {}):
                reply = client.reply("logging/setLevel", params)
                assert reply.json["error"]["code"] == -32602


class TestRequests:
    @pytest.mark.parametrize("level", ["debug", "warning", "emergency"])
    def test_from_their_level_on(self, server, level):
        with server.modern() as client:
            assert heard(client, level) == LEVELS[LEVELS.index(level) :]

    def test_nothing_without_one(self, server):
        with server.modern() as client:
            assert heard(client, "debug") == LEVELS
            assert heard(client) == []

    def test_a_level_that_is_none(self, server):
        with server.modern() as client:
            reply = client.reply("tools/call", LOG, meta={META + "logLevel": "loud"})
            assert (reply.status, reply.json["error"]["code"]) == (400, -32602)


def test_an_older_server_is_set_to_the_most_verbose_wish(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.legacy() as one, sandbox.legacy() as two:
        assert told(one) is None
        one.ask("logging/setLevel", {"level": "error"})
        assert told(one) == "error"
        two.ask("logging/setLevel", {"level": "notice"})
        one.ask("logging/setLevel", {"level": "alert"})
        assert told(one) == "notice"
        with sandbox.modern() as modern:
            assert heard(modern, "info") == LEVELS[1:]
            assert told(modern) == "info"


def test_a_server_that_starts_anew_is_told_again(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.legacy() as client:
        client.ask("logging/setLevel", {"level": "critical"})
        before = json.loads(client.text("fix_asked"))["process"]
        client.reply("tools/call", {"name": "fix_exit", "arguments": {"code": 3}})
        wait_until(lambda: sandbox.server("fix")["restarts"] == 1, 10, "it has started again")
        now = json.loads(client.text("fix_asked"))
        assert now["process"] != before and now["level"] == "critical"
        assert heard(client) == LEVELS[5:]


def test_what_a_server_says_unasked_goes_to_the_streams_of_sessions(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        with sandbox.legacy() as quiet, sandbox.legacy() as loud:
            loud.ask("logging/setLevel", {"level": "info"})
            with quiet.listen() as to_quiet, loud.listen() as to_loud:
                quiet.text("fix_later", {"said": "by and by"})
                assert to_loud.next_message("notifications/message")["params"]["data"] == "by and by"
                quiet.text("fix_learn", {"name": "more"})
                to_quiet.next_message("notifications/tools/list_changed")
                assert to_quiet.events.empty()


def chat(client, number, found):
    params = {"name": "fix_chatter", "arguments": {"said": f"of {number}", "count": 15}}
    modern = client.session if hasattr(client, "session") else None
    stream = (
        client.stream("tools/call", params, 1)
        if modern
        else client.stream("tools/call", params, 1, {META + "logLevel": "debug"})
    )
    with stream:
        found[number] = {one["data"] for one in messages(stream)}


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_calls_at_once_hear_nothing_of_each_other(server, client):
    clients = [getattr(server, client)() for _ in range(12)]
    if client == "legacy":
        for one in clients:
            one.ask("logging/setLevel", {"level": "debug"})
    found = {}
    threads = [threading.Thread(target=chat, args=(one, number, found)) for number, one in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for one in clients:
        one.close()
    assert len(found) == 12
    for number, said in found.items():
        assert said <= {f"of {number}"}, found
    if server.era == "modern":
        assert any(found.values()), "one at a time may ask"


def test_a_request_that_asked_while_another_did_is_not_told_what_is_not_its_own(server):
    """And once it is alone it is told again."""
    with server.modern() as one, server.modern() as two:
        params = {"name": "fix_sleep", "arguments": {"seconds": 60}, "_meta": {}}
        meta = {META + "logLevel": "debug", "progressToken": 1}
        with one.stream("tools/call", params, 1, meta) as asleep:
            asleep.next_message("notifications/progress")
            assert heard(two, "debug") == []
        wait_until(lambda: heard(two, "debug") == LEVELS, 5, "it is alone")


def test_an_old_process_that_asks_logs_to_its_own_call(gateway):
    """Where the server has processes for one call each, its messages are that call's, however many there are."""
    options = {"$gateway": {"servers": {"fix": {"interactive": "always"}}}}
    form = {"elicitation": {}}
    with gateway.create({"fix": fixture(new_mark())} | options) as sandbox:
        clients = [sandbox.legacy(capabilities=form) for _ in range(3)]
        for one in clients:
            one.ask("logging/setLevel", {"level": "debug"})
        found = {}
        threads = [threading.Thread(target=chat, args=(one, number, found)) for number, one in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for one in clients:
            one.close()
        assert found == {number: {f"of {number}"} for number in range(3)}


def test_plain_http_is_told_nothing(server):
    reply = server.call("fix_log")
    assert reply.status == 200 and text_of(reply.json) == "logged"
