--[[
  Makes a version the newest of its dictionary, whole or not at all, and forgets the oldest.

  KEYS[1]  versions   (zset: version → number; the highest is the newest)
  KEYS[2]  staged     (list: a header and the rows; missing when the version is kept already, and whole)
  KEYS[3]  content    (list: where the staged rows go, over what is there)

  ARGV[1]  version
  ARGV[2]  elements of the staged list, header included
  ARGV[3]  versions to keep
  ARGV[4]  what the content keys of this dictionary begin with; the version follows

  Returns 1 when the version is the newest now; 0 when neither the staged rows nor the content are all there: stage again.
]]
local elements = tonumber(ARGV[2])
local staged = redis.call('LLEN', KEYS[2])
if staged == elements then
  redis.call('RENAME', KEYS[2], KEYS[3])
  redis.call('PERSIST', KEYS[3])
elseif staged ~= 0 or redis.call('LLEN', KEYS[3]) ~= elements then
  redis.call('UNLINK', KEYS[2])
  return 0
end

local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local number = tonumber(newest[2] or '0') + 1
redis.call('ZADD', KEYS[1], number, ARGV[1])

local old = redis.call('ZRANGE', KEYS[1], 0, -(tonumber(ARGV[3]) + 1))
for _, version in ipairs(old) do
  redis.call('ZREM', KEYS[1], version)
  redis.call('UNLINK', ARGV[4] .. version)
end
return 1
