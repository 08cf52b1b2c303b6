/* The picture of the samples, byte for byte as redis-server 7.0 draws it of the same ones. */
#include "core/cmd/latency_report.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/engine_state.h"
#include "core/latency.h"
#include "tests/support/test.h"

/* A sample a second; the last one is `age_s` old. */
static void expect_graph(const uint64_t *ms, int count, int64_t age_s, const char *expected)
{
    struct latency_event event = {.name = LATENCY_COMMAND, .max_ms = 24};
    struct buf out = {0};
    for (int i = 0; i < count; i++)
        event.samples[i] = (struct latency_sample){1000000 + i, ms[i]};
    event.count = count;
    event.next = count;
    latency_graph(&event, 1000000 + count - 1 + age_s, &out);
    buf_append_char(&out, 0);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void one_sample_is_a_line(void **state unused)
{
    static const uint64_t ms[] = {
        10,
    };
    expect_graph(
        ms, sizeof ms / sizeof ms[0], 0,
        "command - high 10 ms, low 10 ms (all time high 24 ms)\n"
        "--------------------------------------------------------------------------------\n"
        " \n"
        " \n"
        " \n"
        "_\n"
        " \n"
        "0\n"
        "s\n");
}

static void levels_lie_between_the_lowest_and_the_highest(void **state unused)
{
    static const uint64_t ms[] = {
        10, 2, 3,
    };
    expect_graph(
        ms, sizeof ms / sizeof ms[0], 0,
        "command - high 10 ms, low 2 ms (all time high 24 ms)\n"
        "--------------------------------------------------------------------------------\n"
        "#  \n"
        "|  \n"
        "|  \n"
        "|_o\n"
        "   \n"
        "210\n"
        "sss\n");
}

static void thirds_of_a_row_have_signs_of_their_own(void **state unused)
{
    static const uint64_t ms[] = {
        10, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    };
    expect_graph(
        ms, sizeof ms / sizeof ms[0], 0,
        "command - high 14 ms, low 2 ms (all time high 24 ms)\n"
        "--------------------------------------------------------------------------------\n"
        "          _o##\n"
        "#      _o#||||\n"
        "|   _o#|||||||\n"
        "|_o#||||||||||\n"
        "              \n"
        "11119876543210\n"
        "3210ssssssssss\n"
        "ssss          \n");
}

static void wide_pictures_are_folded(void **state unused)
{
    static const uint64_t ms[] = {
        10, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 2, 9, 16, 23, 7, 14, 21, 5, 12,
        19, 3, 10, 17, 24, 8, 15, 22, 6, 13, 20, 4, 11, 18, 2, 9, 16, 23, 7, 14, 21, 5,
        12, 19, 3, 10, 17, 24, 8, 15, 22, 6, 13, 20, 4, 11, 18, 2, 9, 16, 23, 7, 14, 21,
        5, 12, 19, 3, 10, 17, 24, 8, 15, 22, 6, 13, 20, 4, 11,
    };
    expect_graph(
        ms, sizeof ms / sizeof ms[0], 0,
        "command - high 24 ms, low 2 ms (all time high 24 ms)\n"
        "--------------------------------------------------------------------------------\n"
        "                 #  o  _   #  o  _      #  o  _   #  o  _      #  o  _   #  o  _\n"
        "            __  o| _|  |  #| o| _|  #  o| _|  |  #| o| _|  #  o| _|  |  #| o| _|\n"
        "o      __oo#|| _|| || #| o||_|| || o| _|| || #| o||_|| || o| _|| || #| o||_|| ||\n"
        "|__oo##|||||||_|||#||o||_||||||#||o||_|||#||o||_||||||#||o||_|||#||o||_||||||#||\n"
        "                                                                                \n"
        "11111111111111111111115555555555444444444433333333332222222222111111111198765432\n"
        "mmmmmmmmmmmmmmmmmmmmmm98765432109876543210987654321098765432109876543210ssssssss\n"
        "                      ssssssssssssssssssssssssssssssssssssssssssssssssss        \n"
        "\n"
        "  \n"
        "  \n"
        " o\n"
        "o|\n"
        "  \n"
        "10\n"
        "ss\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sample_is_a_line),
        cmocka_unit_test(levels_lie_between_the_lowest_and_the_highest),
        cmocka_unit_test(thirds_of_a_row_have_signs_of_their_own),
        cmocka_unit_test(wide_pictures_are_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
