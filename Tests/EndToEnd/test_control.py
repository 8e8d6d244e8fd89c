"""The control API (contract: the public listener with X-API-KEY), request by request."""

import re
import threading
import time

import pytest

from support import processes
from support.gateway import echo, fixture, new_mark
from support.http import exchange
from support.mcp import Legacy
from support.waiting import wait_until

ID = re.compile(r"[a-z0-9]{20,}")


def error_of(reply, status):
    """Checks the form of an error and returns its message."""
    assert reply.status == status, reply
    assert reply.headers["content-type"].startswith("application/json"), reply
    assert reply.json["code"] == status and isinstance(reply.json["message"], str), reply
    assert reply.json["message"], reply
    return reply.json["message"]


@pytest.fixture(scope="module")
def control(gateway):
    return gateway.control()


@pytest.fixture(scope="module")
def made(gateway):
    with gateway.create({"fix": fixture(new_mark())}, metadata={"team": "a b/ü"}) as sandbox:
        yield sandbox


def test_health_needs_no_key(gateway):
    reply = exchange(gateway.url + "/health")
    assert reply.status == 200 and reply.json == {"status": "ok"}


@pytest.mark.parametrize("path", ["/v2/sandboxes", "/sandboxes"])
def test_create_answers_what_the_sdks_need(control, path):
    reply = control.request("POST", path, {"mcp": {"e": echo()}, "timeout": 30})
    assert reply.status == 201, reply
    made = reply.json
    assert ID.fullmatch(made["sandboxID"])
    for key in ("templateID", "clientID", "envdVersion", "envdAccessToken", "mcpToken"):
        assert isinstance(made[key], str) and made[key], key
    assert made["mcpUrl"].endswith(f"/sandbox/{made['sandboxID']}/mcp")
    with Legacy(made["mcpUrl"], made["mcpToken"]) as client:
        assert client.text("e_echo", {"text": "ready at once"}) == "ready at once"
    assert control.request("DELETE", f"/sandboxes/{made['sandboxID']}").status == 204


def test_create_without_mcp(control):
    reply = control.request("POST", "/v2/sandboxes", {"templateID": "base", "metadata": {}, "envVars": {}})
    assert reply.status == 201 and reply.json["templateID"] == "base"
    assert control.request("DELETE", f"/sandboxes/{reply.json['sandboxID']}").status == 204


def test_ids_and_tokens_do_not_repeat(control):
    made = [control.create({}).created for _ in range(20)]
    assert len({one["sandboxID"] for one in made}) == len({one["mcpToken"] for one in made}) == 20
    assert all(len(one["mcpToken"]) >= 22 for one in made)
    for one in made:
        assert control.request("DELETE", f"/sandboxes/{one['sandboxID']}").status == 204


KEYLESS = [
    ("GET", "/v2/sandboxes"), ("POST", "/v2/sandboxes"), ("POST", "/sandboxes"), ("GET", "/sandboxes/{id}"),
    ("DELETE", "/sandboxes/{id}"), ("POST", "/sandboxes/{id}/timeout"), ("POST", "/v2/sandboxes/{id}/connect"),
    ("POST", "/sandboxes/{id}/mcp/token"), ("PUT", "/sandboxes/{id}/mcp"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), KEYLESS)
@pytest.mark.parametrize("key", [None, "", "e2b_" + "f" * 40, "Bearer x"], ids=["none", "empty", "unknown", "bearer"])
def test_each_route_wants_a_key(control, made, method, path, key):
    body = {} if method in ("POST", "PUT") else None
    message = error_of(control.request(method, path.format(id=made.id), body, key=key), 401)
    assert "X-API-KEY" in message or "key" in message.lower()
    assert made.call("fix_whoami").status == 200


@pytest.mark.parametrize(("method", "path"), KEYLESS[3:])
def test_a_sandbox_of_another_owner_does_not_exist(gateway, made, method, path):
    body = {"timeout": 1} if "timeout" in path else {} if method in ("POST", "PUT") else None
    foreign = gateway.control("beta").request(method, path.format(id=made.id), body)
    unknown = gateway.control("beta").request(method, path.format(id="z" * 22), body)
    error_of(foreign, 404)
    assert foreign.body.replace(made.id.encode(), b"") == unknown.body.replace(b"z" * 22, b"")
    assert made.call("fix_whoami").status == 200


