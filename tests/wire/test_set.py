"""Sets: the commands, the encodings on both sides of their limits, chance, SSCAN, algebra."""
import random

import pytest

from harness import NOT_INTEGER, OK, SYNTAX, WRONG_TYPE, Error, Set, Status, wrong_arity

MAX = 2 ** 63 - 1
NO_NUMKEYS = Error("ERR numkeys should be greater than 0")
POSITIVE = Error("ERR value is out of range, must be positive")

# Members in each encoding; the reference has no listpacks, so its second is a hash table.
KINDS = {
    "intset": [b"%d" % n for n in range(-50, 50)],
    "listpack": [b"member:%d" % n for n in range(90)] + [b"7", b"-7", b"007", b""],
    "hashtable": [b"member:%d" % n for n in range(1000)] + [b"7", b"x" * 300, b"", b"y" * 70000],
}


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


def add(c, key, members):
    for i in range(0, len(members), 100):
        c("SADD", key, *members[i:i + 100])


def members_of(c, key):
    found = c("SMEMBERS", key)
    assert type(found) is (Set if c.resp == 3 else list)
    assert len(set(found)) == len(found) == c("SCARD", key)
    return set(found)


def is_kv(server):
    return server.kind == "kv"


def encoding(c, key):
    return c("OBJECT", "ENCODING", key).decode()


# --- Adding and removing --------------------------------------------------------------------------

def test_sadd_tells_how_many_are_new(c):
    assert c("SADD", "s", "a", "b", "a") == 2
    assert c("SADD", "s", "a", "b") == 0
    assert c("SADD", "s", "b", "c") == 1
    assert members_of(c, "s") == {b"a", b"b", b"c"}
    assert c("TYPE", "s") == Status("set")


def test_members_of_each_kind(c, kind):
    members = KINDS[kind]
    add(c, "s", members)
    assert members_of(c, "s") == set(members)
    assert c("SMISMEMBER", "s", *members) == [1] * len(members)
    assert [c("SISMEMBER", "s", member) for member in members[:20]] == [1] * 20
    for other in (b"absent", b"123456", b"0007", b"-0", b"x" * 299):
        assert c("SISMEMBER", "s", other) == 0
    removed = members[::2]
    assert c("SREM", "s", *removed, *removed, "absent") == len(removed)
    assert members_of(c, "s") == set(members) - set(removed)
    assert c("SMISMEMBER", "s", *members) == [int(m not in removed) for m in members]


def test_the_last_member_takes_the_key_with_it(c, kind):
    members = KINDS[kind]
    add(c, "s", members)
    assert c("EXPIRE", "s", 1000) == 1
    assert c("SREM", "s", *members) == len(members)
    assert c("EXISTS", "s") == 0
    assert c("SADD", "s", "again") == 1
    assert c("TTL", "s") == -1


def test_a_missing_set_is_empty(c):
    assert c("SCARD", "no") == 0
    assert c("SISMEMBER", "no", "a") == 0
    assert c("SMISMEMBER", "no", "a", "b") == [0, 0]
    assert c("SREM", "no", "a") == 0
    assert c("SPOP", "no") is None
    assert c("SRANDMEMBER", "no") is None
    assert c("SRANDMEMBER", "no", 5) == []
    assert c("SMOVE", "no", "other", "a") == 0
    assert list(c("SMEMBERS", "no")) == list(c("SPOP", "no", 3)) == list(c("SINTER", "no")) == []
    assert c("SSCAN", "no", 0) == [b"0", []]
    assert c("EXISTS", "no", "other") == 0


COMMANDS = ["SADD s a", "SREM s a", "SCARD s", "SISMEMBER s a", "SMISMEMBER s a", "SMEMBERS s",
            "SMOVE s t a", "SPOP s", "SPOP s 0", "SPOP s 2", "SRANDMEMBER s", "SRANDMEMBER s 1",
            "SSCAN s 0", "SINTER s", "SINTER no s", "SINTER no other s", "SUNION s", "SUNION no s",
            "SDIFF s", "SDIFF no s", "SINTERCARD 1 s", "SINTERCARD 2 no s", "SINTERSTORE t s",
            "SUNIONSTORE t s", "SDIFFSTORE t no s", "SMOVE set s m", "SMOVE set s absent"]


