/* Loading a snapshot by its index.
 *
 * The parts in front (magic, notes, functions) and the end are read by the caller. The others are
 * units: a part that begins with a key, and the parts behind it that go on with its last value. A
 * unit is decoded by one thread, from its first part to its last, and threads take units in the
 * order of the file. So what is decoded where is left to chance, and the order in which keys are
 * put as well: no key is there twice, which whoever puts them checks.
 *
 * A part counts only if all of this holds, and else is damage that is told with its place in the
 * file and with what the index says of its keys:
 *
 *   its bytes have the crc32 of the index
 *   an LZ4 frame unpacks, its content has the hash in it, and the length of the index
 *   its records are whole and sound, end where it ends, and hold as many keys as the index says
 *
 * The index has a checksum of its own, and names that with which the RDB ends; the RDB's CRC64 over
 * everything says nothing beyond that, and is summed up only for who asks (sum_all). */
#include "persistence/snapshot_parts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "persistence/entry_feed.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_records.h"
#include "persistence/rdb_stream.h"
#include "persistence/snapshot_format.h"

#define ENTRY_BYTES_LEAST 8 /* more keys are not believed ahead */
#define DATABASES_AHEAD 64  /* room is made ahead for so many */

/* What all threads share. */
struct parts {
    const struct snapshot_parts *job;
    struct rdb_found *out;
    int version;
    pthread_mutex_t lock; /* over the next two, and out */
    size_t next;          /* part: the first of the next unit */
    uint64_t *sums;       /* CRC64 of each part, where they are wanted */
};

/* One thread's. */
struct decoder {
    struct parts *parts;
    const struct rdb_load *load; /* with what collects */
    struct snapshot_unpacker *unpacker;
    struct buf packed;
    uint8_t *raw;
    size_t raw_bytes;
    struct rdb_in in;
    struct rdb_records records;
    struct rdb_found found;
    size_t part, unit_end;       /* the part at hand; behind the unit's last */
    uint64_t bytes_done;
    int read_status;
    struct fault fault, read_fault;
};

/* --- One part ------------------------------------------------------------------------------- */

static int damaged(struct decoder *decoder, struct fault *fault, const char *format, ...)
    printf_like(3, 4);

/* The part at hand is damaged: what, where, and which keys are concerned. */
static int damaged(struct decoder *decoder, struct fault *fault, const char *format, ...)
{
    const struct snapshot_index *index = decoder->parts->job->index;
    const struct snapshot_part *part = &index->parts[decoder->part];
    char what[600], keys[120] = "";
    uint64_t before = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    for (size_t i = 0; i < decoder->part; i++)
        before += index->parts[i].keys;
    if (part->keys > 0)
        snprintf(keys, sizeof(keys), ": keys %" PRIu64 " to %" PRIu64 " of %" PRIu64
                 ", in database %d", before + 1, before + part->keys, index->keys, part->db);
    else if (part->flags == SNAPSHOT_PART_CONTINUES)
        snprintf(keys, sizeof(keys), ": a part of key %" PRIu64 " of %" PRIu64 ", in database %d",
                 before, index->keys, part->db);
    return fault_set(fault, KV_ECORRUPT, decoder->load->path, (int64_t)part->offset,
                     "%s (frame %zu of %zu, %" PRIu64 " bytes%s)", what, decoder->part + 1,
                     index->count, snapshot_part_bytes(index, decoder->part), keys);
}

static int read_bytes(struct decoder *decoder, char *to, size_t len, uint64_t offset)
{
    const struct rdb_load *load = decoder->load;
    const struct disk *disk = load->disk;
    for (size_t done = 0; done < len;) {
        ssize_t got = disk->pread(disk->self, decoder->parts->job->fd, to + done, len - done,
                                  (off_t)(offset + done));
        if (got < 0)
            return fault_status(&decoder->read_fault, got, load->path, (int64_t)offset, "read");
        if (got == 0)
            return damaged(decoder, &decoder->read_fault, "the file ends here");
        done += (size_t)got;
    }
    return 0;
}

