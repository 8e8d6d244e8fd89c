"""Servers that ask their client while they work, between all eras: forms, URLs, models, roots."""

import json
import os
import signal
import socket
import threading
import time
import urllib.parse

import pytest

from support import processes
from support.gateway import CHECKED, FIXTURE, VENVS, fixture, new_mark
from support.http import exchange
from support.mcp import RPCError, text_of
from support.waiting import wait_until

ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
FORM = {"elicitation": {}}
ROOTS = {"roots": [{"uri": "file:///home/me", "name": "home"}]}
MESSAGE = {"role": "assistant", "content": {"type": "text", "text": "because"}, "model": "m"}


def accept(name="me"):
    return {"action": "accept", "content": {"name": name}}


def answer(ask):
    """What a well-meaning client says."""
    if ask["method"] == "elicitation/create":
        return accept() if ask["params"].get("mode") != "url" else {"action": "accept"}
    return MESSAGE if ask["method"] == "sampling/createMessage" else ROOTS


def options(name="fix", **own):
    return {"$gateway": {"servers": {name: own}}}


def told(client, name="fix_asked"):
    return json.loads(client.text(name))


@pytest.fixture(scope="module", params=["legacy", "modern"])
def server(request, gateway):
    made = gateway.create({"fix": fixture(new_mark(), "--era", request.param, *CHECKED)})
    made.era = request.param
    yield made
    assert made.text("fix_mistakes") == "[]"
    made.kill()


@pytest.fixture(params=["legacy", "modern"])
def client(request, server):
    with getattr(server, request.param)(capabilities=ALL) as one:
        one.era = request.param
        yield one


class TestEachQuadrant:
    @pytest.mark.parametrize("said", [accept(), {"action": "decline"}, {"action": "cancel"}])
    def test_a_form(self, client, said):
        message, asked = client.converse("fix_confirm", {"question": "Ready? žluť"}, lambda _: said)
        assert json.loads(text_of(message["result"])) == said
        assert len(asked) == 1
        if client.era == "legacy":
            assert asked[0]["params"]["message"] == "Ready? žluť"
        else:
            (ask,) = asked[0]["inputRequests"].values()
            assert ask["params"]["message"] == "Ready? žluť" and "id" not in ask

    def test_a_url(self, client):
        message, asked = client.converse("fix_visit", {"url": "https://example.test/a"}, answer)
        assert json.loads(text_of(message["result"])) == {"action": "accept"}
        params = asked[0]["params"] if client.era == "legacy" else next(iter(asked[0]["inputRequests"].values()))["params"]
        assert params["url"] == "https://example.test/a" and params["mode"] == "url"
        assert ("elicitationId" in params) == (client.era == "legacy")

    def test_a_model(self, client):
        message, _ = client.converse("fix_think", {"words": "why"}, answer)
        assert json.loads(text_of(message["result"])) == MESSAGE

    def test_roots(self, client):
        message, _ = client.converse("fix_where", {}, answer)
        assert json.loads(text_of(message["result"])) == ROOTS

    def test_several_at_once(self, client):
        message, asked = client.converse("fix_everything", {}, answer)
        assert json.loads(text_of(message["result"])) == {"a": accept(), "b": MESSAGE, "c": ROOTS}
        if client.era == "modern":
            assert len(asked) == 1 and len(asked[0]["inputRequests"]) == 3

    def test_one_after_the_other(self, client):
        message, asked = client.converse("fix_quiz", {"count": 4}, lambda _: accept(f"n{time.monotonic_ns() % 10}"))
        assert len(text_of(message["result"]).split()) == 4 and len(asked) == 4
        if client.era == "modern":
            assert len({one["requestState"] for one in asked}) == 4

    def test_a_client_that_cannot_be_asked(self, server, client):
        with getattr(server, client.era)() as poor:
            if server.era == "modern":
                reply = poor.reply("tools/call", {"name": "fix_confirm", "arguments": {"question": "?"}})
                code, status = (-32021, 400) if client.era == "modern" else (-32602, 200)
                assert (reply.status, reply.json["error"]["code"]) == (status, code)
                assert reply.json["error"]["data"] == {"requiredCapabilities": {"elicitation": {}}}
            else:
                said = text_of(poor.call("fix_confirm", {"question": "?"}))
                assert "-32601" in said and "elicitation" in said


