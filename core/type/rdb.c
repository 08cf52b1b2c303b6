/* The grammar of RDB: lengths, strings and numbers.
 *
 *   length   00LLLLLL                    6 bits
 *            01LLLLLL LLLLLLLL           14 bits
 *            10000000 and u32            big-endian
 *            10000001 and u64            big-endian
 *            11EEEEEE                    no length, a packed string: E says how
 *   string   length and bytes, or
 *            E 0, 1, 2                   an integer of 1, 2 or 4 bytes, little-endian
 *            E 3                         length packed, length unpacked, bytes by LZF
 *   double   8 bytes little-endian; as text: a byte with the length (253 not a number, 254 and 255
 *            plus and minus infinity) and digits
 */
#include "core/type/rdb.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "core/base/num.h"
#include "core/type/lzf.h"

#define LENGTH_6 0
#define LENGTH_14 1
#define LENGTH_LONG 2
#define LENGTH_32 0x80
#define LENGTH_64 0x81
#define PACKED 0xc0
#define PACKED_I8 0
#define PACKED_I16 1
#define PACKED_I32 2
#define PACKED_LZF 3
/* The longest text of an integer of 32 bits, and the shortest that is worth compressing. */
#define INTEGER_CHARS_MAX 11
#define COMPRESS_BYTES_MIN 21

static void put_big(struct rdb_out *out, uint64_t value, unsigned bytes)
{
    uint8_t *at = (uint8_t *)buf_reserve(out->buf, bytes);

    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    out->buf->len += bytes;
}

static void put_little(struct rdb_out *out, uint64_t value, unsigned bytes)
{
    uint8_t *at = (uint8_t *)buf_reserve(out->buf, bytes);

    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
    out->buf->len += bytes;
}

void rdb_put_len(struct rdb_out *out, uint64_t len)
{
    if (len < 1 << 6) {
        put_big(out, len, 1);
    } else if (len < 1 << 14) {
        put_big(out, (uint64_t)LENGTH_14 << 14 | len, 2);
    } else if (len <= UINT32_MAX) {
        put_big(out, LENGTH_32, 1);
        put_big(out, len, 4);
    } else {
        put_big(out, LENGTH_64, 1);
        put_big(out, len, 8);
    }
}

static bool put_integer(struct rdb_out *out, struct slice text)
{
    int64_t value;

    if (text.len > INTEGER_CHARS_MAX || !num_parse_i64(text, &value) || value != (int32_t)value)
        return false;
    if (value == (int8_t)value) {
        put_big(out, PACKED | PACKED_I8, 1);
        put_little(out, (uint64_t)value, 1);
    } else if (value == (int16_t)value) {
        put_big(out, PACKED | PACKED_I16, 1);
        put_little(out, (uint64_t)value, 2);
    } else {
        put_big(out, PACKED | PACKED_I32, 1);
        put_little(out, (uint64_t)value, 4);
    }
    return true;
}

/* False, and nothing written, where it would save nothing. */
static bool put_compressed(struct rdb_out *out, struct slice text)
{
    size_t at = out->buf->len, room = text.len - 4, len;
    uint8_t *packed = (uint8_t *)buf_reserve(out->buf, room + 16) + 16;

    /* Compressed behind the place of the lengths, which are known only then. */
    len = lzf_pack((const uint8_t *)text.data, text.len, packed, room);
    if (len == 0)
        return false;
    put_big(out, PACKED | PACKED_LZF, 1);
    rdb_put_len(out, len);
    rdb_put_len(out, text.len);
    kv_assert(out->buf->len - at <= 16);
    memmove(out->buf->data + out->buf->len, out->buf->data + at + 16, len);
    out->buf->len += len;
    return true;
}

void rdb_put_string(struct rdb_out *out, struct slice text)
{
    if (put_integer(out, text))
        return;
    /* The packer keeps places in 32 bits. */
    if (out->compress && text.len >= COMPRESS_BYTES_MIN && text.len <= UINT32_MAX - 1 &&
        put_compressed(out, text))
        return;
    rdb_put_len(out, text.len);
    buf_append_slice(out->buf, text);
}

void rdb_put_bytes(struct rdb_out *out, const void *bytes, size_t len)
{
    buf_append(out->buf, bytes, len);
}

void rdb_put_double(struct rdb_out *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    put_little(out, bits, 8);
}

void rdb_put_u64(struct rdb_out *out, uint64_t value)
{
    put_little(out, value, 8);
}

uint64_t rdb_offset(const struct rdb_in *in)
{
    return in->offset - (uint64_t)(in->end - in->at);
}

int rdb_bad(struct rdb_in *in, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fault_set(in->fault, KV_EFORMAT, in->fault == NULL ? NULL : in->fault->path,
                     (int64_t)rdb_offset(in), "%s", text);
}

void rdb_in_free(struct rdb_in *in)
{
    buf_free(&in->scratch);
}

/* `len` bytes at `at`, or the fault. */
static int need(struct rdb_in *in, size_t len)
{
    if (likely((size_t)(in->end - in->at) >= len))
        return 0;
    if (in->refill != NULL && in->refill(in, len)) {
        kv_assert((size_t)(in->end - in->at) >= len);
        return 0;
    }
    return rdb_bad(in, "%zu bytes are expected, the input ends before", len);
}

static int get_big(struct rdb_in *in, unsigned bytes, uint64_t *out)
{
    int code = need(in, bytes);

    if (code != 0)
        return code;
    *out = 0;
    for (unsigned i = 0; i < bytes; i++)
        *out = *out << 8 | *in->at++;
    return 0;
}