/* Read, check and unpack the part at hand to `to`, where there is room for it. */
static int get_part(struct decoder *decoder, uint8_t *to)
{
    struct parts *parts = decoder->parts;
    const struct snapshot_index *index = parts->job->index;
    const struct snapshot_part *part = &index->parts[decoder->part];
    size_t len = (size_t)snapshot_part_bytes(index, decoder->part);
    size_t raw = (size_t)snapshot_part_raw(index, decoder->part);
    char *bytes = (char *)to;
    if (parts->job->packed) {
        buf_clear(&decoder->packed);
        bytes = buf_reserve(&decoder->packed, len);
    }
    int status = read_bytes(decoder, bytes, len, part->offset);
    if (status < 0)
        return status;
    if (crc32_bytes(0, bytes, len) != part->crc)
        return damaged(decoder, &decoder->read_fault, "a frame's checksum does not hold");
    if (parts->job->packed &&
        !snapshot_frame_unpack(decoder->unpacker, (struct slice){bytes, len}, to, raw))
        return damaged(decoder, &decoder->read_fault, "a frame can't be unpacked");
    if (parts->sums)
        parts->sums[decoder->part] = crc64_bytes(0, to, raw);
    decoder->bytes_done += len;
    return 0;
}

/* Make the part at hand available, behind what is left of the one before. */
static int append_part(struct decoder *decoder)
{
    const struct snapshot_parts *job = decoder->parts->job;
    struct rdb_in *in = &decoder->in;
    uint64_t raw = snapshot_part_raw(job->index, decoder->part);
    uint64_t bytes = snapshot_part_bytes(job->index, decoder->part);
    size_t left = (size_t)(in->end - in->at);
    if (job->packed ? raw > snapshot_frame_raw_max(bytes) : raw != bytes)
        return damaged(decoder, &decoder->read_fault, "a frame can't hold what it should");
    if (left + raw > decoder->raw_bytes) {
        uint8_t *more = mem_alloc(left + (size_t)raw);
        if (left > 0)
            memcpy(more, in->at, left);
        mem_free(decoder->raw);
        decoder->raw = more;
        decoder->raw_bytes = left + (size_t)raw;
    } else if (left > 0) {
        memmove(decoder->raw, in->at, left);
    }
    in->at = in->end = decoder->raw;
    in->end += left;
    int status = get_part(decoder, decoder->raw + left);
    if (status < 0)
        return status;
    in->end += raw;
    in->offset = job->index->parts[decoder->part].raw + raw;
    return 0;
}

static bool refill(struct rdb_in *in, size_t wanted)
{
    struct decoder *decoder = in->env;
    while ((size_t)(in->end - in->at) < wanted) {
        if (decoder->read_status < 0 || decoder->part + 1 >= decoder->unit_end)
            return false;
        decoder->part++;
        decoder->read_status = append_part(decoder);
        if (decoder->read_status < 0)
            return false;
    }
    return true;
}

/* --- One unit ------------------------------------------------------------------------------- */

/* All records from the part at hand up to the unit's end. */
static int decode(struct decoder *decoder)
{
    struct rdb_in *in = &decoder->in;
    struct rdb_records *records = &decoder->records;
    const struct snapshot_index *index = decoder->parts->job->index;
    uint64_t expected = 0;
    bool end = false;
    for (size_t i = decoder->part; i < decoder->unit_end; i++)
        expected += index->parts[i].keys;
    records->db = index->parts[decoder->part].db;
    records->deadline_ms = ENTRY_NO_DEADLINE;
    records->entries = 0;
    records->used = 0;
    in->at = in->end = decoder->raw;
    int status = decoder->read_status = append_part(decoder);
    while (status == 0 && !end && (in->at < in->end || refill(in, 1)))
        status = rdb_records_next(records, &end);
    if (decoder->read_status < 0) {
        decoder->fault = decoder->read_fault;
        return decoder->read_status;
    }
    if (status == 0 && end)
        return damaged(decoder, &decoder->fault, "the RDB's end stands before its end");
    if (status == 0 && records->deadline_ms != ENTRY_NO_DEADLINE)
        return damaged(decoder, &decoder->fault, "a deadline without a key");
    if (status == 0 && records->entries != expected)
        return damaged(decoder, &decoder->fault, "there are %" PRIu64 " keys, and there should be "
                       "%" PRIu64, records->entries, expected);
    if (status == KV_EFORMAT || status == KV_ECORRUPT)
        return damaged(decoder, &decoder->fault, "%.500s", decoder->fault.text);
    return status;
}

