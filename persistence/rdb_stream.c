/* Reading a snapshot, one stream from its beginning to its end: records (rdb_records.c), then the
 * checksum of all of it.
 *
 * The checksum comes last, so entries are handed out before it is known to hold. Who takes them may
 * serve none before rdb_load() has returned 0.
 *
 * Everything is hostile. A length is believed when the bytes are there; the window grows for one
 * string, up to what the file still has, and shrinks again. Values are decoded deeply checked.
 */
#include "persistence/rdb_stream.h"

#include <stdio.h>
#include <string.h>

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/type/entry.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_records.h"

#define WINDOW_BYTES (256 * 1024)
#define PROGRESS_BYTES (256 * 1024)
#define CHECKSUM_VERSION_LEAST 5

const struct type_limits rdb_usual_limits = {
    .hash_entries = 512,
    .hash_value_bytes = 64,
    .set_intset_entries = 512,
    .set_entries = 128,
    .set_value_bytes = 64,
    .zset_entries = 128,
    .zset_value_bytes = 64,
    .list_node_size = -2,
    .stream_node_bytes = 4096,
    .stream_node_entries = 100,
    .hll_sparse_bytes = 3000,
};

/* The reading of one stream. `in` stands somewhere in the window. */
struct loader {
    const struct rdb_load *load;
    const struct rdb_source *source;
    struct rdb_in in;
    struct rdb_records records;
    struct fault fault; /* of `in`, and the caller's in the end */
    uint8_t *window;
    size_t window_bytes;
    const uint8_t *summed_to; /* in the window: what is before it is in the sum */
    uint64_t crc;
    int read_status; /* of a read that failed, with its fault */
    struct fault read_fault;
    uint64_t progress_at;
};

/* --- The window ----------------------------------------------------------------------------- */

static void sum(struct loader *loader)
{
    struct rdb_in *in = &loader->in;
    loader->crc = crc64_bytes(loader->crc, loader->summed_to, (size_t)(in->at - loader->summed_to));
    loader->summed_to = in->at;
}

/* Move what is left to the front of a window of `bytes`. */
static void resize(struct loader *loader, size_t bytes)
{
    struct rdb_in *in = &loader->in;
    size_t left = (size_t)(in->end - in->at);
    if (bytes == loader->window_bytes) {
        memmove(loader->window, in->at, left);
    } else {
        uint8_t *window = mem_alloc(bytes);
        if (left > 0)
            memcpy(window, in->at, left);
        mem_free(loader->window);
        loader->window = window;
        loader->window_bytes = bytes;
    }
    in->at = loader->summed_to = loader->window;
    in->end = in->at + left;
}

static bool refill(struct rdb_in *in, size_t wanted)
{
    struct loader *loader = in->env;
    const struct rdb_source *source = loader->source;
    size_t left = (size_t)(in->end - in->at);
    uint64_t unread = source->size > in->offset ? source->size - in->offset : 0;
    if (loader->read_status < 0 || wanted > left + unread)
        return false;
    sum(loader);
    resize(loader, wanted > WINDOW_BYTES ? wanted : WINDOW_BYTES);
    while ((size_t)(in->end - in->at) < wanted) {
        size_t have = (size_t)(in->end - in->at), room = loader->window_bytes - have;
        ssize_t got = source->read(source->self, loader->window + have, room, in->offset,
                                   &loader->read_fault);
        if (got <= 0) {
            loader->read_status = (int)got;
            return false;
        }
        in->end += got;
        in->offset += (uint64_t)got;
    }
    return true;
}

/* --- The stream ----------------------------------------------------------------------------- */

static int get_end(struct loader *loader)
{
    struct rdb_in *in = &loader->in;
    struct slice bytes;
    uint64_t stored = 0;
    if (in->version >= CHECKSUM_VERSION_LEAST || in->valkey) {
        sum(loader);
        uint64_t crc = loader->crc;
        int status = rdb_get_raw(in, 8, &bytes);
        if (status < 0)
            return status;
        for (size_t i = 0; i < 8; i++)
            stored |= (uint64_t)(uint8_t)bytes.data[i] << 8 * i;
        if (stored != 0 && stored != crc)
            return rdb_bad(in, "the checksum of the snapshot does not hold");
    }
    loader->records.out->checked = stored != 0;
    loader->records.out->end = rdb_offset(in);
    return 0;
}

static void progress(struct loader *loader)
{
    uint64_t at = rdb_offset(&loader->in);
    if (!loader->load->progress || at - loader->progress_at < PROGRESS_BYTES)
        return;
    loader->progress_at = at;
    loader->load->progress(loader->load->env, at, loader->records.out->keys);
}

static int get_all(struct loader *loader)
{
    bool end = false;
    int status = rdb_records_begin(&loader->records);
    while (status == 0 && !end) {
        progress(loader);
        status = rdb_records_next(&loader->records, &end);
    }
    return status < 0 || loader->load->notes_only ? status : get_end(loader);
}

int rdb_stream_load(const struct rdb_load *load, const struct rdb_source *source,
                    struct rdb_found *out, struct fault *fault)
{
    struct loader loader = {.load = load,
                            .source = source,
                            .in = {.refill = refill, .foreign = true},
                            .fault = {.offset = -1}};
    snprintf(loader.fault.path, sizeof(loader.fault.path), "%s", load->path);
    loader.in.env = &loader;
    loader.in.fault = &loader.fault;
    loader.in.limits = load->limits ? load->limits : &rdb_usual_limits;
    loader.records = (struct rdb_records){.in = &loader.in,
                                          .load = load,
                                          .out = out,
                                          .size = source->size,
                                          .deadline_ms = ENTRY_NO_DEADLINE};
    resize(&loader, WINDOW_BYTES);
    int status = get_all(&loader);
    if (status < 0 && loader.read_status < 0) {
        status = loader.read_status;
        loader.fault = loader.read_fault;
    }
    if (status == KV_EFORMAT)
        status = loader.fault.code = KV_ECORRUPT;
    if (status < 0 && fault)
        *fault = loader.fault;
    mem_free(loader.window);
    rdb_records_free(&loader.records);
    rdb_in_free(&loader.in);
    return status;
}
