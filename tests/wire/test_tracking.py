"""CLIENT TRACKING and kin: who is told of which changed key, and in which order."""
import pytest

from harness import OK, SYNTAX, Error, Push, Status, until

CHANNEL = b"__redis__:invalidate"


def told(*keys):
    return Push([b"invalidate", list(keys) or None])


def told_by_message(*keys):
    return [b"message", CHANNEL, list(keys) or None]


def nothing_more(connection):
    return connection("PING") in (Status("PONG"), [b"pong", b""])


@pytest.fixture
def t(server):
    """A connection in RESP3 that tracks."""
    with server.connect(3) as connection:
        assert connection("FLUSHALL") == OK
        assert connection("CLIENT", "TRACKING", "ON") == OK
        yield connection


@pytest.fixture
def w(server):
    """Another one, in RESP2."""
    with server.connect(2) as connection:
        yield connection


def figures(connection):
    lines = connection("INFO").decode()
    return {line.split(":")[0][9:]: int(line.split(":")[1])
            for line in lines.split("\r\n") if line.startswith("tracking_")}


# --- The mode in which keys are remembered --------------------------------------------------------

def test_a_key_that_was_read_is_told_once(t, w):
    t("GET", "k")
    t("MGET", "a", "b")
    w("SET", "k", 1)
    assert t.read() == told(b"k")
    w("MSET", "b", 1, "a", 2, "k", 3)
    assert [t.read(), t.read()] == [told(b"b"), told(b"a")]
    assert nothing_more(t)


def test_ones_own_change_is_told_behind_the_reply(t):
    t("GET", "k")
    t.send("SET", "k", 1)
    assert [t.read(), t.read()] == [OK, told(b"k")]
    t.send_bytes(b"GET k\r\nSET k 1\r\nGET k\r\nDEL k x\r\n")
    assert [t.read() for _ in range(6)] == [b"1", OK, told(b"k"), b"1", 1, told(b"k")]


def test_a_transaction_is_told_behind_its_replies(t):
    t("GET", "k")
    t("GET", "a")
    t.send_bytes(b"MULTI\r\nSET a 1\r\nGET b\r\nSET k 4\r\nGET k\r\nEXEC\r\n")
    assert [t.read() for _ in range(6)] == [OK] + [Status("QUEUED")] * 4 + [[OK, None, OK, b"4"]]
    assert [t.read(), t.read()] == [told(b"a"), told(b"k")]
    t.send("MSET", "k", 1, "b", 2, "a", 3)
    assert [t.read() for _ in range(3)] == [OK, told(b"k"), told(b"b")]
    assert nothing_more(t)


def test_flushes_tell_to_forget_all(t, w):
    w("FLUSHDB")
    assert t.read() == told()
    w("FLUSHALL")
    assert t.read() == told()
    t.send("FLUSHALL")
    assert [t.read(), t.read()] == [OK, told()]
    t("GET", "k")
    t.send_bytes(b"MULTI\r\nGET k\r\nFLUSHALL\r\nSET k 1\r\nGET k\r\nEXEC\r\n")
    assert [t.read() for _ in range(6)][5] == [None, OK, OK, b"1"]
    assert t.read() == told()
    w("SET", "k", 2)
    assert t.read() == told(b"k")
    assert nothing_more(t)


def test_databases_are_not_told_apart(t, w):
    t("SELECT", 1)
    t("GET", "k")
    w("SET", "k", 1)
    assert t.read() == told(b"k")
    t("GET", "k")
    w("SWAPDB", 0, 1)
    w("SWAPDB", 0, 1)
    assert nothing_more(t)


def test_an_expired_key_is_told(t, w):
    w("SET", "k", 1, "PX", 50)
    while t("GET", "k") is None:  # it must live when it is read
        w("SET", "k", 1, "PX", 200)
    assert t.read() == told(b"k")


def test_renamed_copied_and_given_a_deadline(t, w):
    w("SET", "k", 1)
    t("GET", "k")
    w("RENAME", "k", "k2")
    assert t.read() == told(b"k")
    t("MGET", "k", "k2")
    w("COPY", "k2", "k")
    assert t.read() == told(b"k")
    w("EXPIRE", "k2", 100)
    assert t.read() == told(b"k2")


def test_what_changes_nothing_is_not_told(t, w):
    t("GET", "k")
    w("DEL", "k")
    w("SETRANGE", "k", 0, "")
    w("SET", "k", 1, "XX")
    assert nothing_more(t)


