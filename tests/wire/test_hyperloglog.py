"""PFADD, PFCOUNT, PFMERGE: the same numbers and the same bytes as redis-server's."""
import random
import time

from harness import OK, WRONG_TYPE, Error, wrong_arity

NONE = Error("WRONGTYPE Key is not a valid HyperLogLog string value.")
DAMAGED = Error("INVALIDOBJ Corrupted HLL object detected")


def add(c, key, elements):
    for at in range(0, len(elements), 1000):
        c("PFADD", key, *elements[at:at + 1000])


def test_adding(c):
    assert c("PFADD", "h") == 1
    assert c("PFADD", "h") == 0
    assert c("PFCOUNT", "h") == 0
    assert c("PFADD", "h", "a", "b", "c") == 1
    assert c("PFADD", "h", "a", "b") == 0
    assert c("PFCOUNT", "h") == 3
    assert c("PFCOUNT", "nosuch") == 0
    assert c("PFCOUNT", "nosuch", "h") == 3
    assert c("PFADD") == wrong_arity("pfadd")


def test_the_bytes_are_those_of_redis(kv, reference):
    """Step by step from sparse to dense, the cached estimate included."""
    chance = random.Random(3)
    for step in range(300):
        elements = [chance.randrange(10 ** 9) for _ in range(chance.choice([1, 3, 20]))]
        replies = [c("PFADD", "h", *elements) for c in (kv, reference)]
        assert replies[0] == replies[1]
        if step % 10 == 0:
            assert kv("PFCOUNT", "h") == reference("PFCOUNT", "h")
        assert kv("GET", "h") == reference("GET", "h")
    assert len(kv("GET", "h")) == 12304


def test_estimates_are_those_of_redis(kv, reference):
    for count in (1, 10, 500, 5000, 50000):
        elements = [f"element-{count}-{i}" for i in range(count)]
        for c in (kv, reference):
            add(c, f"h{count}", elements)
        assert kv("PFCOUNT", f"h{count}") == reference("PFCOUNT", f"h{count}")
        assert abs(kv("PFCOUNT", f"h{count}") - count) <= 0.04 * count
    keys = ["h1", "h10", "h500", "h5000", "h50000"]
    assert kv("PFCOUNT", *keys) == reference("PFCOUNT", *keys)
    for c in (kv, reference):
        assert c("PFMERGE", "sum", *keys) == OK
    assert kv("GET", "sum") == reference("GET", "sum")
    assert kv("PFCOUNT", "sum") == reference("PFCOUNT", "sum")


def test_values_are_interchangeable(kv, reference):
    for count in (0, 5, 200, 20000):
        add(kv, f"h{count}", list(range(count)) or [])
        if count == 0:
            kv("PFADD", "h0")
        reference("SET", "h", kv("GET", f"h{count}"))
        assert reference("PFCOUNT", "h") == kv("PFCOUNT", f"h{count}")
        reference("PFADD", "h", "one more")
        kv("SET", "back", reference("GET", "h"))
        assert kv("PFCOUNT", "back") == reference("PFCOUNT", "h")


def test_merging(c):
    add(c, "a", list(range(100)))
    add(c, "b", list(range(50, 150)))
    assert c("PFMERGE", "a", "b", "nosuch") == OK
    assert c("PFCOUNT", "a") in range(145, 156)
    assert c("PFMERGE", "new") == OK
    assert c("PFCOUNT", "new") == 0
    add(c, "dense", list(range(20000)))
    assert c("PFMERGE", "new", "a", "dense") == OK
    assert len(c("GET", "new")) == 12304


def test_a_deadline_is_kept(c):
    c("PFADD", "h", "a")
    c("EXPIRE", "h", 1000)
    c("PFADD", "h", "b")
    c("PFMERGE", "h", "nosuch")
    assert c("PFCOUNT", "h") == 2
    assert c("TTL", "h") > 900


def test_what_is_none(c):
    for text in (b"", b"text", b"123", b"HYLL", b"HYLL\x01" + b"_" * 10, b"HYLL\x00" + bytes(100),
                 b"HYLL\x05" + bytes(100)):
        c("SET", "k", text)
        for words in [("PFADD", "k", "a"), ("PFCOUNT", "k"), ("PFCOUNT", "k", "k"),
                      ("PFMERGE", "k"), ("PFMERGE", "new", "k")]:
            assert c(*words) == NONE, (text, words)
    assert c("EXISTS", "new") == 0
    if not isinstance(c("RPUSH", "l", "x"), Error):
        for words in [("PFADD", "l", "a"), ("PFCOUNT", "l"), ("PFMERGE", "l"),
                      ("PFMERGE", "new", "l")]:
            assert c(*words) == WRONG_TYPE


def test_damage(c):
    """The sparse part stands for too few registers."""
    c("SET", "k", b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80" + b"\x10\x20")
    assert c("PFCOUNT", "k") == DAMAGED
    assert c("PFCOUNT", "k", "k") == DAMAGED
    assert c("PFMERGE", "k") == DAMAGED
    assert c("PFADD", "k", "x", "y", "z", "0", "1", "2") == DAMAGED


def test_debugging(c):
    c("PFADD", "h", "a", "b")
    assert str(c("PFDEBUG", "ENCODING", "h")) == "sparse"
    registers = c("PFDEBUG", "GETREG", "h")
    assert len(registers) == 16384 and sum(rank > 0 for rank in registers) == 2
    assert str(c("PFDEBUG", "ENCODING", "h")) == "dense"
    assert c("PFDEBUG", "TODENSE", "h") == 0
    assert c("PFDEBUG", "DECODE", "h") == Error("ERR HLL encoding is not sparse")
    assert c("PFDEBUG", "ENCODING", "nosuch") == Error("ERR The specified key does not exist")
    assert c("PFSELFTEST") == OK


def test_it_is_in_the_log(start):
    """The bytes are the same again, what PFCOUNT keeps included."""
    server = start("kv")
    with server.connect() as c:
        add(c, "dense", list(range(5000)))
        add(c, "sparse", list(range(50)))
        c("PFADD", "counted", "a", "b")
        assert c("PFCOUNT", "counted") == 2
        c("PFMERGE", "sum", "sparse", "counted")
        before = c("MGET", "dense", "sparse", "counted", "sum")
    server.kill()
    server.start()
    with server.connect() as c:
        assert c("MGET", "dense", "sparse", "counted", "sum") == before


def test_counting_waits_in_a_pause_of_writes(c):
    """It may change the estimate that is kept with the value."""
    c("PFADD", "h", "a", "b")
    started = time.monotonic()
    c("CLIENT", "PAUSE", 200, "WRITE")
    assert c("PFCOUNT", "h") == 2
    assert time.monotonic() - started >= 0.15
