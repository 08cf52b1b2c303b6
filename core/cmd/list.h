/* What the commands of lists share: those that block and those that do not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/ctx.h"
#include "core/type/list.h"

struct list list_at(const struct ctx *ctx, const struct place *place);
/* The position of an index, which counts from the end if it is negative; false if there is no
 * element. */
bool list_position(const struct list *list, int64_t index, uint64_t *position);
/* Reply one element, or the first `count` from one end as an array. */
void list_reply_one(struct ctx *ctx, const struct place *place, bool front);
void list_reply_many(struct ctx *ctx, const struct place *place, bool front, uint64_t count);
/* Take them off; the key goes with the last. With the events of it. */
void list_take(struct ctx *ctx, struct place *place, bool front, uint64_t count);
/* Put one element, whose bytes lie elsewhere, into a list that may be new. */
void list_put(struct ctx *ctx, struct place *place, bool front, struct slice element);

/* LEFT or RIGHT; false if the syntax error was replied. */
must_check bool list_arg_end(struct ctx *ctx, int index, bool *front);
/* numkeys key ... LEFT|RIGHT [COUNT n], from argument `at` on. */
struct list_mpop {
    int keys_at, keys;
    bool front;
    int64_t count;
};
must_check bool list_arg_mpop(struct ctx *ctx, int at, struct list_mpop *out);

/* What they do once there is something; false if there was nothing, and nothing was replied. */
bool list_pop_first(struct ctx *ctx, const struct list_mpop *which, bool with_count);
bool list_move(struct ctx *ctx, struct slice from, struct slice to, bool from_front,
               bool to_front);
