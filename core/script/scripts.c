/* What is kept of scripts, put together: two states of Lua, the cache of EVAL, the libraries of
 * functions, and the port to them. */
#include "core/script/scripts.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/script/cache.h"
#include "core/script/libraries.h"
#include "core/script/library.h"
#include "core/script/run.h"

#define RANDOM_SEED 0x1234ABCD330Eull /* the same numbers in each process */

static void add_libraries(lua_State *lua)
{
    lua_add_redis(lua);
    lua_add_bit(lua);
    lua_add_struct(lua);
    lua_add_cmsgpack(lua);
    lua_add_cjson(lua);
    lua_add_os(lua);
}

static uint64_t random_seed(struct engine *engine)
{
    uint64_t seed;
    engine->host->random_bytes(engine->host->self, &seed, sizeof seed);
    return seed;
}

static void open_eval(struct scripts *scripts)
{
    vm_open(&scripts->eval, scripts, &scripts->random, add_libraries);
    scripts->cache = cache_new(&scripts->eval, random_seed(scripts->engine));
}

static void figures(void *self, struct scripting_figures *out)
{
    const struct scripts *scripts = self;
    *out = (struct scripting_figures){
        .vm_eval_bytes = scripts->eval.bytes,
        .vm_functions_bytes = scripts->functions.bytes,
        .scripts = cache_count(scripts->cache),
        .script_bytes = cache_bytes(scripts->cache),
        .scripts_evicted = cache_evicted(scripts->cache),
        .functions = libraries_functions(scripts->libraries),
        .libraries = libraries_count(scripts->libraries),
        .function_bytes = libraries_bytes(scripts->libraries),
    };
}

static void each_library(void *self, void (*visit)(void *env, struct slice code), void *env)
{
    const struct scripts *scripts = self;
    libraries_each_code(scripts->libraries, visit, env);
}

static int load_library(void *self, struct slice code, struct fault *fault)
{
    return libraries_load(self, code, fault);
}

static const char *busy_text(void *self)
{
    const struct scripts *scripts = self;
    return scripts->run && scripts->run->is_function
               ? "Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
                 "NOSAVE."
               : "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
                 "NOSAVE.";
}

struct scripts *scripts_new(struct engine *engine)
{
    struct scripts *scripts = mem_alloc_zero(sizeof *scripts);
    scripts->engine = engine;
    scripts->random = RANDOM_SEED;
    scripts->session = (struct session){.engine = engine, .resp = 2, .fd = -1};
    open_eval(scripts);
    vm_open(&scripts->functions, scripts, &scripts->random, add_libraries);
    scripts->libraries = libraries_new(random_seed(engine));
    scripts->port = (struct scripting){
        .self = scripts,
        .figures = figures,
        .each_library = each_library,
        .load_library = load_library,
        .busy_text = busy_text,
    };
    engine->scripting = &scripts->port;
    return scripts;
}

void scripts_free(struct scripts *scripts)
{
    if (!scripts)
        return;
    scripts->engine->scripting = NULL;
    cache_free(scripts->cache);
    libraries_free(scripts->libraries);
    vm_close(&scripts->eval);
    vm_close(&scripts->functions);
    output_free(&scripts->session.output);
    arena_free(&scripts->arena);
    buf_free(&scripts->reply);
    mem_free(scripts->argv);
    mem_free(scripts);
}

struct scripts *scripts_of(const struct ctx *ctx)
{
    kv_assert(ctx->engine->scripting);
    return ctx->engine->scripting->self;
}

void scripts_reset_eval(struct scripts *scripts)
{
    cache_free(scripts->cache);
    vm_close(&scripts->eval);
    open_eval(scripts);
}

static const char *const flag_names[SCRIPT_FLAG_NAMES] = {
    "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys",
};

uint32_t script_flag_of(struct slice name)
{
    for (int i = 0; i < SCRIPT_FLAG_NAMES; i++)
        if (slice_equal(name, slice_of(flag_names[i])))
            return 1u << i;
    return 0;
}

const char *script_flag_name(int index)
{
    return flag_names[index];
}
