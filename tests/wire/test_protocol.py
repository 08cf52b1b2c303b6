"""The wire grammar on a socket: what is well formed is answered however it is cut, what is not gets
redis-server's error and a closed connection."""
import random
import threading

import kv
import pytest


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with kv.Server(tmp_path_factory.mktemp("kv"), "--persistence", "no") as started:
        yield started


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with kv.Server(tmp_path_factory.mktemp("redis"), "--save", "",
                   program=kv.REDIS) as started:
        yield started


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


# Each is sent as a whole, then the sending side is closed; all that comes back is compared.
ODD = {
    "count is no number": b"*abc\r\n",
    "count is empty": b"*\r\n",
    "count with plus": b"*+1\r\n$4\r\nPING\r\n",
    "count with leading zero": b"*01\r\n$4\r\nPING\r\n",
    "count above int": b"*2147483648\r\n",
    "count above int64": b"*99999999999999999999\r\n",
    "count of zero": b"*0\r\n*1\r\n$4\r\nPING\r\n",
    "count below zero": b"*-1\r\n*1\r\n$4\r\nPING\r\n",
    "no dollar": b"*1\r\nPING\r\n",
    "colon for dollar": b"*1\r\n:1\r\n",
    "line end for dollar": b"*1\r\n\r\n",
    "length is no number": b"*1\r\n$x\r\n",
    "length is empty": b"*1\r\n$\r\n",
    "length below zero": b"*1\r\n$-1\r\n",
    "length above limit": b"*1\r\n$536870913\r\n",
    "length above int64": b"*1\r\n$99999999999999999999\r\n",
    "argument without line end": b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    "empty command name": b"*1\r\n$0\r\n\r\n",
    "binary command name": b"*1\r\n$4\r\n\x00\xff\x01\x02\r\n",
    "empty lines": b"\r\n\r\n\n\nPING\r\n",
    "inline": b"PING\r\nECHO x\r\n",
    "inline, lone line feed": b"PING\nECHO y\n",
    "inline with quotes": b"ECHO \"a b\\x41\\n\"\r\nECHO 'it\\'s'\r\n",
    "inline, open quotes": b"ECHO \"abc\r\nPING\r\n",
    "inline, text behind quotes": b"ECHO \"abc\"d\r\n",
    "inline and bulk in turn": b"PING\r\n" + request("PING") + b"PING\r\n",
    "long inline": b"ECHO " + b"x" * 60000 + b"\r\n",
    "too long inline": b"x" * 70000,
    "too long count": b"*" + b"1" * 70000,
    "too long length": b"*1\r\n$" + b"1" * 70000,
    "unknown command": request("NOSUCH", "a", "b"),
    "unknown command, long": request("N" * 300, *["a" * 100] * 10),
    "wrong number of arguments": request("GET") + request("PING"),
    "good before bad": request("PING") * 3 + b"*1\r\n$z\r\n" + request("PING"),
    "post": b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "host header": b"PING\r\nHost: localhost\r\nPING\r\n",
    "unfinished": b"*2\r\n$4\r\nECHO\r\n$5\r\nhel",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_input_is_answered_as_redis_does(server, reference, name):
    def answer(whom):
        with whom.raw() as raw:
            raw.send(ODD[name])
            raw.socket.shutdown(1)
            return raw.rest()
    assert answer(server) == answer(reference)


def test_a_request_may_come_byte_by_byte(server):
    with server.raw() as raw:
        for byte in request("SET", "bytes", "x" * 50) + request("GET", "bytes") + b"PING\r\n":
            raw.send(bytes([byte]))
        raw.expect(b"+OK\r\n$50\r\n" + b"x" * 50 + b"\r\n+PONG\r\n")


def test_a_pipeline_may_be_cut_anywhere(server):
    chance = random.Random(7)
    stream, expected = b"", b""
    for i in range(3000):
        value = bytes(chance.choices(range(256), k=chance.choice((0, 3, 60, 5000))))
        stream += request("SET", f"cut{i % 50}", value) + request("GET", f"cut{i % 50}")
        expected += b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
    with server.raw(60) as raw:
        def feed():
            at = 0
            while at < len(stream):
                step = chance.choice((1, 7, 100, 4095, 4096, 4097, 65536, 200000))
                raw.send(stream[at:at + step])
                at += step
        sender = threading.Thread(target=feed)
        sender.start()
        raw.expect(expected)
        sender.join()


def test_ten_thousand_small_requests_in_one_piece_come_back_in_order(server):
    with server.raw() as raw:
        raw.send(b"".join(request("ECHO", i) for i in range(10000)))
        raw.expect(b"".join(b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(10000)))


def test_a_request_may_have_very_many_arguments(server):
    count = 100000
    with server.raw(60) as raw:
        raw.send(request("DEL", *range(count)) + request("PING"))
        raw.expect(b":0\r\n+PONG\r\n")


@pytest.mark.parametrize("length", [65535, 65536, 1 << 20, 40 << 20])
def test_large_arguments_arrive_whole(server, length):
    value = random.Random(length).randbytes(length)
    with server.raw(60) as raw:
        raw.send(request("SET", "large", value))
        raw.expect(b"+OK\r\n")
        raw.send(request("GET", "large"))
        raw.expect(b"$%d\r\n" % length + value + b"\r\n")
        raw.send(request("DEL", "large"))
        raw.expect(b":1\r\n")


@pytest.mark.slow
def test_the_largest_argument_is_512_mb(server):
    piece = b"0123456789abcdef" * 65536
    with server.raw(120) as raw:
        raw.send(b"*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$536870912\r\n")
        for _ in range(512):
            raw.send(piece)
        raw.send(b"\r\n")
        raw.expect(b"+OK\r\n")
        raw.send(request("STRLEN", "huge") + request("GETRANGE", "huge", -16, -1) +
                 request("UNLINK", "huge"))
        raw.expect(b":536870912\r\n$16\r\n0123456789abcdef\r\n:1\r\n")


def test_before_a_password_requests_must_be_small(tmp_path):
    with kv.Server(tmp_path / "a", "--persistence", "no", "--requirepass", "secret") as one, \
            kv.Server(tmp_path / "b", "--save", "", "--requirepass", "secret",
                      program=kv.REDIS) as other:
        for odd in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", request("PING"),
                    request("AUTH", "wrong"), request("AUTH", "secret") + b"*11\r\n",
                    request("AUTH", "secret") + request("ECHO", "x" * 20000)):
            answers = []
            for server in (one, other):
                with server.raw() as raw:
                    raw.send(odd)
                    raw.socket.shutdown(1)
                    answers.append(raw.rest())
            assert answers[0] == answers[1]
