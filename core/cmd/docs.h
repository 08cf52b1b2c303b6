/* The arguments of a command, as COMMAND DOCS tells them, from the text in its row.
 *
 * A row's syntax is a list of arguments with blanks between them:
 *
 *   name:type      type is string, integer, double, key, pattern, unix-time or pure-token
 *   name=TOKEN     a word that stands for itself (type pure-token); "" is the empty one
 *   name(a|b|c)    one of several arguments
 *   name{a b}      several arguments that belong together
 *   [argument]     may be left out
 *
 * Behind an argument, or behind the bracket around it, in any order:
 *
 *   @TOKEN  stands behind this word      %n       is key specification n; a key without it is
 *   ...     may be repeated                       the one of its turn, from 0
 *   ...+    with the word each time      ^1.2.3   since that version
 *                                        !1.2.3   not to be used since that version
 *
 * A name may hold ':' and '/', a type may not. */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

struct doc_argument {
    struct slice name, since, deprecated; /* empty: none */
    struct slice token;                   /* data NULL: none */
    struct slice type;
    bool optional, multiple, multiple_token;
    int key_spec; /* -1: none */
    int child_count;
    struct doc_argument *children, *next;
};

/* Parse `syntax` (NULL stands for no arguments) into a list in the arena; *count gets its length.
 * False: the text is not in the notation; *at_byte tells where. */
bool docs_parse(struct arena *arena, const char *syntax, struct doc_argument **first, int *count,
                int *at_byte);
