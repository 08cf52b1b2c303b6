"""Snapshots and compaction on request: what the commands answer, what is on disk afterwards, and
that a start from it finds what was there.
"""
import glob
import os
import subprocess
import threading

import pytest

import scripts
from harness import OK, Error, Server, Status, keyspace, until


def info(connection, field):
    for line in connection("INFO", "persistence").decode().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]
    raise AssertionError(f"INFO has no {field}")


def keys_of(server):
    with server.connect() as connection:
        return keyspace(connection)


def fill(connection, seed=1, count=3000):
    """A bit of everything, and some large values."""
    for words in scripts.script(seed, count):
        connection(*words)
    connection("DISCARD")
    connection("RESET")
    connection("SELECT", 0)
    connection("DEL", "big:hash", "big:set", "big:zset", "big:list", "big:string")
    for first in range(0, 20000, 1000):
        numbers = range(first, first + 1000)
        connection("HSET", "big:hash", *(word for i in numbers for word in (f"field{i}", f"v{i}")))
        connection("SADD", "big:set", *(f"member {i}" for i in numbers))
        connection("ZADD", "big:zset", *(word for i in numbers for word in (i * 1.5, f"m{i}")))
        connection("RPUSH", "big:list", *(f"element {i}" * 3 for i in numbers))
        for i in numbers[::10]:
            connection("XADD", "big:stream", f"{i + 1}-1", "field", f"value {i}")
    connection("SET", "big:string", "x" * 3000000)


def rewrite(connection):
    """BGREWRITEAOF, and wait for its end."""
    before = int(info(connection, "aof_rewrites"))
    answer = connection("BGREWRITEAOF")
    assert not isinstance(answer, Error), answer
    until(lambda: info(connection, "aof_rewrite_scheduled") == "0" and
          info(connection, "aof_rewrite_in_progress") == "0")
    assert info(connection, "aof_last_bgrewrite_status") == "ok"
    assert int(info(connection, "aof_rewrites")) == before + 1


def test_a_rewrite_is_in_progress_from_its_beginning(start):
    """Who waits for its end may look at nothing else, and asks at once."""
    with start("kv", auto_aof_rewrite_percentage=0).connect() as c:
        for i in range(20):
            answers = c.pipeline([("SET", "key", i), ("BGREWRITEAOF",), ("INFO", "persistence")])
            assert not isinstance(answers[1], Error), answers
            assert b"aof_rewrite_in_progress:1" in answers[2]
            until(lambda: info(c, "aof_rewrite_in_progress") == "0")
            assert int(info(c, "aof_rewrites")) == i + 1


def bgsave(connection):
    before = int(info(connection, "rdb_saves"))
    assert connection("BGSAVE") == Status("Background saving started")
    until(lambda: info(connection, "rdb_bgsave_in_progress") == "0")
    assert info(connection, "rdb_last_bgsave_status") == "ok"
    assert int(info(connection, "rdb_saves")) == before + 1


def log_files(server):
    found = os.listdir(os.path.join(server.folder, "appendonlydir"))
    return sorted(name for name in found if name.startswith("appendonly.aof."))


@pytest.mark.parametrize("words", [("BGSAVE", "x"), ("BGSAVE", "SCHEDULE", "x"), ("SAVE", "x"),
                                   ("BGREWRITEAOF", "x"), ("LASTSAVE", "x")],
                         ids=lambda words: " ".join(words))
def test_wrong_arguments_are_answered_as_redis_does(running, words):
    with running("kv").connect() as ours, running("redis").connect() as theirs:
        assert ours(*words) == theirs(*words)


def test_save_writes_a_dump_and_lastsave_tells_when(start):
    server = start()
    with server.connect() as c:
        fill(c)
        before = c("LASTSAVE")
        assert c("SAVE") == OK
        assert c("LASTSAVE") >= before
        assert info(c, "rdb_changes_since_last_save") == "0"
        assert os.path.getsize(os.path.join(server.folder, "dump.rdb.lz4")) > 1000
        c("SET", "one", "more")
        assert info(c, "rdb_changes_since_last_save") == "1"


