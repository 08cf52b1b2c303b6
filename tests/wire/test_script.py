"""EVAL and its kin, SCRIPT: what scripts see, may do and answer."""
import hashlib
import os
import signal
import time

import pytest

from harness import OK, Error, Status, keyspace, until
from scripts_lua import SCRIPTS


def sha(script):
    return hashlib.sha1(script.encode("utf-8", "surrogateescape")).hexdigest()


def info(connection, section):
    text = connection("INFO", section)
    return text.decode() if isinstance(text, bytes) else str(text)


def fill(connection):
    connection("SELECT", 0)
    connection("FLUSHALL")
    connection("SET", "str", "x")
    connection("HSET", "h", "a", "1", "b", "2")
    connection("RPUSH", "l", "1", "2", "3")
    connection("ZADD", "z", "1.5", "x", "2", "y")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def both(request, running):
    """Connections to kv in memory and to the reference, with the same keys."""
    with running("kv-memory").connect(request.param) as ours, \
            running("redis").connect(request.param) as theirs:
        fill(ours)
        fill(theirs)
        yield ours, theirs


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_answers_the_same_bytes(both, script):
    ours, theirs = both
    assert ours.raw("EVAL", script, 0) == theirs.raw("EVAL", script, 0)


# --- EVAL ----------------------------------------------------------------------------------------

def test_keys_and_arguments(c):
    assert c("EVAL", "return {KEYS, ARGV}", 2, "a", b"\x00\xff", "x", "") == \
        [[b"a", b"\x00\xff"], [b"x", b""]]


