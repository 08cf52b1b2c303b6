/* The bytes of snapshots' files. Numbers are little-endian.
 *
 * dump.rdb.lz4, which `lz4 -d` makes a stock RDB:
 *
 *   0    72   head, a skippable frame
 *             0   4   184d2a50
 *             4   4   64: bytes of what follows
 *             8   8   "KVSNAP01"
 *             16  4   version: 1
 *             20  32  kvid, zeros if there is none
 *             52  8   seq
 *             60  8   bytes of the RDB
 *             68  4   crc32 of bytes 8 to 67
 *   72   36   an LZ4 frame with the RDB's magic, stored as it is: its version is known when all
 *             has been written, and patched in place then
 *   108  ...  LZ4 frames of about 4 MiB of RDB each: independent blocks, content size, content
 *             checksum. They begin with SELECTDB, between two keys, but for those that go on with
 *             a value that does not fit into one
 *        36   an LZ4 frame with 0xff and the RDB's CRC64, stored as it is
 *        ...  footer, a skippable frame: magic and length as above, the index, the tail
 *             -16 8   offset of the footer
 *             -8  4   crc32 of these 8 bytes
 *             -4  4   "KVT1"
 *
 * The index, in that footer, or alone in <base>.kvi:
 *
 *   0    8    "KVINDEX1"
 *   8    4    version: 1
 *   12   4    number of parts
 *   16   32   kvid
 *   48   8    seq
 *   56   8    where the parts end in the file: its size, or the offset of the footer
 *   64   8    bytes of the RDB
 *   72   8    keys
 *   80   8    CRC64 of the RDB
 *   88   36*n parts: offset 8, raw offset 8, keys 8, db 4, crc32 of the part's bytes in the file 4,
 *             flags 4 (1 continues, 2 head, 4 end)
 *        4    crc32 of all before
 *
 * Parts cover the file without a gap, so a part's length is the distance to the next one; the first
 * is the magic alone, the last the end. Nothing is believed before the crc32 holds and the numbers
 * fit together.
 */
#include "persistence/snapshot_format.h"

#include <lz4frame.h>
#include <string.h>
#include <xxhash.h>

#include "core/base/hash.h"
#include "core/base/mem.h"

#define VERSION 1
#define SKIPPABLE 0x184d2a50u
#define LZ4_MAGIC 0x184d2204u
#define HEAD_PAYLOAD (SNAPSHOT_HEAD_BYTES - 8)
#define INDEX_FIXED 88
#define PART_BYTES 36
#define BLOCK_BYTES ((size_t)4 << 20)
#define BLOCK_STORED 0x80000000u
#define LZ4_RATIO_MAX 255
#define DB_MAX INT32_MAX

static const char head_mark[8] = "KVSNAP01";
static const char index_mark[8] = "KVINDEX1";
static const char tail_mark[4] = "KVT1";

/* --- Numbers -------------------------------------------------------------------------------- */

static void store(char *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (char)(value >> 8 * i);
}

static uint64_t fetch(const char *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)(uint8_t)from[i] << 8 * i;
    return value;
}

static void put(struct buf *out, uint64_t value, unsigned bytes)
{
    store(buf_reserve(out, bytes), value, bytes);
    out->len += bytes;
}

static void put_kvid(char *to, const char *kvid)
{
    memset(to, 0, SNAPSHOT_KVID_CHARS);
    memcpy(to, kvid, strnlen(kvid, SNAPSHOT_KVID_CHARS));
}

/* Hex digits, all of them, or none at all. */
static bool get_kvid(const char *from, char out[static SNAPSHOT_KVID_CHARS + 1])
{
    memcpy(out, from, SNAPSHOT_KVID_CHARS);
    out[SNAPSHOT_KVID_CHARS] = '\0';
    size_t len = strlen(out);
    if (len == 0)
        return memcmp(from, from + 1, SNAPSHOT_KVID_CHARS - 1) == 0;
    return len == SNAPSHOT_KVID_CHARS && strspn(out, "0123456789abcdef") == len;
}

/* --- The index ------------------------------------------------------------------------------ */

