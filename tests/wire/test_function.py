"""FUNCTION, FCALL: libraries, what they may do while they are loaded and when they are called, and
that they are there after a restart."""
import time

import pytest

from harness import OK, Error, Server, Status, keyspace, until

LIBRARY = """#!lua name=mylib
local function get(keys, args) return redis.call('GET', keys[1]) end
redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
redis.register_function{function_name='look', callback=get, flags={'no-writes'}, description='d'}
redis.register_function('echo', function(keys, args) return {keys, args} end)
redis.register_function('count', function(keys, args) return redis.call('INCR', keys[1]) end)
"""


def library(code, name="tmp"):
    return f"#!lua name={name}\n{code}"


def one(name, body="return 1"):
    return f"redis.register_function('{name}', function(keys, args) {body} end)"


@pytest.fixture
def f(c):
    assert c("FUNCTION", "FLUSH") == OK
    yield c
    c("FUNCTION", "FLUSH")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def both(request, running):
    with running("kv-memory").connect(request.param) as ours, \
            running("redis").connect(request.param) as theirs:
        for connection in (ours, theirs):
            connection("FLUSHALL")
            connection("FUNCTION", "FLUSH")
        yield ours, theirs


def test_a_library_is_loaded_and_called(f):
    assert f("FUNCTION", "LOAD", LIBRARY) == b"mylib"
    assert f("FCALL", "put", 1, "k", "v") == OK
    assert f("FCALL", "look", 1, "k") == b"v"
    assert f("FCALL_RO", "look", 1, "k") == b"v"
    assert f("FCALL", "LOOK", 1, "k") == b"v"
    assert f("FCALL", "echo", 2, "a", "b", "x", "y", "z") == [[b"a", b"b"], [b"x", b"y", b"z"]]
    assert f("FCALL", "echo", 0) == [[], []]
    assert str(f("FCALL_RO", "put", 1, "k", "v")) == \
        "ERR Can not execute a script with write flag using *_ro command."


