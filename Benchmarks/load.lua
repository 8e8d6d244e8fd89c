-- wrk script: the method that LOAD_METHOD names, cycling over the endpoints in the file that LOAD_ENDPOINTS names.
-- A line there: PATH TOKEN TOOL ERA [SESSION]. LOAD_BYTES is the length of the text that tools/call has echoed.
local endpoints = {}
for line in io.lines(os.getenv("LOAD_ENDPOINTS")) do
  local path, token, tool, era, session = line:match("^(%S+) (%S+) (%S+) (%S+) ?(%S*)$")
  endpoints[#endpoints + 1] = { path = path, token = token, tool = tool, era = era, session = session }
end
local method = os.getenv("LOAD_METHOD")
local isCall = method == "tools/call"
local text = string.rep("x", tonumber(os.getenv("LOAD_BYTES")))
local meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
  .. '"io.modelcontextprotocol/clientInfo":{"name":"wrk","version":"1"},'
  .. '"io.modelcontextprotocol/clientCapabilities":{}}'

for _, endpoint in ipairs(endpoints) do
  local modern = endpoint.era == "modern"
  local members = {}
  if modern then members[#members + 1] = meta end
  if isCall then members[#members + 1] = '"name":"' .. endpoint.tool .. '","arguments":{"text":"' .. text .. '"}' end
  endpoint.tail = ',"method":"' .. method .. '","params":{' .. table.concat(members, ",") .. "}}"
  endpoint.headers = {
    ["Authorization"] = "Bearer " .. endpoint.token,
    ["Content-Type"] = "application/json",
    ["Accept"] = "application/json, text/event-stream",
    ["MCP-Protocol-Version"] = modern and "2026-07-28" or "2025-06-18",
  }
  if modern then
    endpoint.headers["Mcp-Method"] = method
    if isCall then endpoint.headers["Mcp-Name"] = endpoint.tool end
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
  io.write(string.format('RESULT {"requests":%d,"microseconds":%d,"bytes":%d,"bad":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  -- Every latency that was seen, in microseconds, and how often.
  io.write("LATENCIES")
  for i = 1, #latency do
    local value, count = latency(i)
    io.write(string.format(" %d:%d", value, tonumber(count)))
  end
  io.write("\n")
end
