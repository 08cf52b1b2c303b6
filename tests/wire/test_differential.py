"""One random script against redis-server and kv: the same bytes go to both, and the same bytes come
back, except where ALLOWED says why not. In the end the same keys hold the same values.

Then the log is tried: kv is killed and started again, and stock redis-server is started on the log
directory: both must hold exactly what kv held before.
"""
import os
import shutil

import pytest

import harness
import scripts
from harness import OK, Connection, Error, as_bytes, request, Status

SEEDS = range(1, 11)
LENGTH = 4000
CHUNK = 40
CLOCK_MS = 60000 if harness.SANITIZED else 10000  # what the two servers' clocks may lie apart


QUEUED = Status("QUEUED")


# --- Allowed differences --------------------------------------------------------------------------

def same_kind(words, ours, theirs):
    return type(ours) is type(theirs)


def same_items(words, ours, theirs):
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return False
    if words[1] == b"**":
        ours = [key for key in ours if key]  # matches the empty key here, and not there
    return sorted(ours) == sorted(theirs)


def same_fields(words, ours, theirs):
    """HGETALL's fields with their values, in any order; HKEYS' and HVALS' items."""
    if isinstance(ours, dict):
        return ours == theirs
    if not isinstance(ours, list) or not isinstance(theirs, list) or len(ours) != len(theirs):
        return False
    if as_bytes(words[0]).upper() == b"HGETALL":
        ours, theirs = zip(ours[::2], ours[1::2]), zip(theirs[::2], theirs[1::2])
    return sorted(ours) == sorted(theirs)


def same_length(words, ours, theirs):
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return isinstance(ours, bytes) and isinstance(theirs, bytes)
    return len(ours) == len(theirs)


def same_page(words, ours, theirs):
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return False
    return len(ours) == len(theirs) == 2 and isinstance(ours[1], list)


def same_time(words, ours, theirs):
    if not isinstance(ours, int) or not isinstance(theirs, int):
        return False
    unit = 1 if as_bytes(words[0]).upper().startswith(b"P") else 1000
    return min(ours, theirs) >= 0 and abs(ours - theirs) * unit <= CLOCK_MS


def same_number(words, ours, theirs):
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return same_kind(words, ours, theirs)
    return type(ours) is type(theirs) and len(ours) == len(theirs)


def same_encoding(words, ours, theirs):
    return (ours, theirs) in [(b"int", b"embstr"), (b"listpack", b"quicklist"),
                              (b"listpack", b"hashtable")]


def number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def same_numbers(words, ours, theirs):
    """Numbers may be written with other digits: kv writes the fewest, as Redis 7.2 does."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(
            same_numbers(words, a, b) for a, b in zip(ours, theirs))
    return ours == theirs or (number(ours) is not None and number(ours) == number(theirs))


def same_scores(words, ours, theirs):
    return same_numbers(words, ours, theirs) or same_page(words, ours, theirs)


def cut_error(ours, theirs):
    """A long argument in an error's text: kv cuts the text at 1023 bytes."""
    return (isinstance(ours, Error) and isinstance(theirs, Error) and len(ours) >= 1000 and
            str(theirs).startswith(str(ours)[:1000]))


def same_elements(words, ours, theirs):
    """SORT without STORE: texts that are equal up to a zero byte, and sets that are not sorted."""
    return (isinstance(ours, list) and isinstance(theirs, list) and
            sorted(map(repr, ours)) == sorted(map(repr, theirs)))


