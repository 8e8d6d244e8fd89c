"""Malformed HTTP and JSON, made from tables: each gets a 4xx or a clean close, and the next request is served."""

import json

import pytest

from support.http import exchange


def request(line=b"GET /health HTTP/1.1", fields=(b"Host: localhost",), body=b""):
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def post(*fields, body=b""):
    """A request that a careless reader would answer with 200: a valid token, and a route that ignores its body."""
    return request(b"POST @TARGET@ HTTP/1.1", (b"Host: localhost", b"Authorization: Bearer @TOKEN@", *fields), body)


def filled(data, sandbox):
    target = f"/sandbox/{sandbox.id}/mcp/list_tools"
    return data.replace(b"@TARGET@", target.encode()).replace(b"@TOKEN@", sandbox.token.encode())


def control_bytes(*allowed):
    return [bytes([code]) for code in (*range(32), 127) if bytes([code]) not in allowed]


def table():
    """(name, bytes) of every HTTP case."""
    cases = []

    def add(name, data):
        cases.append((f"{name}-{sum(other.startswith(name) for other, _ in cases)}", data))

    # The request line
    for line in [
        b"GET", b"GET ", b"GET /health", b"GET  /health HTTP/1.1", b"GET /health  HTTP/1.1", b" GET /health HTTP/1.1",
        b"GET /health HTTP/1.1 ", b"GET\t/health\tHTTP/1.1", b"GET /health HTTP/1.1 x", b"GET /health http/1.1",
        b"GET /health HTTP/1", b"GET /health HTTP/1.", b"GET /health HTTP/.1", b"GET /health HTTP/11",
        b"GET /health HTTP/1.1.1", b"GET /health HTTP/1,1", b"GET /health HTTP/01.1", b"GET /health HTTP/1.01",
        b"GET /health HTTP/0.9", b"GET /health HTTP/2.0", b"GET /health HTTP/3.0", b"GET /health HTTP/9.9",
        b"GET /health HTTP/-1.1", b"GET /health HTTP/+1.1", b"GET /health HTP/1.1", b"GET /health HTTPS/1.1",
        b"GET /health HTTP /1.1", b"GET /health HTTP/ 1.1", b"HTTP/1.1 200 OK", b"GET HTTP/1.1", b"/health HTTP/1.1",
        b"GET health HTTP/1.1", b"GET ../etc/passwd HTTP/1.1", b"GET http:// HTTP/1.1", b"GET http:///health HTTP/1.1",
        b"GET //[ HTTP/1.1", b"GET #x HTTP/1.1", b"GET * HTTP/1.1", b"GET /a b HTTP/1.1", b"GET /health\\x HTTP\\1.1",
        b"CONNECT /health HTTP/1.1", b"CONNECT localhost HTTP/1.1", b"G\xc3\x89T /health HTTP/1.1",
        b"GET /\xff\xfe HTTP/1.1", b"PRI * HTTP/2.0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"{}", b"=",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"G" * 5000 + b" / HTTP/1.1", b"X" * 40_000,
    ]:  # fmt: skip
        add("line", request(line))
    for letter in b'"(),/:;<=>?@[\\]{}':
        add("method-delimiter", request(b"GE" + bytes([letter]) + b"T /health HTTP/1.1"))
    for byte in control_bytes(b"\n"):
        add("method-control", request(b"GE" + byte + b"T /health HTTP/1.1"))
        add("target-control", request(b"GET /he" + byte + b"alth HTTP/1.1"))

    # Field lines
    for byte in control_bytes(b"\n", b"\t"):
        add("value-control", request(fields=(b"Host: localhost", b"X-Field: a" + byte + b"b")))
    for byte in control_bytes(b"\n"):
        add("name-control", request(fields=(b"Host: localhost", b"X-Fi" + byte + b"eld: a")))
    for letter in b'"(),/;<=>?@[\\]{} ':
        add("name-delimiter", request(fields=(b"Host: localhost", b"X-Fi" + bytes([letter]) + b"eld: a")))
    for field in [
        b"no colon here", b": no name", b" : x", b"X-Field : a", b"X-Field\t: a", b" X-Field: a", b"\tX-Field: a",
        b"X-F\xc3\xafeld: a", b"Host", b":", b"X-" + b"a" * 20_000 + b": x", b"X: " + b"a" * 70_000,
    ]:  # fmt: skip
        add("field", request(fields=(b"Host: localhost", field)))
    add("fold", request(fields=(b"Host: localhost", b"X-Field: a\r\n folded")))
    add("fold", request(fields=(b"Host: localhost", b"X-Field: a\r\n\tfolded")))
    add("fold", request(fields=(b" Host: localhost",)))
    add("bare", b"GET /health HTTP/1.1\nHost: localhost\n\n")
    add("bare", b"GET /health HTTP/1.1\r\nHost: localhost\n\r\n")
    add("bare", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\n\r\n\r\n")
    add("bare", b"GET /health HTTP/1.1\rHost: localhost\r\r")
    add("bare", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n")
    add("many", request(fields=(b"Host: localhost", *(b"X-%d: y" % number for number in range(101)))))
    add("many", request(fields=(b"Host: localhost", *(b"X-%d: y" % number for number in range(5000)))))
    add("many", request(fields=(b"Host: localhost", *(b"X: " + b"y" * 1000 for _ in range(60)))))

    # Host
    for fields in [
        (), (b"Host: localhost", b"Host: localhost"), (b"Host: localhost", b"Host: other"), (b"Host:",),
        (b"Host: ",), (b"Host: a b",), (b"Host: localhost, other",), (b"Host: user@localhost",),
        (b"Host: localhost/x",), (b"Host: localhost?x",), (b"Host: localhost#x",), (b"Host: localhost:port",),
        (b"Host: localhost:99999",), (b"Host: localhost:-1",), (b"Host: [::1",), (b"Host: ::1",), (b"Host: [x]",),
        (b"Host: http://localhost",), (b"Host: local\\host",), (b"Host: " + b"a" * 5000,), (b"Host: %00",),
        (b"Host: evil.example",), (b"Host: localhost\xc2\xa0",),
    ]:  # fmt: skip
        add("host", request(fields=fields))
    add("host", request(b"GET http://evil.example/health HTTP/1.1", (b"Host: evil.example",)))
    add("host", request(b"GET http://user@localhost/health HTTP/1.1"))

    # Lengths
    for value in [
        b"", b"-1", b"+2", b"2x", b"x2", b"0x2", b"2.0", b"2 2", b"2,2", b"2, 3", b"1e1", b"2;x", b'"2"', b"\xb2",
        b"2_0", b"18446744073709551616", b"18446744073709551615", b"9223372036854775808", b"-0", b"+0", b"0 0",
        b"99999999999999999999999999999999999", b"NaN", b"2\x0b", b"\x0b2", b"two",
    ]:  # fmt: skip
        add("length", post(b"Content-Length: " + value, body=b"{}"))
    add("length", post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}"))
    add("length", post(b"Content-Length: 2", b"Content-Length: 3", body=b"{} "))
    add("length", post(b"Content-Length: 2", b"content-length: 0", body=b"{}"))
    add("length", post(b"Content-Length : 2", body=b"{}"))
    add("length", post(b"Content-Length: 999999999999", body=b"{}"))

    # Transfer codings
    end = b"0\r\n\r\n"
    for value in [
        b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked, identity",
        b"identity, chunked", b"xchunked", b"chunked;x=y", b'"chunked"', b"chunked,", b",chunked", b"chunke",
        b"chunkedd", b"chunked\x0b", b"\x0bchunked", b"chunked\x00", b"deflate", b"compress", b"x-chunked", b"chunked chunked",
        b"c\xc4\xa5unked",
    ]:  # fmt: skip
        add("coding", post(b"Transfer-Encoding: " + value, body=b"2\r\n{}\r\n" + end))
    add("coding", post(b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"2\r\n{}\r\n" + end))
    add("coding", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=end))
    add("coding", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=end))
    add("coding", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=end))
    add("coding", post(b"Transfer-Encoding : chunked", body=end))
    add("coding", post(b"Transfer-Encoding:\r\n chunked", body=end))
    add("coding", post(b"Transfer-Encoding: chunked", body=end).replace(b" HTTP/1.1", b" HTTP/1.0"))

    # Chunks
    for body in [
        b"\r\n" + end, b"x\r\n{}\r\n" + end, b"-2\r\n{}\r\n" + end, b"+2\r\n{}\r\n" + end, b"0x2\r\n{}\r\n" + end,
        b"2 \r\n{}\r\n" + end, b" 2\r\n{}\r\n" + end, b"2_\r\n{}\r\n" + end, b"2\n{}\n0\n\n", b"2\r{}\r" + end,
        b"2\r\n{}" + end, b"2\r\n{}x\r\n" + end, b"2\r\n{}\n" + end, b"1\r\n{}\r\n" + end, b"3\r\n{}\r\n" + end,
        b"10000000000000000\r\n{}\r\n" + end, b"ffffffffffffffff\r\n{}\r\n" + end, b"fffffffffffffffe\r\n{}\r\n" + end,
        b"8000000000000000\r\n{}\r\n" + end, b"00000000000000000000000000000002\r\n{}\r\n" + end,
        b"2;" + b"x" * 70_000 + b"\r\n{}\r\n" + end, b"2;a\nb\r\n{}\r\n" + end, b"2;a\x00b\r\n{}\r\n" + end,
        b"2\r\n{}\r\n0\r\nbad trailer\r\n\r\n", b"2\r\n{}\r\n0\r\nX : y\r\n\r\n", b"2\r\n{}\r\n0\r\n folded\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"2\r\n{}\r\n0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"2\r\n{}\r\n0\r\nX: a\nb\r\n\r\n", b"2\r\n{}\r\n0\n\n", b"\xb2\r\n{}\r\n" + end, b"2\x00\r\n{}\r\n" + end,
        b"g\r\n", b"ffffff\r\n", b"2,2\r\n{}\r\n" + end, b";\r\n{}\r\n" + end,
    ]:  # fmt: skip
        add("chunk", post(b"Transfer-Encoding: chunked", body=body))

    # Others
    add("expect", post(b"Content-Length: 2", b"Expect: 200-ok", body=b"{}"))
    add("expect", post(b"Content-Length: 2", b"Expect: 100-continue, x", body=b"{}"))
    add("upgrade", request(b"PRI * HTTP/2.0", (), b"SM\r\n\r\n"))
    for code in range(128, 256, 8):
        add("random-binary", bytes((code * n * 31 + n * n) % 256 for n in range(1, 400)) + b"\r\n\r\n")
    return cases


