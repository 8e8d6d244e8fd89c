import asyncio

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from scenario import ARGUMENTS, HEADERS, URL, plain, report


async def main():
    steps = []

    async def progress(done, total, message):
        steps.append([done, total])

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write) as client:
            hello = await client.initialize()
            tools = [tool.name for tool in (await client.list_tools()).tools]
            added = plain(await client.call_tool("fix_add", {"a": 2, "b": 40}))
            echoed = (await client.call_tool("fix_echo", ARGUMENTS)).structuredContent
            await client.call_tool("fix_progress", {"count": 3}, progress_callback=progress)
            failed = await client.call_tool("fix_fail", {})
            await client.send_ping()
            prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
            greeting = (await client.get_prompt("fix_greet", {"who": "Ada"})).messages[0].content.text
            resources = [str(one.uri) for one in (await client.list_resources()).resources]
            resource = (await client.read_resource("fixture://text")).contents[0].text
            large = len(plain(await client.call_tool("fix_blob", {"size": 2_000_000})))
            report(
                version=str(hello.protocolVersion), tools=tools, added=added, echoed=echoed == ARGUMENTS, steps=steps,
                failed=failed.isError, prompts=prompts, greeting=greeting, resources=resources, resource=resource,
                large=large,
            )  # fmt: skip


asyncio.run(main())
