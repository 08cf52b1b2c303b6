"""DEBUG: byte for byte as redis-server where it can be, and its own promises where it can't."""
import random

import pytest

from harness import OK, Error, Server, Status

UNKNOWN = "ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP."
POSITIVE = Error("ERR value is out of range, must be positive")
NOT_A_KEY = Error("ERR no such key")
NONE = "0" * 40


def text(reply):
    return reply.decode() if isinstance(reply, bytes) else str(reply).removeprefix("txt:")


@pytest.fixture(scope="module", params=["kv", "redis"])
def server(request):
    server = Server(request.param, enable_debug_command="yes")
    yield server
    server.close()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def c(request, server):
    with server.connect(request.param) as connection:
        connection("FLUSHALL")
        connection.resp = request.param
        yield connection


PROTOCOL = {
    "string": (b"$11\r\nHello World\r\n",) * 2,
    "integer": (b":12345\r\n",) * 2,
    "double": (b"$5\r\n3.141\r\n", b",3.141\r\n"),
    "null": (b"$-1\r\n", b"_\r\n"),
    "array": (b"*3\r\n:0\r\n:1\r\n:2\r\n",) * 2,
    "set": (b"*3\r\n:0\r\n:1\r\n:2\r\n", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
    "map": (b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
            b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
    "verbatim": (b"$25\r\nThis is a verbatim\nstring\r\n",
                 b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
    "true": (b":1\r\n", b"#t\r\n"),
    "false": (b":0\r\n", b"#f\r\n"),
    "bignum": (b"$37\r\n1234567999999999999999999999999999999\r\n",
               b"(1234567999999999999999999999999999999\r\n"),
}


@pytest.mark.parametrize("kind", PROTOCOL)
def test_protocol(c, kind):
    assert c.raw("DEBUG", "PROTOCOL", kind) == PROTOCOL[kind][c.resp - 2]


def test_protocol_of_resp3_alone(c):
    if c.resp == 2:
        assert c("DEBUG", "PROTOCOL", "push") == Error(
            "ERR RESP2 is not supported by this command")
        assert c("DEBUG", "PROTOCOL", "attrib") == b"Some real reply following the attribute"
    assert c("DEBUG", "PROTOCOL", "nosuch") == Error(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
        "bignum|null|array|set|map|attrib|push|verbatim|true|false")


@pytest.mark.parametrize("words", [
    ("FOO",), ("SLEEP",), ("SLEEP", "1", "2"), ("PROTOCOL",), ("POPULATE",), ("HTSTATS",),
    ("ERROR",), ("ERROR", "a", "b"), ("LOG",), ("SDSLEN",), ("LISTPACK",), ("DIGEST", "x"),
    ("SET-ACTIVE-EXPIRE",), ("QUICKLIST-PACKED-THRESHOLD",), ("OBJECT",), ("STRUCTSIZE", "x"),
])
def test_words_are_counted(c, words):
    assert c("DEBUG", *words) == Error(UNKNOWN % words[0])


def test_replies_without_keys(c):
    assert c("DEBUG", "SLEEP", 0) == OK
    assert c("DEBUG", "SLEEP", "x") == OK
    assert c("DEBUG", "LOG", "a message") == OK
    assert c("DEBUG", "ERROR", "hello world") == Error("hello world")
    assert c("DEBUG", "SET-ACTIVE-EXPIRE", 1) == OK
    assert text(c("DEBUG", "STRUCTSIZE")).startswith("bits:64 ")
    assert str(c("DEBUG", "HELP")[0]).startswith("DEBUG <subcommand>")
    for threshold in ("10", "10k", "0"):
        assert c("DEBUG", "QUICKLIST-PACKED-THRESHOLD", threshold) == OK
    for threshold in ("abc", "5gb"):
        assert c("DEBUG", "QUICKLIST-PACKED-THRESHOLD", threshold) == Error(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb")


def test_change_repl_id(c):
    def repl_id():
        lines = text(c("INFO", "replication")).split("\r\n")
        return [line for line in lines if line.startswith("master_replid:")]
    before = repl_id()
    assert c("DEBUG", "CHANGE-REPL-ID") == OK
    assert repl_id() != before and len(repl_id()[0]) == len(before[0])


def test_payloads_are_taken_unchecked(c):
    c("SET", "k", "v")
    payload = bytearray(c("DUMP", "k"))
    payload[-1] ^= 1
    wrong = Error("ERR DUMP payload version or checksum are wrong")
    assert c("RESTORE", "copy", 0, bytes(payload)) == wrong
    assert c("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1) == OK
    assert c("RESTORE", "copy", 0, bytes(payload)) == OK
    assert c("GET", "copy") == b"v"
    assert c("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0) == OK
    assert c("RESTORE", "another", 0, bytes(payload)) == wrong


def test_populate(c):
    c("SET", "key:1", "mine")
    assert c("DEBUG", "POPULATE", 3) == OK
    assert c("MGET", "key:0", "key:1", "key:2", "key:3") == [b"value:0", b"mine", b"value:2", None]
    assert c("DEBUG", "POPULATE", 2, "wide", 20) == OK
    assert c("GET", "wide:1") == b"value:1" + bytes(13)
    assert c("DEBUG", "POPULATE", 2, "narrow", 3) == OK
    assert c("GET", "narrow:1") == b"val"
    assert c("DEBUG", "POPULATE", 2, "usual", 0) == OK
    assert c("GET", "usual:1") == b"value:1"
    assert c("DBSIZE") == 9
    for words in (("x",), ("-1",), ("3", "a", "-1"), ("3", "a", "b")):
        assert c("DEBUG", "POPULATE", *words) == POSITIVE


def test_how_values_are_stored(c):
    c("SET", "s", "hello")
    c("SET", "i", 5)
    c("HSET", "h", "f", "v")
    c("HSET", "big", *(f"{word}{i}" for i in range(600) for word in "fv"))
    c("RPUSH", "l", *(f"element{i}" for i in range(5000)))
    for key, encoding in (("s", "embstr"), ("i", "int"), ("h", "listpack"), ("big", "hashtable"),
                          ("l", "quicklist")):
        line = str(c("DEBUG", "OBJECT", key))
        assert line.startswith("Value at:0x") and f" encoding:{encoding} " in line
    assert " ql_nodes:" in str(c("DEBUG", "OBJECT", "l"))
    assert " serializedlength:6 " in str(c("DEBUG", "OBJECT", "s"))
    assert str(c("DEBUG", "SDSLEN", "s")).startswith("key_sds_len:1, ")
    assert " val_sds_len:5, " in str(c("DEBUG", "SDSLEN", "s"))
    for key in ("i", "h"):
        assert c("DEBUG", "SDSLEN", key) == Error("ERR Not an sds encoded string.")
    assert not isinstance(c("DEBUG", "LISTPACK", "h"), Error)
    assert c("DEBUG", "LISTPACK", "s") == Error("ERR Not a listpack encoded object.")
    assert not isinstance(c("DEBUG", "QUICKLIST", "l"), Error)
    assert c("DEBUG", "QUICKLIST", "h") == Error("ERR Not a quicklist encoded object.")
    assert " number of elements: " in text(c("DEBUG", "HTSTATS-KEY", "big"))
    assert c("DEBUG", "HTSTATS-KEY", "h") == Error(
        "ERR The value stored at the specified key is not represented using an hash table")
    assert " number of elements: 5\n" in text(c("DEBUG", "HTSTATS", 0))
    assert "No stats available for empty dictionaries" in text(c("DEBUG", "HTSTATS", 9))
    assert c("DEBUG", "HTSTATS", 99) == Error("ERR Out of range database")
    for subcommand in ("OBJECT", "SDSLEN", "LISTPACK", "HTSTATS-KEY", "QUICKLIST"):
        assert c("DEBUG", subcommand, "nosuch") == NOT_A_KEY


def fill(c, order):
    """The same data, made in another order and in other encodings."""
    rng = random.Random(order)
    numbers = list(range(200))
    rng.shuffle(numbers)
    if order:
        # through the large encodings and back to as many elements
        c("SADD", "set", *(f"more{i}" for i in range(600)))
        c("HSET", "hash", *(w for i in range(600) for w in (f"more{i}", "x" * 100)))
        c("ZADD", "zset", *(w for i in range(600) for w in (i, f"more{i}")))
    for i in numbers:
        c("SADD", "set", i)
        c("HSET", "hash", f"f{i}", i)
        c("ZADD", "zset", i / 2, i)
    if order:
        c("SREM", "set", *(f"more{i}" for i in range(600)))
        c("HDEL", "hash", *(f"more{i}" for i in range(600)))
        c("ZREM", "zset", *(f"more{i}" for i in range(600)))
    c("RPUSH", "list", *range(300))
    c("SET", "string", 12345 if not order else "1234")
    if order:
        c("APPEND", "string", "5")
    c("XADD", "stream", "1-1", "f", "v")
    c("XADD", "stream", "1-2", "f", "v")
    c("XGROUP", "CREATE", "stream", "g", "0")
    c("SELECT", 3)
    c("SET", "other", "x", "PXAT", 33000000000000)
    c("SELECT", 0)


KEYS = ("set", "hash", "zset", "list", "string", "stream")


def digests(c):
    return [str(c("DEBUG", "DIGEST"))] + [str(d) for d in c("DEBUG", "DIGEST-VALUE", *KEYS)]


def test_digests_are_of_what_is_there_not_of_how(c):
    assert str(c("DEBUG", "DIGEST")) == NONE
    assert [str(d) for d in c("DEBUG", "DIGEST-VALUE", "a", "b")] == [NONE, NONE]
    assert c("DEBUG", "DIGEST-VALUE") == []
    fill(c, 0)
    first = digests(c)
    assert len(set(first)) == len(first) and all(len(d) == 40 for d in first)
    c("FLUSHALL")
    fill(c, 1)
    assert digests(c) == first
    changes = (("SADD", "set", "x"), ("HSET", "hash", "f0", "x"), ("ZADD", "zset", "7", "0"),
               ("LSET", "list", "0", "x"), ("APPEND", "string", "x"),
               ("XADD", "stream", "*", "a", "b"))
    for key, change in zip(KEYS, changes):
        before = digests(c)
        c(*change)
        after = digests(c)
        assert [k for k, a, b in zip(("",) + KEYS, before, after) if a != b] == ["", key]
    c("FLUSHALL")
    assert str(c("DEBUG", "DIGEST")) == NONE


def test_what_was_populated_is_durable(start):
    server = start("kv", enable_debug_command="yes")
    with server.connect() as c:
        assert c("DEBUG", "POPULATE", 5000, "p") == OK
        c("MULTI")
        c("DEBUG", "POPULATE", 3000, "q", 10)
        c("SET", "x", "y")
        assert c("EXEC") == [OK, OK]
        before = str(c("DEBUG", "DIGEST"))
    server.restart(crash=True)
    with server.connect() as c:
        assert c("DBSIZE") == 8001
        assert str(c("DEBUG", "DIGEST")) == before


@pytest.mark.parametrize("enabled", ["no", "local"])
def test_it_is_off_unless_allowed(start, enabled):
    server = start("kv", enable_debug_command=enabled)
    with server.connect() as c:
        reply = c("DEBUG", "DIGEST")
        if enabled == "no":
            assert isinstance(reply, Error) and "DEBUG command not allowed" in str(reply)
        else:
            assert str(reply) == NONE


@pytest.mark.parametrize("subcommand", ["PANIC", "SEGFAULT", "ASSERT"])
def test_a_crash_loses_nothing(start, subcommand):
    server = start("kv", enable_debug_command="yes")
    with server.connect() as c:
        c("SET", "k", "v")
        c.send("DEBUG", subcommand)
        assert c.at_end()
    server.restart(crash=True)
    with server.connect() as c:
        assert c("GET", "k") == b"v"


def test_what_scripts_may_not_call_may_be_allowed(c):
    call = "redis.setresp(3) return redis.call('DEBUG', 'PROTOCOL', ARGV[1])"
    assert str(c("EVAL", call, 0, "map")).startswith(
        "ERR This Redis command is not allowed from script")
    assert c("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1) == OK
    try:
        for kind in ("string", "double", "null", "set", "map", "verbatim", "true", "bignum"):
            assert c.raw("EVAL", call, 0, kind) == {
                "string": b"$11\r\nHello World\r\n",
                "double": (b"$5\r\n3.141\r\n", b",3.141\r\n")[c.resp - 2],
                "null": (b"$-1\r\n", b"_\r\n")[c.resp - 2],
                "set": (b"*3\r\n:1\r\n:2\r\n:0\r\n", b"~3\r\n:1\r\n:2\r\n:0\r\n")[c.resp - 2],
                "map": (b"*6\r\n:1\r\n:1\r\n:2\r\n:0\r\n:0\r\n:0\r\n",
                        b"%3\r\n:1\r\n#t\r\n:2\r\n#f\r\n:0\r\n#f\r\n")[c.resp - 2],
                "verbatim": (b"$25\r\nThis is a verbatim\nstring\r\n",
                             b"=29\r\ntxt:This is a verbatim\nstring\r\n")[c.resp - 2],
                "true": (b":1\r\n", b"#t\r\n")[c.resp - 2],
                "bignum": (b"$37\r\n1234567999999999999999999999999999999\r\n",
                           b"(1234567999999999999999999999999999999\r\n")[c.resp - 2],
            }[kind]
        assert c("EVAL", call, 0, "attrib") == b"Some real reply following the attribute"
    finally:
        assert c("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0) == OK


def test_reload_takes_the_options_of_redis(c):
    c("SET", "k", "v")
    assert c("DEBUG", "RELOAD", "MERGE") == OK
    assert c("DEBUG", "RELOAD", "NOFLUSH", "MERGE") == OK
    assert c("GET", "k") == b"v"
    assert c("DEBUG", "RELOAD", "nonsense") == Error(
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    assert c("DEBUG", "REPLYBUFFER", "RESIZING", 0) == OK
    assert c("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "RESET") == OK


@pytest.mark.parametrize("kind", ["kv", "redis"])
@pytest.mark.parametrize("words", ["DEBUG JMAP", "DEBUG SLEEP 0", "DEBUG NONSENSE",
                                   "MODULE LOAD /x", "MODULE UNLOAD x"])
def test_what_the_config_forbids_is_refused_at_once(start, kind, words):
    """Before it is queued, and before it is asked who wants to know."""
    refusal = f"ERR {words.split()[0]} command not allowed."
    server = start(kind, requirepass="secret")
    with server.connect() as c:
        assert c(*words.split()).startswith(refusal)
        assert c("AUTH", "secret") == OK
        assert c("MULTI") == OK
        assert c(*words.split()).startswith(refusal)
        assert c("SET", "key", "value") == Status("QUEUED")
        assert c("EXEC").startswith("EXECABORT")
        assert c("EXISTS", "key") == 0