HTTP_CASES = table()


def outcome(gateway, data):
    """The status of the first answer, or None for a close without one."""
    with gateway.raw(timeout=8) as raw:
        try:
            raw.send(data).end()
            return raw.reply().status
        except (EOFError, ConnectionError, OSError) as error:
            assert not isinstance(error, TimeoutError), "neither an answer nor a close within 8 s"
            return None


@pytest.mark.parametrize("data", [case[1] for case in HTTP_CASES], ids=[case[0] for case in HTTP_CASES])
def test_malformed_http(gateway, sandbox, data):
    status = outcome(gateway, filled(data, sandbox))
    assert status is None or 400 <= status < 500 or status in (501, 505), status
    assert exchange(gateway.url + "/health").status == 200


@pytest.mark.parametrize("data", [case[1] for case in HTTP_CASES[::7]], ids=[case[0] for case in HTTP_CASES[::7]])
def test_what_follows_malformed_http_is_never_a_request(gateway, sandbox, data):
    """Bytes after a request that was refused must not be taken for the next one (request smuggling)."""
    with gateway.raw(timeout=8) as raw:
        try:
            raw.send(filled(data, sandbox) + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").end()
        except ConnectionError:
            return
        statuses = []
        try:
            while True:
                statuses.append(raw.reply().status)
        except (EOFError, ConnectionError):
            pass
    assert 200 not in statuses and len(statuses) <= 1, statuses


# ------------------------------------------------------------------ JSON

DEEP = 100_000
BAD_JSON = [
    b"", b" ", b"\n", b"{", b"}", b"[", b"]", b"{]", b"[}", b"{,}", b"[,]", b"{\"a\"}", b"{\"a\":}", b"{\"a\":1,}",
    b"{\"a\":1 \"b\":2}", b"{\"a\" 1}", b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}", b"{\"a\":1}}", b"{\"a\":1}{", b"{} {}",
    b"[1,]", b"[1 2]", b"[,1]", b"[1,,2]", b"[1", b"{\"a\":[1}", b"{\"a\":{\"b\":1}", b"tru", b"True", b"nul", b"NULL",
    b"undefined", b"NaN", b"Infinity", b"-Infinity", b"-", b"+1", b"01", b"-01", b"1.", b".5", b"1e", b"1e+", b"1.e1",
    b"0x10", b"1_000", b"1,000", b"1 2", b"--1", b"1-", b"\"", b"\"abc", b"\"\\\"", b"\"\\x\"", b"\"\\u12\"", b"\"\\u12g4\"",
    b"\"\\u\"", b"\"\\U0041\"", b"\"a\nb\"", b"\"a\tb\"", b"\"a\x00b\"", b"\"a\x1fb\"", b"'abc'", b"abc", b"// comment\n{}",
    b"/* x */ {}", b"{} // x", b"# x", b"<xml/>", b"{\"a\":1;}", b"(1)", b"\xef\xbb\xbf", b"\xfe\xff\x00{\x00}", b"\xff\xfe{\x00}\x00",
    b"{\x00}", b"{}\x00", b"\x00{}", b"{\"a\":\x0b1}", b"{\"a\":\x0c1}", b"{\"a\":\xc2\xa01}", b"{\"a\":\"\xff\"}",
    b"{\"a\":\"\xc0\x80\"}", b"{\"a\":\"\xc3\"}", b"{\"a\":\"\xc3(\"}", b"{\"a\":\"\xe2\x82\"}", b"{\"a\":\"\xe2(\xa1\"}",
    b"{\"a\":\"\xed\xa0\x80\"}", b"{\"a\":\"\xed\xbf\xbf\"}", b"{\"a\":\"\xf0\x80\x80\x80\"}", b"{\"a\":\"\xf4\x90\x80\x80\"}",
    b"{\"a\":\"\xf8\x88\x80\x80\x80\"}", b"{\"a\":\"\x80\"}", b"{\"a\":\"\xbf\"}", b"{\"a\":\"\xfe\"}", b"{\"\xff\":1}",
    b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b"{\"a\":" * DEEP + b"1" + b"}" * DEEP, b"[" * 65 + b"]" * 65,
    b"{\"a\":" * 70 + b"1" + b"}" * 70, b"[" * 64 + b"{}", b"{\"a\":\"" + b"x" * 100_000, b"1" * 100_000 + b"x",
]  # fmt: skip

OK = '"jsonrpc":"2.0","id":1,"method":"ping"'
BAD_ENVELOPES = [
    "5", "null", "true", '"ping"', "{}", "[]", "[1]", "[{}]", '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":1}',
    '{"id":1,"method":"ping"}', '{"jsonrpc":"1.0","id":1,"method":"ping"}', '{"jsonrpc":2.0,"id":1,"method":"ping"}',
    '{"jsonrpc":"2","id":1,"method":"ping"}', '{"jsonrpc":" 2.0","id":1,"method":"ping"}', '{"jsonrpc":null,"id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', '{"jsonrpc":"2.0","id":true,"method":"ping"}',
    '{"jsonrpc":"2.0","id":[],"method":"ping"}', '{"jsonrpc":"2.0","id":{},"method":"ping"}', '{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    '{"jsonrpc":"2.0","id":1e2,"method":"ping"}', '{"jsonrpc":"2.0","id":"' + "x" * 5000 + '","method":"ping"}',
    '{"jsonrpc":"2.0","id":' + "9" * 5000 + ',"method":"ping"}', '{"jsonrpc":"2.0","id":1,"method":5}',
    '{"jsonrpc":"2.0","id":1,"method":null}', '{"jsonrpc":"2.0","id":1,"method":["ping"]}', '{"jsonrpc":"2.0","id":1,"method":{}}',
    '{"jsonrpc":"2.0","id":1,"method":true}', '{"jsonrpc":"2.0","method":5}', '{"jsonrpc":"2.0","method":null}',
    '{%s,"jsonrpc":"2.0"}' % OK, '{%s,"id":2}' % OK, '{%s,"method":"tools/list"}' % OK, '{%s,"params":{},"params":{}}' % OK,
    '{%s,"\\u0069d":2}' % OK, '{%s,"\\u006dethod":"tools/list"}' % OK, '{%s,"par\\u0061ms":{},"params":{}}' % OK,
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\\u0061me":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{},"arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{},"_meta":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"progressToken":2}}}',
    '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}', '{"jsonrpc":"2.0","result":{}}',
    '{"JSONRPC":"2.0","ID":1,"METHOD":"ping"}',
]  # fmt: skip


