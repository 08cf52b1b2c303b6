/* Globs. What odd patterns mean was found out by asking redis-server (KEYS). */
#include "core/base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/rng.h"

struct sample {
    const char *pattern, *text;
    bool matches;
};

static void check(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (glob_match(slice_of(samples[i].pattern), slice_of(samples[i].text)) !=
            samples[i].matches)
            fail_msg("%s with %s is not %d", samples[i].pattern, samples[i].text,
                     samples[i].matches);
    }
}

static void patterns_match_what_redis_server_matches(void **state)
{
    static const struct sample samples[] = {
        {"", "", true},        {"", "a", false},       {"a", "", false},
        {"*", "", true},       {"*", "abc", true},     {"?", "a", true},
        {"?", "", false},      {"??", "a", false},     {"a*", "a", true},
        {"*a", "ba", true},    {"*a", "ab", false},    {"a**b", "axxb", true},
        {"a*b*c", "abc", true}, {"a*b*c", "axbxbc", true}, {"a*b*c", "acb", false},
        {"h?llo", "hello", true}, {"h[ae]llo", "hallo", true}, {"h[ae]llo", "hillo", false},
        {"[^a]", "b", true},   {"[^a]", "a", false},   {"[!a]", "b", false},
        {"[a-c]", "b", true},  {"[a-c]", "d", false},  {"[^a-c]x", "dx", true},
        {"\\*", "*", true},    {"\\*", "x", false},    {"a\\?c", "a?c", true},
        {"*x*x*", "xx", true}, {"news.*", "news.art", true}, {"A", "a", false},
    };

    (void)state;
    check(samples, sizeof(samples) / sizeof(samples[0]));
}

static void odd_patterns_mean_what_they_mean_to_redis_server(void **state)
{
    static const struct sample samples[] = {
        {"[abc", "a", true},     {"[abc", "ac", false},   {"[abc", "d", false},
        {"[", "[", false},       {"[", "a", false},       {"a[", "a[", false},
        {"a[b", "ab", true},     {"*[b", "ab", true},     {"*[", "ab[", false},
        {"a\\", "a\\", true},    {"\\", "\\", true},      {"a\\", "a", false},
        {"*\\", "a\\", true},    {"[^", "b", true},       {"[^", "^", true},
        {"a[^", "ab", true},     {"a[^", "a", false},     {"[z-a]", "m", true},
        {"[z-a]", "-", false},   {"h[a-]llo", "hallo", false}, {"h[a-", "ha", true},
        {"h[a-", "h-", true},    {"[x-", "y", false},     {"[]", "]", false},
        {"[]a]", "a", false},    {"[^]", "a", true},      {"[^]x]", "ax]", true},
        {"[\\]]", "]", true},    {"[a\\-z]", "b", false}, {"[a\\-z]", "-", true},
        {"[a\\-z]", "\\", false}, {"[\\", "\\", true},    {"[\\", "x", false},
        {"[a\\", "a", true},     {"[a\\", "\\", true},    {"[a-c-e]", "d", false},
        {"[a-c-e]", "-", true},  {"[--a]", "0", true},    {"[\\a-c]", "b", false},
        {"[\\a-c]", "-", true},  {"[a-\\]", "a", true},   {"[A-z", "b", true},
    };

    (void)state;
    check(samples, sizeof(samples) / sizeof(samples[0]));
}

static void letters_match_in_either_case_if_asked(void **state)
{
    (void)state;
    assert_true(glob_match_nocase(SLICE("MaxMem*"), SLICE("maxmemory")));
    assert_true(glob_match_nocase(SLICE("[A-C]x"), SLICE("bX")));
    assert_true(glob_match_nocase(SLICE("[a-c]x"), SLICE("BX")));
    assert_true(glob_match_nocase(SLICE("\\A"), SLICE("a")));
    assert_false(glob_match_nocase(SLICE("a@"), SLICE("a`")));
    assert_false(glob_match(SLICE("[a-c]"), SLICE("B")));
}

