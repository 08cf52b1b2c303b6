/* The text is the key of EVAL: no SHA-1 is computed for a script that is there. What EVAL brings in
 * is bounded: of SCRIPTS_MAX that nobody loaded by SCRIPT LOAD, the one that ran longest ago goes.
 *
 * The first line may be  #!lua flags=no-writes,allow-oom ...
 */
#include "core/script/cache.h"

#include <lauxlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/ctx.h"
#include "core/ds/table.h"
#include "core/script/scripts.h"
#include "core/script/vm.h"

#define SCRIPTS_MAX 500
#define SHA_LEN 40

struct cache {
    struct table *by_sha, *by_body;
    struct vm *vm;
    uint64_t seed, evicted;
    struct script *oldest, *newest;
    size_t evictable, bytes;
};

static struct slice sha_of(const struct script *script)
{
    return (struct slice){script->sha, SHA_LEN};
}

static struct slice body_of(const struct script *script)
{
    return (struct slice){script->body, script->len};
}

static uint64_t hash_sha(const void *env, const void *item)
{
    return hash_bytes(sha_of(item), ((const struct cache *)env)->seed);
}

static bool match_sha(const void *env unused, const void *item, struct slice key)
{
    return slice_equal(sha_of(item), key);
}

static uint64_t hash_body(const void *env, const void *item)
{
    return hash_bytes(body_of(item), ((const struct cache *)env)->seed);
}

static bool match_body(const void *env unused, const void *item, struct slice key)
{
    return slice_equal(body_of(item), key);
}

static const struct table_type sha_type = {hash_sha, match_sha};
static const struct table_type body_type = {hash_body, match_body};

struct cache *cache_new(struct vm *vm, uint64_t seed)
{
    struct cache *cache = mem_alloc_zero(sizeof *cache);
    cache->by_sha = table_new(&sha_type, cache);
    cache->by_body = table_new(&body_type, cache);
    cache->vm = vm;
    cache->seed = seed;
    return cache;
}

void cache_free(struct cache *cache)
{
    table_free(cache->by_sha, mem_free);
    table_free(cache->by_body, NULL);
    mem_free(cache);
}

size_t cache_count(const struct cache *cache)
{
    return table_count(cache->by_sha);
}

size_t cache_bytes(const struct cache *cache)
{
    return cache->bytes + table_bytes(cache->by_sha) + table_bytes(cache->by_body);
}

uint64_t cache_evicted(const struct cache *cache)
{
    return cache->evicted;
}

/* ---- the order of those that may go ---- */

static void list_put(struct cache *cache, struct script *script)
{
    script->older = cache->newest;
    script->newer = NULL;
    if (cache->newest)
        cache->newest->newer = script;
    else
        cache->oldest = script;
    cache->newest = script;
    cache->evictable++;
}

static void list_take(struct cache *cache, struct script *script)
{
    if (script->older)
        script->older->newer = script->newer;
    else
        cache->oldest = script->newer;
    if (script->newer)
        script->newer->older = script->older;
    else
        cache->newest = script->older;
    cache->evictable--;
}

static void forget(struct cache *cache, struct script *script)
{
    uint64_t hash = hash_sha(cache, script);
    table_remove(cache->by_sha, hash, table_find(cache->by_sha, hash, sha_of(script)));
    hash = hash_body(cache, script);
    table_remove(cache->by_body, hash, table_find(cache->by_body, hash, body_of(script)));
    luaL_unref(cache->vm->lua, LUA_REGISTRYINDEX, script->reference);
    cache->bytes -= mem_usable(script);
    mem_free(script);
}

static void make_room(struct cache *cache)
{
    if (cache->evictable < SCRIPTS_MAX)
        return;
    struct script *script = cache->oldest;
    list_take(cache, script);
    forget(cache, script);
    cache->evicted++;
}

/* ---- the first line ---- */