@pytest.fixture(scope="module")
def session(sandbox):
    with sandbox.legacy() as client:
        yield client


def ids(cases):
    return [f"{index}-{case[:24]!r}" for index, case in enumerate(cases)]


@pytest.mark.parametrize("body", BAD_JSON, ids=ids(BAD_JSON))
def test_malformed_json(session, body):
    reply = exchange(session.url, "POST", body, session.headers())
    assert reply.status == 400, reply
    assert reply.json["error"]["code"] in (-32700, -32600) and reply.json["id"] is None
    assert session.ask("ping") == {}


@pytest.mark.parametrize("body", BAD_ENVELOPES, ids=ids(BAD_ENVELOPES))
def test_malformed_messages(session, body):
    reply = exchange(session.url, "POST", body, session.headers())
    assert 400 <= reply.status < 500, reply
    assert reply.json["error"]["code"] in (-32600, -32602), reply
    assert session.ask("ping") == {}


@pytest.mark.parametrize("body", BAD_JSON[:90:2], ids=ids(BAD_JSON[:90:2]))
def test_malformed_json_at_the_control_api(gateway, body):
    fields = {"X-API-KEY": gateway.keys["alpha"], "Content-Type": "application/json"}
    reply = exchange(gateway.url + "/v2/sandboxes", "POST", body, fields)
    assert reply.status == 400 and reply.json["code"] == 400, reply


