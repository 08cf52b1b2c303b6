/* Filler.
 *
 * An append makes the file longer and turns space that was taken into space that was written; so
 * each sync of it commits the file system's journal, too. A sync of bytes that are written over
 * others does not, and takes half to two thirds of the time. So under `always` the sync thread
 * writes bytes that mean nothing behind the log's end, syncs them, and batches go over them.
 *
 *   ... batch #KVC...\r\n | #....\n#.......\n ...  #.......\n | space taken, not written
 *                         ^ end                     ^ synced   ^ size                  ^ reserved
 *
 * The byte at offset p is `#` if p is a multiple of 512, `\n` if it is the last before one, else
 * `.`; and the byte right behind a batch is `#` whatever p is. To a stock server all of it is lines
 * of comment. A batch that is torn has no `#` behind it, so what follows is no line that a stock
 * server takes: it refuses instead of taking filler for the rest of a value. Our own readers do not
 * see filler: reader_open lets the file end before it. It is no evidence of anything: kv.durable
 * and the trailers prove what was durable, as if the file ended there.
 *
 * INVARIANTS
 *   1. Filler is written only at `size`, under the lock, and never over a batch: a batch that ends
 *      near `synced` or behind it is written under the lock, too, and moves `size`.
 *   2. Within `synced` the log thread takes no lock, and waits for nobody.
 *   3. `size` lies within the space that was taken (`reserved`), and from end to `size` there is no
 *      gap.
 *   4. A file is created, announced and given up without filler: it comes later, and a clean end
 *      and a successor cut it off.
 *   5. The write of a batch covers its `#`; the sync does too.
 *
 * A failed write or sync of filler poisons the file, as one of a batch does. Where the load is
 * faster than FAST_BYTES a ms, filler would double what the disk has to write: then there is none,
 * and batches are appended.
 *
 * Why not zeros: a stock server does not load a log with zeros at its end. Why not old files over
 * again: their batches would have to be told from new ones. */
#include "persistence/log_fill.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/log_heal.h"
#include "persistence/log_names.h"
#include "persistence/log_private.h"

#define PIECES 4              /* fill_bytes are filled in so many */
#define FROM_DIVISOR 16       /* a file shorter than that part of fill_bytes gets none */
#define FAST_BYTES 16384

void log_fill_init(struct log_fill *fill)
{
    pthread_mutex_init(&fill->lock, NULL);
    fill->fd = -1;
}

static void close_own(struct log *log)
{
    const struct disk *disk = log->options.disk;

    if (log->fill.fd >= 0)
        disk->close(disk->self, log->fill.fd);
    log->fill.fd = -1;
}

void log_fill_free(struct log *log)
{
    close_own(log);
    pthread_mutex_destroy(&log->fill.lock);
}

void log_fill_follow(struct log *log)
{
    struct log_fill *fill = &log->fill;

    pthread_mutex_lock(&fill->lock);
    fill->number = log->file.number;
    fill->size = log->file.end.offset;
    atomic_store(&fill->synced, 0);
    atomic_store(&fill->goal, 0);
    pthread_mutex_unlock(&fill->lock);
    fill->looked_ms = 0;
}

void log_fill_begin(struct log *log, const struct log_file *file, uint64_t end,
                    struct log_mark *mark)
{
    struct log_fill *fill = &log->fill;
    uint64_t to;

    mark->len = 0;
    mark->locked = false;
    if (file != &log->file || !log->options.fill_bytes)
        return;
    mark->len = 1;
    mark->bytes[0] = '#';
    if (end + 2 * FORMAT_FILLER_LINE <= atomic_load(&fill->synced))
        return;
    pthread_mutex_lock(&fill->lock);
    mark->locked = true;
    if (end >= fill->size) {
        mark->len = 0;
    } else if (fill->size - end <= FORMAT_FILLER_LINE) {
        /* so that what is left is never less than a whole line */
        to = (fill->size / FORMAT_FILLER_LINE + 1) * FORMAT_FILLER_LINE;
        mark->len = to - end;
        format_put_filler(mark->bytes, end, mark->len);
    }
}

void log_fill_end(struct log *log, uint64_t end, const struct log_mark *mark)
{
    struct log_fill *fill = &log->fill;

    if (!mark->locked)
        return;
    if (end + mark->len > fill->size)
        fill->size = end + mark->len;
    pthread_mutex_unlock(&fill->lock);
}

