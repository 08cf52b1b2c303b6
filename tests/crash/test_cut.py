"""Snapshots and compactions beside clients that move amounts, without pause.

Accounts are keys, fields of hashes, members of ordered sets, elements of lists; the sum of all is
always the same. Clients move amounts by MULTI and by scripts, open and close accounts; others
rename, move, copy, restore, sort, expire and swap what holds them. Meanwhile one dump after the
other is written, and one base of the log. Then

  each file, loaded by itself, has the sum, and as many tokens in the sets as there were;
  each file is what the log, replayed from its first command up to the file's sequence, makes:
  the same keys, deadlines and values.

The log's files are kept by aof-archive-dir. They are read here and sent to a server without files,
command by command; the sequence counts their bytes. What has a short deadline is past it when
files and log are compared.

KV_CUT_SECONDS lets clients run for longer.
"""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time

import pytest

import kv
from harness import OK, Connection, Error, until

SECONDS = float(os.environ.get("KV_CUT_SECONDS", "1.5"))
STRINGS, FIELDS, ITEMS, TOKENS = 300, 6000, 6000, 4000
AMOUNT = 1000
CHECK_RDB = os.path.join(kv.BUILD, "kv-check-rdb")

# --- What moves -----------------------------------------------------------------------------------

# Amounts between places of all kinds, some closed and opened; a place is (kind, key, account).
MOVES = """
local function has(p)
    if p[1] == 's' then return tonumber(redis.call('GET', p[2])) end
    if p[1] == 'h' then return tonumber(redis.call('HGET', p[2], p[3])) end
    if p[1] == 'z' then return tonumber(redis.call('ZSCORE', p[2], p[3])) end
    return tonumber(redis.call('LINDEX', p[2], p[3]))
end
local function add(p, amount)
    if p[1] == 's' then redis.call('INCRBY', p[2], amount)
    elseif p[1] == 'h' then redis.call('HINCRBY', p[2], p[3], amount)
    elseif p[1] == 'z' then redis.call('ZINCRBY', p[2], amount, p[3])
    else redis.call('LSET', p[2], p[3], string.format('%d', has(p) + tonumber(amount))) end
end
local function close(p)
    if p[1] == 'h' then redis.call('HDEL', p[2], p[3])
    elseif p[1] == 'z' then redis.call('ZREM', p[2], p[3])
    elseif p[1] == 's' then redis.call('GETDEL', p[2])
    else return false end
    return true
end
local function any()
    local kind = math.random(5)
    if kind == 1 then return {'s', 'acct:' .. math.random(@STRINGS)} end
    if kind == 2 then return {'h', 'bank:h', 'f' .. math.random(@FIELDS)} end
    if kind == 3 then return {'h', 'bank:g', 'f' .. math.random(@FIELDS)} end
    if kind == 4 then return {'z', 'bank:z', 'm' .. math.random(@ITEMS)} end
    local len = redis.call('LLEN', 'bank:l')
    if len == 0 then return {'s', 'acct:1'} end
    return {'l', 'bank:l', math.random(len) - 1}
end
math.randomseed(tonumber(ARGV[1]))
for i = 1, tonumber(ARGV[2]) do
    local from, to = any(), any()
    local amount = has(from) or 0
    local whole = math.random(8) == 1 and from[1] ~= 'l'
    if not whole then amount = math.random(50) end
    add(to, amount)
    add(from, string.format('%d', -amount))
    if whole and has(from) == 0 then close(from) end
end
"""

