"""Lists: pushing, popping, reading, editing, moving; both encodings and the way between them."""
import random

import pytest

from harness import NOT_INTEGER, NO_KEY, OK, SYNTAX, WRONG_TYPE, Error, Status, wrong_arity

POSITIVE = Error("ERR value is out of range, must be positive")


def elements(c, key="l"):
    return c("LRANGE", key, 0, -1)


def fill(c, *words, key="l"):
    c("DEL", key)
    return c("RPUSH", key, *words)


def test_push_and_pop_at_both_ends(c):
    assert c("LPUSH", "l", "b", "a") == 2
    assert c("RPUSH", "l", "c", "d") == 4
    assert elements(c) == [b"a", b"b", b"c", b"d"]
    assert (c("LPOP", "l"), c("RPOP", "l")) == (b"a", b"d")
    assert c("LPOP", "l", 5) == [b"b", b"c"]
    assert c("EXISTS", "l") == 0
    assert c("TYPE", "l") == Status("none")


def test_pop_with_count(c):
    fill(c, 1, 2, 3, 4)
    assert c("RPOP", "l", 2) == [b"4", b"3"]
    assert c("RPOP", "l", 0) == []
    assert c("LPOP", "none", 3) is None
    assert c("LPOP", "none") is None
    assert c("LPOP", "l", -1) == c("LPOP", "l", "x") == c("LPOP", "none", 2 ** 63) == POSITIVE
    assert c("LPOP", "l", 1, 2) == wrong_arity("lpop")
    assert c.raw("LPOP", "none", 3) == (b"_\r\n" if c.resp == 3 else b"*-1\r\n")
    assert c.raw("LPOP", "none") == (b"_\r\n" if c.resp == 3 else b"$-1\r\n")


def test_push_to_existing_only(c):
    assert c("LPUSHX", "l", "a") == c("RPUSHX", "l", "a") == 0
    assert c("EXISTS", "l") == 0
    fill(c, "m")
    assert c("LPUSHX", "l", "b", "a") == 3
    assert c("RPUSHX", "l", "z") == 4
    assert elements(c) == [b"a", b"b", b"m", b"z"]


def test_range_and_index(c):
    fill(c, *range(10))
    for start in range(-12, 13):
        for stop in range(-12, 13):
            first = max(start + 10 if start < 0 else start, 0)
            last = stop + 10 if stop < 0 else stop
            expected = [b"%d" % i for i in range(first, min(last, 9) + 1)]
            assert c("LRANGE", "l", start, stop) == expected
    assert [c("LINDEX", "l", i) for i in (0, 9, 10, -1, -10, -11)] == [
        b"0", b"9", None, b"9", b"0", None]
    assert c("LINDEX", "l", "x") == NOT_INTEGER
    assert c("LINDEX", "none", "x") is None
    assert c("LRANGE", "none", "x", 1) == NOT_INTEGER
    assert c("LRANGE", "none", 0, -1) == []
    assert c("LLEN", "none") == 0


def test_set_and_insert(c):
    fill(c, "a", "b", "c", "b")
    assert c("LSET", "l", 1, "B") == c("LSET", "l", -1, "z") == OK
    assert elements(c) == [b"a", b"B", b"c", b"z"]
    assert c("LSET", "l", 4, "x") == c("LSET", "l", -5, "x") == Error("ERR index out of range")
    assert c("LSET", "none", 0, "x") == NO_KEY
    assert c("LSET", "l", "x", "x") == NOT_INTEGER
    assert c("LINSERT", "l", "before", "a", "0") == 5
    assert c("LINSERT", "l", "AFTER", "z", "9") == 6
    assert elements(c) == [b"0", b"a", b"B", b"c", b"z", b"9"]
    assert c("LINSERT", "l", "before", "none", "x") == -1
    assert c("LINSERT", "none", "before", "a", "x") == 0
    assert c("LINSERT", "none", "between", "a", "x") == SYNTAX