static void bytes_above_127_and_zeros_are_bytes(void **state)
{
    (void)state;
    assert_true(glob_match((struct slice){"a\0*", 3}, (struct slice){"a\0b", 3}));
    assert_false(glob_match((struct slice){"a\0b", 3}, (struct slice){"a\0c", 3}));
    assert_true(glob_match(SLICE("[\x80-\xff]"), SLICE("\xc3")));
    assert_false(glob_match(SLICE("[\x80-\xff]"), SLICE("a")));
}

/* A way of matching that tries every length for every * would never end. */
static void many_stars_take_no_more_than_length_times_length(void **state)
{
    enum { STARS = 2000, TEXT = 20000 };
    char *pattern = malloc(STARS * 2 + 1), *text = malloc(TEXT);
    clock_t start = clock();

    (void)state;
    for (int i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "a*", 2);
    pattern[STARS * 2] = 'b';
    memset(text, 'a', TEXT);
    assert_false(glob_match((struct slice){pattern, STARS * 2 + 1}, (struct slice){text, TEXT}));
    for (int i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, i == 0 ? "*[" : "aa", 2);
    assert_false(glob_match((struct slice){pattern, STARS * 2}, (struct slice){"b", 1}));
    assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
    free(pattern);
    free(text);
}

/* The definition: a * takes any number of bytes, all of them tried. */
static bool match_by_definition(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return match_by_definition(pattern + 1, text) ||
               (*text != '\0' && match_by_definition(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           match_by_definition(pattern + 1, text + 1);
}

static void going_back_to_the_last_star_only_loses_no_match(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        char pattern[9] = "", text[11] = "";

        for (size_t j = rng_below(&rng, sizeof(pattern)); j > 0; j--)
            pattern[j - 1] = "ab?*"[rng_below(&rng, 4)];
        for (size_t j = rng_below(&rng, sizeof(text)); j > 0; j--)
            text[j - 1] = "ab"[rng_below(&rng, 2)];
        assert_int_equal(glob_match(slice_of(pattern), slice_of(text)),
                         match_by_definition(pattern, text));
    }
}

static void any_bytes_are_a_pattern(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (int i = 0; i < 100000; i++) {
        size_t len = rng_below(&rng, 12);
        /* In a block of its own length, so that a sanitizer sees a step beyond the end. */
        char *pattern = malloc(len + 1);

        for (size_t j = 0; j < len; j++)
            pattern[j] = "[]^-\\*?ab"[rng_below(&rng, 9)];
        pattern = realloc(pattern, len == 0 ? 1 : len);
        (void)glob_match((struct slice){pattern, len}, SLICE("ab-]"));
        (void)glob_match_nocase((struct slice){pattern, len}, SLICE("^\\AB"));
        free(pattern);
    }
}

static void a_literal_has_no_special_character(void **state)
{
    (void)state;
    assert_true(glob_is_literal(SLICE("")));
    assert_true(glob_is_literal(SLICE("user:1]^-")));
    assert_false(glob_is_literal(SLICE("a*")));
    assert_false(glob_is_literal(SLICE("?")));
    assert_false(glob_is_literal(SLICE("[a]")));
    assert_false(glob_is_literal(SLICE("a\\b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_redis_server_matches),
        cmocka_unit_test(odd_patterns_mean_what_they_mean_to_redis_server),
        cmocka_unit_test(letters_match_in_either_case_if_asked),
        cmocka_unit_test(bytes_above_127_and_zeros_are_bytes),
        cmocka_unit_test(many_stars_take_no_more_than_length_times_length),
        cmocka_unit_test(going_back_to_the_last_star_only_loses_no_match),
        cmocka_unit_test(any_bytes_are_a_pattern),
        cmocka_unit_test(a_literal_has_no_special_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
