-- Sets a feed unless what is there is as new or newer. What somebody else put there, of whatever type, is replaced.
-- KEYS[1] the feed; ARGV[1] its header, 34 bytes that order as text; ARGV[2] what follows it; ARGV[3] its life in ms.
local held = redis.pcall('GETRANGE', KEYS[1], 0, 33)
local ours = type(held) == 'string' and #held == 34 and held:sub(1, 1) == 'F'
if ours and held >= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return 1
