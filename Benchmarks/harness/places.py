"""Where things are, on which cores they run, and what is said when something cannot be measured."""

import os
import shutil
import socket
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
SCRATCH = Path(os.environ.get("MCP_GATEWAY_BENCH_DIR", ROOT / ".build-bench"))
# What one run leaves behind: logs, configurations, state; emptied by the next.
RUN = SCRATCH / "run"
VENVS = Path(os.environ.get("MCP_GATEWAY_VENVS", ROOT / ".build-venvs"))
BINARY = Path(os.environ.get("MCP_GATEWAY_BINARY", ROOT / ".build/release/mcp-gateway"))
ECHO = SCRATCH / "echo"
PYTHON = "/usr/bin/python3"
# The C server and the one of twenty tools, as commands.
ECHO_SERVER = [str(ECHO)]
PYTHON_SERVER = [PYTHON, "-I", str(HERE / "server.py")]
CORES = sorted(os.sched_getaffinity(0))
# What is measured runs on the first core, with its MCP servers; the load, and what is behind a proxy, on the last.
TARGET_CORE, LOAD_CORE = str(CORES[0]), str(CORES[-1])
SEARCH_PATH = "/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")


class Unavailable(Exception):
    """What was to be measured is not there; the text is a sentence for the report."""


def program(name):
    """The absolute path of an installed program."""
    found = shutil.which(name, path=SEARCH_PATH)
    if not found:
        raise Unavailable(f"{name} is not installed")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
