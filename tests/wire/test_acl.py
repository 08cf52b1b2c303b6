"""ACL: users, rules, and what they allow, beside redis-server."""
import random

import kv
import pytest

from harness import OK, Connection, Error, Status

DENIED_KEY = Error("NOPERM this user has no permissions to access one of the keys used as "
                   "arguments")
DENIED_CHANNEL = Error("NOPERM this user has no permissions to access one of the channels used "
                       "as arguments")
CHANGED = ("NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
           "EXEC call. This command is no longer allowed for the following reason: ")
WRONG_PASS = Error("WRONGPASS invalid username-password pair or user is disabled.")
NO_AUTH = Error("NOAUTH Authentication required.")
PW_HASH = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"


def denied(name):
    return Error(f"NOPERM this user has no permissions to run the '{name}' command")


def forget(connection):
    """All users but the default one, what was denied, and the keys."""
    connection("ACL", "LOG", "RESET")
    users = [user for user in connection("ACL", "USERS") if user != b"default"]
    if users:
        connection("ACL", "DELUSER", *users)


@pytest.fixture
def a(c):
    """An administrator on a server without other users."""
    forget(c)
    yield c
    forget(c)


@pytest.fixture
def be(server):
    """be(a, "name", *rules): make the user, and log in as it."""
    connections = []

    def begin(admin, name, *rules, resp=2):
        assert admin("ACL", "SETUSER", name, "on", "nopass", *rules) == OK
        connections.append(server.connect(resp))
        assert connections[-1]("AUTH", name, "x") == OK
        return connections[-1]
    yield begin
    for connection in connections:
        connection.close()


def is_closed(connection):
    try:
        return connection.at_end()
    except OSError:
        return True


# --- Rules ----------------------------------------------------------------------------------------

SYNTAX = "Syntax error"
UNKNOWN = "Unknown command or category name in ACL"
HASH = ("The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
        "characters")
AFTER_KEYS = ("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
              "not have any effect. Try 'resetkeys' to start with an empty list of patterns")
AFTER_CHANNELS = ("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid "
                  "and does not have any effect. Try 'resetchannels' to start with an empty list "
                  "of channels")


@pytest.mark.parametrize("rules,why", [
    (["+foo"], UNKNOWN), (["+@foo"], UNKNOWN), (["-@foo"], UNKNOWN), (["foo"], SYNTAX),
    (["-get|a"], UNKNOWN), (["+get|a|b"], UNKNOWN), (["+config|foo"], UNKNOWN),
    (["-config|foo"], UNKNOWN),
    (["+config|get|x"], "Allowing first-arg of a subcommand is not supported"),
    (["-config|get|x"], UNKNOWN), (["+foo|get"], UNKNOWN), (["+config|"], SYNTAX),
    (["+select|"], SYNTAX), (["+|x"], UNKNOWN), (["+"], UNKNOWN), (["-"], UNKNOWN),
    (["+@"], UNKNOWN), (["%"], SYNTAX), (["%~a"], SYNTAX), (["%X~a"], SYNTAX), (["%RR~a"], SYNTAX),
    (["%RWRW~a"], SYNTAX), (["~*", "~a"], AFTER_KEYS), (["allkeys", "%R~a"], AFTER_KEYS),
    (["&*", "&a"], AFTER_CHANNELS), (["~a b"], SYNTAX), (["&a b"], SYNTAX),
    (["<nope"], "The password you are trying to remove from the user does not exist"),
    (["!" + PW_HASH], "The password you are trying to remove from the user does not exist"),
    (["#nope"], HASH), (["!nope"], HASH), (["#" + PW_HASH.upper()], HASH),
    (["(on)"], SYNTAX), (["(foo)"], SYNTAX), (["(+foo)"], UNKNOWN), (["((+get))"], SYNTAX),
    (["(reset)"], SYNTAX), (["(~* ~a)"], AFTER_KEYS), (["+get)"], UNKNOWN),
    (["allkeys", "on", "+config|get|"], None), (["~* ~a"], SYNTAX), (["@read"], SYNTAX)])
