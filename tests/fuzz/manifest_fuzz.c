/* The manifest on any bytes: what is accepted is written in our form, and read back the same; of a
 * sealed one with a byte changed nothing is accepted. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "persistence/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest, again;
    struct buf text = {0};
    struct fault fault = {0};
    if (manifest_parse((struct slice){(const char *)data, size}, "fuzz", &manifest, &fault) < 0) {
        kv_assert(fault.text[0]);
        return 0;
    }
    manifest_format(&manifest, &text);
    int status = manifest_parse(buf_slice(&text), "fuzz", &again, &fault);
    /* a name so long that its line, quoted, would be longer than stock servers read */
    if (status == 0) {
        kv_assert(again.sealed);
        kv_assert(again.kv_mark);
        kv_assert(again.count == manifest.count);
        for (int i = 0; i < manifest.count; i++) {
            kv_assert(strcmp(again.files[i].name, manifest.files[i].name) == 0);
            kv_assert(again.files[i].seq == manifest.files[i].seq);
            kv_assert(again.files[i].type == manifest.files[i].type);
            kv_assert(again.files[i].raw == manifest.files[i].raw);
        }
        manifest_free(&again);
        text.data[size % text.len] ^= (char)(1 << size % 7);
        kv_assert(manifest_parse(buf_slice(&text), "fuzz", &again, &fault) < 0);
    }
    manifest_free(&manifest);
    buf_free(&text);
    return 0;
}
