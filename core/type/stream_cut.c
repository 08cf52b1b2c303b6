/* A stream is cut in the order of the grammar (stream_rdb.c): the nodes, then lengths and IDs as
 * they were at the beginning, then the groups.
 *
 * Nodes go out by their ID; `at` is the last one. A node above that which is about to change is
 * written before, and its ID kept in `ahead`, so that it is passed over later; the order of nodes
 * in a file is free. Nodes behind `last` were born since, and are in.
 *
 * Groups must come behind all nodes. A group that changes before its turn is written as it is, in
 * one piece, into a buffer of its own, which goes out at its turn; the one whose turn it is, is
 * finished at once. So the one thing here that is not bounded by a step is the first change of a
 * group while the stream is cut: it takes about 0.3 us for each entry that is pending in that
 * group, and up to 45 bytes of memory, which are counted. A group knows its place in the list of
 * groups as long as it is out.
 */
#include "core/type/stream_cut.h"

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ds/radix.h"
#include "core/type/rdb.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/stream_group_rdb.h"
#include "core/type/stream_rdb.h"
#include "core/type/value.h"
#include "core/type/value_cut.h"

#define STEP_THINGS 64           /* of a group */
#define STEP_HELD_BYTES 65536    /* of a group that was written before its turn */

struct group_cut {
    struct stream_group *group; /* NULL: it was written, into `held` */
    struct slice name;          /* a copy */
    struct buf held;
};

struct stream_cut {
    bool nodes_done;
    bool has_last;
    struct stream_id last; /* of the nodes at the beginning */
    struct radix_at at;    /* nodes up to here are in */
    struct radix_account account;
    struct radix *ahead;   /* IDs of nodes above that are in */
    struct stream numbers; /* its lengths and IDs at the beginning, nothing else */
    size_t groups, group_at;
    struct group_cut *list;
    bool writing;          /* the group at group_at */
    struct stream_group_writer writer;
    size_t held_at, held_bytes;
};

static bool is_cut(const void *value)
{
    return ((const struct stream *)value)->cut != NULL;
}

static void count_memory(struct value_cut *cut)
{
    const struct stream_cut *state = cut->state;

    cut->memory = state->account.bytes + state->held_bytes;
}

/* --- The beginning ---------------------------------------------------------------------------- */

static void list_groups(struct stream_cut *state, const struct stream *stream)
{
    struct radix_at at = {0};
    size_t i = 0;

    state->groups = stream->groups == NULL ? 0 : radix_count(stream->groups);
    if (state->groups == 0)
        return;
    kv_assert(state->groups < UINT32_MAX);
    state->list = mem_alloc_zero(state->groups * sizeof(*state->list));
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at)) {
        struct group_cut *one = &state->list[i++];
        char *name = mem_alloc(at.key.len);

        if (at.key.len > 0)
            memcpy(name, at.key.data, at.key.len);
        one->group = at.value;
        one->group->place = (uint32_t)i;
        one->name = (struct slice){name, at.key.len};
    }
    radix_at_free(&at);
}

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
    list_groups(state, stream);
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

static void finish_writing(struct stream_cut *state)
{
    state->list[state->group_at].group->place = 0;
    state->writing = false;
    state->group_at++;
}

void stream_cut_group(struct value_cut *cut, struct stream_group *group)
{
    struct stream_cut *state = cut->state;
    struct stream_group_writer writer;
    struct group_cut *one;
    struct rdb_out out = *cut->out;

    if (group->place == 0)
        return;
    if (state->writing && group->place == state->group_at + 1) {
        stream_group_write(&state->writer, cut->out, SIZE_MAX);
        finish_writing(state);
        return;
    }
    one = &state->list[group->place - 1];
    out.buf = &one->held;
    stream_group_write_begin(&writer, group, one->name);
    stream_group_write(&writer, &out, SIZE_MAX);
    group->place = 0;
    one->group = NULL;
    state->held_bytes += one->held.cap;
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
    rdb_put_len(cut->out, state->groups);
    state->nodes_done = true;
}

static void step_held(struct value_cut *cut, struct group_cut *one)
{
    struct stream_cut *state = cut->state;
    size_t left = one->held.len - state->held_at;
    size_t now = left < STEP_HELD_BYTES ? left : STEP_HELD_BYTES;

    buf_append(cut->out->buf, one->held.data + state->held_at, now);
    state->held_at += now;
    if (now < left)
        return;
    state->held_bytes -= one->held.cap;
    buf_free(&one->held);
    state->held_at = 0;
    state->group_at++;
    count_memory(cut);
}

static bool step(struct value_cut *cut)
{
    struct stream_cut *state = cut->state;
    struct group_cut *one;

    if (!state->nodes_done) {
        step_node(cut);
        return !state->nodes_done || state->groups > 0;
    }
    if (state->group_at == state->groups)
        return false;
    one = &state->list[state->group_at];
    if (one->group == NULL) {
        step_held(cut, one);
    } else {
        if (!state->writing)
            stream_group_write_begin(&state->writer, one->group, one->name);
        state->writing = true;
        if (!stream_group_write(&state->writer, cut->out, STEP_THINGS))
            finish_writing(state);
    }
    return state->group_at < state->groups;
}

static void end(struct value_cut *cut)
{
    struct stream_cut *state = cut->state;

    for (size_t i = 0; i < state->groups; i++) {
        mem_free((void *)(uintptr_t)state->list[i].name.data);
        buf_free(&state->list[i].held);
    }
    if (state->writing)
        stream_group_write_end(&state->writer);
    mem_free(state->list);
    radix_free(state->ahead, NULL);
    radix_at_free(&state->at);
    ((struct stream *)cut->value)->cut = NULL;
    mem_free(state);
}

const struct cut_ops stream_cut_ops = {ENCODING_STREAM, is_cut, begin, step, end};
