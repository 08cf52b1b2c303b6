"""Streams: entries and their IDs."""
import pytest

from harness import Error, NO_KEY, NOT_INTEGER, OK, Status, SYNTAX, WRONG_TYPE, wrong_arity

BAD_ID = Error("ERR Invalid stream ID specified as stream command argument")
SMALL_ID = Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
MAX_ID = b"18446744073709551615-18446744073709551615"


def fill(c, key, count, **fields):
    words = [word for pair in (fields or {"n": "1"}).items() for word in pair]
    replies = c.pipeline([("XADD", key, f"{i}-0", *words) for i in range(1, count + 1)])
    assert replies[-1] == f"{count}-0".encode()


def ids(entries):
    return [entry[0].decode() for entry in entries]


def test_xadd_chooses_ids_that_ascend(c):
    seconds = int(c("TIME")[0])
    first, second = (c("XADD", "s", "*", "a", "1") for _ in range(2))
    ms, seq = (int(part) for part in first.split(b"-"))
    assert seconds * 1000 <= ms <= (seconds + 10) * 1000 and seq == 0
    assert tuple(map(int, second.split(b"-"))) > (ms, seq)
    assert c("TYPE", "s") == Status("stream")
    assert c("OBJECT", "ENCODING", "s") == b"stream"
    assert c("XLEN", "s") == 2


def test_xadd_ids(c):
    assert c("XADD", "s", "5-*", "a", "1") == b"5-0"
    assert c("XADD", "s", "5-*", "a", "1") == b"5-1"
    assert c("XADD", "s", "5", "a", "1") == SMALL_ID
    assert c("XADD", "s", "4-*", "a", "1") == SMALL_ID
    assert c("XADD", "s", "5-1", "a", "1") == SMALL_ID
    assert c("XADD", "s", "007-3", "a", "1") == b"7-3"
    assert c("XADD", "new", "0-*", "a", "1") == b"0-1"
    assert c("XADD", "s", "0-0", "a", "1") == Error(
        "ERR The ID specified in XADD must be greater than 0-0")
    for bad in ("", "x", "-", "+", "1-x", "*-1", "1-2-3", "-5", "9" * 30, "18446744073709551616",
                "1" * 200):
        assert c("XADD", "s", bad, "a", "1") == BAD_ID
    assert c("XADD", "s", "18446744073709551615-*", "a", "1") == b"18446744073709551615-0"
    assert c("XADD", "s", "*", "a", "1") == b"18446744073709551615-1"
    assert c("XADD", "s", MAX_ID, "a", "1") == MAX_ID
    for more in ("*", "1-1", "18446744073709551615-*"):
        assert c("XADD", "s", more, "a", "1") == Error(
            "ERR The stream has exhausted the last possible ID, unable to add more items")


