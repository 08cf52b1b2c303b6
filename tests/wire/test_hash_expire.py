"""Deadlines of fields: HEXPIRE and its relatives (Redis 7.4), HGETDEL, HGETEX and HSETEX (8.0). The
reference is older: what is expected here is what their documentation says."""
import os
import random
import time

import pytest

import harness
from harness import NOT_INTEGER, OK, WRONG_TYPE, Error, until, wrong_arity

FAR = 33177117420  # a Unix time in the year 3021
MOST_MS = 2 ** 46 - 1
EXPIRES = ["HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT"]
NO_FIELDS = Error("ERR Mandatory argument FIELDS is missing or not at the right position")
NO_MATCH = Error("ERR The `numfields` parameter must match the number of arguments")
NEGATIVE = Error("ERR invalid expire time, must be >= 0")


@pytest.fixture(scope="module")
def server():
    """With DEBUG, which stops the sweep."""
    server = harness.Server("kv", enable_debug_command="yes")
    yield server
    server.close()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def c(request, server):
    with server.connect(request.param) as connection:
        assert connection("FLUSHALL") == OK
        assert connection("HSET", "h", "a", "1", "b", "2", "c", "3") == 3
        yield connection


def amount(command, seconds_from_now):
    value = seconds_from_now + (int(time.time()) if command.endswith("AT") else 0)
    return value * 1000 if command.startswith("HP") else value


def deadline(c, field, key="h"):
    return c("HPEXPIRETIME", key, "FIELDS", 1, field)[0]


def content(c, key="h"):
    reply = c("HGETALL", key)
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


# --- HEXPIRE and its relatives --------------------------------------------------------------------

@pytest.mark.parametrize("command", EXPIRES)
def test_a_deadline_is_set(c, command):
    assert c(command, "h", amount(command, 1000), "FIELDS", 3, "a", "none", "b") == [1, -2, 1]
    for field in "ab":
        assert 995 <= c("HTTL", "h", "FIELDS", 1, field)[0] <= 1001
        assert 995000 <= c("HPTTL", "h", "FIELDS", 1, field)[0] <= 1001000
        assert abs(c("HEXPIRETIME", "h", "FIELDS", 1, field)[0] - time.time() - 1000) < 5
        assert abs(deadline(c, field) / 1000 - time.time() - 1000) < 5
    assert c("HTTL", "h", "FIELDS", 2, "c", "none") == [-1, -2]
    assert content(c) == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert c(command, "nokey", amount(command, 1000), "FIELDS", 2, "a", "b") == [-2, -2]
    assert c("EXISTS", "nokey") == 0


@pytest.mark.parametrize("command", EXPIRES)
def test_a_deadline_that_is_over_deletes(c, command):
    assert c(command, "h", 0, "FIELDS", 3, "a", "none", "a") == [2, -2, -2]
    assert content(c) == {b"b": b"2", b"c": b"3"}
    if command.endswith("AT"):
        assert c(command, "h", amount(command, -5), "FIELDS", 1, "b") == [2]
    assert c(command, "h", 0, "FIELDS", 2, "b", "c") in ([2, 2], [-2, 2])
    assert c("EXISTS", "h") == 0


@pytest.mark.parametrize("command", EXPIRES)
def test_conditions(c, command):
    near, middle, far = (amount(command, s) for s in (500, 1000, 2000))

    def expire(when, condition, field="a"):
        return c(command, "h", when, condition, "FIELDS", 1, field)[0]
    assert expire(middle, "XX") == 0
    assert expire(middle, "GT") == 0
    assert expire(middle, "LT") == 1  # no deadline is later than any
    assert expire(far, "NX") == 0
    assert expire(far, "LT") == 0
    assert expire(near, "gt") == 0
    assert expire(far, "GT") == 1
    assert expire(near, "XX") == 1
    assert expire(near, "NX", "b") == 1
    assert expire(0, "NX") == 0
    assert expire(0, "GT") == 0
    assert expire(0, "NX", "c") == 2
    assert expire(0, "LT") == 2
    assert list(content(c)) == [b"b"]


