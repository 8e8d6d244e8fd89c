import asyncio

from langchain_mcp_adapters.client import MultiServerMCPClient
from scenario import HEADERS, URL, plain, report


async def main():
    client = MultiServerMCPClient({"gateway": {"transport": "streamable_http", "url": URL, "headers": HEADERS}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    added = plain(await tools["fix_add"].ainvoke({"a": 2, "b": 40}))
    report(tools=list(tools), added=added, unicode=plain(await tools["fix_unicode"].ainvoke({})))


asyncio.run(main())