def test_list_shows_own_sandboxes_only(gateway, made):
    mine = gateway.control().request("GET", "/v2/sandboxes")
    theirs = gateway.control("beta").request("GET", "/v2/sandboxes")
    assert mine.status == theirs.status == 200
    assert made.id in [one["sandboxID"] for one in mine.json]
    assert made.id not in [one["sandboxID"] for one in theirs.json]
    listed = next(one for one in mine.json if one["sandboxID"] == made.id)
    for key in ("templateID", "clientID", "startedAt", "endAt", "cpuCount", "memoryMB", "diskSizeMB", "envdVersion"):
        assert key in listed
    assert listed["state"] == "running" and listed["metadata"] == {"team": "a b/ü"}
    assert "mcpToken" not in listed and "envdAccessToken" not in listed
    for moment in (listed["startedAt"], listed["endAt"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", moment)
    assert listed["startedAt"] < listed["endAt"]


def test_list_pages(gateway):
    control = gateway.control("beta")
    made = [control.create({}, metadata={"page": "yes"}) for _ in range(7)]
    seen, token, sizes = [], None, []
    while True:
        reply = control.request("GET", "/v2/sandboxes?limit=3" + (f"&nextToken={token}" if token else ""))
        assert reply.status == 200, reply
        sizes.append(len(reply.json))
        seen += [one["sandboxID"] for one in reply.json]
        token = reply.headers.get("x-next-token")
        if not token:
            break
        assert len(sizes) < 10
    assert sizes == [3, 3, 1]
    assert sorted(seen) == sorted(one.id for one in made)
    for one in made:
        one.kill()


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=99999999999999999999", "nextToken=@@@"])
def test_list_refuses_a_bad_query(control, query):
    error_of(control.request("GET", f"/v2/sandboxes?{query}"), 400)


def test_list_filters_by_metadata(control, made):
    # The SDK encodes keys and values, then the pair list, then the query.
    found = control.request("GET", "/v2/sandboxes?metadata=team%3Da%252520b%25252F%2525C3%2525BC")
    assert [one["sandboxID"] for one in found.json] == [made.id]
    assert control.request("GET", "/v2/sandboxes?metadata=team%3Dother").json == []


def test_detail_tells_each_server(made):
    detail = made.detail()
    assert detail["sandboxID"] == made.id and detail["state"] == "running"
    server = detail["mcp"]["servers"][0]
    assert server["name"] == "fix" and server["state"] == "ready"
    assert server["tools"] > 10 and server["restarts"] == 0
    assert processes.state(server["pid"]) in ("S", "R")


@pytest.mark.parametrize("prefix", ["/v2", ""])
def test_connect_gives_the_same_sandbox(control, made, prefix):
    reply = control.request("POST", f"{prefix}/sandboxes/{made.id}/connect", {"timeout": 60})
    assert reply.status in (200, 201), reply
    assert reply.json["sandboxID"] == made.id
    assert reply.json["mcpToken"] == made.token


def test_connect_only_extends(control, made):
    control.request("POST", f"{made.path}/timeout", {"timeout": 1000})
    before = made.detail()["endAt"]
    control.request("POST", f"/v2{made.path}/connect", {"timeout": 5})
    assert made.detail()["endAt"] == before
    control.request("POST", f"/v2{made.path}/connect", {"timeout": 3000})
    assert made.detail()["endAt"] > before


@pytest.mark.parametrize("body", [{}, {"timeout": -1}, {"timeout": "5"}, {"timeout": 1.5}, {"timeout": None}, []])
def test_timeout_refuses_a_bad_body(control, made, body):
    error_of(control.request("POST", f"{made.path}/timeout", body), 400)


def test_a_sandbox_ends_with_its_time(gateway):
    mark = new_mark()
    sandbox = gateway.create({"fix": fixture(mark)}, timeout=1)
    assert processes.with_mark(mark)
    wait_until(lambda: not processes.with_mark(mark), 10, "its processes are gone")
    wait_until(lambda: gateway.control().request("GET", sandbox.path).status == 404, 5, "it is unknown")
    assert sandbox.call("fix_whoami").status == 401


def test_timeout_shortens(gateway):
    sandbox = gateway.create({"e": echo()}, timeout=600)
    assert gateway.control().request("POST", f"{sandbox.path}/timeout", {"timeout": 1}).status == 204
    wait_until(lambda: gateway.control().request("GET", sandbox.path).status == 404, 10, "it has ended")


def test_delete_answers_when_every_process_is_gone(gateway):
    for _ in range(5):
        mark = new_mark()
        sandbox = gateway.create({"one": fixture(mark, "--ignore-term"), "two": fixture(mark)})
        assert sandbox.text("two_spawn", {"seconds": 987654}).isdigit()
        assert len(processes.with_mark(mark)) >= 2 and processes.with_mark("sleep 987654")
        reply = sandbox.kill()
        assert reply.status == 204 and reply.body == b""
        # No waiting here: that is the promise.
        assert processes.with_mark(mark) == []
        assert processes.with_mark("sleep 987654") == []
        error_of(sandbox.kill(), 404)


def test_delete_when_the_processes_are_gone_already(gateway):
    mark = new_mark()
    sandbox = gateway.create({"fix": fixture(mark, "--die", "3")})
    assert sandbox.kill().status == 204


def test_rotated_token_replaces_the_old_one(gateway):
    with gateway.create({"e": echo()}) as sandbox:
        old = sandbox.token
        reply = sandbox.control.request("POST", f"{sandbox.path}/mcp/token")
        assert reply.status == 200 and set(reply.json) == {"mcpToken"}
        new = reply.json["mcpToken"]
        assert new != old
        assert sandbox.rest("list_tools", token=old).status == 401
        assert sandbox.rest("list_tools", token=new).status == 200


def test_replaced_servers_are_announced(gateway):
    first, second = new_mark(), new_mark()
    with gateway.create({"one": fixture(first)}) as sandbox, sandbox.legacy() as client:
        with client.listen() as stream:
            assert stream.status == 200
            reply = sandbox.control.request("PUT", f"{sandbox.path}/mcp", {"two": fixture(second)})
            assert reply.status == 200, reply
            stream.next_message("notifications/tools/list_changed")
        assert client.text("two_whoami") == second
        assert not any(name.startswith("one_") for name in client.tools())
        wait_until(lambda: not processes.with_mark(first), 10, "the first server is gone")


def test_replacing_with_a_mistake_changes_nothing(gateway, made):
    reply = made.control.request("PUT", f"{made.path}/mcp", {"time": {"zone": "x"}})
    message = error_of(reply, 400)
    assert "time" in message and "zone" in message
    assert made.call("fix_whoami").status == 200


BAD_BODIES = [
    (b"", "empty"), (b"{", "cut"), (b"[]", "array"), (b'"x"', "string"), (b"null", "null"),
    (b'{"mcp":[]}', "mcp-array"), (b'{"mcp":"x"}', "mcp-string"), (b'{"mcp":{"time":5}}', "server-number"),
    (b'{"mcp":{"time":{}},"mcp":{}}', "twice"), (b'{"timeout":"5"}', "timeout-string"),
    (b'{"timeout":-5}', "timeout-negative"), (b'{"timeout":1e99}', "timeout-huge"),
    (b'{"metadata":{"a":1}}', "metadata-number"), (b'{"metadata":[]}', "metadata-array"),
    (b'{"envVars":{"A":1}}', "env-number"), (b"\xff\xfe", "not-utf8"), (b"[" * 500, "deep"),
]  # fmt: skip


@pytest.mark.parametrize("body", [one[0] for one in BAD_BODIES], ids=[one[1] for one in BAD_BODIES])
def test_create_refuses_a_bad_body(gateway, body):
    fields = {"X-API-KEY": gateway.keys["alpha"], "Content-Type": "application/json"}
    error_of(exchange(gateway.url + "/v2/sandboxes", "POST", body, fields), 400)


WRONG_CUSTOM = [
    {"command": []}, {"command": "python3"}, {"command": [1]}, {"command": [""]}, {"env": {}},
    {"command": ["x"], "env": {"A": 1}}, {"command": ["x"], "env": []}, {"command": ["x"], "nonsense": 1},
    {"command": ["x"], "url": "https://example.org"}, {"url": "ftp://example.org"}, {"url": 5},
]  # fmt: skip


@pytest.mark.parametrize("configuration", WRONG_CUSTOM, ids=[str(index) for index in range(len(WRONG_CUSTOM))])
def test_create_refuses_a_wrong_custom_server(control, configuration):
    message = error_of(control.request("POST", "/v2/sandboxes", {"mcp": {"my-own": configuration}}), 400)
    assert "my-own" in message


@pytest.mark.parametrize(
    ("mcp", "words"),
    [
        ({"nosuchthing": {}}, ["nosuchthing"]),
        ({"duckduckgoo": {}}, ["duckduckgoo", "duckduckgo"]),
        ({"time": {"localTimeZone": "UTC"}}, ["time", "localTimeZone", "localTimezone"]),
        ({"time": {"localTimezone": 3}}, ["time", "localTimezone"]),
        ({"git": {}}, ["git", "paths"]),
        ({"git": {"paths": [1]}}, ["git", "paths"]),
        ({"fetch": {"allowPrivateIps": "yes"}}, ["fetch", "allowPrivateIps"]),
        ({"time": {"x": 1}, "git": {}}, ["time", "x", "git", "paths"]),
    ],
)
def test_create_names_server_and_property(control, mcp, words):
    message = error_of(control.request("POST", "/v2/sandboxes", {"mcp": mcp}), 400)
    for word in words:
        assert word in message, message


def test_messages_do_not_repeat_secrets(control):
    body = {"mcp": {"exa": {"apiKey": "the-secret-value-5531", "wrong": 1}}}
    message = error_of(control.request("POST", "/v2/sandboxes", body), 400)
    assert "the-secret-value-5531" not in message


@pytest.mark.parametrize("key", ["repeat-1", "a"])
def test_a_repeated_create_makes_one_sandbox(control, key):
    body = {"mcp": {"e": echo()}}
    first = control.request("POST", "/v2/sandboxes", body, Idempotency_Key=key + new_mark())
    assert first.status == 201
    other = control.request("POST", "/v2/sandboxes", body, Idempotency_Key=key + new_mark())
    same = new_mark()
    once = control.request("POST", "/v2/sandboxes", body, Idempotency_Key=same)
    twice = control.request("POST", "/v2/sandboxes", body, Idempotency_Key=same)
    assert once.json == twice.json and once.json["sandboxID"] != other.json["sandboxID"]
    for reply in (first, other, once):
        assert control.request("DELETE", f"/sandboxes/{reply.json['sandboxID']}").status == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404), ("GET", "/sandboxes/", 404), ("GET", "/v3/sandboxes", 404),
        ("PATCH", "/v2/sandboxes", 405), ("PUT", "/sandboxes/{id}", 405), ("GET", "/sandboxes/{id}/timeout", 405),
        ("POST", "/sandboxes/{id}/fork", 501), ("POST", "/sandboxes/{id}/snapshots", 501),
        ("GET", "/sandboxes/..%2f..%2fetc", 404), ("GET", "/sandboxes/%00", 404),
    ],
)  # fmt: skip
def test_what_is_not_there(control, made, method, path, status):
    error_of(control.request(method, path.format(id=made.id)), status)


