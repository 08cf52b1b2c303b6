/* A pool of batches, BATCHES a producer, that go round: blank, filled, in the queue, taken, given
 * back. A batch is small enough to be still in the processor's cache when it is taken, and large
 * enough for the lock not to matter. */
#include "persistence/entry_queue.h"

#include <pthread.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/type/entry.h"

#define BATCHES 8

struct entry_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    struct entry_batch *first, *last; /* in the queue */
    struct entry_batch *blank;
    int producers;                    /* that have not ended */
    int waiting;                      /* producers, for a blank batch */
    bool stopped;
};

struct entry_queue *entry_queue_new(int producers)
{
    struct entry_queue *queue = mem_alloc_zero(sizeof(*queue));
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, NULL);
    pthread_cond_init(&queue->emptied, NULL);
    queue->producers = producers;
    for (int i = 0; i < BATCHES * producers; i++) {
        struct entry_batch *batch = mem_alloc(sizeof(*batch));
        batch->text = (struct buf){0};
        batch->next = queue->blank;
        queue->blank = batch;
    }
    return queue;
}

static void free_batches(struct entry_batch *batch, bool with_entries)
{
    while (batch) {
        struct entry_batch *next = batch->next;
        for (int i = 0; with_entries && i < batch->count; i++)
            entry_free(batch->entries[i]);
        buf_free(&batch->text);
        mem_free(batch);
        batch = next;
    }
}

void entry_queue_free(struct entry_queue *queue)
{
    kv_assert(queue->producers == 0);
    free_batches(queue->first, true);
    free_batches(queue->blank, false);
    pthread_cond_destroy(&queue->filled);
    pthread_cond_destroy(&queue->emptied);
    pthread_mutex_destroy(&queue->lock);
    mem_free(queue);
}

struct entry_batch *entry_queue_blank(struct entry_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->waiting++;
    while (!queue->blank && !queue->stopped)
        pthread_cond_wait(&queue->emptied, &queue->lock);
    queue->waiting--;
    struct entry_batch *batch = queue->stopped ? NULL : queue->blank;
    if (batch)
        queue->blank = batch->next;
    pthread_mutex_unlock(&queue->lock);
    if (batch) {
        batch->next = NULL;
        batch->count = batch->db = 0;
        batch->bytes = batch->presize = 0;
        buf_clear(&batch->text);
    }
    return batch;
}

void entry_queue_put(struct entry_queue *queue, struct entry_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->first)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

void entry_queue_end(struct entry_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->producers--;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

struct entry_batch *entry_queue_take(struct entry_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->first && queue->producers > 0)
        pthread_cond_wait(&queue->filled, &queue->lock);
    struct entry_batch *batch = queue->first;
    if (batch)
        queue->first = batch->next;
    pthread_mutex_unlock(&queue->lock);
    return batch;
}

void entry_queue_give_back(struct entry_queue *queue, struct entry_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    batch->next = queue->blank;
    queue->blank = batch;
    if (queue->waiting > 0)
        pthread_cond_signal(&queue->emptied);
    pthread_mutex_unlock(&queue->lock);
}

void entry_queue_stop(struct entry_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_broadcast(&queue->emptied);
    pthread_mutex_unlock(&queue->lock);
}

bool entry_queue_stopped(struct entry_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->lock);
    return stopped;
}
