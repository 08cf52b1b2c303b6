"""Sorted sets, small and large: every command of members, ranges and ends. The errors of arguments
are compared with redis-server's by the differential run, too."""
import random

import pytest

from harness import NOT_FLOAT, NOT_INTEGER, OK, SYNTAX, WRONG_TYPE, Error, wrong_arity

INF = float("inf")
POSITIVE = Error("ERR value is out of range, must be positive")
NO_FLOAT_RANGE = Error("ERR min or max is not a float")
NO_STRING_RANGE = Error("ERR min or max not valid string range item")
SIZES = [3, 128, 129, 500]


def flat(c, pairs):
    """Members with scores as a range answers them."""
    if c.resp == 3:
        return [[member, float(score)] for member, score in pairs]
    return [word for member, score in pairs for word in (member, text(score))]


def text(score):
    return b"%d" % score if score == int(score) else repr(score).encode()


def value(c, score):
    return float(score) if c.resp == 3 else text(score)


def fill(c, count, key="z"):
    """Members m000 ... with scores 0 ..., in any order."""
    numbers = list(range(count))
    random.Random(count).shuffle(numbers)
    words = [word for i in numbers for word in (i, b"m%03d" % i)]
    assert c("ZADD", key, *words) == count
    return [(b"m%03d" % i, i) for i in range(count)]


def test_add_and_look(c):
    assert c("ZADD", "z", "1", "a", "2.5", "b") == 2
    assert c("ZADD", "z", "3", "a", "2.5", "b", "-1", "c") == 1
    assert c("ZCARD", "z") == 3 and c("ZCARD", "none") == 0
    assert c("ZSCORE", "z", "a") == value(c, 3)
    assert c("ZSCORE", "z", "b") == value(c, 2.5)
    assert c("ZSCORE", "z", "none") is None and c("ZSCORE", "none", "a") is None
    assert c("ZMSCORE", "z", "c", "none", "a") == [value(c, -1), None, value(c, 3)]
    assert c("ZMSCORE", "none", "a", "b") == [None, None]
    assert c("ZRANGE", "z", 0, -1) == [b"c", b"b", b"a"]
    assert str(c("TYPE", "z")) == "zset"


def test_options_of_zadd(c):
    assert c("ZADD", "z", "XX", "1", "a") == 0 and c("EXISTS", "z") == 0
    assert c("ZADD", "z", "NX", "1", "a") == 1
    assert c("ZADD", "z", "NX", "2", "a", "1", "b") == 1
    assert c("ZADD", "z", "XX", "CH", "2", "a", "1", "new") == 1
    assert c("ZADD", "z", "CH", "GT", "1", "a", "5", "b", "1", "c") == 2
    assert c("ZADD", "z", "CH", "LT", "1", "a", "9", "b") == 1
    assert c("ZRANGE", "z", 0, -1, "WITHSCORES") == flat(c, [(b"a", 1), (b"c", 1), (b"b", 5)])
    assert c("ZADD", "z", "INCR", "2", "a") == value(c, 3)
    assert c("ZADD", "z", "INCR", "NX", "2", "a") is None
    assert c("ZADD", "z", "INCR", "XX", "2", "none") is None
    assert c("ZADD", "z", "INCR", "GT", "-2", "a") is None
    assert c("ZADD", "z", "INCR", "GT", "1.5", "a") == value(c, 4.5)


def test_errors_of_zadd(c):
    assert c("ZADD", "z", "NX", "XX", "1", "a") == Error(
        "ERR XX and NX options at the same time are not compatible")
    for options in (["GT", "LT"], ["GT", "NX"], ["LT", "NX"]):
        assert c("ZADD", "z", *options, "1", "a") == Error(
            "ERR GT, LT, and/or NX options at the same time are not compatible")
    assert c("ZADD", "z", "INCR", "1", "a", "2", "b") == Error(
        "ERR INCR option supports a single increment-element pair")
    assert c("ZADD", "z", "1", "a", "2") == SYNTAX
    assert c("ZADD", "z", "NX", "CH") == SYNTAX
    for bad in ("x", "nan", "", "1 "):
        assert c("ZADD", "z", "1", "a", bad, "b") == NOT_FLOAT
        assert c("ZINCRBY", "z", bad, "a") == NOT_FLOAT
    assert c("EXISTS", "z") == 0
    assert c("ZADD", "z", "inf", "a") == 1
    assert c("ZINCRBY", "z", "-inf", "a") == Error("ERR resulting score is not a number (NaN)")
    assert c("ZSCORE", "z", "a") == (INF if c.resp == 3 else b"inf")


