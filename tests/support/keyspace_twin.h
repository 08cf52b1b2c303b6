/* A copy of a keyspace, and whether another one is equal to it. */
#pragma once

struct keyspace;

#define KEYSPACE_TWIN_DATABASES 16

/* All entries, copied deep. */
struct keyspace *keyspace_twin(const struct keyspace *keyspace);
/* Fail the test unless both hold the same keys, deadlines and values. */
void keyspace_twin_assert(const struct keyspace *keyspace, struct keyspace *expected);
