"""The string group: replies, errors, options, limits."""
import pytest

from harness import (NOT_FLOAT, NOT_INTEGER, OK, SYNTAX, Error, until, wrong_arity)

MAX = 2 ** 63 - 1
MIN = -2 ** 63
TOO_LONG = Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def bad_expire(command):
    return Error(f"ERR invalid expire time in '{command}' command")


# --- SET and GET ----------------------------------------------------------------------------------

@pytest.mark.parametrize("value", [
    b"", b"x", b"0", b"12", b"-12", b"007", b"-0", b"+1", b" 1", b"1 ", b"1.5", b"1e3",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
    b"-9223372036854775809", b"99999999999999999999", b"a\x00b", b"\r\n$5\r\n", bytes(range(256)),
    b"x" * 44, b"x" * 45, b"x" * 255, b"x" * 256, b"x" * 65535, b"x" * 65536, b"y" * 1000000])
def test_what_is_set_is_got(c, value):
    assert c("SET", "key", value) == OK
    assert c("GET", "key") == value
    assert c("STRLEN", "key") == len(value)
    # over what is there, of another size
    assert c("SET", "key", value[::-1] + b"tail") == OK
    assert c("GET", "key") == value[::-1] + b"tail"
    assert c("SET", "key", value) == OK
    assert c("GET", "key") == value


@pytest.mark.parametrize("key", [b"", b"k", b"a\x00b", b"\xff\xfe", b"k" * 255, b"k" * 256,
                                 b"k" * 70000])
def test_any_bytes_are_a_key(c, key):
    assert c("SET", key, "value") == OK
    assert c("GET", key) == b"value"
    assert c("KEYS", "*") == [key]
    assert c("DEL", key) == 1
    assert c("GET", key) is None


def test_a_missing_key_is_nil(c):
    assert c.raw("GET", "key") == (b"_\r\n" if c.resp == 3 else b"$-1\r\n")


def test_set_conditions(c):
    assert c("SET", "key", "1", "XX") is None
    assert c("EXISTS", "key") == 0
    assert c("SET", "key", "1", "NX") == OK
    assert c("SET", "key", "2", "nx") is None
    assert c("GET", "key") == b"1"
    assert c("SET", "key", "2", "xX") == OK
    assert c("GET", "key") == b"2"
    assert c("SET", "key", "3", "NX", "NX") is None
    assert c("SET", "key", "3", "XX", "XX") == OK


def test_set_get_answers_the_old_value(c):
    assert c("SET", "key", "1", "GET") is None
    assert c("SET", "key", "2", "GET") == b"1"
    assert c("SET", "key", "3", "NX", "GET") == b"2"
    assert c("GET", "key") == b"2"
    assert c("SET", "key", "3", "GET", "XX") == b"2"
    assert c("SET", "none", "3", "XX", "GET") is None
    assert c("EXISTS", "none") == 0
    assert c("SET", "new", "3", "NX", "GET") is None
    assert c("GET", "new") == b"3"


def test_set_keeps_or_drops_the_deadline(c):
    assert c("SET", "key", "1", "EX", "1000") == OK
    assert c("SET", "key", "2", "KEEPTTL") == OK
    assert 990 <= c("TTL", "key") <= 1000
    assert c("SET", "key", "a much longer value that does not fit where the old one was" * 3,
             "KEEPTTL") == OK
    assert 990 <= c("TTL", "key") <= 1000
    assert c("SET", "key", "3") == OK
    assert c("TTL", "key") == -1
    assert c("SET", "key", "4", "KEEPTTL") == OK
    assert c("TTL", "key") == -1


@pytest.mark.parametrize("option,amount,low,high", [
    ("EX", 1000, 999000, 1000000), ("px", 1000000, 999000, 1000000)])
def test_set_deadlines_from_now(c, option, amount, low, high):
    assert c("SET", "key", "v", option, amount) == OK
    assert low <= c("PTTL", "key") <= high


@pytest.mark.parametrize("option,amount,deadline", [
    ("EXAT", 33177117420, 33177117420000), ("PXAT", 33177117420123, 33177117420123),
    ("pxat", MAX, MAX)])
