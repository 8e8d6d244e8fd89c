"""The asynchronous class of the unmodified E2B SDK."""

import asyncio
import json
import os
import sys

from e2b import AsyncSandbox


async def main():
    made = await asyncio.gather(*(AsyncSandbox.create(mcp=json.loads(sys.argv[1]), timeout=60) for _ in range(3)))
    facts = {
        "ids": [sandbox.sandbox_id for sandbox in made],
        "tokens": [await sandbox.get_mcp_token() for sandbox in made],
        "running": [await sandbox.is_running() for sandbox in made],
        "killed": await asyncio.gather(*(sandbox.kill() for sandbox in made)),
    }
    print(json.dumps(facts), flush=True)
    # What the SDK's transport does at interpreter exit is not what is tested.
    os._exit(0)


asyncio.run(main())
