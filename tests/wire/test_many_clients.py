"""Clients that are many, idle, slow or greedy: each is bounded, and the others go on."""
import os
import random
import resource
import socket
import time

import pytest

from harness import OK, SANITIZED, Push, Status, until
from harness import request as packed

OWN_FILES = 200


def most_clients(wanted):
    """As many as this process and the server may open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= wanted + OWN_FILES:
        soft = max(soft, wanted + OWN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    else:
        soft = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, soft - OWN_FILES)


def figure(c, section, name):
    return int(c("INFO", section).decode().split(name + ":")[1].split()[0])


def fill(connection, data):
    """Send until it is all there, or the other side takes no more; what was sent."""
    connection.setblocking(False)
    sent = 0
    deadline = time.monotonic() + 5
    while sent < len(data) and time.monotonic() < deadline:
        try:
            sent += connection.send(data[sent:sent + 65536])
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            break
    return sent


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def server(start, request):
    return start("kv", io_threads=request.param)


@pytest.mark.parametrize("threads", [1, 3])
def test_ten_thousand_idle_clients(start, threads):
    count = most_clients(1000 if SANITIZED else 10000)
    server = start("kv", persistence="no", maxclients=count + 10, io_threads=threads)
    idle = []
    try:
        with server.connect() as c:
            before = figure(c, "memory", "used_memory")
            for i in range(count):
                connection = socket.create_connection(("127.0.0.1", server.port))
                idle.append(connection)
                if i % 2:
                    connection.sendall(packed("SET", f"k{i % 7}", i))
                    assert connection.recv(100) == b"+OK\r\n"
            until(lambda: figure(c, "clients", "connected_clients") == count + 1)
            taken = figure(c, "memory", "used_memory") - before
            assert taken / count < 4096
            used = server.cpu_seconds()
            for i in range(1000):
                assert c("INCR", "n") == i + 1
            assert SANITIZED or server.cpu_seconds() - used < 1
            # whoever wakes is served, and finding one among all costs nothing to speak of
            for connection in random.sample(idle, 50):
                connection.sendall(packed("PING"))
                assert connection.recv(100) == b"+PONG\r\n"
            ids = [int(line.split()[0][3:]) for line in c("CLIENT", "LIST").splitlines()]
            assert len(ids) == count + 1 and ids == sorted(ids)
            assert c("CLIENT", "KILL", "ID", *ids[1:51]) == 50
            # all listen: one message for everybody
            for connection in idle[100:200]:
                connection.sendall(packed("SUBSCRIBE", "a"))
                assert connection.recv(100)
            assert c("PUBLISH", "a", "b") == 100
    finally:
        for connection in idle:
            connection.close()
    with server.connect() as c:
        until(lambda: figure(c, "clients", "connected_clients") == 1)


def test_one_client_too_many_is_refused(start):
    server = start("kv", persistence="no", maxclients=20)
    idle = [server.connect()]
    until(lambda: figure(idle[0], "clients", "connected_clients") == 1)
    idle += [server.connect() for _ in range(19)]
    assert [c("PING") for c in idle] == [Status("PONG")] * 20
    with socket.create_connection(("127.0.0.1", server.port)) as late:
        assert late.recv(100) == b"-ERR max number of clients reached\r\n"
        assert late.recv(100) == b""
    assert idle[3]("PING") == Status("PONG")
    for c in idle:
        c.close()


@pytest.mark.parametrize("limit,closes", [("normal 4mb 0 0", True), ("normal 0 1mb 1", True),
                                          ("normal 0 0 0", False)])
def test_a_client_that_never_reads(start, limit, closes):
    """With a limit it is closed; without one only its own requests wait: nobody else's."""
    server = start("kv", persistence="no", client_output_buffer_limit=limit)
    with server.connect() as c:
        c("SET", "k", "x" * 100000)
        greedy = socket.create_connection(("127.0.0.1", server.port))
        fill(greedy, packed("GET", "k") * 300)
        if closes:
            until(lambda: figure(c, "stats", "client_output_buffer_limit_disconnections") == 1)
            until(lambda: figure(c, "clients", "connected_clients") == 1)
        for i in range(100):
            assert c("INCR", "n") == i + 1
        greedy.close()
        until(lambda: figure(c, "clients", "connected_clients") == 1)


def test_a_client_that_never_ends_its_request(start):
    server = start("kv", persistence="no", client_query_buffer_limit="1mb")
    with server.connect() as c:
        endless = []
        for begin in (b"*1\r\n$536870912\r\n", b"*1000000\r\n", b"*2\r\n$3\r\nGET\r\n$9000000\r\n"):
            endless.append(socket.create_connection(("127.0.0.1", server.port)))
            fill(endless[-1], begin + b"$1\r\nx\r\n" * 500000)
        # Not the number of clients first: all was sent before the last of them may be accepted.
        until(lambda: figure(c, "stats", "client_query_buffer_limit_disconnections") == 3)
        until(lambda: figure(c, "clients", "connected_clients") == 1)
        assert c("PING") == Status("PONG")
        for connection in endless:
            connection.close()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("resp", [2, 3])