def test_other_types_are_refused(c):
    assert c("SET", "s", "x") == OK
    for words in ("ZADD s 1 a", "ZINCRBY s 1 a", "ZREM s a", "ZCARD s", "ZSCORE s a", "ZMSCORE s a",
                  "ZRANK s a", "ZREVRANK s a", "ZRANDMEMBER s", "ZSCAN s 0", "ZRANGE s 0 -1",
                  "ZRANGESTORE z s 0 -1", "ZREVRANGE s 0 -1", "ZRANGEBYSCORE s 0 1",
                  "ZRANGEBYLEX s - +", "ZCOUNT s 0 1", "ZLEXCOUNT s - +", "ZREMRANGEBYRANK s 0 1",
                  "ZREMRANGEBYSCORE s 0 1", "ZREMRANGEBYLEX s - +", "ZPOPMIN s", "ZPOPMAX s",
                  "ZMPOP 1 s MIN", "BZPOPMIN s 0", "BZMPOP 0 1 s MIN"):
        assert c(*words.split()) == WRONG_TYPE, words
    assert c("GET", "s") == b"x"


@pytest.mark.parametrize("count", SIZES)
def test_ranks_and_ranges(c, count):
    pairs = fill(c, count)
    assert c("OBJECT", "ENCODING", "z") == (b"listpack" if count <= 128 else b"skiplist")
    assert c("ZRANGE", "z", 0, -1, "WITHSCORES") == flat(c, pairs)
    assert c("ZREVRANGE", "z", 0, -1, "WITHSCORES") == flat(c, pairs[::-1])
    for member, rank in pairs[:3] + pairs[-3:]:
        assert c("ZRANK", "z", member) == rank
        assert c("ZREVRANK", "z", member) == count - 1 - rank
    for start, stop in [(0, 0), (1, 2), (-2, -1), (-1000, 1000), (2, 1), (count, -1), (5, -1000)]:
        low, high = (i + count if i < 0 else i for i in (start, stop))
        want = pairs[max(low, 0):max(high + 1, 0)]
        assert c("ZRANGE", "z", start, stop, "WITHSCORES") == flat(c, want)
        assert c("ZRANGE", "z", start, stop, "REV") == [
            m for m, _ in pairs[::-1][max(low, 0):max(high + 1, 0)]]
    assert c("ZRANGEBYSCORE", "z", "(1", 3) == [m for m, _ in pairs[2:4]]
    assert c("ZREVRANGEBYSCORE", "z", "+inf", "-inf", "LIMIT", 1, 2) == [
        m for m, _ in pairs[::-1][1:3]]
    assert c("ZRANGE", "z", "+inf", "(0", "BYSCORE", "REV", "LIMIT", 0, -1) == [
        m for m, _ in pairs[:0:-1]]
    assert c("ZRANGE", "z", 0, "inf", "BYSCORE", "LIMIT", -1, 2) == []
    assert c("ZCOUNT", "z", "-inf", "(2") == 2
    assert c("ZCOUNT", "z", 5, 1) == 0


@pytest.mark.parametrize("count", SIZES)
def test_ranges_of_members(c, count):
    members = [b"m%03d" % i for i in range(count)]
    assert c("ZADD", "z", *[w for m in members for w in (0, m)]) == count
    assert c("ZRANGEBYLEX", "z", "-", "+") == members
    assert c("ZREVRANGEBYLEX", "z", "+", "[m001") == members[:0:-1]
    assert c("ZRANGEBYLEX", "z", "(m000", "[m002") == members[1:3]
    assert c("ZRANGE", "z", "[m001", "(m002", "BYLEX") == [b"m001"]
    assert c("ZRANGE", "z", "+", "-", "BYLEX", "REV", "LIMIT", 1, 1) == [members[-2]]
    assert c("ZRANGEBYLEX", "z", "+", "-") == []
    assert c("ZLEXCOUNT", "z", "[m001", "+") == count - 1
    assert c("ZLEXCOUNT", "z", "(m", "(n") == count
    assert c("ZREMRANGEBYLEX", "z", "[m001", "[m001") == 1
    assert c("ZREMRANGEBYLEX", "z", "-", "+") == count - 1
    assert c("EXISTS", "z") == 0


