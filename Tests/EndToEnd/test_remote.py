"""Servers that somebody else hosts: official ones of both eras and all transports, and those that misbehave."""

import json
import subprocess
import threading
import time

import pytest

from support.gateway import HERE, VENVS, Gateway, free_port
from support.mcp import META, RPCError, text_of
from support.remote import RESULTS, Remote, begin_stream, event, is_open, make_certificate, reply, result, unused_port
from support.waiting import wait_until

ALLOWED = "allow-private-remotes: [127.0.0.1, localhost]\nallow-custom-servers: true\n"


@pytest.fixture(scope="module")
def lenient(scratch):
    """A gateway that may connect to loopback."""
    with Gateway(scratch / "remote", config=ALLOWED) as gateway:
        yield gateway


@pytest.fixture(
    scope="module",
    params=[
        ("sdk2", "streamable-http", "modern"),
        ("sdk1", "streamable-http", "legacy"),
        ("sdk2", "sse", "legacy"),
        ("sdk1", "sse", "legacy"),
    ],
    ids=lambda value: "-".join(value),
)
def official(request, scratch):
    """A server of the official SDK: its configuration and the era that it is spoken to in."""
    environment, transport, era = request.param
    port = free_port()
    command = [VENVS / environment / "bin/python", HERE / "fixture/remote_sdk.py", transport, str(port)]
    with open(scratch / f"remote-{environment}-{transport}.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or is_open(port), 60, "the server listens")
        path = "mcp" if transport == "streamable-http" else "sse"
        yield {"url": f"http://127.0.0.1:{port}/{path}", "type": transport}, era
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def served(lenient, official):
    configuration, era = official
    with lenient.create({"far": configuration}) as sandbox:
        sandbox.wait_state("far", "ready")
        assert sandbox.server("far")["era"] == era
        yield sandbox


@pytest.fixture
def remote():
    made = []

    def make(answer=None, **options):
        made.append(Remote(answer, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def open_far(gateway, url, **more):
    return gateway.create({"far": {"url": url, **more}})


def declared(remote):
    return [request.message["params"]["capabilities"] for request in remote.seen("initialize")]


def sessions(remote):
    return [request.headers["Mcp-Session-Id"] for request in remote.seen("tools/call")]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_server_is_told_what_the_clients_of_a_session_can_be_asked(lenient, remote, era):
    far = remote()
    with open_far(lenient, far.url) as sandbox:
        sandbox.wait_state("far", "ready")
        able = {"elicitation": {}}, {"elicitation": {}}, {"sampling": {}}, {"roots": {}}, {}
        for capabilities in able:
            with getattr(sandbox, era)(capabilities=capabilities) as client:
                assert client.text("far_echo", {"n": 1}) == '{"n": 1}'
        assert sandbox.text("far_echo", {"n": 2}) == '{"n": 2}'
        assert declared(far) == [{}, {"elicitation": {}}, {"sampling": {}}]
        assert sessions(far) == ["session-2", "session-2", "session-3", "session-1", "session-1", "session-1"]


def test_a_server_that_gives_one_session_alone_serves_all_with_it(lenient, remote):
    def answer(handler, request):
        if request.rpc != "initialize" or request.message["params"]["capabilities"] == {}:
            return False
        error = {"code": -32603, "message": "one is enough"}
        return reply(handler, 200, {"jsonrpc": "2.0", "id": request.message["id"], "error": error})

    far = remote(answer)
    with open_far(lenient, far.url) as sandbox:
        sandbox.wait_state("far", "ready")
        with sandbox.modern(capabilities={"elicitation": {}}) as client:
            assert [client.text("far_echo", {"n": n}) for n in (1, 2)] == ['{"n": 1}', '{"n": 2}']
        assert len(far.seen("initialize")) == 2
        assert sessions(far) == ["session-1", "session-1"]
        assert sandbox.server("far")["state"] == "ready"


def test_messages_that_come_a_line_each(lenient, remote):
    """As the conformance suite's own server sends them, under the name of JSON."""

    def answer(handler, request):
        if request.rpc != "tools/call":
            return False
        token = request.message["params"]["_meta"]["progressToken"]
        notice = {"progressToken": token, "progress": 1}
        messages = [
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": notice},
            result(request, {"content": [{"type": "text", "text": "done"}]}),
        ]
        body = "".join(json.dumps(message) + "\n" for message in messages).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    far = remote(answer)
    with open_far(lenient, far.url) as sandbox, sandbox.legacy() as client:
        params = {"name": "far_echo", "arguments": {}, "_meta": {"progressToken": "mine"}}
        with client.stream("tools/call", params, 5) as stream:
            messages = [part.json for part in stream.rest()]
        assert [m["params"]["progressToken"] for m in messages if "method" in m] == ["mine"]
        assert messages[-1]["id"] == 5 and text_of(messages[-1]["result"]) == "done"


# ------------------------------------------------------------------ official servers


def test_tools_prompts_and_resources_of_official_servers(served):
    for client in (served.legacy(), served.modern()):
        with client:
            assert set(client.tools()) >= {"far_add", "far_large", "far_fail", "far_steps", "far_learn"}
            assert client.text("far_add", {"a": 40, "b": 2}) == "42"
            assert client.call("far_fail")["isError"] is True
            assert len(client.text("far_large", {"size": 1_000_000})) == 1_000_000
            prompt = client.ask("prompts/get", {"name": "far_greet", "arguments": {"name": "Ada"}})
            assert prompt["messages"][0]["content"]["text"] == "Greet Ada"
            found = client.ask("resources/read", {"uri": "fixture://text"})
            assert found["contents"][0]["text"] == "remote text"
    assert served.text("far_add", {"a": 1, "b": 1}) == "2"


def test_progress_of_official_servers(served):
    with served.legacy() as client:
        params = {"name": "far_steps", "arguments": {"count": 3}, "_meta": {"progressToken": "mine"}}
        with client.stream("tools/call", params, 7) as stream:
            messages = [part.json for part in stream.rest()]
    progress = [m["params"] for m in messages if m.get("method") == "notifications/progress"]
    assert [p["progress"] for p in progress] == [1, 2, 3]
    assert {p["progressToken"] for p in progress} == {"mine"}
    assert messages[-1]["id"] == 7 and text_of(messages[-1]["result"]) == "3 steps"


def said(messages):
    return [m["params"]["data"] for m in messages if m.get("method") == "notifications/message"]


def test_log_messages_of_official_servers(served):
    params = {"name": "far_say", "arguments": {"text": "hear"}}
    with served.legacy() as client:
        with client.stream("tools/call", params, 1) as stream:
            assert said([part.json for part in stream.rest()]) == []
        client.ask("logging/setLevel", {"level": "warning"})
        with client.stream("tools/call", params, 2) as stream:
            assert said([part.json for part in stream.rest()]) == ["warning hear"]
    with served.modern() as client:
        for level, expected in ((None, []), ("debug", ["debug hear", "warning hear"]), ("warning", ["warning hear"])):
            with client.stream("tools/call", params, 3, {META + "logLevel": level}) as stream:
                messages = [part.json for part in stream.rest()]
            assert said(messages) == expected and text_of(messages[-1]["result"]) == "hear"


def test_official_servers_tell_of_new_tools(served):
    with served.legacy() as client:
        client.text("far_learn", {"name": "fresh"})
        wait_until(lambda: "far_fresh" in client.tools(), 10, "the new tool is listed")
        assert client.text("far_fresh") == "learnt"


def test_many_calls_at_once(served):
    answers = {}

    def work(number):
        with served.modern() as client:
            answers[number] = client.text("far_add", {"a": number, "b": 1000})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == {number: str(number + 1000) for number in range(100)}


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_private_addresses_are_refused_by_default(own_gateway, remote, host):
    server = remote()
    gateway = own_gateway(config="allow-custom-servers: true\n")
    with open_far(gateway, f"http://{host}:{server.port}/mcp") as sandbox:
        found = sandbox.wait_state("far", "failed")
    assert "allow-private-remotes" in found["lastError"] and "loopback" in found["lastError"]
    assert server.requests == []


def test_the_metadata_service_is_never_allowed(own_gateway):
    config = "allow-custom-servers: true\nallow-private-remotes: [169.254.169.254]\n"
    with open_far(own_gateway(config=config), "http://169.254.169.254/mcp") as sandbox:
        assert "metadata" in sandbox.wait_state("far", "failed")["lastError"]


def test_a_port_can_be_allowed_alone(own_gateway, remote):
    allowed, other = remote(), remote()
    config = f"allow-custom-servers: true\nallow-private-remotes: ['127.0.0.1:{allowed.port}']\n"
    gateway = own_gateway(config=config)
    with open_far(gateway, allowed.url) as sandbox:
        sandbox.wait_state("far", "ready")
    with open_far(gateway, other.url) as sandbox:
        sandbox.wait_state("far", "failed")
    assert other.requests == []


def test_redirects_stay_at_their_origin(lenient, remote):
    target = remote()

    def elsewhere(handler, request):
        return reply(handler, 307, Location=target.url)

    with open_far(lenient, remote(elsewhere).url) as sandbox:
        assert "redirect" in sandbox.wait_state("far", "failed")["lastError"]
    assert target.requests == []

    def moved(handler, request):
        return request.path == "/mcp" and reply(handler, 308, Location="/moved")

    with open_far(lenient, remote(moved).url) as sandbox:
        sandbox.wait_state("far", "ready")
        assert sandbox.text("far_echo", {"x": 1}) == '{"x": 1}'


# ------------------------------------------------------------------ credentials


def test_only_the_configured_credentials_are_sent(lenient, remote):
    server = remote()
    secret = "Bearer far-secret-123456"
    with open_far(lenient, server.url, headers={"Authorization": secret}) as sandbox:
        sandbox.wait_state("far", "ready")
        with sandbox.legacy() as client:
            client.text("far_echo", {"x": 1})
        assert secret.split()[1] not in str(sandbox.detail())
        token = sandbox.token
    assert len(server.requests) >= 5
    for request in server.requests:
        assert request.headers.get_all("Authorization") == [secret], request
        assert token not in str(request.headers), request
    assert secret.split()[1] not in lenient.log


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_authorization(lenient, remote, status):
    challenge = 'Bearer resource_metadata="https://far.example/.well-known/oauth-protected-resource"'
    server = remote(lambda handler, _: reply(handler, status, {"error": "no"}, WWW_Authenticate=challenge))
    with open_far(lenient, f"{server.url}?key=hidden") as sandbox:
        found = sandbox.wait_state("far", "needs_auth")
        assert server.url in found["lastError"] and "oauth-protected-resource" in found["lastError"]
        assert "hidden" not in found["lastError"]
        assert sandbox.call("far_echo").status in (404, 503)


def test_authorization_that_ends_while_it_serves(lenient, remote):
    ended = threading.Event()
    server = remote(lambda handler, _: ended.is_set() and reply(handler, 401))
    with open_far(lenient, server.url) as sandbox, sandbox.legacy() as client:
        client.text("far_echo", {"x": 1})
        ended.set()
        with pytest.raises(RPCError):
            client.text("far_echo", {"x": 2})
        sandbox.wait_state("far", "needs_auth")


# ------------------------------------------------------------------ TLS


def test_tls_with_a_trusted_certificate(own_gateway, remote, scratch):
    certificate, key = make_certificate(scratch / "trusted", "IP:127.0.0.1")
    server = remote(certificate=(certificate, key))
    gateway = own_gateway(config=ALLOWED, environment={"SSL_CERT_FILE": str(certificate)})
    with open_far(gateway, server.url) as sandbox:
        sandbox.wait_state("far", "ready")
        for number in range(3):
            assert sandbox.text("far_echo", {"x": number}) == f'{{"x": {number}}}'
        large = "x" * 300_000
        assert large in sandbox.text("far_echo", {"x": large})


@pytest.mark.parametrize(("name", "is_trusted"), [("DNS:example.com", True), ("IP:127.0.0.1", False)])
def test_tls_with_another_certificate_sends_nothing(own_gateway, remote, scratch, name, is_trusted):
    certificate, key = make_certificate(scratch / f"other-{is_trusted}", name)
    server = remote(certificate=(certificate, key))
    environment = {"SSL_CERT_FILE": str(certificate)} if is_trusted else {}
    gateway = own_gateway(config=ALLOWED, environment=environment)
    with open_far(gateway, server.url) as sandbox:
        found = sandbox.wait_state("far", "crash_loop")
    assert "certificate" in found["lastError"]
    assert server.requests == []


# ------------------------------------------------------------------ connections


def test_connections_are_used_again(lenient, remote):
    server = remote()
    with open_far(lenient, server.url) as sandbox:
        sandbox.wait_state("far", "ready")
        before = server.connections
        for number in range(20):
            sandbox.text("far_echo", {"x": number})
        assert server.connections - before <= 1


def test_nothing_is_left_when_a_sandbox_ends(lenient, remote):
    server = remote()
    before = lenient.descriptors()
    for _ in range(3):
        with open_far(lenient, server.url) as sandbox:
            assert sandbox.text("far_echo", {"x": 1}) == '{"x": 1}'
    wait_until(lambda: lenient.descriptors() == before, 15, "its connections are closed")


def test_the_end_of_a_modern_client_cancels(lenient, remote):
    entered = threading.Event()

    def answer(handler, request):
        if request.rpc != "tools/call":
            return False
        entered.set()
        server.stopping.wait(20)
        return True

    server = remote(answer)
    with open_far(lenient, server.url) as sandbox:
        client = sandbox.modern()
        with client.stream("tools/call", {"name": "far_echo", "arguments": {}}, 1):
            assert entered.wait(10)
        wait_until(lambda: server.seen("notifications/cancelled"), 5, "the server is told")
        asked = server.seen("tools/call")[0].message["id"]
        assert server.seen("notifications/cancelled")[0].message["params"]["requestId"] == asked


def test_a_stream_that_breaks_is_taken_up_where_it_was(lenient, remote):
    def answer(handler, request):
        if request.rpc == "tools/call":
            asked.append(request)
            begin_stream(handler)
            event(handler, None, ident="mark-1")
            return True
        if request.method == "GET" and request.headers.get("Last-Event-ID") == "mark-1":
            begin_stream(handler)
            event(handler, result(asked[0], {"content": [{"type": "text", "text": "the rest"}]}), ident="mark-2")
            return True
        return False

    asked = []
    with open_far(lenient, remote(answer).url) as sandbox:
        assert sandbox.text("far_echo") == "the rest"
    assert len(asked) == 1


# ------------------------------------------------------------------ servers in trouble


def test_a_dead_server_settles_and_comes_back(lenient, remote):
    port = unused_port()
    began = time.monotonic()
    with lenient.create({"far": {"url": f"http://127.0.0.1:{port}/mcp"}}) as sandbox:
        assert time.monotonic() - began < 15
        found = sandbox.wait_state("far", "crash_loop")
        assert "connect" in found["lastError"]
        assert sandbox.call("far_echo").status in (404, 503)


def test_a_server_that_dies_and_returns(lenient, remote):
    server = remote()
    down = threading.Event()

    def answer(handler, request):
        if not down.is_set():
            return False
        handler.close_connection = True
        return True

    server.answer = answer
    with open_far(lenient, server.url) as sandbox, sandbox.legacy() as client:
        client.text("far_echo", {"x": 1})
        down.set()
        with pytest.raises(RPCError) as error:
            client.text("far_echo", {"x": 2})
        assert error.value.data["server"] == "far"
        down.clear()
        wait_until(lambda: sandbox.call("far_echo", {"x": 3}).status == 200, 20, "it serves again")


def test_no_such_host(lenient):
    with lenient.create({"far": {"url": "http://no-such-host.invalid/mcp"}}) as sandbox:
        found = sandbox.wait_state("far", "crash_loop")
        assert "no-such-host.invalid" in found["lastError"]


def test_a_call_without_an_answer_times_out_and_is_cancelled(own_gateway, remote):
    released = threading.Event()

    def answer(handler, request):
        if request.rpc == "tools/call" and request.message["params"]["arguments"].get("hang"):
            released.wait(30)
            return True
        return False

    server = remote(answer)
    gateway = own_gateway(config=ALLOWED + "limits: {call-seconds: 2}\n")
    with open_far(gateway, server.url) as sandbox, sandbox.legacy() as client:
        with pytest.raises(RPCError) as error:
            client.text("far_echo", {"hang": True})
        assert "2 s" in error.value.message
        wait_until(lambda: server.seen("notifications/cancelled"), 5, "the server is told")
        released.set()
        assert client.text("far_echo", {"x": 1}) == '{"x": 1}'


def test_a_slow_server_holds_up_nobody_else(lenient, remote):
    entered, released = threading.Event(), threading.Event()

    def answer(handler, request):
        if request.rpc == "tools/call":
            entered.set()
            released.wait(30)
        return False

    slow, quick = remote(answer), remote()
    servers = {"slow": {"url": slow.url}, "quick": {"url": quick.url}}
    with lenient.create(servers) as sandbox:
        replies = []
        thread = threading.Thread(target=lambda: replies.append(sandbox.call("slow_echo", {"x": 1})))
        thread.start()
        assert entered.wait(10)
        assert sandbox.text("quick_echo", {"x": 2}) == '{"x": 2}'
        released.set()
        thread.join(10)
        assert replies[0].status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {broken\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\noops",
        b"",
    ],
    ids=["no-http", "two-lengths", "cut", "bad-chunk", "bad-json", "html", "nothing"],
)
def test_a_malformed_answer_fails_its_call_alone(lenient, remote, raw):
    def answer(handler, request):
        if request.rpc == "tools/call" and request.message["params"]["arguments"].get("raw"):
            handler.wfile.write(raw)
            handler.close_connection = True
            return True
        return False

    with open_far(lenient, remote(answer).url) as sandbox, sandbox.legacy() as client:
        with pytest.raises(RPCError) as error:
            client.text("far_echo", {"raw": True})
        assert "far" in error.value.message
        assert client.text("far_echo", {"x": 1}) == '{"x": 1}'
        assert sandbox.server("far")["state"] == "ready"


def test_a_lost_session_is_made_anew(lenient, remote):
    server = remote()
    valid = {"session-1"}

    def answer(handler, request):
        session = request.headers.get("Mcp-Session-Id")
        return session is not None and session not in valid and reply(handler, 404, {"error": "unknown session"})

    server.answer = answer
    with open_far(lenient, server.url) as sandbox, sandbox.legacy() as client:
        client.text("far_echo", {"x": 1})
        valid.clear()
        valid.add("session-2")
        # A call may have been carried out: it is not sent again, but the next one finds the new session.
        with pytest.raises(RPCError):
            client.text("far_echo", {"x": 2})
        assert client.text("far_echo", {"x": 3}) == '{"x": 3}'
    assert server.sessions == 2


def test_a_session_is_given_back(lenient, remote):
    server = remote()
    with open_far(lenient, server.url) as sandbox:
        sandbox.wait_state("far", "ready")
    wait_until(
        lambda: [r for r in server.requests if r.method == "DELETE"], 5, "the session is deleted"
    )  # fmt: skip


def test_the_server_says_that_its_tools_have_changed(lenient, remote):
    server = remote()
    changed = threading.Event()

    def answer(handler, request):
        if request.method == "GET":
            begin_stream(handler)
            changed.wait(30)
            event(handler, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            server.stopping.wait(30)
            return True
        if request.rpc == "tools/list" and changed.is_set():
            tools = [{"name": "fresh", "inputSchema": {"type": "object"}}]
            return reply(handler, 200, result(request, {"tools": tools}))
        return False

    server.answer = answer
    with open_far(lenient, server.url) as sandbox, sandbox.legacy() as client:
        assert set(client.tools()) == {"far_echo"}
        changed.set()
        wait_until(lambda: set(client.tools()) == {"far_fresh"}, 10, "the new list")


def test_a_server_that_asks_its_client_is_answered(lenient, remote):
    server = remote()

    def answer(handler, request):
        if request.rpc != "tools/call":
            return False
        begin_stream(handler)
        event(handler, {"jsonrpc": "2.0", "id": "ask", "method": "ping"})
        wait_until(lambda: [r for r in server.requests if r.message and r.message.get("id") == "ask"], 5, "pong")
        event(handler, result(request, {"content": [{"type": "text", "text": "after the ping"}]}))
        return True

    server.answer = answer
    with open_far(lenient, server.url) as sandbox:
        assert sandbox.text("far_echo") == "after the ping"


# ------------------------------------------------------------------ subscriptions

TEXT = "fixture://text"
RESOURCES = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {"subscribe": True}},
        "serverInfo": {"name": "scripted", "version": "1"},
    },
    "resources/list": {"resources": [{"uri": TEXT, "name": "text"}]},
    "resources/templates/list": {"resourceTemplates": []},
    "resources/subscribe": {},
    "resources/unsubscribe": {},
}


