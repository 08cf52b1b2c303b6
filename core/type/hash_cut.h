/* Large hashes on their way into a snapshot: see value_cut.h. */
#pragma once

struct cut_ops;
struct field;
struct value_cut;

extern const struct cut_ops hash_cut_ops;

/* Write a field that is out: for hash_table.c, which then marks it. */
void hash_cut_put(struct value_cut *cut, const struct field *field);
