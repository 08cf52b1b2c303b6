"""MIGRATE: keys go between kv and redis-server, and none is lost or deleted that the target did not
acknowledge."""
import contextlib
import random
import socket
import threading
import time

import pytest

from harness import OK, SYNTAX, Error, Server, Status, content, keyspace, until, wrong_arity

HOST = "127.0.0.1"
NO_KEY = Status("NOKEY")
NOT_CONNECTED = Error("IOERR error or timeout connecting to the client")
NOT_WRITTEN = Error("IOERR error or timeout writing to target instance")
NOT_READ = Error("IOERR error or timeout reading to target instance")
REFUSED = "ERR Target instance replied with error: "
BUSY = Error(REFUSED + "BUSYKEY Target key name already exists.")
WRONG_PASSWORD = Error(REFUSED +
                       "WRONGPASS invalid username-password pair or user is disabled.")


@pytest.fixture(scope="module", params=[("kv", "redis"), ("redis", "kv"), ("kv", "kv")],
                ids=lambda kinds: "-to-".join(kinds))
def servers(request):
    """A source, and a target that is another server."""
    pair = [Server(kind) for kind in request.param]
    yield pair
    for server in pair:
        server.close()


@pytest.fixture
def pair(servers):
    """Connections to both, empty, and the target's port."""
    with servers[0].connect() as source, servers[1].connect() as target:
        assert source("FLUSHALL") == target("FLUSHALL") == OK
        yield source, target, servers[1].port


def fill(source):
    """A key of each type, small and big; names and what is in them."""
    source("SET", "string", "text\r\n\x00")
    source("SET", "number", 12345)
    source("SET", "long", b"x" * 2_000_000)
    for kind, size in (("small", 3), ("big", 3000)):
        items = [f"{kind}{i}" for i in range(size)]
        source("RPUSH", "list" + kind, *items)
        source("SADD", "set" + kind, *items)
        source("SADD", "ints" + kind, *range(size))
        source("HSET", "hash" + kind, *[word for item in items for word in (item, item * 2)])
        source("ZADD", "zset" + kind, *[word for i, item in enumerate(items)
                                        for word in (i / 2, item)])
        for i in range(size):
            source("XADD", "stream" + kind, f"{i + 1}-1", "f", i)
        source("XGROUP", "CREATE", "stream" + kind, "group", "2-1")
    return source("KEYS", "*")


@pytest.mark.parametrize("deadline", [False, True], ids=["for-ever", "with-deadline"])
def test_all_types_go(pair, deadline):
    source, target, port = pair
    for i, key in enumerate(sorted(fill(source))):
        if deadline:
            source("PEXPIRE", key, 10_000_000 + i)
        kind, ttl = str(source("TYPE", key)), source("PTTL", key)
        before = content(source, kind, key)
        assert source("MIGRATE", HOST, port, key, 0, 5000) == OK, key
        assert source("EXISTS", key) == 0
        assert content(target, kind, key) == before
        there = target("PTTL", key)
        assert ttl - 5000 < there <= ttl if deadline else there == -1
    assert source("DBSIZE") == 0


def test_many_keys_go_at_once_and_to_another_database(pair):
    source, target, port = pair
    before = {(3, key): value for (_, key), value in
              [(where, value) for where, value in keyspace_of(source).items()]}
    names = [key for _, key in before]
    assert source("MIGRATE", HOST, port, "", 3, 5000, "KEYS", "nosuch", *names) == OK
    assert keyspace(source) == {}
    assert keyspace(target) == before


def keyspace_of(source):
    fill(source)
    return keyspace(source)


