"""The log between kv and stock servers, both ways: redis-server loads what kv wrote, and kv goes on
from what redis-server appended, also after either was killed; a value that holds forged or copied
commit marks deceives nobody; and logs that a stock server made are imported.
"""
import glob
import os
import shutil
import subprocess

import pytest

import aof
import kv
from harness import OK, Server, keyspace

STOCK_TOOL = shutil.which("redis-check-aof")
STOCK = {"appendonly": "yes", "appendfsync": "always", "auto_aof_rewrite_percentage": 0}


@pytest.fixture
def life(tmp_path):
    """Start kv and redis-server in turn on one directory."""
    folder = str(tmp_path / "data")
    running = []

    def begin(kind, **options):
        end()
        if kind == "redis":
            options = {**STOCK, **options}
        running.append(Server(kind, folder, **options))
        return running[-1]

    def end(crash=False):
        while running:
            server = running.pop()
            if crash:
                server.kill()
            else:
                server.stop()
    begin.folder, begin.end = folder, end
    yield begin
    end(crash=True)


def fill(connection, prefix, count=300):
    for i in range(count):
        connection("SET", f"{prefix}:{i}", f"value {i}" * (i % 7 + 1))
    connection("APPEND", f"{prefix}:0", "more")
    connection("INCR", f"{prefix}:counter")
    connection("MULTI")
    connection("SET", f"{prefix}:m1", "a")
    connection("SELECT", 3)
    connection("SET", f"{prefix}:m2", "b")
    connection("SELECT", 0)
    connection("DEL", f"{prefix}:1")
    connection("EXEC")
    connection("SET", f"{prefix}:expires", "x", "PX", 100000000)


def keys_of(server):
    with server.connect() as connection:
        return keyspace(connection)


def files(life, pattern):
    return sorted(glob.glob(os.path.join(life.folder, "appendonlydir", pattern)))


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_log_of_kv_starts_on_redis_and_goes_on_on_kv(life, crash):
    server = life("kv")
    with server.connect() as connection:
        fill(connection, "kv")
    expected = keys_of(server)
    life.end(crash)
    if STOCK_TOOL:
        manifest = files(life, "*.manifest")[0]
        done = subprocess.run([STOCK_TOOL, manifest], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert "All AOF files and manifest are valid" in done.stdout
    server = life("redis")
    assert keys_of(server) == expected
    with server.connect() as connection:
        fill(connection, "redis")
    expected = keys_of(server)
    life.end(crash)
    server = life("kv")
    assert keys_of(server) == expected
    assert "stock server" in server.log()
    with server.connect() as connection:
        fill(connection, "kv again")
    expected = keys_of(server)
    life.end(crash)
    server = life("kv")
    assert keys_of(server) == expected
    life.end(crash)
    # and once more around: a second stretch by the stock server
    server = life("redis")
    assert keys_of(server) == expected
    with server.connect() as connection:
        assert connection("SET", "last", "one") == OK
    life.end(crash)
    server = life("kv")
    assert keys_of(server) == {**expected, (0, b"last"): ("string", b"one", -1)}


def test_forged_and_copied_commit_marks_in_values_deceive_nobody(life):
    server = life("kv")
    with server.connect() as connection:
        assert connection("SET", "a", "1") == OK
        path = files(life, "*.incr.aof")[-1]
        with open(path, "rb") as opened:
            copy = opened.read()
        assert b"#KVC:v1:" in copy
        assert connection("SET", "copied", copy) == OK
        assert connection("SET", "forged", b"\r\n#KVC:v1:99:99:%d:0:98:00000000\r\n"
                          % (os.path.getsize(path) + 40)) == OK
        assert connection("SET", copy, b"*1\r\n$4\r\nEXEC\r\n") == OK
    expected = keys_of(server)
    for kind in ("kv", "redis", "kv"):
        life.end(crash=True)
        server = life(kind)
        assert keys_of(server) == expected


def test_a_torn_tail_of_kv_that_redis_went_on_from_is_taken_over(life):
    server = life("kv")
    with server.connect() as connection:
        assert connection("SET", "a", "1") == OK
    life.end(crash=True)
    with open(files(life, "*.incr.aof")[-1], "ab") as log:
        log.write(aof.command(b"SELECT", b"0") + aof.command(b"MULTI") +
                  aof.command(b"SET", b"never", b"acknowledged"))
    server = life("redis")
    with server.connect() as connection:
        assert connection("SET", "b", "2") == OK
    life.end(crash=True)
    server = life("kv")
    assert set(keys_of(server)) == {(0, b"a"), (0, b"b")}


def test_logs_made_by_a_stock_server_are_imported(life):
    server = life("redis", aof_use_rdb_preamble="no")
    with server.connect() as connection:
        fill(connection, "redis")
        assert connection("BGREWRITEAOF").startswith("Background")
        while b"aof_rewrite_in_progress:1" in connection("INFO", "persistence") or \
                b"aof_rewrite_scheduled:1" in connection("INFO", "persistence"):
            pass
        fill(connection, "more")
    expected = keys_of(server)
    life.end(crash=True)
    assert files(life, "*.base.aof")
    for _ in range(2):
        server = life("kv")
        assert keys_of(server) == expected
        life.end()


def test_a_single_file_log_is_imported(life):
    os.makedirs(life.folder)
    with open(os.path.join(life.folder, "appendonly.aof"), "wb") as log:
        log.write(aof.command(b"SELECT", b"0") + aof.command(b"SET", b"a", b"1"))
    server = life("kv")
    assert keys_of(server) == {(0, b"a"): ("string", b"1", -1)}
    with server.connect() as connection:
        assert connection("SET", "b", "2") == OK
    for kind in ("kv", "redis", "kv"):
        life.end(crash=True)
        server = life(kind)
        assert set(keys_of(server)) == {(0, b"a"), (0, b"b")}


def refused(folder):
    server = kv.Server(folder, start=False).launch()
    assert server.process.wait(30) != 0
    return server.log()


def test_what_can_not_be_taken_over_is_refused_with_its_reason(tmp_path):
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "appendonly.aof").write_bytes(aof.command(b"SET", b"a", b"1") +
                                              aof.command(b"NOSUCH", b"b", b"2"))
    log = refused(commands)
    assert "nosuch" in log.lower() and "offset 27" in log
    assert (commands / "appendonly.aof").exists()
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "dump.rdb").write_bytes(b"REDIS0010")
    assert "dump.rdb" in refused(snapshot)
    damaged = tmp_path / "damaged"
    first = aof.Log()
    for i in range(3):
        span = first.batch([b"SELECT", b"0"], [b"SET", b"key%d" % i, b"value"])
    first.bytes = first.bytes.replace(b"key1", b"keyX")
    aof.save(damaged, [first])
    log = refused(damaged)
    assert "kv-check-aof --salvage" in log and "batch 2" in log and "keyX" in log
    assert "incr.aof" in log and span