def test_errors_of_ranges(c):
    limit = Error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                  "BYLEX")
    scores = Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    for words, error in [
            ("ZRANGE z a b", NOT_INTEGER), ("ZRANGE z 0 1 LIMIT 0 1", limit),
            ("ZREVRANGE z 0 1 LIMIT 0 1", limit), ("ZRANGE z - + BYLEX WITHSCORES", scores),
            ("ZRANGEBYLEX z - + WITHSCORES", scores), ("ZRANGE z 0 1 BYLEX", NO_STRING_RANGE),
            ("ZRANGE z x 1 BYSCORE", NO_FLOAT_RANGE), ("ZRANGE z 0 1 BYSCORE BYLEX", SYNTAX),
            ("ZRANGEBYSCORE z 0 1 REV", SYNTAX), ("ZRANGEBYSCORE z 0 1 LIMIT 0", SYNTAX),
            ("ZRANGEBYSCORE z 0 1 LIMIT x 1", NOT_INTEGER), ("ZCOUNT z 1 nan", NO_FLOAT_RANGE),
            ("ZLEXCOUNT z a b", NO_STRING_RANGE), ("ZREMRANGEBYRANK z x 1", NOT_INTEGER),
            ("ZRANGESTORE d z 0 1 WITHSCORES", SYNTAX)]:
        assert c(*words.split()) == error, words


@pytest.mark.parametrize("count", SIZES)
def test_members_are_taken_out(c, count):
    pairs = fill(c, count)
    assert c("ZREM", "z", "m000", "none", "m002", "m000") == 2
    assert c("ZREMRANGEBYRANK", "z", 0, 0) == 1
    assert c("ZREMRANGEBYSCORE", "z", "-inf", "(5") == len(pairs[3:5])
    assert c("ZRANGE", "z", 0, -1) == [m for m, _ in pairs[5:]]
    assert c("ZREMRANGEBYRANK", "z", 0, -1) == len(pairs[5:])
    assert c("EXISTS", "z") == 0
    assert c("ZREM", "z", "a") == 0


@pytest.mark.parametrize("count", SIZES)
def test_the_ends_are_popped(c, count):
    pairs = fill(c, count)
    one = [pairs[0][0], value(c, 0)]
    assert c("ZPOPMIN", "z") == one
    assert c("ZPOPMAX", "z", 1) == flat(c, pairs[-1:])
    assert c("ZPOPMIN", "z", 0) == []
    assert c("ZPOPMIN", "z", 100000) == flat(c, pairs[1:-1])
    assert c("EXISTS", "z") == 0
    assert c("ZPOPMIN", "z") == [] and c("ZPOPMAX", "z", 5) == []


def test_errors_of_pops(c):
    fill(c, 3)
    assert c("ZPOPMIN", "z", "-1") == POSITIVE and c("ZPOPMAX", "z", "x") == POSITIVE
    assert c("ZPOPMIN", "z", "1", "2") == SYNTAX
    keys = Error("ERR numkeys should be greater than 0")
    count = Error("ERR count should be greater than 0")
    for words, error in [
            ("0 z MIN", keys), ("x z MIN", keys), ("1 z FOO", SYNTAX), ("2 z MIN", SYNTAX),
            ("1 z MIN COUNT 0", count), ("1 z MIN COUNT x", count), ("1 z MIN COUNT", SYNTAX),
            ("1 z MIN COUNT 1 COUNT 1", SYNTAX)]:
        assert c("ZMPOP", *words.split()) == error, words
        assert c("BZMPOP", "0", *words.split()) == error, words


def test_zmpop(c):
    pairs = fill(c, 4)
    assert c("ZMPOP", 2, "none", "z", "MIN") == [b"z", [[b"m000", value(c, 0)]]]
    assert c("ZMPOP", 1, "z", "max", "COUNT", 2) == [
        b"z", [[m, value(c, s)] for m, s in pairs[:1:-1]]]
    assert c("ZMPOP", 1, "z", "MIN", "COUNT", 10) == [b"z", [[b"m001", value(c, 1)]]]
    assert c("ZMPOP", 1, "z", "MIN") is None


@pytest.mark.parametrize("count", SIZES)
def test_zrangestore(c, count):
    pairs = fill(c, count)
    assert c("ZRANGESTORE", "d", "z", 1, -1) == count - 1
    assert c("ZRANGE", "d", 0, -1, "WITHSCORES") == flat(c, pairs[1:])
    assert c("ZRANGESTORE", "d", "z", "(0", 2, "BYSCORE") == 2
    assert c("ZRANGE", "d", 0, -1, "WITHSCORES") == flat(c, pairs[1:3])
    assert c("ZRANGESTORE", "z", "z", 0, 1, "REV") == 2
    assert c("ZRANGE", "z", 0, -1, "WITHSCORES") == flat(c, pairs[-2:])
    assert c("ZRANGESTORE", "d", "none", 0, -1) == 0
    assert c("EXISTS", "d") == 0


