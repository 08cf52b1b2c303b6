"""Random commands of lists, for scripts.py."""

MAX = 2 ** 63 - 1


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
