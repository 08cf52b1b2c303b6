/* The mailbox: nothing is lost or doubled between the two threads, and waiting for company ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include "core/journal.h"
#include "persistence/bell.h"
#include "persistence/mailbox.h"

#define PUTS 50000

static void put(struct mailbox *mailbox, struct journal *journal, const char *text)
{
    buf_append_text(&journal->open, text);
    journal->sequence += strlen(text);
    journal->open_changes++;
    (void)!mailbox_put(mailbox, journal, 1);
}

static uint32_t take(struct mailbox *mailbox, const char *expected)
{
    struct buf used = {0};
    struct mail mail;

    assert_true(mailbox_take(mailbox, &used, &mail));
    assert_true(slice_equal(buf_slice(&mail.bytes), slice_of(expected)));
    buf_free(&mail.bytes);
    return mail.changes;
}

static void turns_gather_in_one_batch(void **state unused)
{
    struct mailbox mailbox;
    struct journal journal;

    mailbox_init(&mailbox);
    journal_off(&journal);
    assert_int_equal(mailbox_due(&mailbox, false), -1);
    put(&mailbox, &journal, "one ");
    put(&mailbox, &journal, "two ");
    assert_int_equal(journal.open.len, 0);
    assert_int_equal(journal_backlog(&journal), 8);
    assert_int_equal(mailbox_due(&mailbox, false), 0);
    assert_int_equal(take(&mailbox, "one two "), 2);
    assert_int_equal(mailbox_due(&mailbox, false), -1);
    put(&mailbox, &journal, "three");
    assert_int_equal(take(&mailbox, "three"), 1);
    mailbox_free(&mailbox);
    buf_free(&journal.open);
}

static void one_client_alone_never_waits(void **state unused)
{
    struct mailbox mailbox;
    struct journal journal;

    mailbox_init(&mailbox);
    journal_off(&journal);
    for (int i = 0; i < 10; i++) {
        put(&mailbox, &journal, "x");
        assert_int_equal(mailbox_due(&mailbox, false), 0);
        assert_int_equal(take(&mailbox, "x"), 1);
        mailbox_gather(&mailbox, 1, 1000000);
    }
    mailbox_free(&mailbox);
    buf_free(&journal.open);
}

static void company_is_waited_for_until_it_is_there(void **state unused)
{
    struct mailbox mailbox;
    struct journal journal;

    mailbox_init(&mailbox);
    journal_off(&journal);
    put(&mailbox, &journal, "b");
    mailbox_gather(&mailbox, 1, 1000000); /* a was answered, b waits */
    assert_true(mailbox_due(&mailbox, false) > 0);
    put(&mailbox, &journal, "a");
    assert_int_equal(mailbox_due(&mailbox, false), 0);
    assert_int_equal(take(&mailbox, "ba"), 2);
    mailbox_gather(&mailbox, 2, 1000000);
    put(&mailbox, &journal, "a");
    assert_true(mailbox_due(&mailbox, false) > 0);
    assert_int_equal(mailbox_due(&mailbox, true), 0);
    assert_int_equal(take(&mailbox, "a"), 1);
    mailbox_free(&mailbox);
    buf_free(&journal.open);
}

static void company_that_does_not_come_is_waited_for_less_and_less(void **state unused)
{
    struct mailbox mailbox;
    struct journal journal;
    int waits = 0;

    mailbox_init(&mailbox);
    journal_off(&journal);
    for (int i = 0; i < 500; i++) {
        mailbox_gather(&mailbox, 8, 2); /* eight were answered, one comes back */
        put(&mailbox, &journal, "a");
        while (mailbox_due(&mailbox, false) > 0)
            ;
        waits += mailbox.vain > 0 && mailbox.pause == 1u << (mailbox.vain - 1);
        assert_int_equal(take(&mailbox, "a"), 1);
    }
    assert_true(waits < 30);
    mailbox_free(&mailbox);
    buf_free(&journal.open);
}

struct traffic {
    struct mailbox mailbox;
    struct bell bell;
    uint64_t taken;
    _Atomic bool done;
};

static void *take_all(void *arg)
{
    struct traffic *traffic = arg;
    struct buf used = {0};
    struct mail mail;

    for (;;) {
        uint32_t seen = bell_seen(&traffic->bell);
        bool done = atomic_load(&traffic->done);
        int64_t due = mailbox_due(&traffic->mailbox, done);

        if (due == 0 && mailbox_take(&traffic->mailbox, &used, &mail)) {
            for (size_t i = 0; i < mail.bytes.len; i++, traffic->taken++)
                assert_int_equal(mail.bytes.data[i], (char)traffic->taken);
            assert_int_equal(mail.seq, traffic->taken);
            buf_clear(&mail.bytes);
            used = mail.bytes;
            mailbox_gather(&traffic->mailbox, mail.changes, 20);
        } else if (due < 0 && done) {
            break;
        } else if (due != 0) {
            bell_wait(&traffic->bell, seen, due, 0);
        }
    }
    buf_free(&used);
    return NULL;
}

/* Property: every byte arrives once and in order, whoever meets whom in the mailbox. */
static void what_is_put_in_is_taken_once_and_in_order(void **state unused)
{
    struct traffic traffic = {0};
    struct journal journal;
    pthread_t thread;

    mailbox_init(&traffic.mailbox);
    journal_off(&journal);
    assert_int_equal(pthread_create(&thread, NULL, take_all, &traffic), 0);
    for (int i = 0; i < PUTS || journal.open.len > 0; i++) {
        if (i < PUTS) {
            buf_append_char(&journal.open, (char)journal.sequence++);
            journal.open_changes++;
        }
        if (mailbox_put(&traffic.mailbox, &journal, i))
            bell_ring(&traffic.bell);
    }
    atomic_store(&traffic.done, true);
    bell_ring(&traffic.bell);
    pthread_join(thread, NULL);
    assert_int_equal(traffic.taken, journal.sequence);
    mailbox_free(&traffic.mailbox);
    buf_free(&journal.open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_gather_in_one_batch),
        cmocka_unit_test(one_client_alone_never_waits),
        cmocka_unit_test(company_is_waited_for_until_it_is_there),
        cmocka_unit_test(company_that_does_not_come_is_waited_for_less_and_less),
        cmocka_unit_test(what_is_put_in_is_taken_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