void snapshot_index_add(struct snapshot_index *index, const struct snapshot_part *part)
{
    if (index->count == index->cap) {
        index->cap = index->cap ? 2 * index->cap : 64;
        index->parts = mem_realloc(index->parts, index->cap * sizeof(*index->parts));
    }
    index->parts[index->count++] = *part;
}

uint64_t snapshot_part_bytes(const struct snapshot_index *index, size_t part)
{
    uint64_t end = part + 1 < index->count ? index->parts[part + 1].offset : index->bytes;
    return end - index->parts[part].offset;
}

uint64_t snapshot_part_raw(const struct snapshot_index *index, size_t part)
{
    uint64_t end = part + 1 < index->count ? index->parts[part + 1].raw : index->raw_bytes;
    return end - index->parts[part].raw;
}

void snapshot_index_free(struct snapshot_index *index)
{
    mem_free(index->parts);
    *index = (struct snapshot_index){0};
}

void snapshot_index_put(const struct snapshot_index *index, struct buf *out)
{
    size_t from = out->len;
    buf_append(out, index_mark, sizeof(index_mark));
    put(out, VERSION, 4);
    put(out, index->count, 4);
    put_kvid(buf_reserve(out, SNAPSHOT_KVID_CHARS), index->kvid);
    out->len += SNAPSHOT_KVID_CHARS;
    put(out, index->seq, 8);
    put(out, index->bytes, 8);
    put(out, index->raw_bytes, 8);
    put(out, index->keys, 8);
    put(out, index->sum, 8);
    kv_assert(out->len - from == INDEX_FIXED);
    for (size_t i = 0; i < index->count; i++) {
        const struct snapshot_part *part = &index->parts[i];
        put(out, part->offset, 8);
        put(out, part->raw, 8);
        put(out, part->keys, 8);
        put(out, (uint32_t)part->db, 4);
        put(out, part->crc, 4);
        put(out, part->flags, 4);
    }
    put(out, crc32_bytes(0, out->data + from, out->len - from), 4);
}

static void get_part(const char *from, struct snapshot_part *out)
{
    *out = (struct snapshot_part){.offset = fetch(from, 8),
                                  .raw = fetch(from + 8, 8),
                                  .keys = fetch(from + 16, 8),
                                  .db = (int32_t)(uint32_t)fetch(from + 24, 4),
                                  .crc = (uint32_t)fetch(from + 28, 4),
                                  .flags = (uint32_t)fetch(from + 32, 4)};
}

/* Is the part what it can be at its place? */
static bool part_fits(const struct snapshot_index *index, size_t at)
{
    const struct snapshot_part *part = &index->parts[at];
    uint64_t end = at + 1 < index->count ? part[1].offset : index->bytes;
    uint64_t raw_end = at + 1 < index->count ? part[1].raw : index->raw_bytes;
    bool is_end = at + 1 == index->count;
    if (end <= part->offset || raw_end <= part->raw)
        return false;
    if (at == 0)
        return part->flags == SNAPSHOT_PART_HEAD && raw_end == SNAPSHOT_MAGIC_BYTES &&
               part->keys == 0;
    if (is_end)
        return part->flags == SNAPSHOT_PART_END && part->keys == 0 &&
               raw_end - part->raw == SNAPSHOT_END_BYTES;
    if (part->flags == SNAPSHOT_PART_HEAD)
        return part->keys == 0 && part[-1].flags == SNAPSHOT_PART_HEAD;
    if (part->flags == SNAPSHOT_PART_CONTINUES && part[-1].flags == SNAPSHOT_PART_HEAD)
        return false;
    return part->flags <= SNAPSHOT_PART_CONTINUES && part->db >= 0 && part->db < DB_MAX &&
           part->keys <= raw_end - part->raw;
}

