import asyncio
import json

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from scenario import ARGUMENTS, HEADERS, URL, plain, report


async def main():
    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        tools = [tool.name for tool in await client.list_tools()]
        added = plain(await client.call_tool("fix_add", {"a": 2, "b": 40}))
        echoed = json.loads(plain(await client.call_tool("fix_echo", ARGUMENTS)))
        prompts = [prompt.name for prompt in await client.list_prompts()]
        resource = (await client.read_resource("fixture://text"))[0].text
        report(tools=tools, added=added, echoed=echoed == ARGUMENTS, prompts=prompts, resource=resource)


asyncio.run(main())
