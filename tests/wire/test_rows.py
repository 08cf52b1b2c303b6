"""What COMMAND INFO and COMMAND DOCS say of each command is what redis-server 7.0 says: client
libraries and proxies build on it. Every difference is listed here with its reason, and the list is
exact: a difference that is not in it fails, as does one that is no more. Texts are our own."""
import pytest

from harness import Error

# Commands that only one of the two has.
ONLY_OURS = {
    "waitaof": "Redis 7.2",
    "client|no-touch": "Redis 7.2",
    "client|setinfo": "Redis 7.2",
    "script|show": "Valkey 8.0",
    "cluster|myshardid": "Redis 7.2",
    "cluster|slot-stats": "Valkey 8.0",
    "client|capa": "Valkey 8.0",
    "client|import-source": "Valkey 8.1",
    **dict.fromkeys(["commandlog", "commandlog|get", "commandlog|help", "commandlog|len",
                     "commandlog|reset"], "Valkey 8.1"),
    "delifeq": "Valkey 9.0",
    **dict.fromkeys("hexpire hpexpire hexpireat hpexpireat hpersist httl hpttl hexpiretime "
                    "hpexpiretime".split(), "Redis 7.4, Valkey 9.0"),
    **dict.fromkeys("hgetdel hgetex hsetex".split(), "Redis 8.0, Valkey 9.0"),
}
ONLY_THEIRS = {}
# Of commands that both have: what differs, as "command: fact" (see `facts_of`), and why.
SYSCMD = "of no use to clients: only the documentation of Redis' own site leaves such commands out"
SINCE = "the version of each argument is not kept where all that live have it"
PROSE = "text, in our own words"
DIFFERENT = {
    **dict.fromkeys(["zrank: arity", "zrevrank: arity", "zrank: argument withscore",
                     "zrevrank: argument withscore"], "Redis 7.2: WITHSCORE"),
    **dict.fromkeys(["set: argument condition/comparison-value",
                     "bgsave: argument cancel"], "Valkey 8.1: SET IFEQ, BGSAVE CANCEL"),
    **dict.fromkeys((f"{name}: flags" for name in (
        "blpop", "brpop", "blmove", "brpoplpush", "bzpopmin", "bzpopmax")),
        "Redis 7.2: allowed in scripts"),
    "hscan: argument novalues": "Redis 7.4: HSCAN NOVALUES",
    "zscan: argument noscores": "Valkey 8.0: ZSCAN NOSCORES",
    **dict.fromkeys((f"bitcount: argument index/{argument}" for argument in (
        "end", "index_unit", "index_unit/bit", "index_unit/byte", "end_index", "end_index/end",
        "end_index/index_unit", "end_index/index_unit/bit", "end_index/index_unit/byte")),
        "Valkey 8.0: BITCOUNT key start"),
    **dict.fromkeys((f"client|list: argument {argument}" for argument in (
        "username", "addr", "laddr", "skipme", "skipme/yes", "skipme/no", "maxage")),
        "Valkey 8.1: CLIENT LIST with the filters of KILL"),
    "client|kill: argument filter/new-format/client-id": "Valkey 8.1: several ids",
    "client|kill: argument filter/new-format/maxage": "Redis 7.4: MAXAGE",
    **dict.fromkeys((f"{name}: doc_flags" for name in (
        "debug", "pfdebug", "pfselftest", "replconf", "restore-asking")), SYSCMD),
    **dict.fromkeys((f"{name}: argument {argument}" for name in ("restore", "restore-asking")
                     for argument in ("replace", "absttl", "seconds", "frequency")), SINCE),
    **dict.fromkeys((f"migrate: argument {argument}" for argument in (
        "copy", "replace", "key", "authentication/password",
        "authentication/username_password")), SINCE),
    **dict.fromkeys(["getset: replaced_by", "hmset: replaced_by"], PROSE),
}
TEXTS = {b"summary", b"complexity", b"history", b"arguments", b"subcommands"}


def as_set(items):
    return sorted(str(item) for item in items)


def key_spec(spec):
    return (as_set(spec[b"flags"]), spec[b"begin_search"], spec[b"find_keys"])


