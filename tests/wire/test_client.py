"""CLIENT: a connection looks at itself and at the others."""
import re
import shutil
import tempfile
import time

import pytest

from harness import (NOT_INTEGER, OK, SYNTAX, Connection, Error, Push, Server, Status, Verbatim,
                     until, wrong_arity)

BAD_NAME = "cannot contain spaces, newlines or special characters."


def text(reply):
    return str(reply)[4:] if isinstance(reply, Verbatim) else reply.decode()


def fields(line):
    return dict(word.split("=", 1) for word in line.split())


def listed(c, *words):
    return [fields(line) for line in text(c("CLIENT", "LIST", *words)).splitlines()]


@pytest.fixture
def other(c, server):
    with server.connect() as connection:
        assert connection("CLIENT", "SETNAME", "other") == OK
        yield connection


def closed(connection):
    return connection.at_end()


def test_id_and_names(c, other):
    assert other("CLIENT", "ID") > c("CLIENT", "ID") > 0
    assert c("CLIENT", "GETNAME") is None
    assert c("CLIENT", "SETNAME", "me") == OK
    assert c("CLIENT", "GETNAME") == b"me"
    for bad in ["a b", "a\n", "\x00", "\x7f", "é"]:
        assert c("CLIENT", "SETNAME", bad) == Error("ERR Client names " + BAD_NAME)
    assert c("CLIENT", "GETNAME") == b"me"
    assert c("CLIENT", "SETNAME", "") == OK
    assert c("CLIENT", "GETNAME") is None


def test_what_it_does_not_know(c):
    assert c("CLIENT") == wrong_arity("client")
    assert c("CLIENT", "FOO") == Error("ERR unknown subcommand 'FOO'. Try CLIENT HELP.")
    assert c("CLIENT", "ID", "x") == wrong_arity("client|id")


def test_help(c):
    lines = c("CLIENT", "HELP")
    assert all(isinstance(line, Status) for line in lines)
    assert str(lines[0]) == "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"


def test_info_describes_this_connection(c):
    assert c("CLIENT", "SETNAME", "me") == OK
    assert c("SELECT", 2) == OK
    reply = c("CLIENT", "INFO")
    assert isinstance(reply, bytes if c.resp == 2 else Verbatim)
    line = fields(text(reply))
    assert int(line["id"]) == c("CLIENT", "ID")
    assert (line["name"], line["db"], line["cmd"]) == ("me", "2", "client|info")
    assert (line["user"], line["flags"], line["resp"]) == ("default", "N", str(c.resp))
    assert line["addr"] == "%s:%d" % c.socket.getsockname()
    assert line["laddr"] == "%s:%d" % c.socket.getpeername()
    for name in ("fd", "age", "idle", "sub", "psub", "ssub", "qbuf", "qbuf-free", "argv-mem",
                 "multi-mem", "rbs", "rbp", "obl", "oll", "omem", "tot-mem"):
        assert int(line[name]) >= 0
    assert (line["multi"], line["redir"]) == ("-1", "-1")


def test_kv_and_the_reference_describe_with_the_same_fields(kv, reference):
    ours = list(fields(text(kv("CLIENT", "INFO"))))
    theirs = list(fields(text(reference("CLIENT", "INFO"))))
    later = ["capa", "watch",                                   # Valkey 8.1 and 8.0
             "lib-name", "lib-ver",                             # Redis 7.2
             "tot-net-in", "tot-net-out", "tot-cmds"]           # Valkey 8.0
    assert [name for name in ours if name not in later] == theirs
    assert [name for name in ours if name in later] == later


def test_list(c, other):
    me, you = c("CLIENT", "ID"), other("CLIENT", "ID")
    assert {me, you} <= {int(line["id"]) for line in listed(c)}
    assert [line["name"] for line in listed(c, "ID", you, 999999)] == ["other"]
    assert {int(line["id"]) for line in listed(c, "ID", you, me)} == {me, you}
    assert listed(c, "ID", 0) == []
    assert len(listed(c, "TYPE", "normal")) == len(listed(c))
    for kind in ("master", "replica", "slave", "pubsub"):
        assert listed(c, "TYPE", kind) == []
    assert c("CLIENT", "LIST", "TYPE", "foo") == Error("ERR Unknown client type 'foo'")
    assert c("CLIENT", "LIST", "ID", "x") == Error("ERR Invalid client ID")
    for words in [("ID",), ("FOO",), ("TYPE",)]:
        assert c("CLIENT", "LIST", *words) == SYNTAX


