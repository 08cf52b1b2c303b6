"""SCAN and its guarantee, KEYS, RANDOMKEY."""
import random

import pytest

from harness import NOT_INTEGER, OK, SYNTAX, Error

BAD_CURSOR = Error("ERR invalid cursor")


def fill(c, count, prefix="key"):
    keys = [f"{prefix}:{i}".encode() for i in range(count)]
    for i in range(0, count, 1000):
        assert c("MSET", *[word for key in keys[i:i + 1000] for word in (key, "v")]) == OK
    return set(keys)


def scan_all(c, *options, each=None):
    """All that a full iteration returns, in order; `each` is called between the calls."""
    found, cursor, calls = [], b"0", 0
    while True:
        cursor, keys = c("SCAN", cursor, *options)
        found += keys
        calls += 1
        assert calls < 1000000
        if cursor == b"0":
            return found
        if each:
            each()


def test_scan_of_nothing(c):
    assert c("SCAN", "0") == [b"0", []]
    assert c("SCAN", "0", "COUNT", "1000000000") == [b"0", []]


@pytest.mark.parametrize("count", [1, 7, 100, 3000])
@pytest.mark.parametrize("options", [(), ("COUNT", "1"), ("COUNT", "500"),
                                     ("COUNT", "9223372036854775807")])
def test_scan_finds_every_key_once(c, count, options):
    keys = fill(c, count)
    found = scan_all(c, *options)
    assert len(found) == count
    assert set(found) == keys


def test_scan_returns_about_as_many_as_asked(c):
    fill(c, 5000)
    _, keys = c("SCAN", "0")
    assert 1 <= len(keys) <= 100
    _, keys = c("SCAN", "0", "COUNT", "1000")
    assert 1000 <= len(keys) <= 1100


def test_scan_match(c):
    keys = fill(c, 1000)
    found = scan_all(c, "MATCH", "key:*7")
    assert sorted(found) == sorted(key for key in keys if key.endswith(b"7"))
    assert scan_all(c, "MATCH", "key:77") == [b"key:77"]
    assert scan_all(c, "MATCH", "none*") == []
    assert set(scan_all(c, "MATCH", "*", "COUNT", "100")) == keys
    assert scan_all(c, "match", "x", "MATCH", "key:5") == [b"key:5"]
    assert scan_all(c, "MATCH", "") == []


def test_scan_type(c):
    keys = fill(c, 300)
    assert set(scan_all(c, "TYPE", "string")) == keys
    assert set(scan_all(c, "type", "STRING", "COUNT", "50")) == keys
    assert scan_all(c, "TYPE", "list") == []
    assert scan_all(c, "TYPE", "nonsense") == []


@pytest.mark.parametrize("step", ["grow", "shrink", "churn"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scan_misses_nothing_that_stays(c, step, seed):
    """The guarantee: what is there from the first call to the last is returned, whatever happens
    to the table in between."""
    stays = fill(c, 500, "stays")
    goes = list(fill(c, 20000 if step == "shrink" else 200, "goes"))
    chance = random.Random(seed)
    chance.shuffle(goes)
    made = 0

    def change():
        nonlocal made
        commands = []
        if step in ("grow", "churn") and made < 20000:
            commands += [("SET", f"new:{made + i}", "v") for i in range(300)]
            made += 300
        if step in ("shrink", "churn") and goes:
            commands.append(("DEL", *goes[:600]))
            del goes[:600]
        if step == "churn" and made > 3000:
            commands.append(("DEL", *[f"new:{made - 3000 + i}" for i in range(600)]))
        c.pipeline(commands)

    found = scan_all(c, "COUNT", "20", each=change)
    assert stays <= set(found)


@pytest.mark.parametrize("cursor", ["1", "17", "18446744073709551615", "123456789012345678",
                                    "4294967296", "9223372036854775808", "007", "", "+5", "-1"])
def test_a_cursor_from_nowhere_does_no_harm(c, cursor):
    keys = fill(c, 100)
    for _ in range(1000):
        cursor, found = c("SCAN", cursor)
        assert set(found) <= keys
        if cursor == b"0":
            break
    assert cursor == b"0"


@pytest.mark.parametrize("cursor", ["x", "1x", " 1", "1 ", "18446744073709551616", "0x10", "1.0",
                                    "-", "\n1"])
def test_what_is_no_cursor(c, cursor):
    assert c("SCAN", cursor) == BAD_CURSOR
    assert c("SCAN", cursor, "FOO", "1") == BAD_CURSOR


@pytest.mark.parametrize("options,error", [
    (("COUNT",), SYNTAX), (("MATCH",), SYNTAX), (("TYPE",), SYNTAX), (("FOO", "1"), SYNTAX),
    (("COUNT", "0"), SYNTAX), (("COUNT", "-1"), SYNTAX), (("COUNT", "x"), NOT_INTEGER),
    (("COUNT", "1", "MATCH"), SYNTAX), (("COUNT", "1.5"), NOT_INTEGER),
    (("MATCH", "a", "b"), SYNTAX)])
def test_scan_options_that_do_not_fit(c, options, error):
    assert c("SCAN", "0", *options) == error


@pytest.mark.parametrize("pattern,matches", [
    ("*", "one two three four a*b a?b a[b a\\b ab"), ("t*", "two three"), ("t?o", "two"),
    ("*o*", "one two four"), ("[ot]*", "one two three"), ("[^ot]*", "four a*b a?b a[b a\\b ab"),
    ("[a-o]*", "one four a*b a?b a[b a\\b ab"), ("[o-a]*", "one four a*b a?b a[b a\\b ab"),
    ("a\\*b", "a*b"), ("a\\?b", "a?b"), ("a\\[b", "a[b"), ("a\\\\b", "a\\b"), ("a[*]b", "a*b"),
    ("one", "one"), ("none", ""), ("", ""), ("a?b", "a*b a?b a[b a\\b"), ("**", None),
    ("*\\", ""), ("[", ""), ("[a", None), ("a[", ""), ("[]", ""), ("[^]*", None),
    ("????", "four"), ("o[n-]e", None), ("\\o\\n\\e", "one"), ("ONE", "")])
def test_keys_patterns(c, reference, pattern, matches):
    """What `matches` says, and in any case what the reference finds."""
    names = "one two three four a*b a?b a[b a\\b ab".split()
    for connection in (c, reference):
        assert connection("MSET", *[word for name in names for word in (name, "v")]) == OK
    found = sorted(c("KEYS", pattern))
    assert found == sorted(reference("KEYS", pattern))
    if matches is not None:
        assert found == sorted(name.encode() for name in matches.split())
    assert sorted(scan_all(c, "MATCH", pattern)) == found


def test_keys_of_one_database(c):
    assert c("SET", "zero", "v") == OK
    assert c("SELECT", "3") == OK
    assert c("SET", "three", "v") == OK
    assert c("KEYS", "*") == [b"three"]
    assert scan_all(c) == [b"three"]
    assert c("RANDOMKEY") == b"three"


def test_randomkey(c):
    assert c("RANDOMKEY") is None
    keys = fill(c, 10)
    seen = set(c.pipeline([("RANDOMKEY",)] * 500))
    assert seen == keys


def test_randomkey_passes_over_expired_keys(c):
    c.pipeline([("SET", f"gone:{i}", "v", "PXAT", "1") for i in range(50)])
    assert c("SET", "key", "v") == OK
    assert c("RANDOMKEY") == b"key"
