/* What CLIENT and HELLO share: names that clients give themselves. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;

/* Names are printable and without blanks, so that CLIENT LIST stays readable. False: the error was
 * replied; it begins with `what`. */
must_check bool client_name_check(struct ctx *ctx, const char *what, struct slice name);
/* Replace a name; the empty one takes it away. */
void client_name_set(char **field, struct slice name);
