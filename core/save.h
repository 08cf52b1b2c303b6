/* Saving: when a snapshot is made, and what becomes of it. A dump is a file for its own sake (SAVE,
 * BGSAVE, save points, SHUTDOWN SAVE); a base takes the place of what the log has recorded
 * (BGREWRITEAOF, and by growth). One at a time; states in save.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct fault;
struct journal_base;
struct save;

#define SAVE_PATH_MAX 1280

struct save *save_new(void);
void save_free(struct save *save);

/* Begin a dump of what is in the keyspace now. KV_EBUSY: a snapshot is being made; KV_EREFUSED:
 * this server writes no files; or what the sink says. */
int save_dump(struct engine *engine, struct fault *fault);
/* The same, and wait until it is on stable storage. Blocks. */
int save_dump_wait(struct engine *engine, struct fault *fault);
/* A log is switched on while the server runs: who opens it, and is told how that ended. */
struct save_birth {
    /* At the end of a turn, when no snapshot is being made: open it. The journal is BEGINNING, and
     * a snapshot of what is in memory now is to be its base: where, is in `out`. */
    int (*begin)(void *env, struct journal_base *out, struct fault *fault);
    /* That is named: the log is on. Or why it is not: what `begin` did is to be undone. */
    void (*end)(void *env, const char *problem);
    void *env;
};
/* In the background, as soon as no other snapshot is being made. */
void save_turn_on(struct engine *engine, const struct save_birth *birth);
/* From then until the end. */
bool save_turning_on(const struct engine *engine);
/* It is not wanted any more. */
void save_turn_on_cancel(struct engine *engine);
/* As soon as no other snapshot is being made. */
void save_schedule_dump(struct engine *engine);
/* All was flushed by request. Where dumps alone keep what there is (save points, no log), one is
 * made as soon as possible: a crash shall not bring back what was deleted. */
void save_flushed(struct engine *engine);
/* A new base, begun at the end of this turn, or as soon as no other snapshot is being made.
 * KV_EBUSY: one is being made, or wanted, already; KV_EREFUSED: there is no log. */
int save_base(struct engine *engine, struct fault *fault);

enum save_cancelled { SAVE_NONE_CANCELLED, SAVE_SCHEDULED_CANCELLED, SAVE_RUNNING_CANCELLED };
/* Of dumps. */
enum save_cancelled save_cancel(struct engine *engine);
/* All databases are emptied next: a snapshot that is being cut begins anew, behind that; but the
 * first base of a log goes on. */
void save_drop(struct engine *engine);
/* Give up whatever is being made: the process is about to stop. */
void save_stop(struct engine *engine);

/* At the end of each turn, when the open batch was offered to the journal. */
void save_turn(struct engine *engine);
/* Now and then: save points, growth of the log, what was scheduled. */
void save_tick(struct engine *engine);

/* The file that a dump is, as a path; it may not be there. */
void save_path(const struct engine *engine, char out[static SAVE_PATH_MAX]);
/* True if the last dump failed, save points are set, and there is no log to keep the changes. */
bool save_stops_writes(const struct engine *engine);
/* The keyspace is as a dump has it: one was just loaded. */
void save_loaded(struct engine *engine);

struct save_figures {
    bool running, scheduled, last_ok;
    uint64_t done, failures;          /* since the start; failures in a row */
    int64_t started_ms, last_s;       /* last: seconds that it took, -1 none yet */
};

struct save_report {
    struct save_figures dump, base;
    uint64_t changes;                 /* since the last dump */
    int64_t last_dump_unix;           /* when it was complete */
    uint64_t file_bytes, raw_bytes;   /* of the one that runs, so far, else of the last */
    char problem[512];                /* of the last that failed */
};
void save_report(const struct engine *engine, struct save_report *out);
