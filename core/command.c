/* Where the keys of a request are, by the key specifications of its row. */
#include "core/command.h"

#include <string.h>

#include "core/base/slice.h"

/* Where a keyword spec's keys begin: behind the word, searched forward from `first`, or backward
 * if it is negative. */
static int after_keyword(const struct key_spec *spec, int argc, const struct slice *argv)
{
    int step = spec->first < 0 ? -1 : 1;
    int at = spec->first < 0 ? argc + spec->first : spec->first;
    for (; at > 0 && at < argc; at += step) {
        const char *word = spec->keyword;
        size_t len = strlen(word);
        if (argv[at].len == len && strncasecmp(argv[at].data, word, len) == 0)
            return at + 1;
    }
    return -1;
}

struct found_keys {
    int *positions, *flags;
    int most, count;
};

static void add_key(struct found_keys *found, int position, int flags)
{
    if (found->count < found->most) {
        found->positions[found->count] = position;
        if (found->flags)
            found->flags[found->count] = flags & ~KEY_UNKNOWN;
    }
    found->count++;
}

static bool keys_of_spec(const struct key_spec *spec, int argc, const struct slice *argv,
                         struct found_keys *found)
{
    if (spec->flags & KEY_UNKNOWN && !spec->keyword)
        return true;
    int first = spec->keyword ? after_keyword(spec, argc, argv) : spec->first;
    if (first < 0 && spec->keyword)
        return true;
    if (first >= argc)
        return spec->keyword != NULL;
    if (spec->keynum_step) {
        long count = 0;
        for (size_t i = 0; i < argv[first].len; i++) {
            char c = argv[first].data[i];
            if (c < '0' || c > '9' || count > argc)
                return false;
            count = count * 10 + (c - '0');
        }
        int from = first + spec->keynum_first;
        if (count == 0 || from + (count - 1) * spec->keynum_step >= argc)
            return false;
        for (long i = 0; i < count; i++)
            add_key(found, from + (int)i * spec->keynum_step, spec->flags);
        return true;
    }
    int last = spec->last >= 0 ? first + spec->last : argc + spec->last;
    if (spec->last < 0 && spec->limit > 1)
        last = first + (argc - first) / spec->limit + spec->last;
    if (last >= argc)
        return false;
    for (int at = first; at <= last; at += spec->step > 0 ? spec->step : 1)
        add_key(found, at, spec->flags);
    return true;
}

int command_keys(const struct command *command, int argc, const struct slice *argv, int *positions,
                 int *flags, int most)
{
    if (command->find_keys)
        return command->find_keys(command, argc, argv, positions, flags, most);
    return command_keys_of_specs(command, argc, argv, positions, flags, most);
}

int command_keys_of_specs(const struct command *command, int argc, const struct slice *argv,
                          int *positions, int *flags, int most)
{
    struct found_keys found = {positions, flags, most, 0};
    for (int i = 0; i < COMMAND_KEY_SPECS && command->keys[i].flags; i++)
        if (!keys_of_spec(&command->keys[i], argc, argv, &found))
            return -1;
    return found.count < most ? found.count : most;
}

bool command_is_secret(const struct command *command, int argc, const struct slice *argv, int index)
{
    return command->is_secret && command->is_secret(argc, argv, index);
}

int command_add_key(int position, int key_flags, int *positions, int *flags, int count, int most)
{
    if (count >= most)
        return 0;
    positions[count] = position;
    if (flags)
        flags[count] = key_flags;
    return 1;
}
