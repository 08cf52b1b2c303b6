"""SORT and SORT_RO."""
import random

import pytest

from harness import NOT_INTEGER, SYNTAX, WRONG_TYPE, Error

BAD_SCORE = Error("ERR One or more scores can't be converted into double")


def words(text):
    return [word.encode() for word in text.split()]


@pytest.fixture(params=["list", "set", "zset", "set-large"])
def numbers(request, c):
    """Numbers under `k` as a value of each type; their order in a list is not sorted."""
    values = list(range(1000)) if request.param == "set-large" else [3, 1, 10, 2, -5]
    if request.param == "list":
        c("RPUSH", "k", *values)
    elif request.param == "zset":
        c("ZADD", "k", *[word for value in values for word in (7, value)])
    else:
        c("SADD", "k", *values, *(["2.5"] if request.param == "set" else []))
        values = values + ([2.5] if request.param == "set" else [])
    return values


def test_by_number(c, numbers):
    ordered = [str(value).encode() for value in sorted(numbers)]
    assert c("SORT", "k") == ordered
    assert c("SORT_RO", "k") == ordered
    assert c("SORT", "k", "DESC") == ordered[::-1]
    assert c("SORT", "k", "LIMIT", 1, 2) == ordered[1:3]
    assert c("SORT", "k", "LIMIT", 2, -1) == ordered[2:]
    assert c("SORT", "k", "LIMIT", -7, 1) == ordered[:1]
    assert c("SORT", "k", "LIMIT", 5000, 10) == []


def test_by_text(c, numbers):
    ordered = sorted(str(value).encode() for value in numbers)
    assert c("SORT", "k", "ALPHA") == ordered
    assert c("SORT", "k", "alpha", "desc") == ordered[::-1]


def test_by_other_keys(c):
    c("RPUSH", "k", "a", "b", "c", "d")
    c("MSET", "w_a", 3, "w_b", 1, "w_c", 2, "name_a", "x", "name_b", "z", "name_c", "y")
    c("HSET", "h_a", "w", 1, "n", "anna")
    c("HSET", "h_b", "w", 2)
    c("HSET", "h_c", "w", -3)
    assert c("SORT", "k", "BY", "w_*") == words("d b c a")
    assert c("SORT", "k", "BY", "name_*", "ALPHA") == words("d a c b")
    assert c("SORT", "k", "BY", "h_*->w") == words("c d a b")
    assert c("SORT", "k", "BY", "nosuch_*", "DESC") == words("d c b a")
    assert c("SORT", "k", "BY", "w_*", "GET", "#", "GET", "w_*", "GET", "h_*->n") == [
        b"d", None, None, b"b", b"1", None, b"c", b"2", None, b"a", b"3", b"anna"]
    assert c("SORT", "k", "ALPHA", "GET", "nostar", "LIMIT", 0, 2) == [None, None]
    assert c("SORT", "k", "ALPHA", "GET", "h_*", "GET", "k", "LIMIT", 0, 1) == [None, None]
    assert c("SORT", "k", "ALPHA", "GET", "w_*->", "LIMIT", 0, 1) == [None]


def test_unsorted(c):
    c("RPUSH", "l", 3, 1, 2)
    c("ZADD", "z", 1, "b", 2, "a", 3, "c")
    assert c("SORT", "l", "BY", "nosort") == words("3 1 2")
    assert c("SORT", "l", "BY", "nosort", "DESC", "LIMIT", 0, 2) == words("2 1")
    assert c("SORT", "z", "BY", "nosort") == words("b a c")
    assert c("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 1, 1) == words("a")
    c("SADD", "s", "c", "a", "b")
    assert sorted(c("SORT", "s", "BY", "nosort")) == words("a b c")
    assert c("SORT", "s", "BY", "nosort", "STORE", "d") == 3
    assert c("LRANGE", "d", 0, -1) == words("a b c")


def test_store(c):
    c("RPUSH", "k", 3, 1, 2)
    c("MSET", "w_1", "one", "d", "old")
    assert c("SORT", "k", "STORE", "d") == 3
    assert c("LRANGE", "d", 0, -1) == words("1 2 3")
    assert c("SORT", "k", "GET", "w_*", "GET", "#", "STORE", "d") == 6
    assert c("LRANGE", "d", 0, -1) == [b"one", b"1", b"", b"2", b"", b"3"]
    assert c("SORT", "k", "STORE", "k") == 3
    assert c("LRANGE", "k", 0, -1) == words("1 2 3")
    assert c("SORT", "nosuch", "STORE", "d") == 0
    assert c("EXISTS", "d") == 0
    assert c("SORT", "nosuch") == []


def test_errors(c):
    c("SET", "string", "x")
    assert c("SORT", "string") == WRONG_TYPE
    c("HSET", "h", "a", "b")
    assert c("SORT", "h") == WRONG_TYPE
    c("RPUSH", "k", "a", "1")
    assert c("SORT", "k") == BAD_SCORE
    c("RPUSH", "n", "nan")
    assert c("SORT", "n") == BAD_SCORE
    for options in [("FOO",), ("BY",), ("GET",), ("LIMIT", 1), ("STORE",), ("LIMIT",)]:
        assert c("SORT", "k", *options) == SYNTAX, options
    assert c("SORT", "k", "LIMIT", "x", 1) == NOT_INTEGER
    assert c("SORT_RO", "k", "STORE", "d") == SYNTAX


def test_scores_as_text(c):
    c("RPUSH", "k", "", " 1", "0x10", "1e2", "-inf", "inf", "2.50")
    assert c("SORT", "k") == [b"-inf", b"", b" 1", b"2.50", b"0x10", b"1e2", b"inf"]


def test_its_keys(c):
    assert c("COMMAND", "GETKEYS", "SORT", "a", "BY", "b*", "GET", "c*", "STORE", "d") == [
        b"a", b"d"]
    assert c("COMMAND", "GETKEYS", "SORT_RO", "a", "BY", "b*") == [b"a"]


def test_it_is_in_the_log(start):
    """As what was stored, whatever the keys that it came from say by now."""
    server = start("kv")
    values = random.Random(4).sample(range(10 ** 6), 2500)
    with server.connect() as c:
        c("RPUSH", "k", *values)
        c("SET", "d", "old")
        assert c("SORT", "k", "STORE", "d") == 2500
        c("SADD", "s", 5, 3)
        c("SET", "e", "old")
        c("SORT", "s", "LIMIT", 0, 0, "STORE", "e")
        before = c("LRANGE", "d", 0, -1)
        assert before == [str(value).encode() for value in sorted(values)]
    server.kill()
    server.start()
    with server.connect() as c:
        assert c("LRANGE", "d", 0, -1) == before
        assert c("EXISTS", "e") == 0
