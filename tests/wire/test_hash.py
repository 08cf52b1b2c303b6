"""Hashes: every command in both encodings, on both sides of the limits."""
import pytest

from harness import (NOT_FLOAT, NOT_INTEGER, OK, SYNTAX, WRONG_TYPE, Error, Status, until,
                     wrong_arity)

LIMIT_FIELDS = 512
LIMIT_BYTES = 64
NOT_HASH_INTEGER = Error("ERR hash value is not an integer")
NOT_HASH_FLOAT = Error("ERR hash value is not a float")
MAX = 2 ** 63 - 1


def pairs(reply):
    """HGETALL and the like as a dict, whichever protocol."""
    if isinstance(reply, dict):
        return reply
    assert len(reply) % 2 == 0
    return dict(zip(reply[::2], reply[1::2]))


def fill(c, key, count, text="v"):
    fields = {b"field:%d" % i: b"%s:%d" % (text.encode(), i) for i in range(count)}
    items = list(fields.items())
    for at in range(0, count, 500):
        words = [word for pair in items[at:at + 500] for word in pair]
        assert c("HSET", key, *words) == len(words) // 2
    return fields


@pytest.fixture(params=["listpack", "hashtable"])
def encoding(request):
    return request.param


@pytest.fixture
def key(c, encoding):
    """A hash of the fields a, b, c in one of the encodings."""
    assert c("HSET", "h", "a", "1", "b", "two", "c", "") == 3
    if encoding == "hashtable":
        assert c("HSET", "h", "long", "x" * 100) == 1
        assert c("HDEL", "h", "long") == 1
    assert c("OBJECT", "ENCODING", "h") == encoding.encode()
    return "h"


def test_reading(c, key):
    assert c("HGET", key, "a") == b"1"
    assert c("HGET", key, "c") == b""
    assert c("HGET", key, "none") is None
    assert c("HGET", "none", "a") is None
    assert c("HMGET", key, "b", "none", "a", "b") == [b"two", None, b"1", b"two"]
    assert c("HMGET", "none", "a", "b") == [None, None]
    assert c("HEXISTS", key, "a") == 1
    assert c("HEXISTS", key, "A") == 0
    assert c("HEXISTS", "none", "a") == 0
    assert c("HSTRLEN", key, "b") == 3
    assert c("HSTRLEN", key, "none") == 0
    assert c("HSTRLEN", "none", "a") == 0
    assert c("HLEN", key) == 3
    assert c("HLEN", "none") == 0
    assert pairs(c("HGETALL", key)) == {b"a": b"1", b"b": b"two", b"c": b""}
    assert sorted(c("HKEYS", key)) == [b"a", b"b", b"c"]
    assert sorted(c("HVALS", key)) == [b"", b"1", b"two"]
    assert c("TYPE", key) == Status("hash")


def test_shapes_of_replies(c):
    empty = {} if c.resp == 3 else []
    assert c("HGETALL", "none") == empty
    assert c("HKEYS", "none") == []
    assert c("HVALS", "none") == []
    assert c("HSET", "h", "a", "1") == 1
    assert c("HGETALL", "h") == ({b"a": b"1"} if c.resp == 3 else [b"a", b"1"])


def test_writing(c, key):
    assert c("HSET", key, "a", "2", "new", "3", "a", "4") == 1
    assert c("HMGET", key, "a", "new") == [b"4", b"3"]
    assert c("HMSET", key, "a", "5", "more", "6") == OK
    assert c("HMGET", key, "a", "more") == [b"5", b"6"]
    assert c("HSETNX", key, "a", "7") == 0
    assert c("HSETNX", key, "nx", "7") == 1
    assert c("HSETNX", "other", "nx", "7") == 1
    assert c("HLEN", key) == 6


def test_deleting(c, key):
    assert c("HDEL", key, "none", "a", "a", "b") == 2
    assert pairs(c("HGETALL", key)) == {b"c": b""}
    assert c("HDEL", key, "c", "x") == 1
    assert c("EXISTS", key) == 0
    assert c("HDEL", key, "c") == 0
    assert c("HDEL", "none", "a", "b") == 0


