"""A scripted remote MCP server over HTTP, in this process, that writes down what it is sent."""

import json
import queue
import select
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pathlib import Path

from fixture.schema import META, MODERN, Conversation

RESULTS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "scripted", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
}


class Request:
    def __init__(self, method, path, headers, message):
        self.method, self.path, self.headers, self.message = method, path, headers, message

    @property
    def rpc(self):
        return (self.message or {}).get("method")

    def __repr__(self):
        return f"<{self.method} {self.path} {self.rpc}>"


class Remote:
    """Speaks 2025-11-25 with sessions. `answer(handler, request)` may answer a request in its own way, and
    returns whether it has; it runs on the request's thread."""

    def __init__(self, answer=None, certificate=None):
        self.answer = answer or (lambda handler, request: False)
        self.requests, self.lock, self.sessions = [], threading.Lock(), 0
        self.mistakes = []
        self.stopping = threading.Event()
        remote = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                remote.serve(self, Request("POST", self.path, self.headers, json.loads(body)))

            def do_GET(self):
                remote.serve(self, Request("GET", self.path, self.headers, None))

            def do_DELETE(self):
                remote.serve(self, Request("DELETE", self.path, self.headers, None))

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def process_request(self, *arguments):
                remote.connections += 1
                super().process_request(*arguments)

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "https" if certificate else "http"
        self.connections = 0
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/mcp"

    def serve(self, handler, request):
        with self.lock:
            self.requests.append(request)
        self.judge(request)
        if self.answer(handler, request):
            return
        if request.method == "GET":
            self.stream(handler)
        elif request.method == "DELETE":
            reply(handler, 204)
        elif request.rpc == "server/discover":
            error = {"code": -32601, "message": "no such method"}
            reply(handler, 200, {"jsonrpc": "2.0", "id": request.message["id"], "error": error})
        elif "id" not in request.message:
            reply(handler, 202)
        else:
            headers = {}
            if request.rpc == "initialize":
                self.sessions += 1
                headers["Mcp-Session-Id"] = f"session-{self.sessions}"
            reply(handler, 200, result(request, self.result(request)), **headers)

    def judge(self, request):
        """What the gateway asks and tells has the form that the revision wants."""
        if request.rpc is None:
            return
        is_modern = MODERN in (request.headers.get("MCP-Protocol-Version"), request.rpc == "server/discover" and MODERN)
        found = Conversation("Client", MODERN if is_modern else "2025-11-25").mistakes(request.message)
        if found:
            self.mistakes.append((found, request.message))

    def result(self, request):
        if request.rpc == "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(request.message["params"]["arguments"])}]}
        return RESULTS[request.rpc]

    def stream(self, handler):
        """A GET stream on which nothing comes."""
        begin_stream(handler)
        self.stopping.wait(60)

    def seen(self, rpc):
        with self.lock:
            return [request for request in self.requests if request.rpc == rpc]

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        assert not self.mistakes, self.mistakes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Hosted(Remote):
    """The scripted stdio server behind HTTP: what it says in a call comes in the response to it, all else on the GET
    stream."""

    def __init__(self, *flags):
        super().__init__()
        command = [sys.executable, str(Path(__file__).parents[1] / "fixture/server.py"), *map(str, flags)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.waiting, self.results, self.unasked = {}, {}, queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            message = json.loads(line)
            with self.lock:
                self.place(message).put(message)

    def place(self, message):
        """Where a message is said."""
        params = message.get("params") or {}
        meta = params.get("_meta") or {}
        if "method" not in message:
            ident = message["id"]
        elif "id" in message:
            task = meta.get(META + "related-task", {}).get("taskId")
            ident = self.results.get(task) if task else int(message["id"].split("-")[1])
        else:
            ident = params.get("progressToken", meta.get(META + "subscriptionId"))
        return self.waiting.get(ident, self.unasked)

    def tell(self, message):
        with self.lock:
            self.child.stdin.write(json.dumps(message).encode() + b"\n")
            self.child.stdin.flush()

    def serve(self, handler, request):
        with self.lock:
            self.requests.append(request)
        self.judge(request)
        if request.method == "DELETE":
            return reply(handler, 204)
        if request.method == "GET":
            begin_stream(handler)
            return self.pass_on(handler, self.unasked, None)
        if request.rpc is None or "id" not in request.message:
            self.tell(request.message)
            return reply(handler, 202)
        ident, said = request.message["id"], queue.Queue()
        with self.lock:
            self.waiting[ident] = said
            if request.rpc == "tasks/result":
                self.results[request.message["params"]["taskId"]] = ident
        self.tell(request.message)
        if request.rpc == "initialize":
            return reply(handler, 200, said.get(timeout=30), Mcp_Session_Id="session-1")
        begin_stream(handler)
        self.pass_on(handler, said, ident)
        with self.lock:
            # The id may be in use again.
            if self.waiting.get(ident) is said:
                del self.waiting[ident]

    def pass_on(self, handler, said, ident):
        while not self.stopping.is_set():
            try:
                message = said.get(timeout=0.05)
            except queue.Empty:
                # A client of 2026-07-28 that hangs up has called it off.
                if select.select([handler.connection], [], [], 0)[0]:
                    if ident is not None:
                        self.tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": ident}})
                    return
                continue
            event(handler, message)
            if ident is not None and message.get("id") == ident and "method" not in message:
                return

    def stop(self):
        super().stop()
        self.child.kill()
        self.child.wait(10)


def result(request, value):
    return {"jsonrpc": "2.0", "id": request.message["id"], "result": value}


def reply(handler, status, message=None, **headers):
    body = b"" if message is None else json.dumps(message).encode()
    handler.send_response(status)
    if message is not None:
        handler.send_header("Content-Type", "application/json")
    if status != 204:
        handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    return True


def begin_stream(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True


def event(handler, message, ident=None):
    lines = [f"id: {ident}"] if ident else []
    data = "" if message is None else json.dumps(message)
    handler.wfile.write(("\n".join([*lines, f"data: {data}"]) + "\n\n").encode())
    handler.wfile.flush()


def unused_port():
    """A port at which nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(folder, name):
    """A certificate for `name` (`IP:127.0.0.1`, `DNS:example.com`) that is its own authority: two files."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=remote", "-addext", f"subjectAltName={name}",
            "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
