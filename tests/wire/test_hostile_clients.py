"""Clients that mean harm, or are broken: memory stays bounded, and the others are answered."""
import resource
import socket
import struct
import time

import kv
import pytest
from test_io_threads import packed
from test_tls import Certificates, TlsServer

OWN_FILES = 200
MANY = 100 if kv.SLOW else 2000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[1, 4], ids=["one thread", "four threads"])
def server(request, tmp_path, certificates):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, MANY + OWN_FILES)), hard))
    with TlsServer(tmp_path, certificates, "--io-threads", request.param,
                   "--tls-handshake-timeout", 2) as server:
        yield server
        assert server.is_alive(), server.log()
        assert "ThreadSanitizer" not in server.log()


def used(client):
    return client.info("memory")["used_memory"]


def others_are_answered(client):
    begin = time.monotonic()
    for i in range(100):
        assert client.set("k", i) and client.get("k") == str(i)
    return time.monotonic() - begin


def until_alone(client):
    kv.wait_until(lambda: client.info("clients")["connected_clients"] == 1)


def fill(connection, data, times):
    """Send it so many times, or until nothing is taken for a second."""
    connection.settimeout(1)
    sent = 0
    try:
        for _ in range(times):
            connection.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_half_open_handshakes(server):
    client = server.client()
    others_are_answered(client)
    before = used(client)
    for first in (b"", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x40\x00" + b"x" * 1000):
        silent = []
        for _ in range(MANY // 2):
            silent.append(socket.create_connection(("127.0.0.1", server.tls_port)))
            try:
                silent[-1].sendall(first)
            except OSError:
                pass
        others_are_answered(client)
        with server.connect() as link:
            assert link.say(packed("PING")) == b"+PONG"
        until_alone(client)
        for connection in silent:
            connection.close()
    assert used(client) - before < 4 << 20


def test_a_byte_a_segment(server):
    client = server.client()
    stream = packed("INCR", "n") * 20 + b"ECHO 'a b'\r\n" + packed("SET", "v", "x" * 50)
    raws = [server.raw() for _ in range(10)]
    for raw in raws:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(stream)):
        for raw in raws:
            raw.send(stream[at:at + 1])
        if at % 50 == 0:
            assert client.ping()
    for raw in raws:
        for _ in range(20):
            assert raw.line()[:1] == b":"
        raw.expect(b"$3\r\na b\r\n+OK\r\n")
        raw.close()
    assert client.get("n") == "200"


@pytest.mark.parametrize("limit,request_bytes,most_mb", [("8mb 0 0", 1000, 1024),
                                                         ("0 0 0", 1, 24)])
def test_a_gigabyte_of_requests_whose_replies_nobody_reads(server, limit, request_bytes, most_mb):
    """With a limit the client is closed; without one it is only its own replies that are kept."""
    client = server.client()
    client.config_set("client-output-buffer-limit", "normal " + limit)
    before = used(client)
    with server.raw() as raw:
        one = packed("ECHO", "x" * request_bytes)
        requests = one * ((1 << 20) // len(one))
        sent = fill(raw.socket, requests, most_mb // 8 if kv.SLOW else most_mb)
        if limit == "0 0 0":
            assert used(client) - before < sent + (4 << 20)
        else:
            kv.wait_until(
                lambda: client.info("stats")["client_output_buffer_limit_disconnections"] == 1)
            assert sent < 100 << 20
        others_are_answered(client)
    until_alone(client)
    kv.wait_until(lambda: used(client) - before < 4 << 20)


def test_reset_in_the_middle_of_a_request(server):
    client = server.client()
    others_are_answered(client)
    before = used(client)
    for i in range(MANY):
        connection = socket.create_connection(("127.0.0.1", server.port))
        if i % 4 == 0:
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$50000000\r\n" + b"x" * (i % 100000))
        elif i % 4 == 1:
            connection.sendall(packed("GET", "k") * 500 + b"*2\r\n$3\r\nGE")
        elif i % 4 == 2:
            connection.sendall(packed("BLPOP", "none", 0) + packed("GET", "k") * 100 + b"*1")
        else:
            connection.sendall(packed("MULTI") + packed("SET", "never", 1) * 100)
        reset(connection)
    others_are_answered(client)
    until_alone(client)
    kv.wait_until(lambda: client.info("clients")["blocked_clients"] == 0)
    kv.wait_until(lambda: used(client) - before < 4 << 20)
    assert client.exists("never") == 0


def test_slow_readers(server):
    """A large reply taken in small pieces: sent once in full, whatever the pace."""
    client = server.client()
    value = "0123456789" * 800000
    client.set("large", value)
    reply = b"$8000000\r\n" + value.encode() + b"\r\n"
    raws = [server.raw() for _ in range(10)]
    for raw in raws:
        raw.send(packed("GET", "large"))
    got = [b""] * len(raws)
    for _ in range(100):
        for i, raw in enumerate(raws):
            got[i] += raw.socket.recv(1000)
    others_are_answered(client)
    for i, raw in enumerate(raws):
        assert got[i] + raw.take(len(reply) - len(got[i])) == reply
        raw.close()


def test_blocked_clients_that_go_on_sending(server):
    """What waits behind a blocking command is bounded, and counted."""
    client = server.client()
    before = used(client)
    raws = [server.raw() for _ in range(4)]
    for raw in raws:
        raw.send(packed("BLPOP", "none", 0))
        fill(raw.socket, packed("PING") * 70000, 8)
    kv.wait_until(lambda: client.info("clients")["blocked_clients"] == 4)
    assert used(client) - before < 20 << 20
    others_are_answered(client)
    assert client.info("clients")["client_recent_max_input_buffer"] > 10000
    for _ in raws[1:]:
        client.rpush("none", "x")  # behind it all is executed; nobody reads the replies
    client.client_kill_filter(_type="normal", skipme=True)
    until_alone(client)
    for raw in raws:
        raw.close()
    kv.wait_until(lambda: used(client) - before < 4 << 20)


def test_a_blocked_client_that_leaves_behind_much_is_noticed(server):
    """Though not all that it has sent is read; the kernel holds the rest, and the end."""
    client = server.client()
    raw = server.raw()
    raw.send(packed("BLPOP", "none", 0))
    kv.wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
    raw.send(packed("PING") * 6000)
    raw.close()
    kv.wait_until(lambda: client.info("clients")["blocked_clients"] == 0)
    client.rpush("none", "x")
    assert client.llen("none") == 1
