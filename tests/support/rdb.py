"""The bytes of RDB values, made by hand from the documented format: what DUMP payloads hold, in
every encoding that was ever written. Tests RESTORE them, make_payloads.py keeps them as fixtures.

Every builder takes text as bytes, and nothing here is clever: the shape of the bytes is to be seen.
"""
import struct

STRING, LIST, SET, ZSET, HASH, ZSET_2 = 0, 1, 2, 3, 4, 5
HASH_ZIPMAP, LIST_ZIPLIST, SET_INTSET, ZSET_ZIPLIST, HASH_ZIPLIST = 9, 10, 11, 12, 13
LIST_QUICKLIST, HASH_LISTPACK, ZSET_LISTPACK, LIST_QUICKLIST_2, SET_LISTPACK = 14, 16, 17, 18, 20

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