static int get_little(struct rdb_in *in, unsigned bytes, uint64_t *out)
{
    int code = need(in, bytes);

    if (code != 0)
        return code;
    *out = 0;
    for (unsigned i = 0; i < bytes; i++)
        *out |= (uint64_t)*in->at++ << 8 * i;
    return 0;
}

int rdb_get_byte(struct rdb_in *in, uint8_t *out)
{
    int code = need(in, 1);

    if (code == 0)
        *out = *in->at++;
    return code;
}

/* A length, or how a string is packed (*packed, *out the encoding). */
static int get_len_or_packing(struct rdb_in *in, uint64_t *out, bool *packed)
{
    uint8_t first;
    int code = rdb_get_byte(in, &first);

    if (code != 0)
        return code;
    *packed = false;
    *out = first & 63;
    switch (first >> 6) {
    case LENGTH_6:
        return 0;
    case LENGTH_14:
        code = rdb_get_byte(in, &first);
        *out = *out << 8 | first;
        return code;
    case LENGTH_LONG:
        if (first == LENGTH_32)
            return get_big(in, 4, out);
        if (first == LENGTH_64)
            return get_big(in, 8, out);
        return rdb_bad(in, "a length begins with %#x", first);
    default:
        *packed = true;
        return 0;
    }
}

int rdb_get_len(struct rdb_in *in, uint64_t *out)
{
    bool packed;
    int code = get_len_or_packing(in, out, &packed);

    if (code == 0 && packed)
        return rdb_bad(in, "a packed string stands where a length is expected");
    return code;
}

int rdb_get_raw(struct rdb_in *in, size_t len, struct slice *out)
{
    int code = need(in, len);

    if (code != 0)
        return code;
    *out = (struct slice){(const char *)in->at, len};
    in->at += len;
    return 0;
}

static int get_compressed(struct rdb_in *in, struct slice *out)
{
    uint64_t packed_len, len;
    struct slice packed;
    int code;

    if ((code = rdb_get_len(in, &packed_len)) != 0 || (code = rdb_get_len(in, &len)) != 0)
        return code;
    if (packed_len > RDB_STRING_MAX || len > RDB_STRING_MAX || len > lzf_unpacked_max(packed_len))
        return rdb_bad(in, "a compressed string of %llu bytes claims to be %llu long",
                       (unsigned long long)packed_len, (unsigned long long)len);
    /* First all that is packed: only then is there anything to make room for. */
    if ((code = rdb_get_raw(in, (size_t)packed_len, &packed)) != 0)
        return code;
    buf_clear(&in->scratch);
    buf_reserve(&in->scratch, (size_t)len + 1);
    if (!lzf_unpack((const uint8_t *)packed.data, packed.len, (uint8_t *)in->scratch.data,
                    (size_t)len))
        return rdb_bad(in, "a compressed string is damaged");
    in->scratch.len = (size_t)len;
    *out = buf_slice(&in->scratch);
    return 0;
}

static int get_packed(struct rdb_in *in, uint64_t packing, struct slice *out)
{
    uint64_t bits;
    int64_t value;
    int code;

    switch (packing) {
    case PACKED_I8:
        code = get_little(in, 1, &bits);
        value = code == 0 ? (int8_t)bits : 0;
        break;
    case PACKED_I16:
        code = get_little(in, 2, &bits);
        value = code == 0 ? (int16_t)bits : 0;
        break;
    case PACKED_I32:
        code = get_little(in, 4, &bits);
        value = code == 0 ? (int32_t)bits : 0;
        break;
    case PACKED_LZF:
        return get_compressed(in, out);
    default:
        return rdb_bad(in, "a string is packed in an unknown way (%llu)",
                       (unsigned long long)packing);
    }
    if (code != 0)
        return code;
    buf_clear(&in->scratch);
    buf_append_i64(&in->scratch, value);
    *out = buf_slice(&in->scratch);
    return 0;
}

int rdb_get_string(struct rdb_in *in, struct slice *out)
{
    uint64_t len;
    bool packed;
    int code = get_len_or_packing(in, &len, &packed);

    if (code != 0)
        return code;
    if (packed)
        return get_packed(in, len, out);
    if (len > RDB_STRING_MAX)
        return rdb_bad(in, "a string of %llu bytes is too long", (unsigned long long)len);
    return rdb_get_raw(in, (size_t)len, out);
}

int rdb_get_u64(struct rdb_in *in, uint64_t *out)
{
    return get_little(in, 8, out);
}

int rdb_get_double(struct rdb_in *in, double *out)
{
    uint64_t bits;
    int code = get_little(in, 8, &bits);

    if (code != 0)
        return code;
    memcpy(out, &bits, sizeof bits);
    return isnan(*out) ? rdb_bad(in, "a number is none") : 0;
}

int rdb_get_double_text(struct rdb_in *in, double *out)
{
    struct slice text;
    uint8_t len;
    int code = rdb_get_byte(in, &len);

    if (code != 0)
        return code;
    if (len == 254 || len == 255) {
        *out = len == 254 ? INFINITY : -INFINITY;
        return 0;
    }
    if (len == 253)
        return rdb_bad(in, "a number is none");
    if ((code = rdb_get_raw(in, len, &text)) != 0)
        return code;
    if (!num_parse_double(text, out))
        return rdb_bad(in, "a number's text is none");
    return 0;
}