static void begin(struct decoder *decoder, struct parts *parts, const struct rdb_load *load)
{
    *decoder = (struct decoder){.parts = parts, .load = load};
    decoder->unpacker = snapshot_unpacker_new();
    decoder->fault.offset = decoder->read_fault.offset = -1;
    snprintf(decoder->fault.path, sizeof(decoder->fault.path), "%s", load->path);
    decoder->in = (struct rdb_in){.refill = refill,
                                  .env = decoder,
                                  .version = parts->version,
                                  .foreign = true,
                                  .limits = load->limits ? load->limits : &rdb_usual_limits,
                                  .fault = &decoder->fault};
    decoder->records = (struct rdb_records){.in = &decoder->in,
                                            .load = load,
                                            .out = &decoder->found,
                                            .size = parts->job->index->raw_bytes};
}

static void end(struct decoder *decoder)
{
    mem_free(decoder->raw);
    buf_free(&decoder->packed);
    snapshot_unpacker_free(decoder->unpacker);
    rdb_records_free(&decoder->records);
    rdb_in_free(&decoder->in);
}

/* Take the next unit: the parts from decoder->part to unit_end. False: there is none. */
static bool take_unit(struct decoder *decoder)
{
    struct parts *parts = decoder->parts;
    const struct snapshot_index *index = parts->job->index;
    pthread_mutex_lock(&parts->lock);
    size_t from = parts->next, to = from + 1;
    while (to < index->count && index->parts[to].flags == SNAPSHOT_PART_CONTINUES)
        to++;
    bool there = from < index->count && index->parts[from].flags == 0;
    if (there)
        parts->next = to;
    pthread_mutex_unlock(&parts->lock);
    decoder->part = from;
    decoder->unit_end = to;
    return there;
}

/* What a thread does, or the caller where there is none. */
static int work(void *env, int number unused, const struct rdb_load *load, struct fault *fault)
{
    struct parts *parts = env;
    struct decoder decoder;
    int status = 0;
    begin(&decoder, parts, load);
    while (status == 0 && take_unit(&decoder)) {
        status = decode(&decoder);
        if (status == 0 && load->progress)
            load->progress(load->env, decoder.bytes_done, decoder.found.keys);
    }
    pthread_mutex_lock(&parts->lock);
    parts->out->keys += decoder.found.keys;
    parts->out->expiring += decoder.found.expiring;
    if (status < 0)
        parts->next = parts->job->index->count; /* nothing more is taken */
    pthread_mutex_unlock(&parts->lock);
    if (status < 0 && fault)
        *fault = decoder.fault;
    end(&decoder);
    return status;
}

/* --- All of it ------------------------------------------------------------------------------ */

