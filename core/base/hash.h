/* Hashes and checksums: XXH3 with a secret seed for tables, zlib's crc32 for the log. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

/* 64 bits of XXH3 under `seed`. */
uint64_t hash_bytes(struct slice bytes, uint64_t seed);

/* zlib's crc32, continued from `crc` (0 to begin). Any length. */
uint32_t crc32_bytes(uint32_t crc, const void *bytes, size_t len);

/* SHA-1 in 40 hex digits (script names) and SHA-256 in 64 (stored passwords); both from OpenSSL's
 * libcrypto. */
void sha1_hex(struct slice bytes, char out[static 41]);
void sha256_hex(struct slice bytes, char out[static 65]);
/* Equal in a time that does not depend on where they differ. */
int secret_equal(struct slice a, struct slice b);
