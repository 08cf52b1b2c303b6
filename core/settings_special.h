/* Options whose text has a form of its own: save points, buffer limits, addresses and the like.
 * Each pair is named in a row of settings_rows.c; see struct setting_row for the contract. */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/slice.h"

struct settings;

#define SETTING_READ(name)                                                                   \
    bool name(struct settings *settings, struct slice text, bool add, struct buf *kept,      \
              char why[static 512])
#define SETTING_SHOW(name) void name(const struct settings *settings, struct buf *out)

SETTING_READ(setting_read_bind);
SETTING_SHOW(setting_show_bind);
SETTING_READ(setting_read_output);
SETTING_SHOW(setting_show_output);
SETTING_READ(setting_read_save);
SETTING_SHOW(setting_show_save);
SETTING_READ(setting_read_clients);
SETTING_READ(setting_read_percentiles);
SETTING_SHOW(setting_show_percentiles);
SETTING_READ(setting_read_events);
SETTING_SHOW(setting_show_events);
SETTING_READ(setting_read_oom_values);
SETTING_SHOW(setting_show_oom_values);
SETTING_READ(setting_read_sigint);
SETTING_SHOW(setting_show_sigint);
SETTING_READ(setting_read_sigterm);
SETTING_SHOW(setting_show_sigterm);
SETTING_READ(setting_read_hz);
SETTING_SHOW(setting_show_hz);
SETTING_READ(setting_read_title);
SETTING_SHOW(setting_show_title);
SETTING_READ(setting_read_password);
SETTING_SHOW(setting_show_password);
SETTING_READ(setting_read_replicaof);
