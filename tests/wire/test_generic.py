"""The generic group: keys of any type, databases, OBJECT, WAITAOF."""
import time

import pytest

from harness import NO_KEY, NOT_INTEGER, OK, SYNTAX, Error, Status, until, wrong_arity

BAD_DB = Error("ERR DB index is out of range")
SAME = Error("ERR source and destination objects are the same")
NOT_INT = Error("ERR value is out of range, value must between -2147483648 and 2147483647")
DEADLINE = 33177117420123


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_del_and_unlink(c, command):
    assert c(command, "a") == 0
    assert c("MSET", "a", "1", "b", "2", "c", "3") == OK
    assert c(command, "a", "b", "b", "none") == 2
    assert c("KEYS", "*") == [b"c"]


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_deleting_something_big(c, command):
    assert c("SETRANGE", "big", 20000000, "x") == 20000001
    assert c(command, "big") == 1
    assert c("EXISTS", "big") == 0


def test_exists_counts_each_time(c):
    assert c("EXISTS", "a") == 0
    assert c("MSET", "a", "1", "b", "2") == OK
    assert c("EXISTS", "a", "a", "none", "b") == 3


def test_touch(c):
    assert c("TOUCH", "a") == 0
    assert c("MSET", "a", "1", "b", "2") == OK
    assert c("TOUCH", "a", "b", "a", "none") == 3


def test_type(c):
    assert c("TYPE", "a") == Status("none")
    assert c("SET", "a", "1") == OK
    assert c("TYPE", "a") == Status("string")


# --- RENAME ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["12", "text", "long" * 100])
def test_rename_takes_value_and_deadline_along(c, value):
    assert c("SET", "a", value, "PXAT", DEADLINE) == OK
    assert c("RENAME", "a", "a new and much longer name of the key") == OK
    assert c("EXISTS", "a") == 0
    assert c("GET", "a new and much longer name of the key") == value.encode()
    assert c("PEXPIRETIME", "a new and much longer name of the key") == DEADLINE
    assert c("RENAMENX", "a new and much longer name of the key", "b") == 1
    assert c("GET", "b") == value.encode()
    assert c("PEXPIRETIME", "b") == DEADLINE


def test_rename_replaces(c):
    assert c("MSET", "a", "1", "b", "2") == OK
    assert c("EXPIRE", "b", "1000") == 1
    assert c("RENAME", "a", "b") == OK
    assert c("MGET", "a", "b") == [None, b"1"]
    assert c("TTL", "b") == -1
    assert c("DBSIZE") == 1


def test_renamenx_does_not_replace(c):
    assert c("MSET", "a", "1", "b", "2") == OK
    assert c("RENAMENX", "a", "b") == 0
    assert c("MGET", "a", "b") == [b"1", b"2"]
    assert c("RENAMENX", "a", "c") == 1
    assert c("MGET", "a", "c") == [None, b"1"]


def test_rename_to_itself(c):
    assert c("RENAME", "a", "a") == NO_KEY
    assert c("RENAMENX", "a", "a") == NO_KEY
    assert c("RENAME", "a", "b") == NO_KEY
    assert c("SET", "a", "1", "PXAT", DEADLINE) == OK
    assert c("RENAME", "a", "a") == OK
    assert c("RENAMENX", "a", "a") == 0
    assert c("GET", "a") == b"1"
    assert c("PEXPIRETIME", "a") == DEADLINE


def test_rename_with_expired_keys(c):
    assert c("SET", "gone", "1", "PXAT", "1") == OK
    assert c("RENAME", "gone", "b") == NO_KEY
    assert c("SET", "gone", "1", "PXAT", "1") == OK
    assert c("SET", "a", "2") == OK
    assert c("RENAMENX", "a", "gone") == 1
    assert c("GET", "gone") == b"2"
    assert c("SET", "over", "1", "PXAT", "1") == OK
    assert c("RENAME", "gone", "over") == OK
    assert c("GET", "over") == b"2"
    assert c("TTL", "over") == -1


# --- COPY and MOVE --------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["12", "text", "long" * 100])
def test_copy(c, value):
    assert c("COPY", "a", "b") == 0
    assert c("SET", "a", value, "PXAT", DEADLINE) == OK
    assert c("COPY", "a", "b") == 1
    assert c("GET", "b") == value.encode()
    assert c("PEXPIRETIME", "b") == DEADLINE
    # it is a copy
    assert c("APPEND", "b", "x") == len(value) + 1
    assert c("GET", "a") == value.encode()
    assert c("COPY", "a", "b") == 0
    assert c("COPY", "a", "b", "REPLACE", "replace") == 1
    assert c("GET", "b") == value.encode()


