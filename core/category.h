/* ACL categories of commands: their names, and which commands are in them. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct command;

struct category_word {
    uint32_t bit;     /* enum command_category; 0 ends the table */
    const char *name; /* "@read" */
};

extern const struct category_word category_words[];

/* The categories of a row, and those that follow from its flags. */
uint32_t category_of_command(const struct command *command);
/* By name without the @, any case; 0 if there is none. */
uint32_t category_find(struct slice name);
