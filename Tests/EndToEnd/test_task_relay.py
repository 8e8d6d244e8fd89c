"""Tasks that clients follow themselves: those of 2025-11-25 and the extension of 2026-07-28, over stdio and HTTP."""

import contextlib
import json
import os
import signal
import subprocess
import threading

import pytest

from support import processes
from support.gateway import CHECKED, HERE, VENVS, Gateway, fixture, free_port, new_mark
from support.mcp import META, RPCError, text_of
from support.old import Old
from support.remote import RESULTS, Hosted, Remote, begin_stream, event, is_open, reply
from support.waiting import wait_until

FORM = {"elicitation": {}}
EXTENSION = META + "tasks"
FOLLOWS = {"extensions": {EXTENSION: {}}}
RELATED = META + "related-task"
ACCEPT = {"action": "accept", "content": {"name": "me"}}
ALLOWED = "allow-private-remotes: [127.0.0.1]\nallow-custom-servers: true\n"


@pytest.fixture(scope="module")
def lenient(scratch):
    with Gateway(scratch / "task-relay", config=ALLOWED) as gateway:
        yield gateway


@contextlib.contextmanager
def served(gateway, era, place):
    flags = ("--era", era, "--tasks", *CHECKED)
    with contextlib.ExitStack() as stack:
        server = fixture(new_mark(), *flags) if place == "stdio" else {"url": stack.enter_context(Hosted(*flags)).url}
        sandbox = stack.enter_context(gateway.create({"fix": server}))
        sandbox.wait_state("fix", "ready")
        yield sandbox
        assert sandbox.text("fix_mistakes") == "[]"


@pytest.fixture(scope="module", params=["stdio", "http"])
def old(request, lenient):
    """A sandbox with a server of 2025-11-25."""
    with served(lenient, "legacy", request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def piped(lenient):
    """The same over stdio alone: the stand-in behind HTTP tells what is of no call to any one of its streams."""
    with served(lenient, "legacy", "stdio") as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=["stdio", "http"])
def new(request, lenient):
    """A sandbox with a server of 2026-07-28."""
    with served(lenient, "modern", request.param) as sandbox:
        yield sandbox


@pytest.fixture
def session(old):
    with old.legacy(capabilities=FORM) as client:
        yield client


@pytest.fixture
def follower(new):
    with new.modern(capabilities=FORM | FOLLOWS) as client:
        yield client


def begin(client, name, arguments=None, **params):
    result = client.ask("tools/call", {"name": name, "arguments": arguments or {}, "task": {"ttl": 60000}} | params)
    return result["task"]


def of(task):
    return {"taskId": task["taskId"]}


def settled(client, task, *statuses):
    def reached():
        found = client.ask("tasks/get", of(task))
        assert found["taskId"] == task["taskId"]
        return found if found["status"] in statuses else None

    return wait_until(reached, 10, f"the task is {statuses}")


def refused(client, method, params, code=-32602):
    with pytest.raises(RPCError) as error:
        client.ask(method, params)
    assert error.value.code == code
    return error.value.message


# ------------------------------------------------------------------ 2025-11-25


def test_sessions_are_told_of_tasks_that_there_are(old, new, session):
    offered = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    assert session.hello["capabilities"]["tasks"] == offered
    tools = session.tools()
    assert {name for name, tool in tools.items() if "execution" in tool} == {
        f"fix_slow{kind}" for kind in ("", "_confirm", "_think", "_fail", "_forever", "_maybe")
    }
    # The gateway looks after those that a client does not want to follow.
    assert {tool["execution"]["taskSupport"] for tool in tools.values() if "execution" in tool} == {"optional"}
    with old.legacy(version="2025-06-18") as older, old.modern() as newer, new.legacy() as elsewhere:
        for client in (older, newer, elsewhere):
            assert not [tool for tool in client.tools().values() if "execution" in tool]
        assert "tasks" not in older.hello["capabilities"] and "tasks" not in elsewhere.hello["capabilities"]
        refused(elsewhere, "tasks/list", {}, -32601)
        refused(older, "tasks/list", {}, -32601)


