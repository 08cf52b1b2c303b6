/* DEBUG: from memory to disk and back. */
#include <stdatomic.h>

#include "core/base/fault.h"
#include "core/cmd/debug.h"
#include "core/ctx.h"
#include "core/journal.h"
#include "core/save.h"

static void reply_fault(struct ctx *ctx, const struct fault *fault)
{
    char line[1024];
    reply_error(ctx, "ERR %s", fault_line(fault, line, sizeof line));
}

static void load_from(struct ctx *ctx, enum host_reload what)
{
    struct host *host = ctx->engine->host;
    struct fault fault = {0};
    if (host->reload == NULL)
        reply_error(ctx, "ERR this server has no files to load from");
    else if (host->reload(host->self, what, &fault) < 0)
        reply_fault(ctx, &fault);
    else
        reply_ok(ctx);
}

/* With MERGE and NOFLUSH the dump that was just made is loaded over what it was made of: the same.
 * What a dump of some time ago holds is not what the log describes: with a log, the dump is always
 * made anew. */
static void reload_run(struct ctx *ctx)
{
    struct fault fault = {0};
    bool save = true, merge = false;
    for (int i = 2; i < ctx->argc; i++) {
        if (ctx_arg_is(ctx, i, "nosave")) {
            save = false;
        } else if (ctx_arg_is(ctx, i, "noflush") || ctx_arg_is(ctx, i, "merge")) {
            merge = true;
        } else {
            reply_error(ctx, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
                             "options.");
            return;
        }
    }
    if (!save && merge)
        reply_error(ctx, "ERR DEBUG RELOAD NOSAVE can't merge the dump with what is there");
    else if (!save && atomic_load(&ctx->engine->journal->state) != JOURNAL_OFF)
        reply_error(ctx, "ERR DEBUG RELOAD NOSAVE would undo what the log holds: leave NOSAVE out, "
                         "or switch the log off (CONFIG SET appendonly no)");
    else if (save && save_dump_wait(ctx->engine, &fault) < 0)
        reply_fault(ctx, &fault);
    else
        load_from(ctx, HOST_RELOAD_DUMP);
}

static void loadaof_run(struct ctx *ctx)
{
    load_from(ctx, HOST_RELOAD_LOG);
}

const struct debug_subcommand debug_disk[] = {
    {"loadaof", 2, 2, loadaof_run, "", "Sync the log, forget the data and load it from the log."},
    {"reload", 2, 0, reload_run, "[MERGE] [NOFLUSH] [NOSAVE]",
     "Save a snapshot, forget the data and load it from the snapshot."},
    {0},
};
