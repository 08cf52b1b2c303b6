"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""
import os
import time

import pytest

from harness import OK, Status


QUEUED = Status("QUEUED")


def test_a_transaction_answers_each_command(c):
    assert c("MULTI") == OK
    assert c("SET", "a", "1") == QUEUED
    c("INCR", "a")
    c("GET", "a")
    assert c("EXEC") == [OK, 2, b"2"]


def test_nothing_is_done_before_exec(c, server):
    with server.connect(2) as other:
        c("MULTI")
        c("SET", "a", "1")
        assert other("GET", "a") is None
        c("EXEC")
        assert other("GET", "a") == b"1"


def test_discard_forgets(c):
    c("SET", "a", "0")
    c("MULTI")
    c("SET", "a", "1")
    assert c("DISCARD") == OK
    assert c("GET", "a") == b"0"


def test_an_empty_transaction(c):
    c("MULTI")
    assert c("EXEC") == []


ERRORS = [
    (["EXEC"], "ERR EXEC without MULTI"),
    (["DISCARD"], "ERR DISCARD without MULTI"),
]


@pytest.mark.parametrize("words, error", ERRORS)
def test_without_multi(c, words, error):
    assert str(c(*words)) == error


def test_multi_is_not_nested_and_goes_on(c):
    c("MULTI")
    c("SET", "a", "1")
    assert str(c("MULTI")) == "ERR MULTI calls can not be nested"
    assert str(c("WATCH", "a")) == "ERR WATCH inside MULTI is not allowed"
    assert c("EXEC") == [OK]


@pytest.mark.parametrize("bad", [["NOPE"], ["GET"], ["SET", "a"], ["CLIENT", "NOPE"]])
def test_what_can_not_be_queued_aborts(c, bad):
    c("MULTI")
    c("SET", "a", "1")
    c(*bad)
    assert str(c("EXEC")) == "EXECABORT Transaction discarded because of previous errors."
    assert c("EXISTS", "a") == 0
    assert c("MULTI") == OK
    assert c("EXEC") == []


def test_an_error_inside_stops_nothing(c):
    c("MULTI")
    c("SET", "a", "x")
    c("INCR", "a")
    c("SET", "b", "y")
    first, second, third = c("EXEC")
    assert (first, third) == (OK, OK)
    assert str(second) == "ERR value is not an integer or out of range"


def test_select_inside_holds_for_what_follows(c):
    c("MULTI")
    c("SET", "a", "0")
    c("SELECT", "1")
    c("SET", "a", "1")
    c("EXEC")
    assert c("GET", "a") == b"1"
    c("SELECT", "0")
    assert c("GET", "a") == b"0"


CHANGES = [
    [["SET", "k", "2"]], [["DEL", "k"]], [["APPEND", "k", "x"]], [["EXPIRE", "k", "100"]],
    [["RENAME", "k", "l"]], [["FLUSHDB"]], [["FLUSHALL"]], [["SWAPDB", "0", "1"]],
    [["SET", "x", "1"], ["RENAME", "x", "k"]], [["MOVE", "k", "1"]], [["PERSIST", "t"]],
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[-1][0])
def test_a_watched_key_that_changed_aborts(c, server, change):
    c("SET", "k", "1")
    c("SET", "t", "1", "EX", "100")
    assert c("WATCH", "k", "t") == OK
    with server.connect(2) as other:
        for words in change:
            other(*words)
    c("MULTI")
    c("SET", "done", "1")
    assert c("EXEC") is None
    assert c("EXISTS", "done") == 0
    c("MULTI")
    c("SET", "done", "1")
    assert c("EXEC") == [OK], "the watch is over"


UNCHANGED = [["GET", "k"], ["SET", "other", "1"], ["SETNX", "k", "2"], ["DEL", "nothing"],
             ["EXPIRE", "nothing", "1"], ["TTL", "k"]]


