/* The search for evidence.
 *
 * When the walk over a file meets a bad batch, either the tail was torn by a crash, and nothing
 * in it was ever acknowledged, or acknowledged bytes were damaged. A trailer further on decides:
 * it names the last batch that was durable when it was made. The walk is lost, so candidates are
 * looked for at every byte. A candidate is a line that reads as a trailer and says that it
 * stands where it stands. It is evidence if its crc holds over its own `len` bytes; the crc's
 * seed is the crc of the trailer before it, mixed with the file's salt:
 *
 *   ... good batch | bad batch   #KVC... crc1 \r\n | batch   #KVC: offset len durable crc2 \r\n
 *                  ^ from               ^ begin-10 ^ begin                         ^ digits
 *
 *   begin    seed is made of
 *   from     the last good trailer: the candidate belongs to the bad batch itself
 *   else     the 8 digits that stand in the 10 bytes before `begin`; nothing else of that line
 *            needs to be whole, since only who knows the salt can make a crc that fits them;
 *            or, should those very digits be damaged, the crc computed over from .. begin - 10
 *
 * Values hold what clients send, so candidates may be forged by the thousand, with lengths that
 * overlap. Each needs the crc of a range; that comes out of two crcs of prefixes by algebra
 * (crc32_combine), so one pass over the bytes serves all candidates of a round:
 *
 *   crc(seed; a..b) = crc(0; from..b) ^ shift(seed ^ crc(0; from..a), b - a)
 *
 * Rounds take twice as many candidates each time. Real evidence is found in the first.
 */
#include "persistence/verdict.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/reader.h"

#define MARK "#KVC:v1:"
#define MARK_BYTES (sizeof(MARK) - 1)
#define TAIL_BYTES 10 /* crc digits and \r\n of a trailer */
#define CHUNK_BYTES (128 * 1024)
#define ROUND_FIRST 64
#define CANDIDATES_MAX (1 << 20)

struct candidate {
    struct format_trailer trailer;
    uint64_t begin, digits;
};

/* A place in the file and the crc of all bytes from `from` to it. */
struct prefix {
    uint64_t at;
    uint32_t crc;
};

struct search {
    struct reader *reader;
    uint64_t from, next; /* candidates before `next` were taken */
    struct candidate *candidates;
    struct prefix *prefixes;
    int count, cap, prefix_count;
    struct fault *fault;
};

static uint32_t shift(uint32_t crc, uint64_t len)
{
    return (uint32_t)crc32_combine(crc, 0, (z_off_t)len);
}

/* Read the line at `at`; true if it is a candidate. */
static int read_candidate(struct search *search, uint64_t at, struct candidate *out)
{
    struct slice bytes;
    size_t digits;
    int status = reader_view(search->reader, at, FORMAT_TRAILER_MAX, &bytes, search->fault);
    if (status < 0)
        return status;
    const char *end = memchr(bytes.data, '\n', bytes.len);
    if (!end)
        return 0;
    struct slice line = {bytes.data, (size_t)(end - bytes.data) + 1};
    const struct format_trailer *trailer = &out->trailer;
    if (!format_get_trailer(line, &out->trailer, &digits) || trailer->offset != at ||
        trailer->len > at - search->from)
        return 0;
    out->begin = at - trailer->len;
    out->digits = at + digits;
    return out->begin == search->from || out->begin >= search->from + TAIL_BYTES;
}

/* Take candidates until there are `wanted` or the file ends. */
static int collect(struct search *search, int wanted)
{
    uint64_t size = search->reader->size;
    while (search->count < wanted && search->next + MARK_BYTES <= size) {
        struct slice bytes;
        uint64_t left = size - search->next;
        int status =
            reader_view(search->reader, search->next,
                        left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, &bytes, search->fault);
        if (status < 0)
            return status;
        const char *found = memmem(bytes.data, bytes.len, MARK, MARK_BYTES);
        if (!found) {
            search->next += bytes.len - (MARK_BYTES - 1);
            continue;
        }
        uint64_t at = search->next + (uint64_t)(found - bytes.data);
        status = read_candidate(search, at, &search->candidates[search->count]);
        if (status < 0)
            return status;
        search->count += status;
        search->next = at + 1;
    }
    return 0;
}

static int prefix_order(const void *a, const void *b)
{
    uint64_t x = ((const struct prefix *)a)->at, y = ((const struct prefix *)b)->at;
    return x < y ? -1 : x > y;
}

static uint32_t prefix_crc(const struct search *search, uint64_t at)
{
    struct prefix key = {.at = at};
    const struct prefix *found =
        bsearch(&key, search->prefixes, (size_t)search->prefix_count, sizeof(key), prefix_order);
    kv_assert(found);
    return found->crc;
}

