"""Streams of sessions that break and are taken up again with `Last-Event-ID` (2025-03-26 and later)."""

import json
import subprocess

import pytest

from support.cutter import Cutter
from support.gateway import HERE, VENVS, fixture, new_mark
from support.mcp import text_of
from support.waiting import wait_until

TEXT = "fixture://text"
UPDATED = "notifications/resources/updated"


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    made = gateway.create({"fix": fixture(new_mark(), "--era", request.param)})
    yield made
    made.kill()


def sleep(client, ident, seconds=1):
    params = {"name": "fix_sleep", "arguments": {"seconds": seconds}, "_meta": {"progressToken": ident}}
    return client.stream("tools/call", params, ident)


def test_a_call_is_taken_up_where_it_was(server):
    with server.legacy() as client:
        with sleep(client, "c") as stream:
            first = stream.next()
        assert first.json["params"]["progress"] == 0
        with client.listen(after=first.ident) as again:
            events = again.rest()
        steps = [event.json["params"]["progress"] for event in events[:-1]]
        assert steps == list(range(1, 10))
        assert events[-1].json["id"] == "c" and text_of(events[-1].json["result"]) == "slept 1 s"
        assert len({event.ident for event in [first, *events]}) == len(events) + 1


def test_a_call_that_is_over_is_told_again(server):
    with server.legacy() as client:
        params = {"name": "fix_progress", "arguments": {"count": 3}, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, 1) as stream:
            events = stream.rest()
        for missed, event in enumerate(events):
            with client.listen(after=event.ident) as again:
                assert [one.json for one in again.rest()] == [one.json for one in events[missed + 1 :]]
        with client.listen(after=stream.primed[0]) as again:
            assert [one.ident for one in again.rest()] == [one.ident for one in events]


def test_streams_are_not_mixed_up(server):
    with server.legacy() as client:
        with sleep(client, "a") as one, sleep(client, "b") as two:
            left, right = one.next(), two.next()
        with client.listen(after=right.ident) as again:
            assert again.rest()[-1].json["id"] == "b"
        with client.listen(after=left.ident) as again:
            events = [event.json for event in again.rest()]
            assert events[-1]["id"] == "a"
            assert {event["params"]["progressToken"] for event in events[:-1]} == {"a"}


def test_a_question_waits_for_its_client(server):
    with server.legacy(capabilities={"elicitation": {}}) as client:
        params = {"name": "fix_quiz", "arguments": {"count": 2}, "_meta": {"progressToken": "q"}}
        with client.stream("tools/call", params, "q") as stream:
            asked = stream.next_message("elicitation/create")
            primed = stream.primed[0]
        client.give(asked["id"], {"action": "accept", "content": {"name": "x"}})
        with client.listen(after=primed) as again:
            assert again.next_message("elicitation/create")["id"] == asked["id"]
            asked = again.next_message("elicitation/create")
            client.give(asked["id"], {"action": "accept", "content": {"name": "y"}})
            assert text_of(again.rest()[-1].json["result"]) == "x y"


def test_only_2025_11_25_is_primed(server):
    for version, primes in (("2025-11-25", 1), ("2025-06-18", 0), ("2025-03-26", 0)):
        with server.legacy(version=version) as client:
            with client.listen() as stream, sleep(client, 1, 0.1) as call:
                events = call.rest()
                assert all(event.ident for event in events)
                assert (len(call.primed), len(stream.primed)) == (primes, primes)
                assert (call.retry is not None, stream.retry is not None) == (bool(primes), bool(primes))
            with client.listen(after=events[0].ident) as again:
                assert len(again.rest()) == len(events) - 1


def test_2024_11_05_has_no_ids(server):
    with server.legacy(version="2024-11-05") as client, sleep(client, 1, 0.1) as call:
        assert not any(event.ident for event in call.rest()) and not call.primed


def test_the_get_stream_is_taken_up(server):
    with server.legacy() as client:
        client.ask("resources/subscribe", {"uri": TEXT})
        with client.listen() as stream:
            for number in range(3):
                client.text("fix_touch", {"uri": f"{TEXT}/{number}"})
                assert stream.next_message(UPDATED)["params"]["uri"] == f"{TEXT}/{number}"
            primed = stream.primed[0]
        client.text("fix_touch", {"uri": f"{TEXT}/late"})
        with client.listen(after=primed) as again:
            uris = [again.next_message(UPDATED)["params"]["uri"] for _ in range(4)]
            assert uris == [f"{TEXT}/0", f"{TEXT}/1", f"{TEXT}/2", f"{TEXT}/late"]
            client.text("fix_touch", {"uri": TEXT})
            assert again.next_message(UPDATED)["params"]["uri"] == TEXT


def test_what_was_never_said_is_refused(server):
    with server.legacy() as client, server.legacy() as foreign:
        with sleep(client, 1, 0.1) as call:
            ident = call.rest()[0].ident
        for wrong in ("nonsense", ident + "9", "zz-" + ident, ident.rsplit("-", 1)[0] + "-99999999999999999999"):
            with client.listen(after=wrong) as stream:
                assert stream.status == 400
        with foreign.listen(after=ident) as stream:
            assert stream.status == 400


def test_a_get_stream_outlives_the_gateway(server):
    """Its ids were of a gateway that is no more; its client gets a stream all the same."""
    with server.legacy() as client:
        with client.listen() as stream:
            wait_until(lambda: stream.primed, 5, "the stream is primed")
        _, number, event = stream.primed[0].split("-")
        with client.listen(after=f"older-{number}-{event}") as again:
            assert again.status == 200
            client.ask("resources/subscribe", {"uri": TEXT})
            client.text("fix_touch", {"uri": TEXT})
            assert again.next_message(UPDATED)["params"]["uri"] == TEXT


def test_a_result_too_large_to_be_kept_says_so(server):
    with server.legacy() as client:
        arguments = {"count": 1, "size": 2_000_000}
        params = {"name": "fix_progress", "arguments": arguments, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, "big") as stream:
            events = stream.rest()
        assert len(text_of(events[-1].json["result"])) > 2_000_000
        with client.listen(after=events[0].ident) as again:
            (answer,) = [event.json for event in again.rest()]
        assert answer["id"] == "big" and answer["error"]["code"] == -32603


@pytest.mark.parametrize("environment", ["sdk1", "sdk2"])
def test_official_clients_come_back(server, environment):
    """The connection of a call is cut; the client takes the stream up again by itself."""
    with Cutter(server.url) as cutter:
        command = [VENVS / environment / "bin/python", HERE / "clients/resume.py", cutter.url, server.token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            try:
                assert client.stdout.readline() == "progress\n"
                cutter.cut()
                out, errors = client.communicate(timeout=60)
            finally:
                client.kill()
        assert client.returncode == 0, errors[-3000:]
        assert json.loads(out.splitlines()[-1]) == {"said": "slept 3 s"}
        assert cutter.cuts >= 1
