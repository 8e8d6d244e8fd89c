import asyncio
import json

from pydantic_ai.mcp import MCPToolset
from scenario import ARGUMENTS, HEADERS, URL, plain, report


async def main():
    async with MCPToolset(URL, headers=HEADERS) as toolset:
        tools = [tool.name for tool in await toolset.list_tools()]
        added = plain(await toolset.direct_call_tool("fix_add", {"a": 2, "b": 40}))
        echoed = await toolset.direct_call_tool("fix_echo", ARGUMENTS)
        echoed = echoed if isinstance(echoed, dict) else json.loads(plain(echoed))
        report(tools=tools, added=str(added), echoed=echoed == ARGUMENTS)


asyncio.run(main())