def test_list_is_in_order(c, other, server):
    me, you = c("CLIENT", "ID"), other("CLIENT", "ID")
    ids = [int(line["id"]) for line in listed(c)]
    assert ids == sorted(ids)
    assert [int(line["id"]) for line in listed(c, "ID", you, me, 999999, you)] == [you, me, you]


def test_list_with_the_filters_of_kill(kv, running):
    with running("kv").connect() as other:
        me, you = kv("CLIENT", "ID"), other("CLIENT", "ID")

        def ids(*words):
            return [int(line["id"]) for line in listed(kv, *words)]
        assert ids("TYPE", "normal", "ID", you, me) == [you, me]
        assert ids("ID", you, me, "SKIPME", "yes") == [you]
        assert ids("TYPE", "pubsub", "ID", you) == []
        assert ids("ADDR", "%s:%d" % other.socket.getsockname()) == [you]
        assert ids("LADDR", "1.2.3.4:5") == []
        assert ids("USER", "default", "MAXAGE", 3600) == []
        assert kv("CLIENT", "LIST", "USER", "nosuch") == Error("ERR No such user 'nosuch'")
        assert kv("CLIENT", "LIST", "ID", 1, "x") == Error("ERR Invalid client ID")
        for words in [("ID", 1, "ADDR"), ("SKIPME", "maybe"), ("ID", 1, "TYPE")]:
            assert kv("CLIENT", "LIST", *words) in (SYNTAX,)


def test_kill_several(kv, running):
    server = running("kv")
    with server.connect() as one, server.connect() as two, server.connect() as three:
        ids = [connection("CLIENT", "ID") for connection in (one, two, three)]
        assert kv("CLIENT", "KILL", "ID", ids[0], ids[2], 999999, "TYPE", "normal") == 2
        assert closed(one) and closed(three)
        assert two("PING") == Status("PONG")
        assert kv("CLIENT", "KILL", "ID", ids[1], "x") == SYNTAX


