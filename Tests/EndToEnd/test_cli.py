"""The command line: every subcommand, its help, its exit codes, its messages."""

import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from support import processes
from support.gateway import BINARY, echo, fixture, free_port, new_mark
from support.http import exchange
from support.waiting import wait_until

OK, FAILURE, USAGE = 0, 1, 64
COMMANDS = [
    "serve", "check-config", "sandbox", "sandbox create", "sandbox list", "sandbox show", "sandbox kill",
    "sandbox extend", "tools", "call", "catalog", "catalog list", "catalog show", "catalog check", "catalog import",
    "pull", "doctor", "version",
]  # fmt: skip


def run(*arguments, environment=None, timeout=60, stdin=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MCP_GATEWAY_", "E2B_"))}
    return subprocess.run(
        [str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, input=stdin,
        env=clean | (environment or {}),
    )  # fmt: skip


def good(*arguments, **options):
    done = run(*arguments, **options)
    assert done.returncode == OK, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-2000:])
    return done.stdout


def bad(code, *arguments, **options):
    """Runs what must fail; returns its message, which is on stderr alone."""
    done = run(*arguments, **options)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-2000:])
    assert done.stderr.strip(), arguments
    assert "Fatal error" not in done.stderr and "Stack dump" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def shell(gateway):
    """Runs a client subcommand as a user of the shared gateway would."""

    def call(*arguments, code=OK):
        done = run(*arguments, "--url", gateway.url, environment={"E2B_API_KEY": gateway.keys["alpha"]})
        codes = code if isinstance(code, tuple) else (code,)
        assert done.returncode in codes, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-2000:])
        return done.stdout if code == OK else done.stdout + done.stderr

    return call


# ------------------------------------------------------------------ help and usage


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(command, flag):
    out = good(*command.split(), flag)
    assert "USAGE" in out and (command.split()[-1] if command else "serve") in out


def test_help_names_every_subcommand():
    out = good("--help")
    for command in COMMANDS:
        if " " not in command:
            assert command in out, command


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["--no-such-flag"], ["serve", "--no-such-flag"], ["serve", "--listen"], ["sandbox", "kill"],
     ["sandbox", "nonsense"], ["catalog", "show"], ["check-config"], ["serve", "--workers", "many"],
     ["serve", "--isolation", "perhaps"], ["serve", "--log-level", "shout"], ["serve", "extra"], ["version", "extra"],
     ["sandbox", "extend", "someid"], ["sandbox", "extend", "someid", "--timeout", "soon"], ["tools"], ["call", "someid"]],
    ids=lambda arguments: " ".join(arguments),
)  # fmt: skip
def test_usage_errors_are_64(arguments):
    message = bad(USAGE, *arguments)
    assert "Usage" in message or "USAGE" in message or "help" in message


def test_version():
    out = good("version")
    assert re.search(r"\d+\.\d+", out)
    for word in ("swift", "epoll", "openssl"):
        assert word in out.lower(), out


def test_doctor():
    done = run("doctor")
    assert done.returncode in (OK, FAILURE)
    for word in ("namespace", "cgroup", "bubblewrap", "descriptor", "kernel"):
        assert word in done.stdout.lower(), done.stdout


# ------------------------------------------------------------------ catalog


def test_catalog_list():
    lines = good("catalog", "list").splitlines()
    assert sum(bool(line.strip()) for line in lines) >= 350
    listed = json.loads(good("catalog", "list", "--json"))
    assert len(listed) >= 350 and {"key", "title", "category"} <= set(listed[0])
    assert {"time", "git", "fetch", "sqlite", "redis"} <= {entry["key"] for entry in listed}


def test_catalog_list_filters():
    everything = json.loads(good("catalog", "list", "--json"))
    data = json.loads(good("catalog", "list", "--category", "data", "--json"))
    assert 0 < len(data) < len(everything) and all(entry["category"] == "data" for entry in data)
    found = json.loads(good("catalog", "list", "--search", "redis", "--json"))
    assert "redis" in {entry["key"] for entry in found} and len(found) < 20
    assert json.loads(good("catalog", "list", "--search", "no-such-thing-anywhere", "--json")) == []
    assert "categor" in bad(FAILURE, "catalog", "list", "--category", "nonsense").lower()