@pytest.mark.parametrize("count", SIZES)
def test_random_members(c, count):
    members = [m for m, _ in fill(c, count)]
    assert c("ZRANDMEMBER", "none") is None and c("ZRANDMEMBER", "none", 3) == []
    assert c("ZRANDMEMBER", "z") in members
    assert c("ZRANDMEMBER", "z", 0) == []
    for want in (1, 2, count - 1, count, count + 10):
        found = c("ZRANDMEMBER", "z", want)
        assert len(found) == len(set(found)) == min(want, count)
        assert set(found) <= set(members)
    assert len(c("ZRANDMEMBER", "z", -700)) == 700
    found = c("ZRANDMEMBER", "z", 2, "WITHSCORES")
    pairs = found if c.resp == 3 else list(zip(found[::2], found[1::2]))
    assert all(b"m%03d" % int(float(score)) == member for member, score in pairs)
    seen = set(c("ZRANDMEMBER", "z", -20 * count))
    assert len(seen) > count * 0.9


@pytest.mark.parametrize("count", SIZES + [5000])
def test_a_scan_finds_every_member(c, count):
    members = dict(fill(c, count))
    found, cursor = {}, b"0"
    while True:
        cursor, words = c("ZSCAN", "z", cursor, "COUNT", 50)
        found.update(zip(words[::2], (int(w) for w in words[1::2])))
        if cursor == b"0":
            break
    assert found == members
    assert c("ZSCAN", "none", 0) == [b"0", []]
    assert c("ZSCAN", "z", "x") == Error("ERR invalid cursor")
    if count <= 128:
        assert c("ZSCAN", "z", 0, "MATCH", "m00[01]") == [b"0", [b"m000", b"0", b"m001", b"1"]]


def test_the_form_follows_the_limits(c):
    c("ZADD", "z", 1, "m" * 64)
    assert c("OBJECT", "ENCODING", "z") == b"listpack"
    c("ZADD", "z", 1, "m" * 65)
    assert c("OBJECT", "ENCODING", "z") == b"skiplist"
    c("ZREM", "z", "m" * 65)
    assert c("OBJECT", "ENCODING", "z") == b"skiplist"
    c("ZRANGESTORE", "d", "z", 0, -1)
    assert c("OBJECT", "ENCODING", "d") == b"listpack"


def test_a_copy_is_another_set(c):
    for count in (3, 300):
        fill(c, count)
        assert c("COPY", "z", "d", "REPLACE") == 1
        assert c("ZADD", "z", 1, "more") == 1
        assert c("ZCARD", "d") == count
        assert c("DEL", "z", "d") == 2


def test_ranks_with_scores(kv):
    fill(kv, 3)
    assert kv("ZRANK", "z", "m001", "WITHSCORE") == [1, b"1"]
    assert kv("ZREVRANK", "z", "m000", "withscore") == [2, b"0"]
    assert kv("ZRANK", "z", "none", "WITHSCORE") is None
    assert kv("ZRANK", "z", "m001", "FOO") == SYNTAX
    assert kv("ZRANK", "z", "m001", "WITHSCORE", "x") == wrong_arity("zrank")


def test_a_random_life_survives_a_kill(start):
    server = start("kv", appendfsync="always")
    chance = random.Random(5)
    with server.connect() as c:
        for i in range(3000):
            key, member = chance.choice("abc"), b"m%d" % chance.randrange(300)
            words = chance.choice([
                ["ZADD", key, chance.random(), member], ["ZADD", key, i, member, -i, b"x" + member],
                ["ZINCRBY", key, "0.1", member], ["ZREM", key, member], ["ZPOPMIN", key],
                ["ZADD", key, "INCR", "1e-3", member], ["ZPOPMAX", key, 3],
                ["ZMPOP", 2, key, "a", "MAX"], ["BZPOPMIN", key, "a", "0.001"],
                ["BZMPOP", "0.001", 1, key, "MIN", "COUNT", 2],
                ["ZREMRANGEBYRANK", key, 0, 1], ["ZREMRANGEBYSCORE", key, 0.5, 0.51],
                ["ZRANGESTORE", key, "a", 0, 400]])
            assert not isinstance(c(*words), Error), words
        before = [c("ZRANGE", key, 0, -1, "WITHSCORES") for key in "abc"]
        assert any(before)
    server.kill()
    server.start()
    with server.connect() as c:
        assert [c("ZRANGE", key, 0, -1, "WITHSCORES") for key in "abc"] == before
