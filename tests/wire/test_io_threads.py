"""io-threads: sockets and TLS on threads of their own, one order of execution."""
import os
import random
import socket
import threading
import time

import kv
import pytest
import redis
from test_tls import Certificates, TlsServer, refused

pytestmark = pytest.mark.threads

CLIENTS = 20 if kv.SLOW else 60


@pytest.fixture
def serve(tmp_path):
    servers = []

    def begin(*words, persistence="no", threads=4, **options):
        servers.append(kv.Server(tmp_path / str(len(servers)), "--persistence", persistence,
                                 "--io-threads", threads, *words, **options))
        return servers[-1]
    yield begin
    for server in servers:
        assert server.is_alive() or server.process.returncode == 0, server.log()
        server.kill()
        assert "ThreadSanitizer" not in server.log()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_they_are_shown_and_fixed(serve):
    client = serve().client()
    assert client.info("server")["io_threads_active"] == 1
    assert client.config_get("io-threads") == {"io-threads": "4"}
    with pytest.raises(redis.ResponseError, match="immutable"):
        client.config_set("io-threads", 2)
    assert serve(threads=1).client().info("server")["io_threads_active"] == 0


def work(server, failures, seed):
    """One client: pipelines of random depth, replies checked in order."""
    chance = random.Random(seed)
    try:
        with server.raw(timeout=60) as raw:
            n = 0
            for _ in range(10 if kv.SLOW else 30):
                depth = chance.choice([1, 2, 16, 300])
                raw.send(b"".join(b"INCR own%d\r\nINCR all\r\nECHO %d\r\n" % (seed, n + i)
                                  for i in range(depth)))
                for i in range(depth):
                    assert raw.line() == b":%d" % (n + i + 1)
                    assert raw.line()[:1] == b":"
                    raw.line()
                    assert raw.line() == b"%d" % (n + i)
                n += depth
            return n
    except (AssertionError, OSError) as error:
        failures.append(error)