def test_set_deadlines_at_a_time(c, option, amount, deadline):
    assert c("SET", "key", "v", option, amount) == OK
    assert c("PEXPIRETIME", "key") == deadline
    assert c("GET", "key") == b"v"


def test_the_last_of_the_same_option_counts(c):
    assert c("SET", "key", "v", "EX", "10", "EX", "2000") == OK
    assert 1990 <= c("TTL", "key") <= 2000
    # the one that does not count is not looked at
    assert c("SET", "key", "v", "EX", "x", "EX", "2000") == OK
    assert c("SET", "key", "v", "KEEPTTL", "KEEPTTL") == OK


@pytest.mark.parametrize("options", [
    ("EX",), ("PX",), ("EXAT",), ("PXAT",), ("NX", "XX"), ("XX", "NX"), ("EX", "10", "PX", "10"),
    ("EX", "10", "EXAT", "33177117420"), ("EX", "10", "KEEPTTL"), ("KEEPTTL", "EX", "10"),
    ("PXAT", "33177117420000", "KEEPTTL"), ("FOO",), ("",), ("PERSIST",), ("EX", "10", "FOO"),
    ("NX", "GET", "XX"), ("EX", "0", "PX"), ("GT",), ("10",)])
def test_set_refuses_options_that_do_not_fit(c, options):
    assert c("SET", "key", "v", *options) == SYNTAX
    assert c("EXISTS", "key") == 0


