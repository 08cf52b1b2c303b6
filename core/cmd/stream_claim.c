/* What is pending in a group: looking at it, and giving it to another consumer.
 *
 * Each entry that changes hands is recorded as an XCLAIM that says all about it: to whom, when,
 * how often. An entry that is deleted from the stream can't be claimed; finding one takes it off
 * the group's list, which is recorded as XACK.
 */
#include "core/cmd/stream_claim.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/cmd/stream_args.h"
#include "core/ctx.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"

#define CLAIM_ATTEMPTS 10 /* that XAUTOCLAIM looks at, for each entry of its count */

struct stream_consumer *stream_new_consumer(struct ctx *ctx, struct stream *stream,
                                            struct slice key, struct slice group_name,
                                            struct stream_group *group, struct slice name)
{
    struct slice argv[] = {SLICE("XGROUP"), SLICE("CREATECONSUMER"), key, group_name, name};

    ctx_event(ctx, 't', "xgroup-createconsumer", ctx->db, key);
    ctx_effect(ctx, sizeof(argv) / sizeof(argv[0]), argv);
    return stream_consumer_new(stream, group, name, ctx->now_ms);
}

void stream_record_claim(struct ctx *ctx, struct slice key, struct slice group_name,
                         const struct stream_group *group, const struct stream_id *ids,
                         size_t count)
{
    struct slice *argv;
    const struct stream_pending *pending;
    int words = 0;

    if (count == 0 || ctx->replay)
        return;
    pending = stream_pending_find(group, ids[0]);
    argv = arena_alloc(ctx->arena, (count + 13) * sizeof(*argv));
    argv[words++] = SLICE("XCLAIM");
    argv[words++] = key;
    argv[words++] = group_name;
    argv[words++] = stream_consumer_name(pending->consumer);
    argv[words++] = SLICE("0");
    for (size_t i = 0; i < count; i++)
        argv[words++] = stream_id_text(ctx, ids[i]);
    argv[words++] = SLICE("TIME");
    argv[words++] = ctx_digits(ctx, pending->delivered_ms);
    argv[words++] = SLICE("RETRYCOUNT");
    argv[words++] = ctx_digits(ctx, (int64_t)pending->deliveries);
    argv[words++] = SLICE("FORCE");
    argv[words++] = SLICE("JUSTID");
    argv[words++] = SLICE("LASTID");
    argv[words++] = stream_id_text(ctx, group->last_id);
    ctx_effect(ctx, words, argv);
}

void stream_record_group(struct ctx *ctx, struct slice key, struct slice group_name,
                         const struct stream_group *group)
{
    struct slice argv[] = {SLICE("XGROUP"), SLICE("SETID"), key, group_name,
                           stream_id_text(ctx, group->last_id), SLICE("ENTRIESREAD"),
                           ctx_digits(ctx, group->entries_read)};

    ctx_effect(ctx, sizeof(argv) / sizeof(argv[0]), argv);
}

static void stream_record_ack(struct ctx *ctx, struct slice key, struct slice group_name,
                              struct stream_id id)
{
    struct slice argv[] = {SLICE("XACK"), key, group_name, stream_id_text(ctx, id)};

    ctx_effect(ctx, sizeof(argv) / sizeof(argv[0]), argv);
}

void stream_reply_no_group(struct ctx *ctx, struct slice key, struct slice group_name)
{
    reply_error(ctx, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)key.len, key.data,
                (int)group_name.len, group_name.data);
}

/* --- XCLAIM, XAUTOCLAIM ----------------------------------------------------------------------- */

/* Who claims, and what becomes of what is claimed. */
struct stream_claim {
    struct place place;
    struct stream *stream;
    struct stream_group *group;
    struct stream_consumer *consumer; /* NULL as long as there is none of that name */
    struct slice consumer_name;
    int64_t idle_ms;                  /* of what may be claimed, at least */
    int64_t delivered_ms;
    int64_t deliveries;               /* -1: one more, unless just_id */
    bool force, just_id;
    bool begun;                       /* the change has */
    bool has_last_id;
    struct stream_id last_id;
};