# Whatever leaves each amount where it can be found.
TURNS = """
local function call(...) return redis.call(...) end
local holders = {'bank:h', 'bank:g', 'bank:z', 'bank:l', 'set:a', 'long', 'expiring', 'stream'}
math.randomseed(tonumber(ARGV[1]))
local key = holders[math.random(#holders)]
local function copied()
    call('COPY', key, 'c', 'REPLACE')
    call('DEL', key)
    call('RENAME', 'c', key)
end
local turns = {
    function()
        call('RENAME', key, 'other')
        call('RENAME', 'other', key)
    end,
    copied,
    function() call('RESTORE', key, 0, call('DUMP', key), 'REPLACE') end,
    function()
        call('MOVE', key, 3)
        call('SELECT', 3)
        call('MOVE', key, 0)
        call('SELECT', 0)
    end,
    function()
        call('SWAPDB', 0, 5)
        call('SELECT', 5)
        call('SETRANGE', 'long', math.random(200000), 'swapped')
        call('SELECT', 0)
        call('SWAPDB', 0, 5)
    end,
    function()
        call('COPY', key, 'x:' .. key, 'DB', 9, 'REPLACE')
        call('SELECT', 9)
        if math.random(5) == 1 then call('FLUSHDB', math.random(2) == 1 and 'ASYNC' or 'SYNC') end
        call('SELECT', 0)
    end,
    function()
        call('COPY', key, 't:' .. key, 'REPLACE')
        call('PEXPIRE', 't:' .. key, math.random(60))
    end,
    function()
        if call('TYPE', key).ok == 'hash' then
            call('COPY', key, 't:f', 'REPLACE')
            local other = 'f' .. math.random(900)
            call('HPEXPIRE', 't:f', math.random(20), 'FIELDS', 3, 'f1', 'f2', other)
            call('PEXPIRE', 't:f', 80)
        end
    end,
    function()
        call('SORT', 'bank:l', 'BY', 'nosort', 'STORE', 'sorted')
        call('RENAME', 'sorted', 'bank:l')
    end,
    function()
        call('ZUNIONSTORE', 'bank:z', 1, 'bank:z')
        call('ZRANGESTORE', 'z:part', 'bank:z', 0, math.random(3000))
    end,
    function()
        call('SUNIONSTORE', 'set:union', 'set:a', 'set:b')
        call('SINTERSTORE', 'set:a', 'set:a')
    end,
    function()
        for i = 1, 20 do
            local token = call('SRANDMEMBER', 'set:a')
            if token then call('SMOVE', 'set:a', 'set:b', token) end
            token = call('SPOP', 'set:b')
            if token then call('SADD', 'set:a', token) end
        end
    end,
    function()
        for i = 1, 20 do call('LMOVE', 'bank:l', 'bank:l', 'LEFT', 'RIGHT') end
        call('LPUSH', 'bank:l', 0)
        call('LREM', 'bank:l', 1, 0)
    end,
    function()
        call('SETRANGE', 'long', math.random(900000), string.rep('y', math.random(2000)))
        call('APPEND', 'long', 'z')
        if math.random(6) == 1 then call('SET', 'long', string.rep('n', 300000)) end
    end,
    function()
        local f = 'f' .. math.random(3000)
        call('HSET', 'expiring', f, math.random(9999))
        call('HPEXPIRE', 'expiring', 100000000 + math.random(1000000), 'FIELDS', 1, f)
        call('HPERSIST', 'expiring', 'FIELDS', 1, 'f' .. math.random(3000))
        call('HDEL', 'expiring', 'f' .. math.random(3000))
    end,
    function()
        call('PEXPIRE', key, 100000000 + math.random(1000000))
        if math.random(2) == 1 then call('PERSIST', key) end
    end,
}
turns[math.random(#turns)]()
"""

STREAM_TURN = """
math.randomseed(tonumber(ARGV[1]))
local function call(...) return redis.call(...) end
for i = 1, 30 do
    call('XADD', 'stream', '*', 'field', math.random(100000), 'other', string.rep('v', 40))
end
local group, consumer = 'group' .. math.random(3), 'consumer' .. math.random(6)
local got = call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 60, 'STREAMS', 'stream', '>')
local pending = call('XPENDING', 'stream', group, '-', '+', 200)
for i, one in ipairs(pending) do
    if math.random(3) == 1 then call('XACK', 'stream', group, one[1]) end
    if math.random(20) == 1 then
        call('XCLAIM', 'stream', group, 'consumer' .. math.random(6), 0, one[1])
    end
    if math.random(40) == 1 then call('XDEL', 'stream', one[1]) end
end
if math.random(10) == 1 then call('XGROUP', 'DELCONSUMER', 'stream', group, consumer) end
if math.random(25) == 1 then
    call('XGROUP', 'DESTROY', 'stream', group)
    call('XGROUP', 'CREATE', 'stream', group, '0')
end
if math.random(8) == 1 then call('XTRIM', 'stream', 'MAXLEN', 4000) end
"""