static bool begins(struct slice text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static bool read_flags(struct slice list, uint32_t *flags, struct buf *why)
{
    while (list.len > 0) {
        const char *comma = memchr(list.data, ',', list.len);
        struct slice name = {list.data, comma ? (size_t)(comma - list.data) : list.len};
        uint32_t flag = script_flag_of(name);
        if (flag == 0) {
            buf_printf(why, "ERR Unexpected flag in script shebang: %.*s",
                       name.len > 128 ? 128 : (int)name.len, name.data);
            return false;
        }
        *flags |= flag;
        if (!comma)
            break;
        list = (struct slice){comma + 1, list.len - name.len - 1};
        if (list.len == 0) {
            buf_printf(why, "ERR Unexpected flag in script shebang: ");
            return false;
        }
    }
    return true;
}

/* The code behind the first line, if that is one of ours, and the flags it gives. */
static bool read_first_line(struct arena *arena, struct slice body, struct slice *code,
                            uint32_t *flags, struct buf *why)
{
    *code = body;
    *flags = SCRIPT_OLD;
    if (!begins(body, "#!"))
        return true;
    const char *end = memchr(body.data, '\n', body.len);
    if (!end) {
        buf_printf(why, "ERR Invalid script shebang");
        return false;
    }
    struct slice line = {body.data, (size_t)(end - body.data)}, *words;
    *code = (struct slice){end, body.len - line.len};
    *flags = 0;
    int count = line.len <= FIRST_LINE_MAX ? text_split(arena, line, &words) : -1;
    if (count < 1) {
        buf_printf(why, "ERR Invalid engine in script shebang");
        return false;
    }
    if (!slice_equal(words[0], SLICE("#!lua"))) {
        buf_printf(why, "ERR Unexpected engine in script shebang: %.*s",
                   words[0].len > 128 ? 128 : (int)words[0].len, words[0].data);
        return false;
    }
    for (int i = 1; i < count; i++) {
        struct slice word = words[i];
        if (!begins(word, "flags=")) {
            buf_printf(why, "ERR Unknown lua shebang option: %.*s",
                       word.len > 128 ? 128 : (int)word.len, word.data);
            return false;
        }
        if (!read_flags((struct slice){word.data + 6, word.len - 6}, flags, why))
            return false;
    }
    return true;
}

/* ---- find and add ---- */

static struct script *add(struct cache *cache, struct slice body, uint32_t flags)
{
    struct script *script = mem_alloc(sizeof *script + body.len);
    *script = (struct script){.flags = flags, .len = body.len};
    if (body.len > 0)
        memcpy(script->body, body.data, body.len);
    sha1_hex(body, script->sha);
    script->reference = luaL_ref(cache->vm->lua, LUA_REGISTRYINDEX);
    table_insert(cache->by_sha, hash_sha(cache, script), script);
    table_insert(cache->by_body, hash_body(cache, script), script);
    cache->bytes += mem_usable(script);
    return script;
}

static struct script *compile(struct ctx *ctx, struct cache *cache, struct slice body)
{
    struct slice code;
    struct buf why = {0};
    uint32_t flags;
    lua_State *lua = cache->vm->lua;
    if (!read_first_line(ctx->arena, body, &code, &flags, &why)) {
        reply_error(ctx, "%.*s", (int)why.len, why.data);
        buf_free(&why);
        return NULL;
    }
    if (vm_compile(lua, code.data, code.len, "@user_script") != 0) {
        reply_error(ctx, "ERR Error compiling script (new function): %s", lua_tostring(lua, -1));
        lua_settop(lua, 0);
        return NULL;
    }
    make_room(cache);
    return add(cache, body, flags);
}

static struct script *find_body(const struct cache *cache, struct slice body)
{
    struct table_slot *slot = table_find(cache->by_body, hash_bytes(body, cache->seed), body);
    return slot ? table_item(slot) : NULL;
}

struct script *cache_get(struct ctx *ctx, struct cache *cache, struct slice body, bool load)
{
    struct script *script = find_body(cache, body);
    if (unlikely(!script)) {
        script = compile(ctx, cache, body);
        if (!script)
            return NULL;
        list_put(cache, script);
    }
    if (load && !script->loaded) {
        list_take(cache, script);
        script->loaded = true;
    }
    cache_used(cache, script);
    return script;
}

bool cache_only_reads(struct cache *cache, struct arena *arena, struct slice body)
{
    const struct script *script = find_body(cache, body);
    if (script)
        return script->flags & SCRIPT_NO_WRITES;
    struct slice code;
    struct buf why = {0};
    uint32_t flags;
    bool good = read_first_line(arena, body, &code, &flags, &why);
    buf_free(&why);
    return good && flags & SCRIPT_NO_WRITES;
}

void cache_used(struct cache *cache, struct script *script)
{
    if (script->loaded || script == cache->newest)
        return;
    list_take(cache, script);
    list_put(cache, script);
}

struct script *cache_find(struct cache *cache, struct slice sha)
{
    char lower[SHA_LEN];
    if (sha.len != SHA_LEN)
        return NULL;
    for (int i = 0; i < SHA_LEN; i++)
        lower[i] = sha.data[i] >= 'A' && sha.data[i] <= 'Z' ? (char)(sha.data[i] + 32)
                                                            : sha.data[i];
    struct slice key = {lower, SHA_LEN};
    struct table_slot *slot = table_find(cache->by_sha, hash_bytes(key, cache->seed), key);
    return slot ? table_item(slot) : NULL;
}
