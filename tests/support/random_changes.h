/* Random changes of a keyspace with values of all types, small and large: what a snapshot has to
 * bear while it is cut. random_values_begin comes first. */
#pragma once

struct keyspace;
struct type_limits;

#define RANDOM_CHANGES_DATABASES 4 /* that are used */

/* Put over so many keys. */
void random_fill(struct keyspace *keyspace, int keys);
/* Anything that may happen to a key, or to a database. */
void random_change(struct keyspace *keyspace, const struct type_limits *limits);