def test_a_wrong_rule_changes_nothing(a, rules, why):
    a("ACL", "SETUSER", "bob", "off", "~k", "+ping")
    before = a("ACL", "GETUSER", "bob")
    error = a("ACL", "SETUSER", "bob", "on", ">other", "+get", *rules)
    assert isinstance(error, Error)
    if why:
        assert error == Error(f"ERR Error in ACL SETUSER modifier '{rules[-1]}': {why}")
    assert a("ACL", "GETUSER", "bob") == before
    assert isinstance(a("ACL", "SETUSER", "nobody", *rules), Error)
    assert a("ACL", "GETUSER", "nobody") is None


@pytest.mark.parametrize("rules,shown", [
    ([], "off resetchannels -@all"),
    (["on", ">pw", "~k*", "+get"], f"on #{PW_HASH} ~k* resetchannels -@all +get"),
    (["ON", "NOPASS", "ALLKEYS", "+GET"], "on nopass ~* resetchannels -@all +get"),
    (["#" + PW_HASH, "!" + PW_HASH], "off resetchannels -@all"),
    ([">pw", ">pw", ">q", "<q"], f"off #{PW_HASH} resetchannels -@all"),
    (["nopass", ">pw"], f"off #{PW_HASH} resetchannels -@all"),
    ([">pw", "nopass"], "off nopass resetchannels -@all"),
    (["nopass", "resetpass"], "off resetchannels -@all"),
    (["allkeys", "allchannels", "allcommands"], "off ~* &* +@all"),
    (["allkeys", "~*", "&*", "allchannels"], "off ~* &* -@all"),
    (["allkeys", "resetkeys", "~a", "~b", "~a"], "off ~a ~b resetchannels -@all"),
    (["%R~a", "%W~b", "%RW~c", "%WR~d", "%r~e"],
     "off %R~a %W~b ~c ~d %R~e resetchannels -@all"),
    (["%R~a", "%W~a", "%R~b", "~b"], "off ~a ~b resetchannels -@all"),
    (["&a", "&b", "&a"], "off resetchannels &a &b -@all"),
    (["~", "&"], "off ~ resetchannels & -@all"),
    (["%RW~*"], "off ~* resetchannels -@all"),
    (["(+get ~a)", "(", "+set", "~b*", ")"],
     "off resetchannels -@all (~a resetchannels -@all +get) (~b* resetchannels -@all +set)"),
    (["(+get)", "clearselectors", "()"], "off resetchannels -@all (resetchannels -@all)"),
    (["skip-sanitize-payload"], "off skip-sanitize-payload resetchannels -@all"),
    (["on", ">a", "~a", "&b", "+@all", "(+get)", "reset"],
     "off sanitize-payload resetchannels -@all"),
    (["+select|1", "+select|AbC"], "off resetchannels -@all +select|1 +select|AbC"),
    (["+select|1", "+@all"], "off resetchannels +@all"),
    (["", "~a(b", "~c)d"], "off ~a(b ~c)d resetchannels -@all"),
    (["+@read", "-get"], "off resetchannels -@all +@read -get"),
    (["+@all", "-config|get"], "off resetchannels +@all -config|get")])
def test_rules_make_users(a, rules, shown):
    assert a("ACL", "SETUSER", "bob", *rules) == OK
    assert a("ACL", "LIST")[0] == f"user bob {shown}".encode()
    # what is shown makes the same user again
    words = a("ACL", "LIST")[0].decode().split(" ")[2:]
    assert a("ACL", "SETUSER", "bub", *words) == OK
    assert a("ACL", "LIST")[1] == f"user bub {shown}".encode()


