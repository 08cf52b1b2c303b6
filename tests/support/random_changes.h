/* Random changes of a keyspace with values of all types, small and large: what a snapshot has to
 * bear while it is cut. random_values_begin comes first. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct entry;
struct keyspace;
struct place;
struct type_limits;

#define RANDOM_CHANGES_DATABASES 4 /* that are used */

/* Put over so many keys. */
void random_fill(struct keyspace *keyspace, int keys);
/* A value that is cut: of another type for each number. */
struct entry *random_large(struct slice key, int number, uint64_t count);
/* Change it in place, each of its elements perhaps more than once. */
void random_change_all(struct keyspace *keyspace, const struct type_limits *limits,
                       struct place *place);
/* Anything that may happen to a key, or to a database. */
void random_change(struct keyspace *keyspace, const struct type_limits *limits);