CALLS = [
    (["FCALL", "nosuch", "0"], "ERR Function not found"),
    (["FCALL_RO", "nosuch", "0"], "ERR Function not found"),
    (["FCALL", "echo", "x"], "ERR Bad number of keys provided"),
    (["FCALL", "echo", "-1"], "ERR Number of keys can't be negative"),
    (["FCALL", "echo", "3", "a"], "ERR Number of keys can't be greater than number of args"),
    (["FCALL", "echo"], "ERR wrong number of arguments for 'fcall' command"),
    (["FUNCTION", "DELETE", "nosuch"], "ERR Library not found"),
    (["FUNCTION", "FLUSH", "NOW"], "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
    (["FUNCTION", "FLUSH", "SYNC", "x"], "ERR unknown subcommand or wrong number of arguments for "
                                         "'FLUSH'. Try FUNCTION HELP."),
    (["FUNCTION", "KILL"], "NOTBUSY No scripts in execution right now."),
    (["FUNCTION", "LIST", "x"], "ERR Unknown argument x"),
    (["FUNCTION", "LIST", "LIBRARYNAME"], "ERR library name argument was not given"),
    (["FUNCTION", "LIST", "WITHCODE", "WITHCODE"], "ERR Unknown argument WITHCODE"),
    (["FUNCTION", "LOAD", "a", "b"], "ERR Unknown option given: a"),
    (["FUNCTION", "LOAD", "REPLACE"], "ERR Missing library metadata"),
    (["FUNCTION", "LOAD"], "ERR wrong number of arguments for 'function|load' command"),
    (["FUNCTION", "NOSUCH"], "ERR unknown subcommand 'NOSUCH'. Try FUNCTION HELP."),
    (["FUNCTION", "RESTORE", "x"], "ERR DUMP payload version or checksum are wrong"),
    (["FUNCTION", "RESTORE", "x", "LATER"], "ERR Wrong restore policy given, value should be "
                                            "either FLUSH, APPEND or REPLACE."),
    (["FUNCTION", "RESTORE", "x", "FLUSH", "x"],
     "ERR unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP."),
]


@pytest.mark.parametrize("words, error", CALLS)
def test_errors_of_arguments(f, words, error):
    f("FUNCTION", "LOAD", LIBRARY)
    assert str(f(*words)) == error


# What is answered with the same bytes by both.
LOADS = [
    "return 1", "", "#!", "#!lua", "#!lua\n", "#!lua\nreturn 1", "#!lua name=\nreturn 1",
    "#!lua name=a-b\nreturn 1", "#!lua name=a b\nreturn 1", "#!lua name=a nosuch=1\nreturn 1",
    "#!lua name=a name=b\nreturn 1", "#!nosuch name=a\nreturn 1", "#!LUA name=a\n" + one("x"),
    "#! lua name=a\n" + one("x"), "#!lua  name=a  \n" + one("x"), "#!lua name=a",
    "#!lua name=" + "n" * 300 + "\n" + one("x"),
    "#!lua name=a\r\n" + one("x"), "#!lua\tname=a\t\n" + one("x"),
    "#!lua 'name=a' \n" + one("x"), "#!lua name='b c'\n" + one("x"), "#!lua name=b'\n" + one("x"),
    "#!\"lua\" name=a\n" + one("x"), "#! \n" + one("x"),
    library("x"), library("return x"), library("x = 1"), library("error('x')"),
    library("redis.call('ping')"), library("redis.x = 1"), library("redis.nosuch()"),
    library("local t = redis t.x = 1"), library("return 1"), library("KEYS[1] = 1"),
    library("redis.log(redis.LOG_WARNING, 'loading') " + one("x")),
    library("redis.setresp(3)"), library("redis.sha1hex('x')"), library("math.random()"),
    library("cjson.encode({})"), library("string.rep('x', 3)"), library("_G.x = 1"),
    library("redis.register_function()"), library("redis.register_function('x')"),
    library("redis.register_function(1)"), library("redis.register_function('x', 1)"),
    library("redis.register_function({}, function() end)"),
    library("redis.register_function(function() end, function() end)"),
    library("redis.register_function('x', function() end, 1)"),
    library("redis.register_function('a-b', function() end)"),
    library("redis.register_function('', function() end)"),
    library("redis.register_function('a b', function() end)"),
    library("redis.register_function{}"), library("redis.register_function{1}"),
    library("redis.register_function{function_name = 'x'}"),
    library("redis.register_function{callback = function() end}"),
    library("redis.register_function{function_name = 'x', callback = 1}"),
    library("redis.register_function{function_name = {}, callback = function() end}"),
    library("redis.register_function{function_name = 'x', callback = function() end, y = 1}"),
    library("redis.register_function{function_name = 'x', callback = function() end, flags = 1}"),
    library("redis.register_function{function_name = 'x', callback = function() end, "
            "flags = {'nosuch'}}"),
    library("redis.register_function{function_name = 'x', callback = function() end, "
            "flags = {1}}"),
    library("redis.register_function{function_name = 'x', callback = function() end, "
            "flags = {}, description = 'd'}"),
    library("redis.register_function{function_name = 'x', callback = function() end, "
            "description = {}}"),
    library("redis.register_function{function_name = 'x', callback = function() end, "
            "flags = {'no-writes', 'allow-oom', 'allow-stale', 'no-cluster', "
            "'allow-cross-slot-keys'}}"),
    library(one("x") + " " + one("x")), library(one("echo")), library(one("ECHO")),
    library(one("x"), "mylib"), library("for", "mylib"),
    library(one("x") + " error"), library("\n\nlocal x = nil x()"),
    library("return ... "), library("\27Lua"),
]


@pytest.mark.parametrize("code", LOADS)
def test_loading_answers_the_same_bytes(both, code):
    replies = []
    for connection in both:
        connection("FUNCTION", "LOAD", LIBRARY)
        replies.append([connection.raw("FUNCTION", "LOAD", code),
                        connection.raw("FUNCTION", "STATS"),
                        connection.raw("FUNCTION", "LOAD", "REPLACE", code),
                        connection.raw("FUNCTION", "STATS"),
                        connection.raw("FUNCTION", "LIST", "LIBRARYNAME", "tmp", "WITHCODE"),
                        connection.raw("FCALL", "echo", 1, "k", "v")])
    assert replies[0] == replies[1]


BODIES = [
    "return 1", "return nil", "return {1, {2}, 'x'}", "return {ok = 'fine'}",
    "return {err = 'MINE x'}", "return redis.error_reply('x')", "return true",
    "return {double = 1.5}",
    "error('x')", "error({err = 'MINE x'})", "return x", "x = 1", "return KEYS", "return ARGV",
    "return redis.call('nosuch')", "return redis.pcall('nosuch')", "return redis.call('get')",
    "return redis.call('lpush', 'str', 1)", "redis.register_function('y', function() end)",
    "redis.setresp(3) return redis.call('hgetall', 'h')", "return redis.call('hgetall', 'h')",
    "return {pcall(redis.call, 'nosuch')}", "return #keys + #args", "keys[1] = 'x' return keys",
    "return cjson.encode({1, 2})", "return cmsgpack.unpack(cmsgpack.pack('x'))",
    "return struct.unpack('b', 'a')", "return bit.band(7, 3)", "return string.rep('x', 3)",
    "return redis.breakpoint", "return redis.debug", "return redis.replicate_commands",
    "return redis.sha1hex('x')", "return redis.acl_check_cmd('get', 'x')",
    "return loadstring('return nosuch')()", "return loadstring('return redis.call(\\'ping\\')')()",
    "return _G.redis == redis", "return redis.call('fcall', 'x', 0)", "redis.call = nil",
    "return redis.call('eval', 'return 1', 0)", "return redis.call('function', 'flush')",
    "return math.huge", "local t = {} t[1] = t return 1",
]


@pytest.mark.parametrize("body", BODIES)
def test_calling_answers_the_same_bytes(both, body):
    replies = []
    for connection in both:
        connection("SET", "str", "x")
        connection("HSET", "h", "a", "1")
        connection("FUNCTION", "LOAD", library(one("x", body)))
        replies.append([connection.raw("FCALL", "x", 1, "k", "a", "b"),
                        connection.raw("FCALL_RO", "x", 1, "k", "a", "b"),
                        connection.raw("FCALL", "x", 0)])
    assert replies[0] == replies[1]


def test_a_function_that_may_not_write(both):
    code = library("redis.register_function{function_name = 'x', flags = {'no-writes'}, "
                   "callback = function() return redis.call('set', 'k', 1) end}")
    replies = []
    for connection in both:
        connection("FUNCTION", "LOAD", code)
        replies.append([connection.raw("FCALL", "x", 0), connection.raw("FCALL_RO", "x", 0),
                        connection.raw("GET", "k")])
    assert replies[0] == replies[1]


def test_list_and_stats(f):
    f("FUNCTION", "LOAD", library(one("a"), "one"))
    f("FUNCTION", "LOAD", library(one("b"), "two"))
    listed = f("FUNCTION", "LIST", "WITHCODE")
    if isinstance(listed[0], list):
        listed = [dict(zip(entry[::2], entry[1::2])) for entry in listed]
    assert sorted((entry[b"library_name"], entry[b"library_code"]) for entry in listed) == [
        (b"one", library(one("a"), "one").encode()), (b"two", library(one("b"), "two").encode())]
    assert len(f("FUNCTION", "LIST", "LIBRARYNAME", "t*")) == 1
    assert len(f("FUNCTION", "LIST", "LIBRARYNAME", "T*")) == 1
    assert f("FUNCTION", "LIST", "LIBRARYNAME", "x*") == []
    memory = f("INFO", "memory")
    memory = memory.decode() if isinstance(memory, bytes) else str(memory)
    assert "number_of_functions:2" in memory and "number_of_libraries:2" in memory


def test_replacing_and_deleting(f):
    f("FUNCTION", "LOAD", library(one("a", "return 'old'")))
    assert f("FUNCTION", "LOAD", library(one("a"))) == Error("ERR Library 'tmp' already exists")
    assert f("FUNCTION", "LOAD", "REPLACE", library("x = = 1")) == Error(
        "ERR Error compiling function: user_function:2: unexpected symbol near '='")
    assert f("FCALL", "a", 0) == b"old"
    assert f("FUNCTION", "LOAD", "REPLACE", library(one("b", "return 'new'"))) == b"tmp"
    assert f("FCALL", "a", 0) == Error("ERR Function not found")
    assert f("FCALL", "b", 0) == b"new"
    assert f("FUNCTION", "DELETE", "tmp") == OK
    assert f("FCALL", "b", 0) == Error("ERR Function not found")


def test_a_library_keeps_its_locals(f):
    f("FUNCTION", "LOAD", library("local n = 0 " + one("next", "n = n + 1 return n")))
    assert [f("FCALL", "next", 0) for _ in range(3)] == [1, 2, 3]


def test_in_a_transaction(f):
    f("MULTI")
    f("FUNCTION", "LOAD", LIBRARY)
    f("FCALL", "count", 1, "n")
    f("FUNCTION", "DELETE", "mylib")
    f("FCALL", "count", 1, "n")
    assert f("EXEC") == [b"mylib", 1, OK, Error("ERR Function not found")]


# --- DUMP and RESTORE ----------------------------------------------------------------------------

def names(connection):
    listed = connection("FUNCTION", "LIST")
    if listed and isinstance(listed[0], list):
        listed = [dict(zip(entry[::2], entry[1::2])) for entry in listed]
    return sorted(entry[b"library_name"].decode() for entry in listed)


@pytest.mark.parametrize("turned", [False, True], ids=["ours to theirs", "theirs to ours"])
def test_payloads_are_exchanged(both, turned):
    source, target = both[::-1] if turned else both
    for i in range(5):
        source("FUNCTION", "LOAD", library(one(f"f{i}", f"return {i}" + " " * i * 50), f"l{i}"))
    payload = source("FUNCTION", "DUMP")
    assert target("FUNCTION", "RESTORE", payload) == OK
    assert names(target) == [f"l{i}" for i in range(5)]
    assert [target("FCALL", f"f{i}", 0) for i in range(5)] == list(range(5))
    assert str(target("FUNCTION", "RESTORE", payload)).endswith("already exists")
    assert target("FUNCTION", "RESTORE", payload, "REPLACE") == OK
    target("FUNCTION", "LOAD", library(one("more"), "more"))
    assert target("FUNCTION", "RESTORE", payload, "FLUSH") == OK
    assert names(target) == [f"l{i}" for i in range(5)]


def test_one_library_has_the_same_payload(both):
    for connection in both:
        connection("FUNCTION", "LOAD", library(one("x"), "a"))
    assert both[0]("FUNCTION", "DUMP")[-10:-8] == both[1]("FUNCTION", "DUMP")[-10:-8]
    for connection in both:
        connection("FUNCTION", "FLUSH")
    assert both[0]("FUNCTION", "DUMP") == both[1]("FUNCTION", "DUMP")


def test_a_refused_payload_changes_nothing(f):
    f("FUNCTION", "LOAD", library(one("a"), "one"))
    f("FUNCTION", "LOAD", library(one("b"), "two"))
    payload = f("FUNCTION", "DUMP")
    f("FUNCTION", "FLUSH")
    f("FUNCTION", "LOAD", library(one("b"), "other"))
    assert str(f("FUNCTION", "RESTORE", payload)) == "ERR Function b already exists"
    assert str(f("FUNCTION", "RESTORE", payload, "REPLACE")) == "ERR Function b already exists"
    assert names(f) == ["other"]
    assert f("FUNCTION", "RESTORE", payload, "FLUSH") == OK
    assert names(f) == ["one", "two"]


def test_damaged_payloads(kv):
    kv("FUNCTION", "FLUSH")
    kv("FUNCTION", "LOAD", LIBRARY)
    payload = kv("FUNCTION", "DUMP")
    kv("FUNCTION", "FLUSH")
    bad = Error("ERR DUMP payload version or checksum are wrong")
    for at in range(len(payload)):
        broken = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]
        assert kv("FUNCTION", "RESTORE", broken) == bad
        assert kv("FUNCTION", "RESTORE", payload[:at]) == bad
        # the sum 0 is not checked: what is inside must be
        assert isinstance(kv("FUNCTION", "RESTORE", payload[:at] + b"\n\0" + b"\0" * 8),
                          (Error, Status))
        kv("FUNCTION", "FLUSH")
    assert kv("FUNCTION", "RESTORE", payload) == OK


