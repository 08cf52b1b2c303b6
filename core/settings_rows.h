/* The rows of the options: what settings.c and settings_rewrite.c work from. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct settings;

enum setting_kind {
    SETTING_BOOL,
    SETTING_INT,
    SETTING_OCTAL,
    SETTING_MEMORY,
    SETTING_ENUM,    /* the field is an int */
    SETTING_STRING,
    SETTING_SPECIAL, /* by functions of its own */
};

enum setting_flag {
    SETTING_IMMUTABLE = 1 << 0, /* not by CONFIG SET */
    SETTING_PROTECTED = 1 << 1, /* by CONFIG SET only with enable-protected-configs */
    SETTING_RESTART = 1 << 2,   /* CONFIG SET takes the present value only */
    SETTING_WORDS = 1 << 3,     /* several words in a file mean the same as one in quotes */
    SETTING_LINES = 1 << 4,     /* may stand in several lines, which add up */
    SETTING_NO_EFFECT = 1 << 5, /* accepted; a value that is not the default warns */
    SETTING_LATER = 1 << 6,     /* the same, and a later version gives it its meaning */
    SETTING_REFUSED = 1 << 7,   /* only the default is accepted: what it promises is not there */
    SETTING_FILE_ONLY = 1 << 8, /* a directive, not an option: unknown to CONFIG */
    SETTING_NOT_EMPTY = 1 << 9, /* a string that names something */
    SETTING_LINE_KEPT = 1 << 20, /* a directive whose words are kept in settings.lines */
    SETTING_NO_SLASH = 1 << 10, /* a file name, not a path */
    SETTING_SECRET = 1 << 11,   /* its value is not to be shown to others */
    SETTING_BARE = 1 << 13,     /* may stand without a word: the empty text, or adds nothing */
    SETTING_HIDDEN = 1 << 14,   /* for test suites: CONFIG GET shows it by its whole name only */
    SETTING_VOLATILE = 1 << 12, /* names a file: CONFIG SET to the same value reads it again */
};

#define SETTING_KEPT SIZE_MAX /* no field: the text is in settings.kept */

struct setting_word {
    const char *word; /* the last one of a list is NULL */
    int value;
};

struct setting_row {
    const char *name;
    const char *alias; /* an older or newer name for the same, or NULL */
    enum setting_kind kind;
    uint32_t flags;
    size_t field; /* offset in struct settings, or SETTING_KEPT */
    int64_t min, max;
    const char *initial; /* the default, as text */
    const struct setting_word *words;
    /* SETTING_SPECIAL: check `text` and store it in the field, or its canonical form in `kept`.
     * `add`: another line of the same file. False: `why` says in Redis' words what is wrong, and
     * nothing was changed. */
    bool (*read)(struct settings *settings, struct slice text, bool add, struct buf *kept,
                 char why[static 512]);
    void (*show)(const struct settings *settings, struct buf *out); /* NULL: what was kept */
};

extern const struct setting_row setting_rows[]; /* the last one has no name */

const struct setting_row *setting_row_find(struct slice name);
/* The present value as CONFIG GET shows it, appended to `out`. */
void setting_show(const struct settings *settings, const struct setting_row *row, struct buf *out);
/* Check and store. False: `why` says what is wrong, and nothing was changed. */
must_check bool setting_read(struct settings *settings, const struct setting_row *row,
                             struct slice text, bool add, char why[static 512]);