def test_slow_listeners(start, resp, threads):
    """A subscriber and a monitor are closed; a client that tracks is told to forget everything."""
    server = start("kv", persistence="no", io_threads=threads,
                   client_output_buffer_limit="pubsub 1mb 0 0 replica 1mb 0 0")
    with server.connect() as c, server.connect(resp) as subscriber, \
            server.connect(resp) as monitor, server.connect(3) as tracker:
        subscriber("PSUBSCRIBE", "*")
        monitor("MONITOR")
        tracker("CLIENT", "TRACKING", "ON", "BCAST")
        name = os.urandom(20000).hex()
        for i in range(600):
            c("SET", name + str(i % 3), i)
            c("PUBLISH", "a", name)
        assert figure(c, "clients", "connected_clients") == 2
        assert figure(c, "stats", "client_output_buffer_limit_disconnections") == 2
        told = [tracker.read()]
        while told[-1] != Push([b"invalidate", None]):
            told.append(tracker.read())
        assert len(told) < 600
        assert tracker("PING") == Status("PONG")


def test_noise(server):
    """Whatever is sent: an answer or the end of the connection, and the server is there."""
    rng = random.Random(5)
    words = [b"GET", b"CLIENT", b"TRACKING", b"ON", b"OFF", b"BCAST", b"PREFIX", b"REDIRECT", b"1",
             b"OPTIN", b"OPTOUT", b"NOLOOP", b"CACHING", b"YES", b"NO", b"KILL", b"LIST", b"ID",
             b"TYPE", b"SKIPME", b"MONITOR", b"RESET", b"MULTI", b"EXEC", b"HELLO", b"3", b"2",
             b"SUBSCRIBE", b"k", b"", b"SET", b"FLUSHALL", b"REPLY", b"SKIP", b"UNBLOCK", b"CAPA",
             b"IMPORT-SOURCE", b"NO-EVICT", b"BLPOP", b"0.01", b"EXPIRE", b"-1", b"INFO", b"\xff",
             b"NO-TOUCH", b"SETINFO", b"LIB-NAME", b"TRACKINGINFO", b"GETREDIR", b"ADDR", b"USER"]
    heads = [[b"CLIENT", b"TRACKING", b"ON"], [b"CLIENT"], [b"CLIENT", b"KILL"], [b"SET", b"k"],
             [b"GET"], [b"CLIENT", b"CACHING"], [b"MGET"], [b"CLIENT", b"LIST"], [b"HELLO"], []]
    clients = []
    for turn in range(300 if SANITIZED else 1500):
        if len(clients) < 20:
            clients.append(server.connect())
        client = rng.choice(clients)
        batch = b"".join(
            packed(*rng.choice(heads), *rng.choices(words, k=rng.randrange(1, 6)))
            for _ in range(rng.randrange(1, 12)))
        if rng.random() < 0.02:
            batch = batch[:rng.randrange(len(batch))] + os.urandom(5)
        fill(client.socket, batch)
        if rng.random() < 0.5:
            client.socket.setblocking(False)
            try:
                while client.socket.recv(1 << 16):
                    pass
            except BlockingIOError:
                pass
            except OSError:
                clients.remove(client)
                client.close()
                continue
        if rng.random() < 0.03:
            clients.remove(client)
            client.close()
    for client in clients:
        client.close()
    with server.connect() as c:
        until(lambda: figure(c, "clients", "connected_clients") == 1)
        assert c("SET", "k", "v") == OK
        until(lambda: figure(c, "clients", "tracking_clients") == 0)
        assert figure(c, "stats", "tracking_total_prefixes") == 0


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_who_waits_for_news_is_not_idle(start, kind):
    server = start(kind, timeout=1)
    waiting = [("SUBSCRIBE", "news"), ("PSUBSCRIBE", "n*"), ("SSUBSCRIBE", "news"), ("MONITOR",)]
    clients = [server.connect() for _ in waiting]
    for client, words in zip(clients, waiting):
        assert client(*words)
    blocked, idle = server.connect(), server.connect()
    blocked.send("BLPOP", "l", 0)
    assert idle("PING")
    assert idle.at_end()
    with server.connect() as c:
        assert c("PUBLISH", "news", "x") == 2 and c("SPUBLISH", "news", "x") == 1
        assert c("LPUSH", "l", "x") == 1
    assert blocked.read() == [b"l", b"x"]
    for client in (*clients, blocked, idle):
        client.close()
