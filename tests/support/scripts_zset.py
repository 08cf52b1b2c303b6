"""Random commands of sorted sets and places, for scripts.py."""
MAX = 2 ** 63 - 1
MIN = -2 ** 63
WAITS = ["0.001", "0.002"] * 4 + ["-1", "x", "", "nan"]  # nobody comes


# Sums of few of these are exact whatever their order.
SCORES = [0, 1, 2, 3, -1, 10, 100, 1.5, -2.25, 1e6, 2 ** 40, "1e300", "inf", "-inf", "-0", "3.0"]
NO_SCORES = ["nan", "x", "", " 1", "1 ", "1e5000", "--1"]
ZMEMBERS = [b"a", b"b", b"c", b"d", b"e", b"", b"10", b"-5", b"007", b"\xff\x00", b"m" * 64,
           b"m" * 65, b"M" * 300]


def score(r):
    if r.random() < 0.02:
        return r.choice(NO_SCORES)
    return r.choice(SCORES) if r.random() < 0.7 else r.small()


def member(r):
    return r.choice(ZMEMBERS) if r.random() < 0.7 else b"member:%d" % r.randint(1, 200)


def zkey(r):
    return r.choice([b"z", b"z:2", b"z:3", r.key()])


def lex_key(r):
    """Of sets whose scores are all equal: nothing else changes them."""
    return r.choice([b"lex", b"lex:2"])


def make_zadd(r):
    pairs = [word for _ in range(r.choice([1, 1, 1, 2, 5, 60])) for word in (score(r), member(r))]
    return ["ZADD", zkey(r)] + r.shuffled([
        r.maybe(0.1, r.word("NX")), r.maybe(0.1, r.word("XX")), r.maybe(0.1, r.word("GT")),
        r.maybe(0.1, r.word("LT")), r.maybe(0.2, r.word("CH")), r.maybe(0.1, r.word("INCR"))
    ]) + pairs


def score_bound(r):
    roll = r.random()
    if roll < 0.03:
        return r.choice(["", "(", "x", "1 ", " 1", "(nan", "[1", "0x10", "1e400", b"1\x00x"])
    return r.choice(["", "("]) + str(r.choice(["-inf", "+inf"] + SCORES))


def lex_bound(r):
    roll = r.random()
    if roll < 0.03:
        return r.choice([b"", b"x", b"-x", b"++", b"a", b"-\x00x", b"(", b"["])
    if roll < 0.4:
        return r.choice([b"-", b"+"])
    return r.choice([b"(", b"["]) + member(r)


def limit_words(r):
    return [r.word("LIMIT"), r.choice([0, 1, 2, -1, r.integer()]),
            r.choice([1, 3, -1, 0, r.integer()])]


def zrange_words(r, store):
    by = r.choice(["", "BYSCORE", "BYLEX"])
    bound = {"": r.integer, "BYSCORE": lambda: score_bound(r), "BYLEX": lambda: lex_bound(r)}[by]
    key = lex_key(r) if by == "BYLEX" else zkey(r)
    options = r.shuffled([
        [r.word(by)] if by else r.maybe(0.02, r.word("BYLEX")), r.maybe(0.4, r.word("REV")),
        limit_words(r) if r.random() < (0.4 if by else 0.05) else [],
        r.maybe(0.02 if store or by == "BYLEX" else 0.4, r.word("WITHSCORES"))])
    return [key, bound(), bound()] + options


def make_zrangeby(r):
    name = r.choice(["ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX", "ZREVRANGEBYLEX"])
    if name.endswith("LEX"):
        words, key = [lex_bound(r), lex_bound(r)], lex_key(r)
    else:
        words, key = [score_bound(r), score_bound(r)], zkey(r)
    return [name, key] + words + r.shuffled([
        limit_words(r) if r.random() < 0.4 else [], r.maybe(0.3, r.word("WITHSCORES"))])


def make_zremrange(r):
    name = r.choice(["ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREMRANGEBYLEX"])
    if name.endswith("LEX"):
        return [name, lex_key(r), lex_bound(r), lex_bound(r)]
    bound = r.integer if name.endswith("RANK") else lambda: score_bound(r)
    return [name, zkey(r), bound(), bound()]


