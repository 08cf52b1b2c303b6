/* The table of categories, and what follows from a row's flags. */
#include "core/category.h"

#include <stddef.h>

#include "core/command.h"

const struct category_word category_words[] = {
    {CATEGORY_KEYSPACE, "@keyspace"},
    {CATEGORY_READ, "@read"},
    {CATEGORY_WRITE, "@write"},
    {CATEGORY_SET, "@set"},
    {CATEGORY_SORTEDSET, "@sortedset"},
    {CATEGORY_LIST, "@list"},
    {CATEGORY_HASH, "@hash"},
    {CATEGORY_STRING, "@string"},
    {CATEGORY_BITMAP, "@bitmap"},
    {CATEGORY_HYPERLOGLOG, "@hyperloglog"},
    {CATEGORY_GEO, "@geo"},
    {CATEGORY_STREAM, "@stream"},
    {CATEGORY_PUBSUB, "@pubsub"},
    {CATEGORY_ADMIN, "@admin"},
    {CATEGORY_FAST, "@fast"},
    {CATEGORY_SLOW, "@slow"},
    {CATEGORY_BLOCKING, "@blocking"},
    {CATEGORY_DANGEROUS, "@dangerous"},
    {CATEGORY_CONNECTION, "@connection"},
    {CATEGORY_TRANSACTION, "@transaction"},
    {CATEGORY_SCRIPTING, "@scripting"},
    {0, NULL},
};

uint32_t category_of_command(const struct command *command)
{
    uint32_t flags = command->flags, found = command->categories;
    if (flags & COMMAND_WRITE)
        found |= CATEGORY_WRITE;
    if (flags & COMMAND_READONLY && !(found & CATEGORY_SCRIPTING))
        found |= CATEGORY_READ;
    if (flags & COMMAND_ADMIN)
        found |= CATEGORY_ADMIN | CATEGORY_DANGEROUS;
    if (flags & COMMAND_PUBSUB)
        found |= CATEGORY_PUBSUB;
    if (flags & COMMAND_BLOCKING)
        found |= CATEGORY_BLOCKING;
    return found | (flags & COMMAND_FAST ? CATEGORY_FAST : CATEGORY_SLOW);
}

uint32_t category_find(struct slice name)
{
    for (const struct category_word *word = category_words; word->name; word++)
        if (slice_is(name, word->name + 1))
            return word->bit;
    return 0;
}
