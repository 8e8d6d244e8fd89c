"""Servers that die, hang, babble or flood: their calls end at once, everybody else's go on."""

import os
import signal
import threading
import time

import pytest

from support import processes
from support.gateway import echo, fixture, new_mark
from support.mcp import RPCError, text_of
from support.waiting import wait_until


@pytest.fixture
def pair(gateway):
    """A sandbox with a server to be abused, and one that must not notice."""
    marks = new_mark(), new_mark()
    with gateway.create({"bad": fixture(marks[0]), "good": fixture(marks[1])}) as sandbox:
        yield sandbox, marks[0]


def start_sleep(client, name, ident, seconds=60):
    params = {"name": name, "arguments": {"seconds": seconds}, "_meta": {"progressToken": ident}}
    stream = client.stream("tools/call", params, ident)
    stream.next_message("notifications/progress")
    return stream


def test_kill_9_during_a_call(pair):
    sandbox, mark = pair
    with sandbox.legacy() as client:
        with (
            start_sleep(client, "bad_sleep", "victim") as victim,
            start_sleep(client, "good_sleep", "other", 1) as other,
        ):
            killed_at = time.monotonic()
            os.kill(processes.server_process(mark), signal.SIGKILL)
            answer = victim.rest(5)[-1].json
            waited = time.monotonic() - killed_at
            assert answer["id"] == "victim"
            assert answer["error"]["code"] == -32603 and "bad" in answer["error"]["message"]
            assert answer["error"]["data"]["server"] == "bad"
            assert waited < 1, f"the error came {waited:.2f} s after the kill"
            assert text_of(other.rest()[-1].json["result"]) == "slept 1 s"
        restarted = sandbox.wait_state("bad", "ready", 5)
        assert restarted["restarts"] == 1
        assert client.text("bad_whoami") == mark
        assert sandbox.server("good")["restarts"] == 0


def test_all_calls_in_flight_fail_and_no_other(pair):
    sandbox, mark = pair
    answers = {}

    def work(name, number):
        with sandbox.modern() as client:
            reply = client.reply("tools/call", {"name": f"{name}_sleep", "arguments": {"seconds": 1.5}}, ident=number)
            answers[name, number] = reply.json

    threads = [threading.Thread(target=work, args=(name, n)) for name in ("bad", "good") for n in range(8)]
    for thread in threads:
        thread.start()
    with sandbox.modern() as client:
        # The server has them all when its own count of threads says so: eight calls and the main thread.
        server = processes.server_process(mark)
        wait_until(lambda: len(os.listdir(f"/proc/{server}/task")) >= 9, 10, "eight calls run")
        os.kill(server, signal.SIGKILL)
        for thread in threads:
            thread.join(20)
        for number in range(8):
            assert answers["bad", number]["error"]["code"] == -32603
            assert answers["bad", number]["id"] == number
            assert text_of(answers["good", number]["result"]) == "slept 1.5 s"
        assert client.text("bad_whoami") == mark


@pytest.mark.parametrize(("tool", "arguments", "words"), [("exit", {"code": 7}, "7"), ("crash", {}, "ABRT")])
def test_the_error_says_how_it_ended(pair, tool, arguments, words):
    sandbox, mark = pair
    with sandbox.legacy() as client:
        with pytest.raises(RPCError) as error:
            client.call(f"bad_{tool}", arguments)
        told = f"{error.value.message} {error.value.data}"
        assert words in told or (tool == "crash" and "6" in told)
        assert client.text("bad_whoami") == mark, "a call right after the exit waits for the new process"


def test_the_next_call_waits_for_the_restart(pair):
    sandbox, mark = pair
    with sandbox.legacy() as client:
        for restarts in range(2):
            os.kill(processes.server_process(mark), signal.SIGKILL)

            def is_noticed(restarts=restarts):
                server = sandbox.server("bad")
                return server["state"] != "ready" or server["restarts"] > restarts

            wait_until(is_noticed, 5, "the gateway knows of the exit")
            assert client.text("bad_whoami") == mark
        assert sandbox.server("bad")["restarts"] == 2


