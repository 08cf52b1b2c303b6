"""Random scripts of commands, the same for the same seed.

Each function in GENERATORS makes one command from a Chance; a new group of commands adds its own.
Everything is drawn from small pools, so that commands meet each other's keys; numbers come from
the edges of their ranges; options are sometimes doubled, dropped or nonsense, since errors must be
the same, too. Deadlines are far from now in both directions: nothing expires by itself while a
script runs.
"""
import random

from scripts_hash import HASH
from scripts_list import LIST
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

SCRIPTS = [
    b"return redis.call('GET', KEYS[1])",
    b"return redis.pcall('INCR', KEYS[1])",
    b"return redis.call('APPEND', KEYS[1], ARGV[1])",
    b"redis.call('SET', KEYS[1], ARGV[1]) return redis.call('STRLEN', KEYS[2])",
    b"local n = redis.call('EXISTS', KEYS[1], KEYS[2]) redis.call('DEL', KEYS[1]) return n",
    b"redis.pcall('LPUSH', KEYS[1], ARGV[1]) redis.pcall('LPUSH', KEYS[2], ARGV[2]) return "
    b"redis.call('LRANGE', KEYS[1], 0, -1)",
    b"redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return redis.call('HGETALL', KEYS[2])",
    b"redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[1]) return 1",
    b"return {redis.call('TYPE', KEYS[1]), #ARGV[1], ARGV[2] == '1', tonumber(ARGV[1]) or 'none'}",
    b"redis.setresp(3) return {redis.pcall('ZSCORE', KEYS[1], ARGV[1]), KEYS, ARGV}",
    b"return redis.error_reply(ARGV[1])", b"return {err = ARGV[1]}", b"return ARGV[1] + 1",
    b"redis.call('SELECT', 1) return redis.call('SET', KEYS[1], ARGV[1])", b"return x", b"x =",
    b"#!lua flags=no-writes\nreturn redis.pcall('SET', KEYS[1], ARGV[1])",
    b"for i = 1, 3 do redis.pcall('RPUSH', KEYS[1], i) end return redis.pcall('RPOP', KEYS[1])",
]
SCRIPTING = [
    (3, lambda r: [r.choice(["EVAL", "EVAL", "EVAL_RO"]), r.choice(SCRIPTS), 2, r.key(), r.key(),
                   r.text(), r.text()]),
    (0.2, lambda r: ["EVAL", r.choice(SCRIPTS), r.integer(), r.key(), r.key()]),
    (0.2, lambda r: ["SCRIPT", r.choice(["LOAD", "EXISTS"]), r.choice(SCRIPTS)]),
]

# To these nothing is added: a timeout comes last, and must not be one from the texts; and redis 7.0
# does not know the last argument of the others.
AS_THEY_ARE = ("BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX", "ZRANK", "ZREVRANK")
GENERATORS = (STRING + LIST + SETS + STREAM + HASH + GENERIC + CARRIED + BITMAP + SORT + SERVER +
              ABOUT + TRANSACTION + SORTED_SET + GEO + HYPERLOGLOG + SCRIPTING)


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
        elif roll < 0.02 and words[0] not in AS_THEY_ARE:
            words.append(r.text())
        if r.random() < 0.1:
            words[0] = words[0].lower()
        yield words
