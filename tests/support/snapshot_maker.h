/* Small snapshots made through the sink of persistence/snapshot_writer.c, with a bit of everything:
 * notes, databases, a value in three frames, one that was begun before its turn,
 * frames by the side, a deadline. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/snapshot_sink.h"

struct disk;

#define SNAPSHOT_MAKER_KVID "00112233445566778899aabbccddeeff"
#define SNAPSHOT_MAKER_KEYS 10
/* What it holds, as "<db>:<key>=<value>[@deadline] ", sorted; of the list its elements one behind
 * the other. */
#define SNAPSHOT_MAKER_CONTENT                                                                     \
    "0:after=ends 0:alpha=1 0:beta=two@5000 0:later=z 0:long=onetwothreefour 0:side=kept "        \
    "0:waits=pqr 5:more=again 5:side5=five 5:x=y "

/* Hand a whole snapshot to the sink: head, frames, finish. `generation` is in a note, so that two
 * of them differ. */
void snapshot_maker_put(struct snapshot_sink *sink, unsigned generation);
/* begin, put, wait. */
enum snapshot_state snapshot_maker_run(struct snapshot_sink *sink, enum snapshot_form form,
                                       const char *path, unsigned generation,
                                       struct snapshot_result *out);
/* The same with a writer of its own. */
enum snapshot_state snapshot_maker_write(const struct disk *disk, enum snapshot_form form,
                                         const char *path, unsigned generation,
                                         struct snapshot_result *out);
