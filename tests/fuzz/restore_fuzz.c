/* Values of DUMP payloads of any bytes: never a crash, and nothing is left behind; what is taken
 * holds its invariants, and what is written of it is read back and written alike. The first byte is
 * the tag, the second chooses version and limits. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/type/entry.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct type_limits usual = {
    .hash_entries = 128, .hash_value_bytes = 64, .set_intset_entries = 512, .set_entries = 128,
    .set_value_bytes = 64, .zset_entries = 128, .zset_value_bytes = 64, .list_node_size = -2,
    .stream_node_bytes = 4096, .stream_node_entries = 100, .hll_sparse_bytes = 3000};
static const struct type_limits tiny = {
    .hash_entries = 1, .hash_value_bytes = 4, .set_intset_entries = 1, .set_entries = 1,
    .set_value_bytes = 4, .zset_entries = 1, .zset_value_bytes = 4, .list_node_size = 1,
    .list_compress_depth = 1, .stream_node_bytes = 16, .stream_node_entries = 1};

static int read_value(const uint8_t *bytes, size_t size, uint8_t tag, uint8_t how,
                      struct entry **entry)
{
    struct fault fault = {0};
    /* an allocation of its own: a byte read too far is seen, and so is a pointer kept */
    uint8_t *block = malloc(size + 1);
    bool empty;
    struct rdb_in in = {
        .at = block,
        .end = block + size,
        .offset = size,
        .version = how & 1 ? 80 : RDB_VERSION_USUAL,
        .valkey = how & 1,
        .foreign = true,
        .limits = how & 2 ? &tiny : &usual,
        .fault = &fault,
    };

    memcpy(block, bytes, size);
    int code = rdb_get_value(&in, tag, SLICE("key"), ENTRY_NO_DEADLINE, entry, &empty);
    if (code != 0)
        kv_assert(fault.code == code);
    kv_assert(code == 0 || *entry == NULL);
    kv_assert(!empty || *entry == NULL);
    rdb_in_free(&in);
    free(block);
    return code;
}

static void write_value(const struct entry *entry, struct buf *buf, uint8_t *tag)
{
    struct rdb_out out = {.buf = buf, .version = rdb_version_of(entry), .compress = true};

    *tag = rdb_tag_of(entry, out.version);
    rdb_put_value(&out, entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry *entry = NULL, *copy = NULL, *back = NULL;
    struct buf first = {0}, second = {0};
    uint8_t tag;

    if (size < 2 || size > 1 << 16)
        return 0;
    if (read_value(data + 2, size - 2, data[0], data[1], &entry) != 0 || entry == NULL)
        return 0;
    entry_check(entry);
    kv_assert(entry_memory(entry) > 0);
    write_value(entry, &first, &tag);
    kv_assert(read_value((const uint8_t *)first.data, first.len, tag, data[1] & 2, &back) == 0);
    kv_assert(back != NULL);
    copy = entry_copy(entry, SLICE("copy"), ENTRY_NO_DEADLINE);
    write_value(copy, &second, &tag);
    kv_assert(first.len > 0);
    kv_assert(second.len > 0);
    buf_free(&first);
    buf_free(&second);
    entry_free(entry);
    entry_free(back);
    entry_free(copy);
    return 0;
}