@pytest.mark.parametrize("key", ["time", "SQLite", "githubOfficial", "atlassian"])
def test_catalog_show_takes_keys_and_aliases(key):
    assert good("catalog", "show", key)
    assert json.loads(good("catalog", "show", key, "--json"))["title"]


def test_catalog_show_names_the_properties():
    out = good("catalog", "show", "notion")
    assert "internalIntegrationToken" in out and "required" in out.lower()


def test_catalog_show_of_an_unknown_key_names_the_nearest():
    message = bad(FAILURE, "catalog", "show", "tiem")
    assert "tiem" in message and "time" in message


ENTRY = {
    "key": "our-own", "aliases": ["ours"], "title": "Our own", "category": "special", "summary": "A server of ours.",
    "status": "active", "config": [{"name": "word", "type": "string", "required": True, "secret": False}],
    "run": {"pypi": {"package": "our-own", "version": "1.0", "env": {"WORD": "${config.word}"}}},
}  # fmt: skip


def catalog_file(folder, *servers, **more):
    file = folder / "catalog.json"
    content = {"formatVersion": 1, "sources": [], "categories": [{"id": "special", "title": "Special"}]}
    file.write_text(json.dumps(content | {"servers": list(servers)} | more))
    return file


def test_catalog_check_accepts_a_good_file(tmp_path):
    assert good("catalog", "check", catalog_file(tmp_path, ENTRY)) is not None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"key": "Not A Key"}, "Not A Key"), ({"key": None}, "key"), ({"title": 5}, "title"),
        ({"config": [{"name": "x", "type": "thing"}]}, "thing"), ({"run": {"pypi": {}}}, "package"),
        ({"run": {"pypi": {"package": "p", "version": "1", "env": {"A": "${config.missing}"}}}}, "missing"),
    ],
    ids=["key", "no-key", "title", "type", "package", "placeholder"],
)  # fmt: skip
def test_catalog_check_names_the_mistake(tmp_path, change, word):
    entry = {key: value for key, value in (ENTRY | change).items() if value is not None}
    message = bad(FAILURE, "catalog", "check", catalog_file(tmp_path, entry))
    assert word in message, message


def test_catalog_check_of_other_files(tmp_path):
    twice = catalog_file(tmp_path, ENTRY, ENTRY)
    assert "our-own" in bad(FAILURE, "catalog", "check", twice)
    broken = tmp_path / "broken.json"
    broken.write_text('{"formatVersion": 1,\n "servers": [}')
    assert "broken.json" in bad(FAILURE, "catalog", "check", broken)
    assert "formatVersion" in bad(FAILURE, "catalog", "check", catalog_file(tmp_path, ENTRY, formatVersion=99))
    assert "missing.json" in bad(FAILURE, "catalog", "check", tmp_path / "missing.json")


def test_catalog_import_of_dockers_yaml(tmp_path):
    file = tmp_path / "docker.yaml"
    file.write_text(
        "version: 2\nname: mine\ndisplayName: Mine\nregistry:\n  word-counter:\n    description: Counts words.\n"
        "    title: Word Counter\n    type: server\n    image: example/word-counter\n    secrets:\n"
        "      - name: word-counter.token\n        env: WORD_TOKEN\n"
    )
    out = json.loads(good("catalog", "import", file))
    servers = out["servers"] if isinstance(out, dict) else out
    assert [server["key"] for server in servers] == ["word-counter"]
    assert servers[0]["run"]["oci"]["image"].startswith("example/word-counter")


def test_catalog_import_of_the_registrys_json(tmp_path):
    file = tmp_path / "server.json"
    schema = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    package = {
        "registryType": "pypi", "identifier": "word-counter", "version": "1.2.3", "transport": {"type": "stdio"},
        "environmentVariables": [{"name": "WORD_TOKEN", "isRequired": True, "isSecret": True}],
    }  # fmt: skip
    entry = {"$schema": schema, "name": "org.example/word-counter", "description": "Counts words.", "version": "1.2.3"}
    file.write_text(json.dumps(entry | {"packages": [package]}))
    out = json.loads(good("catalog", "import", file))
    servers = out["servers"] if isinstance(out, dict) else out
    assert servers[0]["run"]["pypi"]["package"] == "word-counter"
    assert servers[0]["run"]["pypi"]["version"] == "1.2.3"


