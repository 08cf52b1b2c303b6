/* Growable bytes. */
#include "core/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pieces_are_joined_in_order(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(buf_slice(&buf).len, 0);
    buf_append_text(&buf, "$");
    buf_append_i64(&buf, -9223372036854775807 - 1);
    buf_append(&buf, "\r\n", 2);
    buf_append_slice(&buf, SLICE("ab"));
    buf_append_slice(&buf, (struct slice){NULL, 0});
    buf_append_char(&buf, '\0');
    buf_printf(&buf, "%d-%s", 7, "x");
    assert_int_equal(buf.len, 29);
    assert_memory_equal(buf.data, "$-9223372036854775808\r\nab\0" "7-x", 29);
    buf_free(&buf);
    assert_null(buf.data);
    buf_free(&buf);
}

static void a_long_text_is_printed_whole(void **state)
{
    struct buf buf = {0};
    char *text = malloc(100001);

    (void)state;
    memset(text, 'x', 100000);
    text[100000] = '\0';
    for (size_t len = 100000; len > 0; len /= 3) {
        text[len] = '\0';
        buf_clear(&buf);
        buf_append_text(&buf, "<");
        buf_printf(&buf, "%s>", text);
        assert_int_equal(buf.len, len + 2);
        assert_int_equal(buf.data[0], '<');
        assert_memory_equal(buf.data + 1, text, len);
        assert_int_equal(buf.data[len + 1], '>');
        buf_free(&buf);
    }
    free(text);
}

static void the_front_can_be_dropped_and_the_block_kept(void **state)
{
    struct buf buf = {0}, other = {0};
    char *data;

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_append_char(&buf, (char)i);
    buf_drop_front(&buf, 0);
    buf_drop_front(&buf, 990);
    assert_int_equal(buf.len, 10);
    assert_int_equal((unsigned char)buf.data[0], 990 % 256);
    data = buf.data;
    buf_drop_front(&buf, 10);
    assert_int_equal(buf.len, 0);
    buf_append_text(&buf, "again");
    assert_ptr_equal(buf.data, data);
    buf_swap(&buf, &other);
    assert_int_equal(buf.len, 0);
    assert_memory_equal(other.data, "again", 5);
    buf_clear(&other);
    assert_ptr_equal(other.data, data);
    buf_free(&other);
}

static void room_is_there_before_it_is_written(void **state)
{
    struct buf buf = {0};

    (void)state;
    for (size_t more = 0; more < 5000; more += 37) {
        char *at = buf_reserve(&buf, more);

        assert_non_null(at);
        assert_ptr_equal(at, buf.data + buf.len);
        assert_true(buf.cap - buf.len >= more);
        memset(at, 1, more);
        buf.len += more;
    }
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_joined_in_order),
        cmocka_unit_test(a_long_text_is_printed_whole),
        cmocka_unit_test(the_front_can_be_dropped_and_the_block_kept),
        cmocka_unit_test(room_is_there_before_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
