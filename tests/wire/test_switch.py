"""Persistence switched on and off while the server runs, and what the next start makes of it."""
import glob
import os
import subprocess

import pytest
import redis

import kv
from harness import OK, Error, Server, keyspace, until
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
        assert c("CONFIG", "SET", "appendonly", "yes") == OK  # a transaction does not wait for it
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


def turn_on(c, other):
    """Ask for the log; back when it is being switched on."""
    assert c("DEBUG", "POPULATE", "1000000", "key", "100") == OK
    c.send("CONFIG", "SET", "appendonly", "yes")
    until(lambda: info(other, "aof_rewrite_in_progress") == "1")


def test_others_are_answered_while_the_log_is_switched_on(tmp_path):
    server = serve(tmp_path, appendonly="no", enable_debug_command="yes")
    with server.connect() as c, server.connect() as other:
        turn_on(c, other)
        answered = 0
        while info(other, "aof_rewrite_in_progress") == "1":
            assert str(other("PING")) == "PONG"
            answered += 1
            assert other("INCR", "n") == answered
            if answered == 1:
                assert info(other, "log_state") == "turning-on"
                assert info(other, "persistence_mode") == "snapshots"
                assert b"\nblocked_clients:1\r" in other.raw("INFO", "clients")
                assert other("WAITAOF", 1, 0, 1) == [0, 0]
                assert isinstance(other("DEBUG", "LOADAOF"), Error)
                assert other("SET", "key:7", "changed") == OK
                assert other("SELECT", 1) == OK and other("SET", "in", "one") == OK
                assert other("FLUSHDB") == OK and other("SELECT", 0) == OK
        assert answered > 0
        assert c.read() == OK
        assert info(other, "persistence_mode") == "log"
        assert other("WAITAOF", 1, 0, 0) == [1, 0]
    server.restart(crash=True, appendonly="yes")
    with server.connect() as c:
        assert c("DBSIZE") == 1000001
        assert c("GET", "n") == b"%d" % answered and c("GET", "key:7") == b"changed"
    server.stop()


def test_a_log_that_is_being_switched_on_can_be_left_again(tmp_path):
    server = serve(tmp_path, appendonly="no", enable_debug_command="yes")
    with server.connect() as c, server.connect() as other:
        for _ in range(2):
            turn_on(c, other)
            assert other("INCR", "n") > 0
            assert other("CONFIG", "SET", "appendonly", "no") == OK
            assert "switched off again" in str(c.read())
            assert info(other, "persistence_mode") == "snapshots"
        assert glob.glob(str(tmp_path / "appendonlydir" / "*.aof")) == []
        turn_on(c, other)
        assert other("FLUSHALL") == OK
        assert other("SET", "behind", "the flush") == OK
        assert c.read() == OK
    server.restart(crash=True, appendonly="yes")
    with server.connect() as c:
        assert c("KEYS", "*") == [b"behind"]
    server.stop()


def test_a_log_that_can_not_be_switched_on_says_why(tmp_path):
    server = serve(tmp_path, persistence="no")
    with server.connect() as c:
        (tmp_path / "appendonlydir").write_text("in the way")
        said = c("CONFIG", "SET", "persistence", "yes")
        assert isinstance(said, Error) and "appendonlydir" in str(said), said
        assert c("CONFIG", "GET", "persistence") == [b"persistence", b"no"]
        assert info(c, "persistence_mode") == "memory"
        os.remove(tmp_path / "appendonlydir")
        assert c("CONFIG", "SET", "persistence", "yes") == OK
        assert c("SET", "a", "1") == OK
    server.restart(crash=True, persistence="yes")
    assert len(keys_of(server)) == 1
    server.stop()


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of 64 MiB."""
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(tmp_path)],
                              capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if done.returncode != 0:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_is_told_to_who_switches_the_log_on(small_disk):
    """Whichever of the two it is that takes no more: the log, or the snapshot that is its base."""
    server = serve(small_disk, appendonly="no", save="")
    ballast = small_disk / "ballast"
    with server.connect() as c:
        fill(c)
        expected = keyspace(c)
        for free in (1 << 20, 100 << 10, 0):
            disk = os.statvfs(small_disk)
            with open(ballast, "ab") as file:
                file.write(b"x" * max(0, disk.f_bavail * disk.f_bsize - free))
            said = str(c("CONFIG", "SET", "appendonly", "yes"))
            assert str(small_disk) in said and ("the disk is full" in said or "No space" in said)
            assert c("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        ballast.unlink()
        assert c("CONFIG", "SET", "appendonly", "yes") == OK
    server.restart(crash=True, appendonly="yes")
    assert keys_of(server) == expected
    server.stop()


@pytest.mark.parametrize("appendonly", ["no", "yes"])
def test_a_crash_while_the_log_is_switched_on_leaves_the_dump(tmp_path, appendonly):
    server = serve(tmp_path, appendonly="no", save="", enable_debug_command="yes")
    with server.connect() as c, server.connect() as other:
        assert other("SET", "a", "1") == OK and other("SAVE") == OK
        turn_on(c, other)
    server.restart(crash=True, appendonly=appendonly)
    with server.connect() as c:
        assert c("GET", "a") == b"1" and c("DBSIZE") == 1
        assert c("CONFIG", "SET", "appendonly", "yes") == OK
    server.restart(crash=True, appendonly="yes")
    with server.connect() as c:
        assert c("DBSIZE") == 1
    assert len(os.listdir(tmp_path / "appendonlydir")) <= 6
    server.stop()


def test_a_stop_gives_up_a_log_that_is_being_switched_on(tmp_path):
    server = serve(tmp_path, appendonly="no", save="10000 100000", enable_debug_command="yes")
    with server.connect() as c, server.connect() as other:
        turn_on(c, other)
    server.stop()  # which saves, as there are save points
    server.start()
    with server.connect() as c:
        assert c("DBSIZE") == 1000000
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