def test_remove(c):
    fill(c, *"abacada")
    assert c("LREM", "l", 1, "a") == 1
    assert elements(c) == [b"b", b"a", b"c", b"a", b"d", b"a"]
    assert c("LREM", "l", -2, "a") == 2
    assert elements(c) == [b"b", b"a", b"c", b"d"]
    assert c("LREM", "l", 0, "x") == 0
    assert c("LREM", "none", 0, "x") == 0
    assert c("LREM", "none", "x", "x") == NOT_INTEGER
    fill(c, *"aaa")
    assert c("LREM", "l", -2 ** 63, "a") == 3
    assert c("EXISTS", "l") == 0


def test_trim(c):
    fill(c, *range(10))
    assert c("LTRIM", "l", 1, -2) == OK
    assert elements(c) == [b"%d" % i for i in range(1, 9)]
    assert c("LTRIM", "l", -100, 100) == OK
    assert c("LLEN", "l") == 8
    assert c("LTRIM", "l", 2, 1) == OK
    assert c("EXISTS", "l") == 0
    assert c("LTRIM", "none", 0, 1) == OK
    assert c("LTRIM", "none", "x", 1) == NOT_INTEGER


def test_position(c):
    fill(c, *"abcabcabc")
    assert c("LPOS", "l", "b") == 1
    assert c("LPOS", "l", "b", "RANK", 2) == 4
    assert c("LPOS", "l", "b", "RANK", -1) == 7
    assert c("LPOS", "l", "b", "RANK", 9) is None
    assert c("LPOS", "l", "b", "COUNT", 0) == [1, 4, 7]
    assert c("LPOS", "l", "b", "COUNT", 2, "RANK", -1) == [7, 4]
    assert c("LPOS", "l", "b", "COUNT", 0, "MAXLEN", 5) == [1, 4]
    assert c("LPOS", "l", "b", "MAXLEN", 1) is None
    assert c("LPOS", "none", "b") is None
    assert c("LPOS", "none", "b", "COUNT", 0) == []
    assert str(c("LPOS", "l", "b", "RANK", 0)).startswith("ERR RANK can't be zero: use 1 to start")
    assert c("LPOS", "l", "b", "COUNT", -1) == Error("ERR COUNT can't be negative")
    assert c("LPOS", "l", "b", "MAXLEN", -1) == Error("ERR MAXLEN can't be negative")
    assert c("LPOS", "l", "b", "RANK") == c("LPOS", "l", "b", "FOO", 1) == SYNTAX


def test_move(c):
    fill(c, *"abc")
    assert c("LMOVE", "l", "m", "LEFT", "RIGHT") == b"a"
    assert c("LMOVE", "l", "m", "right", "left") == b"c"
    assert (elements(c), elements(c, "m")) == ([b"b"], [b"c", b"a"])
    assert c("RPOPLPUSH", "l", "m") == b"b"
    assert c("EXISTS", "l") == 0
    assert elements(c, "m") == [b"b", b"c", b"a"]
    assert c("LMOVE", "m", "m", "LEFT", "RIGHT") == b"b"
    assert elements(c, "m") == [b"c", b"a", b"b"]
    assert c("LMOVE", "m", "m", "LEFT", "LEFT") == b"c"
    assert elements(c, "m") == [b"c", b"a", b"b"]
    fill(c, "single")
    assert c("RPOPLPUSH", "l", "l") == b"single"
    assert elements(c) == [b"single"]
    assert c("LMOVE", "none", "m", "LEFT", "LEFT") is None
    assert c("LMOVE", "none", "m", "up", "LEFT") == c("LMOVE", "none", "m", "LEFT", "x") == SYNTAX
    assert c("SET", "s", "text") == OK
    assert c("LMOVE", "l", "s", "LEFT", "LEFT") == WRONG_TYPE
    assert c("RPOPLPUSH", "s", "l") == WRONG_TYPE
    assert c("RPOPLPUSH", "none", "s") is None
    assert elements(c) == [b"single"]