/* Find the stream and the group that arguments 1 and 2 name. */
static bool stream_claim_find(struct ctx *ctx, struct stream_claim *claim)
{
    if (!stream_find(ctx, ctx->argv[1], false, &claim->place, &claim->stream))
        return false;
    claim->group =
        claim->stream == NULL ? NULL : stream_group_find(claim->stream, ctx->argv[2]);
    if (claim->group != NULL)
        return true;
    stream_reply_no_group(ctx, ctx->argv[1], ctx->argv[2]);
    return false;
}

static void stream_claim_begin(struct ctx *ctx, struct stream_claim *claim)
{
    if (!claim->begun) {
        ctx_change_begin(ctx, &claim->place);
        stream_group_before(claim->stream, claim->group);
        if (claim->consumer != NULL)
            stream_consumer_before(claim->stream, claim->group, claim->consumer);
    }
    claim->begun = true;
}

static void stream_claim_end(struct ctx *ctx, struct stream_claim *claim)
{
    if (claim->consumer != NULL)
        claim->consumer->seen_ms = ctx->now_ms;
    if (claim->begun)
        ctx_change_end(ctx, &claim->place, claim->place.entry);
}

/* The entry is deleted: nobody can do anything with it. */
static void stream_claim_forget(struct ctx *ctx, struct stream_claim *claim, struct stream_id id)
{
    stream_claim_begin(ctx, claim);
    (void)stream_pending_remove(claim->stream, claim->group, id);
    stream_record_ack(ctx, ctx->argv[1], ctx->argv[2], id);
}

/* Give the entry, which exists, to the consumer. False if that is not to be. */
static bool stream_claim_take(struct ctx *ctx, struct stream_claim *claim, struct stream_id id)
{
    struct stream_pending *pending = stream_pending_find(claim->group, id);
    bool is_new = pending == NULL;

    if (is_new && !claim->force)
        return false;
    if (!is_new && claim->idle_ms > 0 &&
        ctx->now_ms - pending->delivered_ms < claim->idle_ms)
        return false;
    stream_claim_begin(ctx, claim);
    if (claim->consumer == NULL)
        claim->consumer =
            stream_new_consumer(ctx, claim->stream, ctx->argv[1], ctx->argv[2], claim->group,
                                claim->consumer_name);
    pending = stream_pending_give(claim->stream, claim->group, id, claim->consumer);
    pending->delivered_ms = claim->delivered_ms;
    if (is_new)
        pending->deliveries = 1;
    if (claim->deliveries >= 0)
        pending->deliveries = (uint64_t)claim->deliveries;
    else if (!claim->just_id)
        pending->deliveries++;
    claim->consumer->active_ms = ctx->now_ms;
    stream_record_claim(ctx, ctx->argv[1], ctx->argv[2], claim->group, &id, 1);
    return true;
}

static void stream_claim_reply(struct ctx *ctx, const struct stream_claim *claim,
                               const struct stream_id *ids, size_t count)
{
    reply_array(ctx, count);
    for (size_t i = 0; i < count; i++) {
        if (claim->just_id)
            stream_reply_id(ctx, ids[i]);
        else
            (void)stream_reply_one(ctx, claim->stream, ids[i]);
    }
}

/* A number behind an option, or the error that names the option. */
static bool xclaim_number(struct ctx *ctx, int at, const char *option, int64_t *out)
{
    if (num_parse_i64(ctx->argv[at], out))
        return true;
    reply_error(ctx, "ERR Invalid %s option argument for XCLAIM", option);
    return false;
}

