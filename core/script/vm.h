/* A Lua state in a sandbox: what is in it, how much memory it may take, and what scripts can't
 * change. There are two: one for EVAL, one for functions. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scripts;

/* Functions of the base library that ours stand in front of. */
enum vm_original {
    VM_PCALL, VM_RAWGET, VM_RAWSET, VM_SETMETATABLE, VM_GETMETATABLE, VM_COLLECTGARBAGE,
    VM_TABLE_INSERT, VM_ORIGINALS,
};

struct vm {
    lua_State *lua;
    struct scripts *scripts;
    size_t bytes;      /* in use by Lua */
    size_t limit;      /* an allocation beyond it fails; 0: none (outside of a script) */
    int globals;       /* reference: the table of globals itself */
    int protected;     /* reference: what scripts see of it */
    int on_error;      /* reference: vm_on_error */
    lua_CFunction originals[VM_ORIGINALS];
    uint64_t *random;  /* state of math.random, shared by all states */
};

/* Open: `add` puts what is ours (redis, bit ...) into the globals, still writable. */
void vm_open(struct vm *vm, struct scripts *scripts, uint64_t *random,
             void (*add)(lua_State *lua));
void vm_close(struct vm *vm);
struct vm *vm_of(lua_State *lua);

/* The table on top of the stack is replaced by a stand-in that can be read only. */
void vm_protect(lua_State *lua);
/* The stand-in at index -1 stands from now on for the globals. */
void vm_show_globals(struct vm *vm);

/* __index for tables of which an unknown name is a mistake. */
int vm_undefined(lua_State *lua);
/* The message handler of scripts: makes the error a table {err, source, line}. */
int vm_on_error(lua_State *lua);
/* Compile; bytes that were compiled before are refused like any other that is no text. The chunk,
 * or the error, is pushed; the result is lua_load's. */
int vm_compile(lua_State *lua, const char *code, size_t len, const char *name);
/* Raise {err = text}. */
int vm_raise(lua_State *lua, const char *text);
