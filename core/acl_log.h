/* The log of what was denied, for ACL LOG: the newest first, equal ones within a minute counted
 * together, no more than acllog-max-len of them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/acl_check.h"
#include "core/base/slice.h"

#define ACL_LOG_OBJECT_BYTES 1024 /* of a key, channel or user name are kept */

enum acl_context { ACL_TOPLEVEL, ACL_MULTI, ACL_SCRIPT, ACL_MODULE };

struct acl_entry {
    struct acl_entry *next;
    uint64_t id, count;
    enum acl_verdict reason;
    enum acl_context context;
    char *object, *username, *client; /* what was denied, to whom, a line of CLIENT LIST */
    size_t object_len, username_len, client_len;
    int64_t created_ms, updated_ms;
};

struct acl_log {
    struct acl_entry *first;
    uint64_t next_id;
    int64_t count;
};

/* All texts are copied. */
void acl_log_add(struct acl_log *log, int64_t most, int64_t now_ms, enum acl_verdict reason,
                 enum acl_context context, struct slice object, struct slice username,
                 struct slice client);
/* Drop the oldest until there are no more than `most`. */
void acl_log_trim(struct acl_log *log, int64_t most);

/* "command", "toplevel": as ACL LOG names them. */
const char *acl_log_reason(enum acl_verdict reason);
const char *acl_log_context(enum acl_context context);
