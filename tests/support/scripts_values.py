"""Random commands on bits, HyperLogLogs and payloads, and SORT: generators for scripts.py."""
import rdb

MAX = 2 ** 63 - 1


# --- payloads -------------------------------------------------------------------------------------

PAYLOADS = [rdb.payload(rdb.STRING, value) for value in (
    rdb.string(b""), rdb.string(b"restored"), rdb.integer(-7), rdb.integer(70000),
    rdb.lzf(rdb.lzf_run(b"z", 300), 300))]
PAYLOADS += [b"", b"damaged payload", PAYLOADS[0][:-1] + b"\x00", rdb.payload(99, b"")]


def make_restore(r):
    deadline = r.choice([[0], [r.from_now(1000)], [r.at_time(1000), r.word("ABSTTL")]])
    if MAX in deadline:  # as a delay it is too large: kv keeps the key, redis deletes it
        deadline = [0]
    return ["RESTORE", r.key(), deadline[0], r.choice(PAYLOADS)] + r.shuffled([
        deadline[1:], r.maybe(0.6, r.word("REPLACE")),
        r.maybe(0.1, r.word("IDLETIME"), r.integer()), r.maybe(0.1, r.word("FREQ"), r.integer())])


# --- bitmap ---------------------------------------------------------------------------------------

def bit(r):
    roll = r.random()
    if roll < 0.9:
        return r.randint(0, 2500)
    return r.choice([b"x", b"", -1, MAX, 2 ** 32, b"#1", b"01", 30000])


def make_range(r, least):
    words = [r.small(), r.small(), r.word(r.choice(["BYTE", "BIT"]))]
    if r.random() < 0.3:
        words[:2] = [r.integer(), r.integer()]
    return words[:r.choice([0, 0, least, 2, 3, 3])]


def make_bitop(r):
    return ["BITOP", r.word(r.choice(["AND", "OR", "XOR", "NOT"])), r.key()] + r.keys(3)


def field_operation(r, verbs=("GET", "SET", "INCRBY", "OVERFLOW")):
    verb = r.choice(verbs)
    if verb == "OVERFLOW":
        return [r.word(verb), r.word(r.choice(["WRAP", "SAT", "FAIL", "FAIL"]))]
    width = r.choice([1, 2, 7, 8, 9, 16, 31, 32, 33, 62, 63, 64, 0, 65, r.randint(1, 64)])
    offset = r.choice(["", "#"]) + str(r.choice([0, 1, 3, 8, 100, r.randint(0, 400)]))
    value = r.integer()
    # far below a field's least number SAT goes to the wrong end in redis-server: its sum overflows
    if verb == "SET" and isinstance(value, int):
        value = max(value, -2 ** 31)
    return ([r.word(verb), r.choice("iiuu") + str(width), offset if r.random() < 0.95 else bit(r)] +
            ([value] if verb != "GET" else []))


BITMAP = [
    (4, lambda r: ["SETBIT", r.key(), bit(r), r.choice([0, 1, 1, 1, 2, b"x"])]),
    (2, lambda r: ["GETBIT", r.key(), bit(r)]),
    (3, lambda r: ["BITCOUNT", r.key()] + make_range(r, 2)),  # 1: kv takes it, as Valkey does
    (3, lambda r: ["BITPOS", r.key(), r.choice([0, 1, 0, 1, 0, 1, 2, b"x"])] + make_range(r, 1)),
    (3, make_bitop),
    (3, lambda r: ["BITFIELD", r.key()] + [
        word for _ in range(r.randint(0, 5)) for word in field_operation(r)]),
    (1, lambda r: ["BITFIELD_RO", r.key()] + [
        word for _ in range(r.randint(0, 3))
        for word in field_operation(r, ["GET"] * 9 + ["SET", "OVERFLOW"])]),
]


# --- hyperloglog ----------------------------------------------------------------------------------

def make_pfadd(r):
    count = r.choice([0, 1, 1, 2, 5, 30]) if r.random() < 0.95 else 1500
    return ["PFADD", r.key()] + [
        r.text() if r.random() < 0.05 else r.randint(0, 10 ** 6) for _ in range(count)]


HYPERLOGLOG = [
    (4, make_pfadd), (2, lambda r: ["PFCOUNT"] + (r.keys() if r.random() < 0.5 else [r.key()])),
    (1, lambda r: ["PFMERGE"] + r.keys()),
    (0.5, lambda r: ["PFDEBUG", r.word(r.choice(["ENCODING", "DECODE", "TODENSE", "GETREG"])),
                     r.key()]),
    (0.1, lambda r: ["PFSELFTEST"]),
]


CARRIED = [
    (3, make_restore), (1, lambda r: ["DUMP", r.key()]),
    (1, lambda r: ["MEMORY", r.word("USAGE"), r.key()] + r.maybe(
        0.3, r.word("SAMPLES"), r.integer())),
]


# --- sort -----------------------------------------------------------------------------------------

SORTED_KEYS = [b"s:1", b"s:2", b"z", b"z:2", b"a", b"b", b"c", b"d", b"k:1", b"k:2", b"nosuch"]


def make_sort(r):
    """Only what has one order: redis-server leaves the order of texts that are equal, or equal up
    to a zero byte, to chance, and that of a set."""
    words = [r.word("SORT"), r.choice(SORTED_KEYS)] if r.random() < 0.8 else [
        r.word("SORT_RO"), r.choice(SORTED_KEYS)]
    limit = r.maybe(0.3, r.word("LIMIT"), r.small(-3, 9), r.small(-3, 9))
    order = r.maybe(0.5, r.word(r.choice(["ASC", "DESC"])))
    get = [word for _ in range(r.choice([0, 0, 0, 1, 2]))
           for word in ("GET", r.choice(["#", "k:*", "*", "nostar", "h:*->1", "h:*->a"]))]
    store = r.maybe(0.3, r.word("STORE"), r.key())
    roll = r.random()
    if roll < 0.6:
        return words + r.shuffled([limit, order, get, store, r.maybe(
            0.4, r.word("BY"), r.choice(["k:*", "h:*->1", "*"]))])
    if roll < 0.9:
        return words + r.shuffled([limit if store else [], order, get if store else [], store,
                                   [r.word("ALPHA")]])
    return words + r.shuffled([order, [r.word("BY"), "nosort"]])


SORT = [(3, make_sort)]
