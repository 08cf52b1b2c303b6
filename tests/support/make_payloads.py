"""Make fixtures/payloads: a DUMP payload in every encoding that RDB ever had, by hand from the
documented format, and expected.json with what each holds. Seeds of the fuzzing, too.

    /usr/bin/python3 -B tests/support/make_payloads.py
"""
import json
import os

import rdb

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures")

LONG = b"L" * 70
TEXTS = [b"one", b"2", b"-3000", b"70000", b"-8000000", b"5000000000", b"", b"x" * 300, b"one"]
MEMBERS = [b"one", b"2", b"-3000", b"70000", b"5000000000", b"x" * 300]
PAIRS = [(b"one", b"1"), (b"2", b"two"), (b"", b"x" * 300), (b"-3000", b"")]
SCORES = [(b"low", b"-inf"), (b"a", b"-1.5"), (b"2", b"0"), (b"c", b"3"), (b"high", b"inf")]
NUMBERS = {2: [-32768, 0, 1, 32767], 4: [-2 ** 31, -1, 5, 2 ** 31 - 1],
           8: [-2 ** 63, -1, 0, 2 ** 63 - 1]}


def many(texts):
    return rdb.length(len(texts)) + b"".join(rdb.string(text) for text in texts)


def scored(pairs, number):
    return rdb.length(len(pairs)) + b"".join(
        rdb.string(member) + number(score) for member, score in pairs)


def payloads():
    """name: (tag, value, type, what it holds)."""
    blob = rdb.string
    pairs = dict(PAIRS)
    found = {
        "string": (rdb.STRING, blob(b"text"), "string", b"text"),
        "string-int8": (rdb.STRING, rdb.integer(-5), "string", b"-5"),
        "string-int16": (rdb.STRING, rdb.integer(300), "string", b"300"),
        "string-int32": (rdb.STRING, rdb.integer(-70000), "string", b"-70000"),
        "string-lzf": (rdb.STRING, rdb.lzf(rdb.lzf_run(b"z", 1000), 1000), "string", b"z" * 1000),
        "list": (rdb.LIST, many(TEXTS), "list", TEXTS),
        "list-ziplist": (rdb.LIST_ZIPLIST, blob(rdb.ziplist(TEXTS)), "list", TEXTS),
        "list-quicklist": (
            rdb.LIST_QUICKLIST,
            b"\x02" + blob(rdb.ziplist(TEXTS[:4])) + blob(rdb.ziplist(TEXTS[4:])), "list", TEXTS),
        "list-quicklist-2": (
            rdb.LIST_QUICKLIST_2,
            b"\x03\x02" + blob(rdb.listpack(TEXTS[:4])) + b"\x01" + blob(b"plain") +
            b"\x02" + blob(rdb.listpack(TEXTS[4:])), "list", TEXTS[:4] + [b"plain"] + TEXTS[4:]),
        "set": (rdb.SET, many(MEMBERS), "set", MEMBERS),
        "set-listpack": (rdb.SET_LISTPACK, blob(rdb.listpack(MEMBERS)), "set", MEMBERS),
        "hash": (rdb.HASH, rdb.length(len(PAIRS)) + b"".join(
            blob(text) for text in rdb.flat(PAIRS)), "hash", pairs),
        "hash-zipmap": (rdb.HASH_ZIPMAP, blob(rdb.zipmap(PAIRS)), "hash", pairs),
        "hash-zipmap-spare": (rdb.HASH_ZIPMAP, blob(rdb.zipmap(PAIRS, 3)), "hash", pairs),
        "hash-ziplist": (rdb.HASH_ZIPLIST, blob(rdb.ziplist(rdb.flat(PAIRS))), "hash", pairs),
        "hash-listpack": (rdb.HASH_LISTPACK, blob(rdb.listpack(rdb.flat(PAIRS))), "hash", pairs),
        "zset": (rdb.ZSET, scored(SCORES, rdb.score_text), "zset", dict(SCORES)),
        "zset-2": (rdb.ZSET_2, scored(SCORES, lambda score: rdb.double(float(score))), "zset",
                   dict(SCORES)),
        "zset-ziplist": (rdb.ZSET_ZIPLIST, blob(rdb.ziplist(rdb.flat(SCORES))), "zset",
                         dict(SCORES)),
        "zset-listpack": (rdb.ZSET_LISTPACK, blob(rdb.listpack(rdb.flat(SCORES))), "zset",
                          dict(SCORES)),
    }
    for width, numbers in NUMBERS.items():
        found[f"set-intset-{8 * width}"] = (
            rdb.SET_INTSET, blob(rdb.intset(numbers, width)), "set",
            [str(number).encode() for number in numbers])
    return found