# --- Functions that do not end -------------------------------------------------------------------

@pytest.fixture(params=["kv", "redis"])
def busy(request, start):
    return start(request.param, busy_reply_threshold="50")


BUSY = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."


def test_a_function_without_end_is_killed(busy):
    with busy.connect() as c, busy.connect() as other:
        c("FUNCTION", "LOAD", library(one("spin", "while true do end")))
        c.send("FCALL", "spin", 1, "k", "x")
        until(lambda: str(other("PING")) == BUSY)
        assert str(other("SCRIPT", "KILL")) == BUSY
        stats = other("FUNCTION", "STATS")
        running = dict(zip(stats[1][::2], stats[1][1::2]))
        assert running[b"name"] == b"spin"
        assert running[b"command"] == [b"FCALL", b"spin", b"1", b"k", b"x"]
        assert running[b"duration_ms"] >= 40
        assert other("FUNCTION", "KILL") == OK
        assert str(c.read()) == ("ERR Script killed by user with SCRIPT KILL... script: spin, on "
                                 "@user_function:2.")
        assert other("PING") == Status("PONG")


def test_loading_has_an_end(c):
    began = time.monotonic()
    assert c("FUNCTION", "LOAD", library("while true do end")) == \
        Error("ERR Error registering functions: ERR FUNCTION LOAD timeout")
    assert time.monotonic() - began < 20


