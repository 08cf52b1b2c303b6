"""Deadlines: EXPIRE and its relatives with their conditions, TTL and its relatives, PERSIST."""
import time

import pytest

from harness import NOT_INTEGER, OK, Error, until

MAX = 2 ** 63 - 1
MIN = -2 ** 63
FAR = 33177117420  # a Unix time in the year 3021
COMMANDS = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]


def amount(command, seconds_from_now):
    """What to give the command for a deadline so many seconds from now."""
    value = seconds_from_now
    if command.endswith("AT"):
        value += int(time.time())
    return value * 1000 if command.startswith("P") else value


@pytest.mark.parametrize("command", COMMANDS)
def test_a_deadline_is_set(c, command):
    assert c(command, "none", amount(command, 1000)) == 0
    assert c("SET", "key", "v") == OK
    assert c(command, "key", amount(command, 1000)) == 1
    assert 995 <= c("TTL", "key") <= 1001
    assert 995000 <= c("PTTL", "key") <= 1001000
    assert abs(c("EXPIRETIME", "key") - time.time() - 1000) < 5
    assert abs(c("PEXPIRETIME", "key") / 1000 - time.time() - 1000) < 5
    assert c("GET", "key") == b"v"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_deadline_that_is_over_deletes(c, command):
    for seconds in (-1, -1000000, 0):
        assert c("SET", "key", "v") == OK
        assert c(command, "key", amount(command, seconds)) == 1
        assert c("EXISTS", "key") == 0
        assert c("DBSIZE") == 0
    assert c(command, "key", "-1") == 0


def test_times_without_a_deadline(c):
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert c(command, "key") == -2
    assert c("SET", "key", "v") == OK
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert c(command, "key") == -1


def test_seconds_are_rounded(c):
    assert c("SET", "key", "v") == OK
    for ms, seconds in ((499, 0), (500, 1), (999, 1), (0, 0)):
        assert c("PEXPIREAT", "key", FAR * 1000 + ms) == 1
        assert c("EXPIRETIME", "key") == FAR + seconds
        assert c("PEXPIRETIME", "key") == FAR * 1000 + ms
    assert c("PEXPIRE", "key", "1000400") == 1
    assert c("TTL", "key") == 1000


def test_persist(c):
    assert c("PERSIST", "key") == 0
    assert c("SET", "key", "v") == OK
    assert c("PERSIST", "key") == 0
    assert c("EXPIRE", "key", "1000") == 1
    assert c("PERSIST", "key") == 1
    assert c("TTL", "key") == -1
    assert c("PERSIST", "key") == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_conditions(c, command):
    near, middle, far = (amount(command, s) for s in (500, 1000, 2000))
    assert c("SET", "key", "v") == OK
    assert c(command, "key", middle, "XX") == 0
    assert c(command, "key", middle, "GT") == 0
    assert c(command, "key", middle, "XX", "GT") == 0
    assert c(command, "key", middle, "XX", "LT") == 0
    assert c("TTL", "key") == -1
    # no deadline is later than any
    assert c(command, "key", middle, "LT") == 1
    assert c(command, "key", far, "NX") == 0
    assert c(command, "key", far, "LT") == 0
    assert c(command, "key", near, "GT") == 0
    assert 990 <= c("TTL", "key") <= 1001
    assert c(command, "key", far, "GT") == 1
    assert c(command, "key", near, "lt") == 1
    assert c(command, "key", middle, "xx") == 1
    assert c(command, "key", far, "XX", "GT") == 1
    assert c(command, "key", near, "LT", "XX", "LT") == 1
    assert 490 <= c("TTL", "key") <= 501
    assert c("PERSIST", "key") == 1
    assert c(command, "key", middle, "NX") == 1
    assert c(command, "key", -1, "GT") == 0
    assert c(command, "key", -1, "LT") == 1
    assert c("EXISTS", "key") == 0


def test_the_same_deadline_is_neither_later_nor_sooner(c):
    assert c("SET", "key", "v", "EXAT", FAR) == OK
    assert c("EXPIREAT", "key", FAR, "GT") == 0
    assert c("EXPIREAT", "key", FAR, "LT") == 0
    assert c("EXPIREAT", "key", FAR) == 1


