/* Faults and failed assertions: text for the operator. */
#include "core/base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kv_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "kv: assertion failed: %s (%s:%d)\n", condition, file, line);
    fflush(stderr);
    abort();
}

/* Clears what is shown, not all 1.5 KiB: faults are set on paths that may be taken often. */
static void fault_begin(struct fault *fault, int code, const char *path, int64_t offset)
{
    fault->code = code;
    fault->system_errno = 0;
    fault->offset = offset;
    snprintf(fault->path, sizeof(fault->path), "%s", path == NULL ? "" : path);
    fault->text[0] = '\0';
}

int fault_set(struct fault *fault, int code, const char *path, int64_t offset, const char *format,
              ...)
{
    va_list args;
    char text[sizeof(fault->text)];

    if (fault == NULL)
        return code;
    /* Formatted aside first: an argument may be the text of this very fault, to which more is said.
     */
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (path == fault->path) {
        fault->code = code;
        fault->system_errno = 0;
        fault->offset = offset;
    } else {
        fault_begin(fault, code, path, offset);
    }
    memcpy(fault->text, text, strlen(text) + 1);
    return code;
}

int fault_errno(struct fault *fault, const char *path, int64_t offset, const char *doing)
{
    int error = errno;
    int code = error == ENOSPC || error == EDQUOT ? KV_ENOSPACE : KV_EIO;

    fault_set(fault, code, path, offset, "%s: %s", doing, strerror(error));
    if (fault != NULL)
        fault->system_errno = error;
    errno = error;
    return code;
}

int fault_status(struct fault *fault, int64_t status, const char *path, int64_t offset,
                 const char *doing)
{
    errno = (int)-status;
    return fault_errno(fault, path, offset, doing);
}

const char *fault_line(const struct fault *fault, char *out, int out_bytes)
{
    char where[32] = "";

    if (out_bytes <= 0)
        return "";
    if (fault->offset >= 0)
        snprintf(where, sizeof(where), "offset %lld: ", (long long)fault->offset);
    snprintf(out, (size_t)out_bytes, "%s%s%s%s", fault->path, fault->path[0] == '\0' ? "" : ": ",
             where, fault->text);
    return out;
}
