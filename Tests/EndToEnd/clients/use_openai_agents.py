import asyncio
import json

from agents.mcp import MCPServerStreamableHttp
from scenario import ARGUMENTS, HEADERS, URL, plain, report


async def main():
    async with MCPServerStreamableHttp(params={"url": URL, "headers": HEADERS}, name="gateway") as server:
        tools = [tool.name for tool in await server.list_tools()]
        added = plain(await server.call_tool("fix_add", {"a": 2, "b": 40}))
        echoed = json.loads(plain(await server.call_tool("fix_echo", ARGUMENTS)))
        report(tools=tools, added=added, echoed=echoed == ARGUMENTS)


asyncio.run(main())
