/* What the marks of a journal mean for replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/journal.h"

static void a_journal_that_is_off_holds_nothing_back(void **state unused)
{
    struct journal_report report;
    struct journal journal;

    journal_off(&journal);
    assert_true(journal_confirmed(&journal) == UINT64_MAX);
    assert_int_equal(journal_backlog(&journal), 0);
    journal.ops->turn_end(&journal, 0);
    journal.ops->retry(&journal);
    journal.ops->report(&journal, &report);
    assert_int_equal(report.written, 0);
    assert_string_equal(report.problem, "");
    assert_int_equal(journal.ops->sync(&journal, NULL), 0);
}

static void only_always_waits_for_the_disk(void **state unused)
{
    struct journal journal;

    journal_off(&journal);
    atomic_store(&journal.state, JOURNAL_HEALTHY);
    atomic_store(&journal.written, 20);
    atomic_store(&journal.durable, 10);
    journal.ops->set_policy(&journal, JOURNAL_ALWAYS);
    assert_int_equal(journal_confirmed(&journal), 10);
    journal.ops->set_policy(&journal, JOURNAL_EVERYSEC);
    assert_int_equal(journal_confirmed(&journal), 20);
    journal.ops->set_policy(&journal, JOURNAL_NO);
    assert_int_equal(journal_confirmed(&journal), 20);
    atomic_store(&journal.state, JOURNAL_FAILED);
    journal.ops->set_policy(&journal, JOURNAL_ALWAYS);
    assert_int_equal(journal_confirmed(&journal), 10);
}

static void the_backlog_counts_what_is_open_and_what_is_taken(void **state unused)
{
    struct journal journal;

    journal_off(&journal);
    buf_append_text(&journal.open, "12345");
    atomic_store(&journal.pending_bytes, 100);
    assert_int_equal(journal_backlog(&journal), 105);
    buf_free(&journal.open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_that_is_off_holds_nothing_back),
        cmocka_unit_test(only_always_waits_for_the_disk),
        cmocka_unit_test(the_backlog_counts_what_is_open_and_what_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