@pytest.mark.parametrize("words", COMMANDS)
def test_another_type_is_an_error(c, words):
    assert c("SET", "s", "text") == OK
    assert c("SADD", "set", "m") == 1
    assert c(*words.split()) == WRONG_TYPE
    assert c("GET", "s") == b"text"
    assert c("EXISTS", "t") == 0
    assert c("SMEMBERS", "set") == [b"m"]


@pytest.mark.parametrize("words", ["SADD s", "SREM s", "SCARD", "SCARD a b", "SISMEMBER s",
                                   "SISMEMBER s a b", "SMISMEMBER s", "SMEMBERS", "SMOVE s t",
                                   "SPOP", "SRANDMEMBER", "SSCAN s", "SINTER", "SUNION", "SDIFF",
                                   "SINTERCARD 1", "SINTERSTORE t", "SUNIONSTORE t",
                                   "SDIFFSTORE t"])
def test_arity(c, words):
    assert c(*words.split()) == wrong_arity(words.split()[0].lower())


def test_smove(c):
    c("SADD", "a", "x", "y")
    c("SADD", "b", "y", 5)
    assert c("SMOVE", "a", "b", "absent") == 0
    assert c("SMOVE", "a", "b", "x") == 1
    assert c("SMOVE", "a", "b", "y") == 1
    assert c("EXISTS", "a") == 0
    assert members_of(c, "b") == {b"x", b"y", b"5"}
    assert c("SMOVE", "b", "new", "5") == 1
    assert members_of(c, "new") == {b"5"}
    assert c("SMOVE", "b", "b", "x") == 1
    assert c("SMOVE", "b", "b", "absent") == 0
    assert members_of(c, "b") == {b"x", b"y"}
    assert c("SMOVE", "no", "string", "x") == 0


def test_smove_with_many_keys(c):
    """Removing the source's key moves others in the table."""
    for i in range(500):
        c("SADD", f"from:{i}", "m")
        c("SADD", f"to:{i}", "other")
    for i in range(500):
        assert c("SMOVE", f"from:{i}", f"to:{i}", "m") == 1
    assert c("DBSIZE") == 500
    assert all(members_of(c, f"to:{i}") == {b"m", b"other"} for i in range(500))


# --- Encodings ------------------------------------------------------------------------------------

def test_encodings_at_their_limits(server, c):
    small = "listpack" if is_kv(server) else "hashtable"
    add(c, "i", list(range(512)))
    assert encoding(c, "i") == "intset"
    c("SADD", "i", 512)
    assert encoding(c, "i") == "hashtable"
    assert members_of(c, "i") == {b"%d" % n for n in range(513)}
    c("SADD", "one", *range(513))
    assert encoding(c, "one") == "hashtable"
    c("SADD", "mixed", *range(100), "text")
    assert encoding(c, "mixed") == small
    c("SADD", "many", *range(200))
    c("SADD", "many", "text")
    assert encoding(c, "many") == "hashtable"
    add(c, "t", [f"m{n}" for n in range(128)])
    assert encoding(c, "t") == small
    c("SADD", "t", "m127")
    assert encoding(c, "t") == small
    c("SADD", "t", "m128")
    assert encoding(c, "t") == "hashtable"
    c("SADD", "short", "x" * 64)
    assert encoding(c, "short") == small
    c("SADD", "long", "x" * 65)
    assert encoding(c, "long") == "hashtable"
    c("SADD", "short", "x" * 65)
    assert encoding(c, "short") == "hashtable"


def test_encodings_follow_the_settings(start):
    with start("kv", persistence="no", set_max_intset_entries=3, set_max_listpack_entries=4,
               set_max_listpack_value=5).connect() as c:
        assert [c("SADD", "i", n) for n in range(3)] == [1, 1, 1]
        assert encoding(c, "i") == "intset"
        c("SADD", "i", 3)
        assert encoding(c, "i") == "hashtable"
        for n in range(4):
            c("SADD", "t", f"m{n}")
        assert encoding(c, "t") == "listpack"
        c("SADD", "t", "m4")
        assert encoding(c, "t") == "hashtable"
        c("SADD", "long", 1, 123456)
        c("SADD", "long", "text")
        assert encoding(c, "long") == "hashtable"
        c("SADD", "w", 123456, 1, 2, 3)
        assert encoding(c, "w") == "hashtable"


@pytest.mark.parametrize("number", ["0", "-1", "127", "128", "4095", "4096", "-4096", "-4097",
                                    "32767", "32768", "-32769", "8388607", "8388608", "2147483647",
                                    "2147483648", "-2147483649", str(MAX), str(-MAX - 1)])
