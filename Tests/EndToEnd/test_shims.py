"""The plain-HTTP routes list_tools and call_tool, and their table of errors."""

import pytest

from support.gateway import fixture, new_mark
from support.http import exchange


def refused(reply, status, code):
    assert reply.status == status, reply
    assert reply.headers["content-type"].startswith("application/json")
    error = reply.json["error"]
    assert error["code"] == code and isinstance(error["message"], str) and error["message"], reply
    return error


def test_list_tools_with_and_without_a_body(sandbox):
    for body in (None, {}, "", '{"ignored": true}'):
        reply = sandbox.rest("list_tools", body)
        assert reply.status == 200 and set(reply.json) == {"tools"}
        assert {"name", "description", "inputSchema"} <= set(reply.json["tools"][0])


def test_call_tool_answers_the_bare_result(sandbox):
    reply = sandbox.call("fix_echo", {"n": 1})
    assert reply.status == 200
    assert reply.json["structuredContent"] == {"n": 1} and reply.json["content"][0]["type"] == "text"
    assert "jsonrpc" not in reply.json and "result" not in reply.json


def test_a_failed_tool_is_a_200_with_isError(sandbox):
    reply = sandbox.call("fix_fail")
    assert reply.status == 200 and reply.json["isError"] is True


def test_arguments_may_be_left_out(sandbox):
    reply = sandbox.rest("call_tool", {"name": "fix_whoami"})
    assert reply.status == 200


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "5", "null", "{}", '{"name": 5}', '{"name": null}', '{"name": "fix_echo", "arguments": []}',
     '{"name": "fix_echo", "arguments": "x"}', '{"name": "fix_echo", "name": "fix_add"}',
     '{"name": "fix_echo"} {}', '{"name": "fix_echo"},"id":7,"x":{"name":"y"}', b"\xff"],
)  # fmt: skip
def test_bad_requests(sandbox, body):
    refused(sandbox.rest("call_tool", body), 400, "INVALID_ARGUMENT")


def test_what_else_is_refused(sandbox):
    error = refused(sandbox.call("fix_missing"), 404, "NOT_FOUND")
    assert "fix_missing" in error["message"]
    refused(sandbox.rest("call_tool", {"name": "fix_echo"}, Content_Type="text/plain"), 400, "INVALID_ARGUMENT")
    refused(sandbox.rest("list_tools", {}, token=None), 401, "UNAUTHORIZED")
    assert sandbox.rest("list_tools", {}, token="wrong").headers["www-authenticate"].startswith("Bearer")


def test_an_error_of_the_server_is_internal(sandbox):
    error = refused(sandbox.call("fix_error"), 500, "INTERNAL")
    assert "a private error" in error["message"]


def test_wrong_methods(sandbox):
    fields = {"Authorization": f"Bearer {sandbox.token}"}
    for route, method in (("call_tool", "GET"), ("call_tool", "DELETE"), ("list_tools", "DELETE")):
        reply = exchange(f"{sandbox.url}/{route}", method, headers=fields)
        assert reply.status == 405 and "POST" in reply.headers["allow"]


def test_a_dead_server_is_unavailable(gateway):
    with gateway.create({"dead": fixture(new_mark(), "--die", 3), "fix": fixture(new_mark())}) as sandbox:
        sandbox.wait_state("dead", "crash_loop")
        assert not any(name.startswith("dead_") for name in sandbox.tools())
        assert sandbox.call("fix_whoami").status == 200


def test_a_server_that_ends_mid_call_is_unavailable(gateway):
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        error = refused(sandbox.call("fix_exit", {"code": 4}), 503, "SERVER_UNAVAILABLE")
        assert "fix" in error["message"]
        assert error["details"]["server"] == "fix"


def test_a_call_that_takes_too_long_is_a_timeout(own_gateway):
    gateway = own_gateway(config="limits:\n  call-seconds: 1\n")
    with gateway.create({"fix": fixture(new_mark())}) as sandbox:
        refused(sandbox.call("fix_sleep", {"seconds": 60}), 504, "TIMEOUT")
        assert sandbox.call("fix_whoami").status == 200


def test_only_json_and_a_good_path(gateway, sandbox):
    fields = {"Authorization": f"Bearer {sandbox.token}", "Content-Type": "application/json"}
    for path in ("/mcp/unknown", "/mcpx", "/", "", "/mcp/list_tools/x"):
        assert exchange(f"{gateway.url}/sandbox/{sandbox.id}{path}", "POST", {}, fields).status == 404


def test_the_endpoint_by_headers_and_by_host_name(gateway, sandbox):
    fields = {"Authorization": f"Bearer {sandbox.token}", "Content-Type": "application/json"}
    by_headers = fields | {"E2b-Sandbox-Id": sandbox.id, "E2b-Sandbox-Port": "50005"}
    assert exchange(gateway.url + "/mcp/list_tools", "POST", {}, by_headers).status == 200
    domain = sandbox.created["domain"]
    by_name = fields | {"Host": f"50005-{sandbox.id}.{domain}"}
    assert exchange(gateway.url + "/mcp/list_tools", "POST", {}, by_name).status == 200
    assert exchange(gateway.url + "/mcp/list_tools", "POST", {}, fields).status in (401, 404)