ARGUMENTS = [
    (["EVAL", "return 1", "x"], "ERR value is not an integer or out of range"),
    (["EVAL", "return 1", "-1"], "ERR Number of keys can't be negative"),
    (["EVAL", "return 1", "1"], "ERR Number of keys can't be greater than number of args"),
    (["EVAL", "return 1"], "ERR wrong number of arguments for 'eval' command"),
    (["EVALSHA", "x", "0"], "NOSCRIPT No matching script. Please use EVAL."),
    (["EVALSHA", "f" * 40, "0"], "NOSCRIPT No matching script. Please use EVAL."),
    (["EVALSHA", "f" * 40, "x"], "ERR value is not an integer or out of range"),
    (["EVALSHA", "f", "x"], "NOSCRIPT No matching script. Please use EVAL."),
    (["EVALSHA_RO", "f" * 40, "0"], "NOSCRIPT No matching script. Please use EVAL."),
    (["SCRIPT", "LOAD", "x y"],
     "ERR Error compiling script (new function): user_script:1: '=' expected near 'y'"),
    (["SCRIPT", "FLUSH", "NOW"], "ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
    (["SCRIPT", "FLUSH", "SYNC", "ASYNC"], "ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
    (["SCRIPT", "KILL"], "NOTBUSY No scripts in execution right now."),
    (["SCRIPT", "DEBUG", "MAYBE"], "ERR Use SCRIPT DEBUG YES/SYNC/NO"),
    (["SCRIPT", "NOSUCH"], "ERR unknown subcommand 'NOSUCH'. Try SCRIPT HELP."),
]


@pytest.mark.parametrize("words, error", ARGUMENTS)
def test_errors_of_arguments(c, words, error):
    assert str(c(*words)) == error


def test_scripts_are_known_by_their_sha(c):
    script = "return redis.call('incr', KEYS[1]) -- known"
    name = sha(script)
    c("SCRIPT", "FLUSH")
    assert c("SCRIPT", "EXISTS", name, "x") == [0, 0]
    assert c("EVAL", script, 1, "n") == 1
    assert c("EVALSHA", name, 1, "n") == 2
    assert c("EVALSHA", name.upper(), 1, "n") == 3
    assert c("SCRIPT", "EXISTS", name, name.upper(), "x") == [1, 1, 0]
    assert c("SCRIPT", "FLUSH") == OK
    assert c("EVALSHA", name, 1, "n") == Error("NOSCRIPT No matching script. Please use EVAL.")
    assert c("SCRIPT", "LOAD", script) == name.encode()
    assert c("EVALSHA", name, 1, "n") == 4
    assert c("SCRIPT", "FLUSH", "ASYNC") == OK


def test_a_read_only_call_writes_nothing(c):
    c("SET", "k", "v")
    assert c("EVAL_RO", "return redis.call('get', KEYS[1])", 1, "k") == b"v"
    script = "return redis.call('set', KEYS[1], 1)"
    error = Error("ERR Write commands are not allowed from read-only scripts. script: "
                  f"{sha(script)}, on @user_script:1.")
    assert c("EVAL_RO", script, 1, "k") == error
    assert c("EVALSHA_RO", sha(script), 1, "k") == error
    assert c("EVAL_RO", "#!lua flags=no-writes\nreturn 1", 0) == 1
    assert c("EVAL_RO", "#!lua\nreturn 1", 0) == \
        Error("ERR Can not execute a script with write flag using *_ro command.")
    assert c("GET", "k") == b"v"


FIRST_LINES = ["#!lua\r", "#!lua\tflags=no-writes", '#!lua "flags=no-writes" ', "#!lua 'flags=x",
               "#!lua flags='no-writes'", "#!lua flags=no-writes\r", "#!lua \"flags=a", "#!",
               "#!lua flags=no-writes, allow-oom", "#! lua", "#!js", "#!lua x", "#!'lua'", " #!lua"]


@pytest.mark.parametrize("line", FIRST_LINES)
def test_the_first_line_is_split_like_a_line_of_the_config(kv, reference, line):
    """White space of any kind, as an editor under Windows leaves it, and quotes."""
    for command in ("EVAL", "EVAL_RO"):
        assert kv(command, f"{line}\nreturn 1", 0) == reference(command, f"{line}\nreturn 1", 0)


def test_in_a_transaction(c):
    c("MULTI")
    c("SET", "n", "5")
    c("EVAL", "return redis.call('incr', KEYS[1])", 1, "n")
    c("EVAL", "redis.call('incr', KEYS[1]) error('late')", 1, "n")
    c("GET", "n")
    replies = c("EXEC")
    assert replies[0] == OK and replies[1] == 6 and replies[3] == b"7"
    assert str(replies[2]).startswith("ERR user_script:1: late script: ")


def test_what_was_done_before_an_error_stays(c):
    script = "redis.call('set', KEYS[1], 'done') redis.call('nosuch')"
    assert isinstance(c("EVAL", script, 1, "k"), Error)
    assert c("GET", "k") == b"done"


def test_select_is_the_scripts_own(c):
    assert c("EVAL", "redis.call('select', 3) redis.call('set', KEYS[1], 1)", 1, "k") is None
    assert c("GET", "k") is None
    c("SELECT", 3)
    assert c("GET", "k") == b"1"
    assert c("EVAL", "return redis.call('get', KEYS[1])", 1, "k") == b"1"
    c("SELECT", 0)


def test_blocking_commands_do_not_wait(c):
    assert c("EVAL", "return redis.call('lmove', 'a', 'b', 'left', 'left')", 0) is None
    assert c("EVAL", "return redis.call('blmpop', 0, 1, 'a', 'left')", 0) is None


@pytest.mark.parametrize("call", [
    "'blpop', 'a', 0", "'brpop', 'a', 'b', 0", "'bzpopmin', 'a', 0", "'bzpopmax', 'a', 0",
    "'blmove', 'a', 'b', 'left', 'left', 0", "'brpoplpush', 'a', 'b', 0",
    "'xread', 'BLOCK', 0, 'STREAMS', 'a', '$'"])
def test_commands_that_redis_7_0_refuses_do_not_wait_either(kv, call):
    """As in Redis 7.2."""
    assert kv("EVAL", f"return redis.call({call})", 0) is None
    assert kv("RPUSH", "l", "one") == 1
    assert kv("EVAL", "return redis.call('blpop', KEYS[1], 0)", 1, "l") == [b"l", b"one"]


def test_a_script_wakes_who_waits(c, server):
    with server.connect() as other:
        other.send("BLPOP", "list", 0)
        until(lambda: "blocked_clients:1" in info(c, "clients"))
        script = "redis.call('rpush', KEYS[1], 'a', 'b') return redis.call('llen', KEYS[1])"
        assert c("EVAL", script, 1, "list") == 2
        assert other.read() == [b"list", b"a"]


def test_a_watched_key_that_a_script_changes(c, server):
    with server.connect() as other:
        c("WATCH", "k")
        other("EVAL", "redis.call('set', KEYS[1], 1)", 1, "k")
        c("MULTI")
        c("PING")
        assert c("EXEC") is None


def test_versions_by_both_names(kv):
    info = dict(line.split(b":", 1) for line in kv("INFO", "server").split(b"\r\n")
                if b":" in line)
    said = kv("EVAL", "return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM, server.SERVER_NAME, "
                      "server.SERVER_VERSION, server.SERVER_VERSION_NUM}", 0)
    for version, number in (said[:2], said[3:]):
        parts = [int(part) for part in version.split(b".")]
        assert number == parts[0] << 16 | parts[1] << 8 | parts[2]
    assert said[0] == info[b"redis_version"] and said[3] == info[b"kv_version"]
    assert said[2] == info[b"server_name"]


def test_time_stands_still(kv):
    script = ("local a = redis.call('time') local n = 0 "
              "for i = 1, 200000 do n = n + i end "
              "local b = redis.call('time') return a[1] == b[1] and a[2] == b[2]")
    assert kv("EVAL", script, 0) == 1


def test_keys_do_not_expire_within_a_script(kv):
    script = ("redis.call('psetex', KEYS[1], 1, 'v') local n = 0 "
              "for i = 1, 3000000 do n = n + i end return redis.call('get', KEYS[1])")
    assert kv("EVAL", script, 1, "k") == b"v"


def test_statistics_count_inner_commands(c):
    c("CONFIG", "RESETSTAT")
    c("EVAL", "redis.call('set', 'k', 1) redis.pcall('lpush', 'k', 1) return 1", 0)
    stats = info(c, "commandstats")
    assert "cmdstat_eval:calls=1," in stats and "cmdstat_set:calls=1," in stats
    assert "cmdstat_lpush:calls=1," in stats
    assert "errorstat_WRONGTYPE:count=1" in info(c, "errorstats")


def test_an_error_is_counted_once(c):
    c("SET", "k", 1)
    c("CONFIG", "RESETSTAT")
    c("EVAL", "return redis.call('lpush', 'k', 1)", 0)
    c("EVAL", "return redis.pcall('lpush', 'k', 1)", 0)
    c("EVAL", "return {err = 'WRONGTYPE mine'}", 0)
    assert "errorstat_WRONGTYPE:count=3" in info(c, "errorstats")


def test_show_answers_the_text(kv):
    name = kv("SCRIPT", "LOAD", "return 'shown'")
    assert kv("SCRIPT", "SHOW", name) == b"return 'shown'"
    assert kv("SCRIPT", "SHOW", "x") == Error("NOSCRIPT No matching script.")


def test_there_is_no_debugger(kv):
    assert kv("SCRIPT", "DEBUG", "NO") == OK
    assert kv("SCRIPT", "DEBUG", "YES") == Error("ERR There is no debugger for scripts in kv")


def test_the_cache_of_eval_is_bounded(kv):
    kv("SCRIPT", "FLUSH")
    loaded = kv("SCRIPT", "LOAD", "return 'loaded'")
    kv.pipeline([("EVAL", f"return {i}", 0) for i in range(600)])
    memory = info(kv, "memory")
    assert "number_of_cached_scripts:501" in memory
    assert kv("EVALSHA", sha("return 0"), 0) == Error("NOSCRIPT No matching script. "
                                                      "Please use EVAL.")
    assert kv("EVALSHA", sha("return 599"), 0) == 599
    assert kv("EVALSHA", loaded, 0) == b"loaded"
    kv("SCRIPT", "FLUSH")
    assert "number_of_cached_scripts:0" in info(kv, "memory")


# --- Nothing stays behind ------------------------------------------------------------------------

ESCAPES = [
    "redis.call = function() return 'evil' end",
    "rawset(redis, 'call', 1)",
    "getmetatable('').__index = nil",
    "getmetatable('').__index.rep = nil",
    "setmetatable(_G, nil)",
    "getmetatable(_G).__index = nil",
    "rawset(getmetatable(_G), '__index', nil)",
    "for k, v in pairs(_G) do if type(v) == 'table' then rawset(v, 'evil', 1) end end",
    "for k, v in pairs(redis) do rawset(redis, k, nil) end",
    "table.insert(redis, 'evil')",
    "table.insert(_G, 'evil')",
    "string.rep, table.concat = nil, nil",
    "loadstring('redis = nil')()",
    "loadstring('evil = 1')()",
    "coroutine.wrap(function() evil = 1 end)()",
    "setmetatable(redis, {__index = function() return 'evil' end})",
    "local m = getmetatable(redis) m.__index = nil",
    "collectgarbage('stop')",
    "collectgarbage('setpause', 100000)",
    "KEYS = nil", "ARGV = nil", "_G.KEYS = nil",
    "math.randomseed = nil", "cjson.encode = nil", "cjson.decode = nil",
    "next(_G) _G[next(_G)] = nil",
    "local k, v = next(redis) redis[k] = nil",
    "return loadstring(string.dump(function() return 1 end))()",
    "return loadstring('\\27Lua\\81\\0\\1\\4\\8\\4\\8\\0')",
    "return load(function() return string.dump(function() end) end)",
    "xpcall(function() redis = nil end, function() redis = nil end)",
    "error(setmetatable({}, {__index = function() error('x') end}))",
    "error({err = {}})", "error({err = 1})", "error({})", "error({source = 'x'})",
    "return setmetatable({}, {__index = function() error('x') end})",
    "return setmetatable({err = nil}, {__index = function() return {} end})",
]


def test_nothing_that_a_script_does_stays(kv):
    for script in ESCAPES:
        kv("EVAL", script, 0)
        assert kv("EVAL", "return {redis.call('ping').ok, ('x'):rep(3), #KEYS, #ARGV, "
                          "cjson.encode({1}), table.concat({1, 2}), rawget(_G, 'evil')}",
                  1, "k", "a") == [b"PONG", b"xxx", 1, 1, b"[1]", b"12"], script
        error = str(kv("EVAL", "return evil", 0))
        assert "nonexistent global variable 'evil'" in error, script


MISSING = ("io debug package require module dofile loadfile print newproxy getfenv setfenv "
           "jit ffi").split()


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_in_the_sandbox(kv, name):
    assert f"nonexistent global variable '{name}'" in str(kv("EVAL", f"return {name}", 0))
    assert kv("EVAL", f"return rawget(_G, '{name}')", 0) is None


def test_memory_of_scripts_is_bounded(start):
    server = start("kv", persistence="no", script_memory_limit="8mb")
    with server.connect() as c:
        for script in ("local t = {} while true do t[#t + 1] = {} end",
                       "local s = 'x' while true do s = s .. s end",
                       "return string.rep('x', 1000000000)",
                       "local s = string.rep('x', 1000000) local t = {} "
                       "for i = 1, 100 do t[i] = s .. i end return #t",
                       "local t = {} for i = 1, 1000000 do t[i] = tostring(i) end "
                       "return cjson.encode(t)",
                       "while true do pcall(string.rep, 'x', 1000000000) return 1 end"):
            reply = c("EVAL", script, 0)
            assert reply == 1 or str(reply).startswith("ERR not enough memory script: "), script
            assert c("EVAL", "return 'fine'", 0) == b"fine"
        c("EVAL", "collectgarbage()", 0)
        used = int(dict(line.split(":") for line in info(c, "memory").split("\r\n")
                        if ":" in line)["used_memory_vm_eval"])
        assert used < 4 << 20


def test_a_reply_without_end_closes_the_client(start):
    server = start("kv", persistence="no")
    with server.connect() as c, server.connect() as other:
        c.send("EVAL", "local s = string.rep('x', 1000000) local t = {} "
                       "for i = 1, 1000 do t[i] = s end return t", 0)
        assert c.at_end()
        assert other("PING") == Status("PONG")


# --- Scripts that do not end ---------------------------------------------------------------------

@pytest.fixture(params=["kv", "kv-threads", "redis"])
def busy(request, start):
    if request.param == "kv-threads":
        return start("kv", busy_reply_threshold="50", io_threads="3")
    return start(request.param, busy_reply_threshold="50")


SPINS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do redis.pcall('get', 'x') end",
    "coroutine.wrap(function() while true do end end)()",
    "while true do pcall(redis.call, 'nosuch') end",
    "local function f() return f() end f()",
]
BUSY = ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")


@pytest.mark.parametrize("script", SPINS)
def test_a_script_without_end_is_killed(busy, script):
    with busy.connect() as c, busy.connect() as other:
        c.send("EVAL", script, 0)
        until(lambda: str(other("PING")) == BUSY)
        assert str(other("GET", "k")) == BUSY
        assert other("SCRIPT", "KILL") == OK
        assert str(c.read()) == ("ERR Script killed by user with SCRIPT KILL... script: "
                                 f"{sha(script)}, on @user_script:1.")
        assert other("PING") == Status("PONG")
        assert c("EVAL", "return 1", 0) == 1
        assert "Lua script killed by user with SCRIPT KILL." in busy.log()


def test_what_is_answered_beside_a_script(busy):
    with busy.connect() as c, busy.connect() as other:
        c.send("EVAL", "while true do end", 0)
        until(lambda: str(other("PING")) == BUSY)
        assert other("MULTI") == OK
        assert str(other("GET", "k")) == BUSY
        assert str(other("EXEC")) == "EXECABORT Transaction discarded because of: " + BUSY
        assert other("WATCH", "k") == OK
        assert other("UNWATCH") == OK
        assert other("HELLO", 3)[b"proto"] == 3
        assert other("RESET") == Status("RESET")
        assert str(other("SHUTDOWN")) == BUSY
        assert str(other("FUNCTION", "KILL")) == BUSY
        assert str(other("FUNCTION", "STATS")) == BUSY
        assert str(other("NOSUCH")).startswith("ERR unknown command")
        for _ in range(20):
            with busy.connect() as third:
                assert str(third("PING")) == BUSY
                replies = third.pipeline([("SET", "k", "x" * 1000)] * 100)
                assert {str(reply) for reply in replies} == {BUSY}
        assert other("SCRIPT", "KILL") == OK
        assert isinstance(c.read(), Error)
        assert other("GET", "k") is None


def test_clients_that_leave_beside_a_script(busy):
    with busy.connect() as control:
        leaving = [busy.connect() for _ in range(20)]
        with busy.connect() as c:
            c.send("EVAL", "while true do end", 0)
            until(lambda: str(control("PING")) == BUSY)
            for client in leaving:
                client.send("GET", "k")
                client.close()
            c.send("PING")  # behind the script
        # its client has left, too
        assert control("SCRIPT", "KILL") == OK
        until(lambda: control("PING") == Status("PONG"))
        until(lambda: "connected_clients:1\r\n" in info(control, "clients"))


def test_a_script_that_wrote_is_not_killed(busy):
    with busy.connect() as c, busy.connect() as other:
        c.send("EVAL", "redis.call('set', KEYS[1], 1) while true do end", 1, "k")
        until(lambda: str(other("PING")) == BUSY)
        for killer in ("SCRIPT", "FUNCTION"):
            assert str(other(killer, "KILL")).startswith("UNKILLABLE Sorry the script already")
        assert str(other("GET", "k")) == BUSY
        other.send("SHUTDOWN", "NOSAVE")
        busy.process.wait(timeout=20)
    busy.start()
    with busy.connect() as c:
        assert c("GET", "k") is None


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_script_wrote_is_whole_or_absent(start, signal_number):
    server = start("kv", busy_reply_threshold="50")
    with server.connect() as c, server.connect() as other:
        assert c("SET", "before", "1") == OK
        c.send("EVAL", "for i = 1, 100 do redis.call('set', 'k' .. i, i) end while true do end", 0)
        until(lambda: str(other("PING")) == BUSY)
        os.kill(server.process.pid, signal_number)
        server.process.wait(timeout=20)
    server.start()
    with server.connect() as c:
        assert c("DBSIZE") == 1
        assert c("GET", "before") == b"1"


def test_a_slow_script_goes_on_where_it_was(busy):
    """Its arguments lie in the buffer that other clients' requests are read into."""
    script = ("local n = 0 local t = {} while #redis.call('lrange', 'never', 0, -1) == 0 do "
              "n = n + 1 if n > 60000 then break end end return {KEYS[1], ARGV[1], n}")
    with busy.connect() as c, busy.connect() as other:
        c.socket.sendall(b"".join([
            b"*1\r\n$4\r\nPING\r\n",
            b"*5\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n1\r\n$3\r\nkey\r\n$1000\r\n%s\r\n"
            % (len(script), script.encode(), b"a" * 1000),
            b"*2\r\n$4\r\nECHO\r\n$5\r\nafter\r\n"]))
        for _ in range(200):
            other.pipeline([("ECHO", "z" * 1000)] * 20)
        assert c.read() == Status("PONG")
        reply = c.read()
        assert reply[:2] == [b"key", b"a" * 1000]
        assert c.read() == b"after"


# --- The log -------------------------------------------------------------------------------------

WRITES = [
    "for i = 1, 50 do redis.call('set', 'k' .. i, i) end",
    "redis.call('rpush', 'list', unpack(ARGV)) redis.call('spop', 'set') return 1",
    "redis.call('sadd', 'set', 'a', 'b', 'c') return redis.call('spop', 'set')",
    "redis.call('select', 2) redis.call('set', 'other', 1) redis.call('select', 0) "
    "redis.call('incr', 'n')",
    "redis.call('set', 'late', 1) error('late')",
    "redis.set_repl(redis.REPL_NONE) redis.call('set', 'kept', 1)",
    "redis.call('psetex', 'gone', 1, 'x') redis.call('set', 'ttl', 1, 'EX', 100000)",
    "redis.call('xadd', 'stream', '*', 'a', 'b') redis.call('hset', 'h', 'f', math.random())",
    "redis.call('zadd', 'z', 1, 'a') redis.call('zpopmin', 'z') redis.call('del', 'k1', 'k2')",
]


@pytest.mark.parametrize("crash", [False, True], ids=["restart", "sigkill"])
def test_effects_come_back(start, crash):
    server = start("kv")
    with server.connect() as c:
        for _ in range(3):
            for script in WRITES:
                c("EVAL", script, 0, "a", "b", "c")
            c("MULTI")
            c("EVAL", WRITES[0], 0)
            c("INCR", "n")
            c("EXEC")
        time.sleep(0.01)
        before = keyspace(c)
    server.restart(crash=crash)
    with server.connect() as c:
        assert keyspace(c) == before


def test_a_stock_server_reads_the_effects(start):
    server = start("kv")
    with server.connect() as c:
        for script in WRITES:
            c("EVAL", script, 0, "a", "b", "c")
        time.sleep(0.01)
        before = keyspace(c)
    server.stop()
    folder = os.path.join(server.folder, "appendonlydir")
    log = b"".join(open(os.path.join(folder, name), "rb").read()
                   for name in os.listdir(folder) if ".incr." in name)
    assert b"EVAL" not in log.upper()
    server.start()
    with server.connect() as c:
        assert keyspace(c) == before
