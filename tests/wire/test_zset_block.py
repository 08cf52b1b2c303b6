"""Waiting for sorted sets: BZPOPMIN, BZPOPMAX, BZMPOP."""
import time

import pytest

from harness import OK, Error, as_bytes, until

NO_TIME = Error("ERR timeout is not a float or out of range")


def value(c, score):
    return float(score) if c.resp == 3 else b"%d" % score


def waits(c, count=1):
    until(lambda: b"blocked_clients:%d\r\n" % count in as_bytes(c("INFO", "clients")))


def test_what_is_there_is_taken_at_once(c):
    assert c("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d") == 4
    assert c("BZPOPMIN", "none", "z", 0) == [b"z", b"a", value(c, 1)]
    assert c("BZPOPMAX", "z", "none", 0) == [b"z", b"d", value(c, 4)]
    assert c("BZMPOP", 0, 2, "none", "z", "MAX", "COUNT", 5) == [
        b"z", [[b"c", value(c, 3)], [b"b", value(c, 2)]]]
    assert c("EXISTS", "z") == 0


def test_the_time_is_up(c):
    started = time.monotonic()
    assert c("BZPOPMIN", "z", "0.05") is None
    assert c("BZMPOP", "0.05", 1, "z", "MIN") is None
    assert time.monotonic() - started >= 0.09


def test_errors_of_the_time(c):
    for bad, error in [("x", NO_TIME), ("-1", Error("ERR timeout is negative"))]:
        assert c("BZPOPMIN", "z", bad) == error
        assert c("BZMPOP", bad, 1, "z", "MIN") == error


@pytest.mark.parametrize("words,reply", [
    (["BZPOPMIN", "x", "z", 0], [b"z", b"a", 1]), (["BZPOPMAX", "z", 0], [b"z", b"b", 2]),
    (["BZMPOP", 0, 2, "x", "z", "MIN", "COUNT", 3], [b"z", [[b"a", 1], [b"b", 2]]])])
def test_who_waits_is_served(server, c, words, reply):
    with server.connect(c.resp) as other:
        other.send(*words)
        waits(c)
        assert c("ZADD", "z", 1, "a", 2, "b") == 2

        def same(ours, want):
            if isinstance(want, list):
                return all(same(a, b) for a, b in zip(ours, want, strict=True))
            return ours == (value(c, want) if isinstance(want, int) else want)
        assert same(other.read(), reply)
        assert c("ZCARD", "z") == (0 if words[0] == "BZMPOP" else 1)


def test_who_came_first_is_served_first(server, c):
    others = [server.connect() for _ in range(3)]
    for i, other in enumerate(others):
        other.send("BZPOPMIN", "z", 0)
        waits(c, i + 1)
    assert c("ZADD", "z", 1, "a", 2, "b") == 2
    assert [others[i].read()[1] for i in (0, 1)] == [b"a", b"b"]
    assert c("EXISTS", "z") == 0
    assert c("ZADD", "z", 3, "c") == 1
    assert others[2].read()[1] == b"c"
    for other in others:
        other.close()


def test_another_type_is_not_waited_for(server, c):
    with server.connect() as other:
        other.send("BZPOPMIN", "z", 0)
        waits(c)
        assert c("SET", "z", "x") == OK
        assert c("DEL", "z") == 1
        assert c("ZADD", "y", 1, "a") == 1
        assert c("RENAME", "y", "z") == OK
        assert other.read() == [b"z", b"a", b"1"]


def test_a_transaction_never_waits(c):
    assert c("MULTI") == OK
    assert str(c("BZPOPMIN", "z", 0)) == str(c("BZMPOP", 0, 1, "z", "MIN")) == "QUEUED"
    assert c("EXEC") == [None, None]


def test_what_was_served_survives_a_kill(start):
    server = start("kv", appendfsync="always")
    with server.connect() as c, server.connect() as other:
        other.send("BZMPOP", 0, 1, "z", "MIN", "COUNT", 2)
        waits(c)
        assert c("ZADD", "z", 1, "a", 2, "b", 3, "c") == 3
        assert other.read() == [b"z", [[b"a", b"1"], [b"b", b"2"]]]
    server.kill()
    server.start()
    with server.connect() as c:
        assert c("ZRANGE", "z", 0, -1) == [b"c"]