def test_copy_keeps_and_replace_replaces(pair):
    source, target, port = pair
    source("MSET", "a", 1, "b", 2)
    target("SET", "a", "old")
    assert source("MIGRATE", HOST, port, "a", 0, 5000) == BUSY
    assert source("MIGRATE", HOST, port, "a", 0, 5000, "copy") == BUSY
    assert (source("GET", "a"), target("GET", "a")) == (b"1", b"old")
    assert source("MIGRATE", HOST, port, "a", 0, 5000, "COPY", "REPLACE") == OK
    assert (source("GET", "a"), target("GET", "a")) == (b"1", b"1")
    assert source("MIGRATE", HOST, port, "", 0, 5000, "COPY", "KEYS", "b") == OK
    assert (source("GET", "b"), target("GET", "b")) == (b"2", b"2")
    assert source("MIGRATE", HOST, port, "", 0, 5000, "REPLACE", "KEYS", "a", "b") == OK
    assert source("DBSIZE") == 0


def test_one_refused_key_stays_alone(pair):
    source, target, port = pair
    source("MSET", "a", 1, "b", 2, "c", 3)
    target("SET", "b", "old")
    assert source("MIGRATE", HOST, port, "", 0, 5000, "KEYS", "a", "b", "c", "nosuch") == BUSY
    assert source("KEYS", "*") == [b"b"]
    assert target("MGET", "a", "b", "c") == [b"1", b"old", b"3"]
    source("SET", "d", 4)
    assert source("MIGRATE", HOST, port, "", 0, 5000, "REPLACE", "KEYS", "d", "d") == OK
    assert source("EXISTS", "d") == 0 and target("GET", "d") == b"4"


def test_passwords(pair, start):
    source, target, _ = pair
    guarded = start("kv", requirepass="word")
    source("MSET", "a", 1, "b", 2)

    def migrate(key, *more):
        return source("MIGRATE", HOST, guarded.port, key, 0, 5000, *more)
    assert migrate("a") == Error(REFUSED + "NOAUTH Authentication required.")
    assert migrate("a", "AUTH", "bad") == WRONG_PASSWORD
    assert migrate("a", "AUTH2", "nobody", "word") == WRONG_PASSWORD
    assert source("MGET", "a", "b") == [b"1", b"2"]
    assert migrate("a", "AUTH", "word") == OK
    assert migrate("b", "auth2", "default", "word", "copy") == OK
    with guarded.connect() as there:
        there("AUTH", "word")
        assert there("MGET", "a", "b") == [b"1", b"2"]
    assert source("MGET", "a", "b") == [None, b"2"]


def test_no_key_goes_to_a_database_that_was_not_asked_for(start):
    """redis-server sends it all the same, and so to database 0."""
    source, target = start("kv"), start("kv")
    with source.connect() as kv, target.connect() as there:
        kv("SET", "k", "new")
        there("SET", "k", "old")
        for db in (99, -1):
            assert kv("MIGRATE", HOST, target.port, "k", db, 5000, "REPLACE") == Error(
                REFUSED + "ERR DB index is out of range")
        assert (kv("GET", "k"), there("GET", "k")) == (b"new", b"old")


@pytest.mark.parametrize("words, reply", [
    ("h 1 nosuch 0 100", NO_KEY), ("h x nosuch 0 100", NO_KEY), ("h 1 '' 0 100 KEYS", NO_KEY),
    ("h 1 '' 0 100 KEYS a", NO_KEY), ("h 1 '' 0 100 COPY KEYS AUTH p", NO_KEY),
    ("h 1 k x 100", Error("ERR value is not an integer or out of range")),
    ("h 1 k 0 x", Error("ERR value is not an integer or out of range")),
    ("h 1 k 0 100 KEYS a", Error("ERR When using MIGRATE KEYS option, the key argument must be "
                                 "set to the empty string")),
    ("h 1 k 0 100 AUTH", SYNTAX), ("h 1 k 0 100 AUTH2 a", SYNTAX), ("h 1 k 0 100 BOGUS", SYNTAX),
    ("h 1 k 0", wrong_arity("migrate")),
])
def test_arguments(c, words, reply):
    assert c("MIGRATE", *[word.strip("'") for word in words.split()]) == reply