static bool xclaim_options(struct ctx *ctx, int at, struct stream_claim *claim)
{
    int64_t idle = 0;

    for (; at < ctx->argc; at++) {
        bool more = at + 1 < ctx->argc, good = true;

        if (ctx_arg_is(ctx, at, "force")) {
            claim->force = true;
        } else if (ctx_arg_is(ctx, at, "justid")) {
            claim->just_id = true;
        } else if (more && ctx_arg_is(ctx, at, "idle")) {
            good = xclaim_number(ctx, ++at, "IDLE", &idle);
            if (__builtin_sub_overflow(ctx->now_ms, idle, &claim->delivered_ms))
                claim->delivered_ms = -1;
        } else if (more && ctx_arg_is(ctx, at, "time")) {
            good = xclaim_number(ctx, ++at, "TIME", &claim->delivered_ms);
        } else if (more && ctx_arg_is(ctx, at, "retrycount")) {
            good = xclaim_number(ctx, ++at, "RETRYCOUNT", &claim->deliveries);
        } else if (more && ctx_arg_is(ctx, at, "lastid")) {
            good = stream_arg_id(ctx, ctx->argv[++at], 0, NULL, &claim->last_id);
            claim->has_last_id = good;
        } else {
            reply_error(ctx, "ERR Unrecognized XCLAIM option '%.*s'", (int)ctx->argv[at].len,
                        ctx->argv[at].data);
            good = false;
        }
        if (!good)
            return false;
    }
    /* What is recorded is true, even where the clock of the replay is behind. */
    if (!ctx->replay && (claim->delivered_ms < 0 || claim->delivered_ms > ctx->now_ms))
        claim->delivered_ms = ctx->now_ms;
    return true;
}

static bool stream_claim_idle(struct ctx *ctx, const char *name, struct stream_claim *claim)
{
    if (!num_parse_i64(ctx->argv[4], &claim->idle_ms)) {
        reply_error(ctx, "ERR Invalid min-idle-time argument for %s", name);
        return false;
    }
    return true;
}

static void xclaim_run(struct ctx *ctx)
{
    struct stream_id *ids = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof(*ids));
    struct stream_claim claim = {.consumer_name = ctx->argv[3], .deliveries = -1,
                                 .delivered_ms = ctx->now_ms};
    size_t count = 0, taken = 0;
    int at = 5;

    if (!stream_claim_find(ctx, &claim) || !stream_claim_idle(ctx, "XCLAIM", &claim))
        return;
    for (; at < ctx->argc && stream_parse_id(ctx->argv[at], 0, NULL, &ids[count]); at++)
        count++;
    if (!xclaim_options(ctx, at, &claim))
        return;
    claim.consumer = stream_consumer_find(claim.group, claim.consumer_name);
    if (claim.has_last_id && stream_id_compare(claim.last_id, claim.group->last_id) > 0) {
        stream_claim_begin(ctx, &claim);
        claim.group->last_id = claim.last_id;
        stream_record_group(ctx, ctx->argv[1], ctx->argv[2], claim.group);
    }
    for (size_t i = 0; i < count; i++) {
        if (stream_has(claim.stream, ids[i])) {
            if (stream_claim_take(ctx, &claim, ids[i]))
                ids[taken++] = ids[i];
        } else if (stream_pending_find(claim.group, ids[i]) != NULL) {
            stream_claim_forget(ctx, &claim, ids[i]);
        }
    }
    stream_claim_end(ctx, &claim);
    stream_claim_reply(ctx, &claim, ids, taken);
}

