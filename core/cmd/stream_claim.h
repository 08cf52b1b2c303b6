/* How changes of groups are recorded. */
#pragma once

#include <stddef.h>

#include "core/base/slice.h"

struct ctx;
struct stream;
struct stream_consumer;
struct stream_group;
struct stream_id;

/* Make a consumer that was not there, tell of it, and record it. */
struct stream_consumer *stream_new_consumer(struct ctx *ctx, struct stream *stream,
                                            struct slice key, struct slice group_name,
                                            struct stream_group *group, struct slice name);
/* What is pending under these IDs, which have the same consumer, time and count. */
void stream_record_claim(struct ctx *ctx, struct slice key, struct slice group_name,
                         const struct stream_group *group, const struct stream_id *ids,
                         size_t count);
/* How far the group has come. */
void stream_record_group(struct ctx *ctx, struct slice key, struct slice group_name,
                         const struct stream_group *group);
/* -NOGROUP No such key or group. */
void stream_reply_no_group(struct ctx *ctx, struct slice key, struct slice group_name);