def test_xadd_arguments(c):
    assert c("XADD", "s", "NOMKSTREAM", "1-1", "a", "1") is None
    assert c("EXISTS", "s") == 0
    assert c("XADD", "s", "1-1", "a") == wrong_arity("xadd")
    assert c("XADD", "s", "1-1", "a", "1", "b") == wrong_arity("xadd")
    assert c("XADD", "s", "MAXLEN", "1", "1-1") == wrong_arity("xadd")
    assert c("XADD", "s", "MAXLEN", "x", "1-1", "a", "1") == NOT_INTEGER
    assert c("XADD", "s", "MAXLEN", "-1", "1-1", "a", "1") == Error(
        "ERR The MAXLEN argument must be >= 0.")
    assert c("XADD", "s", "MAXLEN", "~", "1", "LIMIT", "-1", "1-1", "a", "1") == Error(
        "ERR The LIMIT argument must be >= 0.")
    assert c("XADD", "s", "MAXLEN", "1", "LIMIT", "1", "1-1", "a", "1") == Error(
        "ERR syntax error, LIMIT cannot be used without the special ~ option")
    assert c("XADD", "s", "LIMIT", "1", "1-1", "a", "1") == Error(
        "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
    assert c("XADD", "s", "MAXLEN", "1", "MINID", "1", "1-1", "a", "1") == Error(
        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
    assert c("EXISTS", "s") == 0
    c("SET", "string", "x")
    assert c("XADD", "string", "1-1", "a", "1") == WRONG_TYPE


def test_entries_keep_their_fields(c):
    entries = [
        ["a", "1", "b", "2"], ["a", "", "b", "x" * 100], ["a", "-5", "b", "99999999999"],
        ["b", "1", "a", "2"], ["a", "1"], ["a", "1", "b", "2", "c", "3"], ["", ""],
        ["a", "\r\n\0", "b", "007"], ["a", "y" * 70000, "b", "1"], ["a", "1", "a", "2"]]
    for i, words in enumerate(entries, 1):
        assert c("XADD", "s", f"{i}-{i}", *words) == f"{i}-{i}".encode()
    expected = [[f"{i}-{i}".encode(), [word.encode() for word in words]]
                for i, words in enumerate(entries, 1)]
    assert c("XRANGE", "s", "-", "+") == expected
    assert c("XREVRANGE", "s", "+", "-") == expected[::-1]


def test_xrange(c):
    fill(c, "s", 250)
    assert ids(c("XRANGE", "s", "99", "102")) == ["99-0", "100-0", "101-0", "102-0"]
    assert ids(c("XRANGE", "s", "(99-0", "(102")) == ["100-0", "101-0", "102-0"]
    assert ids(c("XRANGE", "s", "(99-0", "(102-0")) == ["100-0", "101-0"]
    assert ids(c("XREVRANGE", "s", "(102-0", "99")) == ["101-0", "100-0", "99-0"]
    assert ids(c("XRANGE", "s", "-", "+", "COUNT", 2)) == ["1-0", "2-0"]
    assert ids(c("XREVRANGE", "s", "+", "-", "COUNT", 2)) == ["250-0", "249-0"]
    assert len(c("XRANGE", "s", "-", "+")) == 250
    assert len(c("XRANGE", "s", "50", "+", "COUNT", 1000)) == 201
    assert c("XRANGE", "s", "7", "6") == []
    assert c("XRANGE", "s", "251", "+") == []
    assert c("XRANGE", "s", "-", "+", "COUNT", 0) is None
    assert c("XRANGE", "s", "-", "+", "COUNT", -3) is None
    assert c("XRANGE", "none", "-", "+", "COUNT", 0) == []
    assert c("XRANGE", "s", "(" + MAX_ID.decode(), "+") == Error(
        "ERR invalid start ID for the interval")
    assert c("XRANGE", "s", "-", "(0-0") == Error("ERR invalid end ID for the interval")
    assert c("XRANGE", "s", "(-", "+") == BAD_ID
    assert c("XRANGE", "s", "-", "+", "COUNT") == SYNTAX
    assert c("XRANGE", "s", "-", "+", "COUNT", "x") == NOT_INTEGER
    assert c("XRANGE", "s", "-", "+", "NONSENSE", "1") == SYNTAX
    c("SET", "string", "x")
    assert c("XRANGE", "string", "-", "+") == WRONG_TYPE
    assert c("XLEN", "string") == WRONG_TYPE


def test_xdel(c):
    fill(c, "s", 10)
    assert c("XDEL", "s", "3-0", "3-0", "5", "99-0") == 2
    assert ids(c("XRANGE", "s", "-", "+")) == [f"{i}-0" for i in (1, 2, 4, 6, 7, 8, 9, 10)]
    assert ids(c("XREVRANGE", "s", "6", "2")) == ["6-0", "4-0", "2-0"]
    assert c("XDEL", "s", "1-0", "x") == BAD_ID
    assert c("XDEL", "none", "x") == 0
    assert c("XLEN", "s") == 8
    assert c("XDEL", "s", *[f"{i}-0" for i in range(11)]) == 8
    # an empty stream stays: it has a last ID
    assert c("EXISTS", "s") == 1
    assert c("XADD", "s", "10-0", "a", "1") == SMALL_ID
    assert c("XRANGE", "s", "-", "+") == []


def test_xtrim(c):
    fill(c, "s", 1000)
    assert c("XTRIM", "s", "MAXLEN", "~", 950) == 0
    assert c("XTRIM", "s", "MAXLEN", "~", 850) == 100
    assert c("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 99) == 0
    assert c("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 250) == 200
    assert c("XTRIM", "s", "MAXLEN", "=", 650) == 50
    assert c("XRANGE", "s", "-", "+", "COUNT", 1)[0][0] == b"351-0"
    assert c("XTRIM", "s", "MINID", 361) == 10
    assert c("XTRIM", "s", "MINID", "~", 410) == 40
    assert c("XTRIM", "s", "MINID", "~", 500, "LIMIT", 50) == 0
    assert c("XTRIM", "s", "MINID", 300) == 0
    assert c("XLEN", "s") == 600
    assert c("XTRIM", "s", "MAXLEN", "~", 0) == 600
    assert c("XLEN", "s") == 0
    assert c("XTRIM", "none", "MAXLEN", 0) == 0
    assert c("XTRIM", "s", "LIMIT", 0) == Error(
        "ERR syntax error, XTRIM must be called with a trimming strategy")
    assert c("XTRIM", "s", "MAXLEN", "x") == NOT_INTEGER
    assert c("XTRIM", "s", "MINID", "x") == BAD_ID
    assert c("XTRIM", "s", "NONSENSE", "1") == SYNTAX


def test_xadd_trims(c):
    fill(c, "s", 100)
    assert c("XADD", "s", "MAXLEN", 10, "101-0", "n", "1") == b"101-0"
    assert ids(c("XRANGE", "s", "-", "+"))[0] == "92-0"
    assert c("XADD", "s", "MAXLEN", "~", 5, "102-0", "n", "1") == b"102-0"
    assert c("XADD", "s", "MINID", 100, "103-0", "n", "1") == b"103-0"
    assert ids(c("XRANGE", "s", "-", "+")) == ["100-0", "101-0", "102-0", "103-0"]
    assert c("XADD", "s", "MAXLEN", 0, "104-0", "n", "1") == b"104-0"
    assert c("XLEN", "s") == 0


@pytest.mark.parametrize("directive,value", [("stream-node-max-entries", 7),
                                             ("stream-node-max-bytes", 100)])
def test_nodes_hold_what_is_configured(c, directive, value):
    before = c("CONFIG", "GET", directive)
    before = before[directive.encode()] if isinstance(before, dict) else before[1]
    assert c("CONFIG", "SET", directive, value) == OK
    fill(c, "s", 100)
    assert c("CONFIG", "SET", directive, before) == OK
    assert c("XTRIM", "s", "MAXLEN", "~", 50) == {7: 49, 100: 48}[value]
    assert len(c("XRANGE", "s", "-", "+")) == {7: 51, 100: 52}[value]


def test_xsetid(c):
    assert c("XSETID", "s", "5-0") == NO_KEY
    fill(c, "s", 5)
    assert c("XSETID", "s", "4-9") == Error(
        "ERR The ID specified in XSETID is smaller than the target stream top item")
    assert c("XSETID", "s", "9-9", "ENTRIESADDED", 4) == Error(
        "ERR The entries_added specified in XSETID is smaller than the target stream length")
    assert c("XSETID", "s", "9-9", "ENTRIESADDED", -4) == Error(
        "ERR entries_added must be positive")
    assert c("XSETID", "s", "9-9", "MAXDELETEDID", "10-0") == Error(
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    assert c("XSETID", "s", "x") == BAD_ID
    assert c("XSETID", "s", "9-9", "NONSENSE", 1) == SYNTAX
    assert c("XSETID", "s", "9-9", "ENTRIESADDED", 100, "MAXDELETEDID", "2-0") == OK
    assert c("XADD", "s", "9-9", "a", "1") == SMALL_ID
    assert c("XADD", "s", "9-*", "a", "1") == b"9-10"


def test_streams_are_copied_and_carried(c):
    fill(c, "s", 300, a="1", b="text")
    c("XDEL", "s", "7-0", "150-0")
    entries = c("XRANGE", "s", "-", "+")
    assert c("COPY", "s", "copy") == 1
    payload = c("DUMP", "s")
    assert c("DEL", "s") == 1
    assert c("XRANGE", "copy", "-", "+") == entries
    assert c("RESTORE", "back", 0, payload) == OK
    assert c("XRANGE", "back", "-", "+") == entries
    assert c("XADD", "back", "300-*", "a", "1") == b"300-1"
