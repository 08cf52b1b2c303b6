/* cmsgpack: the bytes of each kind of value, both ways, and hostile input. */
#include <lauxlib.h>
#include <lualib.h>

#include "core/script/libraries.h"
#include "tests/support/lua_lines.h"
#include "tests/support/test.h"

static int open_lua(void **state)
{
    return lua_lines_open(state, lua_add_cmsgpack);
}

static void each_value_has_its_bytes(void **state)
{
    static const char *const lines[] = {
        "return cmsgpack.pack(0, 127, 128, 255, 256) == '\\0\\127\\204\\128\\204\\255\\205\\1\\0'",
        "return cmsgpack.pack(-1, -32, -33, -128, -129) == "
        "'\\255\\224\\208\\223\\208\\128\\209\\255\\127'",
        "return cmsgpack.pack(65536, 2^32) == '\\206\\0\\1\\0\\0\\207\\0\\0\\0\\1\\0\\0\\0\\0'",
        "return cmsgpack.pack(1.5) == '\\202\\63\\192\\0\\0' and #cmsgpack.pack(0.1) == 9",
        "return cmsgpack.pack(true, false, nil) == '\\195\\194\\192'",
        "return cmsgpack.pack('', 'a') == '\\160\\161a'",
        "return cmsgpack.pack(string.rep('x', 32)):sub(1, 2) == '\\217\\32'",
        "return cmsgpack.pack(string.rep('x', 256)):sub(1, 3) == '\\218\\1\\0'",
        "return cmsgpack.pack({}, {1}, {a = 1}) == '\\144\\145\\1\\129\\161a\\1'",
        "return cmsgpack.pack({[1] = 1, [3] = 3}):byte() == 0x82",
    };
    CHECK(state, lines);
}

/* Property: what is packed is unpacked to the same; random nested values. */
static void what_is_packed_comes_back(void **state)
{
    static const char *const lines[] = {
        "math.randomseed(7) "
        "local function make(d) local k = math.random(d > 4 and 4 or 6) "
        "  if k == 1 then return math.random(-2^31, 2^31 - 1) * math.random(1, 5) "
        "  elseif k == 2 then return math.random() "
        "  elseif k == 3 then return string.rep('x', math.random(0, 300)) "
        "  elseif k == 4 then return math.random(2) == 1 "
        "  end local t = {} for i = 1, math.random(0, 20) do "
        "    t[k == 5 and i or ('k' .. i)] = make(d + 1) end return t end "
        "local function same(a, b) if type(a) ~= 'table' then return a == b end "
        "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end "
        "  for k in pairs(b) do if a[k] == nil then return false end end return true end "
        "for i = 1, 2000 do local v = make(0) "
        "  if not same(v, (cmsgpack.unpack(cmsgpack.pack(v)))) then return false end end "
        "return true",
    };
    CHECK(state, lines);
}

static void every_cut_of_a_message_is_an_error(void **state)
{
    static const char *const lines[] = {
        "local whole = cmsgpack.pack({1, 'text', {a = 1.5, b = {true}}, 2^40, "
        "string.rep('x', 40)}) "
        "for i = 1, #whole - 1 do local ok, why = pcall(cmsgpack.unpack, whole:sub(1, i)) "
        "  if ok or not why:find('Missing bytes') then return false end end return true",
    };
    CHECK(state, lines);
}

static void hostile_lengths_and_depths_are_refused(void **state)
{
    static const char *const lines[] = {
        "return not pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255')",
        "return not pcall(cmsgpack.unpack, '\\223\\255\\255\\255\\255')",
        "return not pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255')",
        "return not pcall(cmsgpack.unpack, string.rep('\\145', 100000))",
        "return not pcall(cmsgpack.unpack, '\\193') and not pcall(cmsgpack.unpack, '\\199')",
        "return not pcall(cmsgpack.unpack, '\\129\\192\\1')",
        "local t = {} t[1] = t return #cmsgpack.pack(t) == 17",
    };
    CHECK(state, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_value_has_its_bytes, open_lua, lua_lines_close),
        cmocka_unit_test_setup_teardown(what_is_packed_comes_back, open_lua, lua_lines_close),
        cmocka_unit_test_setup_teardown(every_cut_of_a_message_is_an_error, open_lua,
                                        lua_lines_close),
        cmocka_unit_test_setup_teardown(hostile_lengths_and_depths_are_refused, open_lua,
                                        lua_lines_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