ALLOWED = {
    b"SORT": ("what redis-server takes for equal is in any order there", same_elements),
    b"SORT_RO": ("what redis-server takes for equal is in any order there", same_elements),
    b"KEYS": ("the order is that of the table", same_items),
    b"SCAN": ("cursors and pages are those of the table", same_page),
    b"HSCAN": ("cursors and pages are those of the table", same_page),
    b"HGETALL": ("the order is that of the table", same_fields),
    b"HKEYS": ("the order is that of the table", same_fields),
    b"HVALS": ("the order is that of the table", same_fields),
    b"HRANDFIELD": ("any fields are right", same_length),
    b"RANDOMKEY": ("any key is right", same_kind),
    b"DBSIZE": ("keys that are past their deadline and not deleted yet are counted", same_kind),
    b"TTL": ("the clock goes on between the two", same_time),
    b"PTTL": ("the clock goes on between the two", same_time),
    b"EXPIRETIME": ("of a delay: the clock goes on between the two", same_time),
    b"PEXPIRETIME": ("of a delay: the clock goes on between the two", same_time),
    b"OBJECT REFCOUNT": ("redis shares the integers up to 9999, kv shares nothing", same_kind),
    b"OBJECT ENCODING": ("kv stores a whole number as int, redis not if INCRBYFLOAT made it; short "
                         "lists and sets are listpacks as in redis 7.2", same_encoding),
    b"SMEMBERS": ("the order is that of the table", same_items),
    b"SINTER": ("the order is that of the table", same_items),
    b"SUNION": ("the order is that of the table", same_items),
    b"SDIFF": ("the order is that of the table", same_items),
    b"SPOP": ("of all members: the order is that of the table", same_items),
    b"SRANDMEMBER": ("any members are right", same_number),
    b"SSCAN": ("cursors and pages are those of the table", same_page),
    b"ZSCAN": ("cursors and pages are those of the table", same_scores),
    b"ZRANDMEMBER": ("any members are right", same_number),
    **{name: ("scores are written with the fewest digits, as 7.2 does", same_numbers) for name in (
        b"ZADD", b"ZINCRBY", b"ZSCORE", b"ZMSCORE", b"ZRANGE", b"ZREVRANGE", b"ZRANGEBYSCORE",
        b"ZREVRANGEBYSCORE", b"ZPOPMIN", b"ZPOPMAX", b"ZMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP",
        b"ZUNION", b"ZINTER", b"ZDIFF")},
    b"TIME": ("the clock goes on between the two", same_kind),
    b"HELLO": ("version and client id", same_kind),
    b"COMMAND": ("all commands: not all are there yet", same_kind),
    b"COMMAND LIST": ("all commands: not all are there yet", same_kind),
    b"COMMAND INFO": ("all commands: not all are there yet", same_kind),
    b"COMMAND DOCS": ("texts are our own", same_kind),
    b"DUMP": ("what is compressed, and how, is the writer's choice", same_kind),
    b"MEMORY": ("sizes are our own", same_kind),
    b"OBJECT IDLETIME": ("the clock goes on between the two", same_kind),
}


def allowed(words):
    name = as_bytes(words[0]).upper()
    if len(words) > 1 and name in (b"OBJECT", b"COMMAND"):
        name += b" " + as_bytes(words[1]).upper()
    return ALLOWED.get(name)


# --- Running --------------------------------------------------------------------------------------

def encode(words, chance):
    """In RESP; some, where no quoting is needed, as an inline command."""
    words = [as_bytes(word) for word in words]
    if chance.random() < 0.1 and all(word.isalnum() for word in words):
        return b" ".join(words) + b"\r\n"
    return request(*words)


def newer_timeout(ours, theirs):
    """One that is too long is out of range since 7.2, and negative before."""
    return (ours == Error("ERR timeout is out of range") and
            theirs == Error("ERR timeout is negative"))


def newer_bitcount(words, theirs):
    """BITCOUNT with a start alone, as since Valkey 8."""
    return (as_bytes(words[0]).upper() == b"BITCOUNT" and len(words) == 3 and
            theirs == Error("ERR syntax error"))


def may_differ(words, ours, theirs):
    exception = allowed(words)
    return (cut_error(ours, theirs) or newer_timeout(ours, theirs) or
            newer_bitcount(words, theirs) or
            (exception and exception[1](words, ours, theirs)))


def same_replies(queued, ours, theirs):
    """The values that EXEC answers, each by the rules of its command."""
    return (isinstance(ours, list) and isinstance(theirs, list) and
            len(ours) == len(theirs) == len(queued) and
            all(a == b or may_differ(words, a, b)
                for words, a, b in zip(queued, ours, theirs)))