/* One pass over the bytes: the crc of every prefix that the candidates need. */
static int compute_prefixes(struct search *search)
{
    struct prefix *prefixes = search->prefixes;
    int count = 0;
    for (int i = 0; i < search->count; i++) {
        const struct candidate *candidate = &search->candidates[i];
        prefixes[count++].at = candidate->begin;
        prefixes[count++].at = candidate->digits;
        if (candidate->begin > search->from)
            prefixes[count++].at = candidate->begin - TAIL_BYTES;
    }
    qsort(prefixes, (size_t)count, sizeof(*prefixes), prefix_order);
    search->prefix_count = count;
    uint64_t at = search->from;
    uint32_t crc = 0;
    for (int i = 0; i < count; i++) {
        while (at < prefixes[i].at) {
            struct slice bytes;
            uint64_t left = prefixes[i].at - at;
            int status =
                reader_view(search->reader, at, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES,
                            &bytes, search->fault);
            if (status < 0)
                return status;
            crc = crc32_bytes(crc, bytes.data, bytes.len);
            at += bytes.len;
        }
        prefixes[i].crc = crc;
    }
    return 0;
}

static uint32_t range_crc(const struct search *search, uint32_t seed, uint64_t from, uint64_t to)
{
    return prefix_crc(search, to) ^ shift(seed ^ prefix_crc(search, from), to - from);
}

/* The 8 digits of the trailer that ends at `end`. 0 if they are none. Not through the window: the
 * places may lie far apart. */
static int stored_crc(struct search *search, uint64_t end, uint32_t *out)
{
    const struct reader *reader = search->reader;
    char digits[8];
    ssize_t got = reader->disk->pread(reader->disk->self, reader->fd, digits, sizeof(digits),
                                      (off_t)(end - TAIL_BYTES));
    if (got < 0)
        return fault_status(search->fault, got, reader->path, (int64_t)end, "read");
    *out = 0;
    for (ssize_t i = 0; i < got; i++) {
        const char *digit = memchr("0123456789abcdef", digits[i], 16);
        if (!digit)
            return 0;
        *out = *out << 4 | (uint32_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
    }
    return got == (ssize_t)sizeof(digits);
}

/* 1 and *seed if the candidate's crc holds. */
static int holds(struct search *search, const struct candidate *candidate, uint32_t *seed)
{
    const struct reader *reader = search->reader;
    uint64_t begin = candidate->begin, digits = candidate->digits;
    uint32_t crc = candidate->trailer.crc;
    if (begin == search->from) {
        *seed = reader->seed;
        return range_crc(search, *seed, begin, digits) == crc;
    }
    uint32_t before = 0;
    int status = stored_crc(search, begin, &before);
    if (status < 0)
        return status;
    *seed = format_seed(before, reader->header.salt);
    if (status > 0 && range_crc(search, *seed, begin, digits) == crc)
        return 1;
    uint32_t first = prefix_crc(search, begin - TAIL_BYTES) ^
                     shift(reader->seed, begin - TAIL_BYTES - search->from);
    *seed = format_seed(first, reader->header.salt);
    return range_crc(search, *seed, begin, digits) == crc;
}

/* Judge the candidates of this round. */
static int judge_round(struct search *search, int64_t durable_above, struct evidence *out)
{
    int status = compute_prefixes(search);
    for (int i = 0; status == 0 && i < search->count; i++) {
        const struct candidate *candidate = &search->candidates[i];
        uint32_t seed;
        if ((int64_t)candidate->trailer.durable_batch <= durable_above)
            continue;
        status = holds(search, candidate, &seed);
        if (status > 0)
            *out = (struct evidence){.trailer_at = candidate->trailer.offset,
                                     .batch = candidate->trailer.batch,
                                     .durable_batch = candidate->trailer.durable_batch,
                                     .from = candidate->begin,
                                     .seed = seed};
    }
    return status;
}

int verdict_search(struct reader *reader, uint64_t from, int64_t durable_above,
                   struct evidence *out, struct fault *fault)
{
    struct search search = {.reader = reader, .from = from, .next = from, .fault = fault};
    int status = 0;
    for (int round = ROUND_FIRST; status == 0; round *= 2) {
        if (round > CANDIDATES_MAX) {
            status = fault_set(fault, KV_ELIMIT, reader->path, (int64_t)from,
                               "over a million lines behind this look like commit marks");
            break;
        }
        search.cap = round;
        search.candidates =
            mem_realloc(search.candidates, (size_t)round * sizeof(*search.candidates));
        search.prefixes =
            mem_realloc(search.prefixes, (size_t)round * 3 * sizeof(*search.prefixes));
        int before = search.count;
        status = collect(&search, round);
        if (status < 0 || search.count == before)
            break;
        status = judge_round(&search, durable_above, out);
        if (search.count < round)
            break;
    }
    mem_free(search.candidates);
    mem_free(search.prefixes);
    return status;
}
