"""Random commands of the group set, for scripts.py. `r` is its Chance."""
MAX = 2 ** 63 - 1
MIN = -2 ** 63

SET_KEYS = [b"s:1", b"s:2", b"s:3", b"s:4"]
MEMBERS = [b"%d" % n for n in range(-3, 12)] + [
    b"a", b"b", b"c", b"007", b"-0", b"", b"1.5", b"m" * 64, b"m" * 65, b"m" * 300, b"\x00\xff",
    b"32768", b"2147483648", str(MAX).encode(), str(MIN).encode(), str(MAX + 1).encode()]


def set_key(r):
    return r.choice(SET_KEYS) if r.random() < 0.85 else r.key()


def set_keys(r, most=4):
    return [set_key(r) for _ in range(r.randint(1, most))]


def members(r, most=5):
    """Some of the pool; sometimes as many as one of the encodings holds."""
    roll = r.random()
    if roll < 0.04:
        start = r.randint(0, 300)
        return [b"%d" % n for n in range(start, start + r.choice([100, 200, 300]))]
    if roll < 0.08:
        return [b"member:%d" % r.randint(0, 200) for _ in range(r.choice([20, 70, 130]))]
    return r.choices(MEMBERS, k=r.randint(1, most))


def make_sintercard(r):
    keys = set_keys(r)
    count = r.choice([0, -1, b"x", 5, MAX]) if r.random() < 0.1 else len(keys)
    return ["SINTERCARD", count] + keys + r.maybe(0.4, r.word("LIMIT"), r.integer())


def make_sscan(r):
    return ["SSCAN", set_key(r), r.choice([0, 0, 0, 1, b"x", b""])] + r.shuffled([
        r.maybe(0.3, r.word("MATCH"), r.choice(r.PATTERNS)),
        r.maybe(0.3, r.word("COUNT"), r.choice([1, 5, 100, 0, -1, b"x"]))])


# What SPOP takes by chance would make the servers differ: it takes all or nothing.
SETS = [
    (8, lambda r: ["SADD", set_key(r)] + members(r)),
    (4, lambda r: ["SREM", set_key(r)] + members(r)),
    (2, lambda r: ["SMOVE", set_key(r), set_key(r), r.choice(MEMBERS)]),
    (1, lambda r: ["SCARD", set_key(r)]),
    (1, lambda r: ["SISMEMBER", set_key(r), r.choice(MEMBERS)]),
    (1, lambda r: ["SMISMEMBER", set_key(r)] + members(r)),
    (2, lambda r: ["SMEMBERS", set_key(r)]),
    (3, lambda r: [r.choice(["SINTER", "SUNION", "SDIFF"])] + set_keys(r)),
    (4, lambda r: [r.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), set_key(r)] +
     set_keys(r)),
    (2, make_sintercard), (1, make_sscan),
    (1, lambda r: ["SRANDMEMBER", set_key(r)] + r.maybe(
        0.8, r.choice([0, 1, 3, -3, 10, -50, 1000, MAX, MIN, b"x"]))),
    (0.5, lambda r: ["SPOP", set_key(r), r.choice([0, 100000, 100000, MAX, -1, MIN, b"x"])]),
    (1, lambda r: ["OBJECT", "ENCODING", set_key(r)]),
]
