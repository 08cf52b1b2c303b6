"""Make fixtures/payloads: a DUMP payload in every encoding that RDB ever had, by hand from the
documented format, and expected.json with what each holds. Seeds of the fuzzing, too.

    /usr/bin/python3 -B tests/support/make_payloads.py
"""
import json
import os
import struct

import rdb

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures")

LONG = b"L" * 70
TEXTS = [b"one", b"2", b"-3000", b"70000", b"-8000000", b"5000000000", b"", b"x" * 300, b"one"]
MEMBERS = [b"one", b"2", b"-3000", b"70000", b"5000000000", b"x" * 300]
PAIRS = [(b"one", b"1"), (b"2", b"two"), (b"", b"x" * 300), (b"-3000", b"")]
SCORES = [(b"low", b"-inf"), (b"a", b"-1.5"), (b"2", b"0"), (b"c", b"3"), (b"high", b"inf")]
NUMBERS = {2: [-32768, 0, 1, 32767], 4: [-2 ** 31, -1, 5, 2 ** 31 - 1],
           8: [-2 ** 63, -1, 0, 2 ** 63 - 1]}

SOON, LATE = 33177117420000, 33177117429999  # the year 3021
TRIPLES = [(b"never", b"1", 0), (b"late", b"x" * 300, LATE), (b"2", b"", SOON),
           (b"", b"-3000", SOON + 1)]

# Two nodes; entry 1000-1 is deleted and still pending, one was deleted before 1000-0, and XSETID
# raised the last ID. Times are those of 2023.
NODES = [((1000, 0), [b"a", b"2"], [((1000, 0), [(b"a", b"1"), (b"2", b"two")], 0),
                                    ((1000, 1), [(b"a", b"3"), (b"2", b"")], 1),
                                    ((1005, 0), [(b"other", b"x" * 300)], 0)]),
         ((2000, 5), [b"a"], [((2000, 5), [(b"a", b"-70000")], 0),
                              ((2001, 0), [(b"a", b"5"), (b"a", b"6")], 0)])]
LAST, MAX_DELETED, ADDED = (2001, 7), (1000, 1), 6
TIME = 1700000000000
PENDING = [((1000, 0), TIME, 3), ((1000, 1), TIME + 1, 1), ((1005, 0), TIME + 2, 64),
           ((2000, 5), TIME + 3, 1)]
CONSUMERS = [(b"7", TIME + 9, TIME + 8, [(1000, 1)]),
             (b"idle", TIME + 6, -1, []),
             (b"one", TIME + 5, TIME + 3, [(1000, 0), (1005, 0), (2000, 5)])]


def many(texts):
    return rdb.length(len(texts)) + b"".join(rdb.string(text) for text in texts)


def scored(pairs, number):
    return rdb.length(len(pairs)) + b"".join(
        rdb.string(member) + number(score) for member, score in pairs)


def name_of(text):
    return rdb.integer(int(text)) if text.isdigit() else rdb.string(text)


def stream_groups(tag):
    consumers = [(name_of(name), seen, active, ids) for name, seen, active, ids in CONSUMERS]
    return [rdb.stream_group(tag, rdb.string(b"fresh"), (0, 0), -1, [], []),
            rdb.stream_group(tag, rdb.string(b"group"), (2000, 5), 5, PENDING, consumers)]


def whole_stream(tag, nodes=NODES):
    return rdb.stream(tag, [rdb.stream_node(*node) for node in nodes], 4, LAST, (1000, 0),
                      MAX_DELETED, ADDED, stream_groups(tag))


def dash(entry_id):
    return b"%d-%d" % entry_id


def stream_holds(tag):
    """What XINFO STREAM FULL says. Tag 15 knows neither what was deleted nor what was read; of a
    group in the middle that stays unknown. When a consumer was active is not shown."""
    old = tag == rdb.STREAM
    owner = {entry_id: name for name, _, _, ids in CONSUMERS for entry_id in ids}
    consumers = [{
        "name": name, "seen-time": seen, "pel-count": len(ids),
        "pending": [[dash(entry_id), time, count] for entry_id, time, count in PENDING
                    if entry_id in ids]} for name, seen, _, ids in CONSUMERS]
    return {
        "length": 4, "last-generated-id": dash(LAST), "recorded-first-entry-id": b"1000-0",
        "max-deleted-entry-id": b"0-0" if old else dash(MAX_DELETED),
        "entries-added": 4 if old else ADDED,
        "entries": [[dash(entry_id), rdb.flat(pairs)] for _, _, entries in NODES
                    for entry_id, pairs, gone in entries if not gone],
        "groups": [
            {"name": b"fresh", "last-delivered-id": b"0-0", "entries-read": 0 if old else None,
             "lag": 4 if old else None, "pel-count": 0, "pending": [], "consumers": []},
            {"name": b"group", "last-delivered-id": b"2000-5", "entries-read": None if old else 5,
             "lag": None if old else 1, "pel-count": 4,
             "pending": [[dash(entry_id), owner[entry_id], time, count]
                         for entry_id, time, count in PENDING],
             "consumers": consumers}]}