def test_integers_of_each_width(c, number):
    near = [b"%d" % n for n in (int(number) - 1, int(number), int(number) + 1)
            if -MAX - 1 <= n <= MAX]
    for text in ([], ["text"]):
        c("DEL", "s")
        assert c("SADD", "s", number, *text) == 1 + len(text)
        assert c("SADD", "s", "1", "100000", number, *near) >= len(near) - 1
        assert members_of(c, "s") >= {number.encode(), *near}
        assert c("SISMEMBER", "s", number) == 1
        assert c("SISMEMBER", "s", "0" + number) == 0
        assert c("SREM", "s", number) == 1
        assert c("SISMEMBER", "s", number) == 0


def test_what_is_no_canonical_integer_is_text(c):
    words = ["01", "+1", " 1", "1 ", "-0", "1.0", "1e3", str(MAX + 1), "", "0x1"]
    c("SADD", "s", 1, 0, 1000)
    assert c("SADD", "s", *words) == len(words)
    assert members_of(c, "s") == {word.encode() for word in words} | {b"1", b"0", b"1000"}


# --- By chance ------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 2, 30, 89, 95, 500])
def test_spop_takes_different_members_out(c, kind, count):
    members = KINDS[kind]
    add(c, "s", members)
    popped = c("SPOP", "s", count)
    assert type(popped) is (Set if c.resp == 3 else list)
    assert len(popped) == len(set(popped)) == min(count, len(members))
    assert set(popped) <= set(members)
    assert members_of(c, "s") == set(members) - set(popped)


def test_spop_one_by_one(c, kind):
    members = set(KINDS[kind])
    add(c, "s", list(members))
    while members:
        members.remove(c("SPOP", "s"))
        if len(members) % 100 == 0:
            assert members_of(c, "s") == members
    assert c("EXISTS", "s") == 0
    assert c("SPOP", "s") is None


def test_spop_arguments(c):
    c("SADD", "s", 1, 2, 3)
    assert list(c("SPOP", "s", 0)) == []
    for bad in ("-1", "x", "", "1.5", str(MAX + 1)):
        assert c("SPOP", "s", bad) == POSITIVE
        assert c("SPOP", "no", bad) == POSITIVE
    assert c("SPOP", "s", 1, 2) == SYNTAX
    assert sorted(c("SPOP", "s", MAX)) == [b"1", b"2", b"3"]
    assert c("EXISTS", "s") == 0


@pytest.mark.parametrize("count", [1, 3, 40, 93, 94, 100, 2000])
def test_srandmember_with_a_count(c, kind, count):
    members = KINDS[kind]
    add(c, "s", members)
    found = c("SRANDMEMBER", "s", count)
    assert type(found) is list
    assert len(found) == len(set(found)) == min(count, len(members))
    assert set(found) <= set(members)
    found = c("SRANDMEMBER", "s", -count)
    assert len(found) == count
    assert set(found) <= set(members)
    assert c("SRANDMEMBER", "s") in members
    assert members_of(c, "s") == set(members)


def test_srandmember_arguments(c):
    c("SADD", "s", 1)
    assert c("SRANDMEMBER", "s", 0) == []
    assert c("SRANDMEMBER", "s", "x") == NOT_INTEGER
    assert c("SRANDMEMBER", "s", -MAX - 1) == Error(
        f"ERR value is out of range, value must between -{MAX} and {MAX}")
    assert c("SRANDMEMBER", "s", 1, 2) == SYNTAX
    assert c("SRANDMEMBER", "s", MAX) == [b"1"]


def test_chance_is_fair(server, c, kind):
    """Every member is drawn about as often: within five standard deviations of the mean."""
    if kind == "hashtable" and not is_kv(server):
        pytest.skip("the reference's tables are not fair")
    members = KINDS[kind][:20]
    if kind == "hashtable":
        add(c, "s", KINDS[kind])
        c("SREM", "s", *KINDS[kind][20:])
    else:
        add(c, "s", members)
    for count in (1, -1, 7):
        seen = {member: 0 for member in members}
        draws = 700 if count == 7 else 2000
        for found in c.pipeline([("SRANDMEMBER", "s", count)] * draws):
            for member in found:
                seen[member] += 1
        mean = draws * abs(count) / 20
        assert all(abs(n - mean) < 5 * mean ** 0.5 for n in seen.values()), (count, seen)