@pytest.mark.parametrize("command", EXPIRES)
def test_what_is_refused(c, command):
    most = MOST_MS if command.startswith("HP") else MOST_MS // 1000
    invalid = Error(f"ERR invalid expire time in '{command.lower()}' command")
    when = amount(command, 100)
    for words, error in [
            (("x", "FIELDS", 1, "a"), NOT_INTEGER), ((-1, "FIELDS", 1, "a"), NEGATIVE),
            ((most + 1, "FIELDS", 1, "a"), invalid), ((2 ** 63 - 1, "FIELDS", 1, "a"), invalid),
            ((when, "FIELDX", 1, "a"), NO_FIELDS), ((when, "NX", 1, "a"), NO_FIELDS),
            ((when, "FIELDS", 2, "a"), NO_MATCH), ((when, "FIELDS", 1, "a", "b"), NO_MATCH),
            ((when, "FIELDS", 0, "a"), Error("ERR Parameter `numFields` should be greater than 0")),
            ((when, "FIELDS", "x", "a"),
             Error("ERR Parameter `numFields` should be greater than 0")),
            ((when, "FIELDS", 1), wrong_arity(command.lower()))]:
        assert c(command, "h", *words) == error, words
    if not command.endswith("AT"):
        assert c(command, "h", most, "FIELDS", 1, "a") == invalid
    else:
        assert c(command, "h", most, "FIELDS", 1, "a") == [1]
    assert c("SET", "s", "v") == OK
    assert c(command, "s", when, "FIELDS", 1, "a") == WRONG_TYPE


def test_seconds_that_have_begun_count(c):
    for ms, seconds in ((1, 1), (999, 1), (1000, 1), (0, 0), (1001, 2)):
        assert c("HPEXPIREAT", "h", FAR * 1000 + ms, "FIELDS", 1, "a") == [1]
        assert c("HEXPIRETIME", "h", "FIELDS", 1, "a") == [FAR + seconds]
        assert deadline(c, "a") == FAR * 1000 + ms
    assert c("HPEXPIRE", "h", 1000500, "FIELDS", 1, "a") == [1]
    assert c("HTTL", "h", "FIELDS", 1, "a") == [1001]


def test_hpersist(c):
    assert c("HPERSIST", "h", "FIELDS", 2, "a", "none") == [-1, -2]
    assert c("HPERSIST", "none", "FIELDS", 2, "a", "b") == [-2, -2]
    assert c("HEXPIRE", "h", 100, "FIELDS", 2, "a", "b") == [1, 1]
    assert c("HPERSIST", "h", "FIELDS", 3, "a", "c", "a") == [1, -1, -1]
    assert c("HTTL", "h", "FIELDS", 2, "a", "b") == [-1, 100]
    assert c("HPERSIST", "h", "FIELDS", 1, "a", "b") == NO_MATCH
    assert c("HPERSIST", "h", "FIELDS", 0, "a") == Error(
        "ERR Number of fields must be a positive integer")
    assert c("HPERSIST", "h", "x", 1, "a") == NO_FIELDS


@pytest.mark.parametrize("command", ["HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME"])
def test_asking_for_deadlines(c, command):
    assert c(command, "h", "FIELDS", 2, "a", "none") == [-1, -2]
    assert c(command, "none", "FIELDS", 2, "a", "none") == [-2, -2]
    assert c(command, "h", "FIELDS", 2, "a") == NO_MATCH
    assert c(command, "h", "a", 1, "a") == NO_FIELDS
    assert c(command, "h", "FIELDS", 1) == wrong_arity(command.lower())
    assert c("SET", "s", "v") == OK
    assert c(command, "s", "FIELDS", 1, "a") == WRONG_TYPE


# --- What becomes of deadlines --------------------------------------------------------------------

def test_who_keeps_a_deadline_and_who_takes_it(c):
    def again():
        assert c("HSET", "h", "a", "1") in (0, 1)
        assert c("HPEXPIREAT", "h", FAR * 1000, "FIELDS", 1, "a") == [1]
    again()
    assert c("HINCRBY", "h", "a", 5) == 6
    assert c("HINCRBYFLOAT", "h", "a", "1.5") == b"7.5"
    assert c("HSETNX", "h", "a", "x") == 0
    assert c("HSET", "h", "b", "x") == 0
    assert c("HGETEX", "h", "FIELDS", 1, "a") == [b"7.5"]
    assert c("COPY", "h", "copy") == 1
    assert c("RENAME", "h", "moved") == OK
    assert c("RENAME", "moved", "h") == OK
    assert c("RESTORE", "restored", 0, c("DUMP", "h")) == OK
    for key in ("h", "copy", "restored"):
        assert deadline(c, "a", key) == FAR * 1000
        assert deadline(c, "b", key) == -1
    assert c("HSET", "h", "a", "new") == 0
    assert deadline(c, "a") == -1
    again()
    assert c("HDEL", "h", "a") == 1
    assert c("HSET", "h", "a", "new") == 1
    assert deadline(c, "a") == -1
    again()
    assert c("HMSET", "h", "a", "new") == OK
    assert deadline(c, "a") == -1
    again()
    assert c("HSETEX", "h", "FIELDS", 1, "a", "new") == 1
    assert deadline(c, "a") == -1


