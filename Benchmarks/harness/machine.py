"""What a report has to say about where it was made."""

import os
import platform
import subprocess
import time
from pathlib import Path

from .places import BINARY, CORES, LOAD_CORE, ROOT, SEARCH_PATH, TARGET_CORE

VERSIONS = {"wrk": ["wrk", "-v"], "nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"],
            "h2load": ["h2load", "--version"], "valgrind": ["valgrind", "--version"]}  # fmt: skip


def output(*command):
    try:
        environment = os.environ | {"PATH": SEARCH_PATH}
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT, env=environment)
        return (done.stdout + done.stderr).strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def first_line(text):
    return text.splitlines()[0][:120] if text else ""


def field(path, name):
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def describe():
    changes = output("git", "status", "--porcelain", "--untracked-files=no")
    commit = output("git", "rev-parse", "HEAD")
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit + ("+changes" if changes else ""),
        "binary": first_line(output(str(BINARY), "version")) if BINARY.exists() else "",
        "kernel": platform.release(),
        "system": field_of_release(),
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": len(CORES),
        "memory_bytes": int(field("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "target_core": TARGET_CORE,
        "load_core": LOAD_CORE,
        "versions": {name: line for name, command in VERSIONS.items() if (line := first_line(output(*command)))},
    }


def field_of_release():
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return platform.system()
    return next((line[13:-1] for line in lines if line.startswith("PRETTY_NAME=")), platform.system())
