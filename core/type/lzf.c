/* LZF, after the description of liblzf's stream.
 *
 * A packed stream is a run of items, each led by a control byte:
 *
 *   000LLLLL                        L + 1 bytes (1 to 32) follow and stand for themselves
 *   LLLddddd dddddddd               L + 2 bytes (3 to 8) are those d + 1 bytes back in the output
 *   111ddddd LLLLLLLL dddddddd      the same with L + 9 bytes (9 to 264)
 *
 * d is 13 bits, high bits first, so that a reference reaches 8,192 bytes back. It may reach into
 * what it is producing: a run is its first byte, and a reference to the byte before.
 *
 * The packer keeps the last place of each three bytes in a small table on the stack, takes the
 * first match it finds, and enters the places inside a match too sparingly to matter: strings here
 * are packed for the reader's disk, not for the record.
 */
#include "core/type/lzf.h"

#include <string.h>

#include "core/base/attr.h"

#define LITERALS_MAX 32
#define DISTANCE_MAX 8192
#define MATCH_MIN 3
#define MATCH_MAX 264
#define PLACES_BITS 12

struct packer {
    uint8_t *out, *end; /* where the next item goes, and the end of the room */
    const uint8_t *literals; /* first byte that is not written yet */
};

/* Write the pending bytes up to `to` as they are; false: no room. */
static bool put_literals(struct packer *packer, const uint8_t *to)
{
    while (packer->literals < to) {
        size_t len = (size_t)(to - packer->literals);

        if (len > LITERALS_MAX)
            len = LITERALS_MAX;
        if ((size_t)(packer->end - packer->out) < len + 1)
            return false;
        *packer->out++ = (uint8_t)(len - 1);
        memcpy(packer->out, packer->literals, len);
        packer->out += len;
        packer->literals += len;
    }
    return true;
}

static bool put_match(struct packer *packer, size_t distance, size_t len)
{
    size_t back = distance - 1;

    if (packer->end - packer->out < (len < 9 ? 2 : 3))
        return false;
    if (len < 9) {
        *packer->out++ = (uint8_t)(((len - 2) << 5) | (back >> 8));
    } else {
        *packer->out++ = (uint8_t)((7 << 5) | (back >> 8));
        *packer->out++ = (uint8_t)(len - 9);
    }
    *packer->out++ = (uint8_t)back;
    packer->literals += len;
    return true;
}

static uint32_t place_of(const uint8_t *at)
{
    uint32_t three = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

    return (three * 2654435761u) >> (32 - PLACES_BITS);
}

size_t lzf_pack(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
    /* Places are kept modulo 2^32, one higher than they are; what is found is compared anyway. */
    uint32_t places[1 << PLACES_BITS] = {0};
    struct packer packer = {out, out + room, in};
    size_t at = 0;

    while (at + MATCH_MIN <= len) {
        uint32_t *place = &places[place_of(in + at)];
        size_t distance = (uint32_t)at - (*place - 1), most = len - at, match = MATCH_MIN;
        bool known = *place != 0;

        *place = (uint32_t)at + 1;
        if (!known || distance == 0 || distance > DISTANCE_MAX || distance > at ||
            memcmp(in + at, in + at - distance, MATCH_MIN) != 0) {
            at++;
            continue;
        }
        if (most > MATCH_MAX)
            most = MATCH_MAX;
        while (match < most && in[at + match] == in[at - distance + match])
            match++;
        if (!put_literals(&packer, in + at) || !put_match(&packer, distance, match))
            return 0;
        at += match;
    }
    if (!put_literals(&packer, in + len))
        return 0;
    return (size_t)(packer.out - out);
}

/* Copy forwards, which repeats the source where the two overlap. With `room` for it behind, by
 * words of 8 bytes: what is written beyond `len` is written over later. */
static void copy_back(uint8_t *to, size_t distance, size_t len, size_t room)
{
    const uint8_t *from = to - distance;

    if (likely(distance >= 8 && room >= len + 8)) {
        for (size_t i = 0; i < len; i += 8)
            memcpy(to + i, from + i, 8);
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = from[i];
}

/* The same for literals. */
static void copy_in(uint8_t *to, const uint8_t *from, size_t len, bool room)
{
    if (unlikely(!room)) {
        memcpy(to, from, len);
        return;
    }
    memcpy(to, from, 16);
    if (len > 16)
        memcpy(to + 16, from + 16, 16);
}

bool lzf_unpack(const uint8_t *in, size_t in_len, uint8_t *out, size_t len)
{
    const uint8_t *end = in + in_len;
    size_t at = 0;

    while (in < end) {
        size_t control = *in++, run, distance;

        if (control < LITERALS_MAX) {
            run = control + 1;
            if (run > (size_t)(end - in) || run > len - at)
                return false;
            copy_in(out + at, in, run,
                    (size_t)(end - in) >= LITERALS_MAX && len - at >= LITERALS_MAX);
            in += run;
            at += run;
            continue;
        }
        run = (control >> 5) + 2;
        if (run == 9) {
            if (in == end)
                return false;
            run += *in++;
        }
        if (in == end)
            return false;
        distance = ((control & 31) << 8 | *in++) + 1;
        if (distance > at || run > len - at)
            return false;
        copy_back(out + at, distance, run, len - at);
        at += run;
    }
    return at == len;
}