@pytest.mark.parametrize("value,by,result", [
    ("1", "1", 2), ("-5", "10", 5), (str(MAX - 1), "1", MAX), ("0", str(-2 ** 63), -2 ** 63)])
def test_hincrby(c, key, value, by, result):
    assert c("HSET", key, "n", value) == 1
    assert c("HINCRBY", key, "n", by) == result
    assert c("HGET", key, "n") == str(result).encode()
    assert c("HINCRBY", key, "fresh", by) == int(by)
    assert c("HINCRBY", "none", "fresh", by) == int(by)


def test_hincrby_refuses(c, key):
    for value in ("x", "", "1.5", " 1", "01", str(MAX + 1)):
        assert c("HSET", key, "n", value) in (0, 1)
        assert c("HINCRBY", key, "n", "1") == NOT_HASH_INTEGER
    assert c("HSET", key, "n", MAX) == 0
    assert c("HINCRBY", key, "n", "1") == Error("ERR increment or decrement would overflow")
    assert c("HINCRBY", key, "n", "x") == NOT_INTEGER
    assert c("HGET", key, "n") == str(MAX).encode()


def test_hincrbyfloat(c, key):
    assert c("HINCRBYFLOAT", key, "f", "1.5") == b"1.5"
    assert c("HINCRBYFLOAT", key, "f", "1e3") == b"1001.5"
    assert c("HINCRBYFLOAT", key, "f", "-0.5") == b"1001"
    assert c("HINCRBYFLOAT", "none", "f", "3.0e3") == b"3000"
    assert c("HGET", key, "f") == b"1001"
    assert c("HINCRBYFLOAT", key, "b", "1") == NOT_HASH_FLOAT
    assert c("HINCRBYFLOAT", key, "f", "x") == NOT_FLOAT
    for value in ("inf", "-inf"):
        assert c("HINCRBYFLOAT", key, "f", value) == Error("ERR value is NaN or Infinity")
    assert c("HINCRBYFLOAT", key, "f", "nan") == NOT_FLOAT
    assert c("HSET", key, "f", "inf") == 0
    assert c("HINCRBYFLOAT", key, "f", "1") == Error(
        "ERR increment would produce NaN or Infinity")


def test_arity(c):
    assert c("HSET", "h", "a") == wrong_arity("hset")
    assert c("HSET", "h", "a", "1", "b") == wrong_arity("hset")
    assert c("HMSET", "h", "a", "1", "b") == wrong_arity("hmset")
    assert c("HDEL", "h") == wrong_arity("hdel")
    assert c("EXISTS", "h") == 0


@pytest.mark.parametrize("words", [
    "HSET s a 1", "HMSET s a 1", "HSETNX s a 1", "HDEL s a", "HINCRBY s a 1", "HINCRBYFLOAT s a 1",
    "HGET s a", "HMGET s a", "HEXISTS s a", "HSTRLEN s a", "HLEN s", "HGETALL s", "HKEYS s",
    "HVALS s", "HSCAN s 0", "HRANDFIELD s", "HRANDFIELD s 1", "HRANDFIELD s 1 WITHVALUES"])
def test_wrong_type(c, words):
    assert c("SET", "s", "v") == OK
    assert c(*words.split()) == WRONG_TYPE
    assert c("HSET", "h", "a", "1") == 1
    assert c("GET", "h") == WRONG_TYPE
    assert c("INCR", "h") == WRONG_TYPE


def test_the_limit_of_fields(c):
    fill(c, "h", LIMIT_FIELDS)
    assert c("OBJECT", "ENCODING", "h") == b"listpack"
    assert c("HSET", "h", "field:0", "again") == 0
    assert c("OBJECT", "ENCODING", "h") == b"listpack"
    assert c("HSET", "h", "one more", "v") == 1
    assert c("OBJECT", "ENCODING", "h") == b"hashtable"
    assert c("HLEN", "h") == LIMIT_FIELDS + 1
    assert c("HDEL", "h", *[f"field:{i}" for i in range(500)]) == 500
    assert c("OBJECT", "ENCODING", "h") == b"hashtable"
    assert c("HLEN", "h") == 13