def test_nobody_there(c):
    c("SET", "k", "v")
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        for port in (unused.getsockname()[1], 0, "x", 99999):
            assert c("MIGRATE", HOST, port, "k", 0, 300) == NOT_WRITTEN
    assert c("MIGRATE", HOST, -1, "k", 0, 300) == NOT_CONNECTED
    assert c("MIGRATE", "h" * 300, 1, "k", 0, 300) == NOT_CONNECTED
    assert c("GET", "k") == b"v"


def test_transactions_and_scripts(c):
    c("SET", "k", "v")
    c("MULTI")
    c("MIGRATE", HOST, 1, "nosuch", 0, 100)
    c("MIGRATE", HOST, 0, "k", 0, 100)
    assert c("EXEC") == [NO_KEY, NOT_WRITTEN]
    reply = c("EVAL", "return redis.call('migrate', ARGV[1], 0, KEYS[1], 0, 100)", 1, "k", HOST)
    assert reply.startswith(str(NOT_WRITTEN))
    assert c("GET", "k") == b"v"


def test_secrets_and_keys(c):
    c("CONFIG", "SET", "slowlog-log-slower-than", 0)
    try:
        c("MIGRATE", HOST, 1, "nosuch", 0, 100, "COPY", "AUTH", "secret")
        c("MIGRATE", HOST, 1, "", 0, 100, "AUTH2", "user", "secret", "KEYS", "AUTH", "open")
        entries = [entry[3] for entry in c("SLOWLOG", "GET", 2)]
    finally:
        c("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    hidden = b"(redacted)"
    assert entries[1][-2:] == [b"AUTH", hidden]
    assert entries[0][-6:] == [b"AUTH2", hidden, hidden, b"KEYS", b"AUTH", b"open"]
    for words, keys in (("h 1 k 0 1", [b"k"]), ("h 1 '' 0 1 KEYS a b", [b"a", b"b"]),
                        ("h 1 '' 0 1 AUTH KEYS KEYS b", [b"b"])):
        assert c("COMMAND", "GETKEYS", "MIGRATE",
                 *[word.strip("'") for word in words.split()]) == keys


# --- Targets that misbehave -----------------------------------------------------------------------

@contextlib.contextmanager
def target_that(answers, close=True, pause=0.0):
    """A target that gives these answers, one to each request it reads, to all who come."""
    listener = socket.create_server((HOST, 0))
    held = []

    def serve():
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            held.append(connection)
            for answer in answers:
                with contextlib.suppress(OSError):
                    if connection.recv(1 << 20):
                        time.sleep(pause)
                        connection.sendall(answer)
            if close:
                connection.close()
    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in held:
        connection.close()


def migrate_all(kv, port, *more):
    kv("MSET", "a", 1, "b", 2, "c", 3)
    return kv("MIGRATE", HOST, port, "", 0, 300, *more, "KEYS", "a", "b", "c")


def test_a_silent_target_takes_no_longer_than_the_timeout(c):
    c("SET", "k", "v")
    with socket.create_server((HOST, 0)) as silent:
        started = time.monotonic()
        assert c("MIGRATE", HOST, silent.getsockname()[1], "k", 0, 300) == NOT_READ
        assert 0.25 < time.monotonic() - started < 30
    assert c("GET", "k") == b"v"


def test_a_target_that_never_reads_stops_no_longer_either(kv):
    kv("SET", "k", random.Random(1).randbytes(30_000_000))
    with target_that([b"+OK\r\n"], close=False) as port:
        started = time.monotonic()
        assert kv("MIGRATE", HOST, port, "k", 0, 300) == NOT_WRITTEN
        assert time.monotonic() - started < 30
    assert kv("STRLEN", "k") == 30_000_000


def test_a_target_that_trickles_makes_no_progress(kv):
    kv("SET", "k", "v")
    with target_that([b"+"] + [b"O"] * 3, close=False) as port:
        assert kv("MIGRATE", HOST, port, "k", 0, 300) == NOT_READ
    with target_that([b"+" + b"x" * 10000]) as port:
        assert kv("MIGRATE", HOST, port, "k", 0, 300) == NOT_READ
    assert kv("GET", "k") == b"v"


@pytest.mark.parametrize("answers, left", [
    ([], "abc"), ([b""], "abc"), ([b"+OK\r\n"], "abc"), ([b"+OK\r\n", b"+OK\r\n"], "bc"),
    ([b"+OK\r\n", b"+OK\r\n+OK\r\n"], "c"), ([b"+OK\r\n", b"+OK\r\n+OK\r\n+OK"], "c"),
    ([b"+OK\r\n", b"+OK\r\n:1\r\n+OK\r\n"], "bc"), ([b"HTTP/1.1 400\r\n\r\n"], "abc"),
    ([b"+OK\r\n", b"$2\r\nOK\r\n+OK\r\n+OK\r\n"], "abc"), ([b"+OK\r\n", b"\r\n\r\n\r\n"], "abc")])
def test_a_target_that_stops_in_the_middle(kv, answers, left):
    """What it accepted is deleted, nothing else, whatever it says."""
    with target_that(answers) as port:
        assert migrate_all(kv, port) in (NOT_READ, NOT_WRITTEN)
    assert sorted(kv("KEYS", "*")) == [name.encode() for name in left]


def test_refusals_of_a_target(kv):
    with target_that([b"-ERR one\r\n"]) as port:
        assert migrate_all(kv, port) == Error(REFUSED + "ERR one")
    assert kv("DBSIZE") == 3
    with target_that([b"+OK\r\n", b"-ERR two\r\n+OK\r\n-ERR three\r\n"]) as port:
        assert migrate_all(kv, port, "COPY") == Error(REFUSED + "ERR two")
        assert kv("DBSIZE") == 3
        assert migrate_all(kv, port) == Error(REFUSED + "ERR two")
    assert sorted(kv("KEYS", "*")) == [b"a", b"c"]
    with target_that([b"+OK\r\n", b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n"]) as port:
        assert migrate_all(kv, port) == OK
    assert kv("DBSIZE") == 0


# --- What is kept ---------------------------------------------------------------------------------

def test_deletions_are_durable_and_tell_their_event(start):
    source, target = start("kv", notify_keyspace_events="Kg"), start("redis")
    with source.connect() as kv, source.connect() as listener, target.connect() as there:
        listener("SUBSCRIBE", "__keyspace@0__:a")
        kv("MSET", "a", 1, "b", 2, "c", 3)
        there("SET", "b", "old")
        assert kv("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", "a", "b") == BUSY
        assert listener.read() == [b"message", b"__keyspace@0__:a", b"del"]
    source.restart(crash=True)
    with source.connect() as kv:
        assert sorted(kv("KEYS", "*")) == [b"b", b"c"]


def test_what_is_sent_in_one_pipeline_with_its_write_is_durable(start):
    source, target = start("kv"), start("redis")
    with source.connect() as kv, target.connect() as there:
        replies = kv.pipeline([("SET", "k", "v"), ("MIGRATE", HOST, target.port, "k", 0, 5000),
                               ("GET", "k")])
        assert replies == [OK, OK, None]
        assert there("GET", "k") == b"v"
        kv("SET", "gone", 1, "PX", 1)
        until(lambda: kv("EXISTS", "gone") == 0)
        assert kv("MIGRATE", HOST, target.port, "gone", 0, 5000) == NO_KEY


def test_users_need_the_keys(kv):
    kv("ACL", "SETUSER", "mover", "on", "nopass", "+migrate", "~mine*")
    try:
        kv("AUTH", "mover", "x")
        assert kv("MIGRATE", HOST, 1, "mine", 0, 100) == NO_KEY
        for words in (("k",), ("", 0, 100, "KEYS", "mine", "k")):
            words = words if len(words) > 1 else (*words, 0, 100)
            assert kv("MIGRATE", HOST, 1, *words).startswith("NOPERM")
    finally:
        kv("AUTH", "default", "")
        kv("ACL", "DELUSER", "mover")