/* Magic and notes, and functions. */
static int load_head(struct parts *parts, struct fault *fault)
{
    const struct snapshot_parts *job = parts->job;
    const struct snapshot_index *index = job->index;
    struct decoder decoder;
    bool last = false;
    begin(&decoder, parts, job->load);
    decoder.records.out = parts->out;
    while (decoder.unit_end < index->count &&
           index->parts[decoder.unit_end].flags == SNAPSHOT_PART_HEAD)
        decoder.unit_end++;
    int status = decoder.read_status = append_part(&decoder);
    if (status == 0)
        status = rdb_records_begin(&decoder.records);
    while (status == 0 && !last && (decoder.in.at < decoder.in.end || refill(&decoder.in, 1)))
        status = rdb_records_next(&decoder.records, &last);
    if (decoder.read_status < 0) {
        status = decoder.read_status;
        decoder.fault = decoder.read_fault;
    } else if (status == 0 && (decoder.records.entries > 0 || decoder.in.valkey ||
                               (last && !job->load->notes_only))) {
        status = damaged(&decoder, &decoder.fault, "the head holds what it should not");
    } else if (status == KV_EFORMAT) {
        status = damaged(&decoder, &decoder.fault, "%.500s", decoder.fault.text);
    }
    parts->version = decoder.in.version;
    parts->next = decoder.unit_end;
    if (status < 0 && fault)
        *fault = decoder.fault;
    end(&decoder);
    return status;
}

/* 0xff and the CRC64 that the index names. */
static int load_end(struct parts *parts, struct fault *fault)
{
    const struct snapshot_index *index = parts->job->index;
    struct decoder decoder;
    uint64_t sum = 0;
    begin(&decoder, parts, parts->job->load);
    decoder.part = index->count - 1;
    decoder.unit_end = index->count;
    int status = append_part(&decoder);
    const uint8_t *at = decoder.in.at;
    for (int i = 0; status == 0 && i < 8; i++)
        sum |= (uint64_t)at[1 + i] << 8 * i;
    if (status == 0 && (at[0] != 0xff || sum != index->sum))
        status = damaged(&decoder, &decoder.read_fault,
                         "the end of the RDB is not what the index says");
    if (status == 0 && parts->sums) {
        sum = parts->sums[0];
        for (size_t i = 1; i + 1 < index->count; i++)
            sum = crc64_combine(sum, parts->sums[i], snapshot_part_raw(index, i));
        if (crc64_bytes(sum, at, 1) != index->sum)
            status = damaged(&decoder, &decoder.read_fault,
                             "the checksum of the snapshot does not hold");
    }
    if (status < 0 && fault)
        *fault = decoder.read_fault;
    end(&decoder);
    return status;
}

/* How many keys a database has is in the index. */
static void presize(const struct snapshot_parts *job)
{
    uint64_t keys[DATABASES_AHEAD] = {0};
    const struct snapshot_index *index = job->index;
    for (size_t i = 0; i < index->count; i++)
        if (index->parts[i].db >= 0 && index->parts[i].db < DATABASES_AHEAD)
            keys[index->parts[i].db] += index->parts[i].keys;
    uint64_t most = index->raw_bytes / ENTRY_BYTES_LEAST;
    for (int db = 0; db < DATABASES_AHEAD; db++)
        if (keys[db] > 0)
            job->load->presize(job->load->env, db, keys[db] < most ? keys[db] : most);
}

int snapshot_parts_load(const struct snapshot_parts *job, struct rdb_found *out,
                        struct fault *fault)
{
    struct parts parts = {.job = job, .out = out};
    const struct rdb_load *load = job->load;
    struct entry_feed feed = {.load = load, .env = &parts, .work = work};
    pthread_mutex_init(&parts.lock, NULL);
    if (load->sum_all)
        parts.sums = mem_alloc_zero(job->index->count * sizeof(*parts.sums));
    int status = load_head(&parts, fault);
    feed.threads = entry_feed_threads(load, job->index->bytes, true);
    if (status == 0 && !load->notes_only) {
        if (load->presize)
            presize(job);
        status = feed.threads > 0 ? entry_feed_run(&feed, fault) : work(&parts, 0, load, fault);
    }
    if (status == 0 && !load->notes_only)
        status = load_end(&parts, fault);
    out->parts = job->index->count;
    out->raw_bytes = job->index->raw_bytes;
    out->checked = true;
    pthread_mutex_destroy(&parts.lock);
    mem_free(parts.sums);
    return status;
}
