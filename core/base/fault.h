/* What went wrong with the disk, the system or a file: filled in where it happened, shown to the
 * operator as it is. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

enum {
    KV_EIO = -1,        /* a system call failed; fault.system_errno says how */
    KV_ENOSPACE = -2,   /* the disk is full */
    KV_ECORRUPT = -3,   /* bytes that were acknowledged are damaged */
    KV_EVERSION = -4,   /* written by a newer kv, or a type we do not know */
    KV_EREFUSED = -5,   /* going on would lose data, or an operator must decide */
    KV_ELIMIT = -6,     /* beyond a limit of ours */
    KV_EBUSY = -7,      /* another process has it */
    KV_EFORMAT = -8,    /* input that is not what it should be */
};

struct fault {
    int code;           /* one of the above, 0 for none */
    int system_errno;   /* 0 if the system had no part in it */
    int64_t offset;     /* in the file, -1 if none */
    char path[512];     /* "" if none */
    char text[1024];    /* what happened, and the command that mends it; no path, no offset */
};

/* Fill in `fault` (which may be NULL) and return `code`. */
int fault_set(struct fault *fault, int code, const char *path, int64_t offset, const char *format,
              ...) printf_like(5, 6);
/* The same with the text of errno appended: "write: No space left on device". ENOSPC and EDQUOT
 * give KV_ENOSPACE, everything else KV_EIO. */
int fault_errno(struct fault *fault, const char *path, int64_t offset, const char *doing);
/* The same for a call that has returned -errno. */
int fault_status(struct fault *fault, int64_t status, const char *path, int64_t offset,
                 const char *doing);
/* One line: "path: offset 123: text". Returns `out`. */
const char *fault_line(const struct fault *fault, char *out, int out_bytes);