# --- SSCAN ----------------------------------------------------------------------------------------

def scan(c, key, *options, each=None):
    found, cursor = [], b"0"
    while True:
        cursor, members = c("SSCAN", key, cursor, *options)
        found += members
        if cursor == b"0":
            return found
        if each:
            each()


@pytest.mark.parametrize("options", [(), ("COUNT", 1), ("COUNT", 1000), ("COUNT", MAX)])
def test_sscan_finds_every_member_once(c, kind, options):
    members = KINDS[kind]
    add(c, "s", members)
    assert sorted(scan(c, "s", *options)) == sorted(members)


def test_sscan_match(c, kind):
    members = KINDS[kind]
    add(c, "s", members)
    assert sorted(scan(c, "s", "MATCH", "*7")) == sorted(m for m in members if m.endswith(b"7"))
    assert scan(c, "s", "match", "none*", "count", 7) == []


def test_sscan_beside_changes(c):
    """What is there from the first call to the last is found, however the set grows and shrinks."""
    stay = {b"stay:%d" % n for n in range(300)}
    chance = random.Random(5)
    add(c, "s", list(stay))

    def change():
        if chance.random() < 0.6:
            c("SADD", "s", *[b"new:%d" % chance.randrange(5000) for _ in range(50)])
        else:
            c("SREM", "s", *[b"new:%d" % chance.randrange(5000) for _ in range(500)])
    assert stay <= set(scan(c, "s", "COUNT", 5, each=change))


def test_sscan_arguments(c):
    c("SADD", "s", 1, 2)
    assert c("SSCAN", "s", "x") == c("SSCAN", "no", "x") == Error("ERR invalid cursor")
    for bad in (("COUNT", 0), ("COUNT",), ("MATCH",), ("FOO", 1), ("TYPE", "set")):
        assert c("SSCAN", "s", 0, *bad) == SYNTAX
    assert c("SSCAN", "s", 0, "COUNT", "x") == NOT_INTEGER
    assert c("SSCAN", "no", 0, "FOO") == [b"0", []]
    assert c("SSCAN", "s", 17) == [b"0", [b"1", b"2"]]


# --- Algebra --------------------------------------------------------------------------------------

def test_algebra_is_that_of_sets(c):
    """Random sets of all encodings and sizes, some the same, some missing."""
    chance = random.Random(1)
    for _ in range(60):
        model = {}
        c("FLUSHALL")
        for n in range(5):
            size = chance.choice([0, 1, 5, 50, 400])
            pool = chance.choice([["%d" % i for i in range(500)],
                                  ["%d" % i if i % 2 else "m%d" % i for i in range(500)]])
            model[f"k{n}"] = {m.encode() for m in chance.sample(pool, size)}
            if size:
                add(c, f"k{n}", sorted(model[f"k{n}"]))
        keys = chance.choices(sorted(model), k=chance.randint(1, 5))
        sets = [model[key] for key in keys]
        expected = {"SINTER": set.intersection(*sets), "SUNION": set.union(*sets),
                    "SDIFF": sets[0].difference(*sets[1:])}
        for name, result in expected.items():
            found = c(name, *keys)
            assert type(found) is (Set if c.resp == 3 else list)
            assert len(found) == len(set(found))
            assert set(found) == result, (name, keys)
            target = chance.choice(["new", "k0", keys[0]])
            before = members_of(c, target)
            assert c(name + "STORE", target, *keys) == len(result)
            assert members_of(c, target) == result
            assert c("EXISTS", target) == (len(result) > 0)
            c("DEL", target)
            if before:
                add(c, target, sorted(before))
        count = len(expected["SINTER"])
        assert c("SINTERCARD", len(keys), *keys) == count
        for limit in (1, 3, 1000):
            assert c("SINTERCARD", len(keys), *keys, "LIMIT", limit) == min(count, limit)
        assert c("SINTERCARD", len(keys), *keys, "limit", 0) == count


def test_difference_of_a_large_and_small_sets(c):
    """Both ways to subtract: asking the others, and deleting from a copy."""
    add(c, "large", [b"%d" % n for n in range(3000)])
    add(c, "text", [b"m%d" % n for n in range(100)])
    for n in range(10):
        c("SADD", f"small:{n}", n, n + 1, f"m{n}")
    small = [f"small:{n}" for n in range(10)]
    assert set(c("SDIFF", "large", *small, "no")) == {b"%d" % n for n in range(11, 3000)}
    assert c("SDIFFSTORE", "t", "text", *small) == 90
    assert c("SDIFF", "small:0", "large", "text") == []
    assert c("SDIFF", "large", "no", "large") == []
    assert c("SDIFFSTORE", "large", "large", *small) == 2989


