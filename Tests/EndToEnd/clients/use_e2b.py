"""The unmodified E2B SDK, told where the gateway is by its own environment variables.

use_e2b.py e2b|e2b_code_interpreter SERVERS-AS-JSON
"""

import importlib
import json
import sys

from httpx import Client

module = importlib.import_module(sys.argv[1])
servers = json.loads(sys.argv[2])
Sandbox = module.Sandbox
facts = {}


def report():
    print(json.dumps(facts))


try:
    sandbox = Sandbox.create(mcp=servers, timeout=120, metadata={"suite": "end to end", "run": sys.argv[3]})
except Exception as error:
    facts["error"], facts["kind"] = str(error), type(error).__name__
    report()
    sys.exit(0)

facts["id"] = sandbox.sandbox_id
facts["url"] = sandbox.get_mcp_url()
facts["token"] = sandbox.get_mcp_token()
facts["running"] = sandbox.is_running()

before = sandbox.get_info()
sandbox.set_timeout(600)
after = sandbox.get_info()
facts["extended_seconds"] = (after.end_at - before.end_at).total_seconds()
facts["metadata"] = after.metadata
facts["template"] = after.template_id
facts["state"] = str(getattr(after.state, "value", after.state))

again = Sandbox.connect(sandbox.sandbox_id)
facts["connected_id"] = again.sandbox_id
facts["connected_token"] = again.get_mcp_token()

pages = Sandbox.list()
listed = []
while pages.has_next:
    listed += [one.sandbox_id for one in pages.next_items()]
facts["listed"] = sandbox.sandbox_id in listed
query = importlib.import_module("e2b").SandboxQuery(metadata={"run": sys.argv[3]})
facts["found_by_metadata"] = [one.sandbox_id for one in Sandbox.list(query=query).next_items()]

# The endpoint, addressed as the SDK's own proxies do: by headers, and by the name that get_mcp_url() forms.
api = Client(base_url=__import__("os").environ["E2B_API_URL"], headers={"Authorization": f"Bearer {facts['token']}"})
facts["by_headers"] = api.post(
    "/mcp/list_tools", headers={"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": "50005"}
).status_code
host = facts["url"].removeprefix("https://").removesuffix("/mcp")
facts["by_name"] = api.post("/mcp/list_tools", headers={"Host": host}).status_code

facts["killed"] = sandbox.kill()
facts["killed_again"] = sandbox.kill()
facts["running_after_kill"] = sandbox.is_running()
try:
    Sandbox.connect(sandbox.sandbox_id)
except Exception as error:
    facts["connect_after_kill"] = type(error).__name__
report()
