/* Sorted sets in RDB files and DUMP payloads. */
#pragma once

struct type_ops;

extern const struct type_ops zset_ops;
