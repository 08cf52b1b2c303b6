/* Whatever a client sends to the scripts: code, libraries, their payloads, and what the codecs of
 * the sandbox are given. Never a crash, never without end (a script that runs on is killed), and
 * the sandbox is as it was. The first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/cmd/rows.h"
#include "core/engine.h"
#include "core/script/run.h"
#include "core/script/scripts.h"
#include "tests/support/fake_world.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __lsan_is_turned_off(void);

/* The state lives for ever, and tables keep pointers in words that the leak checker can't read. */
int __lsan_is_turned_off(void)
{
    return 1;
}

static const struct command *const tables[] = {commands_eval, commands_function, commands_string,
                                               NULL};
static struct fake_world world;
static struct scripts *scripts;
static struct session session;
static uint64_t ticks_ns;

static uint64_t tick(void *self unused)
{
    return ticks_ns += 100000000;
}

static void kill_script(void *self unused)
{
    scripts->run->killed = true;
}

static void open_once(void)
{
    if (scripts)
        return;
    fake_world_open(&world, tables);
    world.settings.script_memory_limit = 16 << 20;
    world.settings.busy_reply_threshold_ms = 1;
    world.host.monotonic_ns = tick;
    world.host.run_events = kill_script;
    scripts = scripts_new(world.engine);
    fake_session_open(&world, &session);
}

static void request(int count, const struct slice *words)
{
    engine_execute(world.engine, &session, count, words);
    fake_world_sync(&world);
    output_free(&session.output);
    buf_clear(&world.stream);
    buf_clear(&world.said);
}

static void eval(struct slice code, struct slice first, struct slice second)
{
    struct slice words[] = {SLICE("EVAL"), code, SLICE("0"), first, second};
    request(5, words);
}

/* Nothing of what ran before is left. */
static void check_sandbox(void)
{
    static const char code[] = "return redis.pcall ~= nil and ('x'):rep(2) == 'xx' and "
                               "rawget(_G, 'evil') == nil and #KEYS == 0";
    struct slice words[] = {SLICE("EVAL"), SLICE(code), SLICE("0")};
    engine_execute(world.engine, &session, 3, words);
    fake_world_sync(&world);
    kv_assert(strcmp(fake_sent(&session), ":1\r\n") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX)
        return 0;
    open_once();
    struct slice rest = {(const char *)data + 1, size - 1};
    const char *zero = rest.len > 0 ? memchr(rest.data, '\0', rest.len) : NULL;
    size_t head = zero ? (size_t)(zero - rest.data) : rest.len;
    struct slice first = {rest.data, head};
    struct slice second = {rest.data + head, rest.len - head};
    struct slice load[] = {SLICE("FUNCTION"), SLICE("LOAD"), SLICE("REPLACE"), rest};
    struct slice restore[] = {SLICE("FUNCTION"), SLICE("RESTORE"), rest, SLICE("FLUSH")};
    switch (data[0] % 6) {
    case 0:
        eval(rest, SLICE("1"), SLICE("x"));
        break;
    case 1:
        request(4, load);
        break;
    case 2: /* its last ten bytes are taken for the footer: a sum of 0 passes */
        request(4, restore);
        break;
    case 3:
        eval(SLICE("local ok, v = pcall(cmsgpack.unpack, ARGV[1]) "
                   "if ok then pcall(cmsgpack.pack, v) end"),
             rest, SLICE(""));
        break;
    case 4:
        eval(SLICE("pcall(struct.unpack, ARGV[1], ARGV[2]) pcall(struct.size, ARGV[1]) "
                   "pcall(struct.pack, ARGV[1], 1, 2, ARGV[2], 4)"),
             first, second);
        break;
    default:
        eval(SLICE("local ok, v = pcall(cjson.decode, ARGV[1]) "
                   "if ok then pcall(cjson.encode, v) end"),
             rest, SLICE(""));
    }
    check_sandbox();
    return 0;
}
