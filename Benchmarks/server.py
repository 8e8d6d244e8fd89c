"""A stdio MCP server for the scenarios that the small one in C does not serve: twenty tools, large results, and a list
that changes on demand."""

import json
import os
import sys

WORDS = ("repository", "issue", "branch", "comment", "release", "workflow", "label", "milestone", "review", "commit")


def tool(number):
    word = WORDS[number % len(WORDS)]
    return {
        "name": f"{('list', 'update')[number // len(WORDS) % 2]}_{word}",
        "description": f"Works on one {word} of a project. Returns its number, its title, who made it and when, and"
        " the first lines of its text; further pages come with the cursor of the answer.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "owner": {"type": "string", "description": "Account that owns the project"},
                "name": {"type": "string", "description": f"Name of the {word}"},
                "number": {"type": "integer", "minimum": 1, "description": f"Number of the {word}"},
                "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
                "cursor": {"type": "string"},
            },
            "required": ["owner", "name"],
        },
    }


TOOLS = [tool(number) for number in range(17)] + [
    {"name": "echo", "description": "Returns its text", "inputSchema": {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
    {"name": "blob", "description": "Returns a text of so many bytes", "inputSchema": {
        "type": "object", "properties": {"bytes": {"type": "integer"}}, "required": ["bytes"]}},
    {"name": "announce", "description": "Says that the list of tools has changed", "inputSchema": {"type": "object"}},
]  # fmt: skip


def write(*parts):
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(1, view) :]


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()


def reply(ident, result):
    write(b'{"jsonrpc":"2.0","id":' + encode(ident) + b',"result":' + encode(result) + b"}\n")


def text_result(text):
    return {"content": [{"type": "text", "text": text}], "isError": False}


def blob(ident, count):
    write(b'{"jsonrpc":"2.0","id":' + encode(ident) + b',"result":{"content":[{"type":"text","text":"' + b"x" * count
          + b'"}],"isError":false}}\n')  # fmt: skip


def call(ident, params):
    arguments = params.get("arguments") or {}
    match params.get("name"):
        case "echo":
            reply(ident, text_result(arguments["text"]))
        case "blob":
            blob(ident, int(arguments["bytes"]))
        case "announce":
            reply(ident, text_result("done"))
            write(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n')
        case other:
            reply(ident, text_result(str(other)))


def main():
    for line in sys.stdin.buffer:
        message = json.loads(line)
        ident, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if ident is None:
            continue
        if method == "initialize":
            reply(ident, {"protocolVersion": params.get("protocolVersion", "2025-06-18"),
                          "capabilities": {"tools": {"listChanged": True}},
                          "serverInfo": {"name": "bench", "version": "1"}})  # fmt: skip
        elif method == "tools/list":
            reply(ident, {"tools": TOOLS})
        elif method == "tools/call":
            call(ident, params)
        elif method == "ping":
            reply(ident, {})
        else:
            error = {"code": -32601, "message": "Method not found"}
            write(encode({"jsonrpc": "2.0", "id": ident, "error": error}) + b"\n")


if __name__ == "__main__":
    main()
