/* Faults as the operator sees them. */
#include "core/base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_fault_says_where_and_what(void **state)
{
    struct fault fault;
    char line[2048];

    (void)state;
    assert_int_equal(fault_set(&fault, KV_ECORRUPT, "a/b.aof", 123, "batch %d is bad", 4),
                     KV_ECORRUPT);
    assert_int_equal(fault.code, KV_ECORRUPT);
    assert_int_equal(fault.system_errno, 0);
    assert_string_equal(fault_line(&fault, line, sizeof(line)),
                        "a/b.aof: offset 123: batch 4 is bad");
    fault_set(&fault, KV_EREFUSED, NULL, -1, "no");
    assert_string_equal(fault_line(&fault, line, sizeof(line)), "no");
    fault_set(&fault, KV_EIO, "x", -1, "bad");
    assert_string_equal(fault_line(&fault, line, sizeof(line)), "x: bad");
    assert_string_equal(fault_line(&fault, line, 4), "x: ");
    assert_string_equal(fault_line(&fault, line, 0), "");
    assert_int_equal(fault_set(NULL, KV_ELIMIT, "x", 1, "bad"), KV_ELIMIT);
}

static void a_system_error_keeps_its_number_and_its_text(void **state)
{
    struct fault fault;

    (void)state;
    errno = ENOSPC;
    assert_int_equal(fault_errno(&fault, "d", 0, "write"), KV_ENOSPACE);
    assert_int_equal(fault.system_errno, ENOSPC);
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(fault.text, "write: No space left on device");
    errno = EDQUOT;
    assert_int_equal(fault_errno(NULL, "d", -1, "write"), KV_ENOSPACE);
    errno = EACCES;
    assert_int_equal(fault_errno(&fault, NULL, -1, "open"), KV_EIO);
    assert_string_equal(fault.text, "open: Permission denied");
}

static void too_long_a_text_is_cut_not_overrun(void **state)
{
    struct fault fault;
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fault_set(&fault, KV_EIO, text, -1, "%s", text);
    assert_int_equal(strlen(fault.path), sizeof(fault.path) - 1);
    assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
}

static void a_fault_can_be_said_more_about(void **state)
{
    struct fault fault;

    (void)state;
    fault_set(&fault, KV_EIO, "f", 1, "read failed");
    fault_set(&fault, KV_EREFUSED, fault.path, 2, "%s; run kv-check-aof", fault.text);
    assert_string_equal(fault.path, "f");
    assert_string_equal(fault.text, "read failed; run kv-check-aof");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_says_where_and_what),
        cmocka_unit_test(a_system_error_keeps_its_number_and_its_text),
        cmocka_unit_test(too_long_a_text_is_cut_not_overrun),
        cmocka_unit_test(a_fault_can_be_said_more_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