def test_a_task_is_begun_looked_at_and_fetched(session):
    task = begin(session, "fix_slow", {"steps": 2})
    assert task["status"] == "working" and not task["taskId"].startswith("task/")
    found = settled(session, task, "completed")
    assert found["statusMessage"] == "step 2" and found["ttl"] == 60000
    for _ in range(2):
        result = session.ask("tasks/result", of(task))
        assert text_of(result) == "2 slow steps" and result["_meta"][RELATED] == of(task)


def test_the_result_is_waited_for(session):
    task = begin(session, "fix_slow", {"steps": 3})
    assert text_of(session.ask("tasks/result", of(task))) == "3 slow steps"


def test_a_task_asks_where_its_result_is_waited_for(session):
    task = begin(session, "fix_slow_confirm", {"question": "Ready?"})
    with session.stream("tasks/result", of(task), "r") as stream:
        asked = stream.next_message("elicitation/create")
        assert asked["params"]["message"] == "Ready?" and asked["params"]["_meta"][RELATED] == of(task)
        session.give(asked["id"], ACCEPT)
        assert json.loads(text_of(stream.rest()[-1].json["result"])) == ACCEPT


def test_questions_of_several_tasks_do_not_mix(old):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(old.legacy(capabilities=FORM)) for _ in range(6)]
        tasks = [begin(client, "fix_slow_confirm", {"question": f"q{n}"}) for n, client in enumerate(clients)]
        streams = [
            stack.enter_context(client.stream("tasks/result", of(task), 1))
            for client, task in zip(clients, tasks, strict=True)
        ]
        for number in reversed(range(6)):
            asked = streams[number].next_message("elicitation/create")
            assert asked["params"]["message"] == f"q{number}"
            clients[number].give(asked["id"], {"action": "accept", "content": {"name": f"a{number}"}})
        for number, stream in enumerate(streams):
            assert json.loads(text_of(stream.rest()[-1].json["result"]))["content"] == {"name": f"a{number}"}


def test_a_task_that_fails(session):
    task = begin(session, "fix_slow_fail")
    settled(session, task, "failed")
    with pytest.raises(RPCError) as error:
        session.ask("tasks/result", of(task))
    assert (error.value.code, error.value.data) == (-31998, {"kept": True})


def test_a_task_is_cancelled(session):
    before = int(session.text("fix_cancellations"))
    task = begin(session, "fix_slow_forever")
    assert session.ask("tasks/cancel", of(task))["taskId"] == task["taskId"]
    settled(session, task, "cancelled")
    assert int(session.text("fix_cancellations")) == before + 1


def test_calling_off_the_wait_for_a_result_leaves_the_task(session):
    task = begin(session, "fix_slow", {"steps": 8}, _meta={"progressToken": 1})
    with session.stream("tasks/result", of(task), "w") as stream:
        stream.next_message("notifications/progress")
        session.notify("notifications/cancelled", {"requestId": "w"})
        assert stream.rest()[-1].json["error"]["code"] == -32800
    settled(session, task, "completed")


def test_a_session_lists_its_own_tasks(old, session):
    with old.legacy() as other:
        mine = [begin(session, "fix_slow_maybe", {"word": n})["taskId"] for n in range(3)]
        begin(other, "fix_slow_maybe", {"word": "theirs"})
        listed = session.ask("tasks/list")["tasks"]
        assert [task["taskId"] for task in listed] == mine
        assert len(other.ask("tasks/list", {})["tasks"]) == 1
        refused(session, "tasks/list", {"cursor": "x"})


def test_ids_are_of_one_session_and_one_sandbox(lenient, session, old):
    task = begin(session, "fix_slow", {"steps": 1})
    with old.legacy() as other, served(lenient, "legacy", "stdio") as foreign, foreign.legacy() as stranger:
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            for client in (other, stranger):
                assert "no task of this session" in refused(client, method, of(task))
            for ident in ("", "t1.", "task/1", task["taskId"][:-1], task["taskId"] + "A", task["taskId"].swapcase()):
                refused(session, method, {"taskId": ident})
            refused(session, method, {"taskId": 5})
            refused(session, method, {})
    assert text_of(session.ask("tasks/result", of(task))) == "1 slow steps"


