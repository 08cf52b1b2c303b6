"""The server group: what concerns all databases, or the process."""
import time

import pytest

from harness import OK, SYNTAX, Error, Status, Verbatim, until, wrong_arity

BAD_DB = Error("ERR DB index is out of range")


def fill(c, db, keys):
    assert c("SELECT", db) == OK
    for i in range(keys):
        assert c("SET", f"key:{i}", "v") == OK


def sizes(c, *databases):
    found = []
    for db in databases:
        assert c("SELECT", db) == OK
        found.append(c("DBSIZE"))
    return found


@pytest.mark.parametrize("mode", [(), ("SYNC",), ("async",)])
def test_flushdb_empties_one_database(c, mode):
    fill(c, 0, 3)
    fill(c, 1, 5)
    assert c("FLUSHDB", *mode) == OK
    assert sizes(c, 0, 1) == [3, 0]
    assert c("FLUSHDB", *mode) == OK


@pytest.mark.parametrize("mode", [(), ("SYNC",), ("async",)])
def test_flushall_empties_all(c, mode):
    fill(c, 0, 3)
    fill(c, 9, 5)
    assert c("FLUSHALL", *mode) == OK
    assert sizes(c, 0, 9) == [0, 0]


def test_flush_errors(c):
    for command in ("FLUSHDB", "FLUSHALL"):
        assert c(command, "foo") == SYNTAX
        assert c(command, "SYNC", "ASYNC") == SYNTAX


def test_a_flush_survives_a_restart(start):
    server = start("kv")
    with server.connect() as c:
        fill(c, 0, 3)
        fill(c, 1, 3)
        fill(c, 2, 2)
        assert c("FLUSHDB") == OK
        assert c("SWAPDB", 0, 2) == OK
    server.restart(crash=True)
    with server.connect() as c:
        assert sizes(c, 0, 1, 2) == [0, 3, 3]
        assert c("FLUSHALL", "ASYNC") == OK
    server.restart(crash=True)
    with server.connect() as c:
        assert sizes(c, 0, 1, 2) == [0, 0, 0]


def test_swapdb(c):
    fill(c, 0, 3)
    fill(c, 1, 5)
    assert c("SWAPDB", 0, 1) == OK
    assert sizes(c, 0, 1) == [5, 3]
    assert c("SWAPDB", 1, 1) == OK
    assert sizes(c, 0, 1) == [5, 3]
    assert c("SWAPDB", 0, 16) == BAD_DB
    assert c("SWAPDB", -1, 1) == BAD_DB
    assert c("SWAPDB", "x", 1) == Error("ERR invalid first DB index")
    assert c("SWAPDB", 1, "x") == Error("ERR invalid second DB index")


def test_time(c):
    seconds, micros = c("TIME")
    assert abs(int(seconds) + int(micros) / 1e6 - time.time()) < 5
    assert 0 <= int(micros) < 1000000
    assert c("TIME", 1) == wrong_arity("time")


def test_dbsize(c):
    assert c("DBSIZE") == 0
    fill(c, 0, 7)
    assert c("DBSIZE") == 7
    assert c("DBSIZE", "x") == wrong_arity("dbsize")


def test_lolwut_draws(c):
    for words in [(), ("VERSION", 5), ("VERSION", 6, 10, 10), ("whatever",)]:
        reply = c("LOLWUT", *words)
        assert isinstance(reply, Verbatim if c.resp == 3 else bytes)
        assert len(reply) > 10
    assert c("LOLWUT", "VERSION", "x") == Error("ERR value is not an integer or out of range")


def test_shutdown_errors(c):
    assert c("SHUTDOWN", "foo") == SYNTAX
    assert c("SHUTDOWN", "SAVE", "NOSAVE") == SYNTAX
    assert c("SHUTDOWN", "ABORT", "NOW") == SYNTAX
    assert c("SHUTDOWN", "ABORT") == Error("ERR No shutdown in progress.")


@pytest.mark.parametrize("words", [(), ("NOSAVE",), ("SAVE",), ("NOW", "FORCE")])
def test_shutdown_stops_and_keeps_what_was_acknowledged(start, words):
    server = start("kv")
    with server.connect() as c:
        assert c("SET", "a", "1") == OK
        c.send("SHUTDOWN", *words)
        assert c.at_end()
    assert server.process.wait(30) == 0
    server.start()
    with server.connect() as c:
        assert c("GET", "a") == b"1"


def test_shutdown_save_without_a_log_is_refused(start):
    server = start("kv", persistence="no")
    with server.connect() as c:
        assert c("SHUTDOWN", "SAVE") == Error("ERR Errors trying to SHUTDOWN. Check logs.")
        assert c("PING") == Status("PONG")
    assert "in memory only" in server.log()


def test_debug_needs_to_be_enabled(c):
    reply = c("DEBUG", "SLEEP", 0)
    assert isinstance(reply, Error) and str(reply).startswith("ERR DEBUG command not allowed.")


def test_debug_sleep(start, server):
    mine = start(server.kind, enable_debug_command="yes")
    with mine.connect() as c:
        begun = time.monotonic()
        assert c("DEBUG", "SLEEP", "0.1") == OK
        assert time.monotonic() - begun >= 0.1
        assert isinstance(c("DEBUG", "NOSUCH"), Error)


def test_debug_local_is_open_to_the_loopback_address(start, server):
    mine = start(server.kind, enable_debug_command="local")
    with mine.connect() as c:
        assert c("DEBUG", "SLEEP", "0") == OK


def test_debug_stops_expiry_by_the_sweep(start, server):
    mine = start(server.kind, enable_debug_command="yes")
    with mine.connect() as c:
        assert c("DEBUG", "SET-ACTIVE-EXPIRE", "0") == OK
        assert c("SET", "a", "1", "PX", 20) == OK
        time.sleep(0.4)
        assert c("DBSIZE") == 1
        assert c("DEBUG", "SET-ACTIVE-EXPIRE", "1") == OK
        until(lambda: c("DBSIZE") == 0)
