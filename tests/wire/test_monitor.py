"""MONITOR: what is shown, in which form, and to whom."""
import re

import pytest

from harness import OK, Connection, Error, Status

LINE = re.compile(r"(\d{10})\.(\d{6}) \[(\d+) ([^\]]+)\] (.*)", re.S)


@pytest.fixture
def m(server):
    with server.connect(2) as connection:
        assert connection("FLUSHALL") == OK
        assert connection("MONITOR") == OK
        yield connection


@pytest.fixture
def w(m, server):
    """Who is watched: connects when the monitor is there."""
    with server.connect(2) as connection:
        yield connection


def line(monitor):
    """Database, address and arguments of the next one."""
    value = monitor.read()
    assert isinstance(value, Status), value
    return LINE.fullmatch(str(value)).groups()[2:]


def shown(monitor, connection, end="end"):
    """The arguments of all lines up to now."""
    connection.send("ECHO", end)
    found = []
    while True:
        text = line(monitor)[2]
        if text == f'"ECHO" "{end}"':
            break
        found.append(text)
    return found


def test_a_line(m, w, server):
    w("SET", "k", b"a\"b\\c\n\r\t\x07\x08\x00\xff\x7f e'")
    db, address, text = line(m)
    assert text == r'''"SET" "k" "a\"b\\c\n\r\t\a\b\x00\xff\x7f e'"'''
    assert db == "0"
    host, port = w.socket.getsockname()
    assert address == f"{host}:{port}"
    w("select", 3)
    assert line(m) == ("3", address, '"select" "3"')
    w("GET", "")
    assert line(m) == ("3", address, '"GET" ""')


SHOWN = [
    ("GET", []), ("FOO a", []), ("CONFIG GET maxmemory", []), ("CLIENT LIST", []),
    ("CLIENT ID", ['"CLIENT" "ID"']), ("DEBUG JMAP", []), ("SLOWLOG GET", []),
    ("AUTH x", ['"AUTH" "(redacted)"']), ("AUTH no one", ['"AUTH" "(redacted)" "(redacted)"']),
    ("HELLO 2 AUTH no one SETNAME z",
     ['"HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "z"']),
    ("CONFIG SET maxmemory 0", []), ("SUBSCRIBE a;UNSUBSCRIBE a",
                                     ['"SUBSCRIBE" "a"', '"UNSUBSCRIBE" "a"']),
    ("INCR a", ['"INCR" "a"']), ("LPUSH l 1;INCR l", ['"LPUSH" "l" "1"', '"INCR" "l"']),
    ("MULTI;SET a 1;GET a;EXEC",
     ['"MULTI"', '"SET" "a" "1"', '"GET" "a"', '"EXEC"']),
    ("MULTI;SET a 1;FOO;EXEC", ['"MULTI"', '"EXEC"']),
    ("MULTI;SET a 1;CONFIG GET x;DISCARD", ['"MULTI"', '"DISCARD"']),
    ("CLIENT REPLY SKIP;GET a", ['"CLIENT" "REPLY" "SKIP"', '"GET" "a"']),
    ("RESET", ['"RESET"']),
]


@pytest.mark.parametrize("requests,lines", SHOWN)
def test_what_is_shown(m, w, requests, lines):
    for words in requests.split(";"):
        w.send(*words.split())
    assert shown(m, w) == lines


def test_scripts(m, w):
    w("EVAL", "return redis.call('set', KEYS[1], '1')", 1, "k")
    w("SELECT", 2)
    w("EVAL_RO", "return redis.pcall('get', 'x')", 0)
    w("EVAL", "return redis.call('nosuch')", 0)
    expected = [("0", '"EVAL" "return redis.call(\'set\', KEYS[1], \'1\')" "1" "k"'),
                ("0", '"set" "k" "1"'), ("2", '"SELECT" "2"'),
                ("2", '"EVAL_RO" "return redis.pcall(\'get\', \'x\')" "0"'), ("2", '"get" "x"'),
                ("2", '"EVAL" "return redis.call(\'nosuch\')" "0"')]
    lines = [line(m) for _ in expected]
    assert [(db, text) for db, _, text in lines] == expected
    assert [address for _, address, _ in lines if address == "lua"] == ["lua"] * 2


def test_a_broken_transaction(m, w, server):
    w("WATCH", "a")
    with server.connect(2) as other:
        other("SET", "a", 2)
    w("MULTI")
    w("GET", "a")
    assert w("EXEC") is None
    assert shown(m, w) == ['"WATCH" "a"', '"SET" "a" "2"', '"MULTI"', '"EXEC"']


def test_a_client_that_waits_is_shown_once(m, w, server):
    w.send("BLPOP", "l", 0)
    assert line(m)[2] == '"BLPOP" "l" "0"'
    with server.connect(2) as other:
        other("RPUSH", "l", 1)
        assert w.read() == [b"l", b"1"]
        assert shown(m, other) == ['"RPUSH" "l" "1"']


@pytest.mark.parametrize("resp", [2, 3])
def test_a_monitor_sees_itself_behind_its_replies(server, resp):
    with server.connect(resp) as m:
        assert m("MONITOR") == OK
        assert m("PING") == Status("PONG")
        assert line(m)[2] == '"PING"'
        refused = Error("ERR Replica can't interact with the keyspace")
        for words in (("GET", "k"), ("SET", "k", 1), ("DBSIZE",), ("PUBLISH", "a", "b")):
            assert m(*words) == refused
        mine = int(m("CLIENT", "ID"))
        line(m)
        with server.connect(2) as other:
            found = [text for text in other("CLIENT", "LIST").split(b"\n")
                     if text.startswith(b"id=%d " % mine)]
            assert b" flags=O " in found[0]


def test_reset_ends_it(m, w):
    assert m("RESET") == Status("RESET")
    w("SET", "k", 1)
    assert m("GET", "k") == b"1"
    assert m("MONITOR") == OK
    w("GET", "k")
    assert line(m)[2] == '"GET" "k"'


def test_not_in_a_transaction(server):
    with server.connect(2) as c:
        c("MULTI")
        assert c("MONITOR") == Status("QUEUED")
        assert c("EXEC") == [Error("ERR MONITOR isn't allowed for DENY BLOCKING client")]
        assert c("SET", "k", 1) == OK


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_unix_sockets(start, kind, tmp_path):
    path = str(tmp_path / ("s" * (100 - len(str(tmp_path)))))
    assert len(path) > 90
    server = start(kind, unixsocket=path)
    with server.connect(2) as m, Connection(None, path=path) as c:
        m("MONITOR")
        c("PING")
        assert line(m) == ("0", f"unix:{path}", '"PING"')
        if kind == "redis":
            return  # it cuts the path
        assert f" addr={path}:0 laddr={path}:0 ".encode() in c("CLIENT", "LIST")


def test_a_slow_monitor_is_bounded(start):
    server = start("kv", persistence="no", client_output_buffer_limit="replica 1mb 0 0")
    with server.connect(2) as slow, server.connect(2) as fast:
        slow("MONITOR")
        for _ in range(4000):
            fast("ECHO", "x" * 10000)
            if b"flags=O" not in fast("CLIENT", "LIST"):
                break
        else:
            pytest.fail("the slow monitor was never closed")
        assert fast("PING") == Status("PONG")


def test_huge_arguments_are_told_by_their_length(start):
    server = start("kv", persistence="no")
    with server.connect(2) as m, server.connect(2) as w:
        m("MONITOR")
        w("SET", "k", b"\0" * (20 << 20))
        assert line(m)[2] == f'"SET" "k" "... ({20 << 20} bytes)"'