def test_pop_from_the_first_of_many(c):
    fill(c, 1, 2, 3, key="b")
    assert c("LMPOP", 2, "a", "b", "LEFT") == [b"b", [b"1"]]
    assert c("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 5) == [b"b", [b"3", b"2"]]
    assert c("LMPOP", 1, "b", "LEFT") is None
    keys = Error("ERR numkeys should be greater than 0")
    count = Error("ERR count should be greater than 0")
    assert c("LMPOP", 0, "a", "LEFT") == c("LMPOP", "x", "a", "LEFT") == keys
    assert c("LMPOP", 1, "a", "LEFT", "COUNT", 0) == count
    assert c("LMPOP", 1, "a", "LEFT", "COUNT", "x") == count
    for words in [(2, "a", "LEFT"), (1, "a", "up"), (1, "a", "LEFT", "COUNT"),
                  (1, "a", "LEFT", "COUNT", 1, "COUNT", 1), (1, "a", "LEFT", "FOO", 1)]:
        assert c("LMPOP", *words) == SYNTAX
    assert c("SET", "s", "text") == OK
    assert c("LMPOP", 2, "a", "s", "LEFT") == WRONG_TYPE


def test_other_types(c):
    assert c("SET", "s", "text") == OK
    for words in [("LPUSH", "s", 1), ("RPUSHX", "s", 1), ("LPOP", "s"), ("RPOP", "s", 1),
                  ("LLEN", "s"), ("LINDEX", "s", 0), ("LRANGE", "s", 0, 1), ("LSET", "s", 0, 1),
                  ("LINSERT", "s", "BEFORE", 1, 1), ("LREM", "s", 0, 1), ("LTRIM", "s", 0, 1),
                  ("LPOS", "s", 1), ("BLPOP", "s", 1), ("BLMOVE", "s", "t", "LEFT", "LEFT", 1)]:
        assert c(*words) == WRONG_TYPE
    fill(c, 1)
    assert c("GET", "l") == c("INCR", "l") == c("APPEND", "l", 1) == WRONG_TYPE
    assert c("SET", "l", "text") == OK


def test_elements_keep_their_bytes(c):
    words = [b"", b"\x00\xff\r\n", b"-0", b"007", b"9223372036854775807", b"-9223372036854775808",
             b"9223372036854775808", b"1.0", b" 1", b"x" * 64, b"y" * 5000, b"z" * 300000]
    fill(c, *words)
    assert elements(c) == words
    assert [c("LINDEX", "l", i) for i in range(len(words))] == words
    for word in words:
        assert c("LREM", "l", 1, word) == 1


def test_deadline_stays_while_there_are_elements(c):
    fill(c, 1, 2)
    assert c("EXPIRE", "l", 100) == 1
    c("LPUSH", "l", 0)
    c("RPOP", "l")
    assert 90 < c("TTL", "l") <= 100
    c("LPOP", "l", 2)
    c("LPUSH", "l", 0)
    assert c("TTL", "l") == -1


def test_encodings(kv):
    limit = "list-max-listpack-size"
    for size, fits in [(4, 4), (-1, 40), (-2, 81)]:
        assert kv("CONFIG", "SET", limit, size) == OK
        fill(kv, *["x" * 96] * fits)
        assert kv("OBJECT", "ENCODING", "l") == b"listpack"
        kv("RPUSH", "l", *["x" * 96] * (1 + fits // 20))
        assert kv("OBJECT", "ENCODING", "l") == b"quicklist"
        kv("LTRIM", "l", 0, fits // 2 - 1)
        assert kv("OBJECT", "ENCODING", "l") == b"listpack"
        fill(kv, *range(fits + 1), "x" * 100000)
        assert kv("OBJECT", "ENCODING", "l") == b"quicklist"
    assert kv("CONFIG", "SET", limit, -2) == OK


@pytest.mark.parametrize("size,depth", [(-2, 0), (-1, 1), (3, 0), (5, 2)])
def test_a_long_random_run(running, size, depth):
    """Against a list of Python, with limits that give many nodes, and compressed ones."""
    r = random.Random(size * 10 + depth)
    with running("kv-memory").connect() as c:
        assert c("CONFIG", "SET", "list-max-listpack-size", size,
                 "list-compress-depth", depth) == OK
        c("DEL", "l")
        model = []
        for _ in range(4000):
            word = b"%d" % r.randrange(50) if r.random() < 0.7 else b"w" * r.randrange(200)
            what = r.randrange(10)
            if what < 4 or not model:
                side = r.choice(["LPUSH", "RPUSH"])
                model.insert(0 if side == "LPUSH" else len(model), word)
                assert c(side, "l", word) == len(model)
                continue
            at = r.randrange(len(model))
            if what == 4:
                model[at] = word
                assert c("LSET", "l", at - r.choice([0, len(model)]), word) == OK
            elif what == 5 and word in model:
                model.insert(model.index(word), b"new")
                assert c("LINSERT", "l", "BEFORE", word, "new") == len(model)
            elif what == 6:
                gone = min(2, model.count(word))
                for _ in range(gone):
                    model.remove(word)
                assert c("LREM", "l", 2, word) == gone
            elif what == 7:
                assert c("RPOPLPUSH", "l", "l") == model[-1]
                model.insert(0, model.pop())
            elif what == 8:
                assert c("LRANGE", "l", at, at + 20) == model[at:at + 21]
            elif r.random() < 0.02:
                assert c("LTRIM", "l", at // 2, at) == OK
                model = model[at // 2:at + 1]
            else:
                assert c("LINDEX", "l", at) == model[at]
        assert c("LRANGE", "l", 0, -1) == model
        assert c("CONFIG", "SET", "list-max-listpack-size", -2, "list-compress-depth", 0) == OK


@pytest.mark.parametrize("words", [["a", "1", "x" * 100], list(range(5000)), ["y" * 100000, "b"]])
def test_dump_goes_to_redis_and_back(kv, reference, words):
    expected = [str(word).encode() for word in words]
    for one, other in [(kv, reference), (reference, kv)]:
        fill(one, *words)
        payload = one("DUMP", "l")
        other("DEL", "l")
        assert other("RESTORE", "l", 0, payload) == OK
        assert elements(other) == expected


def test_memory_usage_grows_with_the_list(kv):
    fill(kv, *["x" * 100] * 1000)
    usage = kv("MEMORY", "USAGE", "l")
    assert 100000 < usage < 125000
    kv("CONFIG", "SET", "list-compress-depth", 1)
    fill(kv, *["x" * 100] * 1000)
    assert kv("MEMORY", "USAGE", "l") < 60000
    kv("CONFIG", "SET", "list-compress-depth", 0)


def test_lists_after_a_restart(start):
    server = start("kv", appendfsync="always")
    with server.connect() as c:
        fill(c, *range(3000), key="long")
        fill(c, "a", "b", "c")
        c("LINSERT", "l", "AFTER", "a", "x")
        c("LMPOP", 2, "none", "long", "RIGHT", "COUNT", 500)
        c("LMOVE", "long", "l", "LEFT", "RIGHT")
        c("LTRIM", "long", 10, -1)
        c("BLPOP", "l", 1)
        c("BLMOVE", "long", "l", "RIGHT", "LEFT", 1)
        c("BLMPOP", 1, 1, "long", "LEFT", "COUNT", 3)
        before = [elements(c, key) for key in ("l", "long")]
    server.restart(crash=True)
    with server.connect() as c:
        assert [elements(c, key) for key in ("l", "long")] == before
        assert len(before[1]) == 3000 - 500 - 1 - 10 - 1 - 3
