/* Decoding in threads.
 *
 *   threads   read, check, unpack and decode: entries and the hashes of their keys, in batches
 *             (entry_queue.c)
 *   caller    takes the batches and puts the entries; nobody else touches the keyspace
 *
 * A thread's functions (struct rdb_load) collect: `put` adds to the thread's batch and hands it
 * over when it is full or the database changes, `progress` adds bytes to it. An error of the
 * caller's put stops the queue: the threads get no more batches, and end with KV_EREFUSED, which is
 * nobody's error. Of several real errors the one of the lowest thread is told, before that of the
 * caller: damage is the better word for a key that is there twice. */
#include "persistence/entry_feed.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "core/type/entry.h"
#include "persistence/entry_queue.h"
#include "persistence/rdb_load.h"

#define THREADS_MAX 8
#define AHEAD 12 /* entries between the two steps, and then until one is put */
#define BYTES_LEAST ((uint64_t)2 << 20) /* less is read before a thread has begun */

struct worker {
    const struct entry_feed *feed;
    struct entry_queue *queue;
    struct rdb_load load;
    struct entry_batch *batch; /* being filled, or NULL */
    uint64_t bytes_done;       /* as of the last progress */
    int number, status;
    struct fault fault;
    pthread_t thread;
};

/* --- A thread's functions ------------------------------------------------------------------- */

static void hand_over(struct worker *worker)
{
    if (worker->batch)
        entry_queue_put(worker->queue, worker->batch);
    worker->batch = NULL;
}

static bool has_batch(struct worker *worker)
{
    if (!worker->batch)
        worker->batch = entry_queue_blank(worker->queue);
    return worker->batch != NULL;
}

static int collect(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    struct worker *worker = env;
    struct entry_batch *batch = worker->batch;
    if (batch && batch->db != db && batch->count > 0)
        hand_over(worker);
    if (!has_batch(worker)) {
        entry_free(entry);
        return fault_set(fault, KV_EREFUSED, "", -1, "it was stopped");
    }
    batch = worker->batch;
    batch->db = db;
    batch->hashes[batch->count] = hash;
    batch->entries[batch->count++] = entry;
    if (batch->count == ENTRY_BATCH_MAX)
        hand_over(worker);
    return 0;
}

static uint64_t hash_key(void *env, struct slice key)
{
    const struct rdb_load *load = ((struct worker *)env)->feed->load;
    return load->hash(load->env, key);
}

static void collect_size(void *env, int db, uint64_t keys)
{
    struct worker *worker = env;
    hand_over(worker);
    if (!has_batch(worker))
        return;
    worker->batch->db = db;
    worker->batch->presize = keys;
    hand_over(worker);
}

static int collect_function(void *env, struct slice code, struct fault *fault)
{
    struct worker *worker = env;
    hand_over(worker);
    if (!has_batch(worker))
        return fault_set(fault, KV_EREFUSED, "", -1, "it was stopped");
    buf_append_slice(&worker->batch->text, code);
    hand_over(worker);
    return 0;
}

static void collect_progress(void *env, uint64_t bytes, uint64_t keys unused)
{
    struct worker *worker = env;
    if (has_batch(worker))
        worker->batch->bytes += bytes - worker->bytes_done;
    worker->bytes_done = bytes;
    hand_over(worker);
}

static void *run(void *env)
{
    struct worker *worker = env;
    const struct entry_feed *feed = worker->feed;
    worker->status = feed->work(feed->env, worker->number, &worker->load, &worker->fault);
    hand_over(worker);
    if (worker->status < 0)
        entry_queue_stop(worker->queue);
    entry_queue_end(worker->queue);
    return NULL;
}

/* --- The caller ----------------------------------------------------------------------------- */

/* Bring near what entry `i`, if there is one, will need: itself, which another thread has made, and
 * what its place in the keyspace is found by; and the place of one that is due sooner. */
static void announce(const struct rdb_load *load, const struct entry_batch *batch, int i)
{
    if (i < batch->count) {
        fetch_ahead(batch->entries[i]);
        if (load->soon)
            load->soon(load->env, batch->db, 0, batch->hashes[i]);
    }
    i -= AHEAD;
    if (i >= 0 && i < batch->count && load->soon)
        load->soon(load->env, batch->db, 1, batch->hashes[i]);
}