def test_memory_of_functions_is_bounded(start):
    server = start("kv", persistence="no", script_memory_limit="8mb")
    with server.connect() as c:
        assert "not enough memory" in str(c("FUNCTION", "LOAD", library(
            "local t = {} local i = 1 while true do t[i] = {} i = i + 1 end")))
        c("FUNCTION", "LOAD", library(one("x", "return string.rep('x', 100000000)")))
        assert str(c("FCALL", "x", 0)) == "ERR not enough memory script: x"
        assert c("PING") == Status("PONG")


# --- The log -------------------------------------------------------------------------------------

@pytest.mark.parametrize("crash", [False, True], ids=["restart", "sigkill"])
def test_functions_come_back(start, crash):
    server = start("kv")
    with server.connect() as c:
        c("FUNCTION", "LOAD", LIBRARY)
        c("FUNCTION", "LOAD", library(one("gone"), "gone"))
        c("FUNCTION", "LOAD", library(one("old"), "replaced"))
        c("FUNCTION", "LOAD", "REPLACE", library(one("new"), "replaced"))
        c("FUNCTION", "DELETE", "gone")
        c("FCALL", "count", 1, "n")
        c("FCALL", "put", 1, "k", "v")
        before = keyspace(c), names(c)
    server.restart(crash=crash)
    with server.connect() as c:
        assert (keyspace(c), names(c)) == before
        assert c("FCALL", "count", 1, "n") == 2
        payload = c("FUNCTION", "DUMP")
        c("FUNCTION", "FLUSH")
        c("FUNCTION", "RESTORE", payload)
        c("FUNCTION", "RESTORE", payload, "REPLACE")
        before = names(c)
    server.restart(crash=crash)
    with server.connect() as c:
        assert names(c) == before
        assert c("FCALL", "count", 1, "n") == 3
        c("FUNCTION", "FLUSH", "SYNC")
    server.restart(crash=crash)
    with server.connect() as c:
        assert names(c) == []


