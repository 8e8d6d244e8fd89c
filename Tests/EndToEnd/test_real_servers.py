"""Eight real MCP servers from PyPI in one sandbox, resolved by the gateway itself, each doing its work."""

import http.server
import json
import re
import secrets
import socket
import sqlite3
import subprocess
import threading

import pytest

from support.gateway import free_port
from support.waiting import wait_until

SERVERS = ("time", "git", "fetch", "sqlite", "redis", "arxiv", "duckduckgo", "prometheus")
# A first resolution downloads and unpacks; the control API answers after 20 s all the same.
RESOLVE_SECONDS = 240


class Web(http.server.BaseHTTPRequestHandler):
    """A page for `fetch`, and the two routes of Prometheus' API that its server asks."""

    def do_GET(self):
        if self.path.startswith("/api/v1/query"):
            sample = {"metric": {"__name__": "up"}, "value": [1700000000, "1"]}
            body, kind = (
                json.dumps({"status": "success", "data": {"resultType": "vector", "result": [sample]}}),
                "application/json",
            )
        elif self.path.startswith("/api/v1/"):
            body, kind = json.dumps({"status": "success", "data": ["up", "made_up_metric"]}), "application/json"
        else:
            body, kind = "<html><body><h1>A page of our own</h1><p>with <b>bold</b> text</p></body></html>", "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def redis(scratch):
    port, password = free_port(), secrets.token_hex(8)
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--requirepass", password, "--save", "",
         "--appendonly", "no", "--dir", str(scratch)], stdout=subprocess.DEVNULL,
    )  # fmt: skip

    def answers():
        assert process.poll() is None, "redis-server has ended"
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection, connection.makefile("rwb") as lines:
                lines.write(b"AUTH %s\r\nPING\r\n" % password.encode())
                lines.flush()
                return lines.readline() == b"+OK\r\n" and lines.readline() == b"+PONG\r\n"
        except OSError:
            return False

    try:
        wait_until(answers, 10, "redis-server answers")
        yield {"host": "127.0.0.1", "port": port, "pwd": password}
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def files(scratch):
    """A Git repository, a database and a directory of papers; the servers run as other users and may write there."""
    folder = scratch / "real"
    repository = folder / "repository"
    repository.mkdir(parents=True)
    (repository / "file").write_text("one\n")
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(repository)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "the only commit"], check=True)
    database = folder / "data" / "shop.db"
    database.parent.mkdir()
    with sqlite3.connect(database) as connection:
        connection.execute("create table fruit (name text, pieces integer)")
        connection.execute("insert into fruit values ('apple', 3), ('pear', 4)")
    connection.close()
    (folder / "papers").mkdir()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    return folder


@pytest.fixture(scope="module")
def real(gateway, web, redis, files):
    mcp = {
        "time": {"localTimezone": "Europe/Berlin"},
        "git": {"paths": [str(files / "repository")]},
        "fetch": {"allowPrivateIps": True, "ignoreRobotsTxt": True},
        "sqlite": {"dbPath": str(files / "data/shop.db")},
        "redis": redis,
        "arxiv": {"storagePath": str(files / "papers")},
        "duckduckgo": {},
        "prometheus": {"prometheusUrl": web},
    }
    with gateway.create(mcp, timeout=900) as sandbox:

        def settled():
            servers = sandbox.detail()["mcp"]["servers"]
            for server in servers:
                if server["state"] in ("failed", "crash_loop"):
                    tail = "\n".join((server.get("stderrTail") or [])[-5:])
                    pytest.fail(f"{server['name']}: {server['state']}: {server['lastError']}\n{tail}", pytrace=False)
            return all(server["state"] == "ready" for server in servers)

        wait_until(settled, RESOLVE_SECONDS, "all eight servers are ready")
        yield sandbox


@pytest.fixture(scope="module")
def client(real):
    with real.legacy() as session:
        yield session


