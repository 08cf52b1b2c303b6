/* The host port's talk with another server, for MIGRATE. */
#pragma once

#include "core/host.h"

/* See host.h. The name is resolved by the system, whose time is not limited here. */
enum exchange_end server_exchange(void *self, const struct exchange *exchange);
