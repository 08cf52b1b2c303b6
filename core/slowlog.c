/* An entry is one block: the struct, its slices, the bytes they point to. What is cut off is named
 * in words at its place, as in Redis. */
#include "core/slowlog.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/ctx.h"

#define NOTE_BYTES_MAX 40

struct slow_list {
    struct slow_entry *newest, *oldest;
    size_t len;
    uint64_t next_id;
};

struct slowlog {
    struct slow_list lists[SLOWLOG_KINDS];
};

struct slowlog *slowlog_new(void)
{
    return mem_alloc_zero(sizeof(struct slowlog));
}

static void drop_oldest(struct slow_list *list)
{
    struct slow_entry *entry = list->oldest;
    list->oldest = entry->newer;
    if (list->oldest)
        list->oldest->older = NULL;
    else
        list->newest = NULL;
    list->len--;
    mem_free(entry);
}

void slowlog_reset(struct slowlog *slowlog, enum slowlog_kind kind)
{
    while (slowlog->lists[kind].oldest)
        drop_oldest(&slowlog->lists[kind]);
}

void slowlog_free(struct slowlog *slowlog)
{
    for (int kind = 0; kind < SLOWLOG_KINDS; kind++)
        slowlog_reset(slowlog, (enum slowlog_kind)kind);
    mem_free(slowlog);
}

/* What is shown of one argument: its beginning, and in `note` what is missing, or stands for it. */
static struct slice shown(const struct ctx *ctx, int index, char note[static NOTE_BYTES_MAX])
{
    struct slice arg = ctx->argv[index];
    note[0] = 0;
    if (index == SLOWLOG_ARGS_MAX - 1 && ctx->argc > SLOWLOG_ARGS_MAX) {
        snprintf(note, NOTE_BYTES_MAX, "... (%d more arguments)", ctx->argc - index);
        arg.len = 0;
    } else if (command_is_secret(ctx->command, ctx->argc, ctx->argv, index)) {
        snprintf(note, NOTE_BYTES_MAX, "(redacted)");
        arg.len = 0;
    } else if (arg.len > SLOWLOG_BYTES_MAX) {
        snprintf(note, NOTE_BYTES_MAX, "... (%zu more bytes)", arg.len - SLOWLOG_BYTES_MAX);
        arg.len = SLOWLOG_BYTES_MAX;
    }
    return arg;
}

static struct slice put(char **to, const char *bytes, size_t len)
{
    struct slice copy = {*to, len};
    if (len > 0)
        memcpy(*to, bytes, len);
    *to += len;
    return copy;
}

static struct slow_entry *entry_of(const struct ctx *ctx)
{
    const struct session *session = ctx_caller(ctx);
    const char *name = session->name ? session->name : "";
    int argc = ctx->argc < SLOWLOG_ARGS_MAX ? ctx->argc : SLOWLOG_ARGS_MAX;
    size_t head = sizeof(struct slow_entry) + (size_t)argc * sizeof(struct slice);
    size_t bytes = head + strlen(session->address) + strlen(name);
    char note[NOTE_BYTES_MAX];
    for (int i = 0; i < argc; i++)
        bytes += shown(ctx, i, note).len + strlen(note);
    char *block = mem_alloc(bytes), *to = block + head;
    struct slow_entry *entry = (struct slow_entry *)(void *)block;
    *entry = (struct slow_entry){.time_s = ctx->engine->now_ms / 1000, .argc = argc};
    entry->address = put(&to, session->address, strlen(session->address));
    entry->name = put(&to, name, strlen(name));
    for (int i = 0; i < argc; i++) {
        struct slice arg = shown(ctx, i, note);
        entry->argv[i] = put(&to, arg.data, arg.len);
        entry->argv[i].len += put(&to, note, strlen(note)).len;
    }
    return entry;
}

static size_t most_of(const struct settings *settings, enum slowlog_kind kind)
{
    if (kind == SLOWLOG_LARGE_REQUEST)
        return (size_t)settings->large_request_max_len;
    return (size_t)(kind == SLOWLOG_LARGE_REPLY ? settings->large_reply_max_len
                                                : settings->slowlog_max_len);
}

void slowlog_add(const struct ctx *ctx, enum slowlog_kind kind, uint64_t cost)
{
    struct slow_list *list = &ctx->engine->slowlog->lists[kind];
    struct slow_entry *entry = entry_of(ctx);
    entry->id = list->next_id++;
    entry->cost = cost;
    entry->older = list->newest;
    if (list->newest)
        list->newest->newer = entry;
    else
        list->oldest = entry;
    list->newest = entry;
    list->len++;
    while (list->len > most_of(ctx->engine->settings, kind))
        drop_oldest(list);
}

const struct slow_entry *slowlog_first(const struct slowlog *slowlog, enum slowlog_kind kind)
{
    return slowlog->lists[kind].newest;
}

size_t slowlog_len(const struct slowlog *slowlog, enum slowlog_kind kind)
{
    return slowlog->lists[kind].len;
}