def over(c, *fields):
    """Let fields pass their deadline while nothing sweeps."""
    assert c("DEBUG", "SET-ACTIVE-EXPIRE", 0) == OK
    assert c("HPEXPIRE", "h", 1, "FIELDS", len(fields), *fields) == [1] * len(fields)
    time.sleep(0.003)


@pytest.fixture
def no_sweep(c):
    yield
    assert c("DEBUG", "SET-ACTIVE-EXPIRE", 1) == OK


@pytest.mark.parametrize("words,reply", [
    (("HGET", "h", "a"), None), (("HMGET", "h", "a", "b"), [None, b"2"]), (("HLEN", "h"), 2),
    (("HEXISTS", "h", "a"), 0), (("HSTRLEN", "h", "a"), 0), (("HKEYS", "h"), None),
    (("HVALS", "h"), None), (("HGETALL", "h"), None), (("HRANDFIELD", "h", "10"), None),
    (("HSCAN", "h", "0"), None), (("HTTL", "h", "FIELDS", "1", "a"), [-2]),
    (("HDEL", "h", "a"), 0), (("HSET", "h", "a", "5"), 1), (("HSETNX", "h", "a", "5"), 1),
    (("HINCRBY", "h", "a", "5"), 5), (("HINCRBYFLOAT", "h", "a", "5"), b"5"),
    (("HPERSIST", "h", "FIELDS", "1", "a"), [-2]), (("HGETDEL", "h", "FIELDS", "1", "a"), [None]),
    (("HGETEX", "h", "FIELDS", "1", "a"), [None]),
    (("HEXPIRE", "h", "5", "FIELDS", "1", "a"), [-2]),
    (("HSETEX", "h", "FXX", "FIELDS", "1", "a", "x"), 0),
    (("HSETEX", "h", "FNX", "FIELDS", "1", "a", "x"), 1), (("DUMP", "h"), None)])
def test_a_field_that_is_over_is_not_seen(c, no_sweep, words, reply):
    over(c, "a")
    answer = c(*words)
    if reply is not None or words[0] == "HGET":
        assert answer == reply
    else:
        assert b"a" not in str(answer).encode().replace(b"array", b"") or words[0] == "DUMP"
    assert c("HMGET", "h", "b", "c") == [b"2", b"3"]
    assert deadline(c, "a") in (-1, -2)


@pytest.mark.parametrize("words,reply", [
    (("HGET", "h", "a"), None), (("HLEN", "h"), 0), (("EXISTS", "h"), 0), (("DEL", "h"), 0),
    (("OBJECT", "ENCODING", "h"), None), (("DUMP", "h"), None), (("COPY", "h", "h2"), 0),
    (("HRANDFIELD", "h"), None), (("HRANDFIELD", "h", "5"), []), (("GET", "h"), None),
    (("APPEND", "h", "x"), 1), (("HINCRBY", "h", "a", "2"), 2)])
def test_a_hash_goes_with_its_last_field(c, no_sweep, words, reply):
    over(c, "a", "b", "c")
    assert c(*words) == reply
    assert c("HEXISTS", "h", "b") in (0, WRONG_TYPE)


def test_the_sweep_deletes_fields_nobody_looks_for(c):
    c.pipeline([("HSET", f"hash:{i}", *[w for j in range(20) for w in (f"f{j}", "v")])
                for i in range(300)])
    c.pipeline([("HPEXPIRE", f"hash:{i}", 20, "FIELDS", 20, *[f"f{j}" for j in range(20)])
                for i in range(0, 300, 2)])
    c.pipeline([("HPEXPIRE", f"hash:{i}", 20, "FIELDS", 1, "f7") for i in range(1, 300, 2)])
    until(lambda: c("DBSIZE") == 151)
    until(lambda: c("HLEN", "hash:1") == 19)  # which the sweep may come to later
    assert c("HLEN", "hash:0") == 0


