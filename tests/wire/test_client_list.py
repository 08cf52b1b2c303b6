"""CLIENT LIST: what it says of clients in many states, beside redis-server."""
import pytest

from harness import OK, until

REST = b"*2\r\n$3\r\nGET\r\n$%d\r\n"
STATES = {
    # what it sends: commands whose reply it reads, or bytes
    "new": ([], {"cmd": "client|id", "flags": "N", "multi": "-1"}),
    "behind MULTI": ([["MULTI"], ["SET", "a", "b"], ["CLIENT", "LIST"]],
                     {"cmd": "client|list", "flags": "x", "multi": "2"}),
    "an unknown command": ([["GET", "a"], ["NONSENSE"]], {"cmd": "NULL"}),
    "an unknown command behind MULTI": ([["MULTI"], ["NONSENSE"]], {"cmd": "NULL", "flags": "x"}),
    "an unknown subcommand": ([["GET", "a"], ["CONFIG", "NONSENSE"]], {"cmd": "NULL"}),
    "too few arguments": ([["GET"]], {"cmd": "get"}),
    "behind EXEC": ([["MULTI"], ["GET", "a"], ["EXEC"]], {"cmd": "exec", "multi": "-1"}),
    "a broken watch": ([["WATCH", "w"], ["SET", "w", "1"]], {"cmd": "set", "flags": "d"}),
    "a subscriber": ([["SUBSCRIBE", "a"]], {"cmd": "subscribe", "flags": "P", "sub": "1"}),
    "a script": ([["EVAL", "return redis.call('GET', 'a')", "0"]], {"cmd": "eval"}),
    "blocked": ([b"*3\r\n$5\r\nBLPOP\r\n$6\r\nno key\r\n$1\r\n0\r\n"],
                {"cmd": "blpop", "flags": "b", "argv-mem": "12"}),
    "blocked, and more behind": ([b"*3\r\n$5\r\nBLPOP\r\n$6\r\nno key\r\n$1\r\n0\r\nPING\r\n"],
                                 {"cmd": "blpop", "qbuf": "6"}),
    "a part of an argument": ([REST % 10 + b"abc"], {"qbuf": "3", "cmd": "client|id"}),
    "a part of a large argument": ([REST % 1000000 + b"x" * 50000], {"qbuf": "50000"}),
    "arguments that have come": ([b"*4\r\n$3\r\nDEL\r\n$5000\r\n" + b"a" * 5000 + b"\r\n$50"],
                                 {"qbuf": "3"}),
}


def line_of(connection, client):
    line = connection("CLIENT", "LIST", "ID", client).decode().strip()
    return dict(field.split("=", 1) for field in line.split(" "))


def send(connection, steps):
    for step in steps:
        if isinstance(step, bytes):
            connection.send_bytes(step)
        else:
            connection(*step)


@pytest.mark.parametrize("steps,expected", STATES.values(), ids=STATES)
def test_what_is_shown(server, steps, expected):
    with server.connect() as one, server.connect() as other:
        client = one("CLIENT", "ID")
        send(one, steps)
        shown = {}

        def as_expected():
            shown.update(line_of(other, client))
            return expected.items() <= shown.items()
        until(as_expected)


@pytest.mark.parametrize("announced,sent", [(1000000, 0), (1000000, 300000), (100000, 3)])
def test_a_large_argument_counts_when_it_is_announced(server, announced, sent):
    with server.connect() as one, server.connect() as other:
        client = one("CLIENT", "ID")
        one.send_bytes(REST % announced + b"x" * sent)

        def counted():
            line = line_of(other, client)
            size = int(line["qbuf"]) + int(line["qbuf-free"])
            return int(line["qbuf"]) == sent and announced <= size <= 1.2 * announced + 32768
        until(counted)
        assert int(line_of(other, client)["tot-mem"]) > announced


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_who_announces_too_much_is_evicted(start, kind):
    """Before it has sent it."""
    server = start(kind, maxmemory_clients="2mb")
    with server.connect() as one, server.connect() as other:
        assert one("SET", "a", "b") == OK
        one.send_bytes(REST % 4000000)
        assert one.at_end()
        assert b"evicted_clients:1\r\n" in other("INFO", "stats")
