-- What wrk sends and tells, for bench/load.py: METHOD PATH AUTHORIZATION BODY FILE.
-- Where FILE is not "-", each of its lines is used once in the place of VALUE; the run ends with the last one.
local values, at = nil, 0
local method, path, authorization, body

local function filled(text)
  return values and (text:gsub("VALUE", values[at])) or text
end

function init(args)
  method, path, authorization, body = args[1], args[2], args[3], args[4]
  if args[5] ~= "-" then
    values = {}
    for line in io.lines(args[5]) do values[#values + 1] = line end
  end
  wrk.headers["Content-Type"] = method == "POST" and "application/x-www-form-urlencoded" or nil
end

function request()
  at = at + 1
  if values and at >= #values then
    wrk.thread:stop()
    at = #values
  end
  if authorization ~= "" then wrk.headers["Authorization"] = filled(authorization) end
  return wrk.format(method, path, nil, method == "POST" and filled(body) or nil)
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "lost": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
