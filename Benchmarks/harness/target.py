"""What is measured: a started server and the endpoints that the load goes to."""

import os
import signal
import socket
import subprocess
import time

from . import client
from .places import RUN, TARGET_CORE, free_port
from .transports import Http1

START_SECONDS = 60
STOP_SECONDS = 20


class Target:
    """`beside` names the gateway that it is compared with; empty: this is one."""

    # False: answers are a constant, whatever is asked.
    checks_answers = True
    # How clients reach it where answers are checked.
    transport = Http1
    certificate = ""
    # Added to the environment of its programs.
    environment = {}
    # Slow ones are measured once where time is short.
    is_slow = False

    def __init__(self, name, note, beside="", cores=TARGET_CORE):
        self.name, self.note, self.beside, self.cores = name, note, beside, cores
        self.process = None
        self.endpoints = []
        self.port = 0

    def launch(self, command, cores=None):
        """Starts a program on the target's cores; what it prints goes to a log."""
        command = ["taskset", "-c", cores or self.cores, *map(str, command)]
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | self.environment)  # fmt: skip

    @property
    def log(self):
        return RUN / f"{self.name}.log"

    def begin(self):
        """Everything of an earlier start is forgotten."""
        self.log.write_bytes(b"")
        self.port = free_port()
        self.endpoints = []
        self.start()

    def start(self):
        raise NotImplementedError

    def wait_for_port(self, process, port):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                text = self.log.read_text(errors="replace")[-1000:]
                raise RuntimeError(f"{self.name} ended with {process.returncode}: {text}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not listen within {START_SECONDS} s")

    def own_processes(self):
        """The processes whose time and memory count: not the MCP servers."""
        return [self.process.pid]

    def stop(self):
        end_process(self.process)
        self.process = None

    def check(self):
        """What was wrong with the answers of clients that all use the same ids; empty when nothing was."""
        if self.checks_answers:
            return client.mistakes(self.endpoints, self.transport)
        with self.transport(self.endpoints[0]) as peer:
            status, _ = peer.call(1, "x")
        return [] if status == 200 else [f"status {status}"]


def end_process(process):
    if process and process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