/* The log has outrun the filler, or there was none: is it slow enough? */
static bool slow_enough(struct log *log)
{
    struct log_fill *fill = &log->fill;
    uint64_t end = log->file.end.offset, now = bell_now_ms();
    uint64_t passed = now - fill->looked_ms, bytes = end - fill->looked_at;
    bool first = fill->looked_ms == 0;

    if (!first && passed < log->options.fill_pause_ms)
        return false;
    fill->looked_ms = now;
    fill->looked_at = end;
    return !first && (!log->options.fill_pause_ms || bytes <= FAST_BYTES * passed);
}

void log_fill_look(struct log *log)
{
    struct log_fill *fill = &log->fill;
    uint64_t bytes = log->options.fill_bytes, end = log->file.end.offset;
    uint64_t synced = atomic_load(&fill->synced), goal;

    if (!bytes || log->no_allocate || end < bytes / FROM_DIVISOR || synced >= end + bytes / 2 ||
        atomic_load(&log->journal->policy) != JOURNAL_ALWAYS)
        return;
    goal = end + bytes < log->file.reserved ? end + bytes : log->file.reserved;
    goal -= goal % FORMAT_FILLER_LINE;
    if (goal < atomic_load(&fill->goal) + bytes / PIECES || (end >= synced && !slow_enough(log)))
        return;
    atomic_store(&fill->goal, goal);
    bell_ring(&log->due);
}

/* --- The sync thread ------------------------------------------------------------------------- */

/* False: no descriptor is to be had just now. */
static bool open_own(struct log *log, char path[static LOG_PATH_MAX])
{
    const struct disk *disk = log->options.disk;
    struct log_fill *fill = &log->fill;
    char name[MANIFEST_NAME_MAX + 1];

    log_incr_name(name, sizeof name, log->name, fill->number);
    snprintf(path, LOG_PATH_MAX, "%.700s/%s", log->directory, name);
    if (fill->fd >= 0 && fill->fd_number == fill->number)
        return true;
    close_own(log);
    fill->fd = disk->open(disk->self, path, O_WRONLY, 0);
    fill->fd_number = fill->number;
    return fill->fd >= 0;
}

/* With the lock: write the next piece. The bytes, or KV_E... */
static int64_t write_piece(struct log *log, char path[static LOG_PATH_MAX], struct fault *fault)
{
    struct log_fill *fill = &log->fill;
    uint64_t to = fill->size + log->options.fill_bytes / PIECES;
    uint64_t goal = atomic_load(&fill->goal);
    size_t len;
    char *bytes;
    int status;

    if (to > goal)
        to = goal;
    to -= to % FORMAT_FILLER_LINE;
    if (to <= fill->size + FORMAT_FILLER_LINE || atomic_load(&log->poisoned) ||
        !open_own(log, path))
        return 0;
    len = to - fill->size;
    bytes = mem_alloc(len);
    format_put_filler(bytes, fill->size, len);
    status = file_write_at(log->options.disk, fill->fd, path, bytes, len, (off_t)fill->size, fault);
    mem_free(bytes);
    if (status < 0)
        return status;
    fill->size = to;
    return (int64_t)len;
}

bool log_fill_work(struct log *log)
{
    const struct disk *disk = log->options.disk;
    struct log_fill *fill = &log->fill;
    char path[LOG_PATH_MAX];
    struct fault fault = {0};
    uint64_t to, number;
    int64_t status;

    if (atomic_load(&fill->goal) <= atomic_load(&fill->synced))
        return false;
    pthread_mutex_lock(&fill->lock);
    status = write_piece(log, path, &fault);
    number = fill->number;
    to = fill->size;
    if (status == 0)
        atomic_store(&fill->goal, 0);
    pthread_mutex_unlock(&fill->lock);
    if (status == 0)
        return false;
    if (status > 0) {
        int synced = disk->fdatasync(disk->self, fill->fd);

        if (synced < 0)
            status = fault_status(&fault, synced, path, -1, "fdatasync");
    }
    pthread_mutex_lock(&fill->lock);
    if (number == fill->number && status > 0)
        atomic_store(&fill->synced, to);
    else if (number == fill->number)
        log_poison(log, &fault);
    if (status < 0)
        atomic_store(&fill->goal, 0);
    pthread_mutex_unlock(&fill->lock);
    if (status < 0)
        bell_ring(&log->work);
    return true;
}

void log_fill_part(struct log *log)
{
    struct log_fill *fill = &log->fill;

    pthread_mutex_lock(&fill->lock);
    if (fill->fd_number != fill->number)
        close_own(log);
    pthread_mutex_unlock(&fill->lock);
}