def test_metrics_of_a_sandbox(control, made):
    reply = control.request("GET", f"{made.path}/metrics")
    assert reply.status == 200 and isinstance(reply.json, list)


def test_servers_that_need_long_do_not_hold_the_answer(gateway):
    """The answer comes after 20 s at the latest; the server announces itself when it is there."""
    start = time.monotonic()
    with gateway.create({"slow": fixture(new_mark(), "--slow-start", "23"), "e": echo()}, timeout=120) as sandbox:
        waited = time.monotonic() - start
        assert 15 < waited < 22, f"create took {waited:.1f} s"
        assert sandbox.server("slow")["state"] == "starting"
        assert sandbox.server("e")["state"] == "ready"
        with sandbox.legacy() as client, client.listen() as stream:
            assert "e_echo" in client.tools() and "slow_echo" not in client.tools()
            stream.next_message("notifications/tools/list_changed", 15)
            assert "slow_echo" in client.tools()


def test_many_at_once(gateway):
    made, lock = [], threading.Lock()

    def work():
        sandbox = gateway.create({"e": echo()})
        with lock:
            made.append(sandbox)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({sandbox.id for sandbox in made}) == 12
    for sandbox in made:
        assert sandbox.text("e_echo", {"text": sandbox.id}) == sandbox.id
        assert sandbox.kill().status == 204