static int put_batch(const struct rdb_load *load, struct entry_batch *batch, struct fault *fault)
{
    int status = 0;
    if (batch->presize > 0 && load->presize)
        load->presize(load->env, batch->db, batch->presize);
    if (batch->text.len > 0)
        status = load->function(load->env, buf_slice(&batch->text), fault);
    for (int i = 0; i < 2 * AHEAD; i++)
        announce(load, batch, i);
    for (int i = 0; i < batch->count; i++) {
        announce(load, batch, i + 2 * AHEAD);
        if (status == 0)
            status = load->put(load->env, batch->db, batch->entries[i], batch->hashes[i], fault);
        else
            entry_free(batch->entries[i]);
    }
    batch->count = 0;
    return status;
}

static int consume(const struct rdb_load *load, struct entry_queue *queue, struct fault *fault)
{
    struct entry_batch *batch;
    uint64_t bytes = 0, keys = 0;
    int status = 0;
    while ((batch = entry_queue_take(queue))) {
        if (status == 0) {
            bytes += batch->bytes;
            keys += (uint64_t)batch->count;
            status = put_batch(load, batch, fault);
            if (status < 0)
                entry_queue_stop(queue);
            else if (batch->bytes > 0 && load->progress)
                load->progress(load->env, bytes, keys);
        }
        for (int i = 0; i < batch->count; i++)
            entry_free(batch->entries[i]);
        entry_queue_give_back(queue, batch);
    }
    return status;
}

/* Signals are the main thread's. */
static bool start(struct worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static void prepare(struct worker *worker, const struct entry_feed *feed, int number,
                    struct entry_queue *queue)
{
    *worker = (struct worker){.feed = feed, .queue = queue, .number = number};
    worker->fault.offset = -1;
    worker->load = *feed->load;
    worker->load.env = worker;
    worker->load.put = feed->load->put ? collect : NULL;
    worker->load.presize = collect_size;
    worker->load.hash = feed->load->hash ? hash_key : NULL;
    worker->load.soon = NULL;
    worker->load.function = feed->load->function ? collect_function : NULL;
    worker->load.progress = collect_progress;
}

static int first_fault(const struct worker *workers, int count, struct fault *fault)
{
    for (int i = 0; i < count; i++) {
        if (workers[i].status < 0 && workers[i].status != KV_EREFUSED) {
            *fault = workers[i].fault;
            return workers[i].status;
        }
    }
    return 0;
}

int entry_feed_run(const struct entry_feed *feed, struct fault *fault)
{
    struct worker workers[THREADS_MAX];
    struct fault inner = {.offset = -1}, *out = fault ? fault : &inner;
    int started = 0, status = 0, count = feed->threads < THREADS_MAX ? feed->threads : THREADS_MAX;
    struct entry_queue *queue = entry_queue_new(count);
    for (int i = 0; i < count; i++)
        prepare(&workers[i], feed, i, queue);
    while (started < count && start(&workers[started]))
        started++;
    for (int i = started; i < count; i++)
        entry_queue_end(queue);
    if (started == 0)
        status = fault_set(out, KV_ELIMIT, feed->load->path, -1,
                           "no thread could be started to read it");
    else
        status = consume(feed->load, queue, out);
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    int worked = first_fault(workers, started, out);
    entry_queue_free(queue);
    if (status < 0 && worked == 0 && !out->path[0])
        snprintf(out->path, sizeof(out->path), "%s", feed->load->path);
    return worked < 0 ? worked : status;
}

int entry_feed_threads(const struct rdb_load *load, uint64_t bytes, bool parts)
{
    cpu_set_t set;
    int threads = load->threads;
    if (load->notes_only || threads < 0)
        return 0;
    if (threads == 0) {
        if (bytes < BYTES_LEAST || sched_getaffinity(0, sizeof(set), &set) < 0)
            return 0;
        threads = CPU_COUNT(&set) > 1 ? CPU_COUNT(&set) : 0;
    }
    int most = parts ? THREADS_MAX : 1; /* a stream has one reader */
    return threads < most ? threads : most;
}
