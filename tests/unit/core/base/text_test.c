/* Words and quotes. */
#include "core/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"

static void check_split(const char *line, int count, const char *const *words)
{
    struct arena arena = {0};
    struct slice *got;

    assert_int_equal(text_split(&arena, slice_of(line), &got), count);
    for (int i = 0; i < count; i++)
        assert_true(slice_equal(got[i], slice_of(words[i])));
    arena_free(&arena);
}

#define CHECK_SPLIT(line, count, ...) \
    check_split(line, count, (const char *const[]){__VA_ARGS__, NULL})

static void a_line_is_split_at_white_space_and_quotes_hold_together(void **state)
{
    (void)state;
    CHECK_SPLIT("", 0, "");
    CHECK_SPLIT("  \t\r\n ", 0, "");
    CHECK_SPLIT("set a b", 3, "set", "a", "b");
    CHECK_SPLIT("  set\ta  b\r\n", 3, "set", "a", "b");
    CHECK_SPLIT("set \"a b\" ''", 3, "set", "a b", "");
    CHECK_SPLIT("\"\\n\\r\\t\\b\\a\\\\\\\"\\x41\\x7a\\q\"", 1, "\n\r\t\b\a\\\"Azq");
    CHECK_SPLIT("\"\\xg1\\x4\"", 1, "xg1x4");
    CHECK_SPLIT("'it\\'s \\n'", 1, "it's \\n");
    CHECK_SPLIT("a\"b c\"", 1, "ab c");
    CHECK_SPLIT("a\\nb", 1, "a\\nb");
    CHECK_SPLIT("1 2 3 4 5 6 7 8 9 10", 10, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10");
}

static void bad_quotes_are_refused(void **state)
{
    (void)state;
    CHECK_SPLIT("\"a", -1, "");
    CHECK_SPLIT("'a", -1, "");
    CHECK_SPLIT("\"a\"b", -1, "");
    CHECK_SPLIT("'a'b", -1, "");
    CHECK_SPLIT("\"a\\\"", -1, "");
    CHECK_SPLIT("\"a\\", -1, "");
    CHECK_SPLIT("'a\\'", -1, "");
    CHECK_SPLIT("\"a\"'b'", -1, "");
}

static void what_cannot_be_printed_is_escaped(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_true(slice_equal(text_quote(&arena, SLICE("")), SLICE("\"\"")));
    assert_true(slice_equal(text_quote(&arena, SLICE("a \"b\"\\\n\r\t\a\b\x01\xff\0~'")),
                            SLICE("\"a \\\"b\\\"\\\\\\n\\r\\t\\a\\b\\x01\\xff\\x00~'\"")));
    arena_free(&arena);
}

static void what_is_quoted_splits_back_to_itself(void **state)
{
    struct arena arena = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        char bytes[40];
        size_t len = rng_below(&rng, sizeof(bytes));
        struct slice *words;

        for (size_t j = 0; j < len; j++)
            bytes[j] = (char)rng_next(&rng);
        assert_int_equal(
            text_split(&arena, text_quote(&arena, (struct slice){bytes, len}), &words), 1);
        assert_true(slice_equal(words[0], (struct slice){bytes, len}));
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void any_line_is_split_or_refused(void **state)
{
    struct arena arena = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (int i = 0; i < 100000; i++) {
        size_t len = rng_below(&rng, 16);
        /* In a block of its own length, so that a sanitizer sees a step beyond the end. */
        char *line = malloc(len == 0 ? 1 : len);
        struct slice *words;

        for (size_t j = 0; j < len; j++)
            line[j] = "\"'\\x41 \nab\0"[rng_below(&rng, 11)];
        assert_true(text_split(&arena, (struct slice){line, len}, &words) >= -1);
        arena_reset(&arena);
        free(line);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_split_at_white_space_and_quotes_hold_together),
        cmocka_unit_test(bad_quotes_are_refused),
        cmocka_unit_test(what_cannot_be_printed_is_escaped),
        cmocka_unit_test(what_is_quoted_splits_back_to_itself),
        cmocka_unit_test(any_line_is_split_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
