/* Streams among the types of values: memory, copying, and the RDB format. */
#pragma once

#include "core/type/value.h"

extern const struct type_ops stream_ops;
