/* Replies in RESP2 and RESP3, built into the session's output. Where the two differ, the command
 * calls one function and the session's protocol decides. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;

void reply_ok(struct ctx *ctx);
void reply_simple(struct ctx *ctx, const char *text);              /* +text */
void reply_int(struct ctx *ctx, int64_t value);   /* :value */
void reply_bulk(struct ctx *ctx, struct slice bytes);              /* $len */
void reply_text(struct ctx *ctx, const char *text);                /* the same from a C string */
void reply_bulk_i64(struct ctx *ctx, int64_t value);               /* the digits as a bulk string */
void reply_null(struct ctx *ctx);   /* $-1 or _ */
void reply_null_array(struct ctx *ctx);   /* *-1 or _ */
void reply_bool(struct ctx *ctx, bool value);   /* :1/:0 or #t/#f */
void reply_double(struct ctx *ctx, double value);                  /* bulk or , */
void reply_long_double(struct ctx *ctx, long double value);        /* bulk, as INCRBYFLOAT */
/* 17 digits behind the point at most, none of them a zero at the end: bulk or , */
void reply_human_double(struct ctx *ctx, long double value);
/* bulk or =len kind: */
void reply_verbatim(struct ctx *ctx, struct slice text, const char kind[static 4]);

void reply_array(struct ctx *ctx, size_t items);                   /* *items; the items follow */
void reply_map(struct ctx *ctx, size_t pairs);   /* * or %: keys and values follow */
void reply_set(struct ctx *ctx, size_t items);   /* * or ~ */
void reply_push(struct ctx *ctx, size_t items);   /* * or > */

/* An error. `format` begins with the prefix, without the dash: "WRONGTYPE Operation against ...".
 * Line ends inside become spaces. Counted in errorstats; a command that replies with an error
 * must have changed nothing. */
void reply_error(struct ctx *ctx, const char *format, ...) printf_like(2, 3);

/* The errors that many commands share. */
void reply_wrong_type(struct ctx *ctx);
void reply_syntax_error(struct ctx *ctx);
void reply_not_integer(struct ctx *ctx);
void reply_not_float(struct ctx *ctx);
void reply_no_such_key(struct ctx *ctx);
void reply_out_of_range(struct ctx *ctx);   /* ERR index out of range */
void reply_invalid_expire(struct ctx *ctx);   /* names the command */
void reply_wrong_arity(struct ctx *ctx);   /* names the command */
/* HELP of a container command, from its subcommands' rows. */
void reply_help(struct ctx *ctx, const char *const *lines, size_t count);

/* Read an argument or reply with the error Redis gives: false if it was replied. */
must_check bool arg_i64(struct ctx *ctx, struct slice arg, int64_t *out);
must_check bool arg_i64_in(struct ctx *ctx, struct slice arg, int64_t min, int64_t max,
                           int64_t *out);
must_check bool arg_double(struct ctx *ctx, struct slice arg, double *out);
/* The number of a database. */
must_check bool arg_db(struct ctx *ctx, struct slice arg, int *out);
