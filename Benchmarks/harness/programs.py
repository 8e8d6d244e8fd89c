"""Makes what the benchmarks need: Debian packages, C programs, Python environments, a certificate."""

import os
import shutil
import subprocess
import sys

from .places import HERE, PYTHON, ROOT, RUN, SCRATCH, SEARCH_PATH, VENVS, Unavailable

# What nothing works without, and what only some scenarios or anchors need: program and Debian package.
NEEDED = {"wrk": "wrk", "gcc": "gcc", "taskset": "util-linux", "nginx": "nginx", "openssl": "openssl"}
WANTED = {"haproxy": "haproxy", "h2load": "nghttp2-client", "valgrind": "valgrind", "objcopy": "binutils",
          "bwrap": "bubblewrap"}  # fmt: skip
SOURCES = {
    "bound": HERE / "programs/bound.c",
    "calls": HERE / "programs/calls.c",
    "streams": HERE / "programs/streams.c",
    "events": HERE / "programs/events.c",
    "echo": ROOT / "Tests/EndToEnd/fixture/echo.c",
}
PRELOADS = {name: HERE / f"programs/{name}.c" for name in ("allocations", "plain_clone")}


def missing(table):
    return [package for name, package in table.items() if not shutil.which(name, path=SEARCH_PATH)]


def install(packages):
    """By apt, as root; package lists of this boot may be old or not there, so a second try is with new ones."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    print(f"installing {' '.join(packages)}", flush=True)
    if subprocess.run(command, env=environment, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def check_packages(may_install):
    """Ends the program when what it cannot do without is missing; says what else could be measured."""
    lacking, wanted = missing(NEEDED), missing(WANTED)
    if (lacking or wanted) and may_install:
        if os.geteuid() != 0:
            sys.exit("Benchmarks/run: --install needs root")
        install(lacking + wanted)
        return
    if lacking:
        sys.exit(f"Benchmarks/run: install these first: apt-get install {' '.join(lacking)}")
    if wanted:
        print(f"not installed, so not measured with: {' '.join(wanted)} (apt-get install, or run with --install)")


def compile_programs():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    # Servers run as other users in their jails and must be able to reach the programs.
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    for folder in (SCRATCH, RUN):
        folder.chmod(0o755)
    for name, source in SOURCES.items():
        compile_one(source, SCRATCH / name, ["-static"])
    for name, source in PRELOADS.items():
        compile_one(source, SCRATCH / f"{name}.so", ["-shared", "-fPIC"])


def compile_one(source, program, flags):
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", *flags, "-o", program, source], check=True)


def environment(name):
    """The folder of a Python environment out of environments.txt, made when it is not there or has changed."""
    lines = (line.split(maxsplit=1) for line in (HERE / "environments.txt").read_text().splitlines())
    packages = next(words[1].strip() for words in lines if words and words[0] == name)
    folder = VENVS / name
    made = folder / ".made"
    if made.exists() and made.read_text().strip() == packages:
        return folder
    print(f"making the Python environment {name}", flush=True)
    try:
        found = subprocess.run([ROOT / ".ci/uv"], check=True, stdout=subprocess.PIPE, text=True).stdout
        uv = found.strip().splitlines()[-1]
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "-q", "--python", PYTHON, folder], check=True)
        install = [uv, "pip", "install", "-q", "--python", folder / "bin/python", *packages.split()]
        subprocess.run(install, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"the Python environment {name} cannot be made: {error}") from error
    made.write_text(packages + "\n")
    return folder


def certificate():
    """A certificate for 127.0.0.1, its key, and both in one file as haproxy wants them; made once a week."""
    chain, key, both = (SCRATCH / f"tls.{kind}" for kind in ("crt", "key", "pem"))
    fresh = both.exists() and subprocess.run(
        ["openssl", "x509", "-in", chain, "-noout", "-checkend", "86400"], capture_output=True).returncode == 0  # fmt: skip
    if not fresh:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-out", chain, "-keyout", key], check=True, capture_output=True)  # fmt: skip
        both.write_bytes(chain.read_bytes() + key.read_bytes())
    return chain, key, both
