-- What wrk sends and tells, for bench/load.py: METHOD PATH AUTHORIZATION BODY COOKIE FILE AGAIN SHOWS.
-- Where FILE is not "-", its lines stand in the place of VALUE: in turn where AGAIN is "yes", else each once, and a run for
-- which they do not last is none. Where SHOWS is said, an answer without it in its Location is a refusal.
wrong, is_short = 0, 0
local threads, values, at = {}, nil, 0
local method, path, authorization, body, cookie, again

local function filled(text)
  return values and (text:gsub("VALUE", values[at])) or text
end

local function looked_at(shows)
  return function(_, headers)
    for name, value in pairs(headers) do
      if name:lower() == "location" and value:find(shows, 1, true) then return end
    end
    wrong = wrong + 1
  end
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  method, path, authorization, body, cookie = args[1], args[2], args[3], args[4], args[5]
  if args[6] ~= "-" then
    values = {}
    for line in io.lines(args[6]) do values[#values + 1] = line end
  end
  again = args[7] == "yes"
  if args[8] ~= "" then response = looked_at(args[8]) end
  wrk.headers["Content-Type"] = method == "POST" and "application/x-www-form-urlencoded" or nil
end

function request()
  at = at + 1
  if again then
    at = (at - 1) % #values + 1
  elseif values and at >= #values then
    wrk.thread:stop()
    at, is_short = #values, 1
  end
  if authorization ~= "" then wrk.headers["Authorization"] = filled(authorization) end
  if cookie ~= "" then wrk.headers["Cookie"] = filled(cookie) end
  return wrk.format(method, path, nil, method == "POST" and filled(body) or nil)
end

function done(summary, latency)
  local failed, thread = summary.errors, threads[1]
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "lost": %d, "short": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.status + thread:get("wrong"), failed.connect + failed.read + failed.write + failed.timeout,
    thread:get("is_short")))
end
