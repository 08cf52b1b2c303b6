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
from harness import OK, Error, Server, keyspace, until

STOCK_TOOL = shutil.which("redis-check-aof")
TYPES = ("list", "set", "zset", "hash", "stream")  # besides strings
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


def live_file(life):
    with open(files(life, "*.incr.aof")[-1], "rb") as opened:
        return opened.read()


def is_filled(life):
    return live_file(life).endswith(b"...\n")


def end_of_batches(data):
    """Where the last commit mark ends."""
    return data.index(b"\r\n", data.rindex(b"#KVC:v1:")) + 2


def test_a_killed_log_over_filler_starts_on_redis_and_goes_on_on_kv(life):
    """Batches are written over filler, end on every offset of its lines, and the server is killed;
    redis-server loads all of it, appends, is killed, and kv goes on."""
    server = life("kv")
    with server.connect() as connection:
        def grow():
            connection("SET", "large", "v" * 20000)
            return is_filled(life)
        until(grow, 30)
        at = len(live_file(life))
        offsets = set()
        for i in range(1600):
            assert connection("SET", f"key:{i}", "v" * (i % 37)) == OK
            if i % 16 == 0:
                data = live_file(life)
                end = end_of_batches(data)
                offsets.add(end % 512)
                assert data[end:end + 1] == b"#"
        assert len(offsets) > 50 and is_filled(life) and len(live_file(life)) >= at
    expected = keys_of(server)
    life.end(crash=True)
    assert is_filled(life)
    done = subprocess.run([os.path.join(kv.BUILD, "kv-check-aof"), life.folder],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "TORN" not in done.stdout, done.stdout
    if STOCK_TOOL:
        done = subprocess.run([STOCK_TOOL, files(life, "*.manifest")[0]],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    server = life("redis")
    assert keys_of(server) == expected
    with server.connect() as connection:
        fill(connection, "redis")
    expected = keys_of(server)
    life.end(crash=True)
    server = life("kv")
    assert keys_of(server) == expected
    assert "torn" not in server.log()


@pytest.mark.parametrize("end", [*range(0, 3), 255, *range(508, 512)])
def test_redis_loads_filler_behind_a_batch_that_ends_anywhere(life, end):
    log = aof.Log()
    value = log.batch_until(end, b"SET", b"a")
    log.fill()
    directory = aof.save(life.folder, [log], slot=1)
    if STOCK_TOOL:
        done = subprocess.run([STOCK_TOOL, os.path.join(directory, "appendonly.aof.manifest")],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    for kind in ("redis", "kv", "redis"):
        server = life(kind)
        assert keys_of(server) == {(0, b"a"): ("string", value, -1)}
        life.end(crash=True)


def test_redis_refuses_a_batch_torn_over_filler_and_kv_does_not(life):
    """What follows a batch that is not whole is no line for a stock server: it never takes filler
    for the rest of a value."""
    log = aof.Log()
    log.batch([b"SELECT", b"0"], [b"SET", b"a", b"1"])
    at = len(log.bytes)
    log.fill(6)
    filler, log.bytes = log.bytes, log.bytes[:at]
    log.batch([b"SELECT", b"0"], [b"SET", b"a", b"2" * 1000])
    log.bytes = log.bytes[:at + 500] + filler[at + 500:]
    aof.save(life.folder, [log], slot=1)
    with pytest.raises(Exception):
        life("redis")
    server = life("kv")
    assert keys_of(server) == {(0, b"a"): ("string", b"1", -1)}
    life.end()
    assert keys_of(life("redis")) == {(0, b"a"): ("string", b"1", -1)}


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


# --- Snapshots ------------------------------------------------------------------------------------

HOUR_MS = 3_600_000
FAR_MS = 4_000_000_000_000


def fill_types(connection, name):
    """Every type that kv has, in its small and its large form; strings in all theirs."""
    commands = [
        ("MSET", f"{name}:int", "-123", f"{name}:big", "9223372036854775807", f"{name}:empty", "",
         f"{name}:text", "text", f"{name}:packed", "abc" * 5000, f"{name}:long", "x" * 300_000),
        ("SET", b"\x00binary\r\n:" + name.encode(), bytes(range(256))),
        ("SET", f"{name}:expires", "1", "PXAT", FAR_MS),
        ("SET", f"{name}:expires soon", "1", "PX", HOUR_MS),
        ("RPUSH", f"{name}:list", "1", "two", "3" * 30),
        ("RPUSH", f"{name}:list of many", *[f"element {i}" for i in range(3000)]),
        ("RPUSH", f"{name}:list of large", "a" * 20_000, "b" * 20_000, "c"),
        ("SADD", f"{name}:intset", *range(-50, 50)),
        ("SADD", f"{name}:set", "a", "b", "3"),
        ("SADD", f"{name}:set of many", *[f"member {i}" for i in range(1000)]),
        ("ZADD", f"{name}:zset", "-inf", "a", "1.5", "b", "+inf", "c", "3", "4"),
        ("ZADD", f"{name}:zset of many", *[x for i in range(500) for x in (i / 7, f"m{i}")]),
        ("HSET", f"{name}:hash", "field", "value", "n", "1"),
        ("HSET", f"{name}:hash of many", *[x for i in range(900) for x in (f"f{i}", f"v{i}")]),
        ("XADD", f"{name}:stream", "1-1", "field", "value", "n", "1"),
        ("XADD", f"{name}:stream", "2-5", "field", "value"),
        ("PEXPIREAT", f"{name}:list of many", FAR_MS),
    ]
    kinds = {"R": "list", "S": "set", "Z": "zset", "H": "hash", "X": "stream"}
    for command in commands:
        kind = kinds.get(command[0][0])
        if command[0] not in ("SET", "PEXPIREAT") and kind and kind not in TYPES:
            continue
        reply = connection(*command)
        assert not isinstance(reply, Error), (command[0], reply)


def rewrite(connection):
    assert connection("BGREWRITEAOF").startswith("Background")
    until(lambda: b"aof_rewrite_scheduled:0" in connection("INFO", "persistence") and
          b"aof_rewrite_in_progress:0" in connection("INFO", "persistence"))


def serves(server, expected):
    """All of it, by kv: first as it is, then after kill -9, then with more, killed again."""
    assert keys_of(server) == expected
    server.kill()
    server.start()
    assert keys_of(server) == expected
    with server.connect() as connection:
        assert connection("SET", "by kv", "1") == OK
    server.kill()
    server.start()
    assert keys_of(server) == {**expected, (0, b"by kv"): ("string", b"1", -1)}


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_log_whose_base_is_a_snapshot_is_imported(life, crash):
    server = life("redis")
    with server.connect() as connection:
        fill_types(connection, "first")
        assert connection("SELECT", 5) == OK
        fill_types(connection, "in five")
        assert connection("SELECT", 0) == OK
        rewrite(connection)
        fill(connection, "more")
        assert connection("DEL", "first:text") == 1
        assert connection("APPEND", "first:empty", "not") == 3
    expected = keys_of(server)
    life.end(crash)
    assert files(life, "*.base.rdb")
    server = life("kv")
    assert "its checksum holds" in server.log()
    serves(server, expected)
    # and back: a stock server goes on from it, and kv from that
    life.end(crash)
    server = life("redis")
    assert keys_of(server) == {**expected, (0, b"by kv"): ("string", b"1", -1)}
    with server.connect() as connection:
        assert connection("DEL", "by kv") == 1
        rewrite(connection)
        assert connection("INCR", "again") == 1
    life.end(crash)
    serves(life("kv"), {**expected, (0, b"again"): ("string", b"1", -1)})


def test_the_first_log_of_a_stock_server_begins_with_an_empty_snapshot(life):
    server = life("redis")
    with server.connect() as connection:
        fill_types(connection, "a")
    expected = keys_of(server)
    life.end(crash=True)
    serves(life("kv"), expected)


@pytest.mark.parametrize("fill_it", [True, False], ids=["full", "empty"])
def test_a_dump_without_a_log_is_imported_and_stays(life, fill_it):
    server = life("redis", appendonly="no")
    with server.connect() as connection:
        if fill_it:
            fill_types(connection, "a")
            assert connection("SELECT", 15) == OK
            fill_types(connection, "b")
            assert connection("SELECT", 0) == OK
        assert connection("SAVE") == OK
    expected = keys_of(server)
    life.end()
    dump = os.path.join(life.folder, "dump.rdb")
    with open(dump, "rb") as opened:
        content = opened.read()
    serves(life("kv"), expected)
    life.end()
    with open(dump, "rb") as opened:
        assert opened.read() == content
    # what is beside the log counts no more; and a stock server starts on the log
    os.remove(dump)
    after = {**expected, (0, b"by kv"): ("string", b"1", -1)}
    for kind in ("kv", "redis"):
        server = life(kind)
        assert keys_of(server) == after


@pytest.mark.parametrize("policy, told, asked, least, most", [
    ("allkeys-lru", ("IDLETIME", 5000), "IDLETIME", 5000, 5100),
    ("allkeys-lfu", ("FREQ", 200), "FREQ", 199, 200),
])
def test_how_keys_were_used_comes_with_a_dump(life, policy, told, asked, least, most):
    server = life("redis", appendonly="no", maxmemory_policy=policy)
    with server.connect() as connection:
        assert connection("SET", "from", "x") == OK
        assert connection("RESTORE", "key", 0, connection("DUMP", "from"), *told) == OK
        assert connection("SAVE") == OK
    life.end()
    server = life("kv", maxmemory_policy=policy)
    with server.connect() as connection:
        assert least <= connection("OBJECT", asked, "key") <= most
        assert connection("OBJECT", asked, "from") <= 100


def test_a_dump_under_another_name_is_imported(life):
    server = life("redis", appendonly="no", dbfilename="my dump.rdb")
    with server.connect() as connection:
        fill_types(connection, "a")
        assert connection("SAVE") == OK
    expected = keys_of(server)
    life.end()
    server = life("kv", dbfilename="my dump.rdb")
    serves(server, expected)


def test_a_single_file_that_begins_with_a_snapshot_is_imported(life):
    server = life("redis")
    with server.connect() as connection:
        fill_types(connection, "a")
        rewrite(connection)
        fill(connection, "more")
    expected = keys_of(server)
    life.end()
    folder = os.path.join(life.folder, "appendonlydir")
    parts = files(life, "*.base.rdb") + files(life, "*.incr.aof")
    with open(os.path.join(life.folder, "appendonly.aof"), "wb") as single:
        for part in parts:
            with open(part, "rb") as opened:
                single.write(opened.read())
    shutil.rmtree(folder)
    serves(life("kv"), expected)


def test_a_large_dump_is_loaded_with_its_deadlines(life):
    server = life("redis", appendonly="no")
    with server.connect() as connection:
        connection.pipeline([("SET", f"key:{i}", f"value {i}" * (i % 9 + 1),
                              *(["PXAT", FAR_MS + i] if i % 3 == 0 else []))
                             for i in range(50_000)])
        assert connection("SAVE") == OK
    expected = keys_of(server)
    life.end()
    serves(life("kv"), expected)


def refused(folder):
    server = kv.Server(folder, start=False).launch()
    assert server.process.wait(kv.PATIENCE_S) != 0
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
    good = b"REDIS0010\xfe\x00\x00\x01a\x011\xff"
    for content, words in [
            (b"REDIS0010", "offset 9"),
            (good + bytes(7), "offset 17"),
            (good + b"\x01" * 8, "checksum"),
            (good.replace(b"\xfe\x00", b"\xfe\x10") + bytes(8), "databases"),
            (b"REDIS0010\xf5\x01x\xff" + bytes(8), "a library of functions"),
            (b"REDIS0010\x07\x01k\x00\xff" + bytes(8), "module"),
            (good[:-1] + b"\x00\x01a\x012\xff" + bytes(8), "twice"),
            (b"", "no snapshot")]:
        (snapshot / "dump.rdb").write_bytes(content)
        log = refused(snapshot)
        assert "dump.rdb" in log and words in log, log
        assert not os.listdir(snapshot / "appendonlydir")
    (snapshot / "dump.rdb").write_bytes(good + bytes(8))
    with Server("kv", str(snapshot)) as server:
        assert keys_of(server) == {(0, b"a"): ("string", b"1", -1)}
    damaged = tmp_path / "damaged"
    first = aof.Log()
    for i in range(3):
        span = first.batch([b"SELECT", b"0"], [b"SET", b"key%d" % i, b"value"])
    first.bytes = first.bytes.replace(b"key1", b"keyX")
    aof.save(damaged, [first])
    log = refused(damaged)
    assert "kv-check-aof --salvage" in log and "batch 2" in log and "keyX" in log
    assert "incr.aof" in log and span


@pytest.mark.parametrize("version,loads", [(0, False), (10, True)])
def test_consumers_of_streams_go_back_to_7_0_by_rdb_version(start, tmp_path, version, loads):
    server = start("kv", rdb_version=version)
    with server.connect() as c:
        c("XADD", "s", "1-1", "a", "b")
        c("XGROUP", "CREATE", "s", "g", "0")
        c("XREADGROUP", "GROUP", "g", "me", "STREAMS", "s", ">")
        c("BGREWRITEAOF")
        until(lambda: b"aof_base_size:0\r" not in c("INFO", "persistence") and
              b"aof_rewrite_in_progress:0" in c("INFO", "persistence"))
    shutil.copytree(os.path.join(server.folder, "appendonlydir"), tmp_path / "appendonlydir")
    reader = kv.Server(tmp_path, "--appendonly", "yes", program=kv.REDIS,
                              start=False).launch()
    with reader:
        if not loads:
            assert reader.process.wait(20) != 0
            assert "Can't handle RDB format version 11" in reader.log()
            return
        reader.wait_ready()
        assert reader.client().xinfo_consumers("s", "g")[0]["pending"] == 1
