/* Naming the keys that a stretch of a log file speaks of: for operators who must decide whether
 * they can go on without it. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct reader;

/* Append the first words behind the command names between two offsets of the file, quoted,
 * separated by ", ", each once, at most `max` of them (then ", ..."). Reading ends where bytes
 * can't be read.
 *   returns  how many commands with a key there are, as far as they could be read */
uint64_t keys_name(struct reader *reader, uint64_t from, uint64_t to, int max, struct buf *out);
