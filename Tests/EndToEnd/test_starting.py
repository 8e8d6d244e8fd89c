"""Servers while they start: each shows how far it is, and none waits for another."""

import fcntl
import threading

import pytest

from support.gateway import FIXTURE, PYTHON, Sandbox, fixture, new_mark
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
