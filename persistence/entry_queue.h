/* Entries on their way from the threads that decode them to the one that puts them into the
 * keyspace, in batches. What is on its way is bounded: who decodes waits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct entry;
struct entry_queue;

#define ENTRY_BATCH_MAX 256

struct entry_batch {
    struct entry_batch *next;
    int count, db;
    uint64_t bytes;    /* of the file, that were done since the batch before of this thread */
    uint64_t presize;  /* not 0: so many keys are to come for `db`; no entries */
    struct buf text;   /* a library of functions; no entries */
    struct entry *entries[ENTRY_BATCH_MAX];
    uint64_t hashes[ENTRY_BATCH_MAX];
};

struct entry_queue *entry_queue_new(int producers);
/* Frees the entries that nobody took. All producers have ended. */
void entry_queue_free(struct entry_queue *queue);

/* A producer's: an empty batch; waits for one. NULL: stop. */
struct entry_batch *entry_queue_blank(struct entry_queue *queue);
void entry_queue_put(struct entry_queue *queue, struct entry_batch *batch);
/* This producer has come to its end. */
void entry_queue_end(struct entry_queue *queue);

/* The consumer's: the next batch; waits for one. NULL: all producers have ended. */
struct entry_batch *entry_queue_take(struct entry_queue *queue);
void entry_queue_give_back(struct entry_queue *queue, struct entry_batch *batch);
/* No more is wanted: producers get no more batches. */
void entry_queue_stop(struct entry_queue *queue);
bool entry_queue_stopped(struct entry_queue *queue);