# ------------------------------------------------------------------ check-config


def test_check_config_accepts_a_good_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("listen:\n  - 127.0.0.1:8080\nadmin-listen: 127.0.0.1:9090\nworkers: 2\nlog-level: info\n")
    good("check-config", file)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("workers: 2\nlissten: 127.0.0.1:1\n", 2, "lissten"), ("workers: many\n", 1, "workers"),
        ("listen: 127.0.0.1\n", 1, "listen"), ("listen:\n  - 127.0.0.1:80\n  - 127.0.0.1:99999\n", 3, "listen"),
        ("log-level: info\nisolation: perhaps\n", 2, "isolation"), ("workers: -1\n", 1, "workers"),
        ("log-format: xml\n", 1, "log-format"), ("workers: 1\n\n# a comment\nworkers: 2\n", 4, "workers"),
    ],
    ids=["unknown", "type", "address", "port", "choice", "negative", "format", "twice"],
)  # fmt: skip
def test_check_config_names_file_line_and_key(tmp_path, text, line, key):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    message = bad(FAILURE, "check-config", file)
    assert f"wrong.yaml:{line}" in message and key in message, message


def test_check_config_tells_every_mistake_and_the_nearest_key(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("wokers: 2\nlog-level: shout\n")
    message = bad(FAILURE, "check-config", file)
    assert "workers" in message and "log-level" in message


def test_check_config_of_what_is_no_yaml(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("workers: 2\n\t- [\n")
    assert "wrong.yaml:2" in bad(FAILURE, "check-config", file)
    assert "missing.yaml" in bad(FAILURE, "check-config", tmp_path / "missing.yaml")


# ------------------------------------------------------------------ serve


def serve(*arguments, environment=None, folder):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MCP_GATEWAY_")}
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [str(BINARY), "serve", *map(str, arguments)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env=clean | (environment or {}) | {"HOME": str(folder)},
        )  # fmt: skip


def is_served(port):
    try:
        return exchange(f"http://127.0.0.1:{port}/health", timeout=1).status == 200
    except OSError:
        return False


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == OK


def test_a_port_that_is_taken(scratch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = bad(FAILURE, "serve", "--listen", f"127.0.0.1:{port}", "--state-dir", scratch / "taken", timeout=20)
    assert str(port) in message and "in use" in message.lower()


def test_a_configuration_that_is_wrong(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("nonsense: 1\n")
    message = bad(FAILURE, "serve", "--config", file, timeout=20)
    assert "wrong.yaml:1" in message and "nonsense" in message


@pytest.mark.parametrize("content", ["", "no-key-on-this-line\n", "a " + "x" * 10 + "\na again\n"])
def test_an_api_key_file_that_is_wrong(tmp_path, content):
    file = tmp_path / "keys"
    file.write_text(content)
    arguments = ("--listen", f"127.0.0.1:{free_port()}", "--admin-listen", f"127.0.0.1:{free_port()}")
    message = bad(FAILURE, "serve", *arguments, "--api-key-file", file, "--state-dir", tmp_path / "s", timeout=20)
    assert "keys" in message


def test_the_first_start_makes_a_key(scratch):
    folder = scratch / "first"
    folder.mkdir()
    port, admin = free_port(), free_port()
    flags = ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}", "--state-dir", folder / "state"]
    process = serve(*flags, folder=folder)
    try:
        wait_until(lambda: is_served(port), 15, "it serves")
        files = [path for path in (folder / "state").rglob("*") if path.is_file()]
        keys = {key: path for path in files for key in re.findall(rb"e2b_[0-9a-f]{40}", path.read_bytes())}
        assert len(keys) == 1
        key, path = keys.popitem()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        log = (folder / "log").read_text()
        assert str(path) in log and key.decode() not in log
        reply = exchange(f"http://127.0.0.1:{port}/v2/sandboxes", headers={"X-API-KEY": key.decode()})
        assert reply.status == 200
        # The client subcommands find it by themselves.
        clean = {"MCP_GATEWAY_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
        assert (
            json.loads(good("sandbox", "list", "--json", "--url", f"http://127.0.0.1:{port}", environment=clean)) == []
        )
    finally:
        stop(process)


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_settings_come_from_flag_environment_and_file(scratch, source):
    folder = scratch / f"from-{source}"
    folder.mkdir()
    right, wrong, admin = free_port(), free_port(), free_port()
    settings = {"flag": wrong, "environment": wrong, "file": wrong} | {source: right}
    order = ["flag", "environment", "file"]
    file = folder / "config.yaml"
    file.write_text(
        f"listen: [127.0.0.1:{settings['file']}]\nadmin-listen: 127.0.0.1:{admin}\nstate-dir: {folder}/state\n"
    )
    flags, environment = ["--config", file], {}
    if order.index(source) <= 1:
        environment["MCP_GATEWAY_LISTEN"] = f"127.0.0.1:{settings['environment']}"
    if source == "flag":
        flags += ["--listen", f"127.0.0.1:{settings['flag']}"]
    process = serve(*flags, environment=environment, folder=folder)
    try:
        wait_until(lambda: is_served(right), 15, f"the {source} decides: {(folder / 'log').read_text()[-500:]}")
        assert not is_served(wrong)
    finally:
        stop(process)


def test_two_listeners_and_json_logs(scratch):
    folder = scratch / "two"
    folder.mkdir()
    ports = free_port(), free_port()
    flags = [part for port in ports for part in ("--listen", f"127.0.0.1:{port}")]
    flags += ["--admin-listen", f"127.0.0.1:{free_port()}", "--state-dir", folder / "state", "--log-format", "json"]
    process = serve(*flags, "--log-level", "info", folder=folder)
    try:
        wait_until(lambda: all(is_served(port) for port in ports), 15, "both serve")
    finally:
        stop(process)
    lines = [line for line in (folder / "log").read_text().splitlines() if line.startswith("{")]
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers(own_gateway, workers):
    """With three loops on two cores most requests arrive at another loop than their sandbox's."""
    gateway = own_gateway(flags=["--workers", str(workers)])
    made = [gateway.create({"e": echo()}) for _ in range(6)]
    for _ in range(3):
        for sandbox in made:
            assert sandbox.text("e_echo", {"text": sandbox.id}) == sandbox.id
    assert gateway.metric("loops") == workers
    for sandbox in made:
        assert sandbox.kill().status == 204


def test_sighup_keeps_serving(own_gateway):
    gateway = own_gateway()
    with gateway.create({"e": echo()}) as sandbox:
        for _ in range(5):
            os.kill(gateway.pid, signal.SIGHUP)
            assert sandbox.text("e_echo", {"text": "still here"}) == "still here"
    assert gateway.process.poll() is None


def test_admin_listener(gateway):
    for path in ("/health/live", "/health/ready"):
        assert exchange(gateway.admin_url + path).status == 200
        assert exchange(gateway.url + path, headers={"X-API-KEY": gateway.keys["alpha"]}).status == 404
    metrics = exchange(gateway.admin_url + "/metrics")
    assert metrics.status == 200 and metrics.headers["content-type"].startswith("text/plain")
    for line in metrics.body.decode().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z_:][a-z0-9_:]*(\{[^}]*\})? [-+0-9.eEinfNa]+", line), line
    assert exchange(gateway.url + "/metrics", headers={"X-API-KEY": gateway.keys["alpha"]}).status == 404
    assert exchange(gateway.admin_url + "/v2/sandboxes").status == 404


# ------------------------------------------------------------------ the client subcommands


def test_life_of_a_sandbox(shell):
    mark = new_mark()
    made = json.loads(shell("sandbox", "create", "--mcp", json.dumps({"fix": fixture(mark)}), "--timeout", 60,
                            "--metadata", "made-by=cli", "--metadata", "n=1", "--json"))  # fmt: skip
    ident = made["sandboxID"]
    assert made["mcpToken"] and made["mcpUrl"].endswith(f"/sandbox/{ident}/mcp")
    listed = json.loads(shell("sandbox", "list", "--json"))
    assert next(one for one in listed if one["sandboxID"] == ident)["metadata"] == {"made-by": "cli", "n": "1"}
    shown = json.loads(shell("sandbox", "show", ident, "--json"))
    assert shown["mcp"]["servers"][0]["state"] == "ready"
    tools = json.loads(shell("tools", ident, "--json"))
    tools = tools["tools"] if isinstance(tools, dict) else tools
    assert "fix_add" in {tool["name"] for tool in tools}
    result = json.loads(shell("call", ident, "fix_add", "--arguments", '{"a": 2, "b": 40}', "--json"))
    assert result["content"][0]["text"] == "42"
    shell("sandbox", "extend", ident, "--timeout", 900)
    assert json.loads(shell("sandbox", "show", ident, "--json"))["endAt"] > shown["endAt"]
    shell("sandbox", "kill", ident)
    assert processes.with_mark(mark) == []
    assert ident in shell("sandbox", "show", ident, code=FAILURE)


def test_output_for_people(shell):
    made = shell("sandbox", "create", "--mcp", json.dumps({"e": echo()}))
    ident = re.search(r"\b[a-z0-9]{20,}\b", made)[0]
    assert ident in shell("sandbox", "list")
    assert "ready" in shell("sandbox", "show", ident)
    assert "e_echo" in shell("tools", ident)
    assert "hello" in shell("call", ident, "e_echo", "--arguments", '{"text": "hello"}')
    shell("sandbox", "kill", ident)


def test_arguments_from_a_file(shell, tmp_path):
    servers, arguments = tmp_path / "servers.json", tmp_path / "arguments.json"
    servers.write_text(json.dumps({"e": echo()}))
    arguments.write_text('{"text": "from a file"}')
    ident = json.loads(shell("sandbox", "create", "--mcp", f"@{servers}", "--json"))["sandboxID"]
    assert "from a file" in shell("call", ident, "e_echo", "--arguments", f"@{arguments}")
    shell("sandbox", "kill", ident)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sandbox", "create", "--mcp", '{"time": {"zone": "x"}}'], ["time", "zone"]),
        (["sandbox", "create", "--mcp", '{"tiem": {}}'], ["tiem", "time"]),
        (["sandbox", "create", "--mcp", "{not json"], ["JSON"]), (["sandbox", "create", "--mcp", "@/no/such/file"], ["/no/such/file"]),
        (["sandbox", "show", "z" * 22], ["z" * 22]), (["sandbox", "kill", "z" * 22], ["z" * 22]),
        (["tools", "z" * 22], ["z" * 22]), (["call", "z" * 22, "x"], []),
    ],
    ids=["property", "server", "json", "file", "show", "kill", "tools", "call"],
)  # fmt: skip
def test_failures_say_why(shell, arguments, words):
    # What is wrong with an argument itself may be called a usage error.
    message = shell(*arguments, code=(FAILURE, USAGE))
    for word in words:
        assert word in message, message


