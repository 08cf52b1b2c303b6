/* CRC-64 with Jones' polynomial, as RDB files and DUMP payloads end with it: reflected, begun with
 * 0, nothing mixed in at the end ("123456789" gives e9c6d914c4b8d9ca). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continued from `crc` (0 to begin). Any length. */
uint64_t crc64_bytes(uint64_t crc, const void *bytes, size_t len);
/* The sum of two runs of bytes one behind the other, from the sum of each begun with 0 and the
 * length of the second. O(log len). */
uint64_t crc64_combine(uint64_t first, uint64_t second, uint64_t second_len);