# Of a server that was loaded: {sum of all amounts, tokens}.
SUM = """
local sum, at = 0, '0'
for i = 1, @STRINGS do sum = sum + (tonumber(redis.call('GET', 'acct:' .. i)) or 0) end
for _, key in ipairs({'bank:h', 'bank:g'}) do
    for _, value in ipairs(redis.call('HVALS', key)) do sum = sum + tonumber(value) end
end
for i, value in ipairs(redis.call('ZRANGE', 'bank:z', 0, -1, 'WITHSCORES')) do
    if i % 2 == 0 then sum = sum + tonumber(value) end
end
for _, value in ipairs(redis.call('LRANGE', 'bank:l', 0, -1)) do sum = sum + tonumber(value) end
return {string.format('%d', sum), redis.call('SCARD', 'set:a') + redis.call('SCARD', 'set:b')}
"""


def sized(script):
    return script.replace("@STRINGS", str(STRINGS)).replace("@FIELDS", str(FIELDS)).replace(
        "@ITEMS", str(ITEMS))


TOTAL = [b"%d" % (AMOUNT * (STRINGS + 2 * FIELDS + ITEMS + TOKENS)), TOKENS]


def fill(connection):
    connection("MSET", *(word for i in range(1, STRINGS + 1) for word in (f"acct:{i}", AMOUNT)))
    for key in ("bank:h", "bank:g"):
        connection("HSET", key, *(w for i in range(1, FIELDS + 1) for w in (f"f{i}", AMOUNT)))
    connection("ZADD", "bank:z", *(w for i in range(1, ITEMS + 1) for w in (AMOUNT, f"m{i}")))
    connection("RPUSH", "bank:l", *([AMOUNT] * TOKENS))
    connection("SADD", "set:a", *(f"token {i} of the set" for i in range(TOKENS)))
    connection("SET", "long", "x" * 1000000)
    connection("HSET", "expiring", *(w for i in range(3000) for w in (f"f{i}", i)))
    for group in (1, 2, 3):
        connection("XGROUP", "CREATE", "stream", f"group{group}", "0", "MKSTREAM")
    assert connection("EVAL", sized(SUM), 0) == TOTAL


class Client(threading.Thread):
    def __init__(self, server, seed, work):
        super().__init__()
        self.connection = Connection(server.port)
        self.chance, self.work = random.Random(seed), work
        self.stop, self.failure, self.done = False, None, 0

    def run(self):
        try:
            while not self.stop:
                for reply in self.connection.pipeline(self.work(self.chance)):
                    assert not isinstance(reply, Error), reply
                self.done += 1
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure
        self.connection.close()


def transactions(chance):
    """Some amounts between keys, members, and fields."""
    commands = []
    for _ in range(15):
        amount = chance.randint(1, 20)
        commands += [("MULTI",),
                     ("INCRBY", f"acct:{chance.randint(1, STRINGS)}", -amount),
                     chance.choice((
                         ("HINCRBY", "bank:h", f"f{chance.randint(1, FIELDS)}", amount),
                         ("ZINCRBY", "bank:z", amount, f"m{chance.randint(1, ITEMS)}"),
                         ("INCRBY", f"acct:{chance.randint(1, STRINGS)}", amount))),
                     ("EXEC",)]
    return commands


def script_of(text, *more):
    return lambda chance: [("EVAL", sized(text), 0, chance.randint(1, 1 << 30), *more)
                           for _ in range(4)]


WORKS = (transactions, transactions, script_of(MOVES, 15), script_of(MOVES, 4),
         script_of(TURNS), script_of(TURNS), script_of(STREAM_TURN))


# --- Files ----------------------------------------------------------------------------------------

def info(connection, field):
    text = connection("INFO", "persistence").decode()
    return re.search(rf"^{field}:(.*?)\r?$", text, re.M).group(1)


def bgsave(connection, server, folder, number):
    connection("BGSAVE")
    until(lambda: info(connection, "rdb_bgsave_in_progress") == "0", 120, 0.001)
    assert info(connection, "rdb_last_bgsave_status") == "ok"
    path = os.path.join(folder, f"{number}.rdb.lz4")
    os.link(os.path.join(server.folder, "dump.rdb.lz4"), path)


