/* Text as an operator types it: lines of a config file or an inline command split into words, with
 * quotes. */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

/* Split `line` into words: separated by white space, "..." with \n \r \t \b \a \\ \" \xHH, '...'
 * with \' only.
 *   words    set to an array in the arena
 *   returns  how many, or -1 if quotes are not closed, or a closing quote is not followed by white
 *            space.
 */
int text_split(struct arena *arena, struct slice line, struct slice **words);

/* `text` with what cannot be printed as \xHH and quotes escaped, in double quotes (as in CONFIG
 * REWRITE and MONITOR). */
struct slice text_quote(struct arena *arena, struct slice text);

/* `text` has this end, and something before it. */
bool text_ends_with(const char *text, const char *end);