def test_what_is_stored_replaces_anything(c):
    c("SADD", "a", 1, 2)
    c("SET", "t", "text", "EX", 1000)
    assert c("SUNIONSTORE", "t", "a") == 2
    assert c("TTL", "t") == -1
    c("SET", "t", "text")
    assert c("SINTERSTORE", "t", "a", "no") == 0
    assert c("EXISTS", "t") == 0
    assert c("SDIFFSTORE", "a", "a", "a") == 0
    assert c("EXISTS", "a") == 0
    assert c("SUNIONSTORE", "t", "no") == 0


def test_sintercard_arguments(c):
    c("SADD", "s", 1, 2, 3)
    for bad in ("0", "-1", "x", ""):
        assert c("SINTERCARD", bad, "s") == NO_NUMKEYS
    more = Error("ERR Number of keys can't be greater than number of args")
    assert c("SINTERCARD", 2, "s") == more
    assert c("SINTERCARD", MAX, "s") == more
    for bad in (("LIMIT",), ("FOO", 1), ("t",), ("LIMIT", 1, "LIMIT")):
        assert c("SINTERCARD", 1, "s", *bad) == SYNTAX
    for bad in (-1, "x"):
        assert c("SINTERCARD", 1, "s", "LIMIT", bad) == Error("ERR LIMIT can't be negative")
    assert c("SINTERCARD", 1, "s", "LIMIT", 1, "LIMIT", 2) == 2


def test_sets_of_integers_stay_sets_of_integers(c):
    c("SADD", "a", 1, 2, 3)
    c("SADD", "b", 2, 3, 4)
    for name in ("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"):
        c(name, "t", "a", "b")
        assert encoding(c, "t") == "intset"


# --- Keys, memory, the log ------------------------------------------------------------------------

def test_copies_are_apart(c, kind):
    members = KINDS[kind]
    add(c, "s", members)
    assert c("COPY", "s", "t") == 1
    assert c("RENAME", "s", "u") == OK
    assert c("SREM", "u", *members[:50]) == 50
    assert members_of(c, "t") == set(members)
    assert members_of(c, "u") == set(members[50:])


def test_expired_sets_are_gone(c):
    c("SADD", "s", 1)
    c("SADD", "t", 1, 2)
    c("PEXPIRE", "s", 1)
    while c("PTTL", "s") >= 0:
        pass
    assert c("SINTER", "s", "t") == []
    assert c("SMOVE", "t", "s", 2) == 1
    assert c("SMEMBERS", "s") == [b"2"]


def content(c):
    return {key: (c("OBJECT", "ENCODING", key), sorted(c("SMEMBERS", key)))
            for key in sorted(c("KEYS", "*"))}


def test_a_restart_gives_the_same_sets(start):
    """The log replays to the same members and encodings, what SPOP chose included."""
    server = start("kv")
    chance = random.Random(3)
    with server.connect() as c:
        for kind, members in KINDS.items():
            add(c, kind, members)
            c("SREM", kind, *members[:7])
            c("SPOP", kind)
            c("SPOP", kind, 20)
            c("SMOVE", kind, "moved", members[60])
        c("SADD", "gone", 1, 2, 3)
        c("SPOP", "gone", 5)
        c("SADD", "last", 1)
        c("SPOP", "last")
        add(c, "big", [b"m%d" % n for n in range(5000)])
        c("SPOP", "big", 2500)
        for _ in range(200):
            name = chance.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
            c(name, f"t{chance.randrange(5)}", *chance.choices([*KINDS, "moved", "t1"], k=2))
        before = content(c)
        assert c("SCARD", "big") == 2500
    server.restart(crash=True)
    with server.connect() as c:
        assert content(c) == before


def test_dump_payloads_go_both_ways(kv, reference, kind):
    members = KINDS[kind]
    for source, target in ((kv, reference), (reference, kv)):
        for c in (kv, reference):
            c("FLUSHALL")
        add(source, "s", members)
        assert target("RESTORE", "s", 0, source("DUMP", "s")) == OK
        assert members_of(target, "s") == set(members)
        expected = "hashtable" if kind != "intset" and target is reference else kind
        assert encoding(target, "s") == expected
