/* A command: one static function and its row, at the end of the same file in core/cmd. The row says
 * everything about it that anything else needs to know: nobody asks which command is running. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct slice;

enum command_flag {
    COMMAND_WRITE = 1 << 0,          /* may change the keyspace */
    COMMAND_READONLY = 1 << 1,
    COMMAND_DENYOOM = 1 << 2,        /* refused above maxmemory when nothing can be evicted */
    COMMAND_ADMIN = 1 << 3,
    COMMAND_PUBSUB = 1 << 4,
    COMMAND_NOSCRIPT = 1 << 5,
    COMMAND_BLOCKING = 1 << 6,
    COMMAND_LOADING = 1 << 7,        /* answered while loading */
    COMMAND_STALE = 1 << 8,
    COMMAND_SKIP_MONITOR = 1 << 9,
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_ASKING = 1 << 11,
    COMMAND_FAST = 1 << 12,
    COMMAND_NO_AUTH = 1 << 13,       /* allowed before AUTH */
    COMMAND_MAY_REPLICATE = 1 << 14, /* counts as a write for monitors and scripts; not shown */
    COMMAND_NO_ASYNC_LOADING = 1 << 15,
    COMMAND_NO_MULTI = 1 << 16,
    COMMAND_NO_MANDATORY_KEYS = 1 << 17,
    COMMAND_MOVABLE_KEYS = 1 << 18,
    COMMAND_ALLOW_BUSY = 1 << 19,
    /* ours, not shown by COMMAND INFO: */
    COMMAND_RUNS_SCRIPT = 1 << 23,   /* writes if not READONLY, even if it fails */
    COMMAND_DELETES = 1 << 24,       /* only ever frees space: allowed on a full disk */
    COMMAND_ALL_KEYS = 1 << 25,      /* its reply depends on every key: the newest change */
    COMMAND_NO_HOLD = 1 << 26,       /* its reply never waits for the log (INFO, CONFIG ...) */
    COMMAND_TOUCHES_NOTHING = 1 << 27, /* no LRU update: OBJECT, TYPE, TTL ... */
    COMMAND_NEVER_QUEUED = 1 << 28,  /* runs at once behind MULTI, too */
    COMMAND_PROTECTED = 1 << 20,     /* `forbidden` says if the config allows it */
    COMMAND_PARTIAL = 1 << 22,       /* what it did before an error stays done: MIGRATE */
    COMMAND_KEEPS_CACHING = 1 << 21, /* CLIENT CACHING is for the command behind it */
    COMMAND_WHILE_SUBSCRIBED = 1 << 30, /* allowed to a subscriber in RESP2 */
    COMMAND_RUNS_QUEUE = 1 << 29,    /* EXEC: it is what is queued that the gate judges */
};

enum command_category {              /* ACL categories beyond those that follow from flags */
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_READ = 1 << 1,
    CATEGORY_WRITE = 1 << 2,
    CATEGORY_SET = 1 << 3,
    CATEGORY_SORTEDSET = 1 << 4,
    CATEGORY_LIST = 1 << 5,
    CATEGORY_HASH = 1 << 6,
    CATEGORY_STRING = 1 << 7,
    CATEGORY_BITMAP = 1 << 8,
    CATEGORY_HYPERLOGLOG = 1 << 9,
    CATEGORY_GEO = 1 << 10,
    CATEGORY_STREAM = 1 << 11,
    CATEGORY_PUBSUB = 1 << 12,
    CATEGORY_ADMIN = 1 << 13,
    CATEGORY_FAST = 1 << 14,
    CATEGORY_SLOW = 1 << 15,
    CATEGORY_BLOCKING = 1 << 16,
    CATEGORY_DANGEROUS = 1 << 17,
    CATEGORY_CONNECTION = 1 << 18,
    CATEGORY_TRANSACTION = 1 << 19,
    CATEGORY_SCRIPTING = 1 << 20,
};

enum command_record {
    RECORD_NOTHING,  /* changes no key */
    RECORD_REQUEST,  /* as it was sent, if it changed something: it is deterministic */
    RECORD_EFFECTS,  /* by ctx_effect: what it did */
};

/* Where keys are in the arguments, as COMMAND INFO's key specifications tell. */
enum key_flag {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
    /* shown as unknown: found by the keyword, if there is one, else not found */
    KEY_UNKNOWN = 1 << 11,
};

struct key_spec {
    uint16_t flags;      /* enum key_flag; 0: no such spec */
    int8_t first;        /* index of the first key */
    int8_t last, step;   /* range: last relative to first if >= 0, from the end if negative */
    /* keynum form: if keynum_step != 0, the count of keys is argument `first`, keys begin
     * `keynum_first` behind it */
    int8_t keynum_first, keynum_step;
    /* range with last < 0: the keys are the first of `limit` equal parts of the arguments, if not
     * 0 */
    int8_t limit;
    /* begin after this word, searched from argument `first` on (negative: backwards); NULL:
     * index */
    const char *keyword;
};

#define COMMAND_KEY_SPECS 3

/* Which arguments are channels, for ACL: publishing and subscribing are checked. */
enum command_channels { CHANNELS_NONE, CHANNELS_FIRST, CHANNELS_ALL, CHANNELS_PATTERNS };

struct command {
    const char *name;            /* lower case; of a subcommand only the second word */
    void (*run)(struct ctx *ctx); /* NULL for a container */
    int16_t arity;               /* with the name (and subcommand's); negative: at least */
    uint8_t record;              /* enum command_record */
    uint8_t channels;            /* enum command_channels */
    uint32_t flags;
    uint32_t categories;
    struct key_spec keys[COMMAND_KEY_SPECS];
    bool (*only_reads)(struct ctx *ctx); /* the script it runs; NULL: flags tell */
    const char *(*forbidden)(const struct ctx *ctx); /* COMMAND_PROTECTED: the error, or NULL */
    /* An argument may hold a secret, which nobody is shown (slow log, MONITOR); NULL: none does. */
    bool (*is_secret)(int argc, const struct slice *argv, int index);
    /* For rows whose keys, or what is done to them, no specification tells exactly: finds them in
     * place of `keys`, with the contract of command_keys. NULL: `keys` tells. */
    int (*find_keys)(const struct command *command, int argc, const struct slice *argv,
                     int *positions, int *flags, int most);
    /* For COMMAND DOCS, which parses `syntax`: core/cmd/docs.c has the notation. */
    const char *group, *since, *complexity, *summary, *syntax;
    const char *deprecated_since, *replaced_by; /* NULL if it is not */
    const char *const *history;  /* pairs "7.0.0", "text"; NULL-terminated; may be NULL */
    const char *const *tips;     /* NULL-terminated; may be NULL */
    const struct command *subcommands; /* ends with a row whose name is NULL; NULL if none */
};

bool command_is_secret(const struct command *command, int argc, const struct slice *argv,
                       int index);

/* Positions of the keys in a request, at most `most`; returns how many, or -1 if the arguments
 * do not fit the specs. `flags` may be NULL. */
int command_keys(const struct command *command, int argc, const struct slice *argv,
                 int *positions, int *flags, int most);
/* The same by the specifications alone. */
int command_keys_of_specs(const struct command *command, int argc, const struct slice *argv,
                          int *positions, int *flags, int most);
/* For find_keys: put the count-th key into its place, if there is room; returns 1 if there was. */
int command_add_key(int position, int key_flags, int *positions, int *flags, int count, int most);