def zmpop_words(r):
    keys = [zkey(r) for _ in range(r.randint(1, 3))]
    count = len(keys) if r.random() < 0.9 else r.integer()
    return [count] + keys + [r.word(r.choice(["MIN", "MAX"]))] + r.maybe(
        0.5, r.word("COUNT"), r.choice([1, 3, r.integer()]))


def make_algebra(r):
    name = r.choice(["ZUNION", "ZINTER", "ZDIFF", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE",
                     "ZINTERCARD"])
    keys = [zkey(r) for _ in range(r.randint(1, 3))]
    count = len(keys) if r.random() < 0.95 else r.integer()
    weights = [r.word("WEIGHTS")] + [score(r) for _ in keys]
    return [name] + ([zkey(r)] if name.endswith("STORE") else []) + [count] + keys + r.shuffled([
        weights if r.random() < (0.02 if "DIFF" in name or "CARD" in name else 0.3) else [],
        r.maybe(0.02 if "DIFF" in name or "CARD" in name else 0.3, r.word("AGGREGATE"),
                r.word(r.choice(["SUM", "MIN", "MAX"]))),
        r.maybe(0.02 if name.endswith("STORE") or "CARD" in name else 0.4, r.word("WITHSCORES")),
        r.maybe(0.5 if "CARD" in name else 0.02, r.word("LIMIT"), r.choice([0, 1, r.integer()]))])


def make_zscan(r):
    return ["ZSCAN", zkey(r), r.choice([0, 0, 0, b"x", b""])] + r.shuffled([
        r.maybe(0.3, r.word("MATCH"), r.choice(r.PATTERNS)),
        r.maybe(0.3, r.word("COUNT"), r.choice([1, 100, 0, -1, b"x"]))])


def make_zrandmember(r):
    return ["ZRANDMEMBER", zkey(r)] + r.maybe(
        0.7, r.choice([0, 1, 3, -3, 500, b"x", MIN, MAX]), *r.maybe(0.5, r.word("WITHSCORES")))


SORTED_SET = [
    (10, make_zadd),
    (3, lambda r: ["ZINCRBY", zkey(r), score(r), member(r)]),
    (5, lambda r: ["ZADD", lex_key(r), 0, member(r), 0, member(r)]),
    (3, lambda r: ["ZREM", r.choice([zkey(r), lex_key(r)])] + [member(r) for _ in range(3)]),
    (1, lambda r: ["ZCARD", zkey(r)]),
    (2, lambda r: ["ZSCORE", zkey(r), member(r)]),
    (2, lambda r: ["ZMSCORE", zkey(r), member(r), member(r)]),
    (3, lambda r: [r.choice(["ZRANK", "ZREVRANK"]), zkey(r), member(r)]),
    (6, lambda r: ["ZRANGE"] + zrange_words(r, False)),
    (2, lambda r: ["ZRANGESTORE", zkey(r)] + zrange_words(r, True)),
    (2, lambda r: ["ZREVRANGE", zkey(r), r.integer(), r.integer()] + r.maybe(
        0.5, r.word("WITHSCORES"))),
    (3, make_zrangeby),
    (2, lambda r: ["ZCOUNT", zkey(r), score_bound(r), score_bound(r)]),
    (2, lambda r: ["ZLEXCOUNT", lex_key(r), lex_bound(r), lex_bound(r)]),
    (0.7, make_zremrange),
    (1, lambda r: [r.choice(["ZPOPMIN", "ZPOPMAX"]), zkey(r)] + r.maybe(
        0.5, r.choice([0, 1, 3, r.integer()]))),
    (1, lambda r: ["ZMPOP"] + zmpop_words(r)),
    (0.2, lambda r: [r.choice(["BZPOPMIN", "BZPOPMAX"]), zkey(r), zkey(r), r.choice(WAITS)]),
    (0.2, lambda r: ["BZMPOP", r.choice(WAITS)] + zmpop_words(r)),
    (1, make_zscan), (1, make_zrandmember), (5, make_algebra),
]


