/* The types' parts of cutting, behind one set of functions. What a type does is in its row (struct
 * cut_ops in value.h); here is how much is done in a step.
 */
#include "core/type/value_cut.h"

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/type/rdb.h"
#include "core/type/value.h"

/* Of memory: a value up to this is written at once, in about 15 us; 150 us where strings are packed
 * by LZF, which plain RDB files alone do. */
#define CUT_WHOLE_BYTES_MAX ((size_t)64 * 1024)
#define CUT_STEP_BYTES 4096             /* written; what is over is one element, or node */
#define CUT_STEP_PIECES_MAX 64          /* pieces may be in already and write nothing */

static const struct cut_ops *ops_of(const struct entry *entry)
{
    const struct cut_ops *ops = type_ops_of(entry_type(entry))->cut;

    return ops != NULL && ops->encoding == entry_encoding(entry) ? ops : NULL;
}

bool value_is_large(const struct entry *entry)
{
    const struct type_ops *type = type_ops_of(entry_type(entry));

    return ops_of(entry) != NULL &&
           type->memory(entry_encoding(entry), entry_value(entry)) > CUT_WHOLE_BYTES_MAX;
}

bool value_is_cut(const struct entry *entry)
{
    const struct cut_ops *ops = ops_of(entry);

    return ops != NULL && ops->is_cut(entry_value(entry));
}

struct value_cut *value_cut_begin(const struct entry *entry, struct rdb_out *out)
{
    const struct cut_ops *ops = ops_of(entry);
    struct value_cut *cut;

    kv_assert(ops != NULL);
    kv_assert(!ops->is_cut(entry_value(entry)));
    cut = mem_alloc_zero(sizeof(*cut));
    cut->out = out;
    cut->type = entry_type(entry);
    cut->encoding = entry_encoding(entry);
    cut->value = entry_value(entry);
    ops->begin(cut);
    return cut;
}

bool value_cut_enough(const struct value_cut *cut)
{
    return cut->out->buf->len - cut->step_from >= CUT_STEP_BYTES;
}

bool value_cut_step(struct value_cut *cut)
{
    const struct cut_ops *ops = type_ops_of(cut->type)->cut;

    cut->step_from = cut->out->buf->len;
    for (int i = 0; i < CUT_STEP_PIECES_MAX && !cut->done && !value_cut_enough(cut); i++)
        cut->done = !ops->step(cut);
    return !cut->done;
}

void value_cut_end(struct value_cut *cut)
{
    kv_assert(cut->done);
    value_cut_drop(cut);
}

void value_cut_drop(struct value_cut *cut)
{
    type_ops_of(cut->type)->cut->end(cut);
    mem_free(cut);
}
