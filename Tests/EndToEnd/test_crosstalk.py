"""A hundred clients of three sandboxes at once, whose ids and progress tokens are all equal: on every transport each
hears of its own call alone.

A log message of a server of the older era names no call. Where several are in flight at one process it is on no call's
stream: it goes to the sessions of its own sandbox that have calls there and have set a level."""

import json
import ssl
import threading

import pytest

from support.gateway import Gateway, fixture, new_mark
from support.http import Raw
from support.http2 import HTTP2Client
from support.mcp import BOTH, LEGACY, META, MODERN, envelope
from support.old import Old
from test_http2_tls import certificate

CLIENTS, STEPS = 100, 3
ON_ONE_CONNECTION = 10


@pytest.fixture(scope="module")
def gateway(scratch):
    folder = scratch / "crosstalk-files"
    folder.mkdir()
    chain, key = certificate(folder, "localhost")
    with Gateway(scratch / "crosstalk", flags=["--tls-cert", str(chain), "--tls-key", str(key)]) as running:
        running.chain = chain
        yield running


@pytest.fixture(scope="module")
def sandboxes(gateway):
    """Of two owners; the names of their servers and tools are equal."""
    made = [
        gateway.create({"fix": fixture(new_mark(), "--era", era)}, owner=owner)
        for era, owner in (("legacy", "alpha"), ("modern", "beta"), ("legacy", "beta"))
    ]
    yield made
    for sandbox in made:
        sandbox.kill()


def context(gateway, protocol):
    made = ssl.create_default_context(cafile=str(gateway.chain))
    made.set_alpn_protocols([protocol])
    return made


