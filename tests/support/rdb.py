"""The bytes of RDB values, made by hand from the documented format: what DUMP payloads hold, in
every encoding that was ever written. Tests RESTORE them, make_payloads.py keeps them as fixtures.

Every builder takes text as bytes, and nothing here is clever: the shape of the bytes is to be seen.
"""
import struct

STRING, LIST, SET, ZSET, HASH, ZSET_2 = 0, 1, 2, 3, 4, 5
HASH_ZIPMAP, LIST_ZIPLIST, SET_INTSET, ZSET_ZIPLIST, HASH_ZIPLIST = 9, 10, 11, 12, 13
LIST_QUICKLIST, HASH_LISTPACK, ZSET_LISTPACK, LIST_QUICKLIST_2, SET_LISTPACK = 14, 16, 17, 18, 20
STREAM, STREAM_2, STREAM_3 = 15, 19, 21
HASH_METADATA_PRE, HASH_LISTPACK_EX_PRE, HASH_METADATA, HASH_LISTPACK_EX = 22, 23, 24, 25
HASH_2_VALKEY, VALKEY = 22, 80

POLYNOMIAL = 0x95ac9329ac4bc9b5


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc64(data, crc=0):
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc


def payload(tag, value, version=10):
    """What RESTORE takes."""
    body = bytes([tag]) + value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


# --- Lengths and strings --------------------------------------------------------------------------

def length(n):
    if n < 1 << 6:
        return bytes([n])
    if n < 1 << 14:
        return struct.pack(">H", 1 << 14 | n)
    if n < 1 << 32:
        return b"\x80" + struct.pack(">I", n)
    return b"\x81" + struct.pack(">Q", n)


def string(data):
    return length(len(data)) + data


def integer(n):
    """A string that is an integer of at most 32 bits."""
    for code, form in enumerate(("<b", "<h", "<i")):
        try:
            return bytes([0xc0 | code]) + struct.pack(form, n)
        except struct.error:
            pass
    raise ValueError(n)


def lzf(packed, unpacked_len):
    return b"\xc3" + length(len(packed)) + length(unpacked_len) + packed


def lzf_run(byte, count):
    """`count` times one byte (at least 10), as LZF."""
    out = b"\x00" + byte
    count -= 1
    while count:
        step = min(count, 264)
        if count - step in (1, 2):
            step -= 3
        assert step >= 9
        out += bytes([0xe0, step - 9, 0])
        count -= step
    return out


def score_text(text):
    special = {b"inf": b"\xfe", b"-inf": b"\xff", b"nan": b"\xfd"}
    return special.get(text) or bytes([len(text)]) + text


def double(value):
    return struct.pack("<d", value)


# --- Containers -----------------------------------------------------------------------------------

def ziplist_entry(text):
    """Encoding and data; integers in the narrowest form."""
    try:
        number = int(text)
        if str(number).encode() == text and -2 ** 63 <= number < 2 ** 63:
            if 0 <= number <= 12:
                return bytes([0xf1 + number])
            if -128 <= number < 128:
                return b"\xfe" + struct.pack("<b", number)
            if -2 ** 15 <= number < 2 ** 15:
                return b"\xc0" + struct.pack("<h", number)
            if -2 ** 23 <= number < 2 ** 23:
                return b"\xf0" + struct.pack("<i", number)[:3]
            if -2 ** 31 <= number < 2 ** 31:
                return b"\xd0" + struct.pack("<i", number)
            return b"\xe0" + struct.pack("<q", number)
    except ValueError:
        pass
    n = len(text)
    if n < 1 << 6:
        return bytes([n]) + text
    if n < 1 << 14:
        return struct.pack(">H", 1 << 14 | n) + text
    return b"\x80" + struct.pack(">I", n) + text


def ziplist(texts):
    body, previous, tail = b"", 0, 10
    for text in texts:
        tail = 10 + len(body)
        link = bytes([previous]) if previous < 254 else b"\xfe" + struct.pack("<I", previous)
        entry = link + ziplist_entry(text)
        body += entry
        previous = len(entry)
    return struct.pack("<IIH", 11 + len(body), tail, len(texts)) + body + b"\xff"


def zipmap(pairs, spare=0):
    def size(n):
        return bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)
    body = b"".join(size(len(field)) + field + size(len(value)) + bytes([spare]) + value +
                    b"\x00" * spare for field, value in pairs)
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def intset(numbers, width):
    form = {2: "h", 4: "i", 8: "q"}[width]
    return struct.pack("<II", width, len(numbers)) + b"".join(
        struct.pack("<" + form, number) for number in sorted(numbers))


