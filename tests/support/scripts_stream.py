"""Random commands of streams, for scripts.py: see there."""


def stream_id(r):
    roll = r.random()
    if roll < 0.08:
        return r.choice(["", "x", "1-2-3", "-5", "007", "+5", "9" * 30, "0-0", "0", "*",
                         f"{2 ** 63 - 1}-{2 ** 63 - 1}", f"{2 ** 64 - 1}-{2 ** 64 - 1}"])
    return f"{r.randint(0, 60)}-{r.randint(0, 5)}" if roll < 0.8 else str(r.randint(0, 60))


def stream_end(r):
    roll = r.random()
    if roll < 0.4:
        return r.choice(["-", "+"])
    return ("(" if roll < 0.6 else "") + stream_id(r)


def stream_trim(r):
    kind = r.choice(["MAXLEN", "MAXLEN", "MINID"])
    threshold = stream_id(r) if kind == "MINID" else r.choice([0, 1, 5, 20, 100, -1, b"x"])
    return [r.word(kind)] + r.maybe(0.6, r.choice(["~", "="])) + [threshold] + r.maybe(
        0.2, r.word("LIMIT"), r.choice([0, 1, 5, 100, -1, b"x"]))


def xadd_id(r):
    """Never "*": the clocks of two servers differ."""
    given = f"{r.randint(0, 60)}-*" if r.random() < 0.7 else stream_id(r)
    return "1-*" if given == "*" else given


def make_xadd(r):
    name = r.choice(["a", "b", ""])
    words = [word for i in range(r.randint(1, 3)) for word in (name + str(i), r.text())]
    return (["XADD", r.key()] + r.maybe(0.1, r.word("NOMKSTREAM")) +
            (stream_trim(r) if r.random() < 0.2 else []) +
            [xadd_id(r)] + words)


STREAM = [
    (10, make_xadd),
    (2, lambda r: ["XLEN", r.key()]),
    (5, lambda r: [r.choice(["XRANGE", "XREVRANGE"]), r.key(), stream_end(r), stream_end(r)] +
        r.maybe(0.3, r.word("COUNT"), r.choice([0, 1, 5, -1, b"x"]))),
    (3, lambda r: ["XDEL", r.key()] + [stream_id(r) for _ in range(r.randint(1, 3))]),
    (2, lambda r: ["XTRIM", r.key()] + stream_trim(r)),
    (0.5, lambda r: ["XSETID", r.key(), stream_id(r)] +
        r.maybe(0.4, r.word("ENTRIESADDED"), r.choice([0, 5, 1000, -1, b"x"])) +
        r.maybe(0.4, r.word("MAXDELETEDID"), stream_id(r))),
]

GROUPS = ["g", "g", "h", ""]
CONSUMERS = ["c", "c", "d", ""]


def group_key(r):
    """Groups are on few keys, so that there is something in them."""
    return [r.choice([b"a", b"b", b"k:1"]), r.choice(GROUPS)]


def make_xgroup(r):
    where = group_key(r)
    place = [r.choice(["0", "$", stream_id(r)])]
    read = r.maybe(0.3, r.word("ENTRIESREAD"), r.choice([0, 5, -1, -2, b"x"]))
    return ["XGROUP"] + r.choice([
        [r.word("CREATE")] + where + place + r.maybe(0.7, r.word("MKSTREAM")) + read,
        [r.word("CREATE")] + where + place + r.maybe(0.7, r.word("MKSTREAM")) + read,
        [r.word("SETID")] + where + place + read,
        [r.word("CREATECONSUMER")] + where + [r.choice(CONSUMERS)],
        [r.word("DELCONSUMER")] + where + [r.choice(CONSUMERS)],
        [r.word("DESTROY")] + where if r.random() < 0.2 else ["NONSENSE"]])


def make_xreadgroup(r):
    key, group = group_key(r)
    return (["XREADGROUP", r.word("GROUP"), group, r.choice(CONSUMERS)] +
            r.maybe(0.6, r.word("COUNT"), r.choice([0, 1, 3, -1, b"x"])) +
            r.maybe(0.1, r.word("NOACK")) +
            ["STREAMS", key, r.choice([">", ">", ">", "0", stream_id(r)])])


def make_xread(r):
    keys = r.keys(2)
    return (["XREAD"] + r.maybe(0.6, r.word("COUNT"), r.choice([0, 1, 3, -1, b"x"])) +
            ["STREAMS"] + keys + [r.choice(["0", "$", stream_id(r)]) for _ in keys])


def make_xclaim(r):
    return (["XCLAIM"] + group_key(r) + [r.choice(CONSUMERS), r.choice([0, 0, 10 ** 9, -1, b"x"])] +
            [stream_id(r) for _ in range(r.randint(1, 4))] +
            r.maybe(0.1, r.word("IDLE"), r.choice([0, b"x"])) +
            r.maybe(0.2, r.word("RETRYCOUNT"), r.choice([0, 7, -4, b"x"])) +
            r.maybe(0.4, r.word("FORCE")) + r.maybe(0.3, r.word("JUSTID")) +
            r.maybe(0.1, r.word("LASTID"), stream_id(r)))


def make_xautoclaim(r):
    return (["XAUTOCLAIM"] + group_key(r) + [r.choice(CONSUMERS), r.choice([0, 0, 10 ** 9, b"x"]),
                                             r.choice(["0", "-", stream_end(r)])] +
            r.maybe(0.4, r.word("COUNT"), r.choice([1, 2, 100, 0, b"x"])) +
            r.maybe(0.3, r.word("JUSTID")))


# Without the answers that tell of time.
STREAM += [
    (4, make_xgroup), (5, make_xreadgroup), (2, make_xread), (3, make_xclaim), (2, make_xautoclaim),
    (3, lambda r: ["XACK"] + group_key(r) + [stream_id(r) for _ in range(r.randint(1, 3))]),
    (2, lambda r: ["XPENDING"] + group_key(r)),
    (1, lambda r: ["XINFO", r.word("GROUPS"), r.key()]),
    (1, lambda r: ["XINFO", r.word("STREAM"), r.key()]),
]
