/* Which keys a stretch of the log speaks of. Taken for the key is the first argument: that is so
 * for nearly every command that the log holds, and this is text for people. */
#include "persistence/keys.h"

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/base/text.h"
#include "persistence/reader.h"

#define KEY_BYTES_NAMED 40
#define COMMAND_BYTES_MAX (1 << 20) /* a larger command is not read only to name its key */
#define NAMED_MAX 64

struct naming {
    struct buf *out;
    struct arena arena;
    struct slice named[NAMED_MAX];
    int count, max;
    uint64_t commands;
};

static void name_key(struct naming *naming, struct slice key)
{
    bool cut = key.len > KEY_BYTES_NAMED;
    if (cut)
        key.len = KEY_BYTES_NAMED;
    for (int i = 0; i < naming->count && i < naming->max; i++)
        if (slice_equal(naming->named[i], key))
            return;
    if (naming->count > naming->max)
        return;
    if (naming->count > 0)
        buf_append_text(naming->out, ", ");
    if (naming->count++ == naming->max) {
        buf_append_text(naming->out, "...");
        return;
    }
    naming->named[naming->count - 1] = arena_copy(&naming->arena, key);
    buf_append_slice(naming->out, text_quote(&naming->arena, key));
    if (cut)
        buf_append_text(naming->out, "...");
}

static int take_command(void *env, uint64_t offset unused, int argc, const struct slice *argv,
                        struct fault *fault unused)
{
    struct naming *naming = env;
    if (argc < 2 || slice_is(argv[0], "select"))
        return 0;
    naming->commands++;
    name_key(naming, argv[1]);
    return 0;
}

uint64_t keys_name(struct reader *reader, uint64_t from, uint64_t to, int max, struct buf *out)
{
    struct naming naming = {.out = out, .max = max < NAMED_MAX ? max : NAMED_MAX - 1};
    int status = reader_each(reader, from, to, COMMAND_BYTES_MAX, take_command, &naming, NULL);
    if (status != 0 && naming.commands == 0)
        buf_append_text(out, "none that can be read");
    arena_free(&naming.arena);
    return naming.commands;
}
