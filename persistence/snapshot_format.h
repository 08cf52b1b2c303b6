/* The bytes of snapshots' files: the LZ4 file's head, frames and footer, and the index, which is in
 * that footer or lies beside a plain RDB (.kvi). Tables of offsets in snapshot_format.c. Nothing
 * here touches a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

#define SNAPSHOT_KVID_CHARS 32
#define SNAPSHOT_HEAD_BYTES 72  /* of the LZ4 file, in front of the first frame */
#define SNAPSHOT_TAIL_BYTES 16  /* at its very end */
#define SNAPSHOT_MAGIC_BYTES 9  /* "REDIS0010", the first part of the RDB */
#define SNAPSHOT_END_BYTES 9    /* the RDB's last part: 0xff and its CRC64 */
#define SNAPSHOT_INDEX_LEAST 92 /* an index without parts */
#define SNAPSHOT_INDEX_MAX ((uint64_t)1 << 30)
#define SNAPSHOT_INDEX_SUFFIX ".kvi"

enum {
    SNAPSHOT_PART_CONTINUES = 1, /* it goes on within a value of the part before */
    SNAPSHOT_PART_HEAD = 2,      /* magic, AUX fields, functions: no keys */
    SNAPSHOT_PART_END = 4,       /* the end and the checksum */
};

/* A stretch of the RDB: a frame of the LZ4 file, or so many bytes of a plain one. It ends where the
 * next one begins. */
struct snapshot_part {
    uint64_t offset; /* in the file */
    uint64_t raw;    /* in the RDB; the same for a plain one */
    uint64_t keys;   /* that begin in it */
    int32_t db;      /* of its first key; -1 for HEAD and END */
    uint32_t crc;    /* crc32 (zlib's) of its bytes in the file */
    uint32_t flags;
    uint64_t sum;    /* CRC64 of its raw bytes: the writer's, as is the next, not in the index */
    uint32_t value;  /* see core/snapshot_sink.h */
};

struct snapshot_index {
    char kvid[SNAPSHOT_KVID_CHARS + 1]; /* "" if there was no log */
    uint64_t seq;
    uint64_t bytes;     /* where the parts end in the file */
    uint64_t raw_bytes; /* of the RDB */
    uint64_t keys;
    uint64_t sum;       /* CRC64 with which the RDB ends */
    struct snapshot_part *parts; /* owned; in the order of the file */
    size_t count, cap;
};

void snapshot_index_add(struct snapshot_index *index, const struct snapshot_part *part);
/* Bytes of a part in the file, and in the RDB. */
uint64_t snapshot_part_bytes(const struct snapshot_index *index, size_t part);
uint64_t snapshot_part_raw(const struct snapshot_index *index, size_t part);
void snapshot_index_free(struct snapshot_index *index);

/* All bytes of the index, as they are in a .kvi file. */
void snapshot_index_put(const struct snapshot_index *index, struct buf *out);
/* Read them. `begin` is where the first part must be in the file (0, or SNAPSHOT_HEAD_BYTES).
 * False: `why` says what is wrong with it, and `out` is empty. */
must_check bool snapshot_index_get(struct slice bytes, uint64_t begin, struct snapshot_index *out,
                                   const char **why);

/* The head of the LZ4 file. */
struct snapshot_head {
    char kvid[SNAPSHOT_KVID_CHARS + 1];
    uint64_t seq, raw_bytes;
};

void snapshot_head_put(const struct snapshot_head *head, char out[static SNAPSHOT_HEAD_BYTES]);
must_check bool snapshot_head_get(const char bytes[static SNAPSHOT_HEAD_BYTES],
                                  struct snapshot_head *out);

/* Does a file that begins so claim to be LZ4, of ours or of the lz4 tool? 4 bytes suffice. */
bool snapshot_is_lz4(struct slice begin);

/* The footer: the index in a skippable frame that ends with the tail. */
void snapshot_footer_put(const struct snapshot_index *index, struct buf *out);
/* Where the footer begins, from the last bytes of the file. False: this is no tail. */
must_check bool snapshot_tail_get(const char bytes[static SNAPSHOT_TAIL_BYTES], uint64_t *footer);
/* Read it, all of it; it begins at `footer` in the file. */
must_check bool snapshot_footer_get(struct slice bytes, uint64_t footer,
                                    struct snapshot_index *out, const char **why);

/* One LZ4 frame of `raw`, appended to `out`: independent blocks, content size, content checksum.
 * Not `compress`: blocks as they are, and the length depends on raw.len alone. */
void snapshot_frame_pack(struct slice raw, bool compress, struct buf *out);

/* Unpacking frames: keeps its memory from one to the next. One thread at a time. */
struct snapshot_unpacker;
struct snapshot_unpacker *snapshot_unpacker_new(void);
void snapshot_unpacker_free(struct snapshot_unpacker *unpacker);
/* One frame, all of it, that holds exactly raw_len bytes. False: it is damaged. */
must_check bool snapshot_frame_unpack(struct snapshot_unpacker *unpacker, struct slice frame,
                                      void *raw, size_t raw_len);
/* What a frame of so many bytes holds at most: checked before room is made for it. */
uint64_t snapshot_frame_raw_max(uint64_t frame_bytes);
/* A stream of frames, skippable ones included: unpack some of `*in` (which is moved on) to `out`,
 * at most `room` bytes; *made says how many. *more: the stream is in the middle of a frame. False:
 * damage. */
must_check bool snapshot_stream_unpack(struct snapshot_unpacker *unpacker, struct slice *in,
                                       void *out, size_t room, size_t *made, bool *more);
