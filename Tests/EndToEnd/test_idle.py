"""Servers that nobody needs are stopped, and are there again when they are: their lists all the while."""

import threading

import pytest

from support import processes
from support.gateway import Gateway, fixture, new_mark
from support.waiting import wait_until

TEXT = "fixture://text"
UPDATED = "notifications/resources/updated"
SECONDS = 1


def resting(mcp, **servers):
    return {"$gateway": {"idleSeconds": SECONDS, "servers": servers}, **mcp}


class Pair:
    """A server that is to stay, and one that nobody needs: when that has rested twice, the other had the time to."""

    def __init__(self, gateway, *flags, **options):
        self.marks = new_mark(), new_mark()
        mcp = {"fix": fixture(self.marks[0], *flags), "other": fixture(self.marks[1])}
        self.sandbox = gateway.create(resting(mcp, fix=options), timeout=600)
        self.pid = self.sandbox.server("fix")["pid"]

    def rests(self):
        """Whether the first one has been stopped by the time that the other had been stopped twice."""
        for _ in range(2):
            self.sandbox.text("other_whoami")
            self.sandbox.wait_state("other", "idle")
        return self.sandbox.server("fix").get("pid") != self.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        ended = self.sandbox.kill()
        assert kind or ended.status == 204


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("side", ["legacy", "modern"])
def test_the_next_call_of_any_client_starts_it_again(gateway, era, side):
    mark = new_mark()
    stops = gateway.metric("server_idle_stops_total")
    with gateway.create(resting({"fix": fixture(mark, "--era", side)})) as sandbox, getattr(sandbox, era)() as client:
        listed = client.ask("tools/list")
        rested = sandbox.wait_state("fix", "idle")
        assert rested["restarts"] == 0 and rested["tools"] == len(listed["tools"])
        wait_until(lambda: not processes.with_mark(mark), 10, "its process is gone")
        wait_until(lambda: "pid" not in sandbox.server("fix"), 10, "its end is known")
        assert gateway.metric("server_idle_stops_total") > stops
        assert client.ask("tools/list") == listed
        assert not processes.with_mark(mark), "a list has started it"
        assert client.text("fix_whoami") == mark
        again = sandbox.server("fix")
        assert again["state"] == "ready" and again["pid"] and again["restarts"] == 0
        sandbox.wait_state("fix", "idle")
        assert client.text("fix_whoami") == mark


