-- wrk script: tools/call of the echo tool, cycling over the endpoints in the file that LOAD_ENDPOINTS names.
-- A line there: PATH TOKEN TOOL ERA [SESSION]. LOAD_BYTES is the length of the echoed text.
local endpoints = {}
for line in io.lines(os.getenv("LOAD_ENDPOINTS")) do
  local path, token, tool, era, session = line:match("^(%S+) (%S+) (%S+) (%S+) ?(%S*)$")
  endpoints[#endpoints + 1] = { path = path, token = token, tool = tool, era = era, session = session }
end
local text = string.rep("x", tonumber(os.getenv("LOAD_BYTES")))
local meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
  .. '"io.modelcontextprotocol/clientInfo":{"name":"wrk","version":"1"},'
  .. '"io.modelcontextprotocol/clientCapabilities":{}},'

for _, endpoint in ipairs(endpoints) do
  local modern = endpoint.era == "modern"
  endpoint.tail = ',"method":"tools/call","params":{' .. (modern and meta or "")
    .. '"name":"' .. endpoint.tool .. '","arguments":{"text":"' .. text .. '"}}}'
  endpoint.headers = {
    ["Authorization"] = "Bearer " .. endpoint.token,
    ["Content-Type"] = "application/json",
    ["Accept"] = "application/json, text/event-stream",
    ["MCP-Protocol-Version"] = modern and "2026-07-28" or "2025-06-18",
  }
  if modern then
    endpoint.headers["Mcp-Method"] = "tools/call"
    endpoint.headers["Mcp-Name"] = endpoint.tool
  elseif endpoint.session ~= "" then
    endpoint.headers["Mcp-Session-Id"] = endpoint.session
  end
end

local sent = 0

function request()
  sent = sent + 1
  local endpoint = endpoints[sent % #endpoints + 1]
  local body = '{"jsonrpc":"2.0","id":' .. sent .. endpoint.tail
  return wrk.format("POST", endpoint.path, endpoint.headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"max":%d,"bad":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
