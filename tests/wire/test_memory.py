"""MEMORY: the figures, by the names that redis-server has for them."""
from harness import OK, Error, wrong_arity


def pairs(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def text(reply):
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def fill(c):
    c("SELECT", 0)
    c.pipeline([("SET", f"k{i}", "x" * 100) for i in range(1000)])
    c("SELECT", 3)
    c("SET", "a", "b", "EX", 1000)
    return pairs(c("MEMORY", "STATS"))


def test_stats(c):
    stats = fill(c)
    assert stats[b"keys.count"] == 1001
    assert pairs(stats[b"db.0"])[b"overhead.hashtable.main"] > 1000
    assert pairs(stats[b"db.0"])[b"overhead.hashtable.expires"] == 0
    assert pairs(stats[b"db.3"])[b"overhead.hashtable.expires"] > 0
    assert b"db.1" not in stats
    assert stats[b"peak.allocated"] >= stats[b"total.allocated"] > stats[b"startup.allocated"] > 0
    assert stats[b"total.allocated"] == stats[b"overhead.total"] + stats[b"dataset.bytes"]
    assert 0 < float(stats[b"peak.percentage"]) <= 100
    assert isinstance(stats[b"fragmentation"], float if c.resp == 3 else bytes)


def test_the_figures_are_those_of_redis(kv, reference):
    ours, theirs = fill(kv), fill(reference)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert type(ours[name]) is type(value), name
        if isinstance(value, list):
            assert ours[name][::2] == value[::2]


def test_scripts_are_in_the_figures(c):
    assert c("SCRIPT", "FLUSH") == OK
    none = pairs(c("MEMORY", "STATS"))[b"lua.caches"]
    c("SCRIPT", "LOAD", "return " + "1" * 100)
    assert pairs(c("MEMORY", "STATS"))[b"lua.caches"] > none + 100


def test_usage(c):
    c("SET", "a", "x" * 1000)
    assert 1000 < c("MEMORY", "USAGE", "a") < 1500
    assert c("MEMORY", "USAGE", "nosuch") is None


def test_texts(c):
    assert len(text(c("MEMORY", "DOCTOR"))) > 20
    assert "jemalloc" in text(c("MEMORY", "MALLOC-STATS")) or \
        "not supported" in text(c("MEMORY", "MALLOC-STATS"))
    assert c("MEMORY", "PURGE") == OK
    assert isinstance(c("MEMORY", "HELP"), list)


def test_bad(c):
    assert c("MEMORY") == wrong_arity("memory")
    assert c("MEMORY", "FOO") == Error("ERR unknown subcommand 'FOO'. Try MEMORY HELP.")
    for name in ("STATS", "DOCTOR", "PURGE", "MALLOC-STATS"):
        assert c("MEMORY", name, "x") == wrong_arity(f"memory|{name.lower()}")
