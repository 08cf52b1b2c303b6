/* Reading ahead: a thread walks the log, and so checks it, while its caller applies what was found
 * good. Both read the files, the second time out of the page cache. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

struct ahead;
struct fault;
struct walk;

/* A stretch of one file that is good and was not handed out before. */
struct ahead_part {
    int file;
    uint64_t from, to;
};

/* Begin the walk over the files of `walk` from one on that begins with no snapshot; those before
 * were walked. Its `good` and `env` are taken over. Until ahead_stop the walk belongs to the
 * thread; of it, only the files' paths may be read. */
must_check int ahead_start(struct walk *walk, int from, struct ahead **out, struct fault *fault);

/* Wait for the next part; asking for it says that the one before was applied. 1, or 0 if there
 * is no more: the walk has ended, one way or the other. */
must_check int ahead_next(struct ahead *ahead, struct ahead_part *out);

/* End the walk where it is, if it has not ended, and give everything back. Returns what walk_file
 * returned, with its fault; 0 if the walk was ended here. */
int ahead_stop(struct ahead *ahead, struct fault *fault);
