"""Tools that their servers run as tasks, in either dialect, for clients that know no tasks."""

import contextlib
import json
import threading

import pytest

from support.gateway import CHECKED, Gateway, fixture, new_mark
from support.mcp import RPCError, text_of
from support.remote import Hosted
from support.waiting import wait_until

FORM = {"elicitation": {}}
ACCEPT = {"action": "accept", "content": {"name": "me"}}


ALLOWED = "allow-private-remotes: [127.0.0.1]\nallow-custom-servers: true\n"


@pytest.fixture(scope="module")
def lenient(scratch):
    with Gateway(scratch / "tasks", config=ALLOWED) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=[(era, place) for era in ("legacy", "modern") for place in ("stdio", "http")], ids="-".join)
def server(request, lenient):
    era, place = request.param
    flags = ("--era", era, "--tasks", *CHECKED)
    with contextlib.ExitStack() as stack:
        made = fixture(new_mark(), *flags) if place == "stdio" else {"url": stack.enter_context(Hosted(*flags)).url}
        sandbox = stack.enter_context(lenient.create({"fix": made}))
        sandbox.wait_state("fix", "ready")
        sandbox.era = era
        yield sandbox
        assert sandbox.text("fix_mistakes") == "[]"


@pytest.fixture(params=["legacy", "modern"])
def client(request, server):
    with getattr(server, request.param)(capabilities=FORM) as one:
        one.era = request.param
        yield one


def test_a_task_is_a_call_like_any(client):
    assert text_of(client.call("fix_slow", {"steps": 3})) == "3 slow steps"


def test_over_plain_http(server):
    assert server.text("fix_slow", {"steps": 1}) == "1 slow steps"


def test_what_the_server_says_meanwhile_is_progress(client):
    params = {"name": "fix_slow", "arguments": {"steps": 3}}
    meta = {"progressToken": "p"}
    stream = (
        client.stream("tools/call", params, 1, meta)
        if client.era == "modern"
        else client.stream("tools/call", params | {"_meta": meta}, 1)
    )
    with stream:
        events = [event.json for event in stream.rest()]
    notices, last = [event["params"] for event in events[:-1]], events[-1]
    assert text_of(last["result"]) == "3 slow steps"
    assert {notice["progressToken"] for notice in notices} == {"p"}
    assert [notice["progress"] for notice in notices] == list(range(1, len(notices) + 1))
    assert "step 3" in [notice["message"] for notice in notices]


def test_a_task_that_fails(client):
    with pytest.raises(RPCError) as error:
        client.call("fix_slow_fail")
    assert (error.value.code, error.value.data) == (-31998, {"kept": True})


@pytest.mark.parametrize("said", [ACCEPT, {"action": "decline"}])
def test_a_task_that_asks(client, said):
    message, asked = client.converse("fix_slow_confirm", {"question": "Ready?"}, lambda _: said)
    assert json.loads(text_of(message["result"])) == said and len(asked) == 1


def test_a_task_that_asks_what_the_client_cannot(client):
    result = client.call("fix_slow_think", {"words": "why"})
    assert result["isError"] is True and "sampling" in text_of(result)


def test_cancellation_reaches_the_task(server, client):
    before = int(client.text("fix_cancellations"))
    params = {"name": "fix_slow_forever", "arguments": {}}
    meta = {"progressToken": 1}
    if client.era == "modern":
        stream = client.stream("tools/call", params, "c", meta)
        stream.next_message("notifications/progress")
        stream.close()
    else:
        stream = client.stream("tools/call", params | {"_meta": meta}, "c")
        stream.next_message("notifications/progress")
        client.notify("notifications/cancelled", {"requestId": "c"})
        stream.close()
    wait_until(lambda: int(client.text("fix_cancellations")) > before, 5, "the task is cancelled")


def test_many_tasks_at_once(server):
    found = {}

    def work(number):
        with server.modern() as client:
            found[number] = client.text("fix_slow", {"steps": number % 3 + 1})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {number: f"{number % 3 + 1} slow steps" for number in range(30)}


def test_a_server_that_dies_with_its_task(gateway):
    for era in ("legacy", "modern"):
        with gateway.create({"fix": fixture(new_mark(), "--era", era, "--tasks")}) as sandbox:
            with sandbox.legacy() as client:
                params = {"name": "fix_slow_forever", "arguments": {}, "_meta": {"progressToken": 1}}
                with client.stream("tools/call", params, 1) as stream:
                    stream.next_message("notifications/progress")
                    client.reply("tools/call", {"name": "fix_exit", "arguments": {"code": 3}})
                    assert stream.rest()[-1].json["error"]["code"] == -32603


def test_tools_beside_those_with_tasks_are_called_as_ever(gateway):
    with gateway.create({"fix": fixture(new_mark(), "--era", "modern", "--tasks")}) as sandbox:
        with sandbox.modern() as client:
            assert client.text("fix_add", {"a": 1, "b": 2}) == "3"
