/* Hashes and checksums, each from the library that does it best. */
#include "core/base/hash.h"

#include <openssl/sha.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zlib.h>

#include "core/base/crc_fold.h"
#include "core/base/num.h"

uint64_t hash_bytes(struct slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.len, seed);
}

uint32_t crc32_bytes(uint32_t crc, const void *bytes, size_t len)
{
    static const struct crc_fold_keys keys = {{0x653d982200000000, 0xcad38e8f00000000},
                                              {0x65673b4600000000, 0x9ba54c6f00000000}};
    uint8_t folded[CRC_FOLDED];
    /* zlib's sums are inverted before and after. */
    size_t taken = crc_fold(&keys, ~crc, bytes, len, folded);

    if (taken > 0)
        crc = (uint32_t)crc32_z(UINT32_MAX, folded, sizeof(folded));
    /* zlib takes no bytes at NULL as "give the first value". */
    if (len == taken)
        return crc;
    return (uint32_t)crc32_z(crc, (const uint8_t *)bytes + taken, len - taken);
}

void sha1_hex(struct slice bytes, char out[static 41])
{
    unsigned char digest[SHA_DIGEST_LENGTH];

    SHA1((const unsigned char *)bytes.data, bytes.len, digest);
    num_format_hex(out, digest, sizeof(digest));
}

void sha256_hex(struct slice bytes, char out[static 65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)bytes.data, bytes.len, digest);
    num_format_hex(out, digest, sizeof(digest));
}

int secret_equal(struct slice a, struct slice b)
{
    unsigned char differs = a.len != b.len;

    /* Goes through all of `a` whatever `b` is: only the length of what the client sent shows. */
    for (size_t i = 0; i < a.len; i++)
        differs |= (unsigned char)(a.data[i] ^ (b.len == 0 ? 1 : b.data[i % b.len]));
    return differs == 0;
}