@pytest.mark.parametrize("words", [
    ("HSET", "h", "{}", "v"), ("HSET", "h", "f", "{}"), ("HSETNX", "h", "{}", "v"),
    ("HMSET", "h", "a", "1", "f", "{}")])
def test_the_limit_of_bytes(c, words):
    for length, encoding in ((LIMIT_BYTES, b"listpack"), (LIMIT_BYTES + 1, b"hashtable")):
        assert c("DEL", "h") in (0, 1)
        text = "x" * length
        assert c(*[word.replace("{}", text) for word in words]) in (1, OK)
        assert c("OBJECT", "ENCODING", "h") == encoding
        assert text.encode() in c("HKEYS", "h") + c("HVALS", "h")


@pytest.mark.parametrize("count", [1, 13, 512, 513, 5000])
def test_many_fields(c, count):
    fields = fill(c, "h", count)
    assert c("HLEN", "h") == count
    assert pairs(c("HGETALL", "h")) == fields
    assert sorted(c("HKEYS", "h")) == sorted(fields)
    assert sorted(c("HVALS", "h")) == sorted(fields.values())
    assert c("HMGET", "h", *fields) == list(fields.values())
    names = list(fields)
    assert c("HDEL", "h", "none", *names[1:]) == count - 1
    assert pairs(c("HGETALL", "h")) == {names[0]: fields[names[0]]}


def test_fields_of_any_bytes(c):
    fields = {b"": b"", b"\x00\xff\r\n": bytes(range(256)), b"f" * 300: b"", b"w": b"x" * 70000,
              b"N" * 70000: b"7"}
    assert c("HSET", "h", *[word for pair in fields.items() for word in pair]) == 5
    assert pairs(c("HGETALL", "h")) == fields
    for field, value in fields.items():
        assert c("HSTRLEN", "h", field) == len(value)
        assert c("HSET", "h", field, b"123") == 0
        assert c("HGET", "h", field) == b"123"
        assert c("HINCRBY", "h", field, 1) == 124


def test_copies_have_their_own_fields(c, key):
    assert c("COPY", key, "copy") == 1
    assert c("HSET", key, "a", "changed", "new", "v") == 1
    assert pairs(c("HGETALL", "copy")) == {b"a": b"1", b"b": b"two", b"c": b""}
    assert c("OBJECT", "ENCODING", "copy") == c("OBJECT", "ENCODING", key)
    assert c("RENAME", "copy", "moved") == OK
    assert c("HGET", "moved", "b") == b"two"
    assert c("DEL", "moved", key) == 2


# --- HSCAN ----------------------------------------------------------------------------------------

def scan_all(c, key, *options, each=None):
    found, cursor, calls = [], b"0", 0
    while True:
        cursor, items = c("HSCAN", key, cursor, *options)
        found += items
        calls += 1
        assert calls < 100000
        if cursor == b"0":
            return found
        if each:
            each()


@pytest.mark.parametrize("count", [1, 512, 5000])
@pytest.mark.parametrize("options", [(), ("COUNT", "1"), ("COUNT", "500"), ("MATCH", "field:*")])
def test_hscan_finds_every_field_once(c, count, options):
    fields = fill(c, "h", count)
    found = scan_all(c, "h", *options)
    assert len(found) == 2 * count
    assert pairs(found) == fields


def test_hscan_match(c):
    fill(c, "h", 2000)
    found = pairs(scan_all(c, "h", "MATCH", "field:*77", "COUNT", "100"))
    assert sorted(found) == sorted(b"field:%d" % i for i in range(2000) if i % 100 == 77)
    assert scan_all(c, "h", "MATCH", "none") == []


def test_hscan_misses_nothing_that_stays(c):
    stays = fill(c, "h", 600)
    made = 0

    def change():
        nonlocal made
        c("HSET", "h", *[w for i in range(300) for w in (f"new:{made + i}", "v")])
        if made > 600:
            c("HDEL", "h", *[f"new:{made - 600 + i}" for i in range(300)])
        made += 300 if made < 20000 else 0
    found = pairs(scan_all(c, "h", "COUNT", "30", each=change))
    assert stays.items() <= found.items()