@pytest.mark.parametrize("persistence", ["no", "yes"])
def test_many_clients_each_in_its_order(serve, persistence):
    server = serve(persistence=persistence)
    failures = []
    threads = [threading.Thread(target=work, args=(server, failures, seed))
               for seed in range(CLIENTS // 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    client = server.client()
    assert int(client.get("all")) == sum(int(client.get(f"own{seed}"))
                                         for seed in range(CLIENTS // 4))


def test_what_was_acknowledged_survives(serve):
    server = serve(persistence="yes")
    acknowledged = []
    with server.raw() as raw:
        for i in range(200):
            assert raw.say(b"SET key%d %d\r\n" % (i, i)) == b"+OK"
            acknowledged.append(i)
    server.kill()
    server.start()
    client = server.client()
    assert all(client.get(f"key{i}") == str(i) for i in acknowledged)


def test_big_values_flow_both_ways(serve):
    client = serve().client(decode_responses=False)
    for size in (1, 65535, 65536, 262144, 1 << 20, 30 << 20):
        value = os.urandom(min(size, 1 << 20)) * (size >> 20 or 1)
        assert client.set("v", value) and client.get("v") == value


def test_who_stops_sending_gets_all_replies(serve):
    server = serve()
    with server.raw() as raw:
        raw.send(b"SET a " + b"x" * 1000 + b"\r\n" + b"GET a\r\n" * 3000)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.rest() == b"+OK\r\n" + (b"$1000\r\n" + b"x" * 1000 + b"\r\n") * 3000


def test_quit_and_shutdown_send_the_last_words(serve):
    server = serve()
    server.client().set("big", "x" * 3000000)
    with server.raw() as raw:
        raw.send(b"GET big\r\nQUIT\r\n")
        assert raw.rest() == b"$3000000\r\n" + b"x" * 3000000 + b"\r\n+OK\r\n"
    with server.raw() as raw:
        raw.send(b"SET a 1\r\nGET a\r\nSHUTDOWN NOSAVE\r\n")
        assert raw.rest() == b"+OK\r\n$1\r\n1\r\n"
    assert server.process.wait(kv.PATIENCE_S) == 0


def test_blocked_clients_wait_with_what_is_behind(serve):
    server = serve()
    with server.raw() as raw:
        raw.send(b"BLPOP list 0\r\n" + b"PING\r\n" * 100000)
        client = server.client()
        kv.wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
        client.rpush("list", "x")
        raw.expect(b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n" + b"+PONG\r\n" * 100000)


def test_who_does_not_read_is_cut_off(serve):
    server = serve("--client-output-buffer-limit", "pubsub", "1mb", "0", "0")
    with server.raw() as raw:
        raw.send(b"SUBSCRIBE news\r\n")
        client = server.client()
        kv.wait_until(lambda: client.pubsub_numsub("news")[0][1] == 1)
        for _ in range(400):
            client.publish("news", "x" * 100000)
        kv.wait_until(lambda: client.pubsub_numsub("news")[0][1] == 0)
        assert client.info("stats")["client_output_buffer_limit_disconnections"] >= 1


def test_clients_come_and_go(serve):
    server = serve()
    chance = random.Random(1)
    for _ in range(300 if kv.SLOW else 1500):
        with server.raw() as raw:
            what = chance.randrange(5)
            if what == 0:
                raw.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\nxx")
            elif what == 1:
                raw.send(b"PING\r\n" * chance.randrange(2000))
            elif what == 2:
                assert raw.say(b"PING\r\n") == b"+PONG"
            elif what == 3:
                raw.send(b"CLIENT KILL TYPE normal SKIPME no\r\n")
                raw.rest()
    client = server.client()

    def alone():
        try:
            return client.info("clients")["connected_clients"] == 1
        except redis.ConnectionError:
            return False
    kv.wait_until(alone)
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 60


def test_a_descriptor_is_given_back(serve):
    """A closed link is freed by the main thread only when its own thread is done with it."""
    server = serve()
    for _ in range(5):
        held = [server.raw() for _ in range(CLIENTS)]
        for raw in held:
            assert raw.say(b"PING\r\n") == b"+PONG"
        for raw in held:
            raw.close()
    client = server.client()
    kv.wait_until(lambda: client.info("clients")["connected_clients"] == 1)
    kv.wait_until(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) < 60)


def test_tls_runs_on_the_threads(tmp_path, certificates):
    with TlsServer(tmp_path, certificates, "--io-threads", 3,
                   "--tls-handshake-timeout", 1) as server:
        plain = server.client()
        silent = [kv.Raw(("127.0.0.1", server.tls_port)) for _ in range(10)]
        context = certificates.context()
        links = [server.connect(context=context) for _ in range(CLIENTS)]
        for link in links:
            link.send(b"INCR n\r\nECHO " + b"x" * 20000 + b"\r\n")
        numbers = []
        for link in links:
            numbers.append(int(link.line()[1:]))
            link.expect(b"$20000\r\n" + b"x" * 20000 + b"\r\n")
        assert sorted(numbers) == list(range(1, CLIENTS + 1))
        value = os.urandom(1 << 20) * 10
        with server.connect() as link:
            link.send(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$%d\r\n" % len(value) + value + b"\r\n")
            assert link.line() == b"+OK"
            link.send(b"GET v\r\n")
            link.expect(b"$%d\r\n" % len(value) + value + b"\r\n")
        plain.config_set("tls-cert-file", certificates["server2"],
                         "tls-key-file", certificates.key("server2"))
        for link in links:
            assert link.say(b"PING\r\n") == b"+PONG"
        assert refused(server, client=None) and refused(server, client="stranger")
        server.wait_log("Error accepting a client connection")
        for raw in silent:
            raw.socket.settimeout(30)
            raw.rest()
            raw.close()
        for link in links[::2]:
            link.close()
        with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
            raw.send(b"nonsense" * 10)
            raw.rest()
        for link in links[1::2]:
            assert link.say(b"QUIT\r\n") == b"+OK"
            assert link.socket.recv(1) == b""
        kv.wait_until(lambda: plain.info("clients")["connected_clients"] == 1)
        assert not refused(server)
        assert server.stop() == 0
        assert "ThreadSanitizer" not in server.log()


def test_an_idle_server_sleeps(serve):
    server = serve()
    held = [server.raw() for _ in range(10)]
    for raw in held:
        assert raw.say(b"PING\r\n") == b"+PONG"
    before = server.cpu_seconds()
    time.sleep(1)
    assert kv.SLOW or server.cpu_seconds() - before < 0.2, "no thread spins"


def packed(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


BIG = b"x" * 100000
STREAMS = {
    "an error behind replies": packed("SET", "a", 1) * 20 + packed("GET", "a") + b"*1\r\n$x\r\n"
                               + packed("SET", "a", 2),
    "an error first": b"*2\r\n:1\r\n" + packed("PING"),
    "inline beside": b"SET a 'x y'\r\n" + packed("GET", "a") + b"\r\n*0\r\n"
                     + b"ECHO \"\\x41\"\r\nQUIT\r\n",
    "unbalanced": packed("PING") + b"ECHO 'x\r\n" + packed("PING"),
    "quit in the middle": packed("PING") + packed("QUIT") + packed("SET", "never", 1) * 300,
    "a later limit lets in": packed("CONFIG", "SET", "proto-max-bulk-len", "1mb")
                             + packed("CONFIG", "SET", "proto-max-bulk-len", "2mb")
                             + packed("ECHO", b"y" * 1500000) + packed("PING") + packed("QUIT"),
    "transaction": packed("MULTI") + packed("INCR", "n") * 300 + b"EXEC\r\n" + packed("QUIT"),
    "silence": packed("CLIENT", "REPLY", "SKIP") + packed("PING") + packed("CLIENT", "REPLY", "OFF")
               + packed("PING") * 2000 + packed("CLIENT", "REPLY", "ON") + packed("QUIT"),
    "many arguments": packed("MSET", *range(20000)) + packed("GET", 10) + packed("QUIT"),
    "blocked for a while": packed("BLPOP", "none", "0.05") + packed("PING") * 3000 + packed("QUIT"),
    "foreign": packed("PING") + b"POST / HTTP/1.1\r\nHost: x\r\n" + packed("SET", "never", 1),
    "large and small": (packed("SET", "big", BIG) + packed("STRLEN", "big")) * 30 + packed("QUIT"),
    "two databases": packed("SELECT", 3) + packed("SET", "a", 3) + packed("RESET")
                     + packed("GET", "a") + packed("QUIT"),
}


def converse(server, stream, chance):
    with server.raw(timeout=60) as raw:
        at = 0
        try:
            while at < len(stream):
                some = chance.choice([1, 3, 50, 1000, 70000]) if at < 200 else 70000
                raw.send(stream[at:at + some])
                at += some
        except OSError:
            pass
        try:
            return raw.rest()
        except ConnectionError:
            return b""


@pytest.mark.parametrize("name", STREAMS)
def test_threads_answer_as_none_do(serve, name):
    chance = random.Random(name)
    without, threaded = serve(threads=1), serve(threads=3)
    for _ in range(3 if kv.SLOW else 10):
        for server in (without, threaded):
            server.client().flushall()
            server.client().config_set("proto-max-bulk-len", "1mb")
        expected = converse(without, STREAMS[name], chance)
        assert converse(threaded, STREAMS[name], chance) == expected
        assert threaded.client().dbsize() == without.client().dbsize()


def test_strangers_are_parsed_by_their_limits(serve):
    """Whether a request is too large for who has no password shows when its turn has come."""
    server = serve("--requirepass", "pass")
    large = packed("SET", "a", "x" * 20000)
    with server.raw() as raw:
        raw.send(packed("PING") + large)
        assert raw.rest() == (b"-NOAUTH Authentication required.\r\n"
                              b"-ERR Protocol error: unauthenticated bulk length\r\n")
    with server.raw() as raw:
        for _ in range(3):
            raw.send(packed("AUTH", "pass") + large * 50 + packed("PING"))
            assert [raw.line() for _ in range(52)] == [b"+OK"] * 51 + [b"+PONG"]
            assert raw.say(packed("RESET")) == b"+RESET"
        raw.send(large)
        assert raw.rest() == b"-ERR Protocol error: unauthenticated bulk length\r\n"


def test_unfinished_requests_are_bounded_and_shown(serve):
    server = serve("--client-query-buffer-limit", "1mb")
    client = server.client()
    with server.raw() as raw:
        number = int(raw.say(b"CLIENT ID\r\n")[1:])
        raw.send(b"*2\r\n$4\r\nECHO\r\n$500000\r\n" + b"x" * 300000)

        def shown():
            return next(int(c["qbuf"]) for c in client.client_list() if int(c["id"]) == number)
        kv.wait_until(lambda: shown() > 300000)
        raw.send(b"x" * 200000 + b"\r\n")
        assert raw.line() == b"$500000"
        raw.expect(b"x" * 500000 + b"\r\n")
        kv.wait_until(lambda: shown() == 0)
        try:
            raw.send(b"*1\r\n$100000000\r\n" + b"x" * 50000000)
        except OSError:
            pass
    kv.wait_until(lambda: client.info("stats")["client_query_buffer_limit_disconnections"] == 1)
    kv.wait_until(lambda: client.info("clients")["connected_clients"] == 1)
