/* Glob patterns as KEYS, SCAN and CONFIG GET know them: * ? [a-z] [^a] and backslash. */
#pragma once

#include <stdbool.h>

#include "core/base/slice.h"

/* True if all of `text` matches. Work is bounded: at most pattern.len * text.len steps, no
 * recursion without limit. */
bool glob_match(struct slice pattern, struct slice text);
bool glob_match_nocase(struct slice pattern, struct slice text);
/* True if the pattern has no special character, so that it names one text only. */
bool glob_is_literal(struct slice pattern);
