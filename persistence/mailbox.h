/* The mailbox between the main thread, which puts the journal's open batch in, and the log thread,
 * which takes out what has come together. Essay in mailbox.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct journal;

struct mailbox {
    _Atomic int state;         /* EMPTY, FILLING, FULL, TAKING */
    struct buf bytes;
    uint64_t seq;              /* at the end of `bytes` */
    int64_t now_ms;
    _Atomic uint32_t changes;  /* commands in it that changed something */
    _Atomic uint32_t wanted;   /* from so many on the log thread is to be woken */

    /* The log thread's: waiting for company. */
    uint64_t deadline_us;      /* 0: not waiting */
    uint32_t vain, pause;
};

void mailbox_init(struct mailbox *mailbox);
void mailbox_free(struct mailbox *mailbox);

/* Main thread: put the open batch in, or behind what is there, if that can be done at once; else
 * it stays open. True if the log thread is to be woken. */
must_check bool mailbox_put(struct mailbox *mailbox, struct journal *journal, int64_t now_ms);

/* Either thread, while the other one is known not to change it. */
bool mailbox_is_empty(const struct mailbox *mailbox);

struct mail {
    struct buf bytes;
    uint64_t seq;
    int64_t now_ms;
    uint32_t changes;
};

/* Log thread: 0 if there is something to take now, a time in us if it pays to wait for more, -1 if
 * there is nothing. In a `hurry` it never pays. */
int64_t mailbox_due(struct mailbox *mailbox, bool hurry);

/* Log thread: take it. `used` is an empty buffer that is left in its place. False if the main
 * thread is just putting something in. */
must_check bool mailbox_take(struct mailbox *mailbox, struct buf *used, struct mail *out);

/* Log thread, after a sync and before its clients are answered: `answered` commands waited for it,
 * and it took sync_us. Shall the next one wait for those clients' next commands? */
void mailbox_gather(struct mailbox *mailbox, uint32_t answered, uint64_t sync_us);
