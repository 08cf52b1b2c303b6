"""Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD."""
import random

from harness import NOT_INTEGER, OK, SYNTAX, WRONG_TYPE, Error, wrong_arity

BAD_OFFSET = Error("ERR bit offset is not an integer or out of range")
BAD_BIT = Error("ERR bit is not an integer or out of range")
BAD_WIDTH = Error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                  "supported but i64 is.")


def bits_of(data):
    return [byte >> (7 - bit) & 1 for byte in data for bit in range(8)]


def test_setbit_and_getbit(c):
    assert c("SETBIT", "k", 7, 1) == 0
    assert c("GET", "k") == b"\x01"
    assert c("SETBIT", "k", 7, 1) == 1
    assert c("SETBIT", "k", 7, 0) == 1
    assert c("SETBIT", "k", 100, 0) == 0
    assert c("STRLEN", "k") == 13
    assert c("GETBIT", "k", 7) == 0
    assert c("GETBIT", "k", 5000) == 0
    assert c("GETBIT", "nosuch", 0) == 0
    c("SET", "n", "12")
    assert c("GETBIT", "n", 2) == 1
    assert c("SETBIT", "n", 6, 1) == 0
    assert c("GET", "n") == b"32"
    assert c("OBJECT", "ENCODING", "n") == b"raw"


def test_setbit_keeps_the_deadline(c):
    c("SET", "k", "x", "EX", 1000)
    c("SETBIT", "k", 100, 1)
    assert c("TTL", "k") > 900


def test_offsets_and_bits_that_are_none(c):
    for offset in ("x", "", "-1", "1.5", "01", "#1", 2 ** 32, 2 ** 63):
        assert c("SETBIT", "k", offset, 1) == BAD_OFFSET
        assert c("GETBIT", "k", offset) == BAD_OFFSET
    for bit in ("x", "2", "-1", ""):
        assert c("SETBIT", "k", 1, bit) == BAD_BIT
    assert c("SETBIT", "k", 1) == wrong_arity("setbit")
    assert c("EXISTS", "k") == 0


def test_bitcount(c):
    data = bytes(random.Random(5).randbytes(1000))
    bits = bits_of(data)
    c("SET", "k", data)
    assert c("BITCOUNT", "k") == sum(bits)
    assert c("BITCOUNT", "nosuch") == 0
    chance = random.Random(6)
    for _ in range(100):
        start, end = sorted(chance.sample(range(8000), 2))
        assert c("BITCOUNT", "k", start, end, "BIT") == sum(bits[start:end + 1])
        assert c("BITCOUNT", "k", start - 8000, end - 8000, "bit") == sum(bits[start:end + 1])
        start, end = sorted(chance.sample(range(1000), 2))
        assert c("BITCOUNT", "k", start, end) == sum(bits[start * 8:end * 8 + 8])
        assert c("BITCOUNT", "k", start, end, "BYTE") == sum(bits[start * 8:end * 8 + 8])
    assert c("BITCOUNT", "k", 5, 3) == 0
    assert c("BITCOUNT", "k", -3, -5) == 0
    assert c("BITCOUNT", "k", -5000, 5000) == sum(bits)
    assert c("BITCOUNT", "k", 1, 2, "FOO") == SYNTAX
    assert c("BITCOUNT", "k", 1, 2, "BIT", "x") == SYNTAX
    assert c("BITCOUNT", "k", "x", 2) == NOT_INTEGER


def test_bitpos(c):
    c("SET", "k", b"\xff\xf0\x00")
    assert c("BITPOS", "k", 0) == 12
    assert c("BITPOS", "k", 1) == 0
    assert c("BITPOS", "k", 1, 2) == -1
    assert c("BITPOS", "k", 1, -2) == 8
    assert c("BITPOS", "k", 0, 0, 0) == -1
    assert c("BITPOS", "k", 0, 9, 13, "BIT") == 12
    c("SET", "ones", b"\xff" * 40)
    assert c("BITPOS", "ones", 0) == 320
    assert c("BITPOS", "ones", 0, 39) == 320
    assert c("BITPOS", "ones", 0, 0, -1) == -1
    assert c("BITPOS", "ones", 0, 40) == -1
    c("SET", "zeros", b"\x00" * 100 + b"\x01")
    assert c("BITPOS", "zeros", 1) == 807
    assert c("BITPOS", "zeros", 1, 0, 806, "BIT") == -1
    assert c("BITPOS", "nosuch", 0) == 0
    assert c("BITPOS", "nosuch", 1) == -1
    assert c("BITPOS", "k", 2) == Error("ERR The bit argument must be 1 or 0.")
    assert c("BITPOS", "k", "x") == NOT_INTEGER
    assert c("BITPOS", "k", 1, 1, 1, "FOO") == SYNTAX


def test_bitpos_of_noise(c):
    chance = random.Random(9)
    for _ in range(60):
        data = bytes(chance.choice([0, 0, 0, 0, 1, 128, 255, 255]) for _ in range(50))
        bits = bits_of(data)
        c("SET", "k", data)
        for bit in (0, 1):
            start, end = sorted(chance.sample(range(400), 2))
            part = bits[start:end + 1]
            expected = part.index(bit) + start if bit in part else -1
            assert c("BITPOS", "k", bit, start, end, "BIT") == expected


