"""A session of the official Python SDK, version 1 or 2, in which a call takes long enough to be cut."""

import asyncio

from scenario import HEADERS, URL, plain, report

try:
    from httpx2 import AsyncClient, Timeout
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    MAJOR = 2
except ImportError:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    MAJOR = 1

told = False


async def progress(done, total, message):
    global told
    if not told:
        told = True
        print("progress", flush=True)


async def use(client):
    result = await client.call_tool("fix_sleep", {"seconds": 3}, progress_callback=progress)
    report(said=plain(result))


async def main():
    if MAJOR == 1:
        async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
            async with ClientSession(read, write) as client:
                await client.initialize()
                await use(client)
        return
    async with AsyncClient(headers=HEADERS, timeout=Timeout(30)) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode="legacy") as client:
            await use(client)


asyncio.run(main())
