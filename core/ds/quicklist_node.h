/* The nodes of a quicklist, for the files that are one with it: see quicklist.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quicklist_cut;

struct node {
    uint8_t *bytes;  /* a listpack, or LZ4 */
    uint32_t gap;    /* bytes of the block before it */
    uint32_t count;
    uint32_t raw;    /* bytes of the listpack */
    uint32_t packed; /* bytes of LZ4; 0: not packed */
    uint32_t memory; /* of the block */
    uint32_t place;  /* 1 + its number in the list's cut; 0: it is not in it */
};

struct quicklist {
    struct node *slots;
    size_t first, length, cap;
    uint64_t count;
    size_t raw;    /* sum of the nodes */
    size_t memory; /* sum of the nodes */
    struct quicklist_cut *cut; /* NULL: none */
};

/* Move the bytes to where their block begins. */
void node_close_gap(struct node *node);

/* The listpack of a packed node, in a block of its own. */
uint8_t *node_unpack_copy(const struct node *node);

/* The node's block is the cut's, too. */
bool quicklist_cut_shares(const struct quicklist_cut *cut, const struct node *node);
/* The list lets go of the block: the cut takes it if it still wants it; false: it does not. */
bool quicklist_cut_take(struct quicklist_cut *cut, const struct node *node);
