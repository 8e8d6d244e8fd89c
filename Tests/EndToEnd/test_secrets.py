"""A secret reaches the one server that it is for, and is seen nowhere else."""

import os
import secrets as random
from pathlib import Path

import pytest

from support.gateway import FIXTURE, PYTHON, new_mark
from support.http import exchange
from test_egress import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="processes of others are hidden by users and namespaces")
PROGRAM = FIXTURE.parent / "python.py"

LOOK = """
import glob
result = []
for pattern in ("/proc/*/environ", "/proc/*/cmdline", "/proc/*/task/*/environ", "/workspace/**", "/etc/*", "/tmp/**"):
    for path in glob.glob(pattern, recursive=True):
        try:
            if SECRET.encode() in open(path, "rb").read(): result.append(path)
        except OSError: pass
"""


def test_a_secret_is_seen_by_its_server_alone(own_gateway):
    gateway = own_gateway(config="log-level: trace\n")
    secret = "tok1" + random.token_hex(16)
    command = [PYTHON, "-I", str(PROGRAM), new_mark()]
    holder = {"command": command, "env": {"SERVICE_TOKEN": secret}}
    dying = {"command": [PYTHON, "-c", "import os, sys; sys.exit('no ' + os.environ['SERVICE_TOKEN'])"],
             "env": {"SERVICE_TOKEN": secret}}  # fmt: skip
    mcp = {"holder": holder, "dying": dying, "other": {"command": command}}
    with gateway.create(mcp) as sandbox, gateway.create({"py": {"command": command}}) as stranger:
        assert run(sandbox, "import os\nresult = os.environ['SERVICE_TOKEN']", "holder") == secret
        assert run(sandbox, "import sys\nsys.stderr.write('I have %s\\n' % __import__('os').environ['SERVICE_TOKEN'])"
                            "\nsys.stderr.flush()", "holder") is None  # fmt: skip
        look = LOOK.replace("SECRET", repr(secret))
        # Where it is, the same look finds it.
        assert run(sandbox, look, "holder") != []
        assert run(sandbox, look, "other") == []
        assert run(stranger, look) == []
        tail = sandbox.wait_state("dying", "crash_loop", 60)["stderrTail"]
        assert any("no [secret]" in line for line in tail)
        call = sandbox.call("dying_anything")
        seen = str(sandbox.detail()) + call.body.decode() + str(sandbox.tools())
        seen += gateway.control().request("GET", "/v2/sandboxes").body.decode()
        seen += exchange(gateway.admin_url + "/metrics").body.decode()
        assert secret not in seen
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert secret.encode() not in line.read_bytes(), line
            except OSError:
                pass
    assert secret not in gateway.log
