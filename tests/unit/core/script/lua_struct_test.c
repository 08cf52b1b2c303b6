/* struct: the bytes of each option, both ways, and what is refused. */
#include <lauxlib.h>
#include <lualib.h>

#include "core/script/libraries.h"
#include "tests/support/lua_lines.h"
#include "tests/support/test.h"

static int open_lua(void **state)
{
    return lua_lines_open(state, lua_add_struct);
}

static void each_option_has_its_bytes(void **state)
{
    static const char *const lines[] = {
        "return struct.pack('>bBhH', -1, 255, -2, 65535) == '\\255\\255\\255\\254\\255\\255'",
        "return struct.pack('<i3>i3', 1, 1) == '\\1\\0\\0\\0\\0\\1'",
        "return struct.pack('>f', 1.5) == '\\63\\192\\0\\0'",
        "return struct.pack('s', 'ab') == 'ab\\0' and struct.pack('c2', 'abc') == 'ab'",
        "return struct.pack('>bx!4i', 1, 2) == '\\1\\0\\0\\0\\0\\0\\0\\2'",
        "return struct.size('>!4bi') == 8 and struct.size('c10') == 10",
    };
    CHECK(state, lines);
}

static void what_is_packed_comes_back(void **state)
{
    static const char *const lines[] = {
        "for i = -130, 300, 7 do for _, f in ipairs({'<h', '>h', '<i', '>i5', '<l', '>l'}) do "
        "  if struct.unpack(f, struct.pack(f, i)) ~= i then return false end end end return true",
        "local a, b, c, next = struct.unpack('>ds<I3', struct.pack('>ds<I3', -0.1, 'x', 70000)) "
        "return a == -0.1 and b == 'x' and c == 70000 and next == 14",
        "local n, s = 3, 'abc' return struct.unpack('>bc0', struct.pack('>bc0', n, s)) == s",
    };
    CHECK(state, lines);
}

static void what_lies_outside_of_the_data_is_refused(void **state)
{
    static const char *const lines[] = {
        "return not pcall(struct.unpack, 'i', 'abc') and not pcall(struct.unpack, 's', 'abc')",
        "return not pcall(struct.unpack, 'bc0', '\\255abc')",
        "return not pcall(struct.unpack, 'c0', 'a')",
        "return not pcall(struct.unpack, 'b', 'abc', 0) and not pcall(struct.unpack, 'b', 'a', -1)",
        "return not pcall(struct.unpack, 'b', 'abc', 4)",
        "return not pcall(struct.unpack, 'b', 'a', 2^40)",
        "return not pcall(struct.unpack, 'dc0', struct.pack('d', -1)) ",
        "return not pcall(struct.unpack, 'dc0', struct.pack('d', 0/0)) ",
        "return not pcall(struct.pack, 'i33', 1) and not pcall(struct.size, 'i99999999999')",
        "return not pcall(struct.pack, '!3b', 1) and not pcall(struct.pack, 'c5', 'abc')",
        "return #struct.pack('>i8', 1e300) == 8 and #struct.pack('>I8', 0/0) == 8",
    };
    CHECK(state, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_option_has_its_bytes, open_lua, lua_lines_close),
        cmocka_unit_test_setup_teardown(what_is_packed_comes_back, open_lua, lua_lines_close),
        cmocka_unit_test_setup_teardown(what_lies_outside_of_the_data_is_refused, open_lua,
                                        lua_lines_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