def rewrite(connection):
    before = int(info(connection, "aof_rewrites"))
    assert not isinstance(connection("BGREWRITEAOF"), Error)
    until(lambda: int(info(connection, "aof_rewrites")) > before, 120, 0.001)
    assert info(connection, "aof_last_bgrewrite_status") == "ok"


def number_of(path):
    return int(os.path.basename(path).split(".")[2])


def log_folders(server):
    return os.path.join(server.folder, "archive"), os.path.join(server.folder, "appendonlydir")


def files_of(server, kind):
    found = [path for folder in log_folders(server)
             for path in glob.glob(os.path.join(folder, "**", f"appendonly.aof.*.{kind}"),
                                   recursive=True)]
    numbers = sorted(number_of(path) for path in found)
    assert len(set(numbers)) == len(numbers), found
    return sorted(found, key=number_of)


def commands_of(path, seq):
    """(sequence before it, its bytes) of each command of a log file that begins at `seq`."""
    with open(path, "rb") as opened:
        data = opened.read()
    header = data[:200].split(b"\r\n")[0].split(b":")
    assert header[0] == b"#KVF", header
    assert int(header[5]) == seq, f"{path} begins at {header[5]}, the one before ended at {seq}"
    at = 0
    while at < len(data):
        begin, end = at, data.index(b"\n", at)
        if data[at] == ord("#"):
            at = end + 1
            continue
        assert data[at] == ord("*"), (path, at, data[at:at + 40])
        words, at = int(data[at + 1:end]), end + 1
        for _ in range(words):
            end = data.index(b"\n", at)
            at = end + 1 + int(data[at + 1:end]) + 2
        yield seq, data[begin:at]
        seq += at - begin
    yield seq, b""


def log_of(server):
    seq = 0
    for path in files_of(server, "incr.aof"):
        for seq, command in commands_of(path, seq):
            if command:
                yield seq, command
    yield seq, b""


def sequence_of(path):
    report = subprocess.run([CHECK_RDB, "--json", path], capture_output=True, text=True)
    assert report.returncode == 0, report.stdout + report.stderr
    return int(json.loads(report.stdout)["kvseq"])


# --- Comparing ------------------------------------------------------------------------------------

class Replica:
    """A server without files that is sent the log."""

    def __init__(self, folder, log):
        self.server = kv.Server(folder, "--persistence", "no", "--enable-debug-command", "yes")
        self.connection = Connection(self.server.port)
        self.log = log
        self.at = next(log)
        self.within = False

    def go_to(self, seq):
        """Up to a sequence that lies between two commands, and not within a transaction."""
        self.connection.send("CLIENT", "REPLY", "OFF")
        pieces, size = [], 0
        while self.at[0] < seq:
            command = self.at[1]
            assert command, f"the log ends at {self.at[0]}, before {seq}"
            if command == b"*1\r\n$5\r\nMULTI\r\n":
                self.within = True
            elif command == b"*1\r\n$4\r\nEXEC\r\n":
                self.within = False
            pieces.append(command)
            size += len(command)
            if size > 1 << 20:
                self.connection.send_bytes(b"".join(pieces))
                pieces, size = [], 0
            self.at = next(self.log)
        assert self.at[0] == seq, f"{seq} is within a command of the log"
        assert not self.within, f"{seq} is within a transaction of the log"
        self.connection.send_bytes(b"".join(pieces))
        assert self.connection("CLIENT", "REPLY", "ON") == OK
        assert self.connection("INFO", "errorstats") == b"# Errorstats\r\n"
        return values_of(self.connection)