bool snapshot_index_get(struct slice bytes, uint64_t begin, struct snapshot_index *out,
                        const char **why)
{
    const char *at = bytes.data;
    uint64_t keys = 0;
    *out = (struct snapshot_index){0};
    *why = "it is no index";
    if (bytes.len < SNAPSHOT_INDEX_LEAST || memcmp(at, index_mark, sizeof(index_mark)) != 0)
        return false;
    *why = "its checksum does not hold";
    if (crc32_bytes(0, at, bytes.len - 4) != (uint32_t)fetch(at + bytes.len - 4, 4))
        return false;
    *why = "it is of a newer version";
    if (fetch(at + 8, 4) != VERSION)
        return false;
    *why = "its numbers do not fit together";
    size_t count = (size_t)fetch(at + 12, 4);
    if (count < 2 || (bytes.len - SNAPSHOT_INDEX_LEAST) / PART_BYTES != count ||
        (bytes.len - SNAPSHOT_INDEX_LEAST) % PART_BYTES != 0 || !get_kvid(at + 16, out->kvid))
        return false;
    out->seq = fetch(at + 48, 8);
    out->bytes = fetch(at + 56, 8);
    out->raw_bytes = fetch(at + 64, 8);
    out->keys = fetch(at + 72, 8);
    out->sum = fetch(at + 80, 8);
    out->count = out->cap = count;
    out->parts = mem_alloc(count * sizeof(*out->parts));
    for (size_t i = 0; i < count; i++)
        get_part(at + INDEX_FIXED + i * PART_BYTES, &out->parts[i]);
    bool fits = out->parts[0].offset == begin && out->parts[0].raw == 0;
    for (size_t i = 0; fits && i < count; i++) {
        fits = part_fits(out, i);
        keys += out->parts[i].keys;
    }
    if (!fits || keys != out->keys) {
        snapshot_index_free(out);
        return false;
    }
    return true;
}

/* --- Head and footer of the LZ4 file -------------------------------------------------------- */

void snapshot_head_put(const struct snapshot_head *head, char out[static SNAPSHOT_HEAD_BYTES])
{
    store(out, SKIPPABLE, 4);
    store(out + 4, HEAD_PAYLOAD, 4);
    memcpy(out + 8, head_mark, sizeof(head_mark));
    store(out + 16, VERSION, 4);
    put_kvid(out + 20, head->kvid);
    store(out + 52, head->seq, 8);
    store(out + 60, head->raw_bytes, 8);
    store(out + 68, crc32_bytes(0, out + 8, HEAD_PAYLOAD - 4), 4);
}

bool snapshot_head_get(const char bytes[static SNAPSHOT_HEAD_BYTES], struct snapshot_head *out)
{
    out->seq = fetch(bytes + 52, 8);
    out->raw_bytes = fetch(bytes + 60, 8);
    return fetch(bytes, 4) == SKIPPABLE && fetch(bytes + 4, 4) == HEAD_PAYLOAD &&
           memcmp(bytes + 8, head_mark, sizeof(head_mark)) == 0 &&
           fetch(bytes + 68, 4) == crc32_bytes(0, bytes + 8, HEAD_PAYLOAD - 4) &&
           fetch(bytes + 16, 4) == VERSION && get_kvid(bytes + 20, out->kvid);
}

bool snapshot_is_lz4(struct slice begin)
{
    if (begin.len < 4)
        return false;
    uint64_t magic = fetch(begin.data, 4);
    return magic == SKIPPABLE || magic == LZ4_MAGIC;
}

void snapshot_footer_put(const struct snapshot_index *index, struct buf *out)
{
    size_t from = out->len;
    put(out, SKIPPABLE, 4);
    put(out, 0, 4);
    snapshot_index_put(index, out);
    size_t tail = out->len;
    put(out, index->bytes, 8);
    put(out, crc32_bytes(0, out->data + tail, 8), 4);
    buf_append(out, tail_mark, sizeof(tail_mark));
    kv_assert(out->len - from - 8 <= SNAPSHOT_INDEX_MAX);
    store(out->data + from + 4, out->len - from - 8, 4);
}

bool snapshot_tail_get(const char bytes[static SNAPSHOT_TAIL_BYTES], uint64_t *footer)
{
    *footer = fetch(bytes, 8);
    return memcmp(bytes + 12, tail_mark, sizeof(tail_mark)) == 0 &&
           fetch(bytes + 8, 4) == crc32_bytes(0, bytes, 8);
}

