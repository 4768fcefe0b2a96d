-- For wrk: sends the requests of a file in turn, and prints what came of them in one line.

local requests, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, token, body = line:match('^(%S+)\t(%S+)\t(%S*)\t(.*)$')
    local headers = { ['Content-Type'] = 'application/json' }
    if token ~= '' then headers['Authorization'] = 'Bearer ' .. token end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= '' and body or nil)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'result %d %d %d %d %d %d', summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency.min, latency:percentile(50), latency:percentile(99)))
end
