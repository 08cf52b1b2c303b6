/* Values of every type with random contents, for tests that change a keyspace at random. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"
#include "core/type/entry.h"

struct hash;
struct list;
struct rng;
struct set;
struct stream;
struct type_limits;
struct zset;

/* Before all others: the chance that follows is that of `seed`. */
void random_values_begin(uint64_t seed, const struct type_limits *limits);
struct rng *random_source(void);
/* A number below `bound`. */
uint64_t pick(uint64_t bound);

struct slice random_word(char out[static 32], uint64_t bound);
/* Good until the next one. */
struct slice random_string(void);

/* Add so many elements, or less where one is there already. */
void random_hash(struct hash *hash, uint64_t count);
void random_set(struct set *set, uint64_t count);
void random_zset(struct zset *zset, uint64_t count);
void random_list(struct list *list, uint64_t count);
void random_stream(struct stream *stream, uint64_t count);
/* Of any type. */
struct entry *random_entry(struct slice key, uint64_t count, int64_t deadline);