def test_hscan_of_nothing_and_errors(c):
    assert c("HSCAN", "none", "0") == [b"0", []]
    assert c("HSCAN", "none", "5", "NONSENSE") == [b"0", []]
    assert c("HSCAN", "none", "x") == Error("ERR invalid cursor")
    assert c("HSET", "h", "a", "1") == 1
    assert c("HSCAN", "h", "0", "COUNT") == SYNTAX
    assert c("HSCAN", "h", "0", "COUNT", "0") == SYNTAX
    assert c("HSCAN", "h", "0", "COUNT", "x") == NOT_INTEGER
    assert c("HSCAN", "h", "0", "NONSENSE", "x") == SYNTAX


def test_hscan_novalues(kv):
    """Of Redis 7.4: the reference does not know it."""
    assert kv("HSET", "h", "a", "1", "b", "2", "novalues", "x") == 3
    assert kv("HSCAN", "h", "0", "NOVALUES") == [b"0", [b"a", b"b", b"novalues"]]
    assert kv("HSCAN", "h", "0", "MATCH", "novalues") == [b"0", [b"novalues", b"x"]]
    assert kv("HSCAN", "h", "0", "novalues", "MATCH", "a", "COUNT", "5") == [b"0", [b"a"]]
    fields = fill(kv, "large", 2000)
    assert sorted(scan_all(kv, "large", "NOVALUES")) == sorted(fields)


# --- HRANDFIELD -----------------------------------------------------------------------------------

def test_hrandfield_of_nothing(c):
    assert c("HRANDFIELD", "none") is None
    assert c("HRANDFIELD", "none", "5") == []
    assert c("HRANDFIELD", "none", "-5", "WITHVALUES") == []


@pytest.mark.parametrize("size", [3, 100, 1000])
def test_hrandfield(c, size):
    fields = fill(c, "h", size)
    until(lambda: len(set(c.pipeline([("HRANDFIELD", "h")] * 20 * size))) > size * 0.9)
    for count in (1, 2, size // 4, size // 2, size - 1, size, size + 10):
        some = c("HRANDFIELD", "h", count)
        assert len(some) == len(set(some)) == min(count, size)
        assert set(some) <= set(fields)
    assert c("HRANDFIELD", "h", "0") == []
    some = c("HRANDFIELD", "h", -3 * size)
    assert len(some) == 3 * size
    assert set(some) <= set(fields)
    for count, length in ((size // 4, size // 4), (2 * size, size), (-2 * size, 2 * size)):
        reply = c("HRANDFIELD", "h", count, "withvalues")
        if c.resp == 2:
            reply = list(zip(reply[::2], reply[1::2]))
        assert len(reply) == length
        assert all(fields[field] == value for field, value in reply)


def test_hrandfield_is_fair(kv):
    """Each field comes up about as often as the others (the reference is less even)."""
    fields = fill(kv, "h", 600)
    seen = dict.fromkeys(fields, 0)
    for some in kv.pipeline([("HRANDFIELD", "h", "60")] * 500):
        for field in some:
            seen[field] += 1
    assert min(seen.values()) > 15
    assert max(seen.values()) < 110


def test_hrandfield_refuses(c):
    assert c("HSET", "h", "a", "1") == 1
    assert c("HRANDFIELD", "h", "x") == NOT_INTEGER
    assert c("HRANDFIELD", "h", "1", "NONSENSE") == SYNTAX
    assert c("HRANDFIELD", "h", "1", "WITHVALUES", "x") == SYNTAX
    assert c("HRANDFIELD", "h", -MAX - 1) == Error(
        f"ERR value is out of range, value must between {-MAX} and {MAX}")
    assert c("HRANDFIELD", "h", -MAX, "WITHVALUES") == Error("ERR value is out of range")
    assert c("HRANDFIELD", "h", MAX, "WITHVALUES") == Error("ERR value is out of range")
    assert c("HRANDFIELD", "h", MAX) == [b"a"]