static bool xautoclaim_options(struct ctx *ctx, struct stream_claim *claim, int64_t *count)
{
    for (int at = 6; at < ctx->argc; at++) {
        if (at + 1 < ctx->argc && ctx_arg_is(ctx, at, "count")) {
            if (!num_parse_i64(ctx->argv[++at], count) || *count < 1 ||
                *count > INT64_MAX / 16) {
                reply_error(ctx, "ERR COUNT must be > 0");
                return false;
            }
        } else if (ctx_arg_is(ctx, at, "justid")) {
            claim->just_id = true;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* Go through what is pending from `from` on; returns the ID to go on from. */
static struct stream_id xautoclaim_scan(struct ctx *ctx, struct stream_claim *claim,
                                        struct stream_id from, size_t count, struct buf *taken,
                                        struct buf *gone)
{
    const struct radix *pending = claim->group->pending;
    struct stream_id next = STREAM_ID_MIN;
    size_t attempts = count * CLAIM_ATTEMPTS;
    struct radix_at at = {0};
    char key[STREAM_KEY_BYTES];
    bool more = radix_seek(pending, &at, stream_id_key(from, key), RADIX_AT_LEAST);

    for (; more && attempts > 0 && count > 0; more = radix_next(pending, &at)) {
        struct stream_id id = stream_id_of_key(at.key);

        attempts--;
        if (!stream_has(claim->stream, id)) {
            stream_claim_forget(ctx, claim, id);
            buf_append(gone, &id, sizeof(id));
            count--;
        } else if (stream_claim_take(ctx, claim, id)) {
            buf_append(taken, &id, sizeof(id));
            count--;
        }
    }
    if (more)
        next = stream_id_of_key(at.key);
    radix_at_free(&at);
    return next;
}

static void xautoclaim_run(struct ctx *ctx)
{
    struct stream_claim claim = {.consumer_name = ctx->argv[3], .deliveries = -1,
                                 .delivered_ms = ctx->now_ms};
    struct buf taken = {0}, gone = {0};
    struct stream_id from, next;
    int64_t count = 100;

    if (!stream_claim_idle(ctx, "XAUTOCLAIM", &claim) ||
        !stream_arg_start(ctx, ctx->argv[5], &from) || !xautoclaim_options(ctx, &claim, &count) ||
        !stream_claim_find(ctx, &claim))
        return;
    claim.consumer = stream_consumer_find(claim.group, claim.consumer_name);
    next = xautoclaim_scan(ctx, &claim, from, (size_t)count, &taken, &gone);
    stream_claim_end(ctx, &claim);
    reply_array(ctx, 3);
    stream_reply_id(ctx, next);
    stream_claim_reply(ctx, &claim, (struct stream_id *)(void *)taken.data,
                       taken.len / sizeof(struct stream_id));
    reply_array(ctx, gone.len / sizeof(struct stream_id));
    for (size_t i = 0; i < gone.len / sizeof(struct stream_id); i++)
        stream_reply_id(ctx, ((struct stream_id *)(void *)gone.data)[i]);
    buf_free(&taken);
    buf_free(&gone);
}

/* --- XPENDING --------------------------------------------------------------------------------- */

static void xpending_summary(struct ctx *ctx, const struct stream_group *group)
{
    struct radix_at at = {0};
    size_t consumers = 0;

    reply_array(ctx, 4);
    reply_int(ctx, (int64_t)radix_count(group->pending));
    if (!radix_first(group->pending, &at)) {
        reply_null(ctx);
        reply_null(ctx);
        reply_null_array(ctx);
        return;
    }
    stream_reply_id(ctx, stream_id_of_key(at.key));
    (void)radix_last(group->pending, &at);
    stream_reply_id(ctx, stream_id_of_key(at.key));
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at))
        consumers += radix_count(((const struct stream_consumer *)at.value)->pending) > 0;
    reply_array(ctx, consumers);
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at)) {
        size_t pending = radix_count(((const struct stream_consumer *)at.value)->pending);

        if (pending == 0)
            continue;
        reply_array(ctx, 2);
        reply_bulk(ctx, at.key);
        reply_bulk_i64(ctx, (int64_t)pending);
    }
    radix_at_free(&at);
}

/* What XPENDING looks for. */
struct stream_search {
    struct stream_id from, to;
    int64_t idle_ms, count;
};

/* Answer the rows, or only count them. */
static size_t xpending_rows(struct ctx *ctx, const struct radix *pending,
                            const struct stream_search *search, bool reply)
{
    struct radix_at at = {0};
    char key[STREAM_KEY_BYTES];
    size_t rows = 0;

    for (bool more = radix_seek(pending, &at, stream_id_key(search->from, key), RADIX_AT_LEAST);
         more && rows < (size_t)search->count; more = radix_next(pending, &at)) {
        const struct stream_pending *one = at.value;
        struct stream_id id = stream_id_of_key(at.key);
        int64_t idle = ctx->now_ms - one->delivered_ms;

        if (stream_id_compare(id, search->to) > 0)
            break;
        if (search->idle_ms != 0 && idle < search->idle_ms)
            continue;
        rows++;
        if (!reply)
            continue;
        reply_array(ctx, 4);
        stream_reply_id(ctx, id);
        reply_bulk(ctx, stream_consumer_name(one->consumer));
        reply_int(ctx, idle < 0 ? 0 : idle);
        reply_int(ctx, (int64_t)one->deliveries);
    }
    radix_at_free(&at);
    return rows;
}