def info_of(row, into):
    """The facts of COMMAND INFO about a command and its subcommands: {name: {fact: value}}."""
    into[row[0].decode()] = {
        "arity": row[1], "flags": as_set(row[2]), "first, last, step": row[3:6],
        "categories": as_set(row[6]), "tips": row[7], "keys": [key_spec(s) for s in row[8]],
        "subcommands in COMMAND INFO": bool(row[9]),
    }
    for sub in row[9]:
        info_of(sub, into)


def arguments_of(entry, above, into):
    """Each argument with the path of names that leads to it, and which of that path it is."""
    for argument in entry.get(b"arguments", []):
        path, number = above + argument[b"name"].decode(), 1
        while f"argument {path}" in into:
            number += 1
            path = f"{above}{argument[b'name'].decode()}#{number}"
        into[f"argument {path}"] = {
            fact: as_set(value) if fact == b"flags" else value
            for fact, value in argument.items() if fact not in (b"arguments", b"summary")}
        arguments_of(argument, path + "/", into)


def docs_of(name, entry, into):
    """The same of COMMAND DOCS."""
    facts = into[name]
    for fact, value in entry.items():
        if fact not in TEXTS:
            facts[fact.decode()] = as_set(value) if fact == b"doc_flags" else value
    arguments_of(entry, "", facts)
    facts["order of arguments"] = [a[b"name"] for a in entry.get(b"arguments", [])
                                   if a.get(b"since", b"0") < b"7.1"]
    for sub, below in entry.get(b"subcommands", {}).items():
        docs_of(sub.decode(), below, into)


def facts_of(connection):
    into = {}
    for row in connection("COMMAND"):
        info_of(row, into)
    for name, entry in connection("COMMAND", "DOCS").items():
        docs_of(name.decode(), entry, into)
    return into


@pytest.fixture(scope="module")
def both(running):
    with running("kv-memory").connect(3) as ours, running("redis").connect(3) as theirs:
        yield ours, theirs


def test_every_difference_is_listed(both):
    ours, theirs = (facts_of(connection) for connection in both)
    assert len(ours) > 350
    assert set(ours) - set(theirs) == set(ONLY_OURS)
    assert set(theirs) - set(ours) == set(ONLY_THEIRS)
    found = set()
    for name in set(ours) & set(theirs):
        for fact in set(ours[name]) | set(theirs[name]):
            if ours[name].get(fact) != theirs[name].get(fact):
                found.add(f"{name}: {fact}")
    assert found == set(DIFFERENT)


def test_the_list_is_that_of_the_table(both):
    for connection in both:
        listed = {name.decode() for name in connection("COMMAND", "LIST")}
        assert listed == set(facts_of(connection))


def test_every_command_has_its_texts(both):
    ours, theirs = both
    said = {}
    for name, entry in ours("COMMAND", "DOCS").items():
        for where, facts in [(name, entry), *entry.get(b"subcommands", {}).items()]:
            for text in (b"summary", b"since", b"group"):
                assert facts[text], f"{where}: no {text}"
            said[where] = facts[b"summary"]
    # our own words
    for name, entry in theirs("COMMAND", "DOCS").items():
        if name in said:
            assert said[name] != entry[b"summary"], name


@pytest.mark.parametrize("words,keys", [
    ("GET a", "a"), ("SET a b", "a"), ("MSET a 1 b 2", "a b"), ("MGET a b c", "a b c"),
    ("LCS a b LEN", "a b"), ("COPY a b DB 1", "a b"), ("RENAME a b", "a b"), ("MOVE a 1", "a"),
    ("OBJECT ENCODING a", "a"), ("DEL a b", "a b"), ("GETEX a EX 1", "a"), ("TOUCH a b", "a b"),
    ("SINTERCARD 2 a b LIMIT 1", "a b"), ("SMOVE a b m", "a b"), ("SUNIONSTORE a b c", "a b c"),
    ("SINTER a b", "a b"), ("SADD a m n", "a"), ("SSCAN a 0", "a")])
def test_command_getkeys(both, words, keys):
    for connection in both:
        assert connection("COMMAND", "GETKEYS", *words.split()) == [
            key.encode() for key in keys.split()]


def test_commands_without_keys(both):
    for connection in both:
        assert connection("COMMAND", "GETKEYS", "ECHO", "x") == Error(
            "ERR The command has no key arguments")
