/* What we are, and what we speak. */
#pragma once

#define KV_VERSION "0.1.0"
#define KV_REDIS_VERSION "7.2.4" /* for clients that ask what commands there are */