class Telling(Remote):
    """A server of 2025-11-25 that tells of a resource on its GET stream when it is told to."""

    def __init__(self):
        super().__init__()
        self.streams = []

    def result(self, request):
        return (RESULTS | RESOURCES)[request.rpc]

    def stream(self, handler):
        begin_stream(handler)
        self.streams.append(handler)
        self.stopping.wait(60)

    def tell(self, uri):
        event(self.streams[-1], {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})


def listened(client, uri):
    """A stream of a client of either era on which changes of the resource come."""
    if client.is_modern:
        wanted = {"notifications": {"resourceSubscriptions": [uri]}}
        stream = client.stream("subscriptions/listen", wanted, "L")
        assert stream.next().json["params"]["notifications"] == {"resourceSubscriptions": [uri]}
        return stream
    stream = client.listen()
    assert client.ask("resources/subscribe", {"uri": uri}) == {}
    return stream


@pytest.fixture(params=["legacy", "modern"])
def era(request):
    return request.param


def test_changes_of_resources_of_a_remote_session(lenient, era):
    with Telling() as server, lenient.create({"far": {"url": server.url}}) as sandbox:
        sandbox.wait_state("far", "ready")
        wait_until(lambda: server.streams, 10, "the gateway has opened the stream")
        with getattr(sandbox, era)() as client:
            client.is_modern = era == "modern"
            with listened(client, TEXT) as stream:
                (told,) = server.seen("resources/subscribe")
                assert told.message["params"] == {"uri": TEXT}
                assert told.headers["Mcp-Session-Id"] == "session-1"
                server.tell(TEXT)
                assert stream.next_message("notifications/resources/updated")["params"]["uri"] == TEXT


def test_changes_of_resources_of_the_official_server(lenient, official, era):
    configuration, server_era = official
    if server_era == "legacy":
        # The official servers of the older era offer no subscriptions
        with lenient.create({"far": configuration}) as sandbox:
            sandbox.wait_state("far", "ready")
            with sandbox.legacy() as client, pytest.raises(RPCError) as error:
                assert "subscribe" not in client.hello["capabilities"]["resources"]
                client.ask("resources/subscribe", {"uri": TEXT})
            assert error.value.code == -32602
        return
    with lenient.create({"far": configuration}) as sandbox:
        sandbox.wait_state("far", "ready")
        with getattr(sandbox, era)() as client:
            client.is_modern = era == "modern"
            with listened(client, TEXT) as stream:
                client.text("far_touch", {"uri": TEXT})
                assert stream.next_message("notifications/resources/updated")["params"]["uri"] == TEXT