bool snapshot_footer_get(struct slice bytes, uint64_t footer, struct snapshot_index *out,
                         const char **why)
{
    *out = (struct snapshot_index){0};
    *why = "it is no index";
    if (bytes.len < 8 + SNAPSHOT_INDEX_LEAST + SNAPSHOT_TAIL_BYTES ||
        fetch(bytes.data, 4) != SKIPPABLE || fetch(bytes.data + 4, 4) != bytes.len - 8)
        return false;
    struct slice index = {bytes.data + 8, bytes.len - 8 - SNAPSHOT_TAIL_BYTES};
    if (!snapshot_index_get(index, SNAPSHOT_HEAD_BYTES, out, why))
        return false;
    if (out->bytes == footer)
        return true;
    *why = "its numbers do not fit together";
    snapshot_index_free(out);
    return false;
}

/* --- LZ4 frames ----------------------------------------------------------------------------- */

/* The LZ4 library compresses what it is given, so a frame that must not be is put together here:
 * magic, flags (version 1, independent blocks, content size, content checksum), block size, content
 * size, a byte of the descriptor's hash; blocks; a length of 0; the content's hash. */
static void pack_stored(struct slice raw, struct buf *out)
{
    size_t from = out->len;
    put(out, LZ4_MAGIC, 4);
    put(out, 0x6c, 1);
    put(out, 0x70, 1);
    put(out, raw.len, 8);
    put(out, XXH32(out->data + from + 4, 10, 0) >> 8 & 255, 1);
    for (size_t at = 0; at < raw.len; at += BLOCK_BYTES) {
        size_t len = raw.len - at < BLOCK_BYTES ? raw.len - at : BLOCK_BYTES;
        put(out, len | BLOCK_STORED, 4);
        buf_append(out, raw.data + at, len);
    }
    put(out, 0, 4);
    put(out, XXH32(raw.data, raw.len, 0), 4);
}

void snapshot_frame_pack(struct slice raw, bool compress, struct buf *out)
{
    const LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max4MB,
                      .blockMode = LZ4F_blockIndependent,
                      .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                      .contentSize = raw.len}};
    if (!compress) {
        pack_stored(raw, out);
        return;
    }
    size_t most = LZ4F_compressFrameBound(raw.len, &preferences);
    char *to = buf_reserve(out, most);
    size_t made = LZ4F_compressFrame(to, most, raw.data, raw.len, &preferences);
    kv_assert(!LZ4F_isError(made));
    out->len += made;
}

struct snapshot_unpacker {
    LZ4F_dctx *context;
};

struct snapshot_unpacker *snapshot_unpacker_new(void)
{
    struct snapshot_unpacker *unpacker = mem_alloc_zero(sizeof(*unpacker));
    kv_assert(!LZ4F_isError(LZ4F_createDecompressionContext(&unpacker->context, LZ4F_VERSION)));
    return unpacker;
}

void snapshot_unpacker_free(struct snapshot_unpacker *unpacker)
{
    if (unpacker)
        LZ4F_freeDecompressionContext(unpacker->context);
    mem_free(unpacker);
}

bool snapshot_stream_unpack(struct snapshot_unpacker *unpacker, struct slice *in, void *out,
                            size_t room, size_t *made, bool *more)
{
    size_t taken = in->len;
    *made = room;
    size_t hint = LZ4F_decompress(unpacker->context, out, made, in->data, &taken, NULL);
    in->data += taken;
    in->len -= taken;
    *more = hint != 0;
    return !LZ4F_isError(hint);
}

bool snapshot_frame_unpack(struct snapshot_unpacker *unpacker, struct slice frame, void *raw,
                           size_t raw_len)
{
    const LZ4F_decompressOptions_t stable = {.stableDst = 1};
    size_t done = 0, hint = 1;
    LZ4F_resetDecompressionContext(unpacker->context);
    if (frame.len < 4 || fetch(frame.data, 4) != LZ4_MAGIC)
        return false;
    while (hint != 0 && !LZ4F_isError(hint)) {
        size_t made = raw_len - done, taken = frame.len;
        hint = LZ4F_decompress(unpacker->context, (char *)raw + done, &made, frame.data, &taken,
                               &stable);
        if (hint != 0 && made == 0 && taken == 0)
            return false;
        frame.data += taken;
        frame.len -= taken;
        done += made;
    }
    return hint == 0 && frame.len == 0 && done == raw_len;
}

uint64_t snapshot_frame_raw_max(uint64_t frame_bytes)
{
    return frame_bytes > UINT64_MAX / LZ4_RATIO_MAX ? UINT64_MAX : frame_bytes * LZ4_RATIO_MAX;
}
