/* notify-keyspace-events: which classes of events are published, as a set of letters. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct buf;

/* The bit of a class's letter (one of Kg$lshzxetdmnE), 0 if it is none. */
uint32_t notify_bit(char letter);
/* "KEA" -> bits; false if a letter is unknown. */
bool notify_read(struct slice letters, uint32_t *out);
/* The canonical letters: K, E, then A or the single classes. */
void notify_show(uint32_t bits, struct buf *out);
