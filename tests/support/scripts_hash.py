"""Random commands on hashes, for scripts.py."""

MAX = 2 ** 63 - 1
MIN = -2 ** 63
FLOATS = [0, 1, -3, "0.1", "1.5", "-3.25", "1e3", "3.0", "1e-10", "0x10", "123456.789", "inf",
          "nan", "x", "", "1e5000"]
FIELDS = [b"", b"f", b"g", b"1", b"n", b"2", b"F" * 64, b"F" * 65, b"\x00\r\n"]


def hash_key(r):
    return r.choice([b"h:1", b"h:2", b"h:3"]) if r.random() < 0.8 else r.key()


def field(r):
    return r.choice(FIELDS) if r.random() < 0.7 else b"field:%d" % r.randrange(900)


def field_texts(r, most=6):
    return [word for _ in range(r.randint(1, most)) for word in (
        field(r), r.text() if r.random() < 0.2 else r.choice([b"", b"v", b"5", b"-7", b"1.5"]))]


def make_hset(r):
    if r.random() < 0.03:  # over the limit of a listpack, or close to it
        low = r.randrange(500)
        return ["HSET", hash_key(r)] + [
            word for i in range(low, low + r.choice([300, 500]))
            for word in (b"field:%d" % i, b"%d" % i)]
    return [r.choice(["HSET", "HSET", "HMSET"]), hash_key(r)] + field_texts(r) + r.maybe(0.05, "x")


def make_hscan(r):
    return ["HSCAN", hash_key(r), r.choice([0, 0, 0, 0, 5, b"x", b""])] + r.shuffled([
        r.maybe(0.3, r.word("MATCH"), r.choice([b"*", b"f*", b"field:?", b"[fg]", b"none"])),
        r.maybe(0.3, r.word("COUNT"), r.choice([1, 5, 100, 10000, 0, -1, b"x"]))])


def make_hrandfield(r):
    return ["HRANDFIELD", hash_key(r)] + r.maybe(
        0.8, r.choice([0, 1, -1, 3, -5, 100, -100, 1000, b"x", MAX, MIN]),
        *r.maybe(0.5, r.word("WITHVALUES")))


HASH = [
    (8, make_hset), (1, make_hscan), (1, make_hrandfield),
    (2, lambda r: ["HSETNX", hash_key(r), field(r), r.text()]),
    (4, lambda r: ["HDEL", hash_key(r)] + [field(r) for _ in range(r.randint(1, 5))]),
    (0.3, lambda r: ["HDEL", hash_key(r)] + [b"field:%d" % i for i in range(900)]),
    (2, lambda r: ["HINCRBY", hash_key(r), field(r), r.integer()]),
    (2, lambda r: ["HINCRBYFLOAT", hash_key(r), field(r), r.choice(FLOATS)]),
    (2, lambda r: ["HMGET", hash_key(r)] + [field(r) for _ in range(r.randint(1, 5))]),
    (4, lambda r: [r.choice(["HGET", "HEXISTS", "HSTRLEN"]), hash_key(r), field(r)]),
    (3, lambda r: [r.choice(["HLEN", "HGETALL", "HKEYS", "HVALS"]), hash_key(r)]),
    (1, lambda r: [r.choice(["DEL", "TYPE", "GET"]), hash_key(r)]),
    (1, lambda r: [r.choice(["COPY", "RENAME"]), hash_key(r), hash_key(r)]),
    (1, lambda r: ["OBJECT", "ENCODING", hash_key(r)]),
]