@pytest.mark.parametrize("words", UNCHANGED, ids=lambda words: words[0])
def test_what_changes_nothing_aborts_nothing(c, server, words):
    c("SET", "k", "1")
    c("WATCH", "k")
    with server.connect(2) as other:
        other(*words)
    c("MULTI")
    c("SET", "done", "1")
    assert c("EXEC") == [OK]


def test_unwatch_and_own_changes(c):
    c("SET", "k", "1")
    c("WATCH", "k")
    c("SET", "k", "2")
    c("MULTI")
    assert c("EXEC") is None
    c("WATCH", "k")
    c("SET", "k", "3")
    assert c("UNWATCH") == OK
    c("MULTI")
    assert c("EXEC") == []


def test_a_deadline_that_passes_while_watched_aborts(c):
    while not c("EXISTS", "k"):  # it must live when it is watched
        c("UNWATCH")
        c("SET", "k", "1", "PX", "100")
        c("WATCH", "k")
    while c("EXISTS", "k"):
        time.sleep(0.005)
    c("MULTI")
    assert c("EXEC") is None


def test_reset_ends_a_transaction(c):
    c("MULTI")
    c("SET", "a", "1")
    c("RESET")
    assert str(c("EXEC")) == "ERR EXEC without MULTI"


def test_a_transaction_is_whole_in_the_log(start):
    server = start("kv")
    with server.connect(2) as c:
        c("MULTI")
        c("SET", "a", "1")
        c("SELECT", "3")
        c("SET", "b", "2")
        assert c("EXEC") == [OK, OK, OK]
    with open(os.path.join(server.folder, "appendonlydir", "appendonly.aof.1.incr.aof"),
              "rb") as log:
        text = log.read()
    assert b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$6\r\nSELECT\r\n" \
           b"$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n" in text


def deadline_passes(c, key):
    """So that nobody has looked at it since."""
    c("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    c("PSETEX", key, 1, "v")
    time.sleep(0.01)


@pytest.fixture(params=["kv", "redis"])
def lazy(request, start):
    with start(request.param, enable_debug_command="yes").connect() as connection:
        yield connection


@pytest.mark.parametrize("change", [("FLUSHDB",), ("FLUSHALL",), ("SWAPDB", 0, 1)],
                         ids=lambda words: words[0])
def test_a_key_that_had_expired_before_watch_may_vanish(lazy, change):
    deadline_passes(lazy, "k")
    lazy("WATCH", "k")
    assert lazy(*change) == OK
    lazy("MULTI")
    lazy("PING")
    assert lazy("EXEC") == [Status("PONG")]


@pytest.mark.parametrize("there", ["nothing", "expired"])
def test_swapdb_brings_a_key_that_has_expired(lazy, there):
    lazy("SELECT", 1)
    deadline_passes(lazy, "k")
    lazy("SELECT", 0)
    if there == "expired":
        deadline_passes(lazy, "k")
    lazy("WATCH", "k")
    assert lazy("SWAPDB", 0, 1) == OK
    lazy("MULTI")
    lazy("PING")
    assert lazy("EXEC") == [Status("PONG")]


@pytest.mark.parametrize("change", [("FLUSHDB",), ("SWAPDB", 0, 1)], ids=lambda w: w[0])
def test_a_key_that_expires_behind_watch_is_changed(lazy, change):
    lazy("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    lazy("PSETEX", "k", 100, "v")
    lazy("WATCH", "k")
    time.sleep(0.11)
    assert lazy(*change) == OK
    lazy("MULTI")
    lazy("PING")
    assert lazy("EXEC") is None


def test_swapdb_brings_a_key(lazy):
    lazy("SELECT", 1)
    lazy("SET", "k", "v")
    lazy("SELECT", 0)
    lazy("WATCH", "k")
    assert lazy("SWAPDB", 0, 1) == OK
    lazy("MULTI")
    lazy("PING")
    assert lazy("EXEC") is None