def test_functions_are_in_a_new_base(start):
    server = start("kv")
    with server.connect() as c:
        c("FUNCTION", "LOAD", LIBRARY)
        c("FUNCTION", "LOAD", library(one("gone"), "gone"))
        c("FCALL", "count", 1, "n")
        assert isinstance(c("BGREWRITEAOF"), Status)
        until(lambda: "aof_rewrites:1\r\n" in c("INFO", "persistence").decode() and
              "aof_rewrite_in_progress:0" in c("INFO", "persistence").decode())
        c("FUNCTION", "DELETE", "gone")
    server.restart(crash=True)
    with server.connect() as c:
        assert names(c) == ["mylib"]
        assert c("FCALL", "count", 1, "n") == 2


def test_a_stock_server_reads_functions_from_our_log(start):
    server = start("kv")
    with server.connect() as c:
        c("FUNCTION", "LOAD", LIBRARY)
        payload = c("FUNCTION", "DUMP")
        c("FUNCTION", "RESTORE", payload, "REPLACE")
        c("FCALL", "count", 1, "n")
    server.stop()
    stock = Server("redis", directory=server.folder, appendonly="yes")
    try:
        with stock.connect() as c:
            assert c("FCALL", "count", 1, "n") == 2
            assert names(c) == ["mylib"]
    finally:
        stock.stop()
    server.start()
    with server.connect() as c:
        assert c("FCALL", "count", 1, "n") == 3
