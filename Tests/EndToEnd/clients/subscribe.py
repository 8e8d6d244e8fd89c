"""The official Python SDK, version 1 or 2: hears of two resources, one after the other, that its own calls change."""

import asyncio

from scenario import HEADERS, OPTION, URL, report

try:
    from httpx2 import AsyncClient, Timeout
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    MAJOR = 2
except ImportError:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    MAJOR = 1

URIS = ["fixture://text", "fixture://binary"]
told = asyncio.Queue()


async def message_handler(message):
    message = getattr(message, "root", message)
    if getattr(message, "method", "") == "notifications/resources/updated":
        await told.put(str(message.params.uri))


async def touch(client, uri):
    await client.call_tool("fix_touch", {"uri": uri})


async def subscribe(client):
    heard = []
    for uri in URIS:
        await client.subscribe_resource(uri)
        await touch(client, uri)
        heard.append(await asyncio.wait_for(told.get(), 20))
    report(heard=heard)


async def listen(client):
    heard = []
    async with client.listen(resource_subscriptions=URIS) as events:
        for uri in URIS:
            await touch(client, uri)
            heard.append((await asyncio.wait_for(anext(aiter(events)), 20)).uri)
    report(heard=heard)


async def main():
    if MAJOR == 1:
        async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
            async with ClientSession(read, write, message_handler=message_handler) as client:
                await client.initialize()
                await subscribe(client)
        return
    async with AsyncClient(headers=HEADERS, timeout=Timeout(30)) as http:
        transport = streamable_http_client(URL, http_client=http)
        async with Client(transport, mode=OPTION, message_handler=message_handler) as client:
            await (listen if OPTION == "auto" else subscribe)(client)


asyncio.run(main())