def test_many_fields_that_are_over_at_once(c):
    c.pipeline([("HSETEX", "large", "PX", 50, "FIELDS", 500,
                 *[w for j in range(500) for w in (f"f:{i}:{j}", "v")]) for i in range(100)])
    assert c("HSET", "large", "stays", "v") == 1
    until(lambda: c("HLEN", "large") == 1)
    assert content(c, "large") == {b"stays": b"v"}


def test_expiries_are_counted(c):
    def count():
        info = c("INFO", "stats")
        lines = (info if isinstance(info, str) else info.decode()).splitlines()
        return int(next(line for line in lines if line.startswith("expired_subkeys:"))[16:])
    before = count()
    assert c("HPEXPIRE", "h", 1, "FIELDS", 2, "a", "b") == [1, 1]
    until(lambda: count() == before + 2)


# --- HGETDEL, HGETEX, HSETEX ----------------------------------------------------------------------

def test_hgetdel(c):
    assert c("HGETDEL", "h", "FIELDS", 3, "a", "none", "a") == [b"1", None, None]
    assert content(c) == {b"b": b"2", b"c": b"3"}
    assert c("HGETDEL", "h", "FIELDS", 2, "b", "c") == [b"2", b"3"]
    assert c("EXISTS", "h") == 0
    assert c("HGETDEL", "h", "FIELDS", 2, "b", "c") == [None, None]
    assert c("HGETDEL", "h", "FIELDS", 0, "b") == Error(
        "ERR Number of fields must be a positive integer")
    assert c("HGETDEL", "h", "FIELDS", 2, "b") == NO_MATCH
    assert c("HGETDEL", "h", "FIELDX", 1, "b") == NO_FIELDS
    assert c("SET", "s", "v") == OK
    assert c("HGETDEL", "s", "FIELDS", 1, "b") == WRONG_TYPE


@pytest.mark.parametrize("option,seconds", [("EX", 1000), ("PX", 1000), ("EXAT", 1000),
                                            ("PXAT", 1000)])
def test_hgetex(c, option, seconds):
    when = (seconds + (int(time.time()) if option.endswith("AT") else 0)) * (
        1000 if option.startswith("P") else 1)
    assert c("HGETEX", "h", option, when, "FIELDS", 3, "a", "none", "b") == [b"1", None, b"2"]
    assert 990 <= c("HTTL", "h", "FIELDS", 1, "a")[0] <= 1001
    assert c("HTTL", "h", "FIELDS", 2, "c", "none") == [-1, -2]
    assert c("HGETEX", "h", "FIELDS", 1, "a") == [b"1"]
    assert 990 <= c("HTTL", "h", "FIELDS", 1, "a")[0] <= 1001
    assert c("HGETEX", "h", "PERSIST", "FIELDS", 2, "a", "c") == [b"1", b"3"]
    assert c("HTTL", "h", "FIELDS", 2, "a", "b")[0] == -1
    assert c("HGETEX", "h", "FIELDS", 1, "b", option, 0) == [b"2"]
    assert c("HEXISTS", "h", "b") == 0
    assert c("HGETEX", "h", option, 0, "FIELDS", 2, "a", "c") == [b"1", b"3"]
    assert c("EXISTS", "h") == 0
    assert c("HGETEX", "h", option, when, "FIELDS", 1, "a") == [None]
    assert c("EXISTS", "h") == 0


