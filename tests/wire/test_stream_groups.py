"""XREAD, and groups of consumers."""
import pytest

from harness import Error, NOT_INTEGER, NO_KEY, OK, SYNTAX, WRONG_TYPE, until

NO_GROUP = Error("NOGROUP No such key 's' or consumer group 'g'")
GONE = Error("UNBLOCKED the stream key no longer exists")


def fill(c, key, first, last):
    for i in range(first, last + 1):
        assert c("XADD", key, f"{i}-0", "n", str(i)) == f"{i}-0".encode()


def entries(first, last):
    return [[f"{i}-0".encode(), [b"n", str(i).encode()]] for i in range(first, last + 1)]


def streams(c, **found):
    """The reply of XREAD, in either protocol."""
    if c.resp == 3:
        return {key.encode(): value for key, value in found.items()}
    return [[key.encode(), value] for key, value in found.items()]


def facts(c, reply):
    """A map, in either protocol."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def pending(c, key="s", group="g"):
    """Of each pending entry: ID, consumer, deliveries."""
    return [(row[0].decode(), row[1].decode(), row[3])
            for row in c("XPENDING", key, group, "-", "+", 1000)]


def blocked(c):
    with c.server.connect() as other:
        until(lambda: b"blocked_clients:1" in other("INFO", "clients"))


@pytest.fixture
def c(c, server):
    c.server = server
    return c


def test_xread(c):
    fill(c, "s", 1, 5)
    fill(c, "t", 3, 4)
    assert c("XREAD", "STREAMS", "s", "3") == streams(c, s=entries(4, 5))
    assert c("XREAD", "COUNT", 2, "STREAMS", "s", "t", "0", "3-0") == streams(
        c, s=entries(1, 2), t=entries(4, 4))
    assert c("XREAD", "STREAMS", "s", "none", "5-0", "0") is None
    assert c("XREAD", "STREAMS", "s", "t", "$", "0") == streams(c, t=entries(3, 4))
    assert c("XREAD", "COUNT", 0, "STREAMS", "t", "0") == streams(c, t=entries(3, 4))
    assert c("XREAD", "STREAMS", "s", "$") is None
    assert c("XREAD", "STREAMS", "s", "18446744073709551615-18446744073709551615") is None


def test_xread_arguments(c):
    assert c("XREAD", "STREAMS", "s", "t", "0") == Error(
        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
    assert c("XREAD", "GROUP", "g", "c", "STREAMS", "s", "0") == Error(
        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
    assert c("XREAD", "NOACK", "STREAMS", "s", "0") == Error(
        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
    assert c("XREAD", "BLOCK", "x", "STREAMS", "s", "0") == Error(
        "ERR timeout is not an integer or out of range")
    assert c("XREAD", "BLOCK", "-1", "STREAMS", "s", "0") == Error("ERR timeout is negative")
    assert c("XREAD", "COUNT", "x", "STREAMS", "s", "0") == NOT_INTEGER
    assert c("XREAD", "COUNT", "1", "BLOCK", "1") == SYNTAX
    assert c("XREAD", "STREAMS", "s", ">") == Error(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
        "<consumer> option.")
    assert c("XREADGROUP", "COUNT", 1, "BLOCK", 1, "STREAMS", "s", ">") == Error(
        "ERR Missing GROUP option for XREADGROUP")
    assert c("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">") == Error(
        "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")
    c("SET", "string", "x")
    assert c("XREAD", "STREAMS", "string", "0") == WRONG_TYPE


def test_xread_blocks(c):
    fill(c, "s", 1, 3)
    assert c("XREAD", "BLOCK", 20, "STREAMS", "s", "$") is None
    c.send("XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$")
    blocked(c)
    with c.server.connect() as other:
        other("XDEL", "s", "3-0")
        fill(other, "s", 4, 5)
    assert c.read() == streams(c, s=entries(4, 4))
    assert c("XREAD", "BLOCK", 0, "COUNT", 1, "STREAMS", "s", "1") == streams(c, s=entries(2, 2))
    assert c.pipeline([("MULTI",), ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), ("EXEC",)])[2] == [
        None]


def test_xread_waits_for_a_key_to_come(c):
    c.send("XREAD", "BLOCK", 0, "STREAMS", "s", "5")
    blocked(c)
    with c.server.connect() as other:
        fill(other, "s", 5, 5)
        other("SET", "t", "x")
        fill(other, "s", 6, 6)
    assert c.read() == streams(c, s=entries(6, 6))


def test_xgroup(c):
    missing = Error(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
        "use the MKSTREAM option to create an empty stream automatically.")
    assert c("XGROUP", "CREATE", "s", "g", "$") == missing
    assert c("XGROUP", "DESTROY", "s", "g") == missing
    assert c("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM") == OK
    assert c("XLEN", "s") == 0 and c("EXISTS", "s") == 1
    assert c("XGROUP", "CREATE", "s", "g", "0") == Error(
        "BUSYGROUP Consumer Group name already exists")
    assert c("XGROUP", "CREATE", "s", "h", "x") == Error(
        "ERR Invalid stream ID specified as stream command argument")
    assert c("XGROUP", "CREATE", "s", "h", "0", "ENTRIESREAD", "-2") == Error(
        "ERR value for ENTRIESREAD must be positive or -1")
    assert c("XGROUP", "CREATE", "s", "h", "0", "NONSENSE") == Error(
        "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.")
    assert c("XGROUP", "SETID", "s", "h", "0") == Error(
        "NOGROUP No such consumer group 'h' for key name 's'")
    assert c("XGROUP", "SETID", "s", "g", "5-5", "ENTRIESREAD", 3) == OK
    assert c("XGROUP", "CREATECONSUMER", "s", "g", "c") == 1
    assert c("XGROUP", "CREATECONSUMER", "s", "g", "c") == 0
    group = facts(c, c("XINFO", "GROUPS", "s")[0])
    assert (group[b"consumers"], group[b"last-delivered-id"], group[b"entries-read"]) == (
        1, b"5-5", 3)
    assert c("XGROUP", "DELCONSUMER", "s", "g", "c") == 0
    assert c("XGROUP", "DESTROY", "s", "g") == 1
    assert c("XGROUP", "DESTROY", "s", "g") == 0
    assert isinstance(c("XGROUP", "HELP"), list)


def test_a_group_gives_each_entry_once(c):
    fill(c, "s", 1, 4)
    c("XGROUP", "CREATE", "s", "g", "0")
    read = ("XREADGROUP", "GROUP", "g")
    assert c(*read, "a", "COUNT", 2, "STREAMS", "s", ">") == streams(c, s=entries(1, 2))
    assert c(*read, "b", "STREAMS", "s", ">") == streams(c, s=entries(3, 4))
    assert c(*read, "b", "STREAMS", "s", ">") is None
    assert pending(c) == [("1-0", "a", 1), ("2-0", "a", 1), ("3-0", "b", 1), ("4-0", "b", 1)]
    assert c("XPENDING", "s", "g") == [4, b"1-0", b"4-0", [[b"a", b"2"], [b"b", b"2"]]]
    # its own again
    assert c(*read, "b", "COUNT", 1, "STREAMS", "s", "0") == streams(c, s=entries(3, 3))
    assert c("XDEL", "s", "4-0") == 1
    assert c(*read, "b", "STREAMS", "s", "3-0") == streams(c, s=[[b"4-0", None]])
    assert pending(c)[2:] == [("3-0", "b", 2), ("4-0", "b", 1)]
    assert c("XACK", "s", "g", "1-0", "1-0", "9-9", "3-0") == 2
    assert c("XACK", "s", "none", "1-0") == c("XACK", "none", "g", "x") == 0
    assert c("XPENDING", "s", "g", "-", "+", 10, "b")[0][:2] == [b"4-0", b"b"]
    assert c("XPENDING", "s", "g", "-", "+", 10, "none") == []
    assert c("XPENDING", "s", "g", "IDLE", 1000000, "-", "+", 10) == []
    assert c("XPENDING", "s", "g", "-", "+") == SYNTAX
    assert c("XPENDING", "none", "g") == Error("NOGROUP No such key 'none' or consumer group 'g'")
    assert c("XGROUP", "DELCONSUMER", "s", "g", "a") == 1
    fill(c, "s", 5, 5)
    assert c(*read, "new", "NOACK", "STREAMS", "s", ">") == streams(c, s=entries(5, 5))
    assert pending(c) == [("4-0", "b", 1)]
    names = [facts(c, row)[b"name"] for row in c("XINFO", "CONSUMERS", "s", "g")]
    assert names == [b"b", b"new"]


def test_xreadgroup_blocks(c):
    c("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    request = ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
    with c.server.connect() as other:
        c.send(*request)
        blocked(c)
        fill(other, "s", 1, 1)
        assert c.read() == streams(c, s=entries(1, 1))
        assert pending(c) == [("1-0", "c", 1)]
        for words, error in [
                (("XGROUP", "DESTROY", "s", "g"), Error(
                    "NOGROUP the consumer group this client was blocked on no longer exists")),
                (("DEL", "s"), GONE), (("SET", "s", "x"), GONE), (("FLUSHALL",), GONE)]:
            other("DEL", "s")
            other("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
            c.send(*request)
            blocked(c)
            other(*words)
            assert c.read() == error
    c("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    assert c(*request[:5], 10, *request[6:]) is None


def test_two_consumers_wait_in_turn(c):
    c("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    with c.server.connect() as first, c.server.connect() as second:
        first.send("XREADGROUP", "GROUP", "g", "a", "BLOCK", 0, "STREAMS", "s", ">")
        blocked(c)
        second.send("XREADGROUP", "GROUP", "g", "b", "BLOCK", 0, "STREAMS", "s", ">")
        until(lambda: "blocked_clients:2" in str(c("INFO", "clients")))
        fill(c, "s", 1, 2)
        assert first.read() == [[b"s", entries(1, 1)]]
        assert second.read() == [[b"s", entries(2, 2)]]
    assert pending(c) == [("1-0", "a", 1), ("2-0", "b", 1)]


def test_xclaim(c):
    claim = ("XCLAIM", "s", "g", "b")
    assert c(*claim, 0, "1-0") == NO_GROUP
    fill(c, "s", 1, 5)
    c("XGROUP", "CREATE", "s", "g", "0")
    c("XREADGROUP", "GROUP", "g", "a", "COUNT", 4, "STREAMS", "s", ">")
    assert c(*claim, 1000000, "1-0") == []
    assert c(*claim, 0, "1-0", "9-9") == entries(1, 1)
    assert c(*claim, 0, "2-0", "JUSTID") == [b"2-0"]
    assert c(*claim, 0, "5-0") == []
    assert c(*claim, 0, "5-0", "FORCE", "RETRYCOUNT", 7, "IDLE", 5000) == entries(5, 5)
    assert c("XPENDING", "s", "g", "IDLE", 4999, "-", "+", 9)[0][0] == b"5-0"
    c("XDEL", "s", "3-0")
    assert c(*claim, 0, "3-0") == []
    assert pending(c) == [("1-0", "b", 2), ("2-0", "b", 1), ("4-0", "a", 1), ("5-0", "b", 7)]
    assert c(*claim, 0, "4-0", "LASTID", "4-5", "TIME", 1000) == entries(4, 4)
    assert c("XPENDING", "s", "g", "4", "4", 1)[0][2] > 10 ** 12
    assert c(*claim, "x", "1-0") == Error("ERR Invalid min-idle-time argument for XCLAIM")
    assert c(*claim, 0, "1-0", "IDLE", "x") == Error(
        "ERR Invalid IDLE option argument for XCLAIM")
    assert c(*claim, 0, "1-0", "NONSENSE") == Error("ERR Unrecognized XCLAIM option 'NONSENSE'")


def test_xautoclaim(c):
    fill(c, "s", 1, 30)
    c("XGROUP", "CREATE", "s", "g", "0")
    c("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    claim = ("XAUTOCLAIM", "s", "g", "b")
    assert c(*claim, 1000000, "0") == [b"0-0", [], []]
    assert c(*claim, 1000000, "0", "COUNT", 1) == [b"11-0", [], []]
    c("XDEL", "s", "2-0", "29-0")
    assert c(*claim, 0, "0", "COUNT", 3) == [b"4-0", [entries(1, 1)[0], entries(3, 3)[0]], [b"2-0"]]
    assert c(*claim, 0, "(4-0", "COUNT", 2, "JUSTID") == [b"7-0", [b"5-0", b"6-0"], []]
    assert c(*claim, 0, "28") == [b"0-0", [entries(28, 28)[0], entries(30, 30)[0]], [b"29-0"]]
    assert len(pending(c)) == 28
    assert c(*claim, 0, "0", "COUNT", 0) == Error("ERR COUNT must be > 0")
    assert c(*claim, "x", "0") == Error("ERR Invalid min-idle-time argument for XAUTOCLAIM")
    assert c(*claim, 0, "0", "NONSENSE") == SYNTAX


def test_xinfo_stream(c):
    assert c("XINFO", "STREAM", "s") == NO_KEY
    fill(c, "s", 1, 350)
    c("XDEL", "s", "1-0", "7-0")
    stream = facts(c, c("XINFO", "STREAM", "s"))
    assert stream == {
        b"length": 348, b"radix-tree-keys": 4, b"radix-tree-nodes": stream[b"radix-tree-nodes"],
        b"last-generated-id": b"350-0", b"max-deleted-entry-id": b"7-0", b"entries-added": 350,
        b"recorded-first-entry-id": b"2-0", b"groups": 0, b"first-entry": entries(2, 2)[0],
        b"last-entry": entries(350, 350)[0]}
    c("XGROUP", "CREATE", "s", "g", "0")
    c("XREADGROUP", "GROUP", "g", "a", "COUNT", 20, "STREAMS", "s", ">")
    full = facts(c, c("XINFO", "STREAM", "s", "FULL"))
    assert full[b"entries"] == entries(2, 6) + entries(8, 12)
    group = facts(c, full[b"groups"][0])
    assert (group[b"name"], group[b"pel-count"], len(group[b"pending"])) == (b"g", 20, 10)
    consumer = facts(c, group[b"consumers"][0])
    assert (consumer[b"name"], consumer[b"pel-count"], len(consumer[b"pending"])) == (b"a", 20, 10)
    full = facts(c, c("XINFO", "STREAM", "s", "FULL", "COUNT", 0))
    assert len(full[b"entries"]) == 348
    assert c("XINFO", "STREAM", "s", "NONSENSE") == Error(
        "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")
    assert c("XINFO", "CONSUMERS", "s", "h") == Error(
        "NOGROUP No such consumer group 'h' for key name 's'")


def test_lag(c):
    def read():
        group = facts(c, c("XINFO", "GROUPS", "s")[0])
        return group[b"entries-read"], group[b"lag"]
    fill(c, "s", 1, 10)
    c("XGROUP", "CREATE", "s", "g", "0")
    assert read() == (None, 10)
    take = ("XREADGROUP", "GROUP", "g", "a", "COUNT")
    c(*take, 3, "STREAMS", "s", ">")
    assert read() == (3, 7)
    c("XDEL", "s", "2-0")
    assert read() == (3, 7)
    c("XDEL", "s", "7-0")
    assert read() == (3, None)
    c(*take, 100, "STREAMS", "s", ">")
    assert read() == (10, 0)
    c("XGROUP", "SETID", "s", "g", "5-0")
    assert read() == (None, None)
    c("XTRIM", "s", "MAXLEN", 2)
    assert read() == (None, 2)


def test_groups_are_copied_and_carried(c):
    fill(c, "s", 1, 150)
    c("XGROUP", "CREATE", "s", "g", "0")
    c("XREADGROUP", "GROUP", "g", "a", "COUNT", 100, "STREAMS", "s", ">")
    c("XCLAIM", "s", "g", "b", 0, "3-0", "4-0")
    before = c("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
    assert c("COPY", "s", "copy") == 1
    payload = c("DUMP", "s")
    c("DEL", "s")
    assert c("RESTORE", "s", 0, payload) == OK
    assert c("XINFO", "STREAM", "s", "FULL", "COUNT", 0) == before
    assert c("XINFO", "STREAM", "copy", "FULL", "COUNT", 0) == before


def without_active(full):
    """XINFO STREAM FULL without what Redis 7.2 added."""
    facts = dict(zip(full[::2], full[1::2]))
    facts[b"groups"] = [dict(zip(group[::2], group[1::2])) for group in facts[b"groups"]]
    for group in facts[b"groups"]:
        group[b"consumers"] = [dict(zip(row[::2], row[1::2])) for row in group[b"consumers"]]
        for consumer in group[b"consumers"]:
            consumer.pop(b"active-time", None)
    return facts


def test_payloads_go_both_ways(kv, reference):
    """Redis 7.0 does not read version 11, in which consumers are whole: 10 on request."""
    kv("CONFIG", "SET", "rdb-version", 10)
    for source, target in [(kv, reference), (reference, kv)]:
        fill(source, "s", 1, 250)
        source("XDEL", "s", "5-0", "249-0")
        source("XGROUP", "CREATE", "s", "g", "0")
        source("XREADGROUP", "GROUP", "g", "a", "COUNT", 100, "STREAMS", "s", ">")
        source("XCLAIM", "s", "g", "b", 0, "3-0", "4-0")
        assert target("RESTORE", "s", 0, source("DUMP", "s")) == OK
        full = ("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
        assert without_active(target(*full)) == without_active(source(*full))
        source("FLUSHALL")
        target("FLUSHALL")
    kv("CONFIG", "SET", "rdb-version", 0)


def test_options_of_a_group_have_room_once(c):
    c("XADD", "s", "1-1", "f", "v")
    assert c("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM", "ENTRIESREAD", 1) == OK
    assert c("XGROUP", "CREATE", "s", "g2", 0, "MKSTREAM", "MKSTREAM", "MKSTREAM") == OK
    for words in (["CREATE", "s", "g3", 0, "MKSTREAM", "MKSTREAM", "ENTRIESREAD", 1],
                  ["SETID", "s", "g", 0, "ENTRIESREAD", 1, "ENTRIESREAD", 2]):
        assert c("XGROUP", *words) == Error(
            f"ERR unknown subcommand or wrong number of arguments for '{words[0]}'. "
            "Try XGROUP HELP.")


def test_setid_takes_the_ends_of_intervals(c):
    c("XADD", "s", "5-1", "f", "v")
    c("XGROUP", "CREATE", "s", "g", "0")
    for word, last in [("+", b"18446744073709551615-18446744073709551615"), ("-", b"0-0")]:
        assert c("XGROUP", "SETID", "s", "g", word) == OK
        assert facts(c, c("XINFO", "GROUPS", "s")[0])[b"last-delivered-id"] == last
        for words in (["CREATE", "s", "h", word], ["SETID", "s", "g", "(5"]):
            assert c("XGROUP", *words) == Error(
                "ERR Invalid stream ID specified as stream command argument")