def test_rules_about_commands_are_kept_as_they_were_written(kv):
    """As Redis 7.2 does; 7.0 finds categories and commands that come to the same."""
    forget(kv)
    for rules, shown in [
            (["+@all", "-@dangerous", "+keys", "+client|list"],
             "+@all -@dangerous +keys +client|list"),
            (["+client|id", "+client|kill", "-client"], "-@all -client"),
            (["+@all", "-get", "+get"], "+@all +get"),
            (["+@read", "+@write", "-@read", "+@READ"], "-@all +@write +@read"),
            (["+get", "-@all", "+set"], "-@all +set"),
            (["+select|1", "-select", "+select|2"], "-@all -select +select|2")]:
        assert kv("ACL", "SETUSER", "bob", "reset", *rules) == OK
        assert kv("ACL", "LIST")[0].decode().endswith(" " + shown)
        words = kv("ACL", "LIST")[0].split(b" ")[2:]
        assert kv("ACL", "SETUSER", "bub", "reset", *words) == OK
        assert kv("ACL", "LIST")[0].split(b" ")[2:] == kv("ACL", "LIST")[1].split(b" ")[2:]
    # Redis shows ~* first, and then can't read what it has shown
    assert kv("ACL", "SETUSER", "bob", "reset", "%RW~*", "~b") == OK
    assert b" ~b ~* " in kv("ACL", "LIST")[0]
    assert kv("ACL", "SETUSER", "bub", *kv("ACL", "LIST")[0].split(b" ")[2:]) == OK
    assert kv("ACL", "SETUSER", "bob", '(~"a)') == Error(
        "ERR Error in ACL SETUSER modifier '(~\"a)': Syntax error")  # taken for nothing by Redis
    forget(kv)


def test_unmatched_parentheses_and_names(a):
    assert a("ACL", "SETUSER", "bob", "on", "(+get", "~a") == Error(
        "ERR Unmatched parenthesis in acl selector starting at '(+get'.")
    for name in ("a b", "a\0b", "a\n"):
        assert a("ACL", "SETUSER", name) == Error(
            "ERR Usernames can't contain spaces or null characters")
    assert a("ACL", "SETUSER", "", "on") == OK
    assert a("ACL", "SETUSER", "b") == OK
    assert a("ACL", "SETUSER", "B") == OK
    assert a("ACL", "USERS") == [b"", b"B", b"b", b"default"]


def test_getuser(a):
    a("ACL", "SETUSER", "bob", "on", "skip-sanitize-payload", ">pw", "~a", "%R~b", "&c", "+get",
      "(+set ~d)")
    user = a("ACL", "GETUSER", "bob")
    if a.resp == 2:
        user = dict(zip(user[::2], user[1::2]))
        user[b"selectors"] = [dict(zip(one[::2], one[1::2])) for one in user[b"selectors"]]
    assert user == {
        b"flags": [b"on", b"skip-sanitize-payload"], b"passwords": [PW_HASH.encode()],
        b"commands": b"-@all +get", b"keys": b"~a %R~b", b"channels": b"&c",
        b"selectors": [{b"commands": b"-@all +set", b"keys": b"~d", b"channels": b""}]}


def test_small_commands(a):
    assert a("ACL", "WHOAMI") == b"default"
    assert a("ACL", "DELUSER", "default", "x") == Error("ERR The 'default' user cannot be removed")
    a("ACL", "SETUSER", "x")
    assert a("ACL", "DELUSER", "x", "y") == 1
    assert len(a("ACL", "CAT")) == 21 and a("ACL", "CAT")[0] == b"keyspace"
    assert a("ACL", "CAT", "foo") == Error("ERR Unknown category 'foo'")
    assert b"setbit" in a("ACL", "CAT", "BITMAP")
    wrong = "ERR unknown subcommand or wrong number of arguments for '{}'. Try ACL HELP."
    assert a("ACL", "cat", "a", "b") == Error(wrong.format("cat"))
    assert a("ACL", "Genpass", 5, 6) == Error(wrong.format("Genpass"))
    assert a("ACL", "LOG", "reset", 1) == Error(wrong.format("LOG"))
    for bits, digits in [((), 64), ((5,), 2), ((1,), 1), ((4096,), 1024)]:
        password = a("ACL", "GENPASS", *bits)
        assert len(password) == digits and set(password) <= set(b"0123456789abcdef")
    assert a("ACL", "GENPASS") != a("ACL", "GENPASS")
    for bits in (0, 4097, -1):
        assert a("ACL", "GENPASS", bits) == Error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a "
            "positive number up to 4096")
    assert a("ACL", "LOG", "x") == Error("ERR value is not an integer or out of range")
    assert a("ACL", "foo") == Error("ERR unknown subcommand 'foo'. Try ACL HELP.")
    for word in ("LOAD", "SAVE"):
        assert str(a("ACL", word)).startswith("ERR This Redis instance is not configured to use")