def test_bitop(c):
    a, b = random.Random(1).randbytes(101), random.Random(2).randbytes(64)
    c("MSET", "a", a, "b", b, "n", "12")
    padded = b + bytes(37)
    assert c("BITOP", "AND", "r", "a", "b") == 101
    assert c("GET", "r") == bytes(x & y for x, y in zip(a, padded))
    assert c("BITOP", "or", "r", "b", "a") == 101
    assert c("GET", "r") == bytes(x | y for x, y in zip(a, padded))
    assert c("BITOP", "XOR", "r", "a", "b", "a") == 101
    assert c("GET", "r") == padded
    assert c("BITOP", "NOT", "a", "a") == 101
    assert c("GET", "a") == bytes(255 - x for x in a)
    assert c("BITOP", "AND", "r", "b", "nosuch") == 64
    assert c("GET", "r") == bytes(64)
    assert c("BITOP", "OR", "r", "n", "n") == 2
    assert c("GET", "r") == b"12"
    assert c("OBJECT", "ENCODING", "r") == b"raw"
    c("EXPIRE", "r", 1000)
    assert c("BITOP", "OR", "r", "n") == 2
    assert c("TTL", "r") == -1
    assert c("BITOP", "OR", "r", "nosuch") == 0
    assert c("EXISTS", "r") == 0
    assert c("BITOP", "NOT", "r", "a", "b") == Error(
        "ERR BITOP NOT must be called with a single source key.")
    assert c("BITOP", "NAND", "r", "a") == SYNTAX


def test_bitfield(c):
    assert c("BITFIELD", "k", "SET", "u8", 0, 255, "GET", "u8", 0, "GET", "i8", 0) == [0, 255, -1]
    assert c("BITFIELD", "k", "INCRBY", "u8", 0, 10) == [9]
    assert c("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "u8", 0, 1000) == [255]
    assert c("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", 0, 1) == [None]
    assert c("BITFIELD", "k", "INCRBY", "i5", "#3", 15, "INCRBY", "i5", "#3", 1) == [15, -16]
    c("BITFIELD", "k", "SET", "i64", 3, -2 ** 63)
    assert c("BITFIELD", "k", "GET", "i64", 3) == [-2 ** 63]
    assert c("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "i64", 3, -1) == [-2 ** 63]
    assert c("BITFIELD", "k", "OVERFLOW", "WRAP", "INCRBY", "i64", 3, -1) == [2 ** 63 - 1]
    assert c("BITFIELD", "nosuch", "GET", "u63", 7) == [0]
    assert c("EXISTS", "nosuch") == 0
    assert c("BITFIELD", "k") == []
    # the string grows even if all is refused
    assert c("BITFIELD", "long", "OVERFLOW", "FAIL", "SET", "u1", 100, 2) == [None]
    assert c("STRLEN", "long") == 13


def test_bitfield_errors(c):
    for words, error in [
            (("GET", "u64", 0), BAD_WIDTH), (("GET", "i65", 0), BAD_WIDTH),
            (("GET", "x8", 0), BAD_WIDTH), (("GET", "", 0), BAD_WIDTH),
            (("GET", "u0", 0), BAD_WIDTH), (("GET", "u8", "x"), BAD_OFFSET),
            (("GET", "u8", "#-1"), BAD_OFFSET), (("SET", "u8", 0, "x"), NOT_INTEGER),
            (("SET", "u8", 0), SYNTAX), (("GET",), SYNTAX), (("FOO", 1, 2, 3), SYNTAX),
            (("OVERFLOW", "FOO"), Error("ERR Invalid OVERFLOW type specified"))]:
        assert c("BITFIELD", "k", *words) == error, words
    assert c("BITFIELD_RO", "k", "SET", "u8", 0, 1) == Error(
        "ERR BITFIELD_RO only supports the GET subcommand")
    assert c("EXISTS", "k") == 0
    assert c("SET", "k", "A") == OK
    assert c("BITFIELD_RO", "k", "GET", "u8", 0) == [65]


def test_it_is_in_the_log(start):
    server = start("kv")
    with server.connect() as c:
        c("SETBIT", "a", 1000, 1)
        c("BITFIELD", "b", "SET", "u16", 5, 4660)
        c("SET", "x", "foo")
        c("BITOP", "NOT", "d", "x")
        before = c("MGET", "a", "b", "d")
    server.kill()
    server.start()
    with server.connect() as c:
        assert c("MGET", "a", "b", "d") == before


def test_keys_of_the_wrong_type(c):
    if isinstance(c("RPUSH", "l", "x"), Error):
        return
    for words in [("SETBIT", "l", 1, 1), ("GETBIT", "l", 1), ("BITCOUNT", "l"), ("BITPOS", "l", 1),
                  ("BITOP", "OR", "r", "l"), ("BITFIELD", "l", "GET", "u8", 0),
                  ("BITFIELD", "l", "SET", "u8", 0, 1)]:
        assert c(*words) == WRONG_TYPE
