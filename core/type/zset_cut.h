/* Large sorted sets on their way into a snapshot: see value_cut.h. */
#pragma once

struct cut_ops;
struct value_cut;
struct zset_item;

extern const struct cut_ops zset_cut_ops;

/* Write an item, unless it is in, and put it in: for zset_large.c. */
void zset_cut_put(struct value_cut *cut, struct zset_item *item);
