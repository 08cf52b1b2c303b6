"""Random scripts of commands, the same for the same seed.

Each function in GENERATORS makes one command from a Chance; a new group of commands adds its own.
Everything is drawn from small pools, so that commands meet each other's keys; numbers come from
the edges of their ranges; options are sometimes doubled, dropped or nonsense, since errors must be
the same, too. Deadlines are far from now in both directions: nothing expires by itself while a
script runs.
"""
import random

from scripts_hash import HASH
from scripts_list import LIST, timeout
from scripts_set import SETS
from scripts_stream import STREAM
from scripts_values import BITMAP, CARRIED, HYPERLOGLOG, SORT


from scripts_zset import GEO, SORTED_SET

MAX = 2 ** 63 - 1
MIN = -2 ** 63
DATABASES = 3
FAR_SECONDS = [33177117420, 33177117421, 40000000000, 99999999999]
FAR_MS = [33177117420000, 33177117420499, 33177117420500, 33177117421000, MAX]


class Chance(random.Random):
    """Random choices that commands are made of."""

    KEYS = [b"a", b"b", b"c", b"d", b"number", b"", b"k\x00\r\nk", b"\xff\xfe", b"K" * 300,
            b"k:1", b"k:2", b"k:3", b"k:4", b"k:5"]
    TEXTS = [b"", b"x", b"text", b"1", b"0", b"-1", b"10", b"007", b"-0", b"+1", b" 1", b"1 ",
             b"1.5", b"3.0e3", b"-2.75", b"1e-5", b"inf", b"nan", b"0x10", b"99999999999",
             str(MAX).encode(), str(MIN).encode(), str(MAX + 1).encode(), b"\r\n", b"\x00\x01",
             b"y" * 44, b"y" * 45, b"abcdefghij" * 30, b"z" * 5000, bytes(range(256))]
    INTEGERS = [0, 1, -1, 2, 3, 5, 10, -10, 100, 255, 256, 1000, -1000, 65536, 2 ** 31, -2 ** 31,
                2 ** 32, 2 ** 53, MAX, MIN, MAX - 1]
    NO_INTEGERS = [b"", b"x", b"1.5", b" 1", b"1 ", b"01", b"+1", b"-", str(MAX + 1).encode(),
                   str(MIN - 1).encode(), b"1e3", b"0x1"]
    PATTERNS = [b"*", b"k:*", b"?", b"[a-c]", b"[^a]*", b"k:[1-3]", b"none", b"a", b"*\\*", b"",
                b"[", b"\\a", b"k*[", b"*:*", b"**"]

    def key(self):
        return self.choice(self.KEYS)

    def keys(self, most=4):
        return [self.key() for _ in range(self.randint(1, most))]

    def text(self):
        if self.random() < 0.2:
            return bytes(self.choices(b"abc01\x00", k=self.randint(0, 80)))
        return self.choice(self.TEXTS)

    def small(self, low=-20, high=20):
        return self.randint(low, high)

    def integer(self):
        """Mostly a number."""
        roll = self.random()
        if roll < 0.04:
            return self.choice(self.NO_INTEGERS)
        if roll < 0.55:
            return self.small()
        return self.choice(self.INTEGERS)

    def database(self):
        if self.random() < 0.05:
            return self.choice([-1, 16, 999, b"x", b"", 2 ** 31, MAX])
        return self.randrange(DATABASES)

    def word(self, text):
        """An option's name, in any case; rarely another word."""
        if self.random() < 0.01:
            return self.choice([b"FOO", b"", b"NX", b"10"])
        roll = self.random()
        if roll < 0.3:
            return text.lower()
        return text if roll < 0.9 else text.swapcase().title()

    def maybe(self, probability, *words):
        return list(words) if self.random() < probability else []

    def from_now(self, unit):
        """A delay: long, short of nothing, or out of range."""
        roll = self.random()
        if roll < 0.08:
            return self.choice([0, -1, -1000, MAX, MIN, MAX // 1000, MAX // 1000 + 1, MIN // 1000])
        if roll < 0.1:
            return self.choice(self.NO_INTEGERS)
        return self.randint(100000, 10 ** 9) * unit

    def at_time(self, unit):
        roll = self.random()
        if roll < 0.08:
            return self.choice([0, 1, -1, MAX, MIN, MAX // 1000, MAX // 1000 + 1])
        if roll < 0.1:
            return self.choice(self.NO_INTEGERS)
        return self.choice(FAR_SECONDS if unit == 1 else FAR_MS)

    def expiration(self, *more):
        """The options of SET and GETEX that say when."""
        kind = self.choice(["EX", "PX", "EXAT", "PXAT", *more])
        if kind in more:
            return [self.word(kind)]
        unit = 1 if kind.startswith("EX") else 1000
        value = self.at_time(unit) if kind.endswith("AT") else self.from_now(unit)
        return [self.word(kind), value]

    def shuffled(self, groups):
        self.shuffle(groups)
        return [word for group in groups for word in group]


# --- string ---------------------------------------------------------------------------------------

def make_set(r):
    if r.random() < 0.4:
        return ["SET", r.key(), r.text()]
    return ["SET", r.key(), r.text()] + r.shuffled([
        r.maybe(0.3, r.word("NX")), r.maybe(0.3, r.word("XX")), r.maybe(0.3, r.word("GET")),
        r.expiration("KEEPTTL") if r.random() < 0.5 else [],
        r.expiration("KEEPTTL") if r.random() < 0.05 else []])


def make_getex(r):
    options = r.expiration("PERSIST") if r.random() < 0.8 else []
    return ["GETEX", r.key()] + options + (r.expiration("PERSIST") if r.random() < 0.05 else [])


def make_pairs(r):
    words = [word for key in r.keys() for word in (key, r.text())]
    return [r.choice(["MSET", "MSET", "MSETNX"])] + words + r.maybe(0.05, r.key())


def make_lcs(r):
    return ["LCS", r.key(), r.key()] + r.shuffled([
        r.maybe(0.3, r.word("LEN")), r.maybe(0.4, r.word("IDX")),
        r.maybe(0.3, r.word("MINMATCHLEN"), r.integer()), r.maybe(0.3, r.word("WITHMATCHLEN"))])


def make_incrbyfloat(r):
    value = r.choice([r.small(), "0.1", "1.5", "-3.25", "1e3", "3.0", "1e-10", "0x10", "123456.789",
                      "inf", "nan", "x", "", "1e5000", "1.0e+2"])
    return ["INCRBYFLOAT", r.key(), value]


STRING = [
    (8, make_set), (3, make_getex), (4, make_pairs), (1, make_lcs), (3, make_incrbyfloat),
    (6, lambda r: ["GET", r.key()]),
    (2, lambda r: ["GETSET", r.key(), r.text()]),
    (2, lambda r: ["GETDEL", r.key()]),
    (2, lambda r: ["SETNX", r.key(), r.text()]),
    (2, lambda r: ["SETEX", r.key(), r.from_now(1), r.text()]),
    (2, lambda r: ["PSETEX", r.key(), r.from_now(1000), r.text()]),
    (3, lambda r: ["MGET"] + r.keys()),
    (4, lambda r: ["APPEND", r.key(), r.text()]),
    (2, lambda r: ["STRLEN", r.key()]),
    (3, lambda r: ["SETRANGE", r.key(), r.choice([0, 1, 5, 50, 300, -1, r.small(), 2 ** 29, MAX,
                                                  b"x"]), r.text()]),
    (3, lambda r: [r.choice(["GETRANGE", "SUBSTR"]), r.key(), r.integer(), r.integer()]),
    (4, lambda r: [r.choice(["INCR", "DECR"]), r.key()]),
    (4, lambda r: [r.choice(["INCRBY", "DECRBY"]), r.key(), r.integer()]),
]


# --- sorted set -----------------------------------------------------------------------------------

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
    (0.2, lambda r: [r.choice(["BZPOPMIN", "BZPOPMAX"]), zkey(r), zkey(r), timeout(r)]),
    (0.2, lambda r: ["BZMPOP", timeout(r)] + zmpop_words(r)),
    (1, make_zscan), (1, make_zrandmember), (5, make_algebra),


# --- list -----------------------------------------------------------------------------------------

def end(r):
    return r.word(r.choice(["LEFT", "RIGHT"]))


def make_push(r):
    elements = [r.text() for _ in range(r.choice([1, 1, 2, 5, 40]))]
    return [r.choice(["LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), r.key()] + elements


def make_lpos(r):
    return ["LPOS", r.key(), r.text()] + r.shuffled([
        # of the lowest number redis 7.0 cannot take the negative; later ones and kv refuse it
        r.maybe(0.4, r.word("RANK"), r.choice([1, -1, 2, -2, 0, MAX, -MAX, b"x"])),
        r.maybe(0.4, r.word("COUNT"), r.choice([0, 1, 2, -1, r.integer()])),
        r.maybe(0.3, r.word("MAXLEN"), r.choice([0, 1, 10, -1, r.integer()]))])


def mpop_words(r):
    keys = r.keys()
    count = len(keys) if r.random() < 0.9 else r.integer()
    return [count] + keys + [end(r)] + r.maybe(0.5, r.word("COUNT"), r.choice([1, 3, r.integer()]))


def timeout(r):
    """Nearly nothing, since nobody comes; or an error."""
    return r.choice(["0.001", "0.002"] * 4 + ["-1", "x", "", "nan", "-inf", "-0.9"])


LIST = [
    (6, make_push),
    (4, lambda r: [r.choice(["LPOP", "RPOP"]), r.key()] + r.maybe(
        0.4, r.choice([0, 1, 2, 50, r.integer()]))),
    (1, lambda r: ["LLEN", r.key()]),
    (3, lambda r: ["LINDEX", r.key(), r.integer()]),
    (3, lambda r: ["LRANGE", r.key(), r.integer(), r.integer()]),
    (2, lambda r: ["LSET", r.key(), r.integer(), r.text()]),
    (3, lambda r: ["LINSERT", r.key(), r.word(r.choice(["BEFORE", "AFTER"])), r.text(), r.text()]),
    (3, lambda r: ["LREM", r.key(), r.choice([0, 1, -1, 2, -2, r.integer()]), r.text()]),
    (2, lambda r: ["LTRIM", r.key(), r.choice([0, 1, 3, r.integer()]),
                   r.choice([-1, -2, 60, r.integer()])]),
    (2, make_lpos),
    (2, lambda r: ["LMOVE", r.key(), r.key(), end(r), end(r)]),
    (2, lambda r: ["RPOPLPUSH", r.key(), r.key()]),
    (2, lambda r: ["LMPOP"] + mpop_words(r)),
    (0.5, lambda r: [r.choice(["BLPOP", "BRPOP"])] + r.keys() + [timeout(r)]),
    (0.3, lambda r: ["BLMPOP", timeout(r)] + mpop_words(r)),
    (0.3, lambda r: ["BLMOVE", r.key(), r.key(), end(r), end(r), timeout(r)]),
    (0.3, lambda r: ["BRPOPLPUSH", r.key(), r.key(), timeout(r)]),
]


# --- generic --------------------------------------------------------------------------------------

def make_expire(r):
    name = r.choice(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
    unit = 1000 if name.startswith("P") else 1
    value = r.at_time(unit) if name.endswith("AT") else r.from_now(unit)
    return [name, r.key(), value] + [word for option in ("NX", "XX", "GT", "LT")
                                     for word in r.maybe(0.15, r.word(option))]


def make_copy(r):
    return ["COPY", r.key(), r.key()] + r.shuffled([
        r.maybe(0.4, r.word("DB"), r.database()), r.maybe(0.5, r.word("REPLACE"))])


def make_scan(r):
    return ["SCAN", r.choice([0, 0, 0, 1, 5, 2 ** 64 - 1, b"x", b"-1", b""])] + r.shuffled([
        r.maybe(0.3, r.word("MATCH"), r.choice(r.PATTERNS)),
        r.maybe(0.3, r.word("COUNT"), r.choice([1, 5, 100, 10000, 0, -1, b"x"])),
        r.maybe(0.2, r.word("TYPE"), r.choice(["string", "STRING", "list", "nonsense"]))])


GENERIC = [
    (6, make_expire), (3, make_copy), (1, make_scan),
    (4, lambda r: [r.choice(["DEL", "UNLINK"])] + r.keys()),
    (2, lambda r: [r.choice(["EXISTS", "TOUCH"])] + r.keys()),
    (2, lambda r: ["TYPE", r.key()]),
    (4, lambda r: [r.choice(["RENAME", "RENAMENX"]), r.key(), r.key()]),
    (3, lambda r: ["MOVE", r.key(), r.database()]),
    (2, lambda r: ["PERSIST", r.key()]),
    (5, lambda r: [r.choice(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), r.key()]),
    (1, lambda r: ["KEYS", r.choice(r.PATTERNS)]),
    (1, lambda r: ["RANDOMKEY"]),
    (2, lambda r: ["OBJECT", r.word(r.choice(["ENCODING", "ENCODING", "REFCOUNT", "IDLETIME",
                                              "FREQ", "NONSENSE"])), r.key()]),
]


# --- connection and server, as far as they touch the keyspace -------------------------------------

SERVER = [
    (3, lambda r: ["SELECT", r.database()]),
    (1, lambda r: ["DBSIZE"]),
    (1, lambda r: ["ECHO", r.text()]),
    (1, lambda r: ["PING"] + r.maybe(0.5, r.text())),
    (0.1, lambda r: [r.choice(["FLUSHDB", "FLUSHALL"])] + r.maybe(
        0.5, r.word(r.choice(["SYNC", "ASYNC"])))),
    (0.3, lambda r: ["SWAPDB", r.database(), r.database()]),
    (0.3, lambda r: [r.choice(["NOSUCHCOMMAND", "GETT", ""])] + r.keys()),
]


# --- connection and server, what they say of themselves -------------------------------------------

NAMES = ["worker", "", "a b", "x\n", "n" * 30]
SETTINGS = ["maxmemory-samples", "slowlog-max-len", "lfu-decay-time", "tcp-keepalive",
            "lfu-log-factor", "no-such-setting", ""]


def start_values():
    """A command that gives the settings above the same values everywhere."""
    return ["CONFIG", "SET"] + [word for name in SETTINGS[:-2] for word in (name, 7)]


def make_config(r):
    if r.random() < 0.5:
        return ["CONFIG", r.word("GET")] + [r.choice(SETTINGS[:-1] + ["slowlog-max*"])]
    return ["CONFIG", r.word("SET")] + [
        word for name in r.choices(SETTINGS[:-1], k=r.randint(1, 2))
        for word in (name, r.choice([5, 10, 64, 0, -1, "x", "", "1.5", 2 ** 40]))]


def make_client(r):
    return ["CLIENT"] + r.choice([
        ["SETNAME", r.choice(NAMES)], ["GETNAME"], ["NO-EVICT", r.choice(["on", "OFF", "x"])],
        ["NONSENSE"], ["KILL", "1.2.3.4:5"], ["KILL", "TYPE", "nonsense"], ["KILL", "ID", "x"],
        ["KILL", "ADDR", "1.2.3.4:5"], ["UNBLOCK", 999999], ["UNBLOCK", "x"], ["UNPAUSE"],
        ["LIST", "TYPE", "nonsense"], ["LIST", "ID", "x"], ["REPLY", "nonsense"], ["GETREDIR"],
        ["PAUSE", "x"], ["PAUSE", -1], ["PAUSE", 0, "nonsense"]])


def make_command(r):
    return ["COMMAND"] + r.choice([
        ["GETKEYS"] + r.choice([["GET", r.key()], ["MSET", "a", "1", "b", "2"], ["SET", "a"],
                                ["NOSUCHCOMMAND", "a"], ["COPY", "a", "b"], ["PING", "a"]]),
        ["INFO", "nosuchcommand"], ["NONSENSE"], ["LIST", "FILTERBY", "nonsense", "x"],
        ["LIST", "NONSENSE"], ["GETKEYSANDFLAGS", "COPY", "a", "b"], ["DOCS", "nosuchcommand"]])


ABOUT = [
    (1, make_config), (1, make_client), (1, make_command),
    (0.3, lambda r: ["AUTH"] + r.choice([["password"], ["default", "password"], ["user", "x"],
                                         ["default", ""], []])),
    (0.3, lambda r: ["HELLO"] + r.choice([["4"], ["x"], ["1"], ["3", "NONSENSE"], ["2", "AUTH"],
                                          ["3", "SETNAME"], ["2", "SETNAME", "a b"]])),
    (0.3, lambda r: [r.choice(["TIME", "RESET", "DBSIZE"]), r.text()]),
]

TRANSACTION = [
    (1, lambda r: ["MULTI"]), (2, lambda r: ["EXEC"]), (0.2, lambda r: ["DISCARD"]),
    (0.3, lambda r: ["WATCH"] + r.keys()), (0.2, lambda r: ["UNWATCH"]),
]

# A timeout comes last, and must not be one from the texts.
WAITING = ("BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX")
GENERATORS = (STRING + LIST + SETS + STREAM + HASH + GENERIC + CARRIED + BITMAP + SORT + SERVER +
              ABOUT + TRANSACTION + SORTED_SET + HYPERLOGLOG)


def script(seed, length, generators=None):
    """Yield `length` commands, lists of words (bytes, str or int)."""
    r = Chance(seed)
    generators = generators or GENERATORS
    weights = [weight for weight, _ in generators]
    makers = [make for _, make in generators]
    for make in r.choices(makers, weights, k=length):
        words = make(r)
        roll = r.random()
        if roll < 0.01 and len(words) > 1 and words[0] != "SPOP":
            words.pop()
        elif roll < 0.02 and words[0] not in WAITING:
            words.append(r.text())
        if r.random() < 0.1:
            words[0] = words[0].lower()
        yield words
