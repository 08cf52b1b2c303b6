#!/usr/bin/python3
"""Make fixtures/log again: log directories, good and damaged, each with what must be said of it.
Run from the root: tests/support/make_fixtures.py. Not made here is `recorded`: see
fixtures/README.md.
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import aof  # noqa: E402 (needs the path)

ROOT = "fixtures/log"
ZERO = [b"SELECT", b"0"]


def put(key, value):
    return [b"SET", key, value]


def two_files():
    """Three batches and one."""
    first = aof.Log()
    first.batch(ZERO, put(b"a", b"1"), time=1700000000)
    first.batch(ZERO, [b"MULTI"], put(b"b", b"2"), put(b"c", b"3"), [b"EXEC"])
    first.batch(ZERO, put(b"d", b"4"))
    second = aof.Log(first)
    second.batch(ZERO, put(b"e", b"5"), time=1700000060)
    return first, second


def good(folder):
    aof.save(folder, two_files(), slot=4)
    return "valid", "abcde"


def healed(folder):
    """The first file failed in its third batch; the second states it again."""
    first, _ = two_files()
    before = aof.Log()
    before.batch(ZERO, put(b"a", b"1"), time=1700000000)
    before.batch(ZERO, [b"MULTI"], put(b"b", b"2"), put(b"c", b"3"), [b"EXEC"])
    second = aof.Log(before)
    second.batch(ZERO, put(b"d", b"4"))
    first.bytes = first.bytes[:-30]
    aof.save(folder, [first, second], slot=3)
    return "valid", "abcd"


def torn_in_multi(folder):
    first, second = two_files()
    end = len(second.bytes)
    second.batch(ZERO, [b"MULTI"], put(b"f", b"6"), put(b"g", b"7"), [b"EXEC"])
    second.bytes = second.bytes[:end + 75]
    aof.save(folder, [first, second], slot=4)
    return "torn", "abcde"


def torn_with_zeros(folder):
    first, second = two_files()
    end = len(second.bytes)
    second.batch(ZERO, put(b"f", b"6" * 100))
    second.bytes = second.bytes[:end + 70] + bytes(4096)
    aof.save(folder, [first, second], slot=4)
    return "torn", "abcde"


def torn_with_forgery(folder):
    """The torn value holds a copy of the log and a commit mark that says where it stands."""
    first, second = two_files()
    at = len(second.bytes) + len(aof.command(*ZERO))
    at += len(b"*3\r\n$3\r\nSET\r\n$1\r\nf\r\n$0000\r\n")
    value = second.bytes + b"#KVC:v1:9:9:%d:0:8:00000000\r\n" % (at + len(second.bytes))
    value = value.ljust(2000, b"x")
    second.batch(ZERO, put(b"f", value))
    second.bytes = second.bytes[:at + 1500]
    aof.save(folder, [first, second])
    return "torn", "abcde"


def filled(folder):
    """Filler behind the last batch, as a server leaves it that was killed."""
    first, second = two_files()
    second.fill()
    aof.save(folder, [first, second], slot=4)
    return "valid", "abcde"


def filled_to_the_newline(folder):
    """The last batch ends where filler would have its end of line."""
    log = aof.Log()
    log.batch(ZERO, put(b"a", b"1"), time=1700000000)
    log.batch_until(511, b"SET", b"b")
    log.fill()
    aof.save(folder, [log], slot=2)
    return "valid", "ab"


def filled_with_holes(folder):
    """Power was cut while filler was written: some of its sectors are zeros."""
    first, second = two_files()
    at = len(second.bytes)
    second.fill(6)
    end = (at // 512 + 1) * 512
    second.bytes = (second.bytes[:at] + bytes(end - at) + second.bytes[end:end + 512] +
                    bytes(512) + second.bytes[end + 1024:end + 1536] + bytes(100))
    aof.save(folder, [first, second], slot=4)
    return "valid", "abcde"


def torn_over_filler(folder):
    """Of a batch over filler two sectors of three are there; behind it is filler."""
    first, second = two_files()
    at = len(second.bytes)
    second.fill(6)
    filler = second.bytes
    second.bytes = second.bytes[:at]
    second.batch(ZERO, put(b"f", b"6" * 1000))
    data = second.bytes
    data = data + b"#" + filler[len(data) + 1:]
    hole = (at // 512 + 1) * 512
    second.bytes = data[:hole] + filler[hole:hole + 512] + data[hole + 512:]
    aof.save(folder, [first, second], slot=4)
    return "torn", "abcde"


def corrupt_batch_turned_filler(folder):
    """The write of a durable batch was lost: its place holds the filler from before."""
    first, second = two_files()
    second.fill()
    aof.save(folder, [first, second], slot=5)
    return "corrupt", ""


def corrupt_sector_turned_filler(folder):
    """The same of one sector, of which the batches behind tell."""
    log = aof.Log()
    for i in range(30):
        log.batch(ZERO, put(b"a", b"%d" % i))
    data = log.bytes
    log.bytes = b""
    log.fill(2)
    hole = log.bytes[512:1024]
    log.bytes = data[:1024] + hole + data[1536:]
    log.fill()
    aof.save(folder, [log])
    return "corrupt", ""


def corrupt_value(folder):
    first, second = two_files()
    first.bytes = first.bytes.replace(b"$1\r\n2\r\n", b"$1\r\n7\r\n")
    aof.save(folder, [first, second], slot=4)
    return "corrupt", ""


def corrupt_length(folder):
    """The length of an argument has grown: the walk is lost at once."""
    first, second = two_files()
    second.batch(ZERO, put(b"f", b"6"))
    second.batch(ZERO, put(b"g", b"7"))
    second.bytes = second.bytes.replace(b"$1\r\ne\r\n", b"$9\r\ne\r\n")
    aof.save(folder, [first, second])
    return "corrupt", ""


def corrupt_page(folder):
    """512 bytes of zeros, several batches before the end."""
    log = aof.Log()
    for i in range(30):
        log.batch(ZERO, put(b"a", b"%d" % i))
    log.bytes = log.bytes[:1024] + bytes(512) + log.bytes[1536:]
    aof.save(folder, [log])
    return "corrupt", ""


def corrupt_end(folder):
    """The last batch is gone; only kv.durable knows of it."""
    first, second = two_files()
    second.bytes = second.bytes[:second.ends[0]]
    aof.save(folder, [first, second], slot=4)
    return "corrupt", ""


def corrupt_header(folder):
    first, second = two_files()
    first.bytes = b"#KVF:v1:1" + first.bytes[9:]
    aof.save(folder, [first, second], slot=4)
    return "corrupt", ""


def corrupt_seal(folder):
    directory = aof.save(folder, two_files(), slot=4)
    path = os.path.join(directory, "appendonly.aof.manifest")
    with open(path, "rb") as opened:
        text = opened.read()
    with open(path, "wb") as opened:
        opened.write(text.replace(b"seq 2 type i", b"seq 3 type i"))
    return "corrupt", ""


def corrupt_missing_file(folder):
    directory = aof.save(folder, two_files(), slot=4)
    os.unlink(os.path.join(directory, "appendonly.aof.1.incr.aof"))
    return "corrupt", ""


def corrupt_foreign_file(folder):
    """The second file is of another log that went the same way for a while."""
    first, _ = two_files()
    other, _ = two_files()
    other.batch(ZERO, put(b"x", b"1"))
    first.batch(ZERO, put(b"y", b"1"))
    second = aof.Log(other)
    second.batch(ZERO, put(b"z", b"1"))
    aof.save(folder, [first, second])
    return "corrupt", ""


def no_manifest(folder):
    directory = aof.save(folder, two_files(), slot=4)
    os.unlink(os.path.join(directory, "appendonly.aof.manifest"))
    return "corrupt", ""


def stock_manifest(folder, logs, more=b""):
    directory = aof.save(folder, logs, slot=logs[-1].batches)
    os.unlink(os.path.join(directory, "appendonly.aof.kv"))
    with open(os.path.join(directory, "appendonly.aof.manifest"), "wb") as out:
        for number, _ in enumerate(logs, 1):
            out.write(b"file appendonly.aof.%d.incr.aof seq %d type i\n" % (number, number))
    with open(os.path.join(directory, f"appendonly.aof.{len(logs)}.incr.aof"), "ab") as out:
        out.write(more)


def stock_continued(folder):
    """redis-server went on from kv's log."""
    stock_manifest(folder, two_files(), aof.command(*ZERO) + aof.command(*put(b"f", b"6")))
    return "valid", "abcdef"


