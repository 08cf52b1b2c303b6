/* Rules and ACL files of any bytes: never a crash, and what was taken is shown as rules that make
 * the same user again. The text is read twice: as an ACL file, and as the rules of one user, a line
 * each, who is then asked for a few commands. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "core/acl_check.h"
#include "core/acl_file.h"
#include "core/acl_user.h"
#include "core/base/attr.h"
#include "core/cmd/commands.h"
#include "core/registry.h"
#include "tests/support/fake_world.h"

#define RULES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_world *world(void)
{
    static struct fake_world *made;
    if (!made) {
        made = malloc(sizeof *made);
        fake_world_open(made, command_tables);
    }
    return made;
}

/* Written, read and written again: the same. */
static void check_file(const struct engine *engine, struct slice text)
{
    struct buf why = {0}, once = {0}, twice = {0};
    struct acl *acl = acl_file_read(engine, "fuzz", text, &why);
    kv_assert((acl == NULL) == (why.len > 0));
    if (acl) {
        acl_file_write(acl, &once);
        struct acl *again = acl_file_read(engine, "again", buf_slice(&once), &why);
        kv_assert(again);
        acl_file_write(again, &twice);
        kv_assert(slice_equal(buf_slice(&once), buf_slice(&twice)));
        acl_free(again);
        acl_free(acl);
    }
    buf_free(&why);
    buf_free(&once);
    buf_free(&twice);
}

static void ask(struct engine *engine, const struct acl_user *user)
{
    static const char *const requests[][5] = {
        {"get", "a"}, {"set", "a", "b", "get"}, {"sort", "a", "store", "b"},
        {"publish", "news", "x"}, {"psubscribe", "n*"}, {"client", "list"}, {"select", "1"}};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct slice argv[5];
        int argc = 0, at;
        while (argc < 5 && requests[i][argc]) {
            argv[argc] = slice_of(requests[i][argc]);
            argc++;
        }
        struct command_state *state =
            registry_find(engine->registry, argv[0].data, argv[0].len);
        if (state && state->child_count)
            state = registry_find_child(state, argv[1].data, argv[1].len);
        kv_assert(state);
        enum acl_verdict verdict = acl_check(user, state, argc, argv, &at);
        kv_assert(at >= 0 && at < argc);
        kv_assert(verdict != ACL_ALLOWED || user->selectors[0]);
        if (acl_user_is_unrestricted(user))
            kv_assert(verdict == ACL_ALLOWED);
    }
}

static void check_rules(struct engine *engine, struct slice text)
{
    struct acl_grammar grammar = acl_grammar(engine);
    struct acl_user *user = acl_rules_new_user(&grammar, SLICE("fuzz"));
    struct slice rules[RULES_MAX], *joined;
    struct arena arena = {0};
    const char *why;
    int count = 0;
    while (text.len > 0 && count < RULES_MAX) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        rules[count++] = (struct slice){text.data, len};
        text.data += len + (end != NULL);
        text.len -= len + (end != NULL);
    }
    count = acl_rules_join(&arena, count, rules, &joined);
    for (int i = 0; i < count; i++)
        if (!acl_rules_apply(&grammar, user, joined[i], &why))
            kv_assert(*why);
    struct acl_user *copy = acl_user_copy(user, grammar.commands);
    struct buf one = {0}, other = {0};
    acl_user_show(user, &one);
    acl_user_show(copy, &other);
    kv_assert(slice_equal(buf_slice(&one), buf_slice(&other)));
    check_file(engine, buf_slice(&one));
    ask(engine, user);
    buf_free(&one);
    buf_free(&other);
    acl_user_free(user);
    acl_user_free(copy);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine *engine = world()->engine;
    char *block = malloc(size + 1); /* of its own: a byte read too far is seen */
    memcpy(block, data, size);
    check_file(engine, (struct slice){block, size});
    check_rules(engine, (struct slice){block, size});
    free(block);
    return 0;
}