def test_noloop(t, w):
    t("CLIENT", "TRACKING", "ON", "NOLOOP")
    t("GET", "k")
    assert t("SET", "k", 1) == OK
    w("SET", "k", 2)
    assert nothing_more(t)
    t("GET", "k")
    w("SET", "k", 2)
    assert t.read() == told(b"k")
    t.send("FLUSHALL")
    assert [t.read(), t.read()] == [OK, told()]


def test_optin(t, w):
    assert t("CLIENT", "TRACKING", "ON", "OPTIN") == OK

    def which(*requests):
        t.pipeline([request.split() for request in requests])
        w("MSET", "a", 1, "b", 1, "c", 1)
        t.send("PING")
        keys = b""
        while True:
            value = t.read()
            if value == Status("PONG"):
                return keys
            keys += value[1][0]
    assert which("GET a") == b""
    assert which("CLIENT CACHING YES", "GET a", "GET b") == b"a"
    assert which("CLIENT CACHING YES", "MULTI", "GET a", "GET b", "EXEC", "GET c") == b"ab"
    assert which("MULTI", "CLIENT CACHING YES", "GET a", "GET b", "EXEC", "GET c") == b"ab"
    assert which("CLIENT CACHING YES", "CLIENT ID", "GET a") == b"a"
    for between in ("PING", "FOO", "GET", "MULTI\nDISCARD"):
        assert which("CLIENT CACHING YES", *between.split("\n"), "GET a") == b""
    t("CLIENT", "TRACKING", "OFF")
    t("CLIENT", "TRACKING", "ON", "OPTOUT")
    assert which("GET a", "CLIENT CACHING NO", "GET b", "GET c") == b"ac"


TRACKED = {
    "GET k": 1, "LRANGE k 0 -1": 1, "EXISTS k j": 2, "TTL k": 1, "TYPE k": 1,
    "OBJECT ENCODING k": 1, "STRLEN k": 1, "SORT_RO k": 1, "SORT k": 0, "DUMP k": 1, "SCAN 0": 0,
    "KEYS *": 0, "TOUCH k": 1, "XREAD STREAMS k j 0 0": 2, "ZUNION 2 k j": 2, "GETEX k": 0,
    "PUBLISH k k": 0, "SPUBLISH k k": 0, "LCS k j": 2, "MEMORY USAGE k": 1, "DBSIZE": 0,
    "SUBSTR k 0 1": 1, "BITFIELD_RO k GET u8 0": 1, "BITFIELD k GET u8 0": 0, "PFCOUNT k j": 2,
    "XINFO STREAM k": 1, "GETRANGE k": 0, "INCR k": 0, "HSCAN k 0": 1, "ZRANGE k 0 -1": 1,
}


@pytest.mark.parametrize("words", TRACKED)
def test_what_is_tracked(t, w, words):
    t.send("FLUSHALL")
    assert [t.read(), t.read()] == [OK, told()]
    t(*words.split())
    assert figures(w)["total_keys"] == TRACKED[words]


def test_a_client_that_waited(t, w):
    t("LRANGE", "l", 0, -1)
    t.send("BLPOP", "l", 0)
    until(lambda: b"cmd=blpop" in w("CLIENT", "LIST"))
    w("RPUSH", "l", 1)
    assert [t.read(), t.read()] == [told(b"l"), [b"l", b"1"]]
    t("XRANGE", "s", "-", "+")
    t.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    until(lambda: b"cmd=xread" in w("CLIENT", "LIST"))
    w("XADD", "s", "1-1", "a", "b")
    assert [t.read(), t.read()] == [told(b"s"), {b"s": [[b"1-1", [b"a", b"b"]]]}]


def test_scripts(t, w):
    t("SET", "k", 1)
    read = "return redis.call('get', KEYS[1])"
    for command in ("EVAL", "EVAL_RO"):
        assert t(command, read, 1, "k") == b"1"
        w("SET", "k", 1)
        assert t.read() == told(b"k")
    t("GET", "k")
    t.send("EVAL", "redis.call('set', KEYS[1], 2); return redis.call('get', KEYS[1])", 1, "k")
    assert [t.read(), t.read()] == [b"2", told(b"k")]
    t("CLIENT", "TRACKING", "ON", "NOLOOP")
    t("GET", "k")
    assert t("EVAL", "return redis.call('set', KEYS[1], 2)", 1, "k") == OK
    assert nothing_more(t)