static bool xpending_options(struct ctx *ctx, int *at, struct stream_search *search)
{
    if (ctx->argc != 3 && (ctx->argc < 6 || ctx->argc > 9)) {
        reply_syntax_error(ctx);
        return false;
    }
    if (ctx->argc == 3)
        return true;
    if (ctx_arg_is(ctx, 3, "idle")) {
        if (!arg_i64(ctx, ctx->argv[4], &search->idle_ms))
            return false;
        if (ctx->argc < 8) {
            reply_syntax_error(ctx);
            return false;
        }
        *at += 2;
    }
    if (!arg_i64(ctx, ctx->argv[*at + 2], &search->count))
        return false;
    if (search->count < 0)
        search->count = 0;
    return stream_arg_start(ctx, ctx->argv[*at], &search->from) &&
           stream_arg_end(ctx, ctx->argv[*at + 1], &search->to);
}

static void xpending_run(struct ctx *ctx)
{
    struct stream_claim claim = {.stream = NULL};
    struct stream_search search = {.count = 0};
    const struct radix *pending;
    int at = 3;

    if (!xpending_options(ctx, &at, &search) || !stream_claim_find(ctx, &claim))
        return;
    if (ctx->argc == 3) {
        xpending_summary(ctx, claim.group);
        return;
    }
    pending = claim.group->pending;
    if (at + 3 < ctx->argc) {
        claim.consumer = stream_consumer_find(claim.group, ctx->argv[at + 3]);
        if (claim.consumer == NULL) {
            reply_array(ctx, 0);
            return;
        }
        pending = claim.consumer->pending;
    }
    reply_array(ctx, xpending_rows(ctx, pending, &search, false));
    (void)xpending_rows(ctx, pending, &search, true);
}

static const char *const claim_chance[] = {"nondeterministic_output", NULL};
static const char *const xautoclaim_history[] = {
    "7.0.0", "The answer names the entries that were deleted, and are not pending any more.", NULL};
static const char *const xpending_history[] = {
    "6.2.0", "IDLE, and ends that do not belong to the interval.", NULL};

const struct command commands_stream_claim[] = {
    {.name = "xclaim",
     .run = xclaim_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(log N) for each ID, N entries being pending.",
     .summary = "Gives entries that are pending for another consumer to this one.",
     .syntax = "key:key group:string consumer:string min-idle-time:string id:string... "
               "[ms:integer@IDLE] [unix-time-milliseconds:unix-time@TIME] "
               "[count:integer@RETRYCOUNT] [force=FORCE] [justid=JUSTID] [id:string@LASTID]",
     .tips = claim_chance},
    {.name = "xautoclaim",
     .run = xautoclaim_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "stream",
     .since = "6.2.0",
     .complexity = "O(1) for a small COUNT.",
     .summary = "Goes through what is pending and gives what has been idle to this consumer.",
     .syntax = "key:key group:string consumer:string min-idle-time:string start:string "
               "[count:integer@COUNT] [justid=JUSTID]",
     .history = xautoclaim_history,
     .tips = claim_chance},
    {.name = "xpending",
     .run = xpending_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N consumers in the summary, or N entries that are looked at.",
     .summary = "Answers what was given to the consumers of a group and is not acknowledged.",
     .syntax = "key:key group:string [filters{[min-idle-time:integer@IDLE^6.2.0] start:string "
               "end:string count:integer [consumer:string]}]",
     .history = xpending_history,
     .tips = claim_chance},
    {.name = NULL},
};
