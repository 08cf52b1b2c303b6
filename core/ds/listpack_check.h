/* What is asked of a listpack that came from elsewhere, before it becomes a value as it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An element equals another one, as text; of every `step` elements only the first is looked at:
 * step 2 for the fields of a hash. The listpack is valid. Linear in the elements, but for bytes
 * that were made to have equal hashes. Beyond 128 elements it allocates 16 bytes an element. */
bool listpack_has_twice(const uint8_t *listpack, size_t step);

/* An element is longer, as text, than `bytes`. */
bool listpack_has_longer(const uint8_t *listpack, size_t bytes);
