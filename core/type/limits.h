/* Where small collections become big ones: the settings that the types share. Read through a
 * pointer that type_limits_use() is given once, so that decoding and commands see one truth. */
#pragma once

#include <stdint.h>

struct type_limits {
    int64_t hash_entries, hash_value_bytes;  /* listpack up to here */
    int64_t set_intset_entries;
    int64_t set_entries, set_value_bytes;
    int64_t zset_entries, zset_value_bytes;
    int64_t list_node_size;                  /* > 0: entries; -1 .. -5: 4, 8, 16, 32, 64 KiB */
    /* nodes at each end that are never compressed; 0: off */
    int64_t list_compress_depth;
    int64_t stream_node_bytes, stream_node_entries; /* 0: no limit */
    int64_t hll_sparse_bytes;
};
