/* Libraries of functions: their code, what they have registered, and how they are found. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct arena;
struct fault;
struct libraries;
struct library;
struct scripts;

struct function {
    struct function *next;     /* of the same library */
    struct library *library;
    char *name, *description;  /* description may be NULL */
    uint32_t flags;            /* enum script_flag */
    int reference;             /* in the registry of the state */
};

struct library {
    struct library *next;      /* in the order of names; or of those that are to be added */
    char *name;
    char *code;
    size_t len, bytes;
    struct function *functions;
    int count;
};

struct libraries *libraries_new(uint64_t seed);
/* The state is closed behind it: functions in there are not given back one by one. */
void libraries_free(struct libraries *libraries);

/* Compile and run the code: what it registers is the library, which belongs to the caller and is
 * not found yet. NULL: the text of the error (behind "ERR ") is in `error`. */
struct library *library_make(struct scripts *scripts, struct slice code, struct buf *error);
void library_free(struct scripts *scripts, struct library *library);
/* The name in the first line, in the arena; false: the error. For what is checked before the code
 * runs. */
bool library_read_name(struct arena *arena, struct slice code, struct slice *name,
                       struct slice *body, struct buf *error);

/* Add it. False, with the error, if the name or a function's is there; `replace`: one of that name
 * is taken out, and freed. */
bool libraries_add(struct scripts *scripts, struct library *library, bool replace,
                   struct buf *error);
/* Whether libraries_add would be refused by a function of another library than `except`. */
struct library *libraries_find(const struct libraries *libraries, struct slice name);
void libraries_remove(struct scripts *scripts, struct library *library);
/* All of them. */
void libraries_clear(struct scripts *scripts);
struct function *libraries_function(const struct libraries *libraries, struct slice name);

struct library *libraries_first(const struct libraries *libraries);
size_t libraries_count(const struct libraries *libraries);
size_t libraries_functions(const struct libraries *libraries);
size_t libraries_bytes(const struct libraries *libraries);
void libraries_each_code(const struct libraries *libraries,
                         void (*visit)(void *env, struct slice code), void *env);
/* One of a snapshot: see scripting.h. */
must_check int libraries_load(struct scripts *scripts, struct slice code, struct fault *fault);

/* redis.register_function */
int library_register(lua_State *lua);
