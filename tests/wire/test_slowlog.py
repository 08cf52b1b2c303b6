"""SLOWLOG: what is in it, in which form, and what is not."""
import pytest

from harness import OK, Error, wrong_arity

COUNT = Error("ERR count should be greater than or equal to -1")
HIDDEN = b"(redacted)"


@pytest.fixture
def log(c):
    """Everything is slow. log(...) runs a command and answers what was noted of it."""
    def run(*words):
        c("CONFIG", "SET", "slowlog-max-len", 128, "slowlog-log-slower-than", 0)
        c("SLOWLOG", "RESET")
        c(*words)
        c("CONFIG", "SET", "slowlog-log-slower-than", -1)
        entries = c("SLOWLOG", "GET", -1)
        assert entries[-1][3] == [b"SLOWLOG", b"RESET"]
        return [entry[3] for entry in entries[:-1]]
    yield run
    c("CONFIG", "SET", "slowlog-max-len", 128, "slowlog-log-slower-than", 10000)
    c("SLOWLOG", "RESET")
    c("CONFIG", "SET", "masterauth", "", "masteruser", "")


def test_an_entry(c, log):
    c("CLIENT", "SETNAME", "me")
    log("GET", "a")
    before, now = c("SLOWLOG", "GET")[1::-1]
    assert now[0] == before[0] + 1
    assert abs(now[1] - int(c("TIME")[0])) <= 2
    assert now[2] >= 0
    assert now[3:] == [[b"GET", b"a"], b"127.0.0.1:%d" % c.socket.getsockname()[1], b"me"]


def test_what_is_cut_off(log):
    assert log("SET", "k", "v" * 128) == [[b"SET", b"k", b"v" * 128]]
    assert log("SET", "k", "v" * 129) == [[b"SET", b"k", b"v" * 128 + b"... (1 more bytes)"]]
    assert log("SET", b"\0\xff", "") == [[b"SET", b"\0\xff", b""]]
    for count in (31, 32, 100):
        keys = [b"k%d" % i for i in range(count)]
        shown = keys if count < 32 else keys[:30] + [b"... (%d more arguments)" % (count - 30)]
        assert log("DEL", *keys) == [[b"DEL", *shown]]


def test_secrets_are_not_in_it(log):
    assert log("AUTH", "pw") == [[b"AUTH", HIDDEN]]
    assert log("AUTH", "user", "pw") == [[b"AUTH", HIDDEN, HIDDEN]]
    assert log("HELLO", 2, "AUTH", "default", "x", "SETNAME", "n") == [
        [b"HELLO", b"2", b"AUTH", HIDDEN, HIDDEN, b"SETNAME", b"n"]]
    assert log("CONFIG", "SET", "requirepass", "") == [
        [b"CONFIG", b"SET", b"requirepass", HIDDEN]]
    assert log("CONFIG", "SET", "MasterAuth", "x", "hz", 10, "masteruser", "y") == [
        [b"CONFIG", b"SET", b"MasterAuth", HIDDEN, b"hz", b"10", b"masteruser", HIDDEN]]


def test_rules_of_users_are_not_in_it(c, log):
    assert log("ACL", "SETUSER", "someone", ">pw", "on") == [[b"ACL", b"SETUSER"] + [HIDDEN] * 3]
    assert log("ACL", "SETUSER", "someone", "nosuchrule") == [
        [b"ACL", b"SETUSER", HIDDEN, HIDDEN]]
    c("ACL", "DELUSER", "someone")


def test_what_is_refused_is_not_in_it(log):
    assert log("nosuch") == []
    assert log("GET") == []
    assert log("EXEC") == []


def test_transactions(c, log):
    """What is queued is noted when it runs, and EXEC is not."""
    c("CONFIG", "SET", "slowlog-log-slower-than", 0)
    c("SLOWLOG", "RESET")
    c("MULTI")
    c("GET", "a")
    c("EXEC")
    c("CONFIG", "SET", "slowlog-log-slower-than", -1)
    assert [entry[3] for entry in c("SLOWLOG", "GET")] == [
        [b"GET", b"a"], [b"MULTI"], [b"SLOWLOG", b"RESET"]]


def test_what_waits_is_noted_when_it_is_served(server, c, log):
    c("CONFIG", "SET", "slowlog-log-slower-than", 0)
    c("SLOWLOG", "RESET")
    with server.connect(2) as other:
        other.send("BLPOP", "l", 0)
        while b"blocked_clients:1" not in c.raw("INFO", "clients"):
            pass
        assert [e for e in c("SLOWLOG", "GET", -1) if e[3][0] == b"BLPOP"] == []
        c("RPUSH", "l", "x")
        assert other.read() == [b"l", b"x"]


def test_length(c, log):
    for _ in range(15):
        log("PING")
    c("CONFIG", "SET", "slowlog-log-slower-than", 0)
    c("SLOWLOG", "RESET")
    for _ in range(20):
        c("PING")
    assert len(c("SLOWLOG", "GET")) == 10
    assert c("SLOWLOG", "GET", 0) == []
    assert len(c("SLOWLOG", "GET", 3)) == 3
    assert len(c("SLOWLOG", "GET", -1)) == len(c("SLOWLOG", "GET", 1000)) - 1
    c("CONFIG", "SET", "slowlog-max-len", 3)
    assert c("SLOWLOG", "LEN") == 3
    c("CONFIG", "SET", "slowlog-max-len", 0)
    assert c("SLOWLOG", "LEN") == 0
    c("CONFIG", "SET", "slowlog-log-slower-than", -1, "slowlog-max-len", 128)
    assert c("SLOWLOG", "RESET") == OK
    c("PING")
    assert c("SLOWLOG", "LEN") == 0


