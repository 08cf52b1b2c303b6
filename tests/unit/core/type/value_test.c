/* The table of types: names as clients know them. */
#include "core/type/value.h"

#include "tests/support/test.h"

static void types_and_encodings_have_the_names_that_clients_know(void **state)
{
    (void)state;
    assert_string_equal(type_name(TYPE_STRING), "string");
    assert_string_equal(type_name(TYPE_ZSET), "zset");
    assert_string_equal(encoding_name(ENCODING_EMBSTR), "embstr");
    for (int type = 0; type < TYPE_COUNT; type++)
        assert_non_null(type_name((enum value_type)type));
    for (int encoding = 0; encoding < ENCODING_COUNT; encoding++)
        assert_non_null(encoding_name((enum value_encoding)encoding));
}

static void a_string_is_one_allocation(void **state)
{
    struct entry *entry = entry_new_string(SLICE("key"), SLICE("value"), ENTRY_NO_DEADLINE);

    (void)state;
    assert_int_equal(value_effort(entry), 1);
    entry_free(entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_encodings_have_the_names_that_clients_know),
        cmocka_unit_test(a_string_is_one_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
