/* Rules: what they make of a user, and of a request's verdict. */
#include "core/acl_rules.h"

#include "core/acl_check.h"
#include "core/acl_user.h"
#include "core/base/mem.h"
#include "core/registry.h"
#include "tests/support/test.h"

static const struct command config_rows[] = {
    {.name = "get", .flags = COMMAND_ADMIN}, {.name = "set", .flags = COMMAND_ADMIN},
    {.name = NULL}};
static const struct command rows[] = {
    {.name = "get", .flags = COMMAND_READONLY, .categories = CATEGORY_STRING,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .step = 1}}},
    {.name = "set", .flags = COMMAND_WRITE, .categories = CATEGORY_STRING,
     .keys = {{.flags = KEY_OW | KEY_UPDATE, .first = 1, .step = 1}}},
    {.name = "copy", .flags = COMMAND_WRITE,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .step = 1},
              {.flags = KEY_OW | KEY_INSERT, .first = 2, .step = 1}}},
    {.name = "exists", .flags = COMMAND_READONLY,
     .keys = {{.flags = KEY_RO, .first = 1, .last = -1, .step = 1}}},
    {.name = "publish", .flags = COMMAND_PUBSUB, .channels = CHANNELS_FIRST},
    {.name = "psubscribe", .flags = COMMAND_PUBSUB, .channels = CHANNELS_PATTERNS},
    {.name = "auth", .flags = COMMAND_NO_AUTH},
    {.name = "select"},
    {.name = "config", .subcommands = config_rows},
    {.name = NULL}};

struct fixture {
    struct registry *registry;
    struct acl_grammar grammar;
    struct acl_user *user;
};

static int setup(void **state)
{
    static const struct command *const tables[] = {rows, NULL};
    struct fixture *fixture = mem_alloc_zero(sizeof *fixture);
    fixture->registry = registry_new(tables);
    fixture->grammar = (struct acl_grammar){fixture->registry, registry_ids(fixture->registry),
                                            false};
    fixture->user = acl_rules_new_user(&fixture->grammar, SLICE("bob"));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    acl_user_free(fixture->user);
    registry_free(fixture->registry);
    mem_free(fixture);
    return 0;
}

/* Apply rules with blanks between them, up to the first that is refused: its reason, or NULL. */
static const char *apply(struct fixture *fixture, const char *text)
{
    struct arena arena = {0};
    struct slice words[32], *joined;
    const char *why = NULL;
    int count = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        words[count++] = (struct slice){text, len};
        text += len + (text[len] == ' ');
    }
    count = acl_rules_join(&arena, count, words, &joined);
    assert_true(count >= 0);
    for (int i = 0; i < count && !why; i++)
        if (acl_rules_apply(&fixture->grammar, fixture->user, joined[i], &why))
            why = NULL;
    arena_free(&arena);
    return why;
}

static void assert_shown(struct fixture *fixture, const char *shown)
{
    struct buf text = {0};
    acl_user_show(fixture->user, &text);
    buf_append_char(&text, '\0');
    assert_string_equal(text.data, shown);
    buf_free(&text);
}

static enum acl_verdict ask(struct fixture *fixture, const char *name, const char *one,
                            const char *two, int *at)
{
    struct slice argv[] = {slice_of(name), slice_of(one), slice_of(two)};
    struct command_state *state = registry_find(fixture->registry, name, strlen(name));
    if (state->child_count)
        state = registry_find_child(state, one, strlen(one));
    return acl_check(fixture->user, state, 3, argv, at);
}

static void a_new_user_may_do_nothing(void **state)
{
    struct fixture *fixture = *state;
    int at;
    assert_shown(fixture, "user bob off resetchannels -@all");
    assert_int_equal(ask(fixture, "get", "k", "", &at), ACL_DENIED_COMMAND);
    assert_int_equal(ask(fixture, "auth", "k", "", &at), ACL_ALLOWED);
    assert_false(acl_user_is_unrestricted(fixture->user));
}

static void rules_about_one_command_replace_each_other(void **state)
{
    struct fixture *fixture = *state;
    assert_null(apply(fixture, "+get -get +GET"));
    assert_shown(fixture, "user bob off resetchannels -@all +get");
    assert_null(apply(fixture, "+config|get +config|set -config"));
    assert_shown(fixture, "user bob off resetchannels -@all +get -config");
    assert_null(apply(fixture, "+config|get +@string -@STRING"));
    assert_shown(fixture, "user bob off resetchannels -@all +get -config +config|get -@string");
    assert_null(apply(fixture, "+@all"));
    assert_shown(fixture, "user bob off resetchannels +@all");
    assert_null(apply(fixture, "allkeys allchannels"));
    assert_true(acl_user_is_unrestricted(fixture->user));
    assert_null(apply(fixture, "-get +get"));
    assert_false(acl_user_is_unrestricted(fixture->user));
}

static void a_first_argument_is_allowed_by_itself(void **state)
{
    struct fixture *fixture = *state;
    int at;
    assert_null(apply(fixture, "+select|1 +select|Ab"));
    assert_int_equal(ask(fixture, "select", "1", "", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "select", "aB", "", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "select", "2", "", &at), ACL_DENIED_COMMAND);
    assert_null(apply(fixture, "-select"));
    assert_int_equal(ask(fixture, "select", "1", "", &at), ACL_DENIED_COMMAND);
}

