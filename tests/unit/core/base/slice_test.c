/* Slices. */
#include "core/base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void slices_are_ordered_by_bytes_the_shorter_first(void **state)
{
    (void)state;
    assert_true(slice_compare(SLICE("a"), SLICE("b")) < 0);
    assert_true(slice_compare(SLICE("b"), SLICE("a")) > 0);
    assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
    assert_true(slice_compare(SLICE("ab"), SLICE("a")) > 0);
    assert_true(slice_compare(SLICE("\x7f"), SLICE("\x80")) < 0);
    assert_int_equal(slice_compare(SLICE("ab"), SLICE("ab")), 0);
    assert_int_equal(slice_compare((struct slice){NULL, 0}, SLICE("")), 0);
    assert_true(slice_compare((struct slice){NULL, 0}, SLICE("a")) < 0);
}

static void a_name_is_known_in_any_case(void **state)
{
    (void)state;
    assert_true(slice_is(SLICE("MaxMemory"), "maxmemory"));
    assert_true(slice_is(SLICE("a-b_1"), "a-b_1"));
    assert_true(slice_is(SLICE(""), ""));
    assert_false(slice_is(SLICE("get"), "gets"));
    assert_false(slice_is(SLICE("gets"), "get"));
    assert_false(slice_is((struct slice){"get\0", 4}, "get"));
    assert_false(slice_is((struct slice){"get\0x", 5}, "get"));
    assert_false(slice_is(SLICE("@"), "`"));
    assert_false(slice_is(SLICE("a"), ""));
}

static void equal_means_all_bytes(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_of("abc"), SLICE("abc")));
    assert_true(slice_equal((struct slice){NULL, 0}, SLICE("")));
    assert_false(slice_equal(SLICE("abc"), SLICE("abd")));
    assert_false(slice_equal(SLICE("abc"), SLICE("ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_ordered_by_bytes_the_shorter_first),
        cmocka_unit_test(a_name_is_known_in_any_case),
        cmocka_unit_test(equal_means_all_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