def damaged():
    """name: (tag, value): structure that is wrong in itself, under a sum that is right."""
    blob = rdb.string
    listpack, ziplist = rdb.listpack([b"a", b"1"]), rdb.ziplist([b"a", b"1"])
    return {
        "list-empty": (rdb.LIST, b"\x00"),
        "list-count": (rdb.LIST, b"\x05" + blob(b"a")),
        "list-huge-count": (rdb.LIST, b"\x81" + b"\x7f" + b"\xff" * 7 + blob(b"a")),
        "list-quicklist-container": (rdb.LIST_QUICKLIST_2, b"\x01\x07" + blob(listpack)),
        "list-ziplist-end": (rdb.LIST_ZIPLIST, blob(ziplist[:-1] + b"\x00")),
        "set-twice": (rdb.SET, b"\x02" + blob(b"a") * 2),
        "set-listpack-twice": (rdb.SET_LISTPACK, blob(rdb.listpack([b"a", b"a"]))),
        "set-intset-order": (rdb.SET_INTSET, blob(b"\x02\0\0\0\x02\0\0\0\x05\x00\x01\x00")),
        "set-intset-width": (rdb.SET_INTSET, blob(b"\x03\0\0\0\x01\0\0\0\x05\x00\x00")),
        "hash-odd": (rdb.HASH_LISTPACK, blob(rdb.listpack([b"a", b"1", b"b"]))),
        "hash-twice": (rdb.HASH_LISTPACK, blob(rdb.listpack([b"a", b"1", b"a", b"2"]))),
        "hash-ziplist-odd": (rdb.HASH_ZIPLIST, blob(rdb.ziplist([b"a"]))),
        "hash-zipmap-twice": (rdb.HASH_ZIPMAP, blob(rdb.zipmap([(b"a", b"1"), (b"a", b"2")]))),
        "hash-listpack-bytes": (rdb.HASH_LISTPACK, blob(listpack[:6] + b"\xff" + listpack[7:])),
        "zset-nan": (rdb.ZSET, b"\x01" + blob(b"a") + b"\xfd"),
        "zset-2-nan": (rdb.ZSET_2, b"\x01" + blob(b"a") + b"\x00" * 6 + b"\xf8\x7f"),
        "zset-listpack-score": (rdb.ZSET_LISTPACK, blob(rdb.listpack([b"a", b"score"]))),
        "zset-listpack-twice": (
            rdb.ZSET_LISTPACK, blob(rdb.listpack([b"a", b"1", b"a", b"2"]))),
        "module": (7, b"\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        "unknown": (99, b"\x01"),
    }


def write(folder, name, data):
    os.makedirs(os.path.join(FOLDER, folder), exist_ok=True)
    with open(os.path.join(FOLDER, folder, name), "wb") as file:
        file.write(data)


def readable(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [readable(item) for item in value]
    return {readable(field): readable(item) for field, item in value.items()}


def main():
    expected = {}
    for name, (tag, value, kind, holds) in payloads().items():
        write("payloads", f"{name}.dump", rdb.payload(tag, value, 9 if tag < 16 else 10))
        write("fuzz/restore_fuzz", name, bytes([tag, 0]) + value)
        expected[name] = {"type": kind, "value": readable(holds)}
    for name, (tag, value) in damaged().items():
        write("payloads/damaged", f"{name}.dump", rdb.payload(tag, value))
        write("fuzz/restore_fuzz", f"damaged-{name}", bytes([tag, 0]) + value)
    write("payloads", "expected.json",
          (json.dumps(expected, indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main()