def test_dryrun(a):
    a("ACL", "SETUSER", "bob", "~a", "+@all", "-config")
    for words, answer in [
            (("nosuch", "foo"), Error("ERR User 'nosuch' not found")),
            (("bob", "foo"), Error("ERR Command 'foo' not found")),
            (("bob", "config", "foo"), Error("ERR Command 'config' not found")),
            (("bob", "get"), Error("ERR wrong number of arguments for 'get' command")),
            (("bob", "get", "a"), OK),
            (("bob", "get", "b"), b"This user has no permissions to access the 'b' key"),
            (("bob", "publish", "c", "x"),
             b"This user has no permissions to access the 'c' channel"),
            (("bob", "config", "get", "x"),
             b"This user has no permissions to run the 'config|get' command")]:
        assert a("ACL", "DRYRUN", *words) == answer


# --- Random rules on both servers -----------------------------------------------------------------

PIECES = ["a", "b", "a*", "?b", "[a-c]*", "*", "k", "news", "n*", "", "x\\*"]
REQUESTS = [line.split() for line in """
GET a|SET a 1|SET b 1 GET|SET k 1 EX 10|MGET a b|MSET a 1 b 2|DEL k ab|COPY a b|RENAME b a|EXISTS b
TYPE b|KEYS a*|SCAN 0|HSET a f v|HGET b f|HGETALL ab|LPUSH b x|BLPOP a b 1|LMOVE a b LEFT LEFT
SADD a x|SUNIONSTORE a b k|SINTERCARD 2 a b|ZADD b 1 x|ZUNIONSTORE a 1 b|ZMPOP 2 a b MIN
XADD a * f v|XREAD STREAMS a b 0 0|XREADGROUP GROUP g c STREAMS b >|BITFIELD a GET u8 0
BITFIELD b SET u8 0 1|BITOP AND a b k|PFCOUNT a b|GEORADIUS a 0 0 1 km STORE b|SORT a STORE b
SORT_RO b|OBJECT ENCODING a|OBJECT FREQ b|MEMORY USAGE b|PUBLISH news x|PUBLISH a x|SPUBLISH k x
SUBSCRIBE news|SUBSCRIBE a b|PSUBSCRIBE n*|PSUBSCRIBE a|UNSUBSCRIBE k|SSUBSCRIBE ab|PING|AUTH a b
HELLO 3|SELECT 1|SELECT 2|CONFIG GET x|CONFIG SET x y|CLIENT LIST|CLIENT ID|CLIENT KILL a:1
ACL WHOAMI|ACL LIST|COMMAND|COMMAND COUNT|INFO|FLUSHALL|DBSIZE|MULTI|EXEC|WATCH b|QUIT|RESET|TIME
SWAPDB 0 1|DEBUG SLEEP 0|WAIT 0 0|EXPIRE a 1|TTL b|GETEX b|GETDEL ab|TOUCH a|RESTORE b 0 x
DUMP a|APPEND b x|STRLEN b|XINFO STREAM a|XGROUP CREATE b g 0|LCS a b|OBJECT HELP|ECHO ab
""".replace("\n", "|").split("|") if line.strip()]


def random_rule(rng, names, inside=False):
    kind = rng.random()
    name = rng.choice(names)
    if kind < 0.30:
        return rng.choice("+-") + rng.choice([name, name.upper()])
    if kind < 0.50:
        return rng.choice("+-") + "@" + rng.choice(
            "all all read write fast slow hash string keyspace dangerous admin pubsub list "
            "connection stream nosuch Set BITMAP".split())
    if kind < 0.55:
        return f"+{rng.choice(['select', 'get', 'object', 'config', name])}|" + rng.choice(
            ["1", "2", "a", "A", "get", "freq", "encoding", ""])
    if kind < 0.72:
        return rng.choice(["~", "~", "%R~", "%W~", "%RW~", "%wr~", "%Q~", "%~", "%R"]) + \
            rng.choice(PIECES)
    if kind < 0.80:
        return "&" + rng.choice(PIECES)
    if kind < 0.90 and not inside:
        return "(" + " ".join(random_rule(rng, names, True)
                              for _ in range(rng.randrange(4))) + ")"
    return rng.choice("on off nopass resetpass resetkeys resetchannels allkeys allchannels reset "
                      "allcommands nocommands clearselectors sanitize-payload >x >y <x "
                      "skip-sanitize-payload #12 ( ) (+get foo".split())