static void keys_need_the_permission_for_what_is_done(void **state)
{
    struct fixture *fixture = *state;
    int at;
    assert_null(apply(fixture, "+@all %R~r* %W~w* ~a"));
    assert_int_equal(ask(fixture, "get", "r1", "", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "get", "w1", "", &at), ACL_DENIED_KEY);
    assert_int_equal(at, 1);
    assert_int_equal(ask(fixture, "copy", "r", "w", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "copy", "a", "r", &at), ACL_DENIED_KEY);
    assert_int_equal(at, 2);
    assert_int_equal(ask(fixture, "exists", "w", "a", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "exists", "w", "x", &at), ACL_DENIED_KEY);
}

static void channels_are_matched_and_patterns_must_be_equal(void **state)
{
    struct fixture *fixture = *state;
    int at;
    assert_null(apply(fixture, "+@all &n*"));
    assert_int_equal(ask(fixture, "publish", "news", "x", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "publish", "x", "n", &at), ACL_DENIED_CHANNEL);
    assert_int_equal(ask(fixture, "psubscribe", "n*", "n*", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "psubscribe", "n*", "new*", &at), ACL_DENIED_CHANNEL);
    assert_int_equal(at, 2);
}

/* Property: no request is allowed by the command of one selector and the key of another. */
static void one_selector_must_allow_all(void **state)
{
    struct fixture *fixture = *state;
    int at;
    assert_null(apply(fixture, "+set ~s (+get ~g) (+copy ~s %R~g)"));
    assert_int_equal(ask(fixture, "get", "g", "", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "get", "s", "", &at), ACL_DENIED_KEY);
    assert_int_equal(ask(fixture, "set", "g", "", &at), ACL_DENIED_KEY);
    assert_int_equal(ask(fixture, "copy", "g", "s", &at), ACL_ALLOWED);
    assert_int_equal(ask(fixture, "copy", "s", "g", &at), ACL_DENIED_KEY);
    assert_int_equal(at, 2);
    assert_null(apply(fixture, "clearselectors"));
    assert_int_equal(ask(fixture, "get", "g", "", &at), ACL_DENIED_COMMAND);
}

static void passwords_are_kept_as_hashes(void **state)
{
    struct fixture *fixture = *state;
    assert_null(apply(fixture, "on >pw >pw"));
    assert_shown(fixture, "user bob on "
                          "#30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 "
                          "resetchannels -@all");
    assert_string_equal(apply(fixture, "<other"),
                        "The password you are trying to remove from the user does not exist");
    assert_null(apply(fixture, "<pw nopass"));
    assert_shown(fixture, "user bob on nopass resetchannels -@all");
    assert_null(apply(fixture, "reset"));
    assert_shown(fixture, "user bob off sanitize-payload resetchannels -@all");
}

static void wrong_rules_are_refused(void **state)
{
    static const char *const rules[] = {
        "+nosuch", "+@nosuch", "+config|nosuch", "+config|get|x", "-get|x", "+get|", "+", "-@",
        "%~a", "%Q~a", "%RR~a", "foo", "(on)", "((+get))", "#12", "!12", "<x", "@read"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        assert_non_null(apply(fixture, rules[i]));
    assert_shown(fixture, "user bob off resetchannels -@all");
    assert_non_null(apply(fixture, "~* ~a"));
    assert_non_null(apply(fixture, "&* &a"));
}

static void an_open_selector_is_named(void **state)
{
    const struct slice words[] = {SLICE("(+get)"), SLICE("on"), SLICE("(+set"), SLICE("~a")};
    const struct slice whole[] = {SLICE("("), SLICE("+set"), SLICE(""), SLICE("~a)"), SLICE("on")};
    struct arena arena = {0};
    struct slice *joined;
    (void)state;
    assert_int_equal(acl_rules_join(&arena, 4, words, &joined), -1 - 2);
    assert_int_equal(acl_rules_join(&arena, 5, whole, &joined), 2);
    assert_true(slice_equal(joined[0], SLICE("( +set  ~a)")));
    arena_free(&arena);
}

static void rules_go_by_the_names_of_the_rows(void **state)
{
    struct fixture *fixture = *state;
    assert_true(registry_rename(fixture->registry, SLICE("GET"), SLICE("Fetch")));
    assert_true(registry_rename(fixture->registry, SLICE("set"), SLICE("")));
    assert_false(registry_rename(fixture->registry, SLICE("copy"), SLICE("fetch")));
    assert_false(registry_rename(fixture->registry, SLICE("get"), SLICE("x")));
    assert_null(registry_find(fixture->registry, "get", 3));
    assert_non_null(registry_find(fixture->registry, "FETCH", 5));
    assert_non_null(registry_find(fixture->registry, "copy", 4));
    assert_null(registry_find(fixture->registry, "set", 3));
    assert_non_null(registry_find_declared(fixture->registry, "set", 3));
    assert_null(apply(fixture, "+get +set"));
    assert_non_null(apply(fixture, "+fetch"));
    assert_true(registry_rename(fixture->registry, SLICE("fetch"), SLICE("get")));
    assert_non_null(registry_find(fixture->registry, "get", 3));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_user_may_do_nothing),
        TEST(rules_about_one_command_replace_each_other),
        TEST(a_first_argument_is_allowed_by_itself),
        TEST(keys_need_the_permission_for_what_is_done),
        TEST(channels_are_matched_and_patterns_must_be_equal),
        TEST(one_selector_must_allow_all),
        TEST(passwords_are_kept_as_hashes),
        TEST(wrong_rules_are_refused),
        TEST(an_open_selector_is_named),
        TEST(rules_go_by_the_names_of_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