def without_times(value):
    """A reply of XINFO STREAM FULL, without what it is like inside, and without when consumers
    came last: that is not in the log."""
    if not isinstance(value, list):
        return value
    names = (b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes")
    left, at = [], 0
    while at < len(value):
        if value[at] in names:
            at += 2
        else:
            left.append(without_times(value[at]))
            at += 1
    return left


def values_of(connection):
    """{(db, key): what it holds} of all databases."""
    found = {}
    for db in range(16):
        connection("SELECT", db)
        keys = connection("KEYS", "*")
        types = connection.pipeline([("TYPE", key) for key in keys])
        ask = [("XINFO", "STREAM", key, "FULL", "COUNT", 0) if str(kind) == "stream" else
               ("DEBUG", "DIGEST-VALUE", key) for key, kind in zip(keys, types)]
        values = connection.pipeline(ask)
        deadlines = connection.pipeline([("PEXPIRETIME", key) for key in keys])
        for key, kind, value, deadline in zip(keys, types, values, deadlines):
            assert not isinstance(value, Error), value
            found[db, key] = (str(kind), deadline, without_times(value))
    connection("SELECT", 0)
    return found


def load(folder, path):
    """A server that has loaded the one file."""
    shutil.rmtree(folder, ignore_errors=True)
    if path.endswith(".base.rdb"):
        directory = os.path.join(folder, "appendonlydir")
        os.makedirs(directory)
        name = os.path.basename(path)
        for suffix in ("", ".kvi"):
            shutil.copy(path + suffix, os.path.join(directory, name + suffix))
        with open(os.path.join(directory, "appendonly.aof.manifest"), "w",
                  encoding="ascii") as manifest:
            manifest.write(f"file {name} seq {number_of(path)} type b\n")
        return kv.Server(folder, "--enable-debug-command", "yes")
    os.makedirs(folder)
    shutil.copy(path, os.path.join(folder, "dump.rdb.lz4"))
    return kv.Server(folder, "--appendonly", "no", "--save", "", "--enable-debug-command", "yes")


def assert_equal(replica, path, seq, folder):
    expected = replica.go_to(seq)
    with load(folder, path) as loaded:
        with Connection(loaded.port) as connection:
            assert connection("EVAL", sized(SUM), 0) == TOTAL, path
            found = values_of(connection)
    differing = [(key, found.get(key), expected.get(key)) for key in {*found, *expected}
                 if found.get(key) != expected.get(key)]
    assert not differing, f"{path} differs from the log at {seq}: {differing[:3]}"


# --- The test -------------------------------------------------------------------------------------

def let_run(server, folder, seconds):
    """Clients move and turn, while files are written; their number."""
    clients = [Client(server, seed, work) for seed, work in enumerate(WORKS)]
    for client in clients:
        client.start()
    number, end = 0, time.monotonic() + seconds
    with Connection(server.port) as connection:
        while time.monotonic() < end and not any(client.failure for client in clients):
            bgsave(connection, server, folder, number)
            rewrite(connection)
            number += 1
    for client in clients:
        client.stop = True
    for client in clients:
        client.join()
        if client.failure:
            raise client.failure
        assert client.done > 0
    return number


@pytest.mark.parametrize("policy, limit", [("always", "1mb"), ("everysec", "64mb")])
def test_every_file_is_what_the_log_makes_of_its_sequence(tmp_path, policy, limit):
    dumps = os.path.join(tmp_path, "dumps")
    os.makedirs(dumps)
    server = kv.Server(tmp_path / "server", "--appendfsync", policy, "--aof-archive-dir",
                       tmp_path / "server" / "archive", "--enable-debug-command", "yes",
                       "--snapshot-memory-limit", limit)
    with server:
        with Connection(server.port) as connection:
            fill(connection)
        made = let_run(server, dumps, SECONDS)
        with Connection(server.port) as connection:
            assert connection("EVAL", sized(SUM), 0) == TOTAL
            time.sleep(0.2)  # what has a short deadline is past it
            final = values_of(connection)
        server.stop()
        files = files_of(server, "base.rdb") + glob.glob(os.path.join(dumps, "*"))
        files = sorted((sequence_of(path), path) for path in files)
        assert len(files) >= 2 * made
        replica = Replica(tmp_path / "replica", log_of(server))
        with replica.server:
            for seq, path in files:
                assert_equal(replica, path, seq, str(tmp_path / "loaded"))
            end = replica.at[0]
            for end, _ in replica.log:
                pass
        server.start()
        with Connection(server.port) as connection:
            assert values_of(connection) == final
        server.stop()
    print(f"{len(files)} files, {end} bytes of log")