def common_names(connections):
    sets = [{name.decode() for name in connection("COMMAND", "LIST")}
            for connection in connections]
    return sorted(set.intersection(*sets))


def without_commands(user):
    """GETUSER's answer but for the rules about commands, which 7.0 words in its own way, and for
    the place of ~* among keys."""
    if user is None:
        return None
    user = dict(zip(user[::2], user[1::2]))
    for part in (user, *(dict(zip(one[::2], one[1::2])) for one in user.pop(b"selectors"))):
        part.pop(b"commands")
        part[b"keys"] = sorted(part[b"keys"].split())
        user.setdefault("parts", []).append(part[b"keys"] + [part[b"channels"]])
    return user


def allowed(connection, name):
    return connection.pipeline([("ACL", "DRYRUN", name, *words) for words in REQUESTS])


@pytest.mark.parametrize("seed", range(12))
def test_random_rules_mean_the_same_to_both(kv, reference, seed):
    rng = random.Random(seed)
    both = (kv, reference)
    names = common_names(both)
    for connection in both:
        forget(connection)
    good = 0
    for step in range(120):
        if step % 6 == 0:
            for connection in both:
                connection("ACL", "DELUSER", "u", "v")
        rules = [random_rule(rng, names) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
        answers = [connection("ACL", "SETUSER", "u", *rules) for connection in both]
        assert answers[0] == answers[1], rules
        good += answers[0] == OK
        users = [connection("ACL", "GETUSER", "u") for connection in both]
        assert without_commands(users[0]) == without_commands(users[1]), rules
        if not users[0]:
            continue
        verdicts = [allowed(connection, "u") for connection in both]
        for words, *pair in zip(REQUESTS, *verdicts):
            assert pair[0] == pair[1], (rules, words, kv("ACL", "LIST"), reference("ACL", "LIST"))
        # what kv shows makes the same user anew, on both
        shown = next(line for line in kv("ACL", "LIST") if line.startswith(b"user u "))
        for connection in both:
            connection("ACL", "DELUSER", "v")
            assert connection("ACL", "SETUSER", "v", *shown.split(b" ")[2:]) == OK, shown
            assert allowed(connection, "v") == verdicts[0], shown
    assert good > 30
    for connection in both:
        forget(connection)


# --- What is allowed ------------------------------------------------------------------------------

def test_keys_by_what_is_done_to_them(a, be):
    bob = be(a, "bob", "~a*", "%R~r*", "%W~w*", "+@all")
    for words, allow in [
            ("GET a", True), ("GET x", False), ("GET r", True), ("GET w", False),
            ("SET r 1", False), ("SET w 1", True), ("SET w 1 GET", False), ("SET a 1 GET", True),
            ("EXISTS w", True), ("EXISTS x", False), ("TYPE r", True), ("COPY r w2", True),
            ("COPY w r", False), ("MGET a r", True), ("MGET a w", False),
            ("BITFIELD r GET u8 0", True), ("BITFIELD r SET u8 0 1", False),
            ("SUNIONSTORE w3 r3 a3", True), ("SUNIONSTORE r3 a3", False),
            ("OBJECT ENCODING x", False), ("WATCH x", False), ("SORT a4 STORE w4", True),
            ("SORT a4 STORE r4", False), ("SORT a4 STORE w4 STORE x", False)]:
        assert (bob(*words.split()) != DENIED_KEY) == allow, words


def test_sort_follows_patterns_only_for_who_may_read_all(a, be):
    bob = be(a, "bob", "~a*", "+@all")
    a("RPUSH", "a", "1")
    assert bob("SORT", "a", "BY", "x*") == Error(
        "ERR BY option of SORT denied due to insufficient ACL permissions.")
    assert bob("SORT", "a", "GET", "#") == Error(
        "ERR GET option of SORT denied due to insufficient ACL permissions.")
    assert bob("SORT", "a", "BY", "nosort") == [b"1"]
    a("ACL", "SETUSER", "bob", "%R~*")
    assert bob("SORT", "a", "BY", "x*", "GET", "#") == [b"1"]


def test_commands_and_subcommands(a, be):
    bob = be(a, "bob", "+@all", "-@dangerous", "+acl|whoami", "-set", "+client|kill", "~*")
    assert bob("KEYS", "*") == denied("keys")
    assert bob("CONFIG", "GET", "x") == denied("config|get")
    assert bob("CLIENT", "LIST") == denied("client|list")
    assert isinstance(bob("CLIENT", "KILL", "1.2.3.4:5"), Error)
    assert bob("SET", "a", "b") == denied("set")
    assert bob("ACL", "WHOAMI") == b"bob"
    # what is wrong in itself is told first
    assert bob("config", "get") == Error("ERR wrong number of arguments for 'config|get' command")
    assert str(bob("foo")).startswith("ERR unknown command 'foo'")
    a("ACL", "SETUSER", "bob", "-@all", "+select|1", "+get")
    assert bob("SELECT", 1) == OK
    assert bob("SELECT", 0) == denied("select")
    for words in (("AUTH", "bob", "x"), ("HELLO", 2), ("RESET",)):
        assert not isinstance(bob(*words), Error)


def test_channels(a, be):
    bob = be(a, "bob", "+@all", "&c*")
    assert bob("PUBLISH", "x", "y") == DENIED_CHANNEL
    assert bob("PUBLISH", "c1", "y") == 0
    assert bob("SPUBLISH", "x", "y") == DENIED_CHANNEL
    assert bob("SUBSCRIBE", "c1", "x") == DENIED_CHANNEL
    assert bob("PSUBSCRIBE", "c") == DENIED_CHANNEL
    assert bob("PSUBSCRIBE", "c*")[2] == 1
    assert bob("PUNSUBSCRIBE", "x")[2] == 1
    assert bob("GET", "x") == DENIED_KEY


def test_who_loses_a_channel_is_disconnected(a, be):
    for words, rules, keeps in [
            (("SUBSCRIBE", "news"), ["resetchannels", "&news", "&q*"], True),
            (("SUBSCRIBE", "news"), ["resetchannels", "&q*"], False),
            (("PSUBSCRIBE", "n*"), ["&z"], True), (("PSUBSCRIBE", "n*"), ["allchannels"], True),
            (("PSUBSCRIBE", "n*"), ["resetchannels", "&news"], False),
            (("SSUBSCRIBE", "n1"), ["resetchannels", "&q"], False)]:
        a("ACL", "SETUSER", "bob", "reset")
        bob = be(a, "bob", "+@all", "&n*")
        bob(*words)
        assert a("ACL", "SETUSER", "bob", *rules) == OK
        if keeps:
            assert bob("PING") == [b"pong", b""]
        else:
            assert is_closed(bob)


def test_exec_asks_again(a, be):
    bob = be(a, "bob", "+@all", "~a", "&c")
    bob("MULTI")
    for words in (("GET", "a"), ("PUBLISH", "c", "x"), ("SET", "a", "1"), ("PING",)):
        assert bob(*words) == Status("QUEUED")
    a("ACL", "SETUSER", "bob", "-get", "resetchannels", "resetkeys")
    assert bob("EXEC") == [
        Error(CHANGED + "no permission to execute the command or subcommand"),
        Error(CHANGED + "no permission to access one of the channels used as arguments"),
        Error(CHANGED + "no permission to touch the specified keys"), Status("PONG")]
    assert a("EXISTS", "a") == 0
    bob("MULTI")
    assert bob("GET", "a") == denied("get")
    assert bob("EXEC") == Error(
        "EXECABORT Transaction discarded because of previous errors.")


def test_deleted_users_are_disconnected_also_oneself(a, be):
    one, two = be(a, "bob", "+@all"), be(a, "bob")
    assert one("ACL", "DELUSER", "bob") == 1
    assert is_closed(one) and is_closed(two)
    assert a("ACL", "USERS") == [b"default"]


def test_off_means_no_new_sessions(a, be, server):
    bob = be(a, "bob", "+@all")
    a("ACL", "SETUSER", "bob", "off")
    assert bob("PING") == Status("PONG")
    assert bob("AUTH", "bob", "x") == WRONG_PASS
    assert bob("ACL", "WHOAMI") == b"bob"
    assert bob("RESET") == Status("RESET")
    assert bob("ACL", "WHOAMI") == b"default"
    with server.connect() as other:
        assert other("HELLO", 3, "AUTH", "bob", "x") == WRONG_PASS


def test_what_a_user_may_do_changes_at_once(a, be):
    bob = be(a, "bob", "allkeys", "allchannels", "allcommands")
    assert bob("SET", "k", "v") == OK
    a("ACL", "SETUSER", "bob", "-set")
    assert bob("SET", "k", "v") == denied("set")
    a("ACL", "SETUSER", "bob", "allcommands")
    assert bob("SET", "k", "v") == OK
    a("ACL", "SETUSER", "bob", "resetkeys")
    assert bob("SET", "k", "v") == DENIED_KEY


def test_kill_and_list_by_user(a, be):
    bob = be(a, "bob", "+@all")
    assert " user=bob " in str(a("CLIENT", "LIST"))
    assert a("CLIENT", "KILL", "USER", "bob") == 1
    assert is_closed(bob)
    assert a("CLIENT", "KILL", "USER", "nosuch") == Error("ERR No such user 'nosuch'")


# --- ACL LOG --------------------------------------------------------------------------------------

def log_of(a, *words):
    entries = a("ACL", "LOG", *words)
    if a.resp == 2:
        entries = [dict(zip(one[::2], one[1::2])) for one in entries]
    return [tuple(one[key] for key in (b"count", b"reason", b"context", b"object", b"username"))
            for one in entries]


def test_the_log_tells_what_was_denied(a, be, server):
    bob = be(a, "bob", "+@all", "~a", "-keys")
    bob("GET", "x"), bob("GET", "x"), bob("keys", "*"), bob("PUBLISH", "c", "x")
    bob("MULTI"), bob("GET", "y"), bob("DISCARD")
    with server.connect() as other:
        other("auth", "bob", "x"), other("Auth", "nosuch", "y"), other("RESET")
        other("HELLO", 2, "AUTH", "nosuch", "y")
    assert log_of(a) == [
        (1, b"auth", b"toplevel", b"HELLO", b"nosuch"),
        (1, b"auth", b"toplevel", b"Auth", b"nosuch"),
        (1, b"key", b"multi", b"y", b"bob"), (1, b"channel", b"toplevel", b"c", b"bob"),
        (1, b"command", b"toplevel", b"keys", b"bob"), (2, b"key", b"toplevel", b"x", b"bob")]
    bob("GET", "x")
    assert log_of(a, 1) == [(3, b"key", b"toplevel", b"x", b"bob")]
    assert log_of(a, 0) == [] and log_of(a, -1) == [] and len(log_of(a, 100)) == 6
    assert a("ACL", "LOG", "RESET") == OK
    assert log_of(a) == []


def test_the_log_has_a_limit(a, be):
    bob = be(a, "bob", "+@all")
    try:
        assert a("CONFIG", "SET", "acllog-max-len", 3) == OK
        for i in range(20):
            bob("GET", f"key{i}")
        assert [entry[3] for entry in log_of(a)] == [b"key19", b"key18", b"key17"]
        a("CONFIG", "SET", "acllog-max-len", 0)
        bob("GET", "z")
        assert log_of(a) == []
    finally:
        a("CONFIG", "SET", "acllog-max-len", 128)


def test_kv_logs_the_fields_of_7_2_and_counts(kv, running):
    forget(kv)
    assert kv("CONFIG", "RESETSTAT") == OK
    kv("ACL", "SETUSER", "bob", "on", "nopass", "+@all", "-set")
    with running("kv").connect() as bob:
        bob("AUTH", "bob", "x")
        bob("GET", "x" * 5000), bob("SET", "a", "b"), bob("PUBLISH", "a", "b")
        bob("AUTH", "q", "q")
        entry = kv("ACL", "LOG")[3]
        entry = dict(zip(entry[::2], entry[1::2]))
        assert entry[b"timestamp-created"] <= entry[b"timestamp-last-updated"]
        assert entry[b"entry-id"] >= 0
        assert entry[b"object"] == b"x" * 1024
        assert b" cmd=get user=bob " in entry[b"client-info"]
    stats = kv("INFO", "stats").decode()
    for what in ("auth", "cmd", "key", "channel"):
        assert f"acl_access_denied_{what}:1\r\n" in stats
    forget(kv)


# --- requirepass and the default user -------------------------------------------------------------

@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_requirepass_takes_any_byte(kind, tmp_path):
    password = b"\0a\xff \"'\n\0b"
    config = tmp_path / "its.conf"
    config.write_text("save ''\n")
    program = kv.SERVER if kind == "kv" else kv.REDIS
    with kv.Server(tmp_path, config=config, program=program) as server:
        with Connection(server.port) as c:
            assert c("CONFIG", "SET", "requirepass", password) == OK
            assert c("CONFIG", "REWRITE") == OK
        server.stop()
        server.start()
        with Connection(server.port) as c:
            assert str(c("GET", "key")) == "NOAUTH Authentication required."
            assert str(c("AUTH", password[:-1])).startswith("WRONGPASS")
            assert c("AUTH", password) == OK


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_requirepass_is_the_default_users_password(start, kind):
    server = start(kind, requirepass="secret")
    a, b = server.connect(), server.connect()
    assert a("PING") == NO_AUTH
    assert a("AUTH", "secret") == OK
    assert b("AUTH", "default", "wrong") == WRONG_PASS
    assert b("AUTH", "default", "secret") == OK
    shown = b"********" if kind == "kv" else b"secret"
    assert a("CONFIG", "GET", "requirepass") == [b"requirepass", shown]
    assert b"nopass" not in a("ACL", "LIST")[0]
    assert a("ACL", "SETUSER", "default", ">more") == OK
    assert b("AUTH", "more") == OK
    assert a("CONFIG", "SET", "requirepass", "other") == OK
    assert b("AUTH", "more") == WRONG_PASS and b("AUTH", "secret") == WRONG_PASS
    assert b("AUTH", "other") == OK
    assert a("CONFIG", "SET", "requirepass", "") == OK
    assert str(b("AUTH", "other")).startswith("ERR AUTH <password> called without any password")
    assert a("ACL", "SETUSER", "default", "off") == OK
    with server.connect() as c:
        assert c("PING") == NO_AUTH
        assert c("AUTH", "default", "x") == WRONG_PASS
    assert a("ACL", "SETUSER", "default", "on") == OK
    a.close(), b.close()


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_the_default_user_can_be_bound(start, kind):
    server = start(kind)
    with server.connect() as a, server.connect() as b:
        assert a("ACL", "SETUSER", "adm", "on", ">pw", "~*", "&*", "+@all") == OK
        assert a("ACL", "SETUSER", "default", "resetkeys", "~pub:*", "-@all", "+get") == OK
        assert b("GET", "pub:1") is None
        assert b("GET", "x") == DENIED_KEY
        assert b("PING") == denied("ping")
        assert b("AUTH", "adm", "pw") == OK
        assert b("PING") == Status("PONG")
        assert b("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all") == OK


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_acl_pubsub_default(start, kind):
    server = start(kind, acl_pubsub_default="allchannels")
    with server.connect() as a:
        a("ACL", "SETUSER", "one", "(+get)")
        assert a("ACL", "LIST")[1] == b"user one off &* -@all (&* -@all +get)"
        a("CONFIG", "SET", "acl-pubsub-default", "resetchannels")
        a("ACL", "SETUSER", "one", "reset")
        assert a("ACL", "LIST")[1] == b"user one off sanitize-payload resetchannels -@all"


@pytest.mark.parametrize("kind", ["kv", "redis"])
@pytest.mark.parametrize("rule", ["-blpop", "resetkeys", "off"])
def test_who_waits_has_asked_before_the_rules_changed(start, kind, rule):
    """Rights are looked at when a command comes, and not again when it is served; by kv again, as
    by Redis 7.2. Who is switched off goes on."""
    server = start(kind)
    with server.connect() as a, server.connect() as b:
        assert a("ACL", "SETUSER", "waiter", "on", ">pw", "~*", "+@all") == OK
        assert b("AUTH", "waiter", "pw") == OK
        b.send("BLPOP", "list", 0)
        while b"blocked_clients:1" not in a.raw("INFO", "clients"):
            pass
        assert a("ACL", "SETUSER", "waiter", rule) == OK
        assert a("RPUSH", "list", "x") == 1
        if kind == "kv" and rule != "off":
            assert str(b.read()).startswith("NOPERM")
        else:
            assert b.read() == [b"list", b"x"]
        refused = b("BLPOP", "list", 1)
        assert refused is None if rule == "off" else str(refused).startswith("NOPERM")
