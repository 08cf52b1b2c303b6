"""Persistence switched on and off while the server runs, and what the next start makes of it."""
import glob
import os
import subprocess

import pytest
import redis

import kv
from harness import OK, Error, Server, keyspace
from test_save import fill, info, keys_of, rewrite


def serve(folder, **options):
    return Server("kv", str(folder), **options)


def refused(folder, *words):
    """A start that fails; what it says."""
    done = subprocess.run([kv.SERVER, "--port", str(kv.free_port()), "--dir", str(folder), *words],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_a_server_in_memory_becomes_durable(tmp_path):
    server = serve(tmp_path, persistence="no")
    with server.connect() as c:
        fill(c)
        assert os.listdir(tmp_path) == ["server.out"]
        assert c("CONFIG", "SET", "persistence", "yes") == OK
        assert info(c, "persistence_mode") == "log"
        c("SET", "behind", "the switch")
        c("INCR", "counter")
        expected = keyspace(c)
    server.restart(crash=True, persistence="yes")
    assert keys_of(server) == expected
    server.stop()


def test_a_durable_server_leaves_the_disk_and_comes_back(tmp_path):
    server = serve(tmp_path)
    with server.connect() as c:
        c("SET", "a", "1")
        first = keyspace(c)
        assert c("CONFIG", "SET", "persistence", "no") == OK
        assert info(c, "persistence_mode") == "memory"
        before = sorted(os.listdir(tmp_path))
        for i in range(100):
            c("INCR", "counter")
        assert isinstance(c("SAVE"), Error)
        assert sorted(os.listdir(tmp_path)) == before
        assert c("CONFIG", "SET", "persistence", "yes") == OK
        c("INCR", "counter")
        expected = keyspace(c)
        assert expected != first
    # the log of before was set aside, whole
    folder = os.path.join(str(tmp_path), "appendonlydir")
    aside = glob.glob(os.path.join(folder, "*.aside.1"))
    assert len(aside) >= 2
    server.restart(crash=True)
    assert keys_of(server) == expected
    server.stop()
    old = os.path.join(str(tmp_path), "old", "appendonlydir")
    os.makedirs(old)
    for path in aside:
        os.rename(path, os.path.join(old, os.path.basename(path).removesuffix(".aside.1")))
    server = serve(tmp_path / "old")
    assert keys_of(server) == first
    server.stop()


def test_writes_around_a_switch_in_a_transaction_are_there_once(tmp_path):
    server = serve(tmp_path, appendonly="no")
    with server.connect() as c:
        c("INCR", "n")
        c.pipeline([("MULTI",), ("INCR", "n"), ("CONFIG", "SET", "appendonly", "yes"),
                    ("INCR", "n"), ("EXEC",), ("INCR", "n")])
        assert c("GET", "n") == b"4"
    server.restart(crash=True, appendonly="yes")
    with server.connect() as c:
        assert c("GET", "n") == b"4"
        c.pipeline([("MULTI",), ("INCR", "n"), ("CONFIG", "SET", "appendonly", "no"),
                    ("EXEC",)])
        assert c("CONFIG", "SET", "appendonly", "yes") == OK
        rewrite(c)
    server.restart(crash=True)
    with server.connect() as c:
        assert c("GET", "n") == b"5"
    server.stop()


@pytest.mark.parametrize("switches", [["yes"], ["yes", "no"], ["yes", "no", "yes"]])
def test_a_transaction_that_ends_with_the_switch(tmp_path, switches):
    server = serve(tmp_path, appendonly="no")
    with server.connect() as c:
        queued = [("CONFIG", "SET", "appendonly", value) for value in switches]
        said = c.pipeline([("MULTI",), ("INCR", "n"), *queued, ("EXEC",)])
        assert said[-1] == [1] + [OK] * len(switches)
        assert c("GET", "n") == b"1"
        c("CONFIG", "SET", "appendonly", "yes")
    server.restart(crash=True, appendonly="yes")
    with server.connect() as c:
        assert c("GET", "n") == b"1"
    server.stop()


def test_a_log_that_was_not_switched_off_is_not_left_out(tmp_path):
    server = serve(tmp_path)
    with server.connect() as c:
        c("SET", "a", "1")
    server.stop()
    said = refused(tmp_path, "--appendonly", "no")
    assert "would start without what it holds" in said and "appendonlydir" in said
    server.start()
    with server.connect() as c:
        assert c("GET", "a") == b"1"
        assert c("CONFIG", "SET", "appendonly", "no") == OK
        c("SET", "a", "2")
        assert c("SAVE") == OK
    server.restart(crash=True, appendonly="no")
    with server.connect() as c:
        assert c("GET", "a") == b"2"
    server.stop()
    # the dump is newer than the log: nobody but the operator knows
    said = refused(tmp_path, "--appendonly", "yes")
    assert "the log is older than the data" in said and "mv " in said
    os.rename(tmp_path / "appendonlydir", tmp_path / "kept")
    server = serve(tmp_path)
    with server.connect() as c:
        assert c("GET", "a") == b"2"
    server.stop()


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_switching_again_and_again_under_load_loses_nothing(tmp_path, policy):
    server = serve(tmp_path, appendfsync=policy)
    with server.connect() as c, server.connect() as writer:
        for turn in range(5):
            for value in ("no", "yes"):
                for i in range(50):
                    assert writer("INCR", "counter") == turn * 100 + (value == "yes") * 50 + i + 1
                assert c("CONFIG", "SET", "appendonly", value) == OK
        assert c("SAVE") == OK  # it is newer than the times the log was off
        expected = keyspace(c)
    server.restart(crash=True)
    assert keys_of(server) == expected
    server.stop()


@pytest.mark.skipif(kv.SLOW, reason="sanitizers do not work under strace")
def test_memory_mode_opens_no_file_for_writing(tmp_path):
    """By strace: whatever clients do, up to and over its end."""
    trace = tmp_path / "trace"
    data = tmp_path / "data"
    data.mkdir()
    server = kv.Server(data, "--persistence", "no", "--save", "1 1", start=False)
    server.program = "strace"
    server.config = ["-f", "-qq", "-e", "trace=open,openat,creat,rename,unlink,mkdir,truncate",
                     "-o", str(trace), kv.SERVER]
    server.start()
    with server.client() as c:
        for i in range(1000):
            c.set(f"key {i}", "x" * 1000)
        for command in ("SAVE", "BGSAVE", "BGREWRITEAOF"):
            with pytest.raises(redis.ResponseError):
                c.execute_command(command)
        c.flushall()
        c.shutdown(nosave=True)
    assert server.process.wait(kv.PATIENCE_S) == 0
    lines = trace.read_text().splitlines()
    assert len(lines) > 10
    wrote = [line for line in lines
             if "/dev/null" not in line and any(word in line for word in (
                 "O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "rename(", "unlink(", "mkdir(",
                 "truncate("))]
    assert wrote == []
    assert os.listdir(data) == ["server.out"]
