"""Nothing stays behind: not after a hundred sandboxes, not after the gateway's own end, polite or sudden."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from support import processes
from support.gateway import FIXTURE, PYTHON, echo, fixture, new_mark
from support.mcp import text_of
from support.waiting import wait_until

CYCLES, AT_ONCE = 100, 4


def census(gateway):
    """All that a sandbox could leave behind, on this machine and in the gateway."""
    return {
        "processes below the gateway": [processes.command_line(pid) for pid in processes.descendants(gateway.pid)],
        "descriptors": gateway.descriptors(),
        "mounts": processes.mounts(gateway.pid),
        "mounts of the machine": processes.mounts(),
        "cgroups": processes.cgroups(gateway.state),
        "network namespaces": processes.namespaces(),
        "files in the state directory": processes.directories(gateway.state),
    }


def differences(before, after):
    found = {}
    for kind, old in before.items():
        new = list(after[kind])
        for entry in old:
            if entry in new:
                new.remove(entry)
        if new:
            found[kind] = new[:20]
    return found


def cycle(gateway, mark):
    sandbox = gateway.create({"fix": fixture(mark), "e": echo()})
    with sandbox.legacy() as client, client.listen() as stream:
        assert stream.status == 200
        assert client.text("fix_whoami") == mark
        assert client.text("e_echo", {"text": "x"}) == "x"
        assert sandbox.call("fix_write", {"path": "/tmp/file", "data": "x"}).status == 200
        assert sandbox.kill().status == 204


def test_a_hundred_sandboxes_leave_nothing(own_gateway):
    gateway = own_gateway()
    mark, errors = new_mark(), []
    for _ in range(AT_ONCE):
        cycle(gateway, mark)  # what is made once and kept (threads, caches) is made now

    def work():
        try:
            for _ in range(CYCLES // AT_ONCE):
                cycle(gateway, mark)
        except BaseException as error:
            errors.append(error)

    wait_until(lambda: gateway.metric("connections") <= 1, 10, "the connections of the first cycles are closed")
    before = census(gateway)
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    assert not errors, errors[0]
    wait_until(
        lambda: not differences(before, census(gateway)), 10, f"no difference: {differences(before, census(gateway))}"
    )
    assert processes.with_mark(mark) == []
    assert gateway.metric("sandboxes") == 0 and gateway.metric("servers_alive") == 0


def test_refused_and_failed_sandboxes_leave_nothing(own_gateway):
    gateway = own_gateway()
    control = gateway.control()
    cycle(gateway, new_mark())

    def all_kinds():
        mark = new_mark()
        assert control.request("POST", "/sandboxes", {"mcp": {"fix": fixture(mark), "notion": {}}}).status == 400
        for configuration in (
            fixture(mark, "--die", 3),
            {"command": ["/no/such/program"]},
            {"command": ["/usr/bin/yes"]},
        ):
            with gateway.create({"x": configuration}) as sandbox:
                assert sandbox.server("x")["state"] != "resolving"
        gateway.create({"fix": fixture(mark)}, timeout=1)
        wait_until(lambda: gateway.metric("sandboxes") == 0, 15, "the short one has ended")
        assert processes.with_mark(mark) == []

    all_kinds()
    wait_until(lambda: gateway.metric("connections") <= 1, 10, "connections are closed")
    before = census(gateway)
    for _ in range(3):
        all_kinds()
    wait_until(
        lambda: not differences(before, census(gateway)), 10, f"no difference: {differences(before, census(gateway))}"
    )


def test_sigkill_of_the_gateway_leaves_no_child(own_gateway):
    gateway = own_gateway()
    mark = new_mark()
    for _ in range(5):
        sandbox = gateway.create({"fix": fixture(mark, "--ignore-term"), "e": echo()})
        sandbox.text("fix_spawn", {"seconds": 876543})
    below = processes.descendants(gateway.pid)
    assert len(processes.with_mark(mark)) >= 5 and len(processes.with_mark("sleep 876543")) >= 5
    gateway.kill()
    wait_until(lambda: not processes.with_mark(mark), 5, "every server is gone")
    wait_until(lambda: not processes.with_mark("sleep 876543"), 5, "what they started is gone")
    wait_until(lambda: not [pid for pid in below if processes.state(pid) not in ("", "Z")], 5, "so are their jails")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_polite_end_finishes_calls_in_flight(own_gateway, number):
    gateway = own_gateway()
    mark = new_mark()
    sandbox = gateway.create({"fix": fixture(mark), "other": fixture(mark)})
    with sandbox.legacy() as client:
        params = {"name": "fix_sleep", "arguments": {"seconds": 1.5}, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, "last") as stream:
            stream.next_message("notifications/progress")
            os.kill(gateway.pid, number)
            assert text_of(stream.rest()[-1].json["result"]) == "slept 1.5 s"
    assert gateway.process.wait(20) == 0
    assert processes.with_mark(mark) == []
    assert processes.cgroups(gateway.state) == []


def test_while_it_drains_no_connection_is_accepted(own_gateway):
    gateway = own_gateway()
    sandbox = gateway.create({"fix": fixture(new_mark())})
    with sandbox.legacy() as client:
        params = {"name": "fix_sleep", "arguments": {"seconds": 3}, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, "last") as stream:
            stream.next_message("notifications/progress")
            os.kill(gateway.pid, signal.SIGTERM)

            def is_refused():
                try:
                    socket.create_connection(("127.0.0.1", gateway.port), 1).close()
                    return False
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    # It was in the queue of the listener when that closed; the next one finds no listener.
                    return False

            wait_until(is_refused, 2, "connections are refused")
            assert text_of(stream.rest()[-1].json["result"]) == "slept 3 s"
    assert gateway.process.wait(20) == 0


def test_the_drain_is_bounded(own_gateway):
    gateway = own_gateway()
    mark = new_mark()
    sandbox = gateway.create({"fix": fixture(mark, "--ignore-term")})
    with sandbox.legacy() as client:
        params = {"name": "fix_sleep", "arguments": {"seconds": 3600}, "_meta": {"progressToken": 1}}
        with client.stream("tools/call", params, "never") as stream, client.listen():
            stream.next_message("notifications/progress")
            os.kill(gateway.pid, signal.SIGTERM)
            assert gateway.process.wait(30) == 0
    assert processes.with_mark(mark) == []


def test_the_gateway_has_its_share_of_cpu_beside_its_servers(own_gateway):
    """In a group of its own, for as long as it runs, where groups share out CPU time."""
    gateway = own_gateway()
    gateway.create({"fix": fixture(new_mark())})
    groups = processes.cgroups(gateway.state)
    shared = {group.split("/mcp-gateway-")[0] for group in groups if os.path.exists(f"{group}/cpu.shares")}
    if not shared:
        pytest.skip("no version 1 groups share out CPU time here")
    for place in shared:
        leaf = [group for group in groups if group.startswith(place) and group.endswith(".gateway")]
        assert [Path(f"{group}/cgroup.procs").read_text().split() for group in leaf] == [[str(gateway.pid)]]


def test_a_second_start_on_the_same_state_directory(own_gateway):
    """What a killed gateway left in its state directory does not keep the next one from working."""
    gateway = own_gateway()
    sandbox = gateway.create({"fix": fixture(new_mark())})
    gateway.kill()
    gateway.start()
    assert not [group for group in processes.cgroups(gateway.state) if sandbox.id in group]
    mark = new_mark()
    cycle(gateway, mark)
    assert processes.with_mark(mark) == []


def test_a_process_that_outlives_its_gateway_is_counted_when_it_is_found(own_gateway):
    """Without a jail, and with what watches over it killed as well."""
    gateway = own_gateway(isolation="none", config="allow-custom-servers: true\n")
    # The pipe ends when the child has become another program.
    escape = """
import os
reading, writing = os.pipe()
result = os.fork()
if result == 0:
    os.setsid()
    os.execvp("sleep", ["sleep", "3600"])
os.close(writing)
os.read(reading, 1)
"""
    sandbox = gateway.create({"py": {"command": [PYTHON, "-I", str(FIXTURE.parent / "python.py")]}})
    pid = int(sandbox.text("py_python", {"code": escape}))
    assert processes.command_line(pid) == "sleep 3600"
    assert gateway.metric("orphans") == 0
    others = [other for other in processes.descendants(gateway.pid) if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    gateway.kill()
    for other in others:
        os.kill(other, signal.SIGKILL)
    assert processes.command_line(pid) == "sleep 3600"
    gateway.start()
    assert gateway.metric("orphans") == 1
    assert processes.command_line(pid) == ""