# --- geo ------------------------------------------------------------------------------------------

PLACES = [b"place:%d" % i for i in range(60)]


def geo_key(r):
    return r.choice([b"g", b"g:2", b"g:3"]) if r.random() < 0.93 else zkey(r)


def point(r):
    roll = r.random()
    if roll < 0.02:
        return [r.choice([181, -181, "nan", "x", "inf"]), r.choice([0, 86, "x"])]
    if roll < 0.1:
        return [r.choice([180, -180, 179.9999, 0]), r.choice([85.05112878, -85.05112878, 0, 84.9])]
    if roll < 0.5:
        return [round(r.uniform(13, 15), 6), round(r.uniform(37, 39), 6)]
    return [r.uniform(-180, 180), r.uniform(-85, 85)]


def make_geoadd(r):
    places = [word for _ in range(r.choice([1, 1, 3, 40])) for word in point(r) + [
        r.choice(PLACES)]]
    return ["GEOADD", geo_key(r)] + r.shuffled([
        r.maybe(0.05, r.word("NX")), r.maybe(0.05, r.word("XX")), r.maybe(0.1, r.word("CH"))
    ]) + places


def unit(r):
    return r.word(r.choice(["M", "KM", "FT", "MI"])) if r.random() < 0.98 else b"x"


def extent(r):
    return r.choice([0, 1, 10, 100, 150.5, 1000, 5000, 20000, 1e6, r.uniform(0, 500),
                     r.uniform(0, 10000)]) if r.random() < 0.97 else r.choice([-1, "x", "nan"])


def shows(r):
    return r.shuffled([
        r.maybe(0.3, r.word(word)) for word in ("WITHDIST", "WITHCOORD", "WITHHASH")])


def which_found(r):
    return r.shuffled([
        r.maybe(0.4, r.word(r.choice(["ASC", "DESC"]))),
        r.maybe(0.3, r.word("COUNT"), r.choice([1, 5, 100, 0, -1, b"x"]),
                *r.maybe(0.3, r.word("ANY")))])


def make_geosearch(r):
    store = r.random() < 0.3
    centre = ["FROMMEMBER", r.choice(PLACES)] if r.random() < 0.4 else ["FROMLONLAT"] + point(r)
    shape = ["BYRADIUS", extent(r), unit(r)] if r.random() < 0.5 else [
        "BYBOX", extent(r), extent(r), unit(r)]
    head = ["GEOSEARCHSTORE", geo_key(r)] if store else ["GEOSEARCH"]
    return head + [geo_key(r)] + r.shuffled([
        centre if r.random() < 0.98 else [], shape if r.random() < 0.98 else [], which_found(r),
        r.maybe(0.4 if store else 0.02, r.word("STOREDIST")),
        shows(r) if not store or r.random() < 0.05 else []])


def make_georadius(r):
    name = r.choice(["GEORADIUS", "GEORADIUSBYMEMBER"])
    centre = point(r) if name == "GEORADIUS" else [r.choice(PLACES)]
    name += r.choice(["", "_RO"])
    store = not name.endswith("_RO") and r.random() < 0.3
    return [name, geo_key(r)] + centre + [extent(r), unit(r)] + r.shuffled([
        which_found(r), shows(r) if not store or r.random() < 0.05 else [],
        r.maybe(1.0 if store else 0.02, r.word(r.choice(["STORE", "STOREDIST"])), geo_key(r))])


GEO = [
    (5, make_geoadd), (6, make_geosearch), (4, make_georadius),
    (1, lambda r: ["GEOPOS", geo_key(r)] + r.choices(PLACES, k=3)),
    (1, lambda r: ["GEOHASH", geo_key(r)] + r.choices(PLACES, k=3)),
    (2, lambda r: ["GEODIST", geo_key(r)] + r.choices(PLACES, k=2) + r.maybe(0.5, unit(r))),
    (1, lambda r: ["ZREM", geo_key(r)] + r.choices(PLACES, k=5)),
    (0.5, lambda r: ["DEL", geo_key(r)]),
]
