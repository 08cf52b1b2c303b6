/* A stream is cut in the order of the grammar (stream_rdb.c): the nodes, then lengths and IDs as
 * they were at the beginning, then the groups.
 *
 * Nodes go out by their ID; `at` is the last one. A node above that which is about to change is
 * written before, and its ID kept in `ahead`, so that it is passed over later; the order of nodes
 * in a file is free. Nodes behind `last` were born since, and are in.
 *
 * Groups must come behind all nodes; what changes before their turn waits in memory, which is
 * counted: stream_cut_groups.c.
 */
#include "core/type/stream_cut.h"

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ds/radix.h"
#include "core/type/rdb.h"
#include "core/type/stream.h"
#include "core/type/stream_cut_groups.h"
#include "core/type/stream_rdb.h"
#include "core/type/value.h"
#include "core/type/value_cut.h"

struct stream_cut {
    bool nodes_done;
    bool has_last;
    struct stream_id last; /* of the nodes at the beginning */
    struct radix_at at;    /* nodes up to here are in */
    struct radix_account account;
    struct radix *ahead;   /* IDs of nodes above that are in */
    struct stream numbers; /* its lengths and IDs at the beginning, nothing else */
    struct stream_cut_groups *groups;
};

static bool is_cut(const void *value)
{
    return ((const struct stream *)value)->cut != NULL;
}

static void count_memory(struct value_cut *cut)
{
    const struct stream_cut *state = cut->state;

    cut->memory = state->account.bytes + stream_cut_groups_held(state->groups);
}

/* --- The beginning ---------------------------------------------------------------------------- */

static void begin(struct value_cut *cut)
{
    struct stream *stream = cut->value;
    struct stream_cut *state = mem_alloc_zero(sizeof(*state));
    struct radix_at at = {0};

    state->has_last = radix_last(stream->nodes, &at);
    if (state->has_last)
        state->last = stream_id_of_key(at.key);
    radix_at_free(&at);
    state->ahead = radix_new(&state->account);
    state->numbers = *stream;
    state->groups = stream_cut_groups_begin(stream);
    rdb_put_len(cut->out, radix_count(stream->nodes));
    cut->state = state;
    stream->cut = cut;
    count_memory(cut);
}

/* --- Changes ---------------------------------------------------------------------------------- */

void stream_cut_node(struct value_cut *cut, struct slice key, const uint8_t *listpack)
{
    struct stream_cut *state = cut->state;

    if (state->nodes_done || !state->has_last ||
        stream_id_compare(stream_id_of_key(key), state->last) > 0)
        return;
    if (state->at.value != NULL && slice_compare(key, state->at.key) <= 0)
        return;
    if (radix_get(state->ahead, key) != NULL)
        return;
    stream_write_node(cut->out, key, listpack);
    radix_set(state->ahead, key, cut);
    count_memory(cut);
}

void stream_cut_group(struct value_cut *cut, struct stream_group *group)
{
    const struct stream_cut *state = cut->state;

    stream_cut_groups_head(state->groups, group);
}

void stream_cut_consumer(struct value_cut *cut, struct stream_group *group,
                         struct stream_consumer *consumer)
{
    const struct stream_cut *state = cut->state;

    stream_cut_groups_consumer(state->groups, group, consumer);
    count_memory(cut);
}

void stream_cut_pending(struct value_cut *cut, struct stream_group *group, struct slice key,
                        struct stream_pending *pending)
{
    const struct stream_cut *state = cut->state;

    stream_cut_groups_pending(state->groups, group, key, pending, cut->out);
    count_memory(cut);
}

void stream_cut_consumer_gone(struct value_cut *cut, struct stream_group *group,
                              struct stream_consumer *consumer)
{
    const struct stream_cut *state = cut->state;

    stream_cut_groups_gone(state->groups, group, consumer);
    count_memory(cut);
}

void stream_cut_group_gone(struct value_cut *cut, struct stream_group *group)
{
    const struct stream_cut *state = cut->state;

    stream_cut_groups_all(state->groups, group, cut->out);
    count_memory(cut);
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* Pass over one node, or write it; behind the last of them, write what follows. */
static void step_node(struct value_cut *cut)
{
    const struct stream *stream = cut->value;
    struct stream_cut *state = cut->state;
    bool more = state->at.value == NULL ? radix_first(stream->nodes, &state->at)
                                        : radix_next(stream->nodes, &state->at);

    if (more && stream_id_compare(stream_id_of_key(state->at.key), state->last) <= 0) {
        if (radix_get(state->ahead, state->at.key) == NULL)
            stream_write_node(cut->out, state->at.key, state->at.value);
        return;
    }
    stream_write_numbers(cut->out, &state->numbers);
    state->nodes_done = true;
}

static bool step(struct value_cut *cut)
{
    const struct stream_cut *state = cut->state;
    bool more;

    if (!state->nodes_done) {
        step_node(cut);
        return true;
    }
    more = stream_cut_groups_step(state->groups, cut->out);
    count_memory(cut);
    return more;
}

static void end(struct value_cut *cut)
{
    struct stream_cut *state = cut->state;

    stream_cut_groups_end(state->groups);
    radix_free(state->ahead, NULL);
    radix_at_free(&state->at);
    ((struct stream *)cut->value)->cut = NULL;
    mem_free(state);
}

const struct cut_ops stream_cut_ops = {ENCODING_STREAM, is_cut, begin, step, end};
