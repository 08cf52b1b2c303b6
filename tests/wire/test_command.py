"""COMMAND: the forms of its replies. That they say of each command what redis-server says is
tested in test_rows.py."""
import pytest
import redis

from harness import SYNTAX, Error, Set, Status, wrong_arity

def pairs(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def test_types_of_the_reply(c):
    kind = Set if c.resp == 3 else list
    [entry] = c("COMMAND", "INFO", "GET")
    assert [type(part) for part in entry] == [bytes, int, kind, int, int, int, kind, kind, kind,
                                              kind]
    assert all(isinstance(flag, Status) for flag in entry[2])
    assert isinstance(c("COMMAND", "DOCS", "GET"), dict if c.resp == 3 else list)


def test_info_of_some(c):
    reply = c("COMMAND", "INFO", "get", "nosuch", "CLIENT|LIST", "client|nosuch")
    assert [entry and entry[0] for entry in reply] == [b"get", None, b"client|list", None]
    assert len(c("COMMAND", "INFO")) == c("COMMAND", "COUNT") == len(c("COMMAND"))


def test_docs_of_some(c):
    assert list(pairs(c("COMMAND", "DOCS", "GET", "nosuch", "config|set"))) == [
        b"get", b"config|set"]
    assert pairs(c("COMMAND", "DOCS", "nosuch")) == {}
    assert len(pairs(c("COMMAND", "DOCS"))) == c("COMMAND", "COUNT")


def test_list(c):
    everything = c("COMMAND", "LIST")
    assert b"get" in everything and b"client|list" in everything
    assert len(everything) > c("COMMAND", "COUNT")
    assert sorted(c("COMMAND", "LIST", "FILTERBY", "PATTERN", "Config|*")) == [
        b"config|get", b"config|help", b"config|resetstat", b"config|rewrite", b"config|set"]
    fast = c("COMMAND", "LIST", "FILTERBY", "ACLCAT", "FAST")
    assert b"get" in fast and b"keys" not in fast
    assert c("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == []
    assert c("COMMAND", "LIST", "FILTERBY", "MODULE", "nosuch") == []
    for words in [("x",), ("FILTERBY", "PATTERN"), ("FILTERBY", "FOO", "x"),
                  ("FILTERBY", "PATTERN", "a", "b")]:
        assert c("COMMAND", "LIST", *words) == SYNTAX


def test_getkeys(c):
    for words, keys in [
            (("MGET", "a", "b"), [b"a", b"b"]),
            (("MSET", "a", "1", "b", "2"), [b"a", b"b"]),
            (("SET", "a", "b", "EX", "5"), [b"a"]),
            (("OBJECT", "FREQ", "x"), [b"x"]),
            (("EVAL", "", "0"), []), (("EVAL", "", "5", "a"), []), (("FCALL", "f", "0"), []),
            (("COPY", "a", "b"), [b"a", b"b"])]:
        assert c("COMMAND", "GETKEYS", *words) == keys
    for words, error in [
            (("PING", "a"), "ERR The command has no key arguments"),
            (("SPUBLISH", "a", "b"), "ERR The command has no key arguments"),
            (("ZUNION", "0", "a"), "ERR Invalid arguments specified for command"),
            (("XREAD", "COUNT", "1", "a", "STREAMS"),
             "ERR Invalid arguments specified for command"),
            (("XREADGROUP", "GROUP", "g", "c", "a", "b", "c"),
             "ERR Invalid arguments specified for command"),
            (("CONFIG", "GET", "a"), "ERR The command has no key arguments"),
            (("nosuch", "a"), "ERR Invalid command specified"),
            (("CONFIG", "nosuch", "a"), "ERR Invalid command specified"),
            (("SET", "a"), "ERR Invalid number of arguments specified for command")]:
        assert c("COMMAND", "GETKEYS", *words) == Error(error)
    assert c("COMMAND", "GETKEYS", "GET") == wrong_arity("command|getkeys")


@pytest.mark.parametrize("words", ["EVAL x 0", "EVAL x 0 a", "EVALSHA x -1", "FCALL x 2 a",
                                   "EVAL_RO x y"])
def test_getkeys_of_a_script_without_keys(c, words):
    assert c("COMMAND", "GETKEYS", *words.split()) == []


def test_getkeysandflags(c):
    assert c("COMMAND", "GETKEYSANDFLAGS", "COPY", "a", "b") == [
        [b"a", [Status("RO"), Status("access")]], [b"b", [Status("OW"), Status("update")]]]


def test_what_it_does_not_know(c):
    assert c("COMMAND", "FOO") == Error("ERR unknown subcommand 'FOO'. Try COMMAND HELP.")
    assert c("COMMAND", "COUNT", "x") == wrong_arity("command|count")
    assert all(isinstance(line, Status) for line in c("COMMAND", "HELP"))


def test_redis_py_parses_it(server, c):
    with redis.Redis(port=server.port) as client:
        assert client.command_count() == len(client.command())
        assert client.command_getkeys("MGET", "a", "b") == ["a", "b"]
    del c
