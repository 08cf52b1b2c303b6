/* CONFIG REWRITE: the config file's text with the present values. */
#pragma once

#include "core/base/buf.h"
#include "core/base/slice.h"

struct settings;

/* Comments, order and unknown lines are kept, changed values replaced in place, and what the file
 * does not say yet but would need to say is appended. `users`, whole lines, takes the place of all
 * lines about users. Loading `out` gives `settings`. */
void settings_rewrite(const struct settings *settings, struct slice old_text, struct slice users,
                      struct buf *out);
