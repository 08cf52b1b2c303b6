"""Limits: each is real, and what goes beyond it is answered as redis-server does."""
import os
import resource
import socket
import time

import kv
import pytest
import redis
from harness import soon


def start(folder, *words):
    return kv.Server(folder, "--persistence", "no", *words)


def rss_kb(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as opened:
        return next(int(line.split()[1]) for line in opened if line.startswith("VmRSS"))


def server_clients(raw):
    head = raw.say(b"CLIENT LIST\r\n")
    return raw.take(int(head[1:]) + 2).decode().strip().split("\n")


def test_maxclients_refuses_one_too_many_and_takes_the_next(tmp_path):
    with start(tmp_path, "--maxclients", 3) as server:
        held = [server.raw()]
        kv.wait_until(lambda: len(server_clients(held[0])) == 1)
        held += [server.raw() for _ in range(2)]
        for raw in held:
            assert raw.say(b"PING\r\n") == b"+PONG"
        with server.raw() as raw:
            assert raw.rest() == b"-ERR max number of clients reached\r\n"
        held.pop().close()
        kv.wait_until(lambda: len(server_clients(held[0])) == 2)
        with server.raw() as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
            assert held[0].say(b"CONFIG SET maxclients 10\r\n") == b"+OK"
        more = [server.raw() for _ in range(5)]
        for raw in more:
            assert raw.say(b"PING\r\n") == b"+PONG"
            raw.close()
        for raw in held:
            raw.close()


def test_maxclients_is_lowered_to_what_the_system_allows(tmp_path):
    """Started with a hard limit of 150 files, and, as root, without the right to raise it."""
    drop = "setpriv --bounding-set=-sys_resource" if os.geteuid() == 0 else ""
    program = tmp_path / "limited"
    program.write_text(f'#!/bin/sh\nexec {drop} prlimit --nofile=150:150 {kv.SERVER} "$@"\n')
    program.chmod(0o755)
    with kv.Server(tmp_path, "--persistence", "no", program=str(program)) as server:
        assert "maxclients lowered from 10000 to " in server.log()
        lowered = int(server.client().config_get("maxclients")["maxclients"])
        assert 1 < lowered < 150


def test_a_process_out_of_descriptors_refuses_and_goes_on(tmp_path):
    """The limit is taken away behind the server's back: it must neither spin nor die."""
    with start(tmp_path) as server:
        first = server.raw()
        kv.wait_until(lambda: len(server_clients(first)) == 1)
        used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 2, used + 2))
        held = [server.raw() for _ in range(6)]
        answers = []
        for raw in held:
            try:
                answers.append(raw.say(b"PING\r\n"))
            except OSError:
                answers.append(b"")
        assert answers.count(b"+PONG") == 2
        assert answers.count(b"-ERR max number of clients reached") >= 3
        before = server.cpu_seconds()
        time.sleep(0.5)
        assert server.cpu_seconds() - before < 0.2
        for raw in held:
            raw.close()
        kv.wait_until(lambda: len(server_clients(first)) == 1)
        with server.raw() as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
        first.close()


def test_an_endless_request_is_cut_off_at_the_query_buffer_limit(tmp_path):
    with start(tmp_path, "--client-query-buffer-limit", "2mb") as server:
        with server.raw() as raw:
            with pytest.raises(OSError):
                raw.send(b"*2000000\r\n")
                for _ in range(200):
                    raw.send((b"$1000\r\n" + b"x" * 1000 + b"\r\n") * 100)
                raise AssertionError("all of it was taken")
        server.wait_log("max query buffer length")
        with server.raw() as raw:
            raw.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1500000\r\n" + b"x" * 1500000 + b"\r\n")
            assert raw.line() == b"+OK"
        assert server.client().info("stats")["client_query_buffer_limit_disconnections"] == 1


def test_announced_bytes_cost_no_memory_before_they_come(tmp_path):
    with start(tmp_path) as server:
        before = rss_kb(server)
        held = [server.raw() for _ in range(200)]
        for raw in held:
            raw.send(b"*2\r\n$4\r\nECHO\r\n$536870912\r\nxx")
        for raw in held:
            raw.send(b"yy")
        time.sleep(0.2)
        assert server.client().ping()
        grown = rss_kb(server) - before
        if not kv.SLOW:
            assert grown < 20000
        for raw in held:
            raw.close()


def test_idle_connections_cost_little(tmp_path):
    with start(tmp_path) as server:
        held = [server.raw() for _ in range(100)]
        for raw in held:
            assert raw.say(b"PING\r\n") == b"+PONG"
        before = rss_kb(server)
        more = [server.raw() for _ in range(800)]
        for raw in more:
            raw.send(b"*2\r\n$4\r\nECHO\r\n$2000\r\n" + b"z" * 2000 + b"\r\n")
        for raw in more:
            raw.take(2009)
        if not kv.SLOW:  # freed pages go back with a delay
            kv.wait_until(lambda: (rss_kb(server) - before) * 1024 / 800 < 8000)
        for raw in held + more:
            raw.close()


def fill_pipe(raw, count):
    """Ask for many large replies and read none."""
    raw.socket.settimeout(2)
    try:
        raw.send(b"GET large\r\n" * count)
    except OSError:
        pass


def wait_closed(raw, seconds=kv.PATIENCE_S):
    """The server has closed it: what was on the way is read, then comes the end."""
    raw.socket.settimeout(seconds)
    raw.rest()


