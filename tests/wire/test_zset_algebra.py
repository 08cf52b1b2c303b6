"""Unions, intersections and differences of sorted sets and sets."""
import pytest

from harness import NOT_INTEGER, OK, SYNTAX, WRONG_TYPE, Error


@pytest.fixture
def z(c):
    assert c("ZADD", "a", 1, "x", 2, "y", 3, "z") == 3
    assert c("ZADD", "b", 10, "y", 20, "z", 30, "w") == 3
    assert c("SADD", "s", "y", "v") == 2
    return c


def scores(c, *words):
    """Of a reply WITHSCORES: the pairs as text."""
    reply = c(*words, "WITHSCORES")
    pairs = reply if c.resp == 3 else zip(reply[::2], reply[1::2])
    return " ".join(f"{m.decode()}={float(s):g}" for m, s in pairs)


def stored(c, *words):
    count = c(*words)
    text = scores(c, "ZRANGE", "d", 0, -1)
    assert count == len(text.split())
    return text


@pytest.mark.parametrize("words,result", [
    ("UNION 2 a b", "x=1 y=12 z=23 w=30"), ("UNION 2 a s", "v=1 x=1 y=3 z=3"),
    ("UNION 2 a b WEIGHTS 2 0.5", "x=2 y=9 w=15 z=16"),
    ("UNION 2 a b AGGREGATE MIN", "x=1 y=2 z=3 w=30"),
    ("UNION 3 a b s AGGREGATE max WEIGHTS 1 1 100", "x=1 z=20 w=30 v=100 y=100"),
    ("INTER 2 a b", "y=12 z=23"), ("INTER 3 a b s", "y=13"), ("INTER 2 a none", ""),
    ("INTER 2 a b WEIGHTS -1 1 AGGREGATE MIN", "z=-3 y=-2"), ("INTER 2 a a", "x=2 y=4 z=6"),
    ("DIFF 2 a b", "x=1"), ("DIFF 2 b a", "w=30"), ("DIFF 2 a s", "x=1 z=3"),
    ("DIFF 2 s a", "v=1"), ("DIFF 1 none", ""), ("DIFF 2 a none", "x=1 y=2 z=3")])
def test_results(z, words, result):
    kind, *rest = words.split()
    assert scores(z, "Z" + kind, *rest) == result
    assert z("Z" + kind, *rest) == [pair.split("=")[0].encode() for pair in result.split()]
    assert stored(z, f"Z{kind}STORE", "d", *rest) == result
    assert z("EXISTS", "d") == bool(result)
    assert stored(z, f"Z{kind}STORE", "d", *rest) == result


def test_the_destination_may_be_a_source(z):
    assert z("ZUNIONSTORE", "a", 2, "a", "b") == 4
    assert scores(z, "ZRANGE", "a", 0, -1) == "x=1 y=12 z=23 w=30"
    assert z("ZINTERSTORE", "s", 1, "s") == 2
    assert str(z("TYPE", "s")) == "zset"
    assert z("ZDIFFSTORE", "s", 2, "s", "s") == 0
    assert z("EXISTS", "s") == 0


def test_what_is_no_number_is_zero(c):
    c("ZADD", "a", "inf", "x")
    c("ZADD", "b", "-inf", "x")
    assert scores(c, "ZUNION", 2, "a", "b") == "x=0"
    assert scores(c, "ZINTER", 2, "a", "b") == "x=0"
    assert scores(c, "ZUNION", 1, "a", "WEIGHTS", 0) == "x=0"
    assert scores(c, "ZINTER", 1, "a", "WEIGHTS", "inf") == "x=inf"


def test_large_sets(c):
    for key, step in (("a", 2), ("b", 3)):
        c("ZADD", key, *[w for i in range(0, 3000, step) for w in (i, f"m{i}")])
    assert c("ZINTER", 2, "a", "b") == [b"m%d" % i for i in range(0, 3000, 6)]
    assert c("ZINTERCARD", 2, "a", "b") == 500
    assert len(c("ZUNION", 2, "a", "b")) == 2000
    assert c("ZDIFF", 2, "a", "b") == [b"m%d" % i for i in range(0, 3000, 2) if i % 3]
    assert c("ZINTERSTORE", "d", 2, "a", "b") == 500
    assert c("OBJECT", "ENCODING", "d") == b"skiplist"
    assert c("ZDIFFSTORE", "d", 2, "d", "a") == 0
    assert c("ZINTERSTORE", "d", 2, "a", "b", "AGGREGATE", "MAX") == 500
    assert c("ZREMRANGEBYRANK", "d", 100, -1) == 400
    assert c("ZUNIONSTORE", "d", 1, "d") == 100
    assert c("OBJECT", "ENCODING", "d") == b"listpack"


def test_zintercard(z):
    assert z("ZINTERCARD", 2, "a", "b") == 2
    assert z("ZINTERCARD", 2, "a", "b", "LIMIT", 1) == 1
    assert z("ZINTERCARD", 2, "a", "b", "LIMIT", 0) == 2
    assert z("ZINTERCARD", 2, "a", "none") == 0
    for bad in ("-1", "x"):
        assert z("ZINTERCARD", 2, "a", "b", "LIMIT", bad) == Error("ERR LIMIT can't be negative")


def test_errors(z):
    assert z("SET", "text", "x") == OK
    for words, error in [
            ("ZUNION 0 a", Error("ERR at least 1 input key is needed for 'zunion' command")),
            ("ZINTERSTORE d -1 a",
             Error("ERR at least 1 input key is needed for 'zinterstore' command")),
            ("ZUNION x a", NOT_INTEGER), ("ZUNION 3 a b", SYNTAX), ("ZUNION 2 a text", WRONG_TYPE),
            ("ZUNION 2 a b WEIGHTS 1", SYNTAX), ("ZUNION 2 a b AGGREGATE FOO", SYNTAX),
            ("ZUNION 2 a b WEIGHTS 1 x", Error("ERR weight value is not a float")),
            ("ZUNIONSTORE d 2 a b WITHSCORES", SYNTAX), ("ZDIFF 2 a b WEIGHTS 1 2", SYNTAX),
            ("ZDIFF 2 a b AGGREGATE SUM", SYNTAX), ("ZINTERCARD 2 a b WITHSCORES", SYNTAX)]:
        assert z(*words.split()) == error, words
    assert z("EXISTS", "d") == 0
