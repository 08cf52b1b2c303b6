/* Deadlines as clients give them, made wall-clock milliseconds without overflow. */
#include "core/cmd/deadline.h"

#include <math.h>

#include "core/base/num.h"
#include "core/ctx.h"

static bool deadline_make(struct ctx *ctx, int64_t number, enum deadline_unit unit,
                          enum deadline_from from, int64_t *deadline_ms)
{
    if (unit == DEADLINE_SECONDS && __builtin_mul_overflow(number, 1000, &number)) {
        reply_invalid_expire(ctx);
        return false;
    }
    if (from == DEADLINE_FROM_NOW && __builtin_add_overflow(number, ctx->now_ms, &number)) {
        reply_invalid_expire(ctx);
        return false;
    }
    /* That number is taken: it means none. Both are long over. */
    if (number == ENTRY_NO_DEADLINE)
        number++;
    *deadline_ms = number;
    return true;
}

bool deadline_positive(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                       enum deadline_from from, int64_t *deadline_ms)
{
    int64_t number;

    if (!arg_i64(ctx, arg, &number))
        return false;
    if (number <= 0) {
        reply_invalid_expire(ctx);
        return false;
    }
    return deadline_make(ctx, number, unit, from, deadline_ms);
}

bool deadline_any(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                  enum deadline_from from, int64_t *deadline_ms)
{
    int64_t number;

    return arg_i64(ctx, arg, &number) && deadline_make(ctx, number, unit, from, deadline_ms);
}

bool deadline_wait(struct ctx *ctx, struct slice arg, int64_t *timeout_ms)
{
    long double seconds, ms;

    if (!num_parse_long_double(arg, &seconds)) {
        reply_error(ctx, "ERR timeout is not a float or out of range");
        return false;
    }
    ms = ceill(seconds * 1000);
    if (ms >= (long double)INT64_MAX) {
        reply_error(ctx, "ERR timeout is out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(ctx, "ERR timeout is negative");
        return false;
    }
    *timeout_ms = (int64_t)ms;
    if (*timeout_ms <= INT64_MAX - ctx->now_ms)
        return true;
    reply_error(ctx, "ERR timeout is out of range");
    return false;
}
