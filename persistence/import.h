/* Logs of stock servers: what recovery does with them beyond reading. */
#pragma once

#include "core/base/attr.h"
#include "persistence/manifest.h"

struct disk;
struct fault;
struct walk;

/* A manifest that names one file beside the log's directory as its base: the single file of an old
 * stock server (dir/appendonly.aof), or a dump. */
void import_single(struct manifest *out, const char *name);

/* Bring that file into the log's directory, as a stock server of version 7 does: a manifest that
 * names it first, then the file; a dump is copied and stays where it was. A crash in between leaves
 * what import goes on from. Nothing to do for files that are in their place. */
must_check int import_move(const struct walk *walk, const char *append_filename,
                           struct fault *fault);

/* Write into `manifest` what the walk found about bytes without trailers, and whose files they are
 * from now on. */
void import_mark(const struct walk *walk, struct manifest *manifest);
