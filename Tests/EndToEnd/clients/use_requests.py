"""Plain HTTP, word for word as the product's documents show it."""

import requests
from scenario import TOKEN as mcp_token
from scenario import URL as mcp_url
from scenario import report

headers = {"Authorization": f"Bearer {mcp_token}", "Content-Type": "application/json"}

# List tools
response = requests.post(f"{mcp_url}/list_tools", headers=headers)
tools = response.json()

# Call tool
response = requests.post(
    f"{mcp_url}/call_tool", headers=headers, json={"name": "fix_add", "arguments": {"a": 2, "b": 40}}
)
result = response.json()

report(tools=[tool["name"] for tool in tools["tools"]], added=result["content"][0]["text"])