def test_setinfo(kv):
    assert kv("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == OK
    assert kv("CLIENT", "SETINFO", "lib-ver", "5.0(x)") == OK
    line = fields(text(kv("CLIENT", "INFO")))
    assert (line["lib-name"], line["lib-ver"]) == ("redis-py", "5.0(x)")
    assert kv("CLIENT", "SETINFO", "LIB-NAME", "a b") == Error("ERR lib-name " + BAD_NAME)
    assert kv("CLIENT", "SETINFO", "LIB-VER", "\n") == Error("ERR lib-ver " + BAD_NAME)
    assert kv("CLIENT", "SETINFO", "FOO", "x") == Error("ERR Unrecognized option 'FOO'")
    assert kv("CLIENT", "SETINFO", "LIB-NAME", "") == OK
    assert fields(text(kv("CLIENT", "INFO")))["lib-name"] == ""


def test_kill_by_address(c, other):
    address = "%s:%d" % other.socket.getsockname()
    assert c("CLIENT", "KILL", "1.2.3.4:5") == Error("ERR No such client")
    assert c("CLIENT", "KILL", address) == OK
    assert closed(other)
    assert c("CLIENT", "KILL", address) == Error("ERR No such client")


def test_kill_oneself(c):
    assert c("CLIENT", "KILL", "%s:%d" % c.socket.getsockname()) == OK
    assert closed(c)


@pytest.mark.parametrize("words", [
    ("ADDR", "{addr}"), ("ID", "{id}"), ("ID", "{id}", "ADDR", "{addr}", "TYPE", "normal"),
    ("LADDR", "{laddr}", "SKIPME", "yes", "ID", "{id}"), ("USER", "default", "ID", "{id}")])
def test_kill_by_filters(c, other, words):
    values = {"addr": "%s:%d" % other.socket.getsockname(),
              "laddr": "%s:%d" % other.socket.getpeername(), "id": other("CLIENT", "ID")}
    words = [word.format(**values) for word in words]
    assert c("CLIENT", "KILL", *words) == 1
    assert closed(other)
    assert c("CLIENT", "KILL", *words) == 0


def test_kill_spares_those_that_do_not_fit(c, other):
    you = other("CLIENT", "ID")
    assert c("CLIENT", "KILL", "ID", you, "ADDR", "1.2.3.4:5") == 0
    assert c("CLIENT", "KILL", "ID", you, "TYPE", "pubsub") == 0
    assert c("CLIENT", "KILL", "ID", c("CLIENT", "ID")) == 0
    assert other("PING") == Status("PONG")
    assert c("CLIENT", "KILL", "ID", c("CLIENT", "ID"), "SKIPME", "no") == 1
    assert closed(c)


def test_kill_all_but_oneself(c, server):
    others = [server.connect() for _ in range(5)]
    for connection in others:
        assert connection("PING") == Status("PONG")
    assert c("CLIENT", "KILL", "TYPE", "normal") >= 5
    for connection in others:
        assert closed(connection)
    assert c("PING") == Status("PONG")


def test_kill_errors(c):
    for words, error in [
            (("ID", "x"), "ERR client-id should be greater than 0"),
            (("ID", 0), "ERR client-id should be greater than 0"),
            (("TYPE", "foo"), "ERR Unknown client type 'foo'"),
            (("USER", "nosuch"), "ERR No such user 'nosuch'"),
            (("SKIPME", "maybe"), "ERR syntax error"),
            (("FOO", "bar"), "ERR syntax error"),
            (("ID", 1, "ADDR"), "ERR syntax error")]:
        assert c("CLIENT", "KILL", *words) == Error(error)


def test_kill_by_age(kv, running):
    with running("kv").connect() as other:
        you = other("CLIENT", "ID")
        assert kv("CLIENT", "KILL", "ID", you, "MAXAGE", 3600) == 0
        until(lambda: kv("CLIENT", "KILL", "ID", you, "MAXAGE", 1) == 1)
        assert closed(other)
    assert kv("CLIENT", "KILL", "MAXAGE", 0) == Error("ERR maxage should be greater than 0")


def test_no_evict(c):
    assert c("CLIENT", "NO-EVICT", "on") == OK
    assert fields(text(c("CLIENT", "INFO")))["flags"] == "e"
    assert c("CLIENT", "NO-EVICT", "OFF") == OK
    assert fields(text(c("CLIENT", "INFO")))["flags"] == "N"
    assert c("CLIENT", "NO-EVICT", "x") == SYNTAX


def test_no_touch_lets_reads_not_count(kv):
    assert kv("SET", "a", "1") == OK
    until(lambda: kv("OBJECT", "IDLETIME", "a") >= 1, step=0.1)
    assert kv("CLIENT", "NO-TOUCH", "on") == OK
    assert kv("GET", "a") == b"1"
    assert kv("OBJECT", "IDLETIME", "a") >= 1
    assert kv("CLIENT", "NO-TOUCH", "off") == OK
    assert kv("GET", "a") == b"1"
    assert kv("OBJECT", "IDLETIME", "a") == 0


def test_reply_off_and_skip(c):
    c.send_bytes(b"CLIENT REPLY OFF\r\nSET a 1\r\nNOSUCH\r\nCLIENT REPLY ON\r\nGET a\r\n")
    assert [c.read(), c.read()] == [OK, b"1"]
    c.send_bytes(b"CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\n")
    assert c.read() == b"2"
    c.send_bytes(b"CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\nCLIENT REPLY ON\r\n")
    assert c.read() == OK
    assert c("CLIENT", "REPLY", "maybe") == SYNTAX


def test_pushes_leave_with_reply_off(c, other):
    """SUBSCRIBE is answered by pushes, in both protocols; an error of it is not."""
    kind = list if c.resp == 2 else Push
    c.send_bytes(b"CLIENT REPLY OFF\r\nSUBSCRIBE\r\nSUBSCRIBE one\r\nUNSUBSCRIBE two\r\n")
    assert c.read() == kind([b"subscribe", b"one", 1])
    assert c.read() == kind([b"unsubscribe", b"two", 1])
    assert other("PUBLISH", "one", "hello") == 1
    assert c.read() == kind([b"message", b"one", b"hello"])
    if c.resp == 3:
        for words in (["PUBLISH", "one", "own"],
                      ["EVAL", "return redis.call('publish', 'one', 'own')", 0]):
            c.send(*words)
            assert c.read() == kind([b"message", b"one", b"own"])
    c.send_bytes(b"UNSUBSCRIBE\r\nCLIENT REPLY ON\r\n")
    assert c.read() == kind([b"unsubscribe", b"one", 0])
    assert c.read() == OK
    c.send_bytes(b"CLIENT REPLY SKIP\r\nSUBSCRIBE one\r\nUNSUBSCRIBE one\r\nPING\r\n")
    assert c.read() == kind([b"subscribe", b"one", 1])
    assert c.read() == kind([b"unsubscribe", b"one", 0])
    assert c.read() == Status("PONG")


def test_pause_lets_writes_wait(c, other):
    assert c("CLIENT", "PAUSE", 10000, "WRITE") == OK
    other.send("SET", "a", "1")
    assert c("GET", "a") is None
    assert c("PING") == Status("PONG")
    until(lambda: "\r\nblocked_clients:1\r\n" in text(c("INFO", "clients")))
    assert c("GET", "a") is None
    assert c("CLIENT", "UNPAUSE") == OK
    assert other.read() == OK
    assert c("GET", "a") == b"1"
    assert "\r\nblocked_clients:0\r\n" in text(c("INFO", "clients"))


def test_pause_lets_messages_wait(c, other):
    """What may reach a replica waits like a write."""
    assert c("CLIENT", "PAUSE", 10000, "WRITE") == OK
    for words in (("PUBLISH", "a", "b"), ("SPUBLISH", "a", "b")):
        other.send(*words)
    other.send("GET", "a")
    time.sleep(0.05)
    assert c("CLIENT", "UNPAUSE") == OK
    assert [other.read() for _ in range(3)] == [0, 0, None]


def test_a_script_that_says_it_writes_nothing_is_not_paused(c, other):
    """As long as only writes are: known before or not, by its text, its sum or as a function."""
    reads = "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])"
    sha = c("SCRIPT", "LOAD", reads)
    c("FUNCTION", "LOAD", """#!lua name=lib
redis.register_function{function_name='reads', flags={'no-writes'},
    callback=function(keys) return redis.call('GET', keys[1]) end}
redis.register_function('writes', function(keys) return redis.call('INCR', keys[1]) end)""")
    c("SET", "a", 1)
    assert c("CLIENT", "PAUSE", 100000, "WRITE") == OK
    assert other("EVAL", reads, 1, "a") == b"1"
    assert other("EVAL", reads + " ", 1, "a") == b"1"
    assert other("EVALSHA", sha, 1, "a") == b"1"
    assert other("FCALL", "reads", 1, "a") == b"1"
    for words in (("EVAL", "#!lua\nreturn redis.call('INCR', KEYS[1])", 1, "a"),
                  ("EVAL", "#!lua flags=allow-oom\nreturn redis.call('INCR', KEYS[1])", 1, "a"),
                  ("EVAL", "return redis.call('INCR', KEYS[1])", 1, "a"),
                  ("FCALL", "writes", 1, "a")):
        other.send(*words)
    time.sleep(0.05)
    assert c("GET", "a") == b"1"
    assert c("CLIENT", "UNPAUSE") == OK
    assert [other.read() for _ in range(4)] == [2, 3, 4, 5]
    c("FUNCTION", "FLUSH")


def test_who_is_paused_is_told_as_blocked(c, other):
    def blocked():
        return c.raw("INFO", "clients").partition(b"\nblocked_clients:")[2].split()[0]
    you = other("CLIENT", "ID")
    c("CLIENT", "PAUSE", 100000, "WRITE")
    other.send("SET", "a", "1")
    until(lambda: blocked() == b"1")
    assert listed(c, "ID", you)[0]["flags"] == "b"
    assert listed(c, "ID", you)[0]["cmd"] == "set"
    c("CLIENT", "UNPAUSE")
    assert other.read() == OK
    assert blocked() == b"0"
    assert listed(c, "ID", you)[0]["flags"] == "N"


def test_a_client_without_replies_has_no_list_of_them(c, other):
    other("PING")
    assert listed(c, "ID", other("CLIENT", "ID"))[0]["omem"] == "0"


def test_a_transaction_of_scripts_that_write_nothing_passes_a_pause(c, other):
    assert c("CLIENT", "PAUSE", 100000, "WRITE") == OK
    assert other("MULTI") == OK
    for words in (("EVAL", "#!lua flags=no-writes\nreturn 1", 0), ("EVAL_RO", "return 2", 0),
                  ("GET", "key")):
        assert other(*words) == Status("QUEUED")
    assert other("EXEC") == [1, 2, None]
    assert c("CLIENT", "UNPAUSE") == OK


def test_the_end_of_a_pause_lets_go_at_once(c, other):
    """Before the next command of who ends it."""
    for words in (("SET", "key", "value"), ("EVAL", "return redis.call('SET', 'key', 'value')", 0)):
        c("DEL", "key")
        assert c("CLIENT", "PAUSE", 100000, "WRITE") == OK
        other.send(*words)
        until(lambda: "b" in [one["flags"] for one in listed(c) if one["name"] == "other"])
        assert c("CLIENT", "UNPAUSE") == OK
        assert c("GET", "key") == b"value"
        assert other.read() == OK


def test_nothing_expires_while_writes_are_paused(server, c):
    """Who looks finds nothing, and deletes nothing."""
    def expired():
        return re.search(r"\r\nexpired_keys:(\d+)", text(c("INFO", "stats")))[1]
    before = expired()
    c("MULTI")
    c("SET", "key", "value", "PX", 30)
    c("CLIENT", "PAUSE", 100000, "WRITE")
    assert c("EXEC") == [OK, OK]
    until(lambda: c("GET", "key") is None)
    assert c("EXISTS", "key") == 0 and c("TTL", "key") == -2
    assert c("DBSIZE") == 1
    assert expired() == before
    assert c("CLIENT", "UNPAUSE") == OK
    assert c("GET", "key") is None
    until(lambda: c("DBSIZE") == 0)
    assert expired() != before


def test_pause_of_all_ends_by_itself(c, other):
    begun = time.monotonic()
    assert c("CLIENT", "PAUSE", 150) == OK
    assert other("PING") == Status("PONG")
    assert time.monotonic() - begun >= 0.14


def test_pause_errors(c):
    for words, error in [
            (("x",), "ERR timeout is not an integer or out of range"),
            ((-1,), "ERR timeout is negative"),
            ((1, "foo"), "ERR CLIENT PAUSE mode must be WRITE or ALL")]:
        assert c("CLIENT", "PAUSE", *words) == Error(error)
    assert c("CLIENT", "UNPAUSE", "x") == wrong_arity("client|unpause")
    assert c("CLIENT", "UNPAUSE") == OK


def test_unblock_whom_nobody_blocks(c, other):
    you = other("CLIENT", "ID")
    assert c("CLIENT", "UNBLOCK", you) == 0
    assert c("CLIENT", "UNBLOCK", 999999, "TIMEOUT") == 0
    assert c("CLIENT", "UNBLOCK", you, "foo") == Error(
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    assert c("CLIENT", "UNBLOCK", "x") == NOT_INTEGER


@pytest.mark.parametrize("how", [(), ("TIMEOUT",), ("ERROR",)])
def test_unblock_ends_a_wait(kv, running, how):
    with running("kv").connect() as other:
        you = other("CLIENT", "ID")
        other.send("WAITAOF", 0, 1, 0)
        until(lambda: listed(kv, "ID", you)[0]["flags"] == "b")
        assert kv("CLIENT", "UNBLOCK", you, *how) == 1
        reply = other.read()
        if how == ("ERROR",):
            assert reply == Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
        else:
            assert reply[1] == 0
        assert other("PING") == Status("PONG")


def test_tracking_is_off(c):
    assert c("CLIENT", "GETREDIR") == -1
    info = c("CLIENT", "TRACKINGINFO")
    if c.resp == 2:
        info = dict(zip(info[::2], info[1::2]))
    assert list(info) == [b"flags", b"redirect", b"prefixes"]
    assert list(info.values()) == [[b"off"], -1, []]


def test_a_unix_socket_has_its_path_for_an_address():
    folder = tempfile.mkdtemp(prefix="kv-")
    path = folder + "/s"
    server = Server("kv", unixsocket=path, persistence="no")
    try:
        with Connection(0, path=path) as c:
            line = fields(text(c("CLIENT", "INFO")))
            assert (line["addr"], line["laddr"]) == (path + ":0", path + ":0")
            assert c("CLIENT", "KILL", "ADDR", path + ":0", "SKIPME", "no") == 1
            assert closed(c)
    finally:
        server.close()
        shutil.rmtree(folder)


# --- Memory of clients ----------------------------------------------------------------------------

def evicted(c):
    return int(text(c("INFO", "stats")).split("evicted_clients:")[1].split()[0])


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_the_biggest_client_is_evicted(start, kind):
    server = start(kind, **{"maxmemory-clients": "4mb"})
    with server.connect() as c, server.connect() as small, server.connect() as big, \
            server.connect() as spared:
        assert spared("CLIENT", "NO-EVICT", "ON") == OK
        for connection, bytes_, count in ((spared, 30000, 60), (small, 10000, 60)):
            assert connection("MULTI") == OK
            for _ in range(count):
                assert connection("SET", "k", "x" * bytes_) == Status("QUEUED")
        assert evicted(c) == 0
        big.send("MULTI")
        for _ in range(100):
            try:
                big.send("SET", "k", "x" * 30000)
            except OSError:
                break
        until(lambda: evicted(c) == 1)
        assert small("EXEC") == [OK] * 60
        assert spared("EXEC") == [OK] * 60
        assert c("PING") == Status("PONG")
        # what is being sent counts, too
        with server.connect() as other:
            other.send_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n")
            try:
                for _ in range(100):
                    other.send_bytes(b"x" * 100000)
                    time.sleep(0.001)
            except OSError:
                pass
            until(lambda: evicted(c) == 2)
        assert c("PING") == Status("PONG")


def test_memory_of_clients_as_a_share(start):
    server = start("kv", persistence="no", maxmemory="100mb")
    with server.connect() as c, server.connect() as slow:
        assert c("CONFIG", "SET", "maxmemory-clients", "2%") == OK
        assert c("SET", "k", "x" * 100000) == OK
        for _ in range(300):
            slow.send("GET", "k")
        until(lambda: evicted(c) == 1)
        assert c("CONFIG", "SET", "maxmemory-clients", "0") == OK
        with server.connect() as again:
            for _ in range(300):
                again.send("GET", "k")
            assert [again.read() for _ in range(300)] == [b"x" * 100000] * 300
        assert evicted(c) == 1


# --- Valkey's -------------------------------------------------------------------------------------

def test_capa(kv):
    assert kv("CLIENT", "CAPA", "redirect") == OK
    assert kv("CLIENT", "CAPA", "whatever", "REDIRECT") == OK
    assert kv("CLIENT", "CAPA") == wrong_arity("client|capa")


def test_import_source_sees_expired_keys(start):
    server = start("kv")
    with server.connect() as c, server.connect() as source:
        refused = Error("ERR Server is not in import mode")
        assert source("CLIENT", "IMPORT-SOURCE", "ON") == refused
        assert source("CLIENT", "IMPORT-SOURCE", "OFF") == OK
        assert c("CONFIG", "SET", "import-mode", "yes") == OK
        assert source("CLIENT", "IMPORT-SOURCE", "x") == SYNTAX
        assert source("CLIENT", "IMPORT-SOURCE", "ON") == OK
        assert fields(text(source("CLIENT", "INFO")))["flags"] == "I"
        assert source("SET", "k", "v", "PX", 1) == OK
        assert source("SET", "gone", "v") == OK
        assert source("PEXPIREAT", "gone", 1) == 1
        time.sleep(0.3)
        assert [source("GET", "k"), source("GET", "gone")] == [b"v", b"v"]
        assert [c("GET", "k"), c("GET", "gone"), c("EXISTS", "k", "gone")] == [None, None, 0]
        assert c("DBSIZE") == 2
        assert c("SET", "gone", "new") == OK
        assert source("PEXPIRE", "k", 100000) == 1
        assert c("GET", "k") == b"v"
        assert source("SET", "short", "v", "PX", 1) == OK
        assert c("CONFIG", "SET", "import-mode", "no") == OK
        until(lambda: c("DBSIZE") == 2)
        assert sorted(c("KEYS", "*")) == [b"gone", b"k"]


def test_nothing_is_evicted_in_import_mode(start):
    server = start("kv", persistence="no", maxmemory="2mb", maxmemory_policy="allkeys-lru")
    with server.connect() as c:
        assert c("CONFIG", "SET", "import-mode", "yes") == OK
        for i in range(100):
            last = c("SET", f"k{i}", "x" * 100000)
        assert last == Error("OOM command not allowed when used memory > 'maxmemory'.")
        assert c("CONFIG", "SET", "import-mode", "no") == OK
        assert c("SET", "k", "x" * 100000) == OK
