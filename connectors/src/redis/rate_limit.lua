-- Takes one request from a bucket that all processes share (GCRA). KEYS[1] holds when it is full again, in us since 1970.
-- ARGV: the interval between requests in us, how many a full bucket holds. Answers how far from full the request
-- leaves it, in us; further than it is deep, and nothing was taken. Times are Redis' own, and below 2^53.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, requests = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local ahead = full_at + interval - now
if ahead <= interval * requests then
  redis.call('SET', KEYS[1], string.format('%.0f', full_at + interval), 'PX', math.ceil(ahead / 1000))
end
return ahead
