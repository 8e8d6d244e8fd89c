"""HTTP/2 with prior knowledge, TLS, and both at once, on the port that plain HTTP/1.1 uses too."""

import json
import os
import signal
import socket
import ssl
import subprocess
import threading

import h2.exceptions
import pytest

from support.gateway import echo, fixture, new_mark
from support.http2 import HTTP2Client
from support.waiting import wait_until

ROUTES = ["http1", "http2", "tls-http1", "tls-http2"]


def certificate(folder, name):
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", chain, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


@pytest.fixture(scope="module")
def secure(scratch):
    from support.gateway import Gateway

    folder = scratch / "secure-files"
    folder.mkdir()
    chain, key = certificate(folder, "localhost")
    gateway = Gateway(scratch / "secure", flags=["--tls-cert", str(chain), "--tls-key", str(key)])
    with gateway:
        gateway.chain, gateway.key = chain, key
        with gateway.create({"fix": fixture(new_mark()), "e": echo()}) as sandbox:
            gateway.sandbox = sandbox
            yield gateway


def curl(gateway, route, path, body=None, headers=()):
    options = {
        "http1": ["--http1.1"], "http2": ["--http2-prior-knowledge"],
        "tls-http1": ["--http1.1", "--cacert", getattr(gateway, "chain", "")], "tls-http2": ["--http2", "--cacert", getattr(gateway, "chain", "")],
    }[route]  # fmt: skip
    scheme = "https" if route.startswith("tls") else "http"
    command = ["curl", "-sS", "-m", "20", *map(str, options), "-w", "\n%{http_version} %{http_code}"]
    for header in headers:
        command += ["-H", header]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    done = subprocess.run([*command, f"{scheme}://localhost:{gateway.port}{path}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, _, line = done.stdout.rpartition("\n")
    version, status = line.split()
    assert version == ("2" if route.endswith("http2") else "1.1")
    return int(status), text


@pytest.mark.parametrize("route", ROUTES)
def test_a_call_on_each_route(secure, route):
    sandbox = secure.sandbox
    authorization = f"Authorization: Bearer {sandbox.token}"
    body = {"name": "fix_add", "arguments": {"a": 20, "b": 22}}
    status, text = curl(secure, route, f"/sandbox/{sandbox.id}/mcp/call_tool", body, [authorization])
    assert status == 200 and json.loads(text)["content"][0]["text"] == "42"
    status, text = curl(secure, route, f"/sandbox/{sandbox.id}/mcp/call_tool", body)
    assert status == 401 and json.loads(text)["error"]["code"] == "UNAUTHORIZED"
    status, text = curl(secure, route, "/v2/sandboxes", None, [f"X-API-KEY: {secure.keys['alpha']}"])
    assert status == 200 and sandbox.id in text
    status, text = curl(secure, route, "/nothing-here", None, [f"X-API-KEY: {secure.keys['alpha']}"])
    assert status == 404 and json.loads(text)["code"] == 404


def call(ident, name, **arguments):
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def test_streams_with_equal_ids_never_cross(secure):
    client = HTTP2Client(secure)
    session = client.open_session(secure.sandbox)
    texts = {}
    for number in range(60):
        text = f"stream number {number}"
        texts[client.post(secure.sandbox, call(7, "e_echo", text=text), session=session)] = text
    client.wait(texts)
    for stream, text in texts.items():
        answer = json.loads(client.answers[stream])
        assert answer["id"] == 7 and answer["result"]["content"][0]["text"] == text
    client.close()


def test_an_event_stream_beside_calls(secure):
    client = HTTP2Client(secure)
    session = client.open_session(secure.sandbox)
    message = call(1, "fix_sleep", seconds=0.3)
    message["params"]["_meta"] = {"progressToken": "p"}
    slow = client.post(secure.sandbox, message, session=session)
    quick = client.post(secure.sandbox, call(2, "e_echo", text="beside"), session=session)
    client.wait([quick])
    assert json.loads(client.answers[quick])["result"]["content"][0]["text"] == "beside"
    assert slow not in client.ended
    client.wait([slow])
    assert client.statuses[slow]["content-type"] == "text/event-stream"
    events = [json.loads(line[6:]) for line in client.answers[slow].decode().splitlines() if line.startswith("data: ")]
    assert events[-1]["id"] == 1 and any(event.get("method") == "notifications/progress" for event in events[:-1])
    client.close()


def test_a_large_answer_obeys_the_window(secure):
    client = HTTP2Client(secure)
    session = client.open_session(secure.sandbox)
    stream = client.post(secure.sandbox, call(1, "fix_blob", size=3_000_000), session=session)
    beside = client.post(secure.sandbox, call(2, "e_echo", text="beside"), session=session)
    client.wait([stream, beside])
    assert len(json.loads(client.answers[stream])["result"]["content"][0]["text"]) == 3_000_000
    client.close()


def test_rapid_resets_end_the_connection_and_nobody_else_notices(secure):
    client = HTTP2Client(secure)
    session = client.open_session(secure.sandbox)
    other = HTTP2Client(secure)
    other_session = other.open_session(secure.sandbox)
    try:
        for number in range(20_000):
            stream = client.post(secure.sandbox, call(number, "e_echo", text="x"), session=session)
            client.connection.reset_stream(stream)
            client.send()
            if number % 500 == 0:
                stream = other.post(secure.sandbox, call(5, "e_echo", text="still served"), session=other_session)
                other.wait([stream])
                assert b"still served" in other.answers[stream]
        pytest.fail("20,000 resets were taken")
    except (OSError, h2.exceptions.ProtocolError):
        pass
    stream = other.post(secure.sandbox, call(6, "e_echo", text="afterwards"), session=other_session)
    other.wait([stream])
    assert b"afterwards" in other.answers[stream]
    client.close()
    other.close()


def tls_socket(gateway, **options):
    context = ssl.create_default_context(cafile=str(gateway.chain))
    for name, value in options.items():
        setattr(context, name, value)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 10), server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(secure, version):
    with tls_socket(secure, minimum_version=version, maximum_version=version) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_old_tls_is_refused(secure):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{secure.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        input=b"", capture_output=True, timeout=20,
    )
    assert done.returncode != 0 or b"Cipher is (NONE)" in done.stdout


def test_garbage_after_the_first_byte_of_tls(secure):
    for size in (1, 5, 300):
        with socket.create_connection(("127.0.0.1", secure.port), 10) as connection:
            connection.sendall(b"\x16" + os.urandom(size))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert curl(secure, "tls-http2", "/health")[0] == 200


def test_sighup_takes_new_certificates_and_drops_nobody(secure, tmp_path):
    with tls_socket(secure) as old:
        chain, key = certificate(tmp_path, "localhost")
        secure.chain.write_bytes(chain.read_bytes())
        secure.key.write_bytes(key.read_bytes())
        os.kill(secure.pid, signal.SIGHUP)

        def has_new():
            try:
                tls_socket(secure).close()
                return True
            except ssl.SSLError:
                return False

        wait_until(has_new, 10, "new connections get the new certificate")
        old.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert old.recv(100).startswith(b"HTTP/1.1 200")


def test_stopping_ends_http2_in_order(own_gateway):
    gateway = own_gateway()
    sandbox = gateway.create({"fix": fixture(new_mark())})
    answers = []

    def work():
        body = {"name": "fix_sleep", "arguments": {"seconds": 1}}
        answers.append(
            curl(gateway, "http2", f"/sandbox/{sandbox.id}/mcp/call_tool", body, [f"Authorization: Bearer {sandbox.token}"])
        )

    calling = threading.Thread(target=work)
    calling.start()
    wait_until(lambda: gateway.metric("calls_in_flight") == 1, 10, "the call has begun")
    assert gateway.stop() == 0
    calling.join(20)
    assert answers and answers[0][0] == 200 and "slept" in answers[0][1]
