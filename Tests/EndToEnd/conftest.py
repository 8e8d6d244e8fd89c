import os
import shutil
import sys
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.gateway import BINARY, ECHO, SCRATCH, Gateway, fixture, new_mark  # noqa: E402

TALLY = {"passed": 0, "failed": 0, "skipped": 0}


def pytest_sessionstart(session):
    for file in (BINARY, ECHO):
        if not file.exists():
            pytest.exit(f"{file} is missing: build it, and start the tests with Tests/EndToEnd/run", returncode=2)


def pytest_runtest_logreport(report):
    if report.failed:
        TALLY["failed"] += 1
    elif report.when == "call" and report.passed:
        TALLY["passed"] += 1
    elif report.skipped:
        TALLY["skipped"] += 1


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    skipped = f", {TALLY['skipped']} skipped" if TALLY["skipped"] else ""
    print(f"\n{TALLY['passed']} passed, {TALLY['failed']} failed{skipped}", flush=True)


@pytest.fixture(scope="session")
def scratch():
    """A directory for files of this run that servers may read: /tmp of pytest is closed to other users."""
    folder = SCRATCH / f"run-{os.getpid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def gateway(scratch):
    """The instance that all tests share which leave it as they found it."""
    running = Gateway(scratch / "shared").start()
    yield running
    code = running.stop()
    assert code == 0, f"the shared gateway ended with {code}:\n{running.log[-3000:]}"


@pytest.fixture
def own_gateway(scratch, request):
    """A maker of instances for one test: they may be abused, killed and filled."""
    running = []

    def make(**options):
        name = f"own-{request.node.name[:40].replace('/', '_')}-{zlib.crc32(request.node.name.encode()):x}-{len(running)}"
        gateway = Gateway(scratch / name, **options)
        running.append(gateway)
        return gateway.start()

    yield make
    for gateway in running:
        if gateway.process and gateway.process.poll() is None:
            gateway.stop()
        gateway.remove_groups()


@pytest.fixture(scope="module")
def sandbox(gateway):
    """A sandbox with one scripted server, named `fix`, for the tests of one file."""
    made = gateway.create({"fix": fixture(new_mark())})
    yield made
    made.kill()
