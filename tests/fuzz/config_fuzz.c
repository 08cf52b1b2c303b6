/* Config files of any bytes: loading never crashes, what was loaded can be shown and rewritten,
 * and what was rewritten loads again to the same. */
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/settings.h"
#include "core/settings_rewrite.h"

#define FUZZ_BYTES_MAX 1024 /* rewriting tries each line by itself */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(void *env, const char *name, struct slice value)
{
    struct buf *out = env;
    buf_append_text(out, name);
    buf_append_char(out, '=');
    buf_append_slice(out, value);
    buf_append_char(out, '\n');
}

static struct buf shown(const struct settings *settings)
{
    struct slice all[] = {SLICE("*")};
    struct buf out = {0};
    settings_get(settings, 1, all, append, &out);
    return out;
}

static void rewrite_and_compare(const struct settings *settings, struct slice text)
{
    struct settings again;
    struct fault fault;
    struct buf out = {0};
    settings_init(&again);
    settings_rewrite(settings, text, SLICE(""), &out);
    int result = settings_load(&again, buf_slice(&out), "rewritten", NULL, NULL, &fault);
    kv_assert(result == 0);
    struct buf before = shown(settings), after = shown(&again);
    kv_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
    buf_free(&before);
    buf_free(&after);
    buf_free(&out);
    settings_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct settings settings;
    struct fault fault;
    if (size > FUZZ_BYTES_MAX)
        return 0;
    settings_init(&settings);
    if (settings_load(&settings, text, "fuzz", NULL, NULL, &fault) == 0)
        rewrite_and_compare(&settings, text);
    settings_free(&settings);
    return 0;
}