def test_figures(server, t, w):
    t("MGET", "a", "b")
    with server.connect(3) as other:
        other("CLIENT", "TRACKING", "ON")
        other("GET", "a")
        assert figures(w) == {"clients": 2, "total_keys": 2, "total_items": 3, "total_prefixes": 0}
    until(lambda: figures(w)["clients"] == 1)
    assert figures(w)["total_items"] == 3
    t("RESET")
    assert figures(w)["clients"] == 0
    w("MSET", "a", 1, "b", 1)
    assert figures(w) == {"clients": 0, "total_keys": 0, "total_items": 0, "total_prefixes": 0}


def test_the_table_is_bounded(t, w):
    before = w("CONFIG", "GET", "tracking-table-max-keys")
    w("CONFIG", "SET", *before[:1], 3)
    try:
        t.send("MGET", *"abcdefg")
        t.send("PING")
        got = []
        while got[-1:] != [Status("PONG")]:
            got.append(t.read())
        until(lambda: figures(w)["total_keys"] == 3)
        gone = [value for value in got if isinstance(value, Push) and value[0] == b"invalidate"]
        while len(gone) < 4:
            gone.append(t.read())
        assert len({value[1][0] for value in gone}) == 4
        w("CONFIG", "SET", *before[:1], 0)
        t("MGET", *"hijklm")
        assert figures(w)["total_keys"] == 9
    finally:
        w("CONFIG", "SET", *before)


def test_resp2_without_redirection_hears_nothing(t, w):
    t("GET", "k")
    t("HELLO", 2)
    w("SET", "k", 1)
    assert nothing_more(t)
    t("GET", "k")
    t("HELLO", 3)
    w("SET", "k", 1)
    assert t.read() == told(b"k")


def test_reply_off_does_not_silence(t, w):
    t("GET", "k")
    t.send("CLIENT", "REPLY", "OFF")
    t.send("SET", "k", 1)
    assert t.read() == told(b"k")
    t.send("GET", "k")
    until(lambda: figures(w)["total_keys"] == 1)
    w("SET", "k", 2)
    assert t.read() == told(b"k")


# --- Redirection ----------------------------------------------------------------------------------

@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("to", [2, 3])
def test_redirection(server, w, resp, to):
    with server.connect(resp) as c, server.connect(to) as target:
        assert c("CLIENT", "TRACKING", "ON", "REDIRECT", target("CLIENT", "ID")) == OK
        message = told if to == 3 else told_by_message
        c("GET", "k")
        w("SET", "k", 1)
        assert to == 2 or target.read() == told(b"k")
        assert nothing_more(target)
        target("SUBSCRIBE", "any")
        c("GET", "k")
        w("SET", "k", 1)
        assert target.read() == message(b"k")
        c("GET", "k")
        assert c("SET", "k", 1) == OK
        assert target.read() == message(b"k")
        if resp == to:
            w("FLUSHALL")
            assert target.read() == message()
        assert nothing_more(c)
        assert nothing_more(target)


def test_a_redirection_to_who_writes_does_not_break_its_replies(server, kv):
    """redis-server 7.0 writes the message into the middle of the reply."""
    with server.connect(3) as c, server.connect(3) as target:
        if server.kind != "kv":
            return
        c("CLIENT", "TRACKING", "ON", "REDIRECT", target("CLIENT", "ID"))
        c("GET", "k")
        target("MULTI")
        target("SET", "k", 1)
        target("GET", "k")
        target.send("EXEC")
        assert [target.read(), target.read()] == [[OK, b"1"], told(b"k")]


@pytest.mark.parametrize("resp", [2, 3])
def test_a_broken_redirection(server, w, resp):
    with server.connect(resp) as c:
        with server.connect(resp) as target:
            target("SUBSCRIBE", "any")
            with server.connect(2) as other:
                other.send("CLIENT", "LIST", "TYPE", "PUBSUB")
                ident = int(other.read().split(b"id=")[-1].split()[0])
            c("CLIENT", "TRACKING", "ON", "REDIRECT", ident)
            c("GET", "k")
            assert c("CLIENT", "GETREDIR") == ident
        until(lambda: b"id=%d " % ident not in w("CLIENT", "LIST"))
        w("SET", "k", 1)
        broken = Push([b"tracking-redir-broken", ident])
        assert resp == 2 or c.read() == broken
        c("GET", "k")
        c.send("SET", "k", 1)
        assert c.read() == OK
        assert resp == 2 or c.read() == broken
        assert b"broken_redirect" in info_of(c)["flags"]
        mine = c("CLIENT", "ID")
        line = [line for line in w("CLIENT", "LIST").split(b"\n") if b"id=%d " % mine in line][0]
        assert b" flags=tR " in line and b" redir=%d " % ident in line
        assert c("CLIENT", "TRACKING", "ON") == OK
        assert info_of(c)["flags"] == [b"on"]


