"""Sockets: what is listened on, how a server starts and stops, how connections end."""
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import kv
import pytest
import redis


def start(folder, *words, **options):
    return kv.Server(folder, "--persistence", "no", *words, **options)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")


@needs_ipv6
def test_the_default_is_the_loopback_in_both_protocols(tmp_path):
    with start(tmp_path) as server:
        for host in ("127.0.0.1", "::1"):
            with kv.Raw((host, server.port)) as raw:
                assert raw.say(b"PING\r\n") == b"+PONG"
        assert re.search(rf"Ready to accept connections tcp 127\.0\.0\.1:{server.port}",
                         server.log())
        assert re.search(rf"Ready to accept connections tcp \[::1\]:{server.port}", server.log())
        addresses = [one["addr"] for one in server.client(host="::1").client_list()]
        assert any(address.startswith("[::1]:") for address in addresses)


@needs_ipv6
def test_stars_are_all_addresses_and_do_not_clash(tmp_path):
    with start(tmp_path, "--bind", "*", "::*") as server:
        for host in ("127.0.0.1", "127.0.0.2", "::1"):
            with kv.Raw((host, server.port)) as raw:
                assert raw.say(b"PING\r\n") == b"+PONG"


def test_an_address_with_a_dash_may_be_absent(tmp_path):
    with start(tmp_path / "a", "--bind", "127.0.0.1", "-203.0.113.1") as server:
        with server.raw() as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
    server = start(tmp_path / "b", "--bind", "127.0.0.1", "203.0.113.1", start=False)
    server.launch()
    assert server.process.wait(kv.PATIENCE_S) == 1
    assert "203.0.113.1" in server.log()


def test_a_port_in_use_is_said_and_ends_the_start(tmp_path):
    with start(tmp_path / "a") as first:
        second = start(tmp_path / "b", port=first.port, start=False)
        second.launch()
        assert second.process.wait(kv.PATIENCE_S) == 1
        assert "Address already in use" in second.log()


@pytest.fixture
def short_path():
    """Paths of Unix sockets are short, and so is the place for them in CLIENT LIST."""
    folder = tempfile.mkdtemp(prefix="kv")
    yield os.path.join(folder, "kv.sock")
    shutil.rmtree(folder)


def test_a_unix_socket_serves_with_its_permissions(tmp_path, short_path):
    path = short_path
    with open(path, "wb"):
        pass  # left behind by a server that was killed
    with start(tmp_path, "--unixsocket", path, "--unixsocketperm", "700") as server:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        with kv.Raw(path) as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
            head = raw.say(b"CLIENT INFO\r\n")
            info = raw.take(int(head[1:]) + 2).decode()
            assert f"addr={path}:0" in info and "flags=U" in info
        assert f"Ready to accept connections unix {path}" in server.log()
        assert server.stop() == 0
        assert not os.path.exists(path)


def test_port_zero_leaves_the_unix_socket_alone(tmp_path, short_path):
    path = short_path
    server = start(tmp_path, "--unixsocket", path, port=0, start=False)
    server.launch()
    kv.wait_until(lambda: os.path.exists(path))
    server.wait_log("Ready to accept")
    with kv.Raw(path) as raw:
        assert raw.say(b"PING\r\n") == b"+PONG"
    assert "tcp" not in server.log()
    server.kill()


def test_port_and_bind_change_while_it_runs_or_stay_as_they_were(tmp_path):
    with start(tmp_path) as server:
        client = server.client()
        client.ping()
        other = kv.free_port()
        client.config_set("port", other)
        with kv.Raw(("127.0.0.1", other)) as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
            with pytest.raises(ConnectionRefusedError):
                server.raw()
            assert client.ping()
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                with pytest.raises(redis.ResponseError):
                    client.config_set("port", taken.getsockname()[1])
            assert client.config_get("port")["port"] == str(other)
            with pytest.raises(redis.ResponseError):
                client.config_set("bind", "203.0.113.1")
            client.config_set("bind", "127.0.0.2")
            with kv.Raw(("127.0.0.2", other)) as second:
                assert second.say(b"PING\r\n") == b"+PONG"
            with pytest.raises(ConnectionRefusedError):
                kv.Raw(("127.0.0.1", other))
            assert raw.say(b"PING\r\n") == b"+PONG"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_with_status_zero(tmp_path, number):
    with start(tmp_path) as server:
        with server.raw() as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
            server.process.send_signal(number)
            assert server.process.wait(kv.PATIENCE_S) == 0
            assert raw.rest() == b""
    assert "bye bye" in server.log()


def test_replies_of_the_last_turn_arrive_before_a_shutdown(tmp_path):
    with start(tmp_path) as server:
        with server.raw() as raw:
            raw.send(b"SET a 1\r\nGET a\r\nSHUTDOWN NOSAVE\r\n")
            assert raw.rest() == b"+OK\r\n$1\r\n1\r\n"
            assert server.process.wait(kv.PATIENCE_S) == 0


@pytest.mark.parametrize("absolute", [True, False])
def test_the_log_file_is_reopened_on_sighup(tmp_path, absolute):
    """One without a path is in the data directory, as Redis' is."""
    path = tmp_path / "kv.log"
    server = start(tmp_path, "--logfile", path if absolute else "kv.log", start=False)
    server.launch()
    server.wait_ready()
    os.rename(path, tmp_path / "kv.log.1")
    server.process.send_signal(signal.SIGHUP)
    kv.wait_until(path.exists)
    kv.wait_until(lambda: "reopened" in path.read_text())
    assert "Server initialized" in (tmp_path / "kv.log.1").read_text()
    assert re.match(r"\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} \* ", path.read_text())
    server.kill()