def test_lists_stay_and_change_is_announced_when_a_server_is_lost(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark)}) as sandbox, sandbox.legacy() as client:
        with client.listen() as stream:
            client.text("fix_learn", {"name": "forgotten"})
            stream.next_message("notifications/tools/list_changed")
            assert "fix_forgotten" in client.tools()
            with pytest.raises(RPCError):
                client.call("fix_exit", {"code": 1})
            # The new process never learnt it.
            stream.next_message("notifications/tools/list_changed")
            wait_until(lambda: "fix_forgotten" not in client.tools(), 5, "the list is the new process's")
            assert "fix_whoami" in client.tools()


def test_crash_loop_tells_code_and_last_words(gateway):
    mark = new_mark()
    with gateway.create({"dead": fixture(mark, "--die", 3), "e": echo()}) as sandbox:
        found = sandbox.wait_state("dead", "crash_loop", 15)
        assert "3" in found["lastError"]
        assert f"last words 3 of {mark}" in found["stderrTail"]
        assert found["restarts"] >= 2
        assert sandbox.text("e_echo", {"text": "alive"}) == "alive"
        with sandbox.legacy() as client:
            assert list(client.tools()) == ["e_echo"]


NEVER_STARTED = {"crash_loop": fixture("never", "--die", 3), "failed": {"command": ["no-such-program-anywhere"]}}


@pytest.fixture(scope="module", params=NEVER_STARTED)
def half(request, gateway):
    """A sandbox with a server that has never started, and one that has."""
    with gateway.create({"dead": NEVER_STARTED[request.param], "fix": fixture(new_mark())}) as sandbox:
        sandbox.dead = sandbox.wait_state("dead", request.param, 15)
        yield sandbox


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_tool_of_a_server_that_never_started_is_not_just_unknown(half, era):
    with getattr(half, era)() as client:
        for method, what in (("tools/call", "tool"), ("prompts/get", "prompt")):
            with pytest.raises(RPCError) as error:
                client.ask(method, {"name": "dead_any", "arguments": {}})
            assert error.value.code == -32602
            assert error.value.message.startswith(f'unknown {what}: "dead_any". The server dead is not available: ')
            assert half.dead["state"] in error.value.message and half.dead["lastError"] in error.value.message
            assert (error.value.data["server"], error.value.data["state"]) == ("dead", half.dead["state"])
            assert error.value.data["lastError"] == half.dead["lastError"]
            with pytest.raises(RPCError) as error:
                client.ask(method, {"name": "fix_any", "arguments": {}})
            assert (error.value.message, error.value.data) == (f'unknown {what}: "fix_any"', None)
        with pytest.raises(RPCError) as error:
            client.ask("resources/read", {"uri": "dead_any"})
        assert "dead" not in error.value.message


def test_plain_http_says_so_too(half):
    reply = half.call("dead_any")
    assert reply.status == 404 and reply.json["error"]["code"] == "NOT_FOUND"
    assert f"The server dead is not available: {half.dead['state']}" in reply.json["error"]["message"]
    assert reply.json["error"]["details"]["server"] == "dead"
    reply = half.call("fix_any")
    assert reply.status == 404 and "not available" not in reply.json["error"]["message"]


@pytest.mark.parametrize("prefix", ["none", "on-collision"])
def test_without_prefixes_a_tool_may_be_of_any_server_that_never_started(gateway, prefix):
    mcp = {"fix": fixture(new_mark()), "one": NEVER_STARTED["failed"], "two": NEVER_STARTED["failed"]}
    with gateway.create(mcp | {"$gateway": {"prefix": prefix}}) as sandbox, sandbox.legacy() as client:
        for name in ("one", "two"):
            sandbox.wait_state(name, "failed", 15)
        with pytest.raises(RPCError) as error:
            client.call("any")
        assert error.value.code == -32602
        for name in ("one", "two"):
            assert f"The server {name} is not available: failed: " in error.value.message
        assert error.value.data["server"] == "one"