# --- Prefixes -------------------------------------------------------------------------------------

def test_bcast_tells_all_keys_of_a_turn_at_once(server, w):
    with server.connect(3) as c:
        c("CLIENT", "TRACKING", "ON", "BCAST")
        w.pipeline([["SET", "b", 1], ["SET", "a", 1], ["SET", "b", 2], ["DEL", "none"],
                    ["MSET", "d", 1, "c", 1]])
        assert c.read() == told(b"a", b"b", b"c", b"d")
        c.send_bytes(b"SET x 1\r\nGET x\r\nSET y 1\r\n")
        assert [c.read() for _ in range(4)] == [OK, b"1", OK, told(b"x", b"y")]
        w.pipeline([["SET", "x", 1], ["FLUSHALL"], ["SET", "y", 1]])
        assert [c.read(), c.read()] == [told(), told(b"x", b"y")]
        assert nothing_more(c)


def test_prefixes(server, w):
    with server.connect(3) as c, server.connect(3) as d:
        c("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "u:", "PREFIX", "o:", "NOLOOP")
        d("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "u")
        assert figures(w)["total_prefixes"] == 3
        w.pipeline([["SET", "o:2", 1], ["SET", "u:1", 1], ["SET", "o:1", 1], ["SET", "z", 1],
                    ["MSET", "u:3", 1, "o:9", 2, "u", 3]])
        assert [c.read(), c.read()] == [told(b"o:1", b"o:2", b"o:9"), told(b"u:1", b"u:3")]
        assert d.read() == told(b"u", b"u:1", b"u:3")
        assert c("SET", "u:1", 1) == OK
        assert nothing_more(c)
        assert d.read() == told(b"u:1")
        assert b" flags=tB " in w("CLIENT", "LIST")
    until(lambda: figures(w)["total_prefixes"] == 0)


def test_bcast_over_messages(server, w):
    with server.connect(2) as c, server.connect(2) as target:
        c("CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", target("CLIENT", "ID"))
        target("SUBSCRIBE", CHANNEL)
        w("MSET", "b", 1, "a", 1)
        assert target.read() == told_by_message(b"a", b"b")


# --- What it says, and refuses --------------------------------------------------------------------

def info_of(connection):
    info = connection("CLIENT", "TRACKINGINFO")
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2]))
    return {name.decode(): list(value) if isinstance(value, list) else value
            for name, value in info.items()}


MODE = "You can't switch {} before disabling tracking for this client, and then re-enabling it " \
       "with a different mode."
REFUSED = [
    ("FOO", SYNTAX), ("ON FOO", SYNTAX), ("ON REDIRECT", SYNTAX), ("OFF FOO", SYNTAX),
    ("ON BCAST PREFIX", SYNTAX),
    ("ON REDIRECT x", Error("ERR value is not an integer or out of range")),
    ("ON REDIRECT 99999999", Error("ERR The client ID you want redirect to does not exist")),
    ("OFF REDIRECT 0", Error("ERR The client ID you want redirect to does not exist")),
    ("ON REDIRECT {id} REDIRECT {id}",
     Error("ERR A client can only redirect to a single other client")),
    ("ON PREFIX a", Error("ERR PREFIX option requires BCAST mode to be enabled")),
    ("ON OPTIN OPTOUT", Error("ERR You can't specify both OPTIN mode and OPTOUT mode")),
    ("ON OPTIN BCAST", Error("ERR OPTIN and OPTOUT are not compatible with BCAST")),
    ("on bcast PREFIX a OPTIN OPTOUT", Error("ERR OPTIN and OPTOUT are not compatible with BCAST")),
    ("ON BCAST PREFIX a PREFIX ab", Error(
        "ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client "
        "must not overlap.")),
    ("ON BCAST PREFIX ab PREFIX a", Error(
        "ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client "
        "must not overlap.")),
    ("ON BCAST PREFIX a; ON BCAST PREFIX ab", Error(
        "ERR Prefix 'ab' overlaps with an existing prefix 'a'. Prefixes for a single client must "
        "not overlap.")),
    ("ON BCAST; ON", Error("ERR " + MODE.format("BCAST mode on/off"))),
    ("ON BCAST; ON PREFIX a", Error("ERR PREFIX option requires BCAST mode to be enabled")),
    ("ON; ON BCAST", Error("ERR " + MODE.format("BCAST mode on/off"))),
    ("ON; ON BCAST OPTIN", Error("ERR " + MODE.format("BCAST mode on/off"))),
    ("ON OPTIN; ON OPTOUT", Error("ERR " + MODE.format("OPTIN/OPTOUT mode"))),
    ("ON OPTIN; ON OPTIN OPTOUT", Error("ERR You can't specify both OPTIN mode and OPTOUT mode")),
]