def test_what_start_says(tmp_path):
    with start(tmp_path, "--pidfile", tmp_path / "kv.pid") as server:
        said = server.log()
        assert f"PID: {server.process.pid}" in said
        order = [said.index(text) for text in
                 ("PID: ", "Server initialized", "In-memory mode", "Ready to accept connections")]
        assert order == sorted(order)
        assert (tmp_path / "kv.pid").read_text() == f"{server.process.pid}\n"
        server.stop()
        assert not (tmp_path / "kv.pid").exists()
    assert sorted(os.listdir(tmp_path)) == ["server.out"]


def run(*words, stdin=b"", cwd=None):
    return subprocess.run([kv.SERVER, *[str(word) for word in words]], input=stdin, timeout=20,
                          capture_output=True, check=False, cwd=cwd)


def test_wrong_starts_say_what_to_do(tmp_path):
    missing = run("--dir", tmp_path / "none", "--port", 0)
    assert missing.returncode == 1
    assert f"mkdir -p {tmp_path}/none".encode() in missing.stdout
    assert b"no-such" in run("--no-such", "1").stderr
    assert run("--no-such", "1").returncode == 1
    assert run("--port", "70000").returncode == 1
    assert run(tmp_path / "none.conf").returncode == 1
    assert b"none.conf" in run(tmp_path / "none.conf").stderr
    assert run("--port", "7000", "word").returncode == 1


def test_the_configuration_can_be_checked_and_read_from_standard_input(tmp_path):
    good = tmp_path / "good.conf"
    good.write_text("port 7000\nmaxclients 100\n")
    assert run("--check-config", good).returncode == 0
    assert run("--check-config", good, "--timeout", "5").returncode == 0
    assert run("--check-config", good, "--timeout", "x").returncode == 1
    assert run("--check-config", "-", stdin=b"port 7000\n").returncode == 0
    wrong = run("--check-config", "-", stdin=b"# one\nport abc\n")
    assert wrong.returncode == 1
    assert b"line 2" in wrong.stderr
    assert not [name for name in os.listdir(tmp_path) if name != "good.conf"]


def test_the_command_line_wins_over_the_file(tmp_path):
    conf = tmp_path / "kv.conf"
    conf.write_text("timeout 77\nmaxclients 50\nport 1\n")
    with start(tmp_path, "--timeout", "88", config=conf) as server:
        config = server.client().config_get("*")
        assert config["timeout"] == "88" and config["maxclients"] == "50"


def test_a_client_that_stops_sending_gets_all_its_replies(tmp_path):
    with start(tmp_path) as server:
        with server.raw() as raw:
            raw.send(b"SET a " + b"x" * 100 + b"\r\n" + b"GET a\r\n" * 5000)
            raw.socket.shutdown(socket.SHUT_WR)
            assert raw.rest() == b"+OK\r\n" + (b"$100\r\n" + b"x" * 100 + b"\r\n") * 5000


def test_a_connection_that_breaks_off_leaves_nothing_behind(tmp_path):
    with start(tmp_path) as server:
        for cut in (b"", b"PI", b"*2\r\n$3\r\nGET\r\n$100000\r\nxxx", b"GET a\r\n" * 100):
            for _ in range(20):
                raw = server.raw()
                raw.send(cut)
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      b"\1\0\0\0\0\0\0\0")  # close with a reset
                raw.close()
        client = server.client()
        kv.wait_until(lambda: len(client.client_list()) == 1)
        assert client.info("clients")["connected_clients"] == 1


@pytest.mark.threads
def test_many_clients_at_once_are_all_served(tmp_path):
    with start(tmp_path) as server:
        clients = [server.raw() for _ in range(300)]
        for round_ in range(20):
            for i, raw in enumerate(clients):
                raw.send(b"INCR n\r\nECHO %d\r\n" % (i + round_))
            for i, raw in enumerate(clients):
                assert re.fullmatch(rb":\d+", raw.line())
                head = raw.line()
                assert raw.take(int(head[1:]) + 2) == b"%d\r\n" % (i + round_)
        assert clients[0].say(b"INCR n\r\n") == b":6001"
        for raw in clients:
            raw.close()


@pytest.mark.threads
@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_many_durable_clients_at_once_are_all_served(tmp_path, policy):
    with kv.Server(tmp_path, "--appendfsync", policy) as server:
        clients = [server.raw(60) for _ in range(100)]
        for _ in range(10):
            for i, raw in enumerate(clients):
                raw.send(b"INCR n\r\nGET other\r\nSET k%d v\r\nGET k%d\r\n" % (i, i))
            for raw in clients:
                assert re.fullmatch(rb":\d+", raw.line())
                raw.expect(b"$-1\r\n+OK\r\n$1\r\nv\r\n")
        assert clients[0].say(b"INCR n\r\n") == b":1001"
        assert server.stop() == 0
        server.start()
        with server.raw() as raw:
            assert raw.say(b"INCR n\r\n") == b":1002"
        for raw in clients:
            raw.close()


def test_deep_pipelines_do_not_starve_others(tmp_path):
    with start(tmp_path) as server:
        greedy = [server.raw() for _ in range(4)]
        server.client().set("n", 0)
        for raw in greedy:
            raw.socket.setblocking(False)
        polite = server.raw()
        waits = []
        until = time.monotonic() + 1
        while time.monotonic() < until:
            for raw in greedy:
                try:
                    raw.socket.send(b"INCR n\r\n" * 8000)
                    raw.socket.recv(1 << 20)
                except BlockingIOError:
                    pass
            began = time.monotonic()
            assert polite.say(b"PING\r\n") == b"+PONG"
            waits.append(time.monotonic() - began)
        # Each request behind all that the others have sent would make each wait a long one.
        assert sorted(waits)[len(waits) // 2] < (5 if kv.SLOW else 0.5)
        for raw in [polite, *greedy]:
            raw.close()