def test_a_failed_tool_is_exit_1(shell):
    servers = json.dumps({"fix": fixture(new_mark())})
    ident = json.loads(shell("sandbox", "create", "--mcp", servers, "--json"))["sandboxID"]
    assert "did not work" in shell("call", ident, "fix_fail", code=FAILURE)
    assert "fix_missing" in shell("call", ident, "fix_missing", code=FAILURE)
    shell("call", ident, "fix_add", "--arguments", "[1]", code=(FAILURE, USAGE))
    shell("sandbox", "kill", ident)


def test_no_gateway_and_a_wrong_key(shell, gateway):
    port = free_port()
    message = bad(FAILURE, "sandbox", "list", "--url", f"http://127.0.0.1:{port}", "--api-key", "e2b_" + "0" * 40)
    assert str(port) in message
    message = bad(FAILURE, "sandbox", "list", "--url", gateway.url, "--api-key", "e2b_" + "0" * 40)
    assert "key" in message.lower()
    assert gateway.keys["alpha"] not in message


def test_pull(shell, scratch):
    """Resolves ahead of use, into the given state directory, without a running gateway."""
    folder = scratch / "pulled"
    done = run("pull", "time", "--state-dir", folder, timeout=170)
    assert done.returncode == OK, done.stderr
    assert processes.directories(folder)
    message = bad(FAILURE, "pull", "tiem", "--state-dir", folder)
    assert "tiem" in message and "time" in message
