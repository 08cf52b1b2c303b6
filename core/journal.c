/* The journal that is off, and what the marks of any journal mean for replies. */
#include "core/journal.h"

#include <string.h>

#include "core/base/fault.h"

static void off_turn_end(struct journal *journal unused, int64_t now_ms unused)
{
}

static void off_set_policy(struct journal *journal, enum journal_policy policy)
{
    atomic_store(&journal->policy, policy);
}

static void off_report(struct journal *journal unused, struct journal_report *out)
{
    memset(out, 0, sizeof *out);
}

static int off_sync(struct journal *journal unused, struct fault *fault unused)
{
    return 0;
}

static void off_retry(struct journal *journal unused)
{
}

static int off_base_begin(struct journal *journal unused, uint64_t estimate unused,
                          struct journal_base *out unused, struct fault *fault)
{
    return fault_set(fault, KV_EREFUSED, "", -1, "there is no log");
}

static void off_base_end(struct journal *journal unused, bool complete unused)
{
}

static enum journal_base_state off_base_state(struct journal *journal unused, char problem[512])
{
    if (problem)
        problem[0] = '\0';
    return JOURNAL_BASE_NONE;
}

static const struct journal_ops off_ops = {
    .turn_end = off_turn_end,
    .set_policy = off_set_policy,
    .report = off_report,
    .sync = off_sync,
    .retry = off_retry,
    .base_begin = off_base_begin,
    .base_end = off_base_end,
    .base_state = off_base_state,
};

void journal_off(struct journal *journal)
{
    journal->ops = &off_ops;
    journal->store = NULL;
    journal->open = (struct buf){0};
    journal->sequence = 0;
    journal->open_changes = 0;
    atomic_store(&journal->written, 0);
    atomic_store(&journal->durable, 0);
    atomic_store(&journal->pending_bytes, 0);
    atomic_store(&journal->policy, JOURNAL_ALWAYS);
    atomic_store(&journal->state, JOURNAL_OFF);
}

static int state_of(const struct journal *journal)
{
    return atomic_load_explicit(&journal->state, memory_order_acquire);
}

bool journal_keeps(const struct journal *journal)
{
    int state = state_of(journal);

    return state != JOURNAL_OFF && state != JOURNAL_BEGINNING;
}

bool journal_takes_writes(const struct journal *journal)
{
    int state = state_of(journal);

    return state != JOURNAL_FULL && state != JOURNAL_FAILED;
}

uint64_t journal_confirmed(const struct journal *journal)
{
    if (!journal_keeps(journal))
        return UINT64_MAX;
    if (atomic_load_explicit(&journal->policy, memory_order_relaxed) == JOURNAL_ALWAYS)
        return atomic_load_explicit(&journal->durable, memory_order_acquire);
    return atomic_load_explicit(&journal->written, memory_order_acquire);
}

uint64_t journal_backlog(const struct journal *journal)
{
    return atomic_load_explicit(&journal->pending_bytes, memory_order_relaxed) +
           journal->open.len;
}