def emptied_holds():
    return {"length": 0, "last-generated-id": b"9-1", "recorded-first-entry-id": b"0-0",
            "max-deleted-entry-id": b"9-1", "entries-added": 3, "entries": [], "groups": []}


def version_of(name, tag):
    """The RDB version that such a value is written in."""
    if "valkey" in name:
        return rdb.VALKEY
    if rdb.HASH_METADATA_PRE <= tag <= rdb.HASH_LISTPACK_EX:
        return 12
    if tag == rdb.STREAM_3:
        return 11
    return 9 if tag < 16 else 10


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
    found.update(deadlines_and_streams())
    return found


def deadlines_and_streams():
    """Those of payloads() that came with deadlines of fields, and streams."""
    listpack = rdb.string(rdb.hash_listpack_ex(TRIPLES))
    kind = "hash with deadlines"
    holds = {field: [value, deadline or -1] for field, value, deadline in TRIPLES}
    found = {
        "hash-metadata": (rdb.HASH_METADATA, rdb.hash_metadata(TRIPLES), kind, holds),
        "hash-metadata-pre": (
            rdb.HASH_METADATA_PRE, rdb.hash_metadata_pre(TRIPLES), kind, holds),
        "hash-listpack-ex": (
            rdb.HASH_LISTPACK_EX, struct.pack("<Q", SOON) + listpack, kind, holds),
        "hash-listpack-ex-pre": (rdb.HASH_LISTPACK_EX_PRE, listpack, kind, holds),
        "hash-valkey": (rdb.HASH_2_VALKEY, rdb.hash_valkey(TRIPLES), kind, holds),
        "stream-emptied": (rdb.STREAM_2, rdb.stream(rdb.STREAM_2, [], 0, (9, 1), (0, 0), (9, 1), 3),
                           "stream", emptied_holds()),
        # As in a snapshot of a stream that was being appended to.
        "stream-2-last-node-first": (rdb.STREAM_2, whole_stream(rdb.STREAM_2, NODES[::-1]),
                                     "stream", stream_holds(rdb.STREAM_2)),
    }
    for number, tag in enumerate((rdb.STREAM, rdb.STREAM_2, rdb.STREAM_3), 1):
        found[f"stream-{number}"] = (tag, whole_stream(tag), "stream", stream_holds(tag))
    return found


def damaged_deadlines():
    blob, first = rdb.string, struct.pack("<Q", SOON)
    twice = [(b"a", b"1", SOON), (b"a", b"2", 0)]
    return {
        "hash-metadata-twice": (rdb.HASH_METADATA, rdb.hash_metadata(twice)),
        "hash-metadata-count": (
            rdb.HASH_METADATA, first + b"\x05" + rdb.hash_metadata(TRIPLES)[9:]),
        "hash-metadata-empty": (rdb.HASH_METADATA, first + b"\x00"),
        "hash-metadata-first": (
            rdb.HASH_METADATA, rdb.hash_metadata([(b"a", b"1", 2 ** 63)])),
        "hash-metadata-overflow": (
            rdb.HASH_METADATA, rdb.hash_metadata([(b"a", b"1", 2 ** 63 + 4)], 2 ** 63 - 1)),
        "hash-metadata-under-valkey": (rdb.HASH_METADATA, rdb.hash_metadata(TRIPLES)),
        "hash-metadata-pre-deadline": (
            rdb.HASH_METADATA_PRE, rdb.hash_metadata_pre([(b"a", b"1", 2 ** 63)])),
        "hash-metadata-pre-twice": (rdb.HASH_METADATA_PRE, rdb.hash_metadata_pre(twice)),
        "hash-listpack-ex-twice": (
            rdb.HASH_LISTPACK_EX, first + blob(rdb.hash_listpack_ex(twice))),
        "hash-listpack-ex-pairs": (rdb.HASH_LISTPACK_EX, first + blob(rdb.listpack(
            [b"a", b"1", b"b", b"2"]))),
        "hash-listpack-ex-text": (
            rdb.HASH_LISTPACK_EX, first + blob(rdb.listpack([b"a", b"1", b"soon"]))),
        "hash-listpack-ex-without-first": (
            rdb.HASH_LISTPACK_EX, blob(rdb.hash_listpack_ex(TRIPLES))),
        "hash-listpack-ex-pre-negative": (
            rdb.HASH_LISTPACK_EX_PRE, blob(rdb.listpack([b"a", b"1", b"-1"]))),
        "hash-listpack-ex-pre-pairs": (
            rdb.HASH_LISTPACK_EX_PRE, blob(rdb.listpack([b"a", b"1"]))),
        "hash-valkey-twice": (rdb.HASH_2_VALKEY, rdb.hash_valkey(twice)),
        "hash-valkey-negative": (rdb.HASH_2_VALKEY, rdb.hash_valkey([(b"a", b"1", -2)])),
        "hash-valkey-without-deadline": (rdb.HASH_2_VALKEY, b"\x01" + blob(b"a") + blob(b"1")),
    }


