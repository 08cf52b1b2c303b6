"""Commands that wait for lists: who is served, when, in which order, and how a wait ends."""
import socket
import threading
import time

import pytest

from harness import OK, SYNTAX, WRONG_TYPE, Connection, Error, Status, soon, until, wrong_arity

PONG = Status("PONG")
LATE_S = 0.3  # far less than a tick of hz 1


class Clients:
    """Connections that begin to wait one after the other."""

    def __init__(self, server, resp):
        self.server, self.resp = server, resp
        self.open = []

    def __call__(self, *words):
        """A new connection that waits in this command."""
        control = self.connect()
        before = blocked(control)
        waiting = self.connect()
        waiting.send(*words)
        until(lambda: blocked(control) > before)
        return waiting

    def connect(self):
        self.open.append(self.server.connect(self.resp))
        return self.open[-1]


def blocked(c):
    return int(c.raw("INFO", "clients").partition(b"\nblocked_clients:")[2].split()[0])


def clients_with(c, text):
    """Lines of CLIENT LIST, without the prefix of a verbatim string."""
    return ["id=" + line.partition("id=")[2]
            for line in c.raw("CLIENT", "LIST").decode().split("\n") if text in line]


@pytest.fixture
def waits(server, c):
    clients = Clients(server, c.resp)
    yield clients
    for connection in clients.open:
        connection.close()
    until(lambda: blocked(c) == 0)


def nothing(c):
    """The reply to who waited in vain."""
    return b"_\r\n" if c.resp == 3 else b"*-1\r\n"


def test_what_is_there_is_answered_at_once(c):
    c("RPUSH", "b", 1, 2, 3, 4, 5, 6, 7)
    assert c("BLPOP", "a", "b", 0) == [b"b", b"1"]
    assert c("BRPOP", "a", "b", 0) == [b"b", b"7"]
    assert c("BLMPOP", 0, 2, "a", "b", "LEFT", "COUNT", 2) == [b"b", [b"2", b"3"]]
    assert c("BLMOVE", "b", "m", "RIGHT", "LEFT", 0) == b"6"
    assert c("BRPOPLPUSH", "b", "m", 0) == b"5"
    assert c("LRANGE", "m", 0, -1) == [b"5", b"6"]
    assert c("BLPOP", "b", 0) == [b"b", b"4"]
    assert c("EXISTS", "b") == 0


def test_who_waits_is_served_in_turn(c, waits):
    first, second, third = [waits("BLPOP", "l", 0) for _ in range(3)]
    assert c("RPUSH", "l", "a", "b") == 2
    assert (first.read(), second.read()) == ([b"l", b"a"], [b"l", b"b"])
    assert c("EXISTS", "l") == 0
    assert c("LPUSH", "l", "c") == 1
    assert third.read() == [b"l", b"c"]


def test_several_elements_serve_from_the_state_after_the_push(c, waits):
    first, second = waits("BLPOP", "l", 0), waits("BRPOP", "l", 0)
    assert c("LPUSH", "l", 1, 2, 3) == 3
    assert (first.read(), second.read()) == ([b"l", b"3"], [b"l", b"1"])
    assert c("LRANGE", "l", 0, -1) == [b"2"]


def test_any_of_the_keys_will_do(c, waits):
    one = waits("BLPOP", "a", "b", "a", 0)
    other = waits("BLMPOP", 0, 2, "b", "a", "RIGHT", "COUNT", 10)
    assert c("RPUSH", "b", 1) == 1
    assert one.read() == [b"b", b"1"]
    assert c("RPUSH", "a", 2, 3) == 2
    assert other.read() == [b"a", [b"3", b"2"]]
    assert c("RPUSH", "a", 4) == 1
    assert c("LLEN", "a") == 1