def test_copy_to_another_database(c):
    assert c("SET", "a", "1") == OK
    assert c("COPY", "a", "a", "DB", "5") == 1
    assert c("COPY", "a", "a", "db", "5") == 0
    assert c("COPY", "a", "x", "DB", "3", "DB", "5", "REPLACE") == 1
    assert c("COPY", "a", "b", "DB", "0") == 1
    assert c("SELECT", "5") == OK
    assert c("MGET", "a", "x", "b") == [b"1", b"1", None]
    assert c("SELECT", "3") == OK
    assert c("DBSIZE") == 0


def test_copy_refuses(c):
    assert c("SET", "a", "1") == OK
    assert c("COPY", "a", "a") == SAME
    assert c("COPY", "none", "none") == SAME
    assert c("COPY", "a", "a", "DB", "0", "REPLACE") == SAME
    assert c("COPY", "a", "b", "DB") == SYNTAX
    assert c("COPY", "a", "b", "FOO") == SYNTAX
    assert c("COPY", "a", "b", "DB", "x") == NOT_INTEGER
    assert c("COPY", "a", "b", "DB", "16") == BAD_DB
    assert c("COPY", "a", "b", "DB", "-1") == BAD_DB
    assert c("COPY", "a", "b", "DB", "9223372036854775807") == NOT_INT
    assert c("DBSIZE") == 1


def test_copy_with_expired_keys(c):
    assert c("SET", "gone", "1", "PXAT", "1") == OK
    assert c("COPY", "gone", "b") == 0
    assert c("SET", "a", "1") == OK
    assert c("SET", "gone", "2", "PXAT", "1") == OK
    assert c("COPY", "a", "gone") == 1
    assert c("GET", "gone") == b"1"
    assert c("SET", "gone", "2", "PXAT", "1") == OK
    assert c("SET", "over", "2", "PXAT", "1") == OK
    assert c("COPY", "gone", "over", "REPLACE") == 0
    assert c("EXISTS", "over") == 0


def test_move(c):
    assert c("MOVE", "a", "1") == 0
    assert c("SET", "a", "1", "PXAT", DEADLINE) == OK
    assert c("MOVE", "a", "1") == 1
    assert c("EXISTS", "a") == 0
    assert c("SET", "a", "2") == OK
    assert c("MOVE", "a", "1") == 0
    assert c("GET", "a") == b"2"
    assert c("SELECT", "1") == OK
    assert c("GET", "a") == b"1"
    assert c("PEXPIRETIME", "a") == DEADLINE


def test_move_refuses(c):
    assert c("SET", "a", "1") == OK
    assert c("MOVE", "a", "0") == SAME
    assert c("MOVE", "none", "0") == SAME
    assert c("MOVE", "a", "x") == NOT_INTEGER
    assert c("MOVE", "a", "16") == BAD_DB
    assert c("MOVE", "a", "-1") == BAD_DB
    assert c("MOVE", "a", "9223372036854775807") == NOT_INT
    assert c("GET", "a") == b"1"


# --- OBJECT ---------------------------------------------------------------------------------------

def test_object_of_a_missing_key(c):
    for subcommand in ("ENCODING", "FREQ", "IDLETIME", "refcount"):
        assert c.raw("OBJECT", subcommand, "none") == (b"_\r\n" if c.resp == 3 else b"$-1\r\n")


def test_object_idletime_and_freq(c):
    changed = (" Please note that when switching between policies at runtime LRU and LFU data "
               "will take some time to adjust.")
    assert c("SET", "a", "text") == OK
    assert c("OBJECT", "IDLETIME", "a") == 0
    assert c("OBJECT", "FREQ", "a") == Error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked." + changed)
    assert c("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu") == OK
    try:
        assert c("SET", "b", "text") == OK
        assert c("OBJECT", "FREQ", "b") >= 1
        assert c("OBJECT", "IDLETIME", "a") == Error(
            "ERR An LFU maxmemory policy is selected, idle time not tracked." + changed)
    finally:
        assert c("CONFIG", "SET", "maxmemory-policy", "noeviction") == OK
    assert c("OBJECT", "REFCOUNT", "a") == 1


@pytest.mark.slow
def test_object_idletime_grows_until_the_key_is_used(c):
    assert c("MSET", "a", "text", "b", "text") == OK
    until(lambda: c("OBJECT", "IDLETIME", "a") >= 2, step=0.1)
    assert c("TYPE", "a") == Status("string")
    assert c("TTL", "a") == -1
    assert c("EXISTS", "a") == 1
    assert c("OBJECT", "IDLETIME", "a") >= 2
    assert c("GET", "a") == b"text"
    assert c("OBJECT", "IDLETIME", "a") <= 1
    assert c("TOUCH", "b") == 1
    assert c("OBJECT", "IDLETIME", "b") <= 1


