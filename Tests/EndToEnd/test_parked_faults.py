"""What goes wrong while a call waits for its client: it ends in an answer or an error, and nothing is done twice."""

import json
import os
import signal
import threading

import pytest

from support import processes
from support.gateway import fixture, new_mark
from support.http import exchange
from support.mcp import text_of
from support.old import Old
from support.waiting import wait_until

ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
ACCEPT = {"action": "accept", "content": {"name": "me"}}
PARAMS = {"name": "fix_confirm", "arguments": {"question": "?"}}
SERVERS = ["legacy", "modern"]


def runs(sandbox):
    """How often the tool ran, in the processes that share calls."""
    with sandbox.modern() as client:
        return json.loads(client.text("fix_asked"))["runs"]


def ask(client):
    """A call whose client is being asked: its stream, and the question."""
    stream = client.stream("tools/call", PARAMS, "c")
    return stream, stream.next_message("elicitation/create")


@pytest.mark.parametrize("era", SERVERS)
@pytest.mark.parametrize("transport", ["stream", "old"])
def test_a_server_dies_while_a_session_is_asked(gateway, era, transport):
    """A server of 2026-07-28 has ended the call by asking: its next process takes it up. With another, the call is
    lost."""
    from support.old import Old

    mark = new_mark()
    with gateway.create({"fix": fixture(mark, "--era", era)}) as sandbox:
        client = sandbox.legacy(capabilities=ALL) if transport == "stream" else Old(sandbox, capabilities=ALL)
        with client:
            if transport == "stream":
                stream, asked = ask(client)
            else:
                client.send("tools/call", PARAMS, "c")
                asked = client.next()
            os.kill(processes.server_process(mark), signal.SIGKILL)
            wait_until(lambda: sandbox.server("fix")["restarts"] == 1, 10, "it was started again")
            sandbox.wait_state("fix", "ready")
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT}
            if transport == "stream":
                assert client.post(answer).status == 202
                last = stream.rest()[-1].json
                stream.close()
            else:
                client.post(answer)
                last = client.answer("c")
            if era == "legacy":
                assert last["error"]["code"] == -32603
                assert runs(sandbox) == 0, "the call was not made again"
            else:
                assert json.loads(text_of(last["result"])) == ACCEPT
                assert runs(sandbox) == 1


@pytest.mark.parametrize("era", SERVERS)
def test_a_session_ends_while_it_is_asked(gateway, era):
    """Its answer comes too late, and finds nothing."""
    with gateway.create({"fix": fixture(new_mark(), "--era", era)}) as sandbox:
        client = sandbox.legacy(capabilities=ALL)
        stream, asked = ask(client)
        assert client.delete().status == 200
        assert stream.rest()[-1].json["error"]["code"] == -32800
        reply = client.post({"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT})
        assert reply.status == 404
        stream.close()
        client.close()
        assert runs(sandbox) == 1
        with sandbox.legacy(capabilities=ALL) as other:
            message, _ = other.converse("fix_confirm", {"question": "next"}, lambda _: ACCEPT)
            assert json.loads(text_of(message["result"])) == ACCEPT


def test_a_client_of_the_old_transport_leaves_while_it_is_asked(gateway):
    from support.old import Old

    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        before = int(sandbox.text("fix_cancellations"))
        with Old(sandbox, capabilities=ALL) as client:
            client.send("tools/call", PARAMS, "c")
            assert client.next()["method"] == "elicitation/create"
        wait_until(lambda: int(sandbox.text("fix_cancellations")) == before + 1, 5, "the server has noticed")
        assert runs(sandbox) == 1


@pytest.mark.parametrize("era", SERVERS)
def test_a_session_whose_connection_breaks_answers_on_another(gateway, era):
    """The call goes on, and its answer is taken up where the stream broke."""
    with gateway.create({"fix": fixture(new_mark(), "--era", era)}) as sandbox:
        with sandbox.legacy(capabilities=ALL) as client:
            stream = client.stream("tools/call", PARAMS, "c")
            event = stream.next()
            stream.close()
            client.give(event.json["id"], ACCEPT)
            with client.listen(after=event.ident) as again:
                assert json.loads(text_of(again.rest()[-1].json["result"])) == ACCEPT
        assert runs(sandbox) == (1 if era == "legacy" else 2), "once, or once for each round"


@pytest.mark.parametrize("is_polite", [True, False], ids=["term", "kill"])
@pytest.mark.parametrize("client_era", ["legacy", "modern"])
def test_the_gateway_ends_while_a_call_waits_for_its_client(own_gateway, client_era, is_polite):
    """Its client hears the end of its stream; what it carries opens nothing at the next start, and no server is left
    that could go on."""
    gateway, mark = own_gateway(), new_mark()
    sandbox = gateway.create({"fix": fixture(mark)})
    if client_era == "legacy":
        client = sandbox.legacy(capabilities=ALL)
        stream, asked = ask(client)
    else:
        client = sandbox.modern(capabilities=ALL)
        asked = client.reply("tools/call", PARAMS).json["result"]
        assert asked["resultType"] == "input_required"
    if is_polite:
        assert gateway.stop() == 0
    else:
        gateway.kill()
    if client_era == "legacy":
        heard = [event.json for event in stream.rest()]
        assert not [message for message in heard if "result" in message]
        stream.close()
    wait_until(lambda: not processes.with_mark(mark), 10, "no server is left")
    gateway.start()
    url = f"{gateway.url}/sandbox/{sandbox.id}/mcp"
    if client_era == "legacy":
        headers = client.headers()
        body = {"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT}
    else:
        (key,) = asked["inputRequests"]
        again = PARAMS | {"requestState": asked["requestState"], "inputResponses": {key: ACCEPT}}
        body, headers, _ = client.request("tools/call", again)
    reply = exchange(url, "POST", body, headers)
    assert reply.status == 401 and reply.json["error"]["message"], reply
    assert not processes.with_mark(mark), "nothing was started for it"
    client.close()


def test_the_gateway_ends_while_a_client_waits_for_its_parked_call(own_gateway):
    """It has come back with the answer, and the server takes its time."""
    gateway, mark = own_gateway(), new_mark()
    sandbox = gateway.create({"fix": fixture(mark)})
    with sandbox.modern(capabilities=ALL) as client:
        first = client.reply("tools/call", PARAMS).json["result"]
        (key,) = first["inputRequests"]
        os.kill(processes.server_process(mark), signal.SIGSTOP)
        found = {}

        def back():
            again = PARAMS | {"requestState": first["requestState"], "inputResponses": {key: ACCEPT}}
            try:
                found["reply"] = client.reply("tools/call", again)
            except Exception as error:
                found["error"] = error

        thread = threading.Thread(target=back)
        thread.start()
        wait_until(lambda: gateway.metric("calls_in_flight") >= 2, 5, "the retry waits")
        gateway.kill()
        thread.join(10)
        assert not thread.is_alive() and "error" in found, found
        wait_until(lambda: not processes.with_mark(mark), 10, "no server is left")
