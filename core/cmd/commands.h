/* The list of all command rows, for registry_new. A file of commands ends with its array of rows,
 * which ends with a row whose name is NULL; a new file is declared and listed in commands.c. */
#pragma once

struct command;

/* Ends with NULL. */
extern const struct command *const command_tables[];
