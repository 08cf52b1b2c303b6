/* The registry: a hash table from names to the rows' states, open addressing. While no command is
 * renamed, one table serves both the names that clients call and those of the rows; the first
 * rename gives the clients a table of their own. */
#include "core/registry.h"

#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "core/base/histogram.h"

struct registry {
    struct command_state *states; /* top level, in the order of their rows */
    int count;
    int next_id;
    struct command_state **slots;    /* by the name that clients call */
    struct command_state **declared; /* by the row's name; the same array if nothing is renamed */
    unsigned long mask;
};

static unsigned long hash_name(const char *name, unsigned long len)
{
    unsigned long hash = 14695981039346656037ul;
    for (unsigned long i = 0; i < len; i++)
        hash = (hash ^ (unsigned long)(name[i] | 0x20)) * 1099511628211ul;
    return hash ^ hash >> 29;
}

static int count_rows(const struct command *rows)
{
    int count = 0;
    while (rows && rows[count].name)
        count++;
    return count;
}

static void state_init(struct registry *registry, struct command_state *state,
                       const struct command *command, struct command_state *parent)
{
    *state = (struct command_state){.command = command, .parent = parent, .called = command->name};
    state->id = registry->next_id++;
    snprintf(state->full_name, sizeof state->full_name, "%.20s%s%.24s",
             parent ? parent->full_name : "", parent ? "|" : "", command->name);
    state->child_count = count_rows(command->subcommands);
    if (state->child_count == 0)
        return;
    state->children = mem_alloc_zero((size_t)state->child_count * sizeof *state->children);
    for (int i = 0; i < state->child_count; i++)
        state_init(registry, &state->children[i], &command->subcommands[i], state);
}

static void insert(struct registry *registry, struct command_state *state)
{
    unsigned long len = strlen(state->called);
    kv_assert(!registry_find(registry, state->called, len));
    unsigned long at = hash_name(state->called, len) & registry->mask;
    while (registry->slots[at])
        at = (at + 1) & registry->mask;
    registry->slots[at] = state;
}

struct registry *registry_new(const struct command *const *tables)
{
    struct registry *registry = mem_alloc_zero(sizeof *registry);
    for (int i = 0; tables[i]; i++)
        registry->count += count_rows(tables[i]);
    unsigned long slots = 64;
    while (slots < (unsigned long)registry->count * 4)
        slots *= 2;
    registry->mask = slots - 1;
    registry->slots = registry->declared = mem_alloc_zero(slots * sizeof *registry->slots);
    registry->states = mem_alloc_zero((size_t)(registry->count + 1) * sizeof *registry->states);
    struct command_state *state = registry->states;
    for (int i = 0; tables[i]; i++) {
        for (const struct command *row = tables[i]; row->name; row++, state++) {
            state_init(registry, state, row, NULL);
            insert(registry, state);
        }
    }
    return registry;
}

static void state_free(struct command_state *state)
{
    for (int i = 0; i < state->child_count; i++)
        state_free(&state->children[i]);
    if (state->called != state->command->name)
        mem_free((char *)state->called);
    mem_free(state->children);
    mem_free(state->histogram);
}

void registry_free(struct registry *registry)
{
    for (int i = 0; i < registry->count; i++)
        state_free(&registry->states[i]);
    mem_free(registry->states);
    if (registry->declared != registry->slots)
        mem_free(registry->declared);
    mem_free(registry->slots);
    mem_free(registry);
}

struct command_state *registry_find(struct registry *registry, const char *name, unsigned long len)
{
    unsigned long at = hash_name(name, len) & registry->mask;
    for (; registry->slots[at]; at = (at + 1) & registry->mask)
        if (slice_is((struct slice){name, len}, registry->slots[at]->called))
            return registry->slots[at];
    return NULL;
}

struct command_state *registry_find_declared(struct registry *registry, const char *name,
                                             unsigned long len)
{
    unsigned long at = hash_name(name, len) & registry->mask;
    for (; registry->declared[at]; at = (at + 1) & registry->mask)
        if (slice_is((struct slice){name, len}, registry->declared[at]->command->name))
            return registry->declared[at];
    return NULL;
}

/* Take a state out and put all others in again, as its slot may be on the way to theirs. */
static void take_out(struct registry *registry, const struct command_state *gone)
{
    unsigned long slots = registry->mask + 1;
    struct command_state **old = registry->slots;
    registry->slots = mem_alloc_zero(slots * sizeof *old);
    for (unsigned long i = 0; i < slots; i++)
        if (old[i] && old[i] != gone)
            insert(registry, old[i]);
    if (old != registry->declared)
        mem_free(old);
}

bool registry_rename(struct registry *registry, struct slice command, struct slice name)
{
    struct command_state *state = registry_find(registry, command.data, command.len);
    if (!state || registry_find(registry, name.data, name.len))
        return false;
    take_out(registry, state);
    if (name.len == 0)
        return true;
    char *called = mem_alloc(name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        called[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20)
                                                               : name.data[i];
    called[name.len] = '\0';
    if (state->called != state->command->name)
        mem_free((char *)state->called);
    state->called = called;
    state->renamed = true;
    for (int i = 0; i < state->child_count; i++)
        state->children[i].renamed = true;
    insert(registry, state);
    return true;
}

int registry_ids(const struct registry *registry)
{
    return registry->next_id;
}

struct command_state *registry_find_child(struct command_state *parent, const char *name,
                                          unsigned long len)
{
    for (int i = 0; i < parent->child_count; i++)
        if (slice_is((struct slice){name, len}, parent->children[i].command->name))
            return &parent->children[i];
    return NULL;
}

struct command_state *registry_find_full(struct registry *registry, struct slice name)
{
    const char *bar = memchr(name.data, '|', name.len);
    size_t len = bar ? (size_t)(bar - name.data) : name.len;
    struct command_state *state = registry_find(registry, name.data, len);
    if (!bar || !state)
        return state;
    return registry_find_child(state, bar + 1, name.len - len - 1);
}

struct command_state *registry_all(struct registry *registry, int *count)
{
    *count = registry->count;
    return registry->states;
}

void registry_each(struct registry *registry, void (*visit)(void *env, struct command_state *state),
                   void *env)
{
    for (int i = 0; i < registry->count; i++) {
        struct command_state *state = &registry->states[i];
        visit(env, state);
        for (int j = 0; j < state->child_count; j++)
            visit(env, &state->children[j]);
    }
}

static void reset_state(void *env unused, struct command_state *state)
{
    state->calls = state->usec = state->rejected = state->failed = 0;
    mem_free(state->histogram);
    state->histogram = NULL;
}

void registry_reset_stats(struct registry *registry)
{
    registry_each(registry, reset_state, NULL);
}
