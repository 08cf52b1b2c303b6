"""Scripts, transactions, pub/sub and TLS: throughput, and the server's processor time."""
import os
import select
import socket
import statistics
import subprocess
import tempfile
import time

import servers
from servers import SCRIPT, benchmark, request
from tables import ROUNDS, SCALE, candidates, ratio, row, start

CLIENTS = 50
SUBSCRIBERS = 50
MESSAGE = b"m" * 64
PIPELINES = (1, 16)
QUEUED = 10  # commands in a transaction


def compare(what, pipeline, measure):
    """A row for each peer: medians of ROUNDS runs in turn of measure(candidate), which gives
    how many a second, and server CPU us for each."""
    results = {candidate: [] for candidate in candidates()}
    for _ in range(ROUNDS):
        for candidate in candidates():
            results[candidate].append(measure(candidate))
    medians = {c: [statistics.median(v) for v in zip(*r)] for c, r in results.items()}
    rate, cpu = medians["kv"]
    for candidate in candidates()[1:]:
        peer_rate, peer_cpu = medians[candidate]
        row(what, pipeline, f"{rate:.0f}", os.path.basename(candidate), f"{peer_rate:.0f}",
            ratio(rate, peer_rate), f"{cpu:.2f}", f"{peer_cpu:.2f}", ratio(cpu, peer_cpu))


def head(what, unit):
    row(what, "pipeline", "kv 1/s", "peer", "peer 1/s", "throughput", f"kv CPU us per {unit}",
        "peer's", "ratio")
    row(*["---"] * 9)


def measured(server, work, count):
    """Of work(), which does `count` things: how many a second, and server CPU us for each."""
    cpu = server.cpu_seconds()
    began = time.monotonic()
    work()
    seconds = time.monotonic() - began
    return count / seconds, (server.cpu_seconds() - cpu) * 1e6 / count


def read_bytes(connections, count):
    """Until each of the connections has given so many bytes."""
    for connection in connections:
        left = count
        while left > 0:
            got = len(connection.recv(min(left, 1 << 18)))
            if got == 0:
                raise ConnectionError("closed")
            left -= got


def connect(port, count):
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connections


def close(connections):
    for connection in connections:
        connection.close()


# --- Scripts and transactions ---------------------------------------------------------------------

def one_script(what, pipeline):
    requests = int((400000 if pipeline > 1 else 100000) * SCALE)

    def measure(candidate):
        with start(candidate, "off") as server:
            server.command("SCRIPT", "LOAD", SCRIPT)
            return measured(
                server, lambda: benchmark(server.port, what, CLIENTS, pipeline, requests), requests)
    return measure


def one_transaction(pipeline):
    """Transactions of SETs, whose replies are of one length: what a client of few cycles needs."""
    rounds = max(1, int((1600 if pipeline > 1 else 4000) * SCALE / pipeline))
    transaction = (request("MULTI") + b"".join(
        request("SET", f"key:{i}", "v" * 32) for i in range(QUEUED)) + request("EXEC"))
    reply = b"+OK\r\n" + b"+QUEUED\r\n" * QUEUED + b"*%d\r\n" % QUEUED + b"+OK\r\n" * QUEUED

    def measure(candidate):
        with start(candidate, "off") as server:
            connections = connect(server.port, CLIENTS)

            def work():
                for _ in range(rounds):
                    for connection in connections:
                        connection.sendall(transaction * pipeline)
                    read_bytes(connections, len(reply) * pipeline)
            figures = measured(server, work, rounds * CLIENTS * pipeline)
            close(connections)
            return figures
    return measure


def table_scripts():
    print(f"\n### Scripts and transactions, log off, {CLIENTS} clients\n")
    head("what", "call")
    for pipeline in PIPELINES:
        compare("EVAL of one INCR", pipeline, one_script("EVAL", pipeline))
        compare("EVALSHA of one INCR", pipeline, one_script("EVALSHA", pipeline))
        compare(f"MULTI of {QUEUED} SETs", pipeline, one_transaction(pipeline))


# --- Pub/sub --------------------------------------------------------------------------------------

def subscribe(port):
    subscribers = connect(port, SUBSCRIBERS)
    for subscriber in subscribers:
        subscriber.sendall(request("SUBSCRIBE", "news"))
        read_bytes([subscriber], len(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"))
    return subscribers


def one_fan_out(pipeline):
    """One publisher; it goes on when all subscribers have what it sent."""
    rounds = max(1, int((1600 * 16 if pipeline > 1 else 4000) * SCALE / pipeline))
    delivered = len(request("message", "news", MESSAGE))
    answered = len(b":%d\r\n" % SUBSCRIBERS)

    def measure(candidate):
        with start(candidate, "off") as server:
            subscribers = subscribe(server.port)
            publisher = connect(server.port, 1)

            def work():
                batch = request("PUBLISH", "news", MESSAGE) * pipeline
                for _ in range(rounds):
                    publisher[0].sendall(batch)
                    read_bytes(publisher, answered * pipeline)
                    read_bytes(subscribers, delivered * pipeline)
            figures = measured(server, work, rounds * pipeline * SUBSCRIBERS)
            assert not select.select(subscribers, [], [], 0)[0]
            close(subscribers + publisher)
            return figures
    return measure


def table_pubsub():
    print(f"\n### Pub/sub: 1 publisher, {SUBSCRIBERS} subscribers, messages of {len(MESSAGE)} B "
          "delivered\n")
    head("what", "message")
    for pipeline in PIPELINES:
        compare("PUBLISH", pipeline, one_fan_out(pipeline))


# --- TLS ------------------------------------------------------------------------------------------

def certificate(folder):
    """One that vouches for itself, with its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", f"{folder}/server.key",
         "-out", f"{folder}/server.crt"], check=True, capture_output=True)


def one_tls(folder, what, pipeline):
    requests = int((400000 if pipeline > 1 else 100000) * SCALE)

    def measure(candidate):
        port = servers.free_port()
        with start(candidate, "off", extra=[
                "--tls-port", str(port), "--tls-auth-clients", "no",
                "--tls-cert-file", f"{folder}/server.crt", "--tls-key-file",
                f"{folder}/server.key", "--tls-ca-cert-file", f"{folder}/server.crt"]) as server:
            benchmark(server.port, "SET", CLIENTS, 16, int(200000 * SCALE))
            options = ["--tls", "--cacert", f"{folder}/server.crt"]
            return measured(server, lambda: benchmark(
                port, what, CLIENTS, pipeline, requests, options), requests)
    return measure


def table_tls():
    print(f"\n### TLS, log off, {CLIENTS} clients, shaking hands included\n")
    head("load", "command")
    with tempfile.TemporaryDirectory() as folder:
        certificate(folder)
        for pipeline in PIPELINES:
            for what in ("SET", "GET"):
                compare(what, pipeline, one_tls(folder, what, pipeline))


TABLES = {"scripts": table_scripts, "pubsub": table_pubsub, "tls": table_tls}
