"""Servers while they start: each shows how far it is, and none waits for another."""

import fcntl
import threading

import pytest

from support.gateway import FIXTURE, PYTHON, Sandbox, fixture, new_mark
from support.mcp import RPCError, text_of
from support.waiting import wait_until

GATED = FIXTURE.parent / "gated.py"
SECRET = "s3cr3t-0f-one-server-alone"
SHARED = "s3cr3t-0f-all-of-them-here"


class Gate:
    """A file that servers wait for; shut until it is opened."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "w")
        path.chmod(0o644)
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def open(self):
        self.file.close()

    def server(self, mark=None):
        words = [PYTHON, "-I", str(GATED), str(self.path), str(FIXTURE), "--mark", mark or new_mark()]
        return {"command": words, "env": {"API_TOKEN": SECRET}}


@pytest.fixture
def gate(scratch):
    made = Gate(scratch / f"gate-{new_mark()}")
    yield made
    made.open()


class Creation:
    """A create that is under way."""

    def __init__(self, gateway, mcp, **body):
        self.gateway, self.name = gateway, new_mark()
        self.thread = threading.Thread(target=self._create, args=(mcp, body))
        self.thread.start()

    def _create(self, mcp, body):
        body |= {"mcp": mcp, "metadata": {"name": self.name}}
        self.reply = self.gateway.control().request("POST", "/v2/sandboxes", body)

    def detail(self):
        """Of the sandbox that is being made, as its owner finds it; None before it is there."""
        own = self.gateway.control().request("GET", f"/v2/sandboxes?metadata=name%3D{self.name}").json
        return own and self.gateway.control().request("GET", f"/sandboxes/{own[0]['sandboxID']}").json

    def server(self, name):
        detail = self.detail()
        return detail and next(one for one in detail["mcp"]["servers"] if one["name"] == name)

    def waits(self, name):
        """Whether the server is at its gate."""
        server = self.server(name)
        return server if server and any("at the gate" in line for line in server.get("stderrTail", [])) else None

    def end(self):
        self.thread.join(30)
        assert self.reply.status == 201, self.reply
        return Sandbox(self.gateway.control(), self.reply.json)


def test_how_far_each_is_shows_while_the_create_waits(gateway, gate):
    creation = Creation(gateway, {"slow": gate.server(), "fast": fixture(new_mark())}, envVars={"SHARED_TOKEN": SHARED})
    slow = wait_until(lambda: creation.waits("slow"), 20, "it is at the gate")
    assert slow["state"] == "starting" and slow["pid"] and slow["tools"] == 0
    assert slow["stderrTail"] == ["at the gate with [secret] [secret]"]
    fast = wait_until(lambda: [one for one in [creation.server("fast")] if one["state"] == "ready"], 20, "ready")[0]
    assert slow["since"].endswith("Z") and fast["since"].endswith("Z")
    assert creation.thread.is_alive() and creation.server("slow")["since"] == slow["since"]
    gate.open()
    with creation.end() as sandbox:
        ready = sandbox.server("slow")
        assert ready["state"] == "ready" and ready["since"] >= slow["since"] and ready["tools"] > 0
        assert sandbox.text("slow_whoami")


def test_servers_start_at_the_same_time(gateway, gate):
    names = [f"s{number}" for number in range(5)]
    creation = Creation(gateway, {name: gate.server() for name in names})
    for name in names:
        wait_until(lambda: creation.waits(name), 20, f"{name} is at the gate although nobody may pass")
    gate.open()
    with creation.end() as sandbox:
        assert {server["state"] for server in sandbox.detail()["mcp"]["servers"]} == {"ready"}


def test_one_that_takes_long_does_not_keep_others_from_starting(own_gateway, gate):
    """Although only one may start at a time."""
    gateway = own_gateway(config="limits: {server-starts: 1}\n")
    mcp = {"slow": gate.server()} | {f"s{number}": fixture(new_mark()) for number in range(4)}
    with gateway.create(mcp) as sandbox:
        for number in range(4):
            sandbox.wait_state(f"s{number}", "ready", 30)
        assert sandbox.server("slow")["state"] == "starting"
        with gateway.create({"fix": fixture(new_mark())}) as other:
            assert other.server("fix")["state"] == "ready"


def test_one_that_waits_for_its_turn_can_be_ended(own_gateway, gate):
    gateway = own_gateway(config="limits: {server-starts: 1}\n")
    creation = Creation(gateway, {"slow": gate.server()})
    wait_until(lambda: creation.waits("slow"), 20, "it is at the gate")
    second = Creation(gateway, {"next": fixture(new_mark())})
    wait_until(second.detail, 20, "it is being made")
    path = f"/sandboxes/{second.detail()['sandboxID']}"
    assert gateway.control().request("DELETE", path).status == 204
    gate.open()
    with creation.end() as sandbox:
        assert sandbox.text("slow_whoami")
    second.thread.join(30)
    assert second.reply.status == 409 and "was ended before its servers were ready" in second.reply.json["message"]
    assert gateway.stop() == 0


def background(work, *arguments):
    """Runs it on a thread; what is returned waits for its end, and gives what it returned or raised."""
    outcome = []

    def run():
        try:
            outcome.append(work(*arguments))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def end():
        thread.join(60)
        return outcome[0]

    return end


@pytest.fixture
def late(gateway, gate):
    """A sandbox to which a server is added that waits at its gate."""
    first = {"fast": fixture(new_mark())}
    with gateway.create(first) as sandbox:
        change = {"mcp": first | {"slow": gate.server()}}
        end = background(sandbox.control.request, "PUT", sandbox.path + "/mcp", change["mcp"])

        def waits():
            found = [one for one in sandbox.detail()["mcp"]["servers"] if one["name"] == "slow"]
            return found and any("at the gate" in line for line in found[0].get("stderrTail", []))

        wait_until(waits, 20, "it is at the gate")
        yield sandbox
        gate.open()
        assert end().status == 200


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_call_waits_for_the_first_start_of_its_server(late, gate, era):
    with getattr(late, era)() as one, getattr(late, era)() as two, getattr(late, era)() as three:
        called = background(one.text, "slow_whoami")
        asked = background(two.ask, "prompts/get", {"name": "slow_link"})
        unknown = background(three.call, "slow_nothing")
        plain = background(late.call, "slow_whoami")
        absent = background(late.call, "slow_nothing")
        # What is of no such server does not wait.
        with getattr(late, era)() as other, pytest.raises(RPCError) as error:
            other.call("fast_nothing")
        assert error.value.data is None
        gate.open()
        mark = called()
        assert mark.startswith("mark-") and text_of(plain().json) == mark
        assert asked()["messages"]
        error = unknown()
        assert (error.code, error.message, error.data) == (-32602, 'unknown tool: "slow_nothing"', None)
        assert absent().status == 404 and absent().json["error"]["code"] == "NOT_FOUND"


def test_a_call_that_waits_is_told_when_its_server_does_not_start(gateway):
    """It waits while the server is started again and again, and no longer."""
    first = {"fast": fixture(new_mark())}
    with gateway.create(first) as sandbox, sandbox.legacy() as client:
        end = background(sandbox.control.request, "PUT", sandbox.path + "/mcp", first | {"slow": fixture("never", "--die", 3)})
        wait_until(lambda: any(one["name"] == "slow" for one in sandbox.detail()["mcp"]["servers"]), 10, "it is there")
        with pytest.raises(RPCError) as error:
            client.call("slow_nothing")
        assert error.value.code == -32602 and error.value.data["server"] == "slow"
        assert "The server slow is not available: crash_loop: " in error.value.message
        assert end().status == 200
