"""FastMCP as a proxy in front of a stdio server: fastmcp_proxy.py PORT COMMAND…"""

import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

port, command = int(sys.argv[1]), sys.argv[2:]
proxy = create_proxy(StdioTransport(command=command[0], args=command[1:]), name="bench")
proxy.run(
    transport="http",
    host="127.0.0.1",
    port=port,
    path="/mcp",
    json_response=True,
    show_banner=False,
    log_level="ERROR",
    uvicorn_config={"access_log": False, "backlog": 4096},
)