def listpack_entry(text):
    try:
        number = int(text)
        if str(number).encode() == text and -2 ** 63 <= number < 2 ** 63:
            if 0 <= number < 128:
                return bytes([number])
            if -4096 <= number < 4096:
                return struct.pack(">H", 0xc000 | number & 0x1fff)
            for code, bits in ((0xf1, 16), (0xf2, 24), (0xf3, 32), (0xf4, 64)):
                if -2 ** (bits - 1) <= number < 2 ** (bits - 1):
                    return bytes([code]) + struct.pack("<q", number)[:bits // 8]
    except ValueError:
        pass
    n = len(text)
    if n < 64:
        return bytes([0x80 | n]) + text
    if n < 4096:
        return struct.pack(">H", 0xe000 | n) + text
    return b"\xf0" + struct.pack("<I", n) + text


def listpack_back(n):
    """The length backwards: seven bits a byte, the highest first, all but the first marked."""
    out = [n & 127 | (128 if n >= 128 else 0)]
    n >>= 7
    while n:
        out.append(n & 127 | (128 if n >= 128 else 0))
        n >>= 7
    return bytes(reversed(out))


def listpack(texts):
    body = b""
    for text in texts:
        entry = listpack_entry(text)
        body += entry + listpack_back(len(entry))
    return struct.pack("<IH", 7 + len(body), min(len(texts), 65535)) + body + b"\xff"


def flat(pairs):
    return [text for pair in pairs for text in pair]


# --- Fields that expire: (field, value, deadline in ms or 0 for none) -----------------------------

def hash_metadata(triples, first=None):
    """Deadlines count from the first of them, plus one; 0 is none."""
    if first is None:
        first = min(deadline for _, _, deadline in triples if deadline)
    return struct.pack("<Q", first) + length(len(triples)) + b"".join(
        length(deadline and deadline - first + 1) + string(field) + string(value)
        for field, value, deadline in triples)


def hash_metadata_pre(triples):
    return length(len(triples)) + b"".join(
        length(deadline) + string(field) + string(value) for field, value, deadline in triples)


def hash_listpack_ex(triples):
    """The bytes of the listpack: the first to expire first, those that do not at the end."""
    ordered = sorted(triples, key=lambda triple: triple[2] or 2 ** 64)
    return listpack([text for field, value, deadline in ordered
                     for text in (field, value, str(deadline).encode())])


def hash_valkey(triples):
    """The deadline comes last, -1 for none."""
    return length(len(triples)) + b"".join(
        string(field) + string(value) + struct.pack("<q", deadline or -1)
        for field, value, deadline in triples)


# --- Streams --------------------------------------------------------------------------------------

def raw_id(entry_id):
    """In a node's key and in what is pending: 16 bytes, big-endian."""
    return struct.pack(">QQ", *entry_id)


def length_id(entry_id):
    return length(entry_id[0]) + length(entry_id[1])


def stream_elements(base, names, entries):
    """What the listpack of a node holds, one text each. An entry is (ID, pairs, deleted); one with
    the names of the base keeps only its values, and has flag 2."""
    deleted = sum(gone for _, _, gone in entries)
    out = [len(entries) - deleted, deleted, len(names), *names, 0]
    for entry_id, pairs, gone in entries:
        same = [name for name, _ in pairs] == names
        words = [value for _, value in pairs] if same else [len(pairs)] + flat(pairs)
        out += [gone + 2 * same, entry_id[0] - base[0], entry_id[1] - base[1], *words,
                3 + len(words)]
    return [word if isinstance(word, bytes) else str(word).encode() for word in out]


def stream_node(base, names, entries):
    return string(raw_id(base)) + string(listpack(stream_elements(base, names, entries)))


def stream_group(tag, name, last, read, pending, consumers):
    """Pending: (ID, time, deliveries); consumers: (name, seen, active, IDs); read: -1 is unknown,
    tag 15 does not say. `name` and those of the consumers are encoded already."""
    out = name + length_id(last)
    if tag != STREAM:
        out += length(read % 2 ** 64)
    out += length(len(pending)) + b"".join(
        raw_id(entry_id) + struct.pack("<q", time) + length(deliveries)
        for entry_id, time, deliveries in pending)
    out += length(len(consumers))
    for consumer, seen, active, ids in consumers:
        out += consumer + struct.pack("<q", seen)
        if tag == STREAM_3:
            out += struct.pack("<q", active)
        out += length(len(ids)) + b"".join(raw_id(entry_id) for entry_id in ids)
    return out


def stream(tag, nodes, count, last, first=(0, 0), max_deleted=(0, 0), added=0, groups=()):
    """Nodes and groups as the functions above make them."""
    out = length(len(nodes)) + b"".join(nodes) + length(count) + length_id(last)
    if tag != STREAM:
        out += length_id(first) + length_id(max_deleted) + length(added)
    return out + length(len(groups)) + b"".join(groups)
