"""Log directories in kv's format, written in Python from the text of the design alone: a second
opinion on persistence/format.c and manifest.c, and the maker of the fixtures.

    log = aof.Log()
    log.batch([b"SET", b"a", b"1"])
    aof.save(folder, [log])
"""
import os
import struct
import zlib

KVID = "0123456789abcdef0123456789abcdef"


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def seed(crc, salt):
    return zlib.crc32(struct.pack("<Q", salt), crc)


class Log:
    """One incr file. `after` is the file before it."""

    def __init__(self, after=None, kvid=KVID, salt=0x1122334455667788):
        self.kvid, self.salt = kvid, salt + (after.salt if after else 0)
        self.batches = after.batches if after else 0
        self.seq = self.first_seq = after.seq if after else 0
        self.crc = after.crc if after else 0
        header = "#KVF:v1:%s:%016x:%d:%d:%08x:" % (
            kvid, self.salt & 0xffffffffffffffff, self.batches + 1, self.seq, self.crc)
        self.salt &= 0xffffffffffffffff
        self.bytes = ("%s%08x\r\n" % (header, zlib.crc32(header.encode()))).encode()
        self.begin = len(self.bytes)
        self.crc_from = 0
        self.ends = [self.begin]

    def batch(self, *commands, time=None, durable=None):
        """Commands as lists of words; returns the batch's (from, to)."""
        if time is not None:
            self.bytes += b"#TS:%d\r\n" % time
        for words in commands:
            data = command(*words)
            self.bytes += data
            self.seq += len(data)
        at = len(self.bytes)
        durable = self.batches if durable is None else durable
        self.batches += 1
        trailer = b"#KVC:v1:%d:%d:%d:%d:%d:" % (self.batches, self.seq, at, at - self.begin,
                                               durable)
        self.bytes += trailer
        self.crc = zlib.crc32(self.bytes[self.crc_from:], seed(self.crc, self.salt))
        self.bytes += b"%08x\r\n" % self.crc
        span = (self.begin, len(self.bytes))
        self.begin = self.crc_from = len(self.bytes)
        self.ends.append(self.begin)
        return span


    def fill(self, lines=4):
        """What is written ahead of the end, to be written over: up to a multiple of 512 bytes."""
        at = len(self.bytes)
        end = (at // 512 + lines) * 512
        filler = bytearray((b"#" + b"." * 510 + b"\n") * (end // 512))[at:]
        filler[0:1] = b"#"
        self.bytes += bytes(filler)

    def batch_until(self, end, *words):
        """A batch that ends at that offset of its 512 bytes, by the length of its last word."""
        for length in range(1, 2000):
            batches, seq, crc, data = self.batches, self.seq, self.crc, self.bytes
            begin, crc_from, ends = self.begin, self.crc_from, list(self.ends)
            self.batch([b"SELECT", b"0"], [*words, b"v" * length])
            if len(self.bytes) % 512 == end:
                return b"v" * length
            self.batches, self.seq, self.crc, self.bytes = batches, seq, crc, data
            self.begin, self.crc_from, self.ends = begin, crc_from, ends
        raise AssertionError("no length fits")


def manifest(logs, name="appendonly.aof"):
    lines = f"file {name}.kv seq 1 type h\n"
    for number, log in enumerate(logs, 1):
        lines += (f"file {name}.{number}.incr.aof seq {number} type i kvid {log.kvid} "
                  f"kvseq {log.first_seq}\n")
    return lines + "# kv:v1:%08x\n" % zlib.crc32(lines.encode())


def durable(batch, kvid=KVID, file="appendonly.aof.1.incr.aof"):
    """Both slots."""
    slots = b""
    for turn in (2, 3):
        text = f"KVD1 {kvid} {turn} {batch} 0 {file} 0 ".encode()
        slots += (text + b"%08x\n" % zlib.crc32(text)).ljust(512, b"\0")
    return slots


def save(folder, logs, name="appendonly.aof", slot=None):
    """Write an appendonlydir into `folder`; returns its path."""
    directory = os.path.join(folder, "appendonlydir")
    os.makedirs(directory, exist_ok=True)

    def write(file, data):
        with open(os.path.join(directory, file), "wb") as out:
            out.write(data)
    for number, log in enumerate(logs, 1):
        write(f"{name}.{number}.incr.aof", log.bytes)
    write(f"{name}.kv", b"")
    write(f"{name}.manifest", manifest(logs, name).encode())
    if slot is not None:
        write("kv.durable", durable(slot))
    return directory