def stock_continued_behind_filler(folder):
    first, second = two_files()
    second.fill()
    stock_manifest(folder, [first, second], aof.command(*ZERO) + aof.command(*put(b"f", b"6")))
    return "valid", "abcdef"


def stock_continued_torn(folder):
    stock_manifest(folder, two_files(), aof.command(*ZERO) + aof.command(b"MULTI") +
                   aof.command(*put(b"f", b"6")))
    return "torn", "abcde"


def stock_continued_corrupt(folder):
    """And what kv had acknowledged was damaged."""
    first, second = two_files()
    second.batch(ZERO, put(b"f", b"6"))
    second.bytes = second.bytes.replace(b"$1\r\n5\r\n", b"$1\r\n6\r\n")
    stock_manifest(folder, [first, second], aof.command(*ZERO) + aof.command(*put(b"g", b"7")))
    return "corrupt", ""


def stock_single_file(folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "appendonly.aof"), "wb") as out:
        out.write(b"".join(aof.command(*words) for words in (ZERO, put(b"a", b"1"), [b"MULTI"],
                                                             put(b"b", b"2"), [b"EXEC"])))
    return "valid", "ab"


MADE = [good, healed, torn_in_multi, torn_with_zeros, torn_with_forgery, corrupt_value,
        corrupt_length, corrupt_page, corrupt_end, corrupt_header, corrupt_seal,
        corrupt_missing_file, corrupt_foreign_file, no_manifest, stock_continued,
        stock_continued_torn, stock_continued_corrupt, stock_single_file, filled,
        filled_to_the_newline, filled_with_holes, torn_over_filler, corrupt_batch_turned_filler,
        corrupt_sector_turned_filler, stock_continued_behind_filler]


def seeds():
    """Where the fuzzers begin."""
    first, _ = two_files()
    for name, data in (("resp", b"\1" + first.bytes[first.ends[0]:]),
                       ("reader", b"\0" + first.bytes),
                       ("reader2", b"\1" + first.bytes[first.ends[0]:]),
                       ("reader3", b"\2\x45aaaaa\x85bbbbb\x45ccccc\x45ddddd\xff\0\x90\5\1"),
                       ("manifest", aof.manifest(two_files()).encode())):
        folder = f"fixtures/fuzz/{name.rstrip('23')}_fuzz"
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as out:
            out.write(data)


def main():
    expected = {}
    for make in MADE:
        name = make.__name__.replace("_", "-")
        shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)
        verdict, keys = make(os.path.join(ROOT, name))
        expected[name] = {"verdict": verdict, "keys": keys}
    expected["recorded"] = {"verdict": "valid", "keys": "abc"}
    with open(os.path.join(ROOT, "expected.json"), "w", encoding="ascii") as out:
        json.dump(expected, out, indent=1, sort_keys=True)
        out.write("\n")
    seeds()


if __name__ == "__main__":
    main()