@pytest.mark.parametrize("options,error", [
    (("NX", "XX"), "NX and XX, GT or LT options at the same time are not compatible"),
    (("NX", "GT"), "NX and XX, GT or LT options at the same time are not compatible"),
    (("LT", "NX"), "NX and XX, GT or LT options at the same time are not compatible"),
    (("GT", "LT"), "GT and LT options at the same time are not compatible"),
    (("XX", "GT", "LT"), "GT and LT options at the same time are not compatible"),
    (("FOO",), "Unsupported option FOO"),
    (("NX", "f o"), "Unsupported option f o"),
    (("",), "Unsupported option ")])
@pytest.mark.parametrize("command", COMMANDS)
def test_conditions_that_do_not_fit(c, command, options, error):
    assert c("SET", "key", "v") == OK
    assert c(command, "key", amount(command, 1000), *options) == Error("ERR " + error)
    assert c(command, "key", "x", *options) == Error("ERR " + error)
    assert c(command, "none", "x", *options) == Error("ERR " + error)
    assert c("TTL", "key") == -1


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_time(c, command):
    assert c("SET", "key", "v") == OK
    for bad in ("", "x", "1.5", " 1", str(MAX + 1), str(MIN - 1)):
        assert c(command, "key", bad) == NOT_INTEGER
        assert c(command, "none", bad, "NX") == NOT_INTEGER
    assert c("TTL", "key") == -1


@pytest.mark.parametrize("command,value", [
    ("EXPIRE", MAX), ("EXPIRE", MIN), ("EXPIRE", MAX // 1000), ("EXPIRE", MAX // 1000 + 1),
    ("EXPIREAT", MAX), ("EXPIREAT", MIN), ("EXPIREAT", MAX // 1000 + 1), ("PEXPIRE", MAX)])
def test_times_out_of_range(c, command, value):
    assert c("SET", "key", "v") == OK
    error = Error(f"ERR invalid expire time in '{command.lower()}' command")
    assert c(command, "key", value) == error
    assert c(command, "none", value) == error
    assert c("TTL", "key") == -1


def test_the_last_times(c):
    assert c("SET", "key", "v") == OK
    assert c("PEXPIREAT", "key", MAX) == 1
    assert c("PEXPIRETIME", "key") == MAX
    assert c("EXPIRETIME", "key") == 9223372036854776
    assert c("PTTL", "key") > 9 * 10 ** 18
    assert c("TTL", "key") > 9 * 10 ** 15
    assert c("EXPIREAT", "key", MAX // 1000) == 1
    assert c("GET", "key") == b"v"
    assert c("PEXPIREAT", "key", MIN) == 1
    assert c("EXISTS", "key") == 0
    assert c("SET", "key", "v") == OK
    assert c("PEXPIRE", "key", MIN) == 1
    assert c("EXISTS", "key") == 0


def test_keys_go_by_themselves(c):
    """Many keys that nobody asks for again are deleted by the sweep."""
    c.pipeline([("SET", f"key:{i}", i, "PX", "1") for i in range(1000)])
    assert c("SET", "stays", "v") == OK
    until(lambda: c("DBSIZE") == 1)
    assert c("KEYS", "*") == [b"stays"]


def test_expired_keys_are_not_seen(c):
    assert c("SET", "key", "v", "PXAT", "1") == OK
    for words in (("GET",), ("GETDEL",), ("GETEX",), ("LCS", "key", "key")):
        assert c("SET", "key", "v", "PXAT", "1") == OK
        assert c(words[0], "key", *words[2:]) in (None, b"")
    for words, reply in ((("EXISTS", "key"), 0), (("TTL", "key"), -2), (("PERSIST", "key"), 0),
                         (("TOUCH", "key"), 0), (("STRLEN", "key"), 0), (("DEL", "key"), 0),
                         (("UNLINK", "key"), 0), (("EXPIRE", "key", "100"), 0),
                         (("MOVE", "key", "1"), 0), (("KEYS", "*"), []), (("KEYS", "key"), []),
                         (("RANDOMKEY",), None), (("MGET", "key", "key"), [None, None]),
                         (("SCAN", "0"), [b"0", []]), (("OBJECT", "ENCODING", "key"), None),
                         (("SETNX", "key", "1"), 1), (("MSETNX", "key", "1"), 1),
                         (("APPEND", "key", "1"), 1), (("INCR", "key"), 1),
                         (("SETRANGE", "key", "1", "x"), 2), (("INCRBYFLOAT", "key", "2"), b"2"),
                         (("GETSET", "key", "2"), None), (("SET", "key", "2", "GET"), None),
                         (("SET", "key", "2", "KEEPTTL"), OK)):
        assert c("SET", "key", "v", "PXAT", "1") == OK
        assert c(*words) == reply, words
        assert c("TTL", "key") in (-1, -2)
