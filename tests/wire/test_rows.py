"""What COMMAND INFO and COMMAND DOCS say of each command is what redis-server says, for all
commands that both know: client libraries and proxies build on it. Texts are our own."""
import pytest

from harness import Error

# What is of a version later than the reference's: name and reason.
NEW = {
    "waitaof": "since 7.2",
    "delifeq": "of Valkey 9",
    "zrank": "WITHSCORE is of 7.2",
    "zrevrank": "WITHSCORE is of 7.2",
    "client|capa": "Valkey 8.0",
    "client|import-source": "Valkey 8.1",
    "client|no-touch": "since 7.2",
    "script|show": "of Valkey 8",
    "client|setinfo": "since 7.2",
    **dict.fromkeys("hexpire hpexpire hexpireat hpexpireat hpersist httl hpttl hexpiretime "
                    "hpexpiretime".split(), "since 7.4"),
    **dict.fromkeys("hgetdel hgetex hsetex".split(), "since 8.0"),
}
TEXTS = {b"summary", b"complexity", b"history", b"replaced_by", b"arguments", b"subcommands"}
# `since` of an argument is not kept in the rows
ARGUMENT_FACTS = (b"name", b"type", b"token", b"key_spec_index")


def as_set(items):
    return sorted(str(item) for item in items)


def key_spec(spec):
    return (as_set(spec[b"flags"]), spec[b"begin_search"], spec[b"find_keys"])


def info(row):
    """The facts of one command, and those of its subcommands by name."""
    facts = {
        "arity": row[1], "flags": as_set(row[2]), "first, last, step": row[3:6],
        "categories": as_set(row[6]), "tips": row[7], "keys": [key_spec(s) for s in row[8]],
    }
    return facts, {sub[0].decode(): info(sub) for sub in row[9]}


def argument(entry):
    facts = {name.decode(): entry.get(name) for name in ARGUMENT_FACTS}
    facts["flags"] = as_set(entry.get(b"flags", []))
    facts["arguments"] = arguments(entry)
    return facts


def arguments(entry):
    """Without those of a version later than the reference's."""
    return [argument(child) for child in entry.get(b"arguments", [])
            if child.get(b"since", b"0") < b"7.1"]


def docs(entry):
    facts = {name.decode(): value for name, value in entry.items() if name not in TEXTS}
    if "doc_flags" in facts:
        facts["doc_flags"] = as_set(facts["doc_flags"])
    facts["arguments"] = arguments(entry)
    return facts, {name.decode(): docs(sub) for name, sub in entry.get(b"subcommands", {}).items()}


def compare(name, ours, theirs):
    facts, subcommands = ours
    their_facts, their_subcommands = theirs
    for fact, value in facts.items():
        assert value == their_facts.get(fact), f"{name}: {fact}"
    for sub, ours_below in subcommands.items():
        if sub not in NEW:
            compare(sub, ours_below, their_subcommands[sub])


@pytest.fixture(scope="module")
def both(running):
    with running("kv-memory").connect(3) as ours, running("redis").connect(3) as theirs:
        yield ours, theirs


def names(ours):
    found = [name.decode() for name in ours("COMMAND", "LIST")]
    assert len(found) > 50
    return sorted(set(found) - set(NEW))


def test_command_info(both):
    ours, theirs = both
    for name in names(ours):
        row = theirs("COMMAND", "INFO", name)[0]
        assert row is not None, f"{name} is not redis'"
        compare(name, info(ours("COMMAND", "INFO", name)[0]), info(row))


def test_command_docs(both):
    ours, theirs = both
    for name in names(ours):
        compare(name, docs(ours("COMMAND", "DOCS", name)[name.encode()]),
                docs(theirs("COMMAND", "DOCS", name)[name.encode()]))


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
