"""io_uring or epoll: the same gateway over either interface of the kernel, or words that say why not.

Every other file runs with either: MCP_GATEWAY_E2E_FLAGS="--poller epoll" Tests/EndToEnd/run"""

import ctypes
import json
import os
import resource
import shutil
import struct
import subprocess
import threading

import pytest

from support.gateway import BINARY, fixture, free_port, new_mark
from support.http import exchange

IO_URING_SETUP = 425
EPERM = 1


def host_has_it():
    facts = json.loads(subprocess.run([BINARY, "version", "--json"], capture_output=True, check=True).stdout)
    return "io_uring" in facts["poller"]


needs_io_uring = pytest.mark.skipif(not host_has_it(), reason="this host has no io_uring")


@pytest.fixture
def uring(own_gateway):
    return own_gateway(flags=["--poller", "io_uring"])


def rings(pid):
    found = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=True).stdout
    return found.count("anon_inode:[io_uring]")


@needs_io_uring
def test_both_eras_are_served(uring):
    assert rings(uring.pid) > 0
    sandbox = uring.create({"fix": fixture(new_mark())})
    for client in (sandbox.legacy(), sandbox.modern()):
        with client:
            assert client.call("fix_add", {"a": 2, "b": 3})["content"][0]["text"] == "5"


@needs_io_uring
def test_large_bodies_pass_whole_in_both_directions(uring):
    """More than all read buffers and socket buffers hold."""
    sandbox = uring.create({"fix": fixture(new_mark())})
    text = "".join(chr(97 + number % 26) for number in range(3 << 20))
    with sandbox.legacy() as client:
        assert client.call("fix_echo", {"text": text})["structuredContent"]["text"] == text


@needs_io_uring
def test_many_clients_at_once_get_their_own_answers(uring):
    sandboxes = [uring.create({"fix": fixture(new_mark())}) for _ in range(3)]
    wrong = []

    def work(number):
        with sandboxes[number % 3].modern() as client:
            for step in range(30):
                text = client.call("fix_add", {"a": number * 1000, "b": step})["content"][0]["text"]
                if text != str(number * 1000 + step):
                    wrong.append((number, step, text))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


@needs_io_uring
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not there")
def test_http2_takes_the_place_of_a_connection_of_http1(uring):
    """The first bytes tell the versions apart: what was read ahead goes along."""
    reply = subprocess.run(
        ["curl", "-s", "--http2-prior-knowledge", "-w", " %{http_version}", uring.url + "/health"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert reply.stdout == '{"status":"ok"} 2'


def refuse_rings():
    """This process, and what it becomes, gets EPERM from io_uring_setup(2), as within most containers."""
    instructions = [
        (0x20, 0, 0, 0),  # load the number of the system call
        (0x15, 0, 1, IO_URING_SETUP),  # another one: skip the next
        (0x06, 0, 0, 0x00050000 | EPERM),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    program = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def run_refused(*arguments):
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=30, preexec_fn=refuse_rings
    )  # fmt: skip


def test_a_kernel_that_refuses_is_named(scratch):
    """Said before anything is opened, and by the commands that look at the host."""
    reply = run_refused("serve", "--poller", "io_uring", "--state-dir", str(scratch / "refused"), "--isolation", "none",
                        "--listen", f"127.0.0.1:{free_port()}", "--admin-listen", "none")  # fmt: skip
    assert reply.returncode == 1
    assert "io_uring is forbidden here" in reply.stderr
    assert "kernel.io_uring_disabled" in reply.stderr
    assert json.loads(run_refused("version", "--json").stdout)["poller"] == "epoll"
    assert "io_uring is forbidden here" in run_refused("doctor").stdout


def test_a_kernel_that_refuses_is_served_over_epoll(own_gateway):
    """Unless io_uring was asked for by name."""
    gateway = own_gateway(preexec=refuse_rings)
    assert rings(gateway.pid) == 0
    assert "poller=epoll" in gateway.log


@needs_io_uring
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_too_little_locked_memory_is_named():
    """As an ordinary user, whose rings count; the loops of all cores must fit."""

    def with_little():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65_536, 65_536))
        os.setgroups([])
        os.setresgid(65_534, 65_534, 65_534)
        os.setresuid(65_534, 65_534, 65_534)

    found = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, timeout=30, preexec_fn=with_little)
    assert "RLIMIT_MEMLOCK" in found.stdout


@needs_io_uring
def test_it_is_the_default_and_can_be_declined(own_gateway):
    assert rings(own_gateway().pid) > 0
    assert rings(own_gateway(flags=["--poller", "epoll"]).pid) == 0


def test_the_setting_is_checked(scratch):
    file = scratch / "poller.yaml"
    file.write_text("poller: io-uring\n")
    reply = subprocess.run([BINARY, "check-config", file], capture_output=True, text=True, timeout=30)
    assert reply.returncode != 0
    assert "auto, epoll, io_uring" in reply.stdout + reply.stderr
    file.write_text("poller: io_uring\n")
    assert subprocess.run([BINARY, "check-config", file], capture_output=True, timeout=30).returncode == 0


@needs_io_uring
def test_the_environment_may_choose_it(own_gateway):
    gateway = own_gateway(environment={"MCP_GATEWAY_POLLER": "io_uring"})
    assert rings(gateway.pid) > 0
    assert exchange(gateway.url + "/health").status == 200