def test_a_move_wakes_who_waits_for_its_target(c, waits):
    last = waits("BLPOP", "c", 0)
    middle = waits("BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = waits("BRPOPLPUSH", "a", "b", 0)
    assert c("RPUSH", "a", "x") == 1
    assert (first.read(), middle.read(), last.read()) == (b"x", b"x", [b"c", b"x"])
    assert c("EXISTS", "a", "b", "c") == 0


def test_a_move_within_one_list_serves_the_next_one_too(c, waits):
    first, second = waits("BLMOVE", "a", "a", "LEFT", "RIGHT", 0), waits("BLPOP", "a", 0)
    assert c("RPUSH", "a", "x", "y") == 2
    assert (first.read(), second.read()) == (b"x", [b"a", b"y"])
    assert c("LRANGE", "a", 0, -1) == [b"x"]


def test_another_type_does_not_end_the_wait(c, waits):
    one = waits("BLPOP", "a", "b", 0)
    assert c("SET", "a", "text") == OK
    assert c("RPUSH", "b", 1) == 1
    assert one.read() == [b"b", b"1"]
    two = waits("BLPOP", "c", 0)
    assert c("SET", "c", "text") == OK
    assert c("DEL", "c") == 1
    assert c("RPUSH", "c", 1) == 1
    assert two.read() == [b"c", b"1"]


def test_a_target_of_another_type_is_an_error_when_served(c, waits):
    assert c("SET", "text", "x") == OK
    one = waits("BLMOVE", "l", "text", "LEFT", "LEFT", 0)
    two = waits("BLPOP", "l", 0)
    assert c("RPUSH", "l", 1) == 1
    assert one.read() == WRONG_TYPE
    assert two.read() == [b"l", b"1"]


@pytest.mark.parametrize("make", [
    [("RPUSH", "other", "1"), ("RENAME", "other", "l")],
    [("RPUSH", "other", "1"), ("COPY", "other", "l")],
    [("RPUSH", "other", "1"), ("LMOVE", "other", "l", "LEFT", "LEFT")],
    [("RPUSH", "other", "1"), ("LMPOP", "1", "other", "LEFT"), ("RPUSH", "l", "1")],
    [("SELECT", "1"), ("DEL", "l"), ("RPUSH", "l", "1"), ("MOVE", "l", "0"), ("SELECT", "0")],
    [("SELECT", "1"), ("DEL", "l"), ("RPUSH", "l", "1"), ("SWAPDB", "0", "1"), ("SELECT", "0")],
], ids=lambda commands: commands[-2 if commands[-1][0] == "SELECT" else -1][0])
def test_a_list_may_come_in_any_way(c, waits, make):
    one = waits("BLPOP", "l", 0)
    for words in make:
        assert not isinstance(c(*words), Error)
    assert one.read() == [b"l", b"1"]


def test_a_transaction_serves_when_it_is_done(c, waits):
    one = waits("BLPOP", "l", 0)
    assert c("MULTI") == OK
    for words in [("RPUSH", "l", "gone"), ("DEL", "l"), ("RPUSH", "l", "a", "b"), ("LLEN", "l")]:
        c(*words)
    assert c("EXEC") == [1, 1, 2, 2]
    assert one.read() == [b"l", b"a"]


def test_nothing_waits_in_a_transaction(c):
    assert c("MULTI") == OK
    for words in [("BLPOP", "l", 0), ("BLMOVE", "l", "m", "LEFT", "LEFT", 0),
                  ("BRPOPLPUSH", "l", "m", 0), ("BLMPOP", 0, 1, "l", "LEFT")]:
        c(*words)
    raw = c.raw("EXEC")
    if c.resp == 2:
        assert raw == b"*4\r\n*-1\r\n$-1\r\n$-1\r\n*-1\r\n"
    else:
        assert raw == b"*4\r\n" + b"_\r\n" * 4


@pytest.mark.parametrize("words", [
    ("BLPOP", "a", "b"), ("BRPOP", "a"), ("BLMOVE", "a", "b", "LEFT", "LEFT"),
    ("BRPOPLPUSH", "a", "b")])
def test_a_wait_ends_with_its_time(c, words):
    def wait():
        began = time.monotonic()
        assert c.raw(*words, "0.05") == nothing(c)
        assert time.monotonic() - began >= 0.05
    soon(wait, 0.05 + LATE_S)
    assert c("PING") == PONG


def test_timeouts_are_precise(kv):
    """To the millisecond, whatever hz is."""
    for timeout in (0.001, 0.003, 0.01):
        def wait():
            began = time.monotonic()
            for _ in range(10):
                assert kv("BLPOP", "none", timeout) is None
            assert time.monotonic() - began >= timeout * 10
        soon(wait, timeout * 10 + LATE_S)


def test_waits_end_in_the_order_of_their_time(c, waits):
    late, never, early = [waits("BLMPOP", timeout, 1, "l", "LEFT") for timeout in (0.8, 0, 0.4)]
    assert early.read_raw() == nothing(c)
    assert late.read_raw() == nothing(c)
    assert c("RPUSH", "l", 1) == 1
    assert never.read() == [b"l", [b"1"]]


def test_timeouts_that_are_none(c):
    for text in ("x", "", "1.5.", "nan"):
        assert c("BLPOP", "l", text) == Error("ERR timeout is not a float or out of range")
    for words in [("BLPOP", "l", -1), ("BRPOPLPUSH", "l", "m", "-0.5"),
                  ("BLMPOP", -1, 1, "l", "LEFT"), ("BLMOVE", "l", "m", "LEFT", "LEFT", -1)]:
        assert c(*words) == Error("ERR timeout is negative")
    assert c("BLMOVE", "l", "m", "LEFT", "x", "x") == SYNTAX
    assert c("BLPOP", "l") == wrong_arity("blpop")
    c("RPUSH", "l", 1)
    assert c("BLPOP", "l", -1) == Error("ERR timeout is negative")


def test_a_timeout_beyond_the_clock_is_refused(kv):
    for text in ("inf", "1e300", 2 ** 63 - 1):
        assert kv("BLPOP", "l", text) == Error("ERR timeout is out of range")


def test_a_wait_that_ends_with_an_error_has_failed(c, waits):
    c("CONFIG", "RESETSTAT")
    one = waits("BLPOP", "l", 0)
    you = clients_with(c, " flags=b ")[0].split()[0][3:]
    assert c("CLIENT", "UNBLOCK", you, "ERROR") == 1
    assert isinstance(one.read(), Error)
    stats = c.raw("INFO", "commandstats").partition(b"cmdstat_blpop:")[2].split()[0]
    assert b"calls=1," in stats and b"failed_calls=1" in stats


def test_unblock(c, waits):
    one, two, three = [waits("BLPOP", "l", 0) for _ in range(3)]
    ids = sorted(int(line.split()[0][3:]) for line in clients_with(c, " flags=b "))
    assert c("CLIENT", "UNBLOCK", ids[0]) == 1
    assert one.read_raw() == nothing(c)
    assert c("CLIENT", "UNBLOCK", ids[1], "ERROR") == 1
    assert two.read() == Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    assert c("CLIENT", "UNBLOCK", ids[1], "TIMEOUT") == 0
    assert blocked(c) == 1
    assert c("RPUSH", "l", 1) == 1
    assert three.read() == [b"l", b"1"]
    assert one("PING") == two("PING") == PONG


def test_a_client_that_leaves_gets_nothing(c, waits):
    gone, here = waits("BLPOP", "l", 0), waits("BLPOP", "l", 0)
    gone.close()
    until(lambda: blocked(c) == 1)
    assert c("RPUSH", "l", 1) == 1
    assert here.read() == [b"l", b"1"]


def test_who_sends_no_more_has_left(c, waits):
    """A connection that is closed in one direction, as redis takes it."""
    gone, here = waits("BLPOP", "l", 0), waits("BLPOP", "l", 0)
    gone.socket.shutdown(socket.SHUT_WR)
    assert gone.at_end()
    assert c("RPUSH", "l", 1) == 1
    assert here.read() == [b"l", b"1"]


def test_a_client_that_is_killed_gets_nothing(c, waits):
    gone, here = waits("BLPOP", "l", 0), waits("BLPOP", "l", 0)
    address = "%s:%d" % gone.socket.getsockname()
    killed, pushed = c.pipeline([("CLIENT", "KILL", "ADDR", address), ("RPUSH", "l", 1)])
    assert (killed, pushed) == (1, 1)
    assert here.read() == [b"l", b"1"]
    assert gone.at_end()


def test_what_is_sent_behind_a_wait_comes_after_it(c, waits):
    one = waits("BLPOP", "l", 0)
    for number in range(200):
        one.send("ECHO", number)
    one.send("BLPOP", "l", 0)
    one.send("PING")
    assert c("RPUSH", "l", 1, 2) == 2
    assert one.read() == [b"l", b"1"]
    assert [one.read() for _ in range(200)] == [b"%d" % number for number in range(200)]
    assert (one.read(), one.read()) == ([b"l", b"2"], PONG)


def test_client_list_shows_who_waits(c, waits):
    waits("BLPOP", "l", 0)
    [line] = clients_with(c, " cmd=blpop ")
    assert " flags=b " in line


def test_many_wait_for_many_keys(c, waits):
    keys = ["key:%d" % i for i in range(100)]
    clients = [waits("BLPOP", *keys, 0) for _ in range(10)]
    for i, client in enumerate(clients):
        assert c("RPUSH", keys[-1 - i], i) == 1
        assert client.read() == [keys[-1 - i].encode(), b"%d" % i]


def test_producers_and_consumers_share_everything_once(server):
    """Every element arrives at exactly one of the consumers, in the order of its producer."""
    with server.connect() as c:
        assert c("FLUSHALL") == OK
    seen, threads = [], []

    def consume():
        with server.connect() as c:
            while True:
                key, element = c("BLPOP", "q1", "q2", 0)
                if element == b"end":
                    return
                seen.append((key, element))

    def produce(key):
        with server.connect() as c:
            for number in range(0, 600, 3):
                assert c("RPUSH", key, number, number + 1, number + 2) > 0

    consumers = [threading.Thread(target=consume) for _ in range(5)]
    threads = [threading.Thread(target=produce, args=(key,)) for key in ("q1", "q2")]
    for thread in consumers + threads:
        thread.start()
    for thread in threads:
        thread.join()
    with server.connect() as c:
        until(lambda: c("EXISTS", "q1", "q2") == 0)
        c("RPUSH", "q1", *["end"] * 5)
    for thread in consumers:
        thread.join()
    assert sorted(seen) == sorted((key, b"%d" % n) for key in (b"q1", b"q2") for n in range(600))


def test_a_served_reply_waits_for_the_disk_like_any_write(start):
    """Nothing that a crash could take back is handed out: what a consumer has got is gone from the
    list after a kill, however soon it comes."""
    server = start("kv", appendfsync="always")
    for round_ in range(5):
        with server.connect() as consumer, server.connect() as producer:
            consumer.send("BLPOP", "l", 0)
            until(lambda: blocked(producer) == 1)
            producer.send("RPUSH", "l", "first", "second%d" % round_)
            assert consumer.read() == [b"l", b"first"]
            server.kill()
        server.start()
        with Connection(server.port) as c:
            assert c("LRANGE", "l", 0, -1) == [b"second%d" % round_]
            assert c("DEL", "l") == 1
