import asyncio

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client
from scenario import HEADERS, OPTION, URL, plain, report


async def answer(context, params):
    return types.ElicitResult(action="accept", content={"ok": True})


async def main():
    slow, confirm, forever = OPTION.split(",")
    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write, elicitation_callback=answer) as client:
            await client.initialize()
            tools = (await client.list_tools()).tools
            modes = {tool.name: tool.execution and tool.execution.taskSupport for tool in tools}
            tasks = client.experimental
            task = (await tasks.call_tool_as_task(slow, {"steps": 2})).task.taskId
            states = [state.status async for state in tasks.poll_task(task)]
            result = plain(await tasks.get_task_result(task, types.CallToolResult))
            asking = (await tasks.call_tool_as_task(confirm, {"question": "Ready?"})).task.taskId
            confirmed = plain(await tasks.get_task_result(asking, types.CallToolResult))
            endless = (await tasks.call_tool_as_task(forever)).task.taskId
            cancelled = (await tasks.cancel_task(endless)).status
            listed = [one.taskId for one in (await tasks.list_tasks()).tasks]
            followed = plain(await client.call_tool(slow, {"steps": 1}))
            report(
                mode=modes[slow], states=[states[0], states[-1]], result=result, confirmed=confirmed,
                cancelled=cancelled, listed=listed == [task, asking, endless], followed=followed,
            )  # fmt: skip


asyncio.run(main())