def damaged_streams():
    """One entry, 5-0, pending in one group for one consumer; and one thing wrong."""
    base, entry = (5, 0), ((5, 0), [(b"a", b"1")], 0)
    node = rdb.stream_node(base, [b"a"], [entry])
    pending, mine = [(base, TIME, 1)], (rdb.string(b"one"), TIME, TIME, [base])
    yours, other = (rdb.string(b"two"), TIME, TIME, [base]), (6, 0)

    def built(nodes=(node,), count=1, last=base, added=1, groups=(), tag=rdb.STREAM_2):
        return tag, rdb.stream(tag, nodes, count, last, base, (0, 0), added, groups)

    def group(pending, *consumers, tag=rdb.STREAM_2):
        return rdb.stream_group(tag, rdb.string(b"group"), base, 1, pending, consumers)

    def odd_node(place, text):
        elements = rdb.stream_elements(base, [b"a"], [entry])
        elements[place] = text
        return rdb.string(rdb.raw_id(base)) + rdb.string(rdb.listpack(elements))

    short = rdb.string(rdb.raw_id(base)[1:]) + node[17:]
    longer = rdb.stream_node((4, 0), [b"a"], [((4, 0), [(b"a", b"1")], 0),
                                              ((5, 1), [(b"a", b"1")], 0)])
    return {
        "stream-1-length": built(count=2, tag=rdb.STREAM),
        "stream-1-pending-nobody": built(groups=[group(pending, tag=rdb.STREAM)], tag=rdb.STREAM),
        "stream-2-node-id": built([short]),
        "stream-2-node-twice": built([node, node], 2, added=2),
        "stream-2-nodes-overlap": built([node, longer], 3, added=3),
        "stream-2-node-count": built([odd_node(0, b"2")], 2, added=2),
        "stream-2-node-deleted": built([odd_node(1, b"1")]),
        "stream-2-node-names": built([odd_node(2, b"2")]),
        "stream-2-node-flags": built([odd_node(5, b"4")]),
        "stream-2-node-elements": built([odd_node(-1, b"5")]),
        "stream-2-node-ms": built([odd_node(6, b"-1")]),
        "stream-2-node-listpack": built([node[:17] + rdb.string(node[18:-1] + b"\x00")]),
        "stream-2-last-id": built(last=(4, 9)),
        "stream-2-entries-added": built(added=0),
        "stream-2-group-twice": built(groups=[group([]), group([])]),
        "stream-2-pending-twice": built(groups=[group(pending * 2, mine)]),
        "stream-2-pending-stranger": built(groups=[group([(other, TIME, 1)], mine)]),
        "stream-2-pending-shared": built(groups=[group(pending, mine, yours)]),
        "stream-3-consumer-twice": built(
            groups=[group(pending, mine, mine, tag=rdb.STREAM_3)], tag=rdb.STREAM_3),
        "stream-3-without-active": (rdb.STREAM_3, built(groups=[group(pending, mine)])[1]),
    }


def damaged():
    """name: (tag, value): structure that is wrong in itself, under a sum that is right."""
    blob = rdb.string
    listpack, ziplist = rdb.listpack([b"a", b"1"]), rdb.ziplist([b"a", b"1"])
    return damaged_deadlines() | damaged_streams() | {
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


def stream_seed(tag, seed):
    return bytes([(rdb.STREAM, rdb.STREAM_2, rdb.STREAM_3).index(tag), seed])


def hyperloglogs():
    """Empty ones, sparse and dense; and a sparse one of all three kinds of runs: 1000 registers
    that are 0 (two bytes), 3 of rank 5 (one byte), 40 that are 0 (one byte), and the rest."""
    head = b"HYLL\x01\0\0\0" + bytes(7) + b"\x80"
    runs = struct.pack(">HBBH", 0x4000 | 999, 0x80 | 4 << 2 | 2, 39, 0x4000 | 15340)
    return {"sparse-empty": head + b"\x7f\xff", "sparse-runs": head + runs,
            "dense-empty": b"HYLL" + bytes(4) + bytes(8) + bytes(12288)}


def readable(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {readable(field): readable(item) for field, item in value.items()}


def main():
    expected = {}
    for name, (tag, value, kind, holds) in payloads().items():
        write("payloads", f"{name}.dump", rdb.payload(tag, value, version_of(name, tag)))
        write("fuzz/restore_fuzz", name, bytes([tag, "valkey" in name]) + value)
        if kind == "stream":
            for seed in range(2):
                write("fuzz/stream_fuzz", f"{name}-{seed}", stream_seed(tag, seed) + value)
        expected[name] = {"type": kind, "value": readable(holds)}
    for name, (tag, value) in damaged().items():
        version = max(10, version_of(name, tag))
        write("payloads/damaged", f"{name}.dump", rdb.payload(tag, value, version))
        write("fuzz/restore_fuzz", f"damaged-{name}", bytes([tag, "valkey" in name]) + value)
    for name, value in hyperloglogs().items():
        write("fuzz/hll_fuzz", name, b"\x00" + value)
    write("payloads", "expected.json",
          (json.dumps(expected, indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main()