def test_a_crash_loop_backs_off(gateway):
    with gateway.create({"dead": fixture(new_mark(), "--die", 3)}) as sandbox:
        sandbox.wait_state("dead", "crash_loop", 15)
        before = gateway.metric("server_starts_total")
        end = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > end, 4, "three seconds have passed")
        assert gateway.metric("server_starts_total") - before <= 4


@pytest.mark.parametrize(
    "command", [["/no/such/program"], ["/etc/passwd"], ["no-such-program-anywhere"], ["/usr/bin/false"], ["/"]]
)
def test_programs_that_cannot_run(gateway, command):
    with gateway.create({"none": {"command": command}, "e": echo()}) as sandbox:
        found = wait_until(
            lambda: (server := sandbox.server("none"))["state"] in ("failed", "crash_loop") and server, 15, "settled"
        )
        assert found["lastError"]
        assert sandbox.text("e_echo", {"text": "alive"}) == "alive"


@pytest.mark.parametrize("flag", ["--unasked", "--malformed"])
def test_babble_is_skipped(gateway, flag):
    with gateway.create({"fix": fixture(new_mark(), flag)}) as sandbox, sandbox.legacy() as client:
        for number in range(30):
            assert client.text("fix_add", {"a": number, "b": 1}) == str(number + 1)
        assert sandbox.server("fix")["restarts"] == 0


def test_noise_around_an_answer_is_counted(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        before = gateway.metric("server_stdout_noise_total")
        for _ in range(3):
            assert sandbox.text("fix_noise") == "heard"
        wait_until(lambda: gateway.metric("server_stdout_noise_total") >= before + 20, 5, "counted")
        assert sandbox.server("fix")["restarts"] == 0


def test_a_flood_of_stderr_blocks_nobody(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        assert sandbox.text("fix_flood", {"lines": 200_000}) == "flooded"
        tail = wait_until(
            lambda: "stderr line 199999" in (sandbox.server("fix").get("stderrTail") or []) and sandbox.server("fix"),
            5, "the last line is kept",
        )["stderrTail"]  # fmt: skip
        assert len(tail) <= 1000 and tail[-1] == "stderr line 199999"


def test_a_server_that_never_answers_initialize(gateway):
    """It does not hold the others; the sandbox can be killed while it hangs."""
    mark = new_mark()
    with gateway.create({"mute": fixture(mark, "--silent"), "e": echo()}, timeout=60) as sandbox:
        assert sandbox.server("mute")["state"] in ("starting", "failed")
        assert sandbox.text("e_echo", {"text": "alive"}) == "alive"
    assert processes.with_mark(mark) == []


def test_a_server_that_ignores_term(gateway):
    mark = new_mark()
    with gateway.create({"fix": fixture(mark, "--ignore-term")}) as sandbox:
        assert sandbox.text("fix_whoami") == mark
        start = time.monotonic()
        assert sandbox.kill().status == 204
        assert time.monotonic() - start < 5
        assert processes.with_mark(mark) == []


def test_it_keeps_dying_in_service(gateway):
    """Every third call ends it. Each call has an answer, good or bad, and none takes long."""
    with gateway.create({"fix": fixture(new_mark(), "--die-after", 3)}) as sandbox, sandbox.legacy() as client:
        good = bad = 0
        for _ in range(9):
            start = time.monotonic()
            try:
                good += client.text("fix_add", {"a": 1, "b": 1}) == "2"
            except RPCError as error:
                assert error.code == -32603
                bad += 1
            assert time.monotonic() - start < 12
        assert good + bad == 9 and good >= 4 and bad >= 2


def test_a_very_long_line_fails_that_call_alone(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox, sandbox.legacy() as client:
        with pytest.raises(RPCError) as error:
            client.call("fix_blob", {"size": 40 * 1024 * 1024})
        assert error.value.code == -32603
        assert client.text("fix_add", {"a": 1, "b": 1}) == "2"
        assert sandbox.server("fix")["restarts"] == 0
