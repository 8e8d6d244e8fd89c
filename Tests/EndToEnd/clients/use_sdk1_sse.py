import asyncio
import json

from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.types import ElicitResult
from scenario import ARGUMENTS, HEADERS, URL, plain, report


async def main():
    steps, levels = [], []

    async def progress(done, total, message):
        steps.append([done, total])

    async def elicit(context, params):
        return ElicitResult(action="accept", content={"name": "me"})

    async def log(params):
        levels.append(params.level)

    async with sse_client(URL.removesuffix("/mcp") + "/sse", headers=HEADERS) as (read, write):
        async with ClientSession(read, write, elicitation_callback=elicit, logging_callback=log) as client:
            await client.initialize()
            tools = [tool.name for tool in (await client.list_tools()).tools]
            added = plain(await client.call_tool("fix_add", {"a": 2, "b": 40}))
            echoed = (await client.call_tool("fix_echo", ARGUMENTS)).structuredContent
            await client.call_tool("fix_progress", {"count": 3}, progress_callback=progress)
            failed = await client.call_tool("fix_fail", {})
            await client.send_ping()
            greeting = (await client.get_prompt("fix_greet", {"who": "Ada"})).messages[0].content.text
            large = len(plain(await client.call_tool("fix_blob", {"size": 500_000})))
            asked = await client.call_tool("fix_confirm", {"question": "Name?"})
            await client.set_logging_level("error")
            await client.call_tool("fix_log", {})
            await client.send_ping()
            report(
                tools=tools, added=added, echoed=echoed == ARGUMENTS, steps=steps, failed=failed.isError,
                greeting=greeting, large=large, asked=json.loads(plain(asked)), logged=levels,
            )  # fmt: skip


asyncio.run(main())