def compare(number, words, ours, theirs, queued):
    """`ours` and `theirs`: (bytes, value). `queued`: the commands behind MULTI."""
    if ours[1] == QUEUED:
        queued.append(words)
    elif isinstance(ours[1], list) and as_bytes(words[0]).upper() == b"EXEC":
        if same_replies(queued, ours[1], theirs[1]):
            queued.clear()
            return
    elif as_bytes(words[0]).upper() in (b"EXEC", b"DISCARD", b"RESET"):
        queued.clear()
    if ours[0] == theirs[0] or may_differ(words, ours[1], theirs[1]):
        return
    raise AssertionError(f"command {number}: {words!r}\n  kv    {ours[0][:500]!r}\n"
                         f"  redis {theirs[0][:500]!r}")


def run(seed, resp, ours, theirs, length=LENGTH):
    """Send the script to both and compare. Replies are read chunk by chunk."""
    for connection in (ours, theirs):
        assert connection(*scripts.start_values()) == OK
    chance = scripts.Chance(seed + 1000)
    commands = list(scripts.script(seed, length))
    number = 0
    queued = []
    while number < length:
        chunk = commands[number:number + (1 if chance.random() < 0.5 else CHUNK)]
        data = b"".join(encode(words, chance) for words in chunk)
        ours.send_bytes(data)
        theirs.send_bytes(data)
        for words in chunk:
            replies = []
            for connection in (ours, theirs):
                value = connection.read()
                replies.append((b"".join(connection.seen), value))
            compare(number, words, *replies, queued)
            number += 1
    for connection in (ours, theirs):
        connection("DISCARD")


def state(connection):
    return harness.keyspace(connection, scripts.DATABASES)


def without_clock(keys):
    """Deadlines that were delays differ by the time between the servers."""
    return {where: (kind, value) for where, (kind, value, _) in keys.items()}


def same_deadlines(ours, theirs):
    for where, (_, _, deadline) in ours.items():
        other = theirs[where][2]
        if (deadline < 0) != (other < 0) or abs(deadline - other) > CLOCK_MS:
            return f"{where!r}: {deadline} and {other}"
    return None


@pytest.fixture(scope="module")
def pair():
    """Servers of our own: the scripts change settings."""
    servers = harness.Server("kv", persistence="no"), harness.Server("redis")
    yield servers
    for server in servers:
        server.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_kv_replies_as_redis_does(pair, seed, resp):
    with pair[0].connect(resp) as ours, pair[1].connect(resp) as theirs:
        for connection in (ours, theirs):
            assert connection("FLUSHALL") == OK
        run(seed, resp, ours, theirs)
        assert without_clock(state(ours)) == without_clock(state(theirs))
        assert same_deadlines(state(ours), state(theirs)) is None


@pytest.mark.parametrize("seed", [11, 12])
def test_the_log_gives_the_same_keys_again(pair, start, tmp_path, seed):
    """Under `always`, so that nothing acknowledged may be missing after a kill."""
    server = start("kv", appendfsync="always")
    with server.connect() as ours, pair[1].connect() as theirs:
        assert theirs("FLUSHALL") == OK
        run(seed, 2, ours, theirs, length=1500)
        before = state(ours)
        assert without_clock(before) == without_clock(state(theirs))
    server.kill()
    log = os.path.join(server.folder, "appendonlydir")
    copy = tmp_path / "appendonlydir"
    shutil.copytree(log, copy)
    server.start()
    with server.connect() as ours:
        assert state(ours) == before
    reader = start("redis", appendonly="yes", dir=tmp_path)
    with Connection(reader.port) as theirs:
        assert state(theirs) == before


def test_the_reference_is_redis_7_0(pair):
    """The table of allowed differences is written against this version."""
    with pair[1].connect() as theirs:
        assert b"redis_version:7.0." in theirs("INFO", "server")
        assert theirs("WAITAOF", "0", "0", "0") == Error(
            "ERR unknown command 'WAITAOF', with args beginning with: '0' '0' '0' ")