def test_a_client_that_reads_nothing_is_cut_off_at_the_hard_limit(tmp_path):
    with start(tmp_path, "--client-output-buffer-limit", "normal", "20mb", "0", "0") as server:
        server.client().set("large", "x" * 1000000)
        before = rss_kb(server)
        with server.raw() as raw:
            fill_pipe(raw, 5000)
            server.wait_log("output buffer limits")
            if not kv.SLOW:
                assert rss_kb(server) - before < 60000
            wait_closed(raw)
        assert server.client().info("stats")["client_output_buffer_limit_disconnections"] == 1
        assert server.client().get("large") == "x" * 1000000


def test_the_soft_limit_grants_its_seconds(tmp_path):
    with start(tmp_path) as server:
        client = server.client()
        client.set("large", "x" * 1000000)
        client.config_set("client-output-buffer-limit", "normal 0 5mb 1")
        with server.raw() as raw:
            began = time.monotonic()
            fill_pipe(raw, 30)
            server.wait_log("output buffer limits")
            assert time.monotonic() - began > 0.9
            wait_closed(raw)
        client.config_set("client-output-buffer-limit", "normal 0 5mb 3")
        with server.raw() as raw:
            fill_pipe(raw, 30)
            raw.socket.settimeout(10)
            time.sleep(0.3)
            assert len(raw.take(30 * 1000012)) == 30 * 1000012
            time.sleep(3.5)
            assert raw.say(b"PING\r\n") == b"+PONG"


def test_a_slow_reader_gets_everything_and_hinders_nobody(tmp_path):
    with start(tmp_path) as server:
        client = server.client()
        client.set("large", "x" * 1000000)
        with server.raw() as raw:
            fill_pipe(raw, 100)
            assert soon(client.ping, 0.2)
            got = 0
            raw.socket.settimeout(10)
            while got < 100 * 1000012:
                got += len(raw.socket.recv(300000))
            assert got == 100 * 1000012


def test_idle_clients_are_closed_after_timeout(tmp_path):
    with start(tmp_path, "--timeout", 2) as server:
        idle, busy = server.raw(), server.raw()
        assert idle.say(b"PING\r\n") == b"+PONG"
        until = time.monotonic() + 4.5
        while time.monotonic() < until:
            assert busy.say(b"PING\r\n") == b"+PONG"
            time.sleep(0.1)
        assert idle.rest() == b""
        assert busy.say(b"CONFIG SET timeout 0\r\n") == b"+OK"
        time.sleep(2.5)
        assert busy.say(b"PING\r\n") == b"+PONG"
        busy.close()


def keepalive_timer(port):
    """(timer kind, seconds) of the server's side of the one connection to this port."""
    with open("/proc/net/tcp", encoding="ascii") as opened:
        for line in opened.read().split("\n")[1:]:
            fields = line.split()
            if fields and fields[1] == f"0100007F:{port:04X}" and fields[3] == "01":
                kind, when = fields[5].split(":")
                return int(kind), int(when, 16) / os.sysconf("SC_CLK_TCK")
    return None


def test_keepalive_is_set_on_connections(tmp_path):
    with start(tmp_path, "--tcp-keepalive", 100) as server:
        with server.raw() as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
            kv.wait_until(lambda: (keepalive_timer(server.port) or (0, 0))[0] == 2)
            assert 90 < keepalive_timer(server.port)[1] <= 100.1


def other_address():
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


def test_protected_mode_lets_in_the_loopback_only(tmp_path):
    address = other_address()
    if not address or address.startswith("127."):
        pytest.skip("no address but the loopback")
    with start(tmp_path / "a", "--bind", "*") as server, \
            kv.Server(tmp_path / "b", "--save", "", "--bind", "*", program=kv.REDIS) as reference:
        answers = []
        for whom in (server, reference):
            with kv.Raw((address, whom.port)) as raw:
                answers.append(raw.rest())
        assert answers[0].startswith(b"-DENIED ")
        assert answers[0] == answers[1]
        client = server.client()
        client.config_set("protected-mode", "no")
        with kv.Raw((address, server.port)) as raw:
            assert raw.say(b"PING\r\n") == b"+PONG"
        client.config_set("protected-mode", "yes")
        client.config_set("requirepass", "secret")
        with kv.Raw((address, server.port)) as raw:
            assert raw.say(b"AUTH secret\r\n") == b"+OK"


def test_client_kill_closes_others_at_once_and_oneself_after_the_reply(tmp_path):
    with start(tmp_path) as server:
        one, two = server.raw(), server.raw()
        two_id = int(two.say(b"CLIENT ID\r\n")[1:])
        one_id = int(one.say(b"CLIENT ID\r\n")[1:])
        assert one.say(b"CLIENT KILL ID %d\r\n" % two_id) == b":1"
        assert two.rest() == b""
        one.send(b"CLIENT KILL ID %d SKIPME no\r\nPING\r\n" % one_id)
        assert one.rest() == b":1\r\n"
        with pytest.raises(redis.ResponseError, match="No such client"):
            server.client().execute_command("CLIENT", "KILL", "127.0.0.1:1")


def test_quit_is_answered_and_nothing_behind_it_executed(tmp_path):
    with start(tmp_path) as server:
        with server.raw() as raw:
            raw.send(b"SET q 1\r\nQUIT\r\nSET q 2\r\n")
            assert raw.rest() == b"+OK\r\n+OK\r\n"
        assert server.client().get("q") == "1"