def test_slower_than(c, log):
    c("CONFIG", "SET", "slowlog-log-slower-than", 1000000)
    c("SLOWLOG", "RESET")
    c("PING")
    assert c("SLOWLOG", "LEN") == 0


def test_bad(c):
    assert c("SLOWLOG") == wrong_arity("slowlog")
    assert c("SLOWLOG", "FOO") == Error("ERR unknown subcommand 'FOO'. Try SLOWLOG HELP.")
    for count in ("x", -2, "99999999999999999999"):
        assert c("SLOWLOG", "GET", count) == COUNT
    assert c("SLOWLOG", "GET", 1, 2) == Error(
        "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.")
    assert c("SLOWLOG", "LEN", "x") == wrong_arity("slowlog|len")
    assert isinstance(c("SLOWLOG", "HELP"), list)


# --- COMMANDLOG (Valkey 8.1), which redis-server 7.0 has not ---

LARGE_REQUEST, LARGE_REPLY = "commandlog-request-larger-than", "commandlog-reply-larger-than"
TYPES = Error("ERR type should be one of the following: slow, large-request, large-reply")


def noted(kv, kind):
    """Cost and name of each entry, the oldest first."""
    return [(entry[2], entry[3][0]) for entry in reversed(kv("COMMANDLOG", "GET", -1, kind))]


def test_large_requests_and_replies_are_noted_with_their_bytes(kv):
    value = "v" * (1 << 20)
    kv("COMMANDLOG", "RESET", "large-request")
    kv("COMMANDLOG", "RESET", "large-reply")
    kv("SET", "a", value)
    kv("GET", "a")
    kv("SET", "a", "small")
    kv("GET", "a")
    assert noted(kv, "large-request") == [(
        len(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048576\r\n\r\n") + len(value), b"SET")]
    assert noted(kv, "large-reply") == [(len(b"$1048576\r\n\r\n") + len(value), b"GET")]
    assert kv("COMMANDLOG", "GET", 1, "LARGE-REQUEST")[0][3] == [
        b"SET", b"a", b"v" * 128 + b"... (1048448 more bytes)"]
    assert kv("COMMANDLOG", "LEN", "large-reply") == 1
    assert kv("COMMANDLOG", "RESET", "large-reply") == OK
    assert kv("COMMANDLOG", "LEN", "large-reply") == 0
    assert kv("COMMANDLOG", "LEN", "large-request") == 1


def test_each_command_of_a_transaction_has_its_own_bytes(kv):
    kv("CONFIG", "SET", LARGE_REQUEST, 100, LARGE_REPLY, 100)
    try:
        kv("COMMANDLOG", "RESET", "large-request")
        kv("COMMANDLOG", "RESET", "large-reply")
        kv("MULTI")
        for words in [("SET", "a", "v" * 100), ("GET", "a"), ("PING",), ("GET", "a")]:
            kv(*words)
        kv("EXEC")
        assert noted(kv, "large-reply") == [(108, b"GET")] * 2
        assert noted(kv, "large-request") == [(28 + 100, b"SET")]
        kv("CONFIG", "SET", LARGE_REQUEST, -1, LARGE_REPLY, -1, "commandlog-large-reply-max-len", 1)
        kv("SET", "a", "v" * 1000000)
        kv("GET", "a")
        assert len(noted(kv, "large-request")) == 1
        kv("CONFIG", "SET", LARGE_REPLY, 100)
        kv("GET", "a")
        assert noted(kv, "large-reply") == [(1000012, b"GET")]
    finally:
        kv("CONFIG", "SET", LARGE_REQUEST, 1 << 20, LARGE_REPLY, 1 << 20,
           "commandlog-large-reply-max-len", 128)


def test_slowlog_is_the_first_of_them(kv):
    kv("CONFIG", "SET", "slowlog-log-slower-than", 0)
    kv("SLOWLOG", "RESET")
    kv("PING")
    kv("CONFIG", "SET", "commandlog-execution-slower-than", -1)
    assert kv("SLOWLOG", "GET", -1) == kv("COMMANDLOG", "GET", -1, "slow")
    assert kv("COMMANDLOG", "LEN", "Slow") == 2
    kv("COMMANDLOG", "RESET", "slow")
    assert kv("SLOWLOG", "LEN") == 0
    kv("CONFIG", "SET", "slowlog-log-slower-than", 10000)


def test_bad_words_of_commandlog(kv):
    assert kv("COMMANDLOG") == wrong_arity("commandlog")
    assert kv("COMMANDLOG", "GET", 1) == wrong_arity("commandlog|get")
    assert kv("COMMANDLOG", "GET", -2, "slow") == COUNT
    for words in [("GET", 1, "x"), ("LEN", "x"), ("RESET", "x")]:
        assert kv("COMMANDLOG", *words) == TYPES
    assert isinstance(kv("COMMANDLOG", "HELP"), list)