@pytest.mark.timeout(RESOLVE_SECONDS + 60)
def test_eight_servers_under_one_url(real, client):
    tools = client.tools()
    for name in SERVERS:
        found = [tool for tool in tools if tool.startswith(name + "_")]
        assert len(found) == real.server(name)["tools"] > 0, name
    assert len(tools) >= 80
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in tools)


def test_time(client):
    now = json.loads(client.text("time_get_current_time", {"timezone": "Europe/Berlin"}))
    assert now["timezone"] == "Europe/Berlin"
    arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    assert "21:00" in client.text("time_convert_time", arguments)


def test_git(client, files):
    assert "the only commit" in client.text("git_log", {"repo_path": str(files / "repository")})
    assert "main" in client.text("git_status", {"repo_path": str(files / "repository")})


def test_fetch(client, web):
    text = client.text("fetch_fetch", {"url": web + "/page"})
    assert "A page of our own" in text and "bold" in text


def test_sqlite(client):
    assert "fruit" in client.text("sqlite_list_tables")
    text = client.text("sqlite_read_query", {"query": "select sum(pieces) as total from fruit"})
    assert "7" in text
    client.text("sqlite_write_query", {"query": "insert into fruit values ('plum', 5)"})
    assert "12" in client.text("sqlite_read_query", {"query": "select sum(pieces) as total from fruit"})


def test_redis(client):
    client.text("redis_set", {"key": "greeting", "value": "hello from a test"})
    assert "hello from a test" in client.text("redis_get", {"key": "greeting"})


def test_arxiv_without_internet(client):
    result = client.call("arxiv_list_papers", {})
    assert result["content"]


def test_duckduckgo_without_internet(client):
    result = client.call("duckduckgo_search", {"query": "anything"})
    assert result["content"][0]["text"]


def test_prometheus(client):
    assert "1700000000" in json.dumps(client.call("prometheus_execute_query", {"query": "up"}))


def test_all_at_once_in_both_eras(real):
    """Every server works while the others do, for clients of both eras."""
    calls = [
        ("time_get_current_time", {"timezone": "UTC"}), ("sqlite_list_tables", {}), ("redis_dbsize", {}),
        ("arxiv_list_papers", {}), ("prometheus_execute_query", {"query": "up"}),
    ]  # fmt: skip
    wrong = []

    def work(era, name, arguments):
        try:
            with real.legacy() if era == "legacy" else real.modern() as session:
                for _ in range(5):
                    assert session.call(name, arguments)["content"]
        except Exception as error:
            wrong.append((era, name, repr(error)))

    threads = [
        threading.Thread(target=work, args=(era, name, arguments))
        for era in ("legacy", "modern") for name, arguments in calls
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_second_sandbox_starts_from_what_is_resolved(gateway, real):
    """Resolution happens once: the second start needs no download and is there with the answer to create."""
    with gateway.create({"time": {}, "sqlite": {}}) as second:
        assert {server["state"] for server in second.detail()["mcp"]["servers"]} == {"ready"}
        assert "time_get_current_time" in second.tools()


def test_servers_of_the_catalog_see_only_their_paths(real, client, files):
    result = client.call("git_log", {"repo_path": str(files)})
    assert result.get("isError") is True


@pytest.mark.parametrize(
    ("key", "words"),
    [("aws-core", ("needs a container engine", "could not be pulled")), ("astro-docs", ("mcp.docs.astro.build",))],
    ids=["oci", "remote"],
)
def test_servers_of_other_kinds_say_what_they_need(gateway, key, words):
    """They settle with a message that says what is missing; the others serve."""
    with gateway.create({key: {}, "time": {}}) as sandbox:

        def settled():
            server = sandbox.server(key)
            return server if server["state"] not in ("resolving", "starting") else None

        found = wait_until(settled, 60, "it settles")
        # Where the remote endpoint is within reach, it serves; else it is tried again like a server that ends.
        assert found["state"] in ("failed", "needs_auth", "crash_loop", "ready")
        assert found["state"] == "ready" or any(word in found["lastError"] for word in words), found["lastError"]
        assert "time_get_current_time" in sandbox.tools()