def test_the_progress_of_a_call_that_asks_a_legacy_client(server):
    """A modern one is asked again, in test_progress_of_a_parked_call."""
    notices = []
    params = {"name": "fix_quiz", "arguments": {"count": 2}, "_meta": {"progressToken": "p"}}
    with server.legacy(capabilities=ALL) as client, client.stream("tools/call", params, 5) as stream:
        while (event := stream.next()) is not None:
            if event.json.get("method") == "notifications/progress":
                notices.append(event.json["params"])
            elif "method" in event.json:
                client.give(event.json["id"], accept())
    assert {one["progressToken"] for one in notices} == {"p"} and len(notices) >= 2


def test_a_model_that_fails_ends_the_call_of_a_legacy_client(server):
    with server.legacy(capabilities=ALL) as client:
        message, _ = client.converse("fix_think", {"words": "?"}, lambda _: {"code": -1, "message": "no model"})
        said = text_of(message["result"])
        assert message["result"]["isError"] is True and "no model" in said


def test_a_legacy_client_cancels_while_it_is_asked(server):
    with server.legacy(capabilities=ALL) as client:
        before = int(client.text("fix_cancellations"))
        params = {"name": "fix_confirm", "arguments": {"question": "?"}}
        with client.stream("tools/call", params, "c") as stream:
            asked = stream.next_message("elicitation/create")
            client.notify("notifications/cancelled", {"requestId": "c"})
            assert stream.rest()[-1].json["error"]["code"] == -32800
            client.give(asked["id"], accept())
        if server.era == "legacy":
            wait_until(lambda: int(client.text("fix_cancellations")) > before, 5, "the server has noticed")


