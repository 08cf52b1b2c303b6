/* The mailbox, and waiting for company.
 *
 *   state     whose the contents are    goes to
 *   EMPTY     the main thread's         FULL (put)
 *   FULL      nobody's                  FILLING (put), TAKING (take)
 *   FILLING   the main thread's         FULL, at once
 *   TAKING    the log thread's          EMPTY, at once
 *
 * Nobody waits for the other one: a put that meets TAKING leaves the batch open, a take that meets
 * FILLING comes back. So while the log thread syncs, the turns of the main thread gather one batch
 * in the mailbox, and when the sync is done the next write begins at once, without waiting for the
 * main thread to look up.
 *
 * COMPANY. Of many clients that each wait for their reply, half would wait for one sync and half
 * for the next one, for ever: when a sync ends, the others' commands are there already, and are
 * written before the clients just answered can send again. Where a sync takes long, that doubles
 * the number of syncs. So after a sync the log thread holds back for a moment, if
 *
 *   - there are at least two commands to expect: those just answered, and those that wait already
 *   - fewer than seven in eight of them wait already
 *
 * until seven in eight are there, but at most half the time of a sync: within that, one sync for
 * all is faster for everybody than two for half. One client alone expects one command and never
 * waits. If the company does not come, the next attempts are left out, more and more of them, up to
 * 64 in a row.
 */
#include "persistence/mailbox.h"

#include <string.h>

#include "core/journal.h"
#include "persistence/bell.h"

#define COPY_BYTES_MAX ((size_t)64 << 10) /* more is not put behind, but waits to be swapped in */
#define VAIN_MAX 6
#define FILLING_US 5

enum { EMPTY, FULL, FILLING, TAKING };

void mailbox_init(struct mailbox *mailbox)
{
    memset(mailbox, 0, sizeof *mailbox);
    atomic_store(&mailbox->wanted, 1);
}

void mailbox_free(struct mailbox *mailbox)
{
    buf_free(&mailbox->bytes);
}

/* The contents are ours: put the open batch in. */
static void fill(struct mailbox *mailbox, struct journal *journal, int64_t now_ms)
{
    uint32_t changes = journal->open_changes ? journal->open_changes : 1;

    atomic_fetch_add_explicit(&journal->pending_bytes, journal->open.len, memory_order_relaxed);
    if (mailbox->bytes.len == 0) {
        buf_swap(&mailbox->bytes, &journal->open);
    } else {
        buf_append_slice(&mailbox->bytes, buf_slice(&journal->open));
        buf_clear(&journal->open);
    }
    mailbox->seq = journal->sequence;
    mailbox->now_ms = now_ms;
    atomic_fetch_add_explicit(&mailbox->changes, changes, memory_order_relaxed);
    journal->open_changes = 0;
    kv_assert(journal->open.len == 0);
    atomic_store(&mailbox->state, FULL);
}

bool mailbox_put(struct mailbox *mailbox, struct journal *journal, int64_t now_ms)
{
    int expected = FULL;

    if (atomic_load_explicit(&mailbox->state, memory_order_acquire) != EMPTY) {
        if (journal->open.len > COPY_BYTES_MAX)
            return false;
        if (!atomic_compare_exchange_strong(&mailbox->state, &expected, FILLING) &&
            expected != EMPTY)
            return false;
    }
    fill(mailbox, journal, now_ms);
    return atomic_load(&mailbox->changes) >= atomic_load(&mailbox->wanted);
}

bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->state, memory_order_acquire) == EMPTY;
}

bool mailbox_take(struct mailbox *mailbox, struct buf *used, struct mail *out)
{
    int expected = FULL;

    kv_assert(used->len == 0);
    if (!atomic_compare_exchange_strong(&mailbox->state, &expected, TAKING))
        return false;
    out->bytes = mailbox->bytes;
    out->seq = mailbox->seq;
    out->now_ms = mailbox->now_ms;
    out->changes = atomic_exchange_explicit(&mailbox->changes, 0, memory_order_relaxed);
    mailbox->bytes = *used;
    *used = (struct buf){0};
    atomic_store(&mailbox->state, EMPTY);
    return true;
}

static void stop_waiting(struct mailbox *mailbox, bool in_vain)
{
    mailbox->deadline_us = 0;
    atomic_store(&mailbox->wanted, 1);
    if (!in_vain) {
        mailbox->vain = 0;
    } else {
        mailbox->pause = 1u << mailbox->vain;
        if (mailbox->vain < VAIN_MAX)
            mailbox->vain++;
    }
}

int64_t mailbox_due(struct mailbox *mailbox, bool hurry)
{
    int state = atomic_load(&mailbox->state);
    uint64_t now;

    if (mailbox->deadline_us) {
        if (atomic_load(&mailbox->changes) >= atomic_load(&mailbox->wanted)) {
            stop_waiting(mailbox, false);
        } else {
            now = bell_now_us();
            if (!hurry && now < mailbox->deadline_us)
                return (int64_t)(mailbox->deadline_us - now);
            stop_waiting(mailbox, !hurry);
            state = atomic_load(&mailbox->state); /* a put from here on rings */
        }
    }
    if (state == FILLING)
        return FILLING_US;
    return state == FULL ? 0 : -1;
}

void mailbox_gather(struct mailbox *mailbox, uint32_t answered, uint64_t sync_us)
{
    uint32_t waiting = atomic_load(&mailbox->changes);
    uint32_t expected = answered + waiting, wanted = expected - expected / 8;

    if (expected < 2 || waiting >= wanted)
        return;
    if (mailbox->pause > 0) {
        mailbox->pause--;
        return;
    }
    mailbox->deadline_us = bell_now_us() + sync_us / 2;
    atomic_store(&mailbox->wanted, wanted);
}
