/* A hash is cut by the marks of its table: a field goes out when its group's turn comes, or before
 * it changes. The grammar is that of hash_rdb.c: tag 4, or 24 where fields have deadlines. These
 * are written relative to the first deadline as it was at the beginning, so it is kept here: every
 * field that is still out has its old deadline, and none of those is earlier.
 */
#include "core/type/hash_cut.h"

#include "core/base/mem.h"
#include "core/ds/table.h"
#include "core/type/hash_rdb.h"
#include "core/type/hash_table.h"
#include "core/type/rdb.h"
#include "core/type/value.h"
#include "core/type/value_cut.h"

struct hash_cut {
    bool with_deadlines;
    int64_t first_ms;
};

static bool is_cut(const void *value)
{
    return *hash_table_cut((struct hash_table *)(uintptr_t)value) != NULL;
}

static void begin(struct value_cut *cut)
{
    struct hash_table *fields = cut->value;
    const struct field *first = hash_table_first(fields);
    struct hash_cut *state = mem_alloc(sizeof(*state));

    state->first_ms = first == NULL ? FIELD_NO_DEADLINE : field_deadline(first);
    state->with_deadlines =
        hash_rdb_tag(cut->encoding, fields, cut->out->version) == RDB_HASH_METADATA;
    cut->state = state;
    if (state->with_deadlines)
        rdb_put_u64(cut->out, (uint64_t)state->first_ms);
    rdb_put_len(cut->out, hash_table_count(fields));
    *hash_table_cut(fields) = cut;
    table_cut_begin(hash_table_marks(fields));
}

void hash_cut_put(struct value_cut *cut, const struct field *field)
{
    const struct hash_cut *state = cut->state;
    int64_t deadline_ms = field_deadline(field);

    hash_rdb_put(cut->out, field_name(field), field_value(field), state->with_deadlines,
                 deadline_ms, state->first_ms);
}

static bool visit(void *cut, void *field)
{
    hash_cut_put(cut, field);
    return !value_cut_enough(cut);
}

static bool step(struct value_cut *cut)
{
    return table_cut_step(hash_table_marks(cut->value), &cut->cursor, visit, cut);
}

static void end(struct value_cut *cut)
{
    *hash_table_cut(cut->value) = NULL;
    mem_free(cut->state);
}

const struct cut_ops hash_cut_ops = {ENCODING_HASHTABLE, is_cut, begin, step, end};