def test_object_refuses(c):
    assert c("OBJECT") == wrong_arity("object")
    assert c("OBJECT", "ENCODING") == wrong_arity("object|encoding")
    assert c("OBJECT", "ENCODING", "a", "b") == wrong_arity("object|encoding")
    assert c("OBJECT", "FOO", "a") == Error("ERR unknown subcommand 'FOO'. Try OBJECT HELP.")


def test_object_help(c):
    lines = c("OBJECT", "HELP")
    assert lines[0] == Status(
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
    assert all(isinstance(line, Status) for line in lines)
    for subcommand in ("ENCODING", "FREQ", "IDLETIME", "REFCOUNT"):
        assert Status(subcommand + " <key>") in lines
    assert Status("HELP") in lines


@pytest.mark.parametrize("words", [
    "COPY a", "DEL", "EXISTS", "MOVE a", "MOVE a 1 2", "PERSIST", "PERSIST a b", "RANDOMKEY a",
    "RENAME a", "RENAME a b c", "RENAMENX a", "SCAN", "KEYS", "KEYS a b", "TOUCH", "TTL", "TTL a b",
    "PTTL", "EXPIRETIME", "PEXPIRETIME a b", "TYPE", "TYPE a b", "UNLINK", "EXPIRE a", "PEXPIRE a",
    "EXPIREAT a", "PEXPIREAT a"])
def test_wrong_number_of_arguments(c, words):
    words = words.split()
    assert c(*words) == wrong_arity(words[0].lower())


# --- WAITAOF: of Redis 7.2, so by its documentation -----------------------------------------------

def test_waitaof_always(kv):
    assert kv("WAITAOF", "1", "0", "0") == [1, 0]
    assert kv("SET", "a", "1") == OK
    assert kv("WAITAOF", "1", "0", "1000") == [1, 0]
    assert kv("WAITAOF", "0", "0", "0") == [1, 0]


def test_waitaof_waits_for_replicas_until_the_timeout(kv):
    assert kv("SET", "a", "1") == OK
    started = time.monotonic()
    assert kv("WAITAOF", "1", "1", "50") == [1, 0]
    assert time.monotonic() - started >= 0.045
    assert kv("PING") == Status("PONG")


@pytest.mark.threads
def test_waitaof_everysec_waits_for_the_sync(start):
    server = start("kv", appendfsync="everysec")
    with server.connect() as c:
        for i in range(3):
            assert c("SET", "a", i) == OK
            assert c("WAITAOF", "1", "0", "0") == [1, 0]
        # what is behind it is answered behind it
        c.send_bytes(b"SET a 1\r\nWAITAOF 1 0 0\r\nGET a\r\n")
        assert [c.read(), c.read(), c.read()] == [OK, [1, 0], b"1"]


def test_waitaof_without_a_log(running):
    with running("kv-memory").connect() as c:
        assert c("WAITAOF", "1", "0", "0") == Error(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
        assert c("WAITAOF", "0", "0", "0") == [0, 0]
        assert c("WAITAOF", "0", "1", "20") == [0, 0]


def test_waitaof_refuses(kv):
    assert kv("WAITAOF", "2", "0", "0") == Error(
        "ERR value is out of range, value must between 0 and 1")
    assert kv("WAITAOF", "-1", "0", "0") == Error(
        "ERR value is out of range, value must between 0 and 1")
    assert kv("WAITAOF", "1", "-1", "0") == Error("ERR value is out of range, must be positive")
    assert kv("WAITAOF", "x", "0", "0") == NOT_INTEGER
    assert kv("WAITAOF", "1", "0", "-1") == Error("ERR timeout is negative")
    assert kv("WAITAOF", "1", "0", "x") == Error("ERR timeout is not an integer or out of range")
    assert kv("WAITAOF", "1", "0", str(2 ** 63 - 1)) == Error("ERR timeout is out of range")
    assert kv("WAITAOF", "1", "0") == wrong_arity("waitaof")


def test_maxmemory_counts_the_server_itself(server, start):
    with start(server.kind).connect() as c:
        assert c("CONFIG", "SET", "maxmemory", 1) == OK
        oom = Error("OOM command not allowed when used memory > 'maxmemory'.")
        assert c("SET", "k", "v") == oom
        assert str(c("EVAL", "return redis.call('SET', 'k', 'v')", 0)).startswith(str(oom))
        for policy in ("allkeys-lru", "volatile-ttl"):
            assert c("CONFIG", "SET", "maxmemory-policy", policy) == OK
            assert c("SET", "k", "v") == oom
        assert c("CONFIG", "SET", "maxmemory", 0) == OK
        assert c("SET", "k", "v") == OK