ARGUMENTS = [
    {"name": "fix_echo", "arguments": value} for value in ([], "x", 5, True)
] + [{"name": value, "arguments": {}} for value in ([], {}, 5, True, None, "x" * 10_000, "\u0000", "fix_echo\n")]  # fmt: skip


@pytest.mark.parametrize("params", ["5", '"x"', "true", "[1]"])
def test_params_that_are_no_object(session, params):
    reply = exchange(session.url, "POST", '{%s,"params":%s}' % (OK, params), session.headers())
    assert reply.status in (200, 400) and reply.json["error"]["code"] in (-32600, -32602), reply


@pytest.mark.parametrize("params", ARGUMENTS, ids=[str(index) for index in range(len(ARGUMENTS))])
def test_wrong_parameters_of_a_call(session, params):
    reply = session.reply("tools/call", params, ident="a")
    assert reply.status in (200, 400) and reply.json["error"]["code"] in (-32600, -32602), reply
    assert reply.json["id"] == "a"


@pytest.mark.parametrize(
    "body",
    [
        '{"method":"ping","id":"é","jsonrpc":"2.0"}', ' \n\t{"id" : 1 , "jsonrpc" : "2.0" , "method" : "ping" }\r\n',
        '{"\\u006aso\\u006erpc":"2.0","id":1,"m\\u0065thod":"ping"}', '{"jsonrpc":"2.0","id":1,"method":"p\\u0069ng"}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}', '{"jsonrpc":"2.0","id":1,"method":"ping","x":{"y":[1]}}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":"\\ud800"}}}',
    ],
)  # fmt: skip
def test_odd_but_correct_messages_are_served(session, body):
    reply = exchange(session.url, "POST", body.encode(), session.headers())
    assert reply.status == 200 and reply.json["result"] == {}, reply
    assert reply.json["id"] == json.loads(body)["id"]


def test_there_are_enough_cases():
    assert len(HTTP_CASES) + len(BAD_JSON) + len(BAD_ENVELOPES) >= 400
    assert len({data for _, data in HTTP_CASES}) == len(HTTP_CASES)


def test_the_well_formed_neighbours_are_served(gateway, sandbox):
    """What the tables damage is answered with 200 while it is whole: a 4xx there is due to the damage."""
    for data in (
        request(), post(b"Content-Length: 2", body=b"{}"),
        post(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
        request(fields=(b"Host: localhost", b"X-Field: a\tb")),
    ):  # fmt: skip
        assert outcome(gateway, filled(data, sandbox)) == 200, data