def test_the_state_of_a_task_is_told(piped):
    with (
        piped.legacy(capabilities=FORM) as session, session.listen() as stream,
        piped.legacy() as other, other.listen() as foreign,
    ):  # fmt: skip
        task = begin(session, "fix_slow", {"steps": 1}, _meta={"progressToken": "mine"})
        told = stream.next_message("notifications/tasks/status")["params"]
        assert (told["taskId"], told["status"]) == (task["taskId"], "completed")
        # What is told to the other comes after it.
        begin(other, "fix_slow", {"steps": 1})
        assert foreign.next_message("notifications/tasks/status")["params"]["taskId"] != task["taskId"]


def test_a_status_that_overtakes_the_name_of_its_task_is_told_after_it(piped):
    with piped.legacy(capabilities=FORM) as session, session.listen() as stream:
        task = begin(session, "fix_slow", {"steps": 0, "early": True})
        told = stream.next_message("notifications/tasks/status")["params"]
        assert (told["taskId"], told["status"]) == (task["taskId"], "completed")


class Tasking(Remote):
    """A server whose tasks are done before the calls that begin them are answered, which it tells on the stream that is
    open, or nowhere. `hasty` becomes true when something is asked of it while the head of a stream is awaited."""

    def __init__(self):
        super().__init__()
        self.streaming, self.streams, self.rushed = threading.Lock(), [], threading.Event()
        self.awaited, self.hasty = 0, False

    def result(self, request):
        if self.awaited:
            self.rushed.set()
        if request.rpc == "initialize":
            tasks = {"requests": {"tools": {"call": {}}}}
            return RESULTS["initialize"] | {"capabilities": {"tools": {}, "logging": {}, "tasks": tasks}}
        if request.rpc == "tools/list":
            execution = {"taskSupport": "optional"}
            return {"tools": [{"name": "run", "inputSchema": {"type": "object"}, "execution": execution}]}
        if request.rpc == "logging/setLevel":
            return {}
        params = request.message["params"]
        times = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60000}
        task = {"taskId": "task-1", "status": "working", **times}
        if said := params["arguments"].get("say", "done"):
            self.tell(task | {"status": "completed", "statusMessage": said})
        return {"task": task} if "task" in params else {"content": []}

    def tell(self, task):
        with self.streaming:
            if self.streams and not self.awaited:
                event(self.streams[-1], {"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task})

    def stream(self, handler):
        self.rushed.clear()
        self.awaited += 1
        self.hasty |= self.rushed.wait(0.3)
        with self.streaming:
            self.awaited -= 1
            begin_stream(handler)
            self.streams.append(handler)
        self.stopping.wait(60)


@contextlib.contextmanager
def tasking(gateway, server, **options):
    with server, gateway.create({"far": {"url": server.url}}) as sandbox:
        sandbox.wait_state("far", "ready")
        with sandbox.legacy(**options) as session:
            yield session


def test_a_fresh_session_is_asked_when_its_stream_is_there(lenient):
    with tasking(lenient, Tasking(), capabilities=FORM) as session, session.listen() as stream:
        begin(session, "far_run")
        assert stream.next_message("notifications/tasks/status")["params"]["statusMessage"] == "done"


def test_the_level_of_logs_is_set_when_the_stream_is_there(lenient):
    server = Tasking()
    with tasking(lenient, server, capabilities=FORM) as session:
        session.ask("logging/setLevel", {"level": "info"})
        session.call("far_run")
        fresh = [one.rpc or one.method for one in server.requests if one.headers.get("Mcp-Session-Id") == "session-2"]
        assert fresh == ["notifications/initialized", "GET", "logging/setLevel", "tools/call"]
        assert not server.hasty


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_server_that_has_no_stream_is_asked_all_the_same(lenient, how):
    server = Tasking()
    server.stream = lambda handler: reply(handler, 405) if how == "refused" else server.stopping.wait(60)
    with tasking(lenient, server, capabilities=FORM) as session:
        assert begin(session, "far_run")["status"] == "working"


def test_what_was_said_of_a_task_in_a_lost_session_is_not_told(lenient):
    server, valid = Tasking(), {"session-1"}

    def answer(handler, request):
        session = request.headers.get("Mcp-Session-Id")
        return session is not None and session not in valid and reply(handler, 404, {"error": "unknown session"})

    server.answer = answer
    with tasking(lenient, server) as session, session.listen() as stream:
        session.call("far_run", {"say": "old"})
        valid.clear()
        valid.add("session-2")
        with pytest.raises(RPCError):
            session.call("far_run", {"say": ""})
        begin(session, "far_run", {"say": ""})
        session.call("far_run", {"say": "new"})
        assert stream.next_message("notifications/tasks/status")["params"]["statusMessage"] == "new"


def test_progress_goes_on_with_the_token_of_the_call(session):
    task = begin(session, "fix_slow", {"steps": 4}, _meta={"progressToken": "mine"})
    with session.stream("tasks/result", of(task), 1) as stream:
        events = [event.json for event in stream.rest()]
    assert text_of(events[-1]["result"]) == "4 slow steps"
    steps = [event["params"] for event in events[:-1] if event["method"] == "notifications/progress"]
    assert steps and {one["progressToken"] for one in steps} == {"mine"}
    assert [one["progress"] for one in steps] == sorted({one["progress"] for one in steps})


def test_tools_that_cannot_be_tasks(session, old):
    call = {"name": "fix_add", "arguments": {"a": 1, "b": 2}, "task": {}}
    assert "cannot be called as a task" in refused(session, "tools/call", call, -32601)
    refused(session, "tools/call", {"name": "fix_slow", "arguments": {"steps": 1}, "task": 5})
    with old.legacy(version="2025-06-18") as older:
        refused(older, "tools/call", {"name": "fix_slow", "arguments": {"steps": 1}, "task": {}}, -32601)
    assert session.text("fix_slow_maybe", {"word": "plain"}) == "maybe plain"
    assert session.text("fix_slow", {"steps": 1}) == "1 slow steps"


def test_tasks_end_with_their_process(lenient):
    mark = new_mark()
    with lenient.create({"fix": fixture(mark, "--tasks")}) as sandbox, sandbox.legacy() as client:
        task = begin(client, "fix_slow_forever")
        with client.stream("tasks/result", of(task), 1) as stream:
            wait_until(lambda: lenient.metric("calls_in_flight") >= 1, 5, "the result is waited for")
            os.kill(processes.server_process(mark), signal.SIGKILL)
            assert stream.rest()[-1].json["error"]["code"] == -32603
        wait_until(lambda: sandbox.server("fix")["restarts"] == 1, 5, "it was started again")
        sandbox.wait_state("fix", "ready")
        assert "process" in refused(client, "tasks/get", of(task))
        assert client.ask("tasks/list")["tasks"] == []


def test_tasks_beside_processes_that_may_ask(lenient):
    """A task stays with the process that began it, whichever else there are."""
    server = {"fix": fixture(new_mark(), "--tasks", "--polite")}
    server["$gateway"] = {"servers": {"fix": {"interactive": "always"}}}
    with lenient.create(server) as sandbox:
        with sandbox.legacy(capabilities=FORM) as able, sandbox.legacy() as plain:
            one = begin(able, "fix_slow_confirm", {"question": "one"})
            two = begin(plain, "fix_slow", {"steps": 1})
            with able.stream("tasks/result", of(one), 1) as stream:
                asked = stream.next_message("elicitation/create")
                message, others = able.converse("fix_confirm", {"question": "beside"}, lambda _: ACCEPT)
                assert [ask["params"]["message"] for ask in others] == ["beside"]
                able.give(asked["id"], {"action": "decline"})
                assert json.loads(text_of(stream.rest()[-1].json["result"])) == {"action": "decline"}
            assert text_of(plain.ask("tasks/result", of(two))) == "1 slow steps"


def test_tasks_over_the_old_transport(old):
    with Old(old, capabilities=FORM) as client, Old(old) as other:
        assert "tasks" in client.hello["capabilities"]
        task = client.ask("tools/call", {"name": "fix_slow_confirm", "arguments": {"question": "?"}, "task": {}})["task"]
        client.send("tasks/result", of(task), "r")
        asked = client.next()
        assert asked["method"] == "elicitation/create" and asked["params"]["_meta"][RELATED] == of(task)
        client.post({"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT})
        assert json.loads(text_of(client.answer("r")["result"])) == ACCEPT
        assert [one["taskId"] for one in client.ask("tasks/list")["tasks"]] == [task["taskId"]]
        assert other.ask("tasks/get", of(task), fails=True)["code"] == -32602


# ------------------------------------------------------------------ 2026-07-28


def started(client, name, arguments=None):
    result = client.call(name, arguments)
    assert result["resultType"] == "task", result
    return result


def test_clients_are_told_of_the_extension(old, new, follower):
    assert follower.ask("server/discover")["capabilities"]["extensions"] == {EXTENSION: {}}
    with old.modern(capabilities=FOLLOWS) as elsewhere:
        assert "extensions" not in elsewhere.ask("server/discover")["capabilities"]
        reply = elsewhere.reply("tasks/get", {"taskId": "t1.x"})
        assert (reply.status, reply.json["error"]["code"]) == (404, -32601)
        # There it is a call like any.
        assert elsewhere.text("fix_slow", {"steps": 1}) == "1 slow steps"


def test_a_task_is_begun_and_looked_at_until_it_is_done(follower):
    task = started(follower, "fix_slow", {"steps": 2})
    assert task["status"] == "working" and not task["taskId"].startswith("task/")
    found = settled(follower, task, "completed")
    assert text_of(found["result"]) == "2 slow steps" and found["resultType"] == "complete"


def test_a_task_asks_and_is_answered(follower):
    task = started(follower, "fix_slow_confirm", {"question": "Ready?"})
    found = settled(follower, task, "input_required")
    ((key, ask),) = found["inputRequests"].items()
    assert ask["params"]["message"] == "Ready?"
    follower.ask("tasks/update", of(task) | {"inputResponses": {key: ACCEPT}})
    assert json.loads(text_of(settled(follower, task, "completed")["result"])) == ACCEPT


def test_an_extension_task_fails(follower):
    found = settled(follower, started(follower, "fix_slow_fail"), "failed")
    assert (found["error"]["code"], found["error"]["data"]) == (-31998, {"kept": True})


def test_an_extension_task_is_cancelled(follower):
    before = int(follower.text("fix_cancellations"))
    task = started(follower, "fix_slow_forever")
    follower.ask("tasks/cancel", of(task))
    settled(follower, task, "cancelled")
    assert int(follower.text("fix_cancellations")) == before + 1


def test_the_server_decides_what_is_a_task(follower, new):
    assert follower.text("fix_add", {"a": 1, "b": 2}) == "3"
    assert text_of(settled(follower, started(follower, "fix_slow_maybe", {"word": "a"}), "completed")["result"]) == "maybe a"
    with new.modern() as plain:
        assert plain.text("fix_slow_maybe", {"word": "b"}) == "maybe b"


def test_who_does_not_declare_the_extension_does_not_ask(new, follower):
    task = started(follower, "fix_slow", {"steps": 1})
    with new.modern() as plain:
        for method, more in (("tasks/get", {}), ("tasks/cancel", {}), ("tasks/update", {"inputResponses": {}})):
            reply = plain.reply(method, of(task) | more)
            assert (reply.status, reply.json["error"]["code"]) == (400, -32021)
            assert reply.json["error"]["data"] == {"requiredCapabilities": FOLLOWS}


def test_ids_of_the_extension_are_of_one_sandbox(lenient, new, old, follower, session):
    task = started(follower, "fix_slow", {"steps": 1})
    theirs = begin(session, "fix_slow", {"steps": 1})
    with served(lenient, "modern", "stdio") as foreign, foreign.modern(capabilities=FOLLOWS) as stranger:
        for client, ident in ((stranger, task["taskId"]), (follower, theirs["taskId"]), (follower, "t1.AAAA")):
            reply = client.reply("tasks/get", {"taskId": ident})
            assert (reply.status, reply.json["error"]["code"]) == (400, -32602)
    with new.modern(capabilities=FOLLOWS) as other:
        assert text_of(settled(other, task, "completed")["result"]) == "1 slow steps"


def test_the_header_names_the_task(follower):
    task = started(follower, "fix_slow", {"steps": 1})
    for name in (None, "t1.other"):
        reply = follower.reply("tasks/get", of(task), headers={"Mcp-Name": name})
        assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


def test_what_is_removed_stays_removed(follower):
    for method in ("tasks/list", "tasks/result"):
        reply = follower.reply(method, {"taskId": "t1.x"})
        assert (reply.status, reply.json["error"]["code"]) == (404, -32601)


def test_a_listen_stream_tells_of_tasks(new, follower, session):
    task = started(follower, "fix_slow_confirm", {"question": "?"})
    other = started(follower, "fix_slow", {"steps": 2})
    theirs = begin(session, "fix_slow", {"steps": 1})
    wanted = {"taskIds": [task["taskId"], theirs["taskId"], "t1.AAAA"], "toolsListChanged": True}
    with follower.stream("subscriptions/listen", {"notifications": wanted}, "L") as stream:
        assert stream.next().json["params"]["notifications"] == {"toolsListChanged": True, "taskIds": [task["taskId"]]}
        # It may have asked before anybody listened.
        found = settled(follower, task, "input_required")
        (key,) = found["inputRequests"]
        follower.ask("tasks/update", of(task) | {"inputResponses": {key: ACCEPT}})
        told = stream.next_message("notifications/tasks")["params"]
        while told["status"] != "completed":
            told = stream.next_message("notifications/tasks")["params"]
        assert told["taskId"] == task["taskId"] and told["_meta"] == {META + "subscriptionId": "L"}
        assert json.loads(text_of(told["result"])) == ACCEPT
        settled(follower, other, "completed")
    with new.modern() as plain, plain.stream("subscriptions/listen", {"notifications": wanted}, 7) as stream:
        assert stream.next().json["params"]["notifications"] == {"toolsListChanged": True}


# ------------------------------------------------------------------ between the eras


def test_a_session_at_a_server_of_the_extension(new):
    """What the server makes a task is a call like any; nothing can be asked for as one."""
    with new.legacy(capabilities=FORM) as client:
        assert client.text("fix_slow", {"steps": 1}) == "1 slow steps"
        call = {"name": "fix_slow", "arguments": {"steps": 1}, "task": {"ttl": 1}}
        refused(client, "tools/call", call, -32601)


# ------------------------------------------------------------------ the official SDK


def follow(sandbox, *tools):
    """What a client of the official SDK has seen of tasks."""
    command = [VENVS / "sdk1/bin/python", HERE / "clients/use_sdk1_tasks.py", sandbox.url, sandbox.token, ",".join(tools)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_official_client_follows_tasks(old):
    facts = follow(old, "fix_slow", "fix_slow_confirm", "fix_slow_forever")
    assert json.loads(facts.pop("confirmed")) == {"action": "accept", "content": {"ok": True}}
    assert facts == {
        "mode": "optional", "states": ["working", "completed"], "result": "2 slow steps", "cancelled": "cancelled",
        "listed": True, "followed": "1 slow steps",
    }  # fmt: skip


def test_the_official_client_follows_tasks_of_the_official_server(lenient, scratch):
    port = free_port()
    command = [VENVS / "sdk1/bin/python", HERE / "fixture/tasks_sdk.py", str(port)]
    with open(scratch / "tasks-sdk.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or is_open(port), 60, "the server listens")
        with lenient.create({"far": {"url": f"http://127.0.0.1:{port}/mcp/"}}) as sandbox:
            sandbox.wait_state("far", "ready")
            facts = follow(sandbox, "far_slow", "far_confirm", "far_forever")
            assert facts == {
                "mode": "optional", "states": ["working", "completed"], "result": "slow indeed",
                "confirmed": "accept {'ok': True}", "cancelled": "cancelled", "listed": True, "followed": "slow indeed",
            }  # fmt: skip
            with sandbox.modern() as client:
                assert client.text("far_slow") == "slow indeed"
    finally:
        process.kill()
        process.wait(10)