# ------------------------------------------------------------------ what every client says


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "one", "version": "1"}},
}
LEVEL = {"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "debug"}}


def murmur(said, **meta):
    params = {"name": "fix_murmur", "arguments": {"said": said, "count": STEPS}, "_meta": {"progressToken": 1} | meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def fields_of(era):
    if era == "legacy":
        return {"mcp-protocol-version": LEGACY}
    return {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "fix_murmur"}


def body_of(era, said):
    return murmur(said) if era == "legacy" else murmur(said, **envelope(**{META + "logLevel": "debug"}))


def name(number):
    return f"sandbox {number % 3} client {number}"


def judge(said, messages, is_session=False):
    """What is wrong with what a client has heard on the stream of its call, or of its session too."""
    steps = []
    for message in messages:
        params = message.get("params", {})
        if message.get("method") == "notifications/progress":
            if params["progressToken"] != 1 or params["message"] != said:
                return f"{said} heard {message}"
            steps.append(params["progress"])
        elif message.get("method") == "notifications/message":
            sandbox, _, _ = said.partition(" client")
            if params["data"] != said and not (is_session and params["data"].startswith(sandbox + " client")):
                return f"{said} heard {message}"
        elif "method" in message:
            return f"{said} heard {message}"
    answers = [message for message in messages if "method" not in message]
    if len(answers) != 1 or answers[0].get("id") != 1 or "result" not in answers[0]:
        return f"{said} was answered {answers}"
    if answers[0]["result"]["content"] != [{"type": "text", "text": said}]:
        return f"{said} was answered {answers}"
    return None if steps == list(range(1, STEPS + 1)) else f"{said} heard of the steps {steps}"


def crowd(count, work):
    """Runs `work(number)` on so many threads, which start together; it returns what was wrong."""
    gate, wrong = threading.Barrier(count), []

    def run(number):
        try:
            found = work(number, lambda: gate.wait(60))
            wrong.extend(mistake for mistake in found if mistake)
        except Exception as error:
            gate.abort()
            wrong.append(f"client {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a client never ended"
    assert wrong == [], wrong[:10]


# ------------------------------------------------------------------ HTTP/1.1


class Line(Raw):
    """One kept-alive connection of one client."""

    def __init__(self, gateway, sandbox, is_secure):
        super().__init__(gateway.port, 60)
        if is_secure:
            self.socket = context(gateway, "http/1.1").wrap_socket(self.socket, server_hostname="localhost")
        self.sandbox, self.host = sandbox, f"127.0.0.1:{gateway.port}"

    def ask(self, message, fields, method="POST"):
        body = json.dumps(message).encode() if message else b""
        fields = {
            "Host": self.host, "Authorization": f"Bearer {self.sandbox.token}", "Accept": BOTH,
            "Content-Type": "application/json", "Content-Length": len(body),
        } | fields  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(f"{method} /sandbox/{self.sandbox.id}/mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        return self.reply()

    def open(self):
        """A session; the field that names it."""
        reply = self.ask(INITIALIZE, {})
        session = {"mcp-session-id": reply.headers["mcp-session-id"]}
        assert self.ask(LEVEL, fields_of("legacy") | session).json["result"] == {}
        return session


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_http1(gateway, sandboxes, is_secure, era):
    def work(number, start):
        said = name(number)
        with Line(gateway, sandboxes[number % 3], is_secure) as line:
            session = line.open() if era == "legacy" else {}
            start()
            reply = line.ask(body_of(era, said), fields_of(era) | session)
            assert reply.is_stream, reply
            return [judge(said, reply.messages)]

    crowd(CLIENTS, work)


def test_streams_of_sessions(gateway, sandboxes):
    """With a GET stream open each, on which nothing of a call comes that is not the session's own."""

    def work(number, start):
        said = name(number)
        with sandboxes[number % 3].legacy() as client, client.listen() as stream:
            client.ask("logging/setLevel", {"level": "debug"})
            start()
            with client.stream("tools/call", murmur(said)["params"], 1) as call:
                heard = [event.json for event in call.rest(60)]
            client.delete()
            return [judge(said, heard + [event.json for event in stream.rest()], is_session=True)]

    crowd(CLIENTS, work)


# ------------------------------------------------------------------ HTTP/2


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_http2(gateway, sandboxes, is_secure, era):
    """Ten connections with ten clients each, of all sandboxes."""

    def work(number, start):
        client = HTTP2Client(gateway, context(gateway, "h2") if is_secure else None)
        first = number * ON_ONE_CONNECTION
        mine = [(sandboxes[n % 3], name(n)) for n in range(first, first + ON_ONE_CONNECTION)]
        sessions = [None] * len(mine)
        if era == "legacy":
            opened = [client.post(sandbox, INITIALIZE, fields=fields_of(era)) for sandbox, _ in mine]
            client.wait(opened)
            sessions = [client.statuses[stream]["mcp-session-id"] for stream in opened]
            levels = [
                client.post(sandbox, LEVEL, session=session, fields=fields_of(era))
                for (sandbox, _), session in zip(mine, sessions, strict=True)
            ]
            client.wait(levels)
        start()
        calls = {
            client.post(sandbox, body_of(era, said), session=session, fields=fields_of(era)): said
            for (sandbox, said), session in zip(mine, sessions, strict=True)
        }
        client.wait(calls)
        client.close()
        lines = {stream: client.answers[stream].decode().splitlines() for stream in calls}
        heard = {
            stream: [json.loads(line[6:]) for line in found if line.startswith("data: {")]
            for stream, found in lines.items()
        }
        return [judge(said, heard[stream]) for stream, said in calls.items()]

    crowd(CLIENTS // ON_ONE_CONNECTION, work)


# ------------------------------------------------------------------ HTTP+SSE of 2024-11-05


@pytest.mark.parametrize("version", ["2024-11-05", LEGACY])
def test_the_old_transport(sandboxes, version):
    def work(number, start):
        said = name(number)
        with Old(sandboxes[number % 3], version) as client:
            client.ask("logging/setLevel", {"level": "debug"})
            start()
            client.send("tools/call", murmur(said)["params"], 1)
            heard = []
            while not heard or "method" in heard[-1]:
                heard.append(client.next())
            # What would come late is there when this is answered.
            heard += [message for message in [client.answer(client.send("ping", ident="after"))] if message.get("id") != "after"]
            return [judge(said, heard, is_session=True)]

    crowd(CLIENTS, work)