def test_a_server_that_wants_to_be_called_again(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern")}) as sandbox:
        for client in (sandbox.legacy(capabilities=ALL), sandbox.modern(capabilities=ALL)):
            with client:
                message, _ = client.converse("fix_again", {"times": 3}, answer)
                assert text_of(message["result"]) == "called 3 times again"


def test_a_legacy_client_is_not_asked_for_ever(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern")}) as sandbox:
        with sandbox.legacy(capabilities=ALL) as client:
            message, asked = client.converse("fix_quiz", {"count": 50}, lambda _: accept())
            assert message["error"]["code"] == -32603 and len(asked) <= 10


def test_a_legacy_client_is_asked_on_its_get_stream_when_the_call_has_none(gateway):
    for era in ("legacy", "modern"):
        with gateway.create({"fix": fixture(new_mark(), "--era", era)}) as sandbox:
            with sandbox.legacy(capabilities=ALL) as client, client.listen() as stream:
                found = {}

                def work(client=client, found=found):
                    body = {"name": "fix_confirm", "arguments": {"question": "?"}}
                    found["reply"] = exchange(
                        client.url, "POST",
                        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": body},
                        client.headers(Accept="application/json"),
                    )  # fmt: skip

                thread = threading.Thread(target=work)
                thread.start()
                client.give(stream.next_message("elicitation/create")["id"], accept())
                thread.join(10)
                assert json.loads(text_of(found["reply"].json["result"])) == accept()


def test_older_revisions_are_asked_in_their_words(server):
    with server.legacy(capabilities=FORM, version="2025-06-18") as client:
        _, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert "mode" not in asked[0]["params"]


# ------------------------------------------------------------------ parked calls (modern client, legacy server)


@pytest.fixture
def parked(gateway):
    """A sandbox with a legacy server, and a call that waits for its client."""
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox, sandbox.modern(capabilities=ALL) as client:
        params = {"name": "fix_confirm", "arguments": {"question": "?"}}
        first = client.reply("tools/call", params).json["result"]
        assert first["resultType"] == "input_required"
        yield sandbox, client, params, first, mark


def back(params, first, said=None, **more):
    (key,) = first["inputRequests"]
    return params | {"requestState": first["requestState"], "inputResponses": {key: said or accept()}} | more


def ask_and_leave(client, question):
    """A call whose client is asked and stays away. What it asked, and with which state."""
    params = {"name": "fix_confirm", "arguments": {"question": question}}
    first = client.reply("tools/call", params).json["result"]
    (ask,) = first["inputRequests"].values()
    assert ask["params"]["message"] == question
    return params, first


@pytest.mark.parametrize("clients", ["modern", "legacy"])
def test_a_question_beside_one_that_waits(gateway, clients):
    """In one process the two could not be told apart."""
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.modern(capabilities=ALL) as one:
        params, first = ask_and_leave(one, "the first")
        with getattr(sandbox, clients)(capabilities=ALL) as other:
            message, asked = other.converse("fix_confirm", {"question": "the second"}, lambda _: accept("second"))
            assert len(asked) == 1 and json.loads(text_of(message["result"])) == accept("second")
        again = one.reply("tools/call", back(params, first, accept("first")))
        assert json.loads(text_of(again.json["result"])) == accept("first")


def test_calls_that_nobody_comes_back_to_keep_nobody_waiting(gateway):
    server = {"fix": fixture(new_mark())} | options(interactive="always")
    with gateway.create(server) as sandbox, sandbox.modern(capabilities=ALL) as client:
        left = [ask_and_leave(client, f"left {number}") for number in range(8)]
        message, asked = client.converse("fix_confirm", {"question": "mine"}, answer)
        assert len(asked) == 1 and json.loads(text_of(message["result"])) == accept()
        # The one that was left first has made room, the others may still come back.
        replies = [client.reply("tools/call", back(params, first)).json for params, first in left]
        assert replies[0]["error"]["code"] == -32602 and "again" in replies[0]["error"]["message"]
        assert all(json.loads(text_of(reply["result"])) == accept() for reply in replies[1:])


def test_a_state_is_good_for_one_round(parked):
    sandbox, client, params, first, _ = parked
    done = client.reply("tools/call", back(params, first)).json
    assert json.loads(text_of(done["result"])) == accept()
    again = client.reply("tools/call", back(params, first))
    assert (again.status, again.json["error"]["code"]) == (400, -32602)
    assert told(client)["runs"] == 1


def test_a_state_that_was_touched_is_refused(parked):
    sandbox, client, params, first, _ = parked
    state = first["requestState"]
    for wrong in (state + "-TAMPERED", state[:-1] + ("A" if state[-1] != "A" else "B"), "g1.", state[:20]):
        reply = client.reply("tools/call", back(params, first, requestState=wrong))
        assert (reply.status, reply.json["error"]["code"]) == (400, -32602), wrong
    assert client.reply("tools/call", back(params, first)).status == 200


def test_a_state_belongs_to_its_request_and_its_sandbox(parked, gateway):
    sandbox, client, params, first, _ = parked
    for other in ({"arguments": {"question": "another"}}, {"name": "fix_visit"}):
        reply = client.reply("tools/call", back(params, first) | other)
        assert reply.json["error"]["code"] == -32602
    with gateway.create({"fix": fixture(new_mark())}) as foreign, foreign.modern(capabilities=ALL) as stranger:
        reply = stranger.reply("tools/call", back(params, first))
        assert (reply.status, reply.json["error"]["code"]) == (400, -32602)
    assert client.reply("tools/call", back(params, first)).status == 200


def test_two_retries_at_once(parked):
    sandbox, client, params, first, _ = parked
    replies = []

    def work():
        with sandbox.modern(capabilities=ALL) as one:
            replies.append(one.reply("tools/call", back(params, first)).json)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted("result" in one for one in replies) == [False, False, False, True]
    assert told(client)["runs"] == 1


@pytest.mark.parametrize("responses", [{}, {"other": accept()}, {"a1": 5}, {"a1": None}, {"a1": {"action": "maybe"}}])
def test_what_is_missing_or_malformed_is_asked_for_again(parked, responses):
    sandbox, client, params, first, _ = parked
    second = client.reply("tools/call", back(params, first, inputResponses=responses)).json["result"]
    assert second["resultType"] == "input_required" and second["inputRequests"] == first["inputRequests"]
    assert second["requestState"] != first["requestState"]
    done = client.reply("tools/call", back(params, second) | {"inputResponses": {**back(params, second)["inputResponses"], "x": 1}})
    assert json.loads(text_of(done.json["result"])) == accept()


def test_a_server_that_dies_while_its_call_is_parked(parked):
    sandbox, client, params, first, mark = parked
    os.kill(processes.server_process(mark), signal.SIGKILL)
    sandbox.wait_state("fix", "ready", 5)
    wait_until(lambda: sandbox.server("fix")["restarts"] == 1, 5, "it was started again")
    reply = client.reply("tools/call", back(params, first))
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)
    assert told(client)["runs"] == 0, "the call was not made again"


def test_a_server_that_dies_while_a_retry_waits(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox, sandbox.modern(capabilities=ALL) as client:
        params = {"name": "fix_quiz", "arguments": {"count": 1}}
        first = client.reply("tools/call", params).json["result"]
        os.kill(processes.server_process(mark), signal.SIGSTOP)
        found = {}
        thread = threading.Thread(target=lambda: found.update(reply=client.reply("tools/call", back(params, first))))
        thread.start()
        with sandbox.modern() as other:
            wait_until(lambda: gateway.metric("calls_in_flight") >= 2, 5, "the retry waits")
            os.kill(processes.server_process(mark), signal.SIGKILL)
            thread.join(10)
            assert found["reply"].json["error"]["code"] == -32603
            other.text("fix_pid")


def test_a_client_that_leaves_while_its_retry_waits(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox, sandbox.modern(capabilities=ALL) as client:
        before = int(client.text("fix_cancellations"))
        params = {"name": "fix_quiz", "arguments": {"count": 2}}
        first = client.reply("tools/call", params).json["result"]
        os.kill(processes.server_process(mark), signal.SIGSTOP)
        body, fields, _ = client.request("tools/call", back(params, first))
        host, port = client.connection.host, client.connection.port
        with socket.create_connection((host, port)) as gone:
            text = json.dumps(body)
            fields |= {"Host": f"{host}:{port}", "Content-Length": str(len(text))}
            path = urllib.parse.urlsplit(client.url).path
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            gone.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n{text}".encode())
            wait_until(lambda: gateway.metric("calls_in_flight") >= 2, 5, "the retry waits")
        wait_until(lambda: gateway.metric("calls_in_flight") < 2, 5, "the gateway has noticed")
        os.kill(processes.server_process(mark), signal.SIGCONT)
        wait_until(lambda: int(client.text("fix_cancellations")) == before + 1, 5, "the server has noticed")
        reply = client.reply("tools/call", back(params, first))
        assert reply.json["error"]["code"] == -32602


def test_a_client_that_leaves_before_it_is_asked(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox, sandbox.modern(capabilities=ALL) as client:
        before = int(client.text("fix_cancellations"))
        stream = client.stream("tools/call", {"name": "fix_sleep", "arguments": {"seconds": 60}}, 3, {"progressToken": 1})
        stream.next_message("notifications/progress")
        stream.close()
        wait_until(lambda: int(client.text("fix_cancellations")) == before + 1, 5, "the server has noticed")


def test_progress_of_a_parked_call(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.modern(capabilities=ALL) as client:
        params = {"name": "fix_quiz", "arguments": {"count": 2}}
        with client.stream("tools/call", params, 1, {"progressToken": "one"}) as stream:
            first = stream.rest()[-1].json["result"]
        second = client.reply("tools/call", back(params, first)).json["result"]
        with client.stream("tools/call", back(params, second), 3, {"progressToken": "three"}) as stream:
            events = [event.json for event in stream.rest()]
        assert text_of(events[-1]["result"]) == "me me"
        assert [one["params"]["progressToken"] for one in events[:-1]] == ["three"] * len(events[:-1])
        assert events[:-1], "the newest notice, or one that came meanwhile"


def test_a_sandbox_that_is_killed_with_a_parked_call(gateway):
    sandbox = gateway.create({"fix": fixture(new_mark())})
    with sandbox.modern(capabilities=ALL) as client:
        assert client.reply("tools/call", {"name": "fix_confirm", "arguments": {"question": "?"}}).status == 200
    assert sandbox.kill().status == 204


def test_a_gateway_that_ends_with_a_parked_call(own_gateway):
    gateway = own_gateway()
    sandbox = gateway.create({"fix": fixture(new_mark())})
    with sandbox.modern(capabilities=ALL) as client:
        assert client.reply("tools/call", {"name": "fix_confirm", "arguments": {"question": "?"}}).status == 200
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 5


def test_a_question_that_the_server_takes_back(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        with sandbox.modern(capabilities=ALL) as client:
            params = {"name": "fix_withdraw", "arguments": {}}
            first = client.reply("tools/call", params).json["result"]
            assert first["resultType"] == "input_required"
            done = client.reply("tools/call", params | {"requestState": first["requestState"], "inputResponses": {}})
            # The question may or may not have been taken back by now.
            while done.json["result"].get("resultType") == "input_required":
                state = done.json["result"]["requestState"]
                done = client.reply("tools/call", params | {"requestState": state})
            assert text_of(done.json["result"]) == "done without an answer"
        with sandbox.legacy(capabilities=ALL) as client:
            with client.stream("tools/call", {"name": "fix_withdraw", "arguments": {}}, 1) as stream:
                asked = stream.next_message("elicitation/create")
                assert stream.next_message("notifications/cancelled")["params"]["requestId"] == asked["id"]
                assert text_of(stream.rest()[-1].json["result"]) == "done without an answer"


def test_a_url_that_must_be_opened_first(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        with sandbox.modern(capabilities=ALL) as client:
            message, asked = client.converse("fix_visits", {}, answer)
            (ask,) = asked[0]["inputRequests"].values()
            assert ask["params"]["url"] == "https://example.test/in" and "elicitationId" not in ask["params"]
            assert text_of(message["result"]) == "run 2"
            message, _ = client.converse("fix_visits", {}, lambda _: {"action": "decline"})
            assert message["result"]["isError"] is True
        with sandbox.modern(capabilities=FORM) as client:
            client.text("fix_visits")
            reply = client.reply("tools/call", {"name": "fix_visits", "arguments": {}})
            assert (reply.status, reply.json["error"]["code"]) == (400, -32021)


# ------------------------------------------------------------------ whose question it is


def test_a_question_with_fifty_calls_in_flight(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--asks-ids")}) as sandbox:
        replies = {}

        def work(number):
            with sandbox.modern(capabilities=ALL) as one:
                replies[number] = one.text("fix_sleep", {"seconds": 1})

        threads = [threading.Thread(target=work, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        with sandbox.modern(capabilities=ALL) as client:
            message, asked = client.converse("fix_confirm", {"question": "?"}, lambda _: accept("fifty"))
            assert json.loads(text_of(message["result"])) == accept("fifty")
            assert len(asked) == 1
        for thread in threads:
            thread.join(30)
        assert set(replies.values()) == {"slept 1 s"} and len(replies) == 50


@pytest.mark.parametrize("seconds", [1, 4])
@pytest.mark.parametrize("interactive", ["auto", "always"])
def test_a_question_of_a_call_that_was_cancelled_is_nobodys(gateway, interactive, seconds):
    """The server goes on with it, and asks while another call is in flight."""
    server = {"fix": fixture(new_mark())} | options(interactive=interactive)
    with gateway.create(server) as sandbox, sandbox.legacy(capabilities=ALL) as client:
        old = {"jsonrpc": "2.0", "id": "old", "method": "tools/call", "params": {"name": "fix_stubborn"}}
        replies = []
        thread = threading.Thread(
            target=lambda: replies.append(exchange(client.url, "POST", old, client.headers()).json)
        )
        thread.start()
        wait_until(lambda: gateway.metric("calls_in_flight") >= 1, 5, "the call is in flight")
        client.notify("notifications/cancelled", {"requestId": "old"})
        thread.join(10)
        assert replies[0]["error"]["code"] == -32800
        message, asked = client.converse("fix_sleep", {"seconds": seconds}, answer)
        assert text_of(message["result"]) == f"slept {seconds} s"
        assert not asked
        message, asked = client.converse("fix_confirm", {"question": "mine"}, answer)
        assert [ask["params"]["message"] for ask in asked] == ["mine"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_question_in_doubt_is_nobodys_when_its_call_is_cancelled(gateway, era):
    """The server ends the call that has asked, which does not mean that the other one has."""
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.modern() as plain:
        with sandbox.legacy(capabilities=ALL) as client, getattr(sandbox, era)(capabilities=ALL) as other:
            other.text("fix_sleep", {"seconds": 0})
            ended = []
            beside = threading.Thread(target=lambda: ended.append(other.converse("fix_sleep", {"seconds": 3}, answer)))
            beside.start()
            wait_until(lambda: gateway.metric("calls_in_flight") >= 1, 5, "the other call is in flight")
            call = {"jsonrpc": "2.0", "id": "c", "method": "tools/call"}
            call["params"] = {"name": "fix_confirm", "arguments": {"question": "whose?"}}
            thread = threading.Thread(target=lambda: exchange(client.url, "POST", call, client.headers()))
            thread.start()
            wait_until(lambda: told(plain)["runs"] == 1, 5, "the tool runs")
            client.notify("notifications/cancelled", {"requestId": "c"})
            thread.join(10)
            beside.join(20)
            ((message, asked),) = ended
            assert text_of(message["result"]) == "slept 3 s" and not asked


@pytest.mark.parametrize("capabilities", [{}, ALL], ids=["unable", "able"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_call_after_one_that_was_cancelled_is_asked_its_own(gateway, era, capabilities):
    """The server answers nothing to what was cancelled, as is right: whether it is still at it cannot be told."""
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, getattr(sandbox, era)(capabilities=ALL) as client:
        with sandbox.modern(capabilities=capabilities) as other:
            stream = other.stream("tools/call", {"name": "fix_sleep", "arguments": {"seconds": 60}}, 1, {"progressToken": 1})
            stream.next_message("notifications/progress")
            stream.close()
            wait_until(lambda: int(client.text("fix_cancellations")) == 1, 5, "the server has noticed")
        message, asked = client.converse("fix_confirm", {"question": "mine"}, answer)
        assert len(asked) == 1 and json.loads(text_of(message["result"])) == accept()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_call_beside_one_that_waits_for_its_client(gateway, era):
    """What is called for the first time may ask too, and gets a process in which that is certainly its own."""
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.legacy(capabilities=ALL) as first:
        params = {"name": "fix_confirm", "arguments": {"question": "first"}}
        with first.stream("tools/call", params, "c") as stream:
            asked = stream.next_message("elicitation/create")
            with getattr(sandbox, era)(capabilities=ALL) as second:
                message, rounds = second.converse("fix_think", {"words": "second"}, answer)
                assert len(rounds) == 1 and json.loads(text_of(message["result"])) == MESSAGE
            first.give(asked["id"], accept())
            assert json.loads(text_of(stream.rest()[-1].json["result"])) == accept()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_many_clients_asked_at_once_get_their_own_questions(gateway, era):
    server = {"fix": fixture(new_mark(), "--asks-ids")} | options(interactive="always")
    with gateway.create(server) as sandbox:
        wrong, right = [], []

        def work(number):
            with getattr(sandbox, era)(capabilities=ALL) as one:
                for turn in range(3):
                    mine = f"{number}-{turn}"

                    def say(ask, mine=mine):
                        if ask["params"]["message"] != mine:
                            wrong.append((mine, ask))
                        return accept(mine)

                    message, _ = one.converse("fix_confirm", {"question": mine}, say)
                    good = "result" in message and json.loads(text_of(message["result"])) == accept(mine)
                    (right if good else wrong).append(message)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong, wrong[:3]
        assert len(right) == 36


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_tool_that_has_asked_before_is_not_mixed_up_with_others(gateway, era):
    """Ten at once in one process would wait for each other: each could be the one that asks."""
    with gateway.create({"fix": fixture(new_mark(), "--asks-ids")}) as sandbox:
        told = []

        def work(number):
            with getattr(sandbox, era)(capabilities=ALL) as one:
                message, _ = one.converse("fix_confirm", {"question": number}, lambda _: accept(number))
                told.append(json.loads(text_of(message["result"]))["content"]["name"])

        work("first")
        threads = [threading.Thread(target=work, args=(str(n),)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(told) == sorted(["first", *map(str, range(10))])


def all_at_once(sandbox, era, count, call):
    """`call(number, client)` of so many clients, made at the same moment."""
    wrong, gate = [], threading.Barrier(count)

    def work(number):
        with getattr(sandbox, era)(capabilities=ALL) as one:
            gate.wait(60)
            try:
                call(number, one)
            except Exception as error:
                wrong.append((number, repr(error)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong, wrong[:3]


ASKING = [("fix_confirm", "question"), ("fix_think", "words"), ("fix_visit", "url")]


@pytest.mark.parametrize("tools", [1, 3])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_fifty_first_calls_of_tools_that_ask(gateway, era, tools):
    """Nobody knows yet that they ask, and one process would ask all at once, without a word of whom."""
    with gateway.create({"fix": fixture(new_mark(), "--asks-ids")}) as sandbox:
        heard = []

        def call(number, one):
            name, argument = ASKING[number % tools]
            mine = f"https://example.test/{number}"

            def say(ask):
                if mine in json.dumps(ask["params"]):
                    heard.append(number)
                return answer(ask)

            message, asked = one.converse(name, {argument: mine}, say)
            assert "result" in message and not message["result"].get("isError"), message
            assert len(asked) == 1, asked

        all_at_once(sandbox, era, 50, call)
        assert sorted(heard) == list(range(50))


def ponders(number, one):
    message, asked = one.converse("fix_ponder", {"question": f"q{number}", "seconds": 2.6}, lambda _: accept(f"a{number}"))
    assert "result" in message, message
    assert json.loads(text_of(message["result"])) == accept(f"a{number}")
    assert len(asked) == 1 and f"q{number}" in json.dumps(asked)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_first_calls_of_a_tool_that_works_before_it_asks(gateway, era):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        all_at_once(sandbox, era, 8, ponders)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_first_calls_whose_first_one_dies_with_its_process(gateway, era):
    """The others wait for it, and are not lost with it; none is made twice."""
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox:
        lost = []

        def call(number, one):
            try:
                ponders(number, one)
            except AssertionError as error:
                lost.append(str(error))

        def kill():
            wait_until(lambda: gateway.metric("calls_in_flight") >= 6, 10, "the calls wait")
            os.kill(processes.server_process(mark), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        all_at_once(sandbox, era, 6, call)
        killer.join(10)
        assert len(lost) == 1 and "ended during the call" in lost[0], lost


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_fifty_first_calls_of_a_real_server_that_asks(own_gateway, era):
    """Without isolation, as a caller's server is shown no directory of the host."""
    gateway = own_gateway(isolation="none", config="allow-custom-servers: true\n")
    python = str(VENVS / "sdk1/bin/python")
    with gateway.create({"ask": {"command": [python, str(FIXTURE.parent / "asking_sdk.py")]}}) as sandbox:
        def call(number, one):
            message, asked = one.converse("ask_confirm", {"question": f"q{number}"}, lambda _: accept(f"a{number}"))
            assert "result" in message, message
            assert text_of(message["result"]) == f"q{number}: a{number}"
            assert len(asked) == 1

        all_at_once(sandbox, era, 50, call)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_first_calls_of_tools_that_ask_nothing_share_one_process(gateway, era):
    with gateway.create({"fix": fixture(new_mark(), "--asks-ids")}) as sandbox:
        processes = []

        def call(number, one):
            assert one.text("fix_sleep", {"seconds": 1}) == "slept 1 s"
            processes.append(told(one)["process"])

        all_at_once(sandbox, era, 20, call)
        assert len(processes) == 20 and len(set(processes)) == 1


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_process_of_its_own_tells_of_changes_too(gateway, era):
    server = {"fix": fixture(new_mark())} | options(interactive="always")
    with gateway.create(server) as sandbox, getattr(sandbox, era)(capabilities=ALL) as client:
        listen = client.listen() if era == "legacy" else client.stream(
            "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "L"
        )
        with listen as stream:
            if era == "modern":
                stream.next()
            client.text("fix_learn", {"name": "new"})
            stream.next_message("notifications/tools/list_changed")


def test_calls_that_ask_nothing_share_one_process(gateway):
    server = {"fix": fixture(new_mark())} | options(interactive="always")
    with gateway.create(server) as sandbox:
        with sandbox.modern() as plain, sandbox.modern(capabilities=ALL) as able, sandbox.legacy(capabilities=ALL) as old:
            assert told(plain)["capabilities"] == {}
            capabilities = told(able)["capabilities"]
            assert set(capabilities) == {"elicitation", "sampling", "roots"}
            assert told(old)["process"] == told(able)["process"] != told(plain)["process"]


def test_a_server_that_checks_what_its_client_can_is_given_such_a_client(gateway):
    server = {"fix": fixture(new_mark(), "--polite")}
    with gateway.create(server) as sandbox, sandbox.modern(capabilities=ALL) as client:
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert not asked and "not support elicitation" in text_of(message["result"])
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert asked and json.loads(text_of(message["result"])) == accept()
    # The next sandbox with the same server need not learn it.
    with gateway.create(server) as sandbox, sandbox.legacy(capabilities=ALL) as client:
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert asked and json.loads(text_of(message["result"])) == accept()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_server_that_demands_a_capability_is_given_a_client_that_has_it(gateway, era):
    """What it has refused is not done again for the client, which is not told that it lacks what it has."""
    with gateway.create({"fix": fixture(new_mark(), "--demanding")}) as sandbox:
        with getattr(sandbox, era)(capabilities=FORM) as client, sandbox.modern() as plain:
            message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
            assert not asked and message["error"]["code"] == -32603
            assert "make the call again" in message["error"]["message"]
            assert told(plain)["runs"] == 1
            message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
            assert len(asked) == 1 and json.loads(text_of(message["result"])) == accept()
            assert told(client)["runs"] == told(plain)["runs"] == 1
            # Who really lacks it is told so.
            message, asked = client.converse("fix_think", {"words": "?"}, answer)
            code = -32602 if era == "legacy" else -32021
            assert (message["error"]["code"], message["error"]["data"]) == (code, {"requiredCapabilities": {"sampling": {}}})


def test_a_server_that_asks_in_the_older_way_gets_a_process_that_can(gateway):
    """It speaks both eras, and is spoken to in the newer one until it has shown that its tools need the older. Calls
    that show it are made again."""
    server = {"fix": fixture(new_mark(), "--era", "dual", "--push-only")}
    with gateway.create(server) as sandbox, sandbox.legacy(capabilities=ALL) as client:
        assert sandbox.server("fix")["era"] == "modern"
        replies = []

        def work(number):
            with sandbox.legacy(capabilities=ALL) as one:
                replies.append(one.converse("fix_confirm", {"question": str(number)}, lambda _: accept(str(number))))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        told = sorted((json.loads(text_of(message["result"]))["content"]["name"], len(asked)) for message, asked in replies)
        assert told == [("0", 1), ("1", 1), ("2", 1)]
        assert sandbox.server("fix")["era"] == "mirror"
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert asked and json.loads(text_of(message["result"])) == accept()
        # A client that declared nothing can be asked nothing, in no era.
        with sandbox.legacy() as plain:
            assert not plain.converse("fix_confirm", {"question": "?"}, answer)[1]
        with sandbox.modern(capabilities=ALL) as other:
            assert "back-channel" in text_of(other.call("fix_confirm", {"question": "?"}))


def test_a_modern_server_that_asks_in_the_older_way_stays_what_it_is(gateway):
    server = {"fix": fixture(new_mark(), "--era", "modern", "--push-only")}
    with gateway.create(server) as sandbox, sandbox.legacy(capabilities=ALL) as client:
        for _ in range(3):
            message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
            assert not asked and "back-channel" in text_of(message["result"])
        found = sandbox.server("fix")
        assert (found["state"], found["era"], found["restarts"]) == ("ready", "modern", 0)


def test_progress_grows_when_a_call_is_made_again(server):
    with server.legacy(capabilities=ALL) as client:
        params = {"name": "fix_quiz", "arguments": {"count": 3}, "_meta": {"progressToken": "p"}}
        told = []
        with client.stream("tools/call", params, 6) as stream:
            while (event := stream.next()) is not None:
                if event.json.get("method") == "notifications/progress":
                    told.append(event.json["params"]["progress"])
                elif "method" in event.json:
                    client.give(event.json["id"], accept())
        assert told == sorted(set(told)) and len(told) >= 3


def test_an_interactive_process_that_dies(gateway):
    mark = new_mark()
    server = {"fix": fixture(mark)} | options(interactive="always")
    with gateway.create(server) as sandbox, sandbox.modern(capabilities=ALL) as client:
        with pytest.raises(RPCError) as error:
            client.call("fix_exit", {"code": 3})
        assert error.value.code == -32603
        assert sandbox.server("fix")["restarts"] == 0
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        assert asked and json.loads(text_of(message["result"])) == accept()


def test_an_answer_goes_to_the_process_that_asked(server):
    """Ids that were never given, or twice, do nothing."""
    with server.legacy(capabilities=ALL) as client:
        for ident in ("gw-1", "gw-999", 1, "x", ""):
            client.give(ident, accept())
        message, asked = client.converse("fix_confirm", {"question": "?"}, answer)
        client.give(asked[0]["id"], accept("again"))
        assert json.loads(text_of(message["result"])) == accept()
        assert asked[0]["id"] not in (0, 1, "1")


def test_an_answer_of_another_session_does_nothing(server):
    with server.legacy(capabilities=ALL) as one, server.legacy(capabilities=ALL) as other:
        params = {"name": "fix_confirm", "arguments": {"question": "?"}}
        with one.stream("tools/call", params, 1) as stream:
            asked = stream.next_message("elicitation/create")
            other.give(asked["id"], accept("thief"))
            one.give(asked["id"], accept("owner"))
            assert json.loads(text_of(stream.rest()[-1].json["result"])) == accept("owner")


def test_plain_http_cannot_be_asked(server):
    reply = server.call("fix_confirm", {"question": "?"})
    if server.era == "legacy":
        assert reply.status == 200 and "elicitation" in reply.body.decode()
    else:
        # It says so itself, being told that the client can be asked nothing.
        assert reply.status == 500 and "elicitation" in reply.body.decode(), reply


def test_a_modern_client_is_told_what_it_lacks(gateway):
    """A legacy server that fails for want of a capability: -32021 names it."""
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.modern(capabilities=FORM) as client:
        message, asked = client.converse("fix_think", {"words": "?"}, answer)
        assert not asked and "sampling" in text_of(message["result"])