@pytest.mark.parametrize("option,amount", [
    ("EX", 0), ("EX", -1), ("PX", 0), ("PX", -10), ("EXAT", 0), ("EXAT", -5), ("PXAT", 0),
    ("PXAT", MIN), ("EX", MAX), ("EX", MAX // 1000), ("EX", MAX // 1000 + 1), ("PX", MAX),
    ("EXAT", MAX // 1000 + 1)])
def test_set_refuses_deadlines_out_of_range(c, option, amount):
    assert c("SET", "key", "old") == OK
    assert c("SET", "key", "v", option, amount) == bad_expire("set")
    assert c("SET", "key", "v", "GET", option, amount) == bad_expire("set")
    assert c("GET", "key") == b"old"


@pytest.mark.parametrize("amount", ["", "x", "1.5", " 1", "1x", "0x10", str(MAX + 1), "+5"])
def test_set_refuses_deadlines_that_are_no_numbers(c, amount):
    assert c("SET", "key", "v", "EX", amount) == NOT_INTEGER
    assert c("SETEX", "key", amount, "v") == NOT_INTEGER
    assert c("PSETEX", "key", amount, "v") == NOT_INTEGER
    assert c("SET", "key", "v") == OK
    assert c("GETEX", "key", "PX", amount) == NOT_INTEGER
    assert c("TTL", "key") == -1


def test_set_with_a_deadline_that_is_over(c):
    assert c("SET", "key", "v", "PXAT", "1") == OK
    assert c("GET", "key") is None
    assert c("EXISTS", "key") == 0
    assert c("SET", "key", "v", "XX") is None


def test_a_key_is_gone_when_its_time_is_over(c):
    assert c("SET", "key", "v", "PX", "20") == OK
    assert c("SET", "other", "v", "PX", "20") == OK
    until(lambda: c("GET", "key") is None)
    until(lambda: c("DBSIZE") == 0)
    assert c("SET", "key", "w", "NX") == OK
    assert c("TTL", "key") == -1


def test_setnx_setex_psetex(c):
    assert c("SETNX", "key", "1") == 1
    assert c("SETNX", "key", "2") == 0
    assert c("GET", "key") == b"1"
    assert c("SETEX", "key", "1000", "3") == OK
    assert c("GET", "key") == b"3"
    assert 990 <= c("TTL", "key") <= 1000
    assert c("PSETEX", "key", "5000000", "4") == OK
    assert 4990000 <= c("PTTL", "key") <= 5000000
    assert c("SETEX", "key", "0", "5") == bad_expire("setex")
    assert c("SETEX", "key", "-1", "5") == bad_expire("setex")
    assert c("SETEX", "key", MAX, "5") == bad_expire("setex")
    assert c("PSETEX", "key", "0", "5") == bad_expire("psetex")
    assert c("PSETEX", "key", MAX, "5") == bad_expire("psetex")
    assert c("GET", "key") == b"4"


def test_getset(c):
    assert c("GETSET", "key", "1") is None
    assert c("EXPIRE", "key", "1000") == 1
    assert c("GETSET", "key", "2") == b"1"
    assert c("TTL", "key") == -1
    assert c("GET", "key") == b"2"


def test_getdel(c):
    assert c("GETDEL", "key") is None
    assert c("SET", "key", "5") == OK
    assert c("GETDEL", "key") == b"5"
    assert c("EXISTS", "key") == 0


def test_getex(c):
    assert c("GETEX", "key") is None
    assert c("GETEX", "key", "EX", "0") is None
    assert c("GETEX", "key", "EX", "x") is None
    assert c("SET", "key", "v") == OK
    assert c("GETEX", "key") == b"v"
    assert c("TTL", "key") == -1
    assert c("GETEX", "key", "EX", "1000") == b"v"
    assert 990 <= c("TTL", "key") <= 1000
    assert c("GETEX", "key", "PX", "5000000") == b"v"
    assert 4990 <= c("TTL", "key") <= 5000
    assert c("GETEX", "key", "EXAT", "33177117420") == b"v"
    assert c("EXPIRETIME", "key") == 33177117420
    assert c("GETEX", "key", "PXAT", "33177117420123") == b"v"
    assert c("PEXPIRETIME", "key") == 33177117420123
    assert c("GETEX", "key") == b"v"
    assert c("PEXPIRETIME", "key") == 33177117420123
    assert c("GETEX", "key", "PERSIST", "PERSIST") == b"v"
    assert c("TTL", "key") == -1
    assert c("GETEX", "key", "PERSIST") == b"v"
    assert c("GETEX", "key", "EX", "0") == bad_expire("getex")
    assert c("GETEX", "key", "PX", MAX) == bad_expire("getex")
    assert c("GETEX", "key", "EX", "10", "EX", "2000") == b"v"
    assert 1990 <= c("TTL", "key") <= 2000
    assert c("GETEX", "key", "PXAT", "1") == b"v"
    assert c("EXISTS", "key") == 0


@pytest.mark.parametrize("options", [
    ("EX",), ("KEEPTTL",), ("NX",), ("GET",), ("EX", "10", "PERSIST"), ("PERSIST", "EX", "10"),
    ("EX", "10", "PX", "10"), ("FOO",), ("PERSIST", "FOO")])
def test_getex_refuses_options_that_do_not_fit(c, options):
    assert c("GETEX", "key", *options) == SYNTAX
    assert c("SET", "key", "v") == OK
    assert c("GETEX", "key", *options) == SYNTAX
    assert c("TTL", "key") == -1


# --- Several keys ---------------------------------------------------------------------------------

def test_mset_and_mget(c):
    assert c("MSET", "a", "1", "b", "2", "a", "3") == OK
    assert c("MGET", "a", "b", "c", "a") == [b"3", b"2", None, b"3"]
    assert c("EXPIRE", "a", "1000") == 1
    assert c("MSET", "a", "4") == OK
    assert c("TTL", "a") == -1


def test_msetnx_is_all_or_nothing(c):
    assert c("MSETNX", "a", "1", "b", "2") == 1
    assert c("MSETNX", "c", "1", "b", "3") == 0
    assert c("MGET", "a", "b", "c") == [b"1", b"2", None]
    assert c("MSETNX", "d", "1", "d", "2") == 1
    assert c("GET", "d") == b"2"


def test_a_thousand_keys_at_once(c):
    pairs = [word for i in range(1000) for word in (f"key:{i}", f"value:{i}")]
    assert c("MSET", *pairs) == OK
    assert c("DBSIZE") == 1000
    assert c("MGET", *pairs[::2]) == [value.encode() for value in pairs[1::2]]
    assert c("DEL", *pairs) == 1000


# --- Parts ----------------------------------------------------------------------------------------

def test_append(c):
    assert c("APPEND", "key", "12") == 2
    assert c("APPEND", "key", "34") == 4
    assert c("GET", "key") == b"1234"
    assert c("INCR", "key") == 1235
    assert c("APPEND", "key", "") == 4
    assert c("APPEND", "empty", "") == 0
    assert c("EXISTS", "empty") == 1
    assert c("EXPIRE", "key", "1000") == 1
    assert c("APPEND", "key", "x" * 1000) == 1004
    assert 990 <= c("TTL", "key") <= 1000


def test_append_byte_by_byte(c):
    whole = bytes(i % 251 for i in range(3000))
    replies = c.pipeline([("APPEND", "key", whole[i:i + 1]) for i in range(len(whole))])
    assert replies == list(range(1, len(whole) + 1))
    assert c("GET", "key") == whole


def test_setrange(c):
    assert c("SETRANGE", "key", "0", "") == 0
    assert c("EXISTS", "key") == 0
    assert c("SETRANGE", "key", "3", "abc") == 6
    assert c("GET", "key") == b"\0\0\0abc"
    assert c("SETRANGE", "key", "1", "x") == 6
    assert c("GET", "key") == b"\0x\0abc"
    assert c("SETRANGE", "key", "5", "long") == 9
    assert c("GET", "key") == b"\0x\0ablong"
    assert c("SETRANGE", "key", "0", "") == 9
    assert c("SETRANGE", "key", "100", "") == 9
    assert c("SET", "number", "12345") == OK
    assert c("SETRANGE", "number", "1", "99") == 5
    assert c("GET", "number") == b"19945"
    assert c("INCR", "number") == 19946
    assert c("EXPIRE", "number", "1000") == 1
    assert c("SETRANGE", "number", "70000", "end") == 70003
    assert 990 <= c("TTL", "number") <= 1000
    assert c("GETRANGE", "number", "0", "6") == b"19946\0\0"
    assert c("GETRANGE", "number", "-4", "-1") == b"\0end"


def test_setrange_limits(c):
    assert c("SETRANGE", "key", "-1", "x") == Error("ERR offset is out of range")
    assert c("SETRANGE", "key", "x", "x") == NOT_INTEGER
    assert c("SETRANGE", "key", "-1", "") == Error("ERR offset is out of range")
    assert c("SETRANGE", "key", 512 * 1024 * 1024, "x") == TOO_LONG
    assert c("SETRANGE", "key", 512 * 1024 * 1024 - 1, "xx") == TOO_LONG
    assert c("SETRANGE", "key", MAX, "x") == TOO_LONG
    assert c("SETRANGE", "key", MAX, "") == 0
    assert c("EXISTS", "key") == 0


RANGES = [(0, -1), (0, 0), (-1, -1), (-5, -1), (5, 2), (-1, -5), (-100, 3), (0, 100), (100, 200),
          (-100, -90), (3, 3), (10, 11), (11, 11), (-11, -11), (-12, -11), (MIN, MAX), (MAX, MIN),
          (MIN, MIN), (MAX, MAX), (1, -1), (-3, 100), (0, MIN), (-2, -3), (-100, -100)]


@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
def test_getrange(c, command):
    text = b"hello world"
    assert c(command, "key", "0", "-1") == b""
    assert c("SET", "key", text) == OK
    for start, end in RANGES:
        first = max(start + len(text), 0) if start < 0 else start
        last = max(end + len(text), 0) if end < 0 else end
        expected = b"" if start < 0 and end < 0 and start > end else text[first:last + 1]
        assert c(command, "key", start, end) == expected, (start, end)
    assert c("SET", "key", "1234567") == OK
    assert c(command, "key", "2", "-2") == b"3456"
    assert c(command, "key", "x", "1") == NOT_INTEGER
    assert c(command, "key", "1", "1.0") == NOT_INTEGER


def test_strlen(c):
    assert c("STRLEN", "key") == 0
    assert c("SET", "key", "-1234567890") == OK
    assert c("STRLEN", "key") == 11


# --- Numbers --------------------------------------------------------------------------------------

def test_incr_and_decr(c):
    assert c("INCR", "key") == 1
    assert c("INCRBY", "key", "41") == 42
    assert c("DECR", "key") == 41
    assert c("DECRBY", "key", "50") == -9
    assert c("INCRBY", "key", "-1") == -10
    assert c("DECRBY", "key", "-10") == 0
    assert c("GET", "key") == b"0"
    assert c("EXPIRE", "key", "1000") == 1
    assert c("INCR", "key") == 1
    assert 990 <= c("TTL", "key") <= 1000
    assert c("DECR", "new") == -1
    assert c("DECRBY", "newer", "5") == -5


def test_numbers_of_every_length(c):
    for digits in range(1, 19):
        value = 10 ** digits - 1
        assert c("SET", "key", value) == OK
        assert c("INCR", "key") == value + 1
        assert c("GET", "key") == str(value + 1).encode()
        assert c("INCRBY", "key", -2 * value - 2) == -value - 1


def test_incr_overflow(c):
    overflow = Error("ERR increment or decrement would overflow")
    assert c("SET", "key", MAX) == OK
    assert c("INCR", "key") == overflow
    assert c("INCRBY", "key", "1") == overflow
    assert c("DECRBY", "key", "-1") == overflow
    assert c("GET", "key") == str(MAX).encode()
    assert c("INCRBY", "key", MIN) == -1
    assert c("SET", "key", MIN) == OK
    assert c("DECR", "key") == overflow
    assert c("DECRBY", "key", "1") == overflow
    assert c("INCRBY", "key", MAX) == -1
    assert c("DECRBY", "key", MIN) == Error("ERR decrement would overflow")
    assert c("DECRBY", "key", MAX) == MIN


@pytest.mark.parametrize("value", ["", "x", "1.0", " 1", "1 ", "01", "-0", "+1", "1e3",
                                   str(MAX + 1), str(MIN - 1), "1\0", "0x1"])
def test_what_is_no_integer_is_refused(c, value):
    assert c("SET", "key", value) == OK
    assert c("INCR", "key") == NOT_INTEGER
    assert c("DECRBY", "key", "5") == NOT_INTEGER
    assert c("GET", "key") == value.encode()
    assert c("INCRBY", "other", value) == NOT_INTEGER
    assert c("DECRBY", "other", value) == NOT_INTEGER
    assert c("EXISTS", "other") == 0


@pytest.mark.parametrize("value,increment,result", [
    ("10.50", "0.1", "10.6"), ("5.0e3", "2.0e2", "5200"), ("3.0", "1.500", "4.5"),
    ("4.5", "-4.5", "0"), ("-0", "-0", "0"), ("1", "1e-17", "1.00000000000000001"),
    ("1e10", "1e-20", "10000000000"), ("0x10", "0x1p4", "32"), ("1", "  -1"[2:], "0"),
    ("123456789012345678", "0.5", "123456789012345678.5"), ("-1.5", "1", "-0.5"),
    ("1.23456789012345678", "0", "1.23456789012345678"), ("1e17", "1", "100000000000000001"),
    (".5", "5.", "5.5"), ("1E2", "+1", "101"), ("0.1", "0.2", "0.3")])
def test_incrbyfloat(c, value, increment, result):
    assert c("SET", "key", value) == OK
    assert c("EXPIRE", "key", "1000") == 1
    assert c("INCRBYFLOAT", "key", increment) == result.encode()
    assert c("GET", "key") == result.encode()
    assert 990 <= c("TTL", "key") <= 1000


def test_incrbyfloat_of_huge_numbers(c):
    reply = c("INCRBYFLOAT", "key", "1e300")
    assert len(reply) == 301 and reply.startswith(b"1000000000000000")
    assert c("GET", "key") == reply
    assert c("SET", "key", "1") == OK
    assert c("INCRBYFLOAT", "key", "1e5000") == NOT_FLOAT
    infinite = Error("ERR increment would produce NaN or Infinity")
    assert c("INCRBYFLOAT", "key", "inf") == infinite
    assert c("INCRBYFLOAT", "key", "-INFINITY") == infinite
    assert c("GET", "key") == b"1"
    assert c("SET", "key", "inf") == OK
    assert c("INCRBYFLOAT", "key", "-inf") == infinite


@pytest.mark.parametrize("value", ["", "x", " 1", "1 ", "nan", "1,5", "1e", "--1", "1\0"])
def test_what_is_no_float_is_refused(c, value):
    assert c("INCRBYFLOAT", "key", value) == NOT_FLOAT
    assert c("EXISTS", "key") == 0
    assert c("SET", "key", value) == OK
    assert c("INCRBYFLOAT", "key", "1") == NOT_FLOAT
    assert c("GET", "key") == value.encode()


# --- LCS ------------------------------------------------------------------------------------------

def lcs_map(connection, matches, length):
    if connection.resp == 3:
        return {b"matches": matches, b"len": length}
    return [b"matches", matches, b"len", length]


def test_lcs(c):
    assert c("MSET", "a", "ohmytext", "b", "mynewtext") == OK
    assert c("LCS", "a", "b") == b"mytext"
    assert c("LCS", "a", "b", "LEN") == 6
    assert c("LCS", "a", "b", "IDX") == lcs_map(
        c, [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], 6)
    assert c("LCS", "a", "b", "idx", "minmatchlen", "4") == lcs_map(c, [[[4, 7], [5, 8]]], 6)
    assert c("LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN") == lcs_map(
        c, [[[4, 7], [5, 8], 4]], 6)
    assert c("LCS", "a", "b", "IDX", "MINMATCHLEN", "-1", "WITHMATCHLEN") == lcs_map(
        c, [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], 6)
    assert c("LCS", "a", "b", "MINMATCHLEN", "99") == b"mytext"
    assert c("LCS", "a", "b", "LEN", "WITHMATCHLEN", "LEN") == 6


def test_lcs_of_nothing(c):
    assert c("SET", "a", "text") == OK
    assert c("LCS", "a", "none") == b""
    assert c("LCS", "none", "nothing") == b""
    assert c("LCS", "none", "a", "LEN") == 0
    assert c("LCS", "a", "none", "IDX") == lcs_map(c, [], 0)
    assert c("SET", "b", "1234") == OK
    assert c("LCS", "a", "b") == b""
    assert c("LCS", "b", "b") == b"1234"


def test_lcs_refuses(c):
    assert c("LCS", "a", "b", "IDX", "LEN") == Error(
        "ERR If you want both the length and indexes, please just use IDX.")
    assert c("LCS", "a", "b", "FOO") == SYNTAX
    assert c("LCS", "a", "b", "IDX", "MINMATCHLEN") == SYNTAX
    assert c("LCS", "a", "b", "MINMATCHLEN", "x") == NOT_INTEGER
    assert c("SETRANGE", "a", "19999", "x") == 20000
    assert c("SETRANGE", "b", "19999", "x") == 20000
    for options in ((), ("LEN",), ("IDX",)):
        assert c("LCS", "a", "b", *options) == Error(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")


# --- All of them ----------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [
    "APPEND k", "APPEND k v w", "DECR", "DECR k 1", "DECRBY k", "GET", "GET a b", "GETDEL",
    "GETDEL a b", "GETEX", "GETRANGE k 0", "GETRANGE k 0 1 2", "GETSET k", "INCR", "INCR k 1",
    "INCRBY k", "INCRBYFLOAT k", "INCRBYFLOAT k 1 2", "LCS a", "MGET", "MSET", "MSET k",
    "MSET k v w", "MSETNX k", "MSETNX k v w", "PSETEX k 1", "PSETEX k 1 v x", "SET k", "SET",
    "SETEX k 1", "SETNX k", "SETNX k v w", "SETRANGE k 0", "STRLEN", "STRLEN a b", "SUBSTR k 0"])
def test_wrong_number_of_arguments(c, words):
    words = words.split()
    assert c(*words) == wrong_arity(words[0].lower())
    assert c("DBSIZE") == 0


@pytest.mark.parametrize("value,encoding", [
    ("1", b"int"), ("-5", b"int"), (str(MAX), b"int"), ("x", b"embstr"), ("", b"embstr"),
    ("007", b"embstr"), ("x" * 44, b"embstr"), ("x" * 45, b"raw"), (str(MAX + 1), b"embstr")])
def test_encodings(c, value, encoding):
    for words in (("SET", "k", value), ("SETEX", "k", "100", value), ("MSET", "k", value),
                  ("GETSET", "k", value)):
        c(*words)
        assert c("OBJECT", "ENCODING", "k") == encoding
    assert c("APPEND", "k", "x") == len(value) + 1
    assert c("OBJECT", "ENCODING", "k") == b"raw"
