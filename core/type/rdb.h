/* The grammar of values in RDB files and DUMP payloads (documented in the RDB file format notes):
 * lengths, strings, numbers. Snapshots, the base of the log and DUMP/RESTORE use it alike; whole
 * values are read and written by rdb_value.h.
 *
 * Out: into a buf. In: from a source that makes the next bytes available in one piece, whether
 * they come from memory or from a file read ahead. Everything that comes in is hostile: lengths are
 * checked against what is left and against limits before anything is allocated, and every failure
 * is a fault with its offset, never a crash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"
#include "core/type/limits.h"

struct fault;

#define RDB_VERSION_LEAST 9
#define RDB_VERSION_USUAL 10 /* Redis 7.0 and everything after it reads it */
#define RDB_STRING_MAX ((uint64_t)UINT32_MAX) /* as long as an entry may be */

/* Tags of values in front of a key; 22 and 23 mean other things in Redis and in Valkey 9. */
enum rdb_tag {
    RDB_STRING = 0, RDB_LIST = 1, RDB_SET = 2, RDB_ZSET = 3, RDB_HASH = 4, RDB_ZSET_2 = 5,
    RDB_MODULE = 6, RDB_MODULE_2 = 7, RDB_HASH_ZIPMAP = 9, RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11, RDB_ZSET_ZIPLIST = 12, RDB_HASH_ZIPLIST = 13, RDB_LIST_QUICKLIST = 14,
    RDB_STREAM = 15, RDB_HASH_LISTPACK = 16, RDB_ZSET_LISTPACK = 17, RDB_LIST_QUICKLIST_2 = 18,
    RDB_STREAM_2 = 19, RDB_SET_LISTPACK = 20, RDB_STREAM_3 = 21, RDB_HASH_METADATA_PRE = 22,
    RDB_HASH_LISTPACK_EX_PRE = 23, RDB_HASH_METADATA = 24, RDB_HASH_LISTPACK_EX = 25,
    RDB_HASH_2_VALKEY = 22, /* fields that expire, in RDB 80 and above of Valkey */
};

struct rdb_out {
    struct buf *buf;
    int version;   /* of the file or payload: types choose the tag that it knows */
    bool compress; /* strings of more than 20 bytes by LZF, where that makes them shorter */
};

void rdb_put_len(struct rdb_out *out, uint64_t len);
/* A string: as an integer if it is a canonical one of at most 32 bits, by LZF if asked for. */
void rdb_put_string(struct rdb_out *out, struct slice text);
void rdb_put_bytes(struct rdb_out *out, const void *bytes, size_t len);
void rdb_put_double(struct rdb_out *out, double value); /* 8 bytes, little-endian */
void rdb_put_u64(struct rdb_out *out, uint64_t value);  /* 8 bytes, little-endian */

struct rdb_in {
    const uint8_t *at, *end;  /* what is at hand */
    uint64_t offset;          /* of `end` in the file or payload, for messages */
    /* Make at least `wanted` bytes available at `at` (keeping those that are there); false at the
     * end of the input. NULL: there is no more than is at hand. */
    bool (*refill)(struct rdb_in *in, size_t wanted);
    void *env;
    int version;
    bool valkey;              /* tags of Valkey >= 9 (RDB 80 and above) */
    bool foreign;             /* contents come from elsewhere: verify deeply */
    const struct type_limits *limits; /* decide the encoding of what is read */
    struct buf scratch;       /* of the last string that was not in one piece or was packed */
    struct fault *fault;
};

/* 0, or KV_EFORMAT with in->fault filled in. A slice is good until the next read. */
must_check int rdb_get_byte(struct rdb_in *in, uint8_t *out);
must_check int rdb_get_len(struct rdb_in *in, uint64_t *out);
must_check int rdb_get_string(struct rdb_in *in, struct slice *out);
must_check int rdb_get_raw(struct rdb_in *in, size_t len, struct slice *out);
must_check int rdb_get_double(struct rdb_in *in, double *out);       /* 8 bytes */
must_check int rdb_get_double_text(struct rdb_in *in, double *out);  /* length byte and digits */
must_check int rdb_get_u64(struct rdb_in *in, uint64_t *out);
uint64_t rdb_offset(const struct rdb_in *in);
void rdb_in_free(struct rdb_in *in);
/* Fill in the fault at the present offset; returns KV_EFORMAT. */
int rdb_bad(struct rdb_in *in, const char *format, ...) printf_like(2, 3);