def test_calls_at_once_start_it_once(gateway):
    mark = new_mark()
    with gateway.create(resting({"fix": fixture(mark)})) as sandbox:
        sandbox.wait_state("fix", "idle")
        starts = gateway.metric("server_starts_total")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(sandbox.text("fix_whoami"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == [mark] * 20
        assert gateway.metric("server_starts_total") == starts + 1


def test_a_call_that_comes_while_it_is_being_stopped_is_answered(gateway, scratch):
    """It does not end when its input does: until it is killed there is a process that no call may be sent to."""
    mark = new_mark()
    with gateway.create(resting({"fix": fixture(mark, "--ignore-term")})) as sandbox:
        for _ in range(3):
            sandbox.wait_state("fix", "idle")
            assert sandbox.text("fix_whoami") == mark
            assert len({processes.server_process(mark)}) == 1


def test_a_server_that_is_kept_warm_is_not_stopped(gateway):
    with Pair(gateway, keepWarm=True) as pair:
        assert not pair.rests()


def test_one_with_a_longer_time_of_its_own_is_not_stopped(gateway):
    with Pair(gateway, idleSeconds=3600) as pair:
        assert not pair.rests()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_one_with_a_call_in_flight_is_not_stopped(gateway, era):
    with Pair(gateway) as pair, getattr(pair.sandbox, era)() as client:
        params, meta = {"name": "fix_sleep", "arguments": {"seconds": 600}}, {"progressToken": "t"}
        if era == "legacy":
            stream = client.stream("tools/call", params | {"_meta": meta}, "long")
        else:
            stream = client.stream("tools/call", params, "long", meta=meta)
        with stream:
            stream.next_message("notifications/progress")
            assert not pair.rests()


@pytest.mark.parametrize("side", ["legacy", "modern"])
def test_one_whose_resource_is_watched_is_not_stopped(gateway, side):
    with Pair(gateway, "--era", side) as pair, pair.sandbox.legacy() as client:
        assert client.ask("resources/subscribe", {"uri": TEXT}) == {}
        assert not pair.rests()
        assert client.ask("resources/unsubscribe", {"uri": TEXT}) == {}
        pair.sandbox.wait_state("fix", "idle", 90)


def test_one_that_waits_for_a_client_is_not_stopped(gateway):
    """Its call is parked: the client has been asked, and may take its time."""
    with Pair(gateway) as pair, pair.sandbox.modern(capabilities={"elicitation": {"form": {}}}) as client:
        params = {"name": "fix_confirm", "arguments": {"question": "?"}}
        assert client.reply("tools/call", params).json["result"]["resultType"] == "input_required"
        assert not pair.rests()


def test_one_whose_call_waits_for_an_answer_on_a_stream_is_not_stopped(gateway):
    """No server has the call while its client is asked: it was ended, and will be made again."""
    with Pair(gateway, "--era", "modern") as pair, pair.sandbox.legacy(capabilities={"elicitation": {}}) as client:
        params = {"name": "fix_confirm", "arguments": {"question": "?"}}
        with client.stream("tools/call", params, "asks") as stream:
            assert stream.next().json["method"] == "elicitation/create"
            assert not pair.rests()


def test_a_subscription_starts_it_and_is_told_of_changes(gateway):
    """And nothing else: that its lists are what they were is no news."""
    with gateway.create(resting({"fix": fixture(new_mark())})) as sandbox, sandbox.legacy() as client:
        with client.listen() as stream:
            sandbox.wait_state("fix", "idle")
            assert client.ask("resources/subscribe", {"uri": TEXT}) == {}
            sandbox.wait_state("fix", "ready")
            client.text("fix_touch", {"uri": TEXT})
            message = stream.next().json
            assert message["method"] == UPDATED and message["params"] == {"uri": TEXT}


def test_a_sandbox_ends_while_its_server_rests(gateway):
    mark = new_mark()
    with gateway.create(resting({"fix": fixture(mark)})) as sandbox:
        sandbox.wait_state("fix", "idle")
        assert sandbox.kill().status == 204
        assert not processes.with_mark(mark)
        assert sandbox.control.request("GET", sandbox.path).status == 404


def test_other_servers_take_no_notice(gateway):
    """A sandbox's new set of servers keeps the one that rests, and what it may rest for is what was said last."""
    mark = new_mark()
    with gateway.create(resting({"fix": fixture(mark)})) as sandbox:
        sandbox.wait_state("fix", "idle")
        mcp = {"$gateway": {"keepWarm": True}, "fix": fixture(mark), "new": fixture(new_mark())}
        assert sandbox.control.request("PUT", f"{sandbox.path}/mcp", mcp).status == 200
        assert sandbox.server("fix")["state"] == "idle"
        assert sandbox.text("fix_whoami") == mark
        pid = sandbox.server("fix")["pid"]
        again = mcp | {"$gateway": {"servers": {"new": {"idleSeconds": SECONDS}, "fix": {"keepWarm": True}}}}
        assert sandbox.control.request("PUT", f"{sandbox.path}/mcp", again).status == 200
        for _ in range(2):
            sandbox.wait_state("new", "idle")
            sandbox.text("new_whoami")
        assert sandbox.server("fix")["pid"] == pid


def test_its_workspace_stays(gateway):
    with gateway.create(resting({"fix": fixture(new_mark())})) as sandbox:
        assert sandbox.call("fix_write", {"path": "/workspace/note", "data": "kept"}).status == 200
        sandbox.wait_state("fix", "idle")
        assert sandbox.text("fix_read", {"path": "/workspace/note"}) == "kept"


@pytest.fixture(scope="module")
def strict(scratch):
    with Gateway(scratch / "strict", config="server-idle: 1..5\n") as running:
        yield running


def test_the_operators_time_is_everyones(strict):
    with strict.create({"fix": fixture(new_mark())}) as sandbox:
        sandbox.wait_state("fix", "idle")
        assert sandbox.text("fix_whoami")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"keepWarm": True}, "$gateway.keepWarm: this gateway's operator stops every server that was idle for 5 s"),
        ({"idleSeconds": 6}, "$gateway.idleSeconds: must be a whole number of seconds from 1 to 5"),
        ({"servers": {"fix": {"keepWarm": True}}}, "$gateway.servers.fix.keepWarm: this gateway's operator stops"),
        ({"servers": {"fix": {"idleSeconds": 0}}}, "$gateway.servers.fix.idleSeconds: must be a whole number"),
    ],
)
def test_more_than_the_operator_allows_is_refused(strict, options, words):
    body = {"mcp": {"$gateway": options, "fix": fixture(new_mark())}}
    reply = strict.control().request("POST", "/v2/sandboxes", body)
    assert reply.status == 400 and words in reply.json["message"], reply


@pytest.mark.parametrize("options, eras", [({"era": "mirror"}, ["legacy", "modern"]), ({"interactive": "always"}, ["modern"])])
def test_all_processes_of_a_server_rest_together(gateway, options, eras):
    """Those for clients of each era, and those for calls that may ask their client."""
    mark = new_mark()
    flags = ["--era", "dual"] if "era" in options else []
    with gateway.create(resting({"fix": fixture(mark, *flags)}, fix=options)) as sandbox:
        clients = [getattr(sandbox, era)(capabilities={"elicitation": {"form": {}}}) for era in eras]
        for _ in range(3):
            for client in clients:
                assert client.text("fix_whoami") == mark
            sandbox.wait_state("fix", "idle")
            wait_until(lambda: not processes.with_mark(mark), 10, "all its processes are gone")
        for client in clients:
            client.close()
