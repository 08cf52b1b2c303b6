/* Filling an ordered tree at once. */
#pragma once

#include <stddef.h>

struct tree;

/* `tree` is empty. The items, no two of them equal, are sorted here if they are in no order, up or
 * down. */
void tree_fill(struct tree *tree, void **items, size_t count);