def test_hsetex(c):
    assert c("HSETEX", "h", "EX", 1000, "FIELDS", 2, "a", "x", "new", "y") == 1
    assert c("HMGET", "h", "a", "new", "b") == [b"x", b"y", b"2"]
    assert c("HTTL", "h", "FIELDS", 3, "a", "new", "b") == [1000, 1000, -1]
    assert c("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "a", "z", "b", "z") == 1
    assert c("HTTL", "h", "FIELDS", 2, "a", "b") == [1000, -1]
    assert c("HSETEX", "h", "FNX", "FIELDS", 2, "a", "no", "fresh", "no") == 0
    assert c("HSETEX", "h", "FXX", "FIELDS", 2, "a", "no", "fresh", "no") == 0
    assert c("HMGET", "h", "a", "fresh") == [b"z", None]
    assert c("HSETEX", "h", "FNX", "PXAT", FAR * 1000, "FIELDS", 1, "fresh", "yes") == 1
    assert deadline(c, "fresh") == FAR * 1000
    assert c("HSETEX", "h", "FIELDS", 1, "fresh", "late", "FXX", "EXAT", FAR) == 1
    assert c("HGET", "h", "fresh") == b"late"
    assert c("HSETEX", "h", "FIELDS", 1, "fresh", "none") == 1
    assert deadline(c, "fresh") == -1
    assert c("HSETEX", "other", "FXX", "FIELDS", 1, "a", "1") == 0
    assert c("EXISTS", "other") == 0
    assert c("HSETEX", "other", "FNX", "PX", 100000, "FIELDS", 1, "a", "1") == 1
    assert c("HGET", "other", "a") == b"1"


def test_hsetex_that_is_over_at_once(c):
    assert c("HSETEX", "h", "EXAT", 1, "FIELDS", 2, "a", "x", "new", "y") == 1
    assert content(c) == {b"b": b"2", b"c": b"3"}
    assert c("HSETEX", "none", "PXAT", 1, "FIELDS", 1, "a", "x") == 1
    assert c("EXISTS", "none") == 0
    assert c("HSETEX", "h", "PX", 0, "FIELDS", 2, "b", "x", "c", "y") == 1
    assert c("EXISTS", "h") == 0


@pytest.mark.parametrize("words,error", [
    ("HSETEX h FXX FNX FIELDS 1 a 1", "Only one of FXX or FNX arguments can be specified"),
    ("HSETEX h EX 1 PX 1 FIELDS 1 a 1",
     "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
    ("HSETEX h EX 1 KEEPTTL FIELDS 1 a 1",
     "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
    ("HGETEX h EX 1 PERSIST FIELDS 1 a",
     "Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified"),
    ("HSETEX h NONSENSE FIELDS 1 a 1", "unknown argument: NONSENSE"),
    ("HGETEX h KEEPTTL FIELDS 1 a", "unknown argument: KEEPTTL"),
    ("HSETEX h PERSIST FIELDS 1 a 1", "unknown argument: PERSIST"),
    ("HSETEX h FIELDS x a 1", "invalid number of fields"),
    ("HSETEX h FIELDS 0 a 1", "invalid number of fields"),
    ("HSETEX h FIELDS 2 a 1", "wrong number of arguments"),
    ("HGETEX h FIELDS 3 a b", "wrong number of arguments"),
    ("HSETEX h FIELDS 1 a 1 FIELDS 1 b 1", "multiple FIELDS arguments"),
    ("HGETEX h EX 100 PERSI", "unknown argument: PERSI"),
    ("HSETEX h EX 100 FXX", "wrong number of arguments for 'hsetex' command"),
    ("HSETEX h EX 100 FXX", "wrong number of arguments for 'hsetex' command"),
    ("HSETEX h FIELDS 1 a 1 EX", "missing expire time"),
    ("HSETEX h EX -1 FIELDS 1 a 1", "invalid expire time, must be >= 0"),
    ("HSETEX h EX x FIELDS 1 a 1", "value is not an integer or out of range"),
    ("HSETEX h EX 9999999999999 FIELDS 1 a 1", "invalid expire time in 'hsetex' command"),
    ("HGETEX h PX 9223372036854775807 FIELDS 1 a", "invalid expire time in 'hgetex' command")])
def test_refused_options(c, words, error):
    assert c(*words.split()) == Error("ERR " + error)
    assert content(c) == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert c("HTTL", "h", "FIELDS", 1, "a") == [-1]


# --- The log --------------------------------------------------------------------------------------

def state(c):
    """All hashes with the deadlines of their fields."""
    found = {}
    for key in c("KEYS", "*"):
        fields = dict(zip(*[iter(c("HGETALL", key))] * 2))
        names = list(fields)
        times = c("HPEXPIRETIME", key, "FIELDS", len(names), *names) if names else []
        found[key] = {name: (fields[name], when) for name, when in zip(names, times)}
    return found


def random_command(r):
    key = f"h{r.randrange(4)}"
    field = f"f{r.randrange(12)}"
    fields = ["FIELDS", 2, field, f"f{r.randrange(12)}"]
    far = FAR * 1000 + r.randrange(1000)
    return r.choice([
        ("HSET", key, field, r.randrange(100)), ("HDEL", key, field),
        ("HINCRBY", key, field, 3), ("HINCRBYFLOAT", key, field, "0.5"),
        ("HPEXPIREAT", key, far, *fields), ("HPEXPIREAT", key, far, "LT", *fields),
        ("HEXPIRE", key, 100000, "NX", *fields), ("HPEXPIRE", key, r.choice([0, 1, 5]), *fields),
        ("HPERSIST", key, *fields), ("HGETDEL", key, *fields),
        ("HGETEX", key, "PERSIST", *fields), ("HGETEX", key, "PXAT", far, *fields),
        ("HGETEX", key, "EXAT", 1, *fields),
        ("HSETEX", key, "KEEPTTL", "FIELDS", 1, field, "5"),
        ("HSETEX", key, "PX", r.choice([1, 10 ** 8]), "FIELDS", 2, field, "1", "x", "2"),
        ("HSETEX", key, "EXAT", 1, "FIELDS", 1, field, "1"),
        ("COPY", key, f"h{r.randrange(4)}", "REPLACE"), ("RENAME", key, f"h{r.randrange(4)}"),
        ("MULTI",), ("EXEC",), ("HLEN", key), ("HGETALL", key)])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_log_gives_the_same_fields_again(start, seed):
    server = start("kv", appendfsync="always")
    r = random.Random(seed)
    with server.connect() as c:
        for _ in range(100):
            c.pipeline([random_command(r) for _ in range(30)])
        c("DISCARD")
        assert c("HSETEX", "kept", "PXAT", FAR * 1000, "FIELDS", 1, "a", "1") == 1
        time.sleep(0.05)  # what is short is over, and swept or not
        before = state(c)
        assert any(when > 0 for fields in before.values() for _, when in fields.values())
    for crash in (True, False):
        server.restart(crash=crash)
        with server.connect() as c:
            assert state(c) == before


def test_what_is_over_while_the_server_is_down_is_gone(start):
    server = start("kv")
    with server.connect() as c:
        assert c("HSETEX", "h", "PX", 300, "FIELDS", 1, "a", "1") == 1
        assert c("HSET", "h", "b", "2") == 1
        assert c("HSETEX", "gone", "PX", 300, "FIELDS", 1, "a", "1") == 1
    server.kill()
    time.sleep(0.31)
    server.start()
    with server.connect() as c:
        assert c("HGETALL", "h") == [b"b", b"2"]
        until(lambda: c("DBSIZE") == 1)


def test_deletions_are_in_the_log_as_hdel(start):
    server = start("kv")
    with server.connect() as c:
        assert c("HSET", "h", "a", "1", "b", "2", "c", "3") == 3
        assert c("HPEXPIRE", "h", 5, "FIELDS", 2, "a", "b") == [1, 1]
        until(lambda: c("HLEN", "h") == 1)
        assert c("HINCRBYFLOAT", "h", "c", "1") == b"4"
    server.stop()
    folder = os.path.join(server.folder, "appendonlydir")
    text = b"".join(open(os.path.join(folder, name), "rb").read()
                    for name in sorted(os.listdir(folder)) if name.endswith(".incr.aof"))
    assert b"HPEXPIREAT" in text and b"HEXPIRE\r\n" not in text and b"HPEXPIRE\r\n" not in text
    assert text.count(b"HDEL") in (1, 2)
    assert b"HINCRBYFLOAT" not in text
    server.start()
    with server.connect() as c:
        assert c("HGETALL", "h") == [b"c", b"4"]


def test_expiry_in_memory_mode(running):
    with running("kv-memory").connect() as c:
        assert c("FLUSHALL") == OK
        assert c("HSETEX", "h", "PX", 5, "FIELDS", 1, "a", "1") == 1
        until(lambda: c("DBSIZE") == 0)


def test_swapped_and_flushed_databases_are_swept(c):
    assert c("HPEXPIRE", "h", 30, "FIELDS", 3, "a", "b", "c") == [1, 1, 1]
    assert c("SWAPDB", 0, 5) == OK
    assert c("HSETEX", "h", "PX", 1, "FIELDS", 1, "a", "1") == 1
    assert c("FLUSHDB") == OK
    assert c("SELECT", 5) == OK
    until(lambda: c("DBSIZE") == 0)
    assert harness.keyspace(c) == {}
