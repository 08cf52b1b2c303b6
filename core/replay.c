/* Commands are found, checked for their number of arguments and run on a session without a
 * connection; what it replies is thrown away. An error reply means that the log holds what this
 * version can't have written. */
#include "core/replay.h"

#include "core/base/fault.h"
#include "core/ctx.h"
#include "core/engine.h"
#include "core/evict.h"
#include "core/gate.h"

#define KEY_BYTES_SHOWN 64

static int apply_failed(struct engine *engine, struct ctx *ctx, struct fault *fault)
{
    struct output *output = &engine->replay_session.output;
    struct iovec part = {(void *)"", 0};
    output_mark(output, 0, false);
    output_parts(output, &part, 1);
    int len = part.iov_len > 200 ? 200 : (int)part.iov_len;
    while (len > 0 && ((const char *)part.iov_base)[len - 1] < ' ')
        len--;
    int code = fault_set(fault, KV_EFORMAT, "", -1, "command '%.*s' of the log failed: %.*s",
                         (int)ctx->argv[0].len, ctx->argv[0].data, len,
                         (const char *)part.iov_base);
    output_sent(output, output_ready(output));
    return code;
}

void replay_forget_all(struct engine *engine)
{
    struct slice words[] = {SLICE("FUNCTION"), SLICE("FLUSH"), SLICE("SYNC")};
    struct fault fault;
    keyspace_flush(engine->keyspace, -1, false);
    engine->replay_session.db = 0;
    (void)!replay_command(engine, 3, words, &fault); /* where there are functions */
}

void replay_soon(struct engine *engine, int step, int argc, const struct slice *argv)
{
    int db = engine->replay_session.db;
    if (argc < 2)
        return;
    uint64_t hash = keyspace_hash(engine->keyspace, argv[1]);
    if (step == 0)
        keyspace_prefetch(engine->keyspace, db, hash);
    else
        keyspace_prefetch_entry(engine->keyspace, db, hash);
}

int replay_command(struct engine *engine, int argc, const struct slice *argv, struct fault *fault)
{
    struct session *session = &engine->replay_session;
    struct ctx ctx = {
        .engine = engine,
        .session = session,
        .output = &session->output,
        .arena = &engine->arena,
        .keyspace = engine->keyspace,
        .argc = argc,
        .argv = argv,
        .db = session->db,
        .now_ms = engine->now_ms,
        .replay = true,
    };
    ctx.state = gate_lookup_declared(engine, argc, argv);
    if (!ctx.state)
        return fault_set(fault, KV_EVERSION, "", -1,
                         "the log holds the command '%.*s', which this version of kv does not "
                         "know: start a version that does, or the server that wrote it",
                         argv[0].len > 64 ? 64 : (int)argv[0].len, argv[0].data);
    ctx.command = ctx.state->command;
    int arity = ctx.command->arity;
    if ((arity > 0 && argc != arity) || argc < -arity)
        return fault_set(fault, KV_EFORMAT, "", -1, "wrong number of arguments for '%s' in the log",
                         ctx.state->full_name);
    ctx.command->run(&ctx);
    engine->loading_commands++;
    int code = ctx.failed ? apply_failed(engine, &ctx, fault) : 0;
    output_rewind(&session->output);
    arena_reset(&engine->arena);
    return code;
}

void replay_entry_soon(struct engine *engine, int db, int step, uint64_t hash)
{
    if (db < keyspace_databases(engine->keyspace))
        keyspace_prefetch_put(engine->keyspace, db, step, hash);
}

int replay_entry(struct engine *engine, int db, struct entry *entry, uint64_t hash,
                 struct fault *fault)
{
    struct keyspace *keyspace = engine->keyspace;
    struct slice key = entry_key(entry);
    if (db >= keyspace_databases(keyspace)) {
        entry_free(entry);
        return fault_set(fault, KV_EREFUSED, "", -1,
                         "the snapshot has keys in database %d, and the option databases is %d. "
                         "Nothing was changed. Start with --databases %d or more",
                         db, keyspace_databases(keyspace), db + 1);
    }
    struct place place = keyspace_find(keyspace, db, key, hash);
    if (place.entry) {
        int code = fault_set(fault, KV_ECORRUPT, "", -1,
                             "the key '%.*s' of database %d is there twice",
                             key.len > KEY_BYTES_SHOWN ? KEY_BYTES_SHOWN : (int)key.len, key.data,
                             db);
        entry_free(entry);
        return code;
    }
    evict_access_take(engine, entry);
    keyspace_put(keyspace, &place, entry);
    return 0;
}

void replay_presize(struct engine *engine, int db, uint64_t keys)
{
    if (db < keyspace_databases(engine->keyspace))
        keyspace_presize(engine->keyspace, db, keys);
}

void replay_loading(struct engine *engine, bool loading)
{
    engine->loading = loading;
    if (loading) {
        engine->loading_started_ms = engine->now_ms;
        engine->loading_total = engine->loading_done = engine->loading_commands = 0;
    }
    engine->replay_session.db = 0;
    engine_turn_begin(engine);
}
