/* bit: examples of each operation, and the edges of 32 bits. */
#include <lauxlib.h>
#include <lualib.h>

#include "core/script/libraries.h"
#include "tests/support/lua_lines.h"
#include "tests/support/test.h"

static int open_lua(void **state)
{
    return lua_lines_open(state, lua_add_bit);
}

static void operations_are_those_of_32_bits(void **state)
{
    static const char *const lines[] = {
        "return bit.tobit(0xffffffff) == -1 and bit.tobit(2^32 + 5) == 5",
        "return bit.bnot(0) == -1 and bit.band(0xff, 0x0f, 7) == 7 and bit.bor(1, 2, 4) == 7",
        "return bit.bxor(0xa5a5f0f0, 0xaa55ff00) == 0x0ff00ff0",
        "return bit.lshift(1, 31) == -2^31 and bit.lshift(1, 32) == 1",
        "return bit.rshift(-256, 8) == 16777215 and bit.arshift(-256, 8) == -1",
        "return bit.rol(0x12345678, 12) == 0x45678123 and bit.ror(0x12345678, 12) == 0x67812345",
        "return bit.rol(1, 0) == 1 and bit.ror(1, 0) == 1",
        "return bit.bswap(0x12345678) == 0x78563412",
    };
    CHECK(state, lines);
}

static void hexadecimal_has_the_digits_that_are_asked_for(void **state)
{
    static const char *const lines[] = {
        "return bit.tohex(1) == '00000001' and bit.tohex(-1, 4) == 'ffff'",
        "return bit.tohex(0x21, -4) == '0021' and bit.tohex(0xabc, -3) == 'ABC'",
        "return bit.tohex(5, 0) == '' and bit.tohex(5, -2^31) == '00000005'",
    };
    CHECK(state, lines);
}

static void numbers_that_are_no_integers_are_rounded(void **state)
{
    static const char *const lines[] = {
        "return bit.tobit(1.5) == 2 and bit.tobit(2.5) == 2 and bit.tobit(-0.5) == 0",
        "return bit.tobit(0/0) == 0 and bit.tobit(1/0) == 0 and bit.tobit(2^60) == 0",
    };
    CHECK(state, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations_are_those_of_32_bits, open_lua, lua_lines_close),
        cmocka_unit_test_setup_teardown(hexadecimal_has_the_digits_that_are_asked_for, open_lua,
                                        lua_lines_close),
        cmocka_unit_test_setup_teardown(numbers_that_are_no_integers_are_rounded, open_lua,
                                        lua_lines_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