@pytest.mark.parametrize("words,error", REFUSED)
def test_what_is_refused(c, words, error):
    *before, last = words.format(id=c("CLIENT", "ID")).split(";")
    for request in before:
        assert c("CLIENT", "TRACKING", *request.split()) == OK
    had = info_of(c)
    assert c("CLIENT", "TRACKING", *last.split()) == error
    assert info_of(c) == had


TAKEN = [
    ("ON", ["on"], 0, []), ("OFF", ["off"], -1, []), ("ON; OFF PREFIX a OPTIN", ["off"], -1, []),
    ("ON OPTIN; ON", ["on"], 0, []), ("ON; ON OPTIN", ["on", "optin"], 0, []),
    ("ON OPTIN; ON NOLOOP", ["on", "noloop"], 0, []),
    ("ON OPTOUT NOLOOP", ["on", "optout", "noloop"], 0, []),
    ("ON BCAST", ["on", "bcast"], 0, [b""]),
    ("ON BCAST; ON BCAST", ["on", "bcast"], 0, [b""]),
    ("ON BCAST PREFIX b; ON BCAST NOLOOP PREFIX a; ON BCAST", ["on", "bcast"], 0,
     [b"", b"a", b"b"]),
]


@pytest.mark.parametrize("words,flags,redirect,prefixes", TAKEN)
def test_trackinginfo(c, words, flags, redirect, prefixes):
    for request in words.split(";"):
        assert c("CLIENT", "TRACKING", *request.split()) == OK
    assert info_of(c) == {"flags": [flag.encode() for flag in flags], "redirect": redirect,
                          "prefixes": prefixes}
    assert c("CLIENT", "GETREDIR") == redirect
    assert c("RESET") == Status("RESET")
    assert c("CLIENT", "GETREDIR") == -1


def test_caching(c):
    outside = Error("ERR CLIENT CACHING can be called only when the client is in tracking mode "
                    "with OPTIN or OPTOUT mode enabled")
    only = "ERR CLIENT CACHING {} is only valid when tracking is enabled in {} mode."
    assert c("CLIENT", "CACHING", "YES") == outside
    assert c("CLIENT", "CACHING", "x") == outside
    c("CLIENT", "TRACKING", "ON", "OPTIN")
    assert c("CLIENT", "CACHING", "x") == SYNTAX
    assert c("CLIENT", "CACHING", "NO") == Error(only.format("NO", "OPTOUT"))
    assert c("CLIENT", "CACHING", "YES") == OK
    assert info_of(c)["flags"] == [b"on", b"optin", b"caching-yes"]
    c("PING")
    assert info_of(c)["flags"] == [b"on", b"optin"]
    c("CLIENT", "TRACKING", "OFF")
    c("CLIENT", "TRACKING", "ON", "OPTOUT")
    assert c("CLIENT", "CACHING", "YES") == Error(only.format("YES", "OPTIN"))
    assert c("CLIENT", "CACHING", "NO") == OK
    assert info_of(c)["flags"] == [b"on", b"optout", b"caching-no"]


# --- Bounds ---------------------------------------------------------------------------------------

def test_too_many_prefixes_are_refused(kv):
    words = [word for i in range(1025) for word in ("PREFIX", f"{i:04}")]
    assert kv("CLIENT", "TRACKING", "ON", "BCAST", *words) == Error(
        "ERR A client may have 1024 prefixes at most")
    assert kv("CLIENT", "TRACKING", "ON", "BCAST", *words[2:]) == OK


def test_who_does_not_read_costs_little(start):
    server = start("kv", persistence="no")
    with server.connect(3) as slow, server.connect(2) as fast:
        slow("CLIENT", "TRACKING", "ON", "BCAST")
        name = "x" * 100000
        for i in range(600):
            fast("SET", f"{name}{i % 7}", 1)
        lines = fast("CLIENT", "LIST").split(b"\n")
        used = max(int(line.split(b" omem=")[1].split()[0]) for line in lines if line)
        assert used < 9 * 1024 * 1024
        seen = 0
        while True:
            value = slow.read()
            assert value[0] == b"invalidate"
            seen += 1
            if value[1] is None:
                break
        assert seen < 250
        assert fast("SET", "k", 1) == OK
        assert slow.read() == told(b"k")