def test_a_rewritten_log_holds_what_was_there_and_what_came_since(start):
    server = start()
    with server.connect() as c:
        for seed in (1, 2):
            fill(c, seed)
            rewrite(c)
            names = until(lambda: len(log_files(server)) <= 5 and log_files(server))
            assert sum(name.endswith(".base.rdb") for name in names) == 1, names
            assert sum(name.endswith(".incr.aof") for name in names) == 1, names
        c("SET", "behind", "the base")
        expected = keyspace(c)
    server.restart(crash=True)
    assert keys_of(server) == expected
    server.restart()
    assert keys_of(server) == expected


def test_redis_starts_on_a_rewritten_log(start, tmp_path):
    server = Server("kv", str(tmp_path))
    with server.connect() as c:
        fill(c)
        c("DEL", *[key for key in c("KEYS", "*") if c("TYPE", key) == "hash"])
        rewrite(c)
        c("SET", "behind", "the base")
        expected = keyspace(c)
    server.stop()
    stock = Server("redis", str(tmp_path), appendonly="yes", enable_debug_command="yes")
    assert keys_of(stock) == expected
    stock.stop()
    again = Server("kv", str(tmp_path))
    assert keys_of(again) == expected
    again.stop()


@pytest.mark.parametrize("form", ["lz4", "rdb"])
def test_a_dump_loads_in_redis(start, tmp_path, form):
    server = start(snapshot_format=form)
    with server.connect() as c:
        fill(c)
        for key in c("KEYS", "*"):  # field deadlines are beyond redis 7.0
            if c("TYPE", key) == "hash" and any(t > 0 for t in c("HTTL", key, "FIELDS", 1, "a")):
                c("DEL", key)
        bgsave(c)
        expected = keyspace(c)
    dump = os.path.join(server.folder, "dump.rdb.lz4" if form == "lz4" else "dump.rdb")
    plain = os.path.join(str(tmp_path), "dump.rdb")
    if form == "lz4":
        subprocess.run(["lz4", "-d", "-q", dump, plain], check=True)
    else:
        os.link(dump, plain)
    check = subprocess.run(["redis-check-rdb", plain], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    stock = Server("redis", str(tmp_path))
    assert keys_of(stock) == expected
    stock.stop()


def test_a_start_without_a_log_loads_the_dump(start, tmp_path):
    server = Server("kv", str(tmp_path), appendonly="no")
    with server.connect() as c:
        fill(c)
        assert c("SAVE") == OK
        expected = keyspace(c)
        c("SET", "never", "saved")
    server.kill()
    server.start()
    assert keys_of(server) == expected
    with server.connect() as c:
        assert info(c, "persistence_mode") == "snapshots"
        assert isinstance(c("BGREWRITEAOF"), Error)
    server.stop()
    # the log that is turned on takes the dump as its base
    server = Server("kv", str(tmp_path))
    assert keys_of(server) == expected
    server.stop()


def test_memory_mode_writes_no_snapshot(start):
    server = start(persistence="no")
    with server.connect() as c:
        c("SET", "a", "1")
        for command in ("SAVE", "BGSAVE", "BGREWRITEAOF"):
            assert str(c(command)).startswith("ERR "), command
    assert os.listdir(server.folder) == ["server.out"]


def test_a_save_point_makes_a_dump(start):
    server = start(save="1 10")
    with server.connect() as c:
        for i in range(9):
            c("SET", f"key {i}", i)
        assert not os.path.exists(os.path.join(server.folder, "dump.rdb.lz4"))
        c("SET", "the tenth", 1)
        until(lambda: info(c, "rdb_saves") == "1")
        assert os.path.exists(os.path.join(server.folder, "dump.rdb.lz4"))


def test_what_is_flushed_does_not_come_back_from_a_dump(start):
    """Where save points are all there is: long before the next of them, and after a crash."""
    server = start(appendonly="no", save="3600 1")
    with server.connect() as c:
        c("SET", "a", 1)
        c("SAVE")
        before = int(info(c, "rdb_saves"))
        c("FLUSHALL")
        until(lambda: int(info(c, "rdb_saves")) > before)
        assert info(c, "rdb_changes_since_last_save") == "0"
    server.kill()
    server.start()
    with server.connect() as c:
        assert c("DBSIZE") == 0


def test_the_log_is_rewritten_when_it_has_grown(start):
    server = start(auto_aof_rewrite_min_size="100kb", auto_aof_rewrite_percentage=100)
    with server.connect() as c:
        def grown():
            c.pipeline([("SET", f"key {i}", "x" * 100) for i in range(500)])
            return int(info(c, "aof_rewrites")) >= 2
        until(grown)
        expected = keyspace(c)
    server.restart(crash=True)
    assert keys_of(server) == expected


def test_bgsave_can_be_cancelled_and_scheduled(start):
    server = start()
    with server.connect() as c:
        assert str(c("BGSAVE", "CANCEL")).startswith("ERR Background saving is currently not")
        fill(c)
        c.pipeline([("SET", f"key {i}", "x" * 500) for i in range(100000)])
        assert c("BGSAVE") == Status("Background saving started")
        answer = c("BGSAVE", "CANCEL")
        if answer == Status("Background saving cancelled"):
            assert info(c, "rdb_bgsave_in_progress") == "0"
        assert c("SAVE") == OK
        assert info(c, "rdb_last_bgsave_status") == "ok"


def begin_slow_dump(connection):
    """A BGSAVE that is still under way, however fast the machine is."""
    for i in range(1000):
        connection("SET", f"key {i}", i)
    assert connection("CONFIG", "SET", "rdb-key-save-delay", "100000000") == OK
    assert connection("BGSAVE") == Status("Background saving started")
    assert info(connection, "rdb_bgsave_in_progress") == "1"


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_a_server_stops_while_a_dump_is_made(start, kind):
    server = start(kind, appendonly="no", save="900 1", dbfilename="dump.rdb")
    with server.connect() as c:
        begin_slow_dump(c)
        c("SET", "behind", "it")
        if kind == "redis": # which delays the last dump, too
            c("CONFIG", "SET", "rdb-key-save-delay", "0")
    server.restart()
    with server.connect() as c:
        assert c("DBSIZE") == 1001


def test_what_follows_a_cancelled_dump_needs_no_patience(start):
    server = start(appendonly="no", enable_debug_command="yes")
    with server.connect() as c:
        for words in ("SAVE",), ("DEBUG", "RELOAD"), ("CONFIG", "SET", "appendonly", "yes"):
            begin_slow_dump(c)
            assert c("BGSAVE", "CANCEL") == Status("Background saving cancelled")
            c("CONFIG", "SET", "rdb-key-save-delay", 0)  # which a new log's base has, too
            assert c(*words) == OK, words
        assert c("DBSIZE") == 1000


def test_a_delay_of_dumps_ends_when_it_is_taken_back(start):
    server = start()
    with server.connect() as c:
        begin_slow_dump(c)
        assert c("CONFIG", "SET", "rdb-key-save-delay", "0") == OK
        until(lambda: info(c, "rdb_bgsave_in_progress") == "0")
        assert info(c, "rdb_last_bgsave_status") == "ok"


def test_snapshots_hold_one_moment_while_amounts_move(start, tmp_path):
    """Clients move amounts between keys, fields and members while snapshots follow one another;
    each has the exact sum."""
    server = start()
    accounts, total = 300, 300 * 100
    with server.connect() as c:
        fill(c, count=100)
        c("FLUSHALL")
        for i in range(accounts):
            c("SET", f"account {i}", 100)
            c("HINCRBY", "hash", f"account {i}", 100)
            c("ZINCRBY", "zset", 100, f"account {i}")
    done = threading.Event()

    def move(seed):
        r = scripts.Chance(seed)
        with server.connect() as mine:
            while not done.is_set():
                a, b, n = (r.randrange(accounts), r.randrange(accounts), r.randrange(50))
                mine.pipeline([
                    ("MULTI",), ("DECRBY", f"account {a}", n), ("INCRBY", f"account {b}", n),
                    ("HINCRBY", "hash", f"account {a}", -n), ("HINCRBY", "hash", f"account {b}", n),
                    ("ZINCRBY", "zset", -n, f"account {a}"), ("ZINCRBY", "zset", n, f"account {b}"),
                    ("EXEC",)])

    movers = [threading.Thread(target=move, args=(seed,)) for seed in range(4)]
    for mover in movers:
        mover.start()
    try:
        with server.connect() as c:
            for number in range(6):
                if number % 2:
                    rewrite(c)
                bgsave(c)
                copy = os.path.join(str(tmp_path), str(number))
                os.mkdir(copy)
                os.link(os.path.join(server.folder, "dump.rdb.lz4"),
                        os.path.join(copy, "dump.rdb.lz4"))
    finally:
        done.set()
        for mover in movers:
            mover.join()

    def check(other):
        with other.connect() as c:
            assert sum(int(c("GET", f"account {i}")) for i in range(accounts)) == total
            assert sum(int(value) for value in c("HVALS", "hash")) == total
            scores = c("ZRANGE", "zset", 0, -1, "WITHSCORES")[1::2]
            assert sum(int(float(score)) for score in scores) == total

    for number in range(6):
        other = Server("kv", os.path.join(str(tmp_path), str(number)))
        check(other)
        other.stop()
    server.restart(crash=True)
    check(server)


def test_leftovers_of_a_rewrite_that_a_crash_cut_short_are_removed(start):
    server = start()
    with server.connect() as c:
        c.pipeline([("SET", f"key {i}", "x" * 500) for i in range(50000)])
        c("BGREWRITEAOF")
        expected = c("DBSIZE")
    server.restart(crash=True)
    with server.connect() as c:
        assert c("DBSIZE") == expected
        rewrite(c)
        until(lambda: len(glob.glob(os.path.join(server.folder, "appendonlydir", "*base*"))) <= 2)
    assert not glob.glob(os.path.join(server.folder, "appendonlydir", "*tmp*"))


@pytest.mark.parametrize("mode", [("appendonly", "yes"), ("appendonly", "no")], ids="-".join)
def test_debug_reload_gives_back_what_was_there(start, mode):
    server = start(enable_debug_command="yes", **{mode[0]: mode[1]})
    with server.connect() as c:
        fill(c)
        expected = keyspace(c)
        assert c("DEBUG", "RELOAD") == OK
        assert keyspace(c) == expected
        if mode[1] == "yes":
            c("SET", "one", "more")
            expected = keyspace(c)
            assert c("DEBUG", "LOADAOF") == OK
            assert keyspace(c) == expected
            assert str(c("DEBUG", "RELOAD", "NOSAVE")).startswith("ERR ")
            c("SET", "and", "another")
            expected = keyspace(c)
            server.restart(crash=True)
            assert keys_of(server) == expected
        else:
            c("SET", "one", "more")
            assert c("DEBUG", "RELOAD", "NOSAVE") == OK
            assert keyspace(c) == expected


@pytest.mark.parametrize("change", ["FLUSHALL", "SWAPDB 0 1", "SET a 2"])
def test_the_log_may_be_loaded_within_a_transaction(start, change):
    """What came before is committed then, and nothing of it is asked for again at the end."""
    server = start(enable_debug_command="yes")
    with server.connect() as c:
        c("SET", "a", "1")
        c("MULTI")
        c(*change.split())
        c("DEBUG", "LOADAOF")
        assert c("EXEC") == [OK, OK]
        expected = keyspace(c)
    server.restart(crash=True)
    assert keys_of(server) == expected


LIBRARY = ("#!lua name=library\nredis.register_function('twice', "
           "function(keys, args) return args[1] * 2 end)")


def test_functions_are_kept_in_bases_and_dumps(start):
    server = start(enable_debug_command="yes")
    with server.connect() as c:
        assert c("FUNCTION", "LOAD", LIBRARY) == b"library"
        rewrite(c)
        c("SET", "a", "1")
        assert c("DEBUG", "RELOAD") == OK
        assert c("FCALL", "twice", 0, 21) == 42
        assert c("DEBUG", "LOADAOF") == OK
        assert c("FCALL", "twice", 0, 21) == 42
    server.restart(crash=True)
    with server.connect() as c:
        assert c("FCALL", "twice", 0, 4) == 8
        assert c("FUNCTION", "FLUSH") == OK
        rewrite(c)
    server.restart(crash=True)
    with server.connect() as c:
        assert c("FUNCTION", "LIST") == []


def test_a_dump_that_fails_stops_writes_where_there_is_no_log(start):
    server = start(appendonly="no", save="1000 100000")
    with server.connect() as c:
        assert c("SET", "a", "1") == OK
        # a directory in its place: no file can take that name
        os.mkdir(os.path.join(server.folder, "dump.rdb.lz4"))
        assert isinstance(c("SAVE"), Error)
        assert str(c("SET", "a", "2")).startswith("MISCONF Redis is configured to save RDB")
        assert c("GET", "a") == b"1"
        assert c("CONFIG", "SET", "stop-writes-on-bgsave-error", "no") == OK
        assert c("SET", "a", "2") == OK
        assert c("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes") == OK
        os.rmdir(os.path.join(server.folder, "dump.rdb.lz4"))
        assert c("SAVE") == OK
        assert c("SET", "a", "3") == OK
    server.options["appendonly"] = "no"


@pytest.mark.parametrize("flush", [("FLUSHALL",), ("FLUSHALL", "ASYNC"), ("FLUSHDB",)],
                         ids=" ".join)
def test_a_save_of_what_is_flushed_begins_anew(start, tmp_path, flush):
    """It need not be written, and does not stay in memory until it is."""
    server = start(enable_debug_command="yes")
    with server.connect() as c:
        c("DEBUG", "POPULATE", 300000, "k", 100)
        before = int(info(c, "rdb_saves"))
        c.pipeline([("BGSAVE",), flush])
        assert info(c, "rdb_bgsave_in_progress") == "1" or int(info(c, "rdb_saves")) == before + 1
        c("SET", "after", "it")
        until(lambda: info(c, "rdb_bgsave_in_progress") == "0")
        assert info(c, "rdb_last_bgsave_status") == "ok"
        assert int(info(c, "rdb_saves")) == before + 1
        assert os.path.getsize(os.path.join(server.folder, "dump.rdb.lz4")) < 2000
    server.wait_log("begins anew")
    os.link(os.path.join(server.folder, "dump.rdb.lz4"), os.path.join(tmp_path, "dump.rdb.lz4"))
    other = Server("kv", str(tmp_path), appendonly="no")
    assert set(keys_of(other)) <= {(0, b"after")}
    other.stop()


def test_a_rewrite_of_what_is_flushed_begins_anew(start):
    server = start(enable_debug_command="yes")
    with server.connect() as c:
        c("DEBUG", "POPULATE", 300000, "k", 100)
        before = int(info(c, "aof_rewrites"))
        c("BGREWRITEAOF")
        until(lambda: info(c, "snapshot_running") == "1")
        c.pipeline([("MULTI",), ("SET", "before", "it"), ("FLUSHALL",), ("SET", "after", "it"),
                    ("EXEC",)])
        until(lambda: int(info(c, "aof_rewrites")) > before)
        assert info(c, "aof_last_bgrewrite_status") == "ok"
        base, = glob.glob(os.path.join(server.folder, "appendonlydir", "*.base.rdb"))
        assert os.path.getsize(base) < 2000
        c("SET", "behind", "the base")
    assert "begins anew" in server.log()
    server.restart(crash=True)
    assert sorted(keys_of(server)) == [(0, b"after"), (0, b"behind")]
