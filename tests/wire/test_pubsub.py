"""SUBSCRIBE and its kin, PUBLISH, PUBSUB, keyspace events."""
import os

import pytest

from harness import OK, Error, Push, Status


def like(resp, *items):
    """A push in RESP3 is an array in RESP2."""
    return Push(items) if resp == 3 else list(items)


@pytest.fixture
def publisher(server):
    with server.connect(2) as connection:
        yield connection


def test_a_message_reaches_who_listens(c, publisher):
    assert c("SUBSCRIBE", "news") == like(c.resp, b"subscribe", b"news", 1)
    assert publisher("PUBLISH", "news", "hello") == 1
    assert c.read() == like(c.resp, b"message", b"news", b"hello")
    assert publisher("PUBLISH", "other", "hello") == 0


def test_who_publishes_to_himself_hears_it_first(c):
    c("SUBSCRIBE", "a")
    if c.resp == 3:
        c.send("PUBLISH", "a", "x")
        assert c.read() == Push([b"message", b"a", b"x"])
        assert c.read() == 1


def test_patterns(c, publisher):
    assert c("PSUBSCRIBE", "n*") == like(c.resp, b"psubscribe", b"n*", 1)
    c.send("SUBSCRIBE", "news")
    assert c.read() == like(c.resp, b"subscribe", b"news", 2)
    assert publisher("PUBLISH", "news", "x") == 2
    got = [c.read(), c.read()]
    assert like(c.resp, b"message", b"news", b"x") in got
    assert like(c.resp, b"pmessage", b"n*", b"news", b"x") in got


def test_shard_channels_are_apart(c, publisher):
    assert c("SSUBSCRIBE", "news") == like(c.resp, b"ssubscribe", b"news", 1)
    assert publisher("PUBLISH", "news", "x") == 0
    assert publisher("SPUBLISH", "news", "y") == 1
    assert c.read() == like(c.resp, b"smessage", b"news", b"y")
    assert c("SUNSUBSCRIBE") == like(c.resp, b"sunsubscribe", b"news", 0)


def test_unsubscribe_counts_down(c):
    c.send("SUBSCRIBE", "a", "b", "a")
    assert [c.read()[2] for _ in range(3)] == [1, 2, 2]
    assert c("UNSUBSCRIBE", "b", ) == like(c.resp, b"unsubscribe", b"b", 1)
    assert c("UNSUBSCRIBE", "nothing") == like(c.resp, b"unsubscribe", b"nothing", 1)
    assert c("UNSUBSCRIBE") == like(c.resp, b"unsubscribe", b"a", 0)


@pytest.mark.parametrize("word", ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])
def test_unsubscribe_without_subscription_answers(c, word):
    assert c(word) == like(c.resp, word.lower().encode(), None, 0)
    assert c(word, "x") == like(c.resp, word.lower().encode(), b"x", 0)
    assert c("PING") == Status("PONG")


def test_what_a_subscriber_may_do(c):
    c("SUBSCRIBE", "a")
    if c.resp == 3:
        assert c("SET", "k", "v") == OK
        assert c("PING") == Status("PONG")
        return
    assert c("GET", "k") == Error(
        "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context")
    assert c("PING") == [b"pong", b""]
    assert c("PING", "x") == [b"pong", b"x"]
    assert c("RESET") == Status("RESET")
    assert c("GET", "k") is None


def test_pubsub_tells(c, server):
    with server.connect(2) as one, server.connect(2) as two:
        one.send("SUBSCRIBE", "a", "b")
        one.read(), one.read()
        two("SUBSCRIBE", "a")
        two("PSUBSCRIBE", "x*")
        two("SSUBSCRIBE", "s")
        assert sorted(c("PUBSUB", "CHANNELS")) == [b"a", b"b"]
        assert c("PUBSUB", "CHANNELS", "b*") == [b"b"]
        assert c("PUBSUB", "NUMPAT") == 1
        assert c("PUBSUB", "SHARDCHANNELS") == [b"s"]
        assert c("PUBSUB", "NUMSUB", "a", "b", "none") == [b"a", 2, b"b", 1, b"none", 0]
        assert c("PUBSUB", "NUMSUB") == []
        assert c("PUBSUB", "SHARDNUMSUB", "s") == [b"s", 1]
        lines = c("CLIENT", "LIST", "TYPE", "pubsub")
        assert str(lines).count("flags=P") == 2
    while c("PUBSUB", "CHANNELS"):
        pass


def test_who_leaves_is_forgotten(c, server):
    with server.connect(2) as other:
        other("SUBSCRIBE", "a")
    while c("PUBLISH", "a", "x"):
        pass


def test_published_in_a_transaction(c, publisher):
    c("SUBSCRIBE", "a")
    publisher("MULTI")
    publisher("SET", "k", "v")
    publisher("PUBLISH", "a", "1")
    assert publisher("EXEC") == [OK, 1]
    assert c.read() == like(c.resp, b"message", b"a", b"1")


EVENTS = [
    (["SET", "k", "v"], b"set"), (["DEL", "k"], b"del"), (["SET", "k", "1"], b"set"),
    (["INCR", "k"], b"incrby"), (["APPEND", "k", "2"], b"append"),
    (["EXPIRE", "k", "100"], b"expire"), (["PERSIST", "k"], b"persist"),
    (["SETRANGE", "k", "0", "x"], b"setrange"), (["RENAME", "k", "l"], b"rename_from"),
]


