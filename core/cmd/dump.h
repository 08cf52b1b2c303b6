/* What DUMP makes of a value, for MIGRATE too. */
#pragma once

struct buf;
struct ctx;
struct entry;

/* Append the value as a payload that RESTORE takes, by the settings of RDB. */
void dump_append(const struct ctx *ctx, const struct entry *entry, struct buf *payload);
