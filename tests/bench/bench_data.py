"""What the snapshot tables keep in their servers, made by scripts inside them: mixed keys, or one
big hash. The same data in each server and each run."""
from tables import SCALE

KEYS = int(1000000 * SCALE / 1.2)  # strings; of each of five other types a 25th
FIELDS = int(10000000 * SCALE)     # of the big hash
CHUNK = 20000                      # of a script: none takes long

TEXT = """
local function text_of(number)
    return string.format('{"id":%d,"name":"user-%d","session":"%08x%08x","state":"active"}', number,
                         math.random(1000000), math.random(2147483647), math.random(2147483647))
end
"""

STRINGS = TEXT + """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
    redis.call('SET', string.format('string:%08d', i), text_of(i))
end
"""

COLLECTIONS = TEXT + """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
    local hash, list, set, zset = {}, {}, {}, {}
    for n = 1, 10 do
        hash[2 * n - 1], hash[2 * n] = 'field:' .. n, math.random(2147483647)
        list[n] = n <= 5 and text_of(n) or nil
        set[n] = 'member:' .. math.random(100000)
        zset[2 * n - 1], zset[2 * n] = math.random(100000), 'member:' .. n
    end
    redis.call('HSET', 'hash:' .. i, unpack(hash))
    redis.call('RPUSH', 'list:' .. i, unpack(list))
    redis.call('SADD', 'set:' .. i, unpack(set))
    redis.call('ZADD', 'zset:' .. i, unpack(zset))
    redis.call('XADD', 'stream:' .. i, '1-1', 'field', math.random(2147483647))
end
"""

HASH = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1, 100 do
    local words = {}
    for n = 0, math.min(99, ARGV[2] - 1 - i) do
        words[2 * n + 1] = string.format('field:%08d', i + n)
        words[2 * n + 2] = string.format('%011x%011x', math.random(2147483647),
                                         math.random(2147483647))
    end
    redis.call('HSET', 'big', unpack(words))
end
"""


def fill(server, script, count):
    for begin in range(0, count, CHUNK):
        reply = server.command("EVAL", script, 0, begin, min(begin + CHUNK, count))
        assert reply is None, reply


def fill_mixed(server):
    fill(server, STRINGS, KEYS)
    fill(server, COLLECTIONS, KEYS // 25)


def fill_big_hash(server):
    fill(server, HASH, FIELDS)