def test_keyspace_events(c, publisher):
    publisher("CONFIG", "SET", "notify-keyspace-events", "KA")
    try:
        c("PSUBSCRIBE", "__keyspace@0__:k")
        for words, event in EVENTS:
            publisher(*words)
            assert c.read() == like(c.resp, b"pmessage", b"__keyspace@0__:k",
                                    b"__keyspace@0__:k", event)
    finally:
        publisher("CONFIG", "SET", "notify-keyspace-events", "")


def test_an_expired_key_is_told(c, publisher):
    publisher("CONFIG", "SET", "notify-keyspace-events", "Ex")
    try:
        c("SUBSCRIBE", "__keyevent@0__:expired")
        publisher("SET", "k", "v", "PX", "20")
        assert c.read() == like(c.resp, b"message", b"__keyevent@0__:expired", b"k")
    finally:
        publisher("CONFIG", "SET", "notify-keyspace-events", "")


PAYLOAD = b"\x00\x01v\n\x00\x91\x08\xce\xb2\x198\x8a\xce"  # DUMP of "v"
# What is done, and the events that follow, with their keys.
RARE = [
    (["SET", "k", 1], ["new k", "set k"]), (["SET", "k", 2], ["set k"]),
    (["RENAME", "k", "l"], ["new l", "rename_from k", "rename_to l"]),
    (["SET", "k", 1], ["new k", "set k"]),
    (["RENAME", "k", "l"], ["new l", "rename_from k", "rename_to l"]),
    (["COPY", "l", "m"], ["new m", "copy_to m"]), (["RPUSH", "q", 1], ["new q", "rpush q"]),
    (["RPUSH", "q", 2], ["rpush q"]), (["HSET", "h", "f", 1], ["new h", "hset h"]),
    (["GET", "no"], ["keymiss no"]), (["EXISTS", "no", "l"], ["keymiss no"]),
    (["TTL", "no"], ["keymiss no"]), (["TYPE", "no"], ["keymiss no"]),
    (["OBJECT", "ENCODING", "no"], []), (["GETSET", "o", 1], ["keymiss o", "new o", "set o"]),
    (["SUNIONSTORE", "u", "no"], ["keymiss no"]), (["LPUSHX", "no", 1], []),
    (["DEL", "no"], []), (["EXPIRE", "no", 1], []), (["XACK", "no", "g", "1-1"], ["keymiss no"]),
    (["EVAL", "redis.call('GET', 'no') redis.call('SET', 'p', 1)", 0],
     ["keymiss no", "new p", "set p"]),
    (["SET", "t", "x"], ["new t", "set t"]),
    (["COPY", "p", "t", "REPLACE"], ["new t", "copy_to t"]),
    (["RESTORE", "t", 0, PAYLOAD, "REPLACE"], ["new t", "restore t"]),
    (["SETBIT", "t", 0, 0], []), (["BITFIELD", "t", "INCRBY", "u8", 0, 0], []),
    (["BITFIELD", "t", "OVERFLOW", "FAIL", "INCRBY", "u8", 0, 255], []),
    (["BITFIELD", "t", "SET", "u8", 8, 0], ["setbit t"]), (["SETBIT", "t", 16, 0], ["setbit t"]),
    (["LPUSH", "w", 1], ["new w", "lpush w"]), (["LCS", "w", "no"], ["keymiss no"]),
    (["SET", "end", 1], ["new end", "set end"]),
]


def test_new_keys_and_misses_are_told_when_asked_for(c, publisher):
    publisher("CONFIG", "SET", "notify-keyspace-events", "EAnm")
    try:
        c("PSUBSCRIBE", "__keyevent@0__:*")
        for words, events in RARE:
            publisher(*words)
            for event in events:
                name, key = event.encode().split()
                assert c.read() == like(c.resp, b"pmessage", b"__keyevent@0__:*",
                                        b"__keyevent@0__:" + name, key), words
    finally:
        publisher("CONFIG", "SET", "notify-keyspace-events", "")


def test_shard_channels_are_not_subscribed_to_in_a_transaction(c):
    c("MULTI")
    c("SSUBSCRIBE", "s")
    c("SUBSCRIBE", "a")
    assert c("EXEC") == [Error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"),
                         like(c.resp, b"subscribe", b"a", 1)]
    c("RESET")


@pytest.mark.parametrize("letters", ["", "KEA", "AKE", "g$xE", "KElshzxetdmn", "gx", "Kn", "mE"])
def test_letters_of_events(c, letters):
    assert c("CONFIG", "SET", "notify-keyspace-events", letters) == OK
    shown = c("CONFIG", "GET", "notify-keyspace-events")
    shown = shown[b"notify-keyspace-events"] if isinstance(shown, dict) else shown[1]
    assert shown == {"": b"", "KEA": b"AKE", "AKE": b"AKE", "g$xE": b"g$xE", "gx": b"gx",
                     "KElshzxetdmn": b"lshzxetdnKEm", "Kn": b"nK", "mE": b"Em"}[letters]
    c("CONFIG", "SET", "notify-keyspace-events", "")


def test_a_slow_subscriber_is_bounded(start):
    server = start("kv", persistence="no",
                   client_output_buffer_limit="pubsub 1mb 0 0")
    with server.connect(2) as slow, server.connect(2) as fast:
        slow("SUBSCRIBE", "a")
        message = os.urandom(50000)
        for _ in range(2000):
            if fast("PUBLISH", "a", message) == 0:
                break
        else:
            pytest.fail("the slow subscriber was never closed")
        assert fast("PING") == Status("PONG")
