/* See the header. Values are compared by their digests. */
#include "tests/support/keyspace_twin.h"

#include <string.h>

#include "core/keyspace.h"
#include "core/type/digest.h"
#include "core/type/value.h"
#include "tests/support/test.h"

struct pairing {
    struct keyspace *other;
    int db;
};

static struct place in_other(const struct pairing *pairing, struct slice key)
{
    return keyspace_find(pairing->other, pairing->db, key, keyspace_hash(pairing->other, key));
}

static void copy_entry(void *env, struct entry *entry)
{
    const struct pairing *pairing = env;
    struct slice key = entry_key(entry);
    struct place place = in_other(pairing, key);

    keyspace_put(pairing->other, &place, entry_copy(entry, key, entry_deadline(entry)));
}

struct keyspace *keyspace_twin(const struct keyspace *keyspace)
{
    struct pairing pairing = {.other = keyspace_new(KEYSPACE_TWIN_DATABASES, 5, NULL)};

    for (pairing.db = 0; pairing.db < KEYSPACE_TWIN_DATABASES; pairing.db++)
        keyspace_each(keyspace, pairing.db, copy_entry, &pairing);
    return pairing.other;
}

static void compare_entry(void *env, struct entry *entry)
{
    const struct pairing *pairing = env;
    struct place place = in_other(pairing, entry_key(entry));
    struct digest a = digest_of_value(entry), b;

    assert_non_null(place.entry);
    assert_int_equal(entry_deadline(entry), entry_deadline(place.entry));
    b = digest_of_value(place.entry);
    if (memcmp(&a, &b, sizeof(a)) != 0)
        fail_msg("%.*s of database %d is another %s", (int)entry_key(entry).len,
                 entry_key(entry).data, pairing->db, type_name(entry_type(entry)));
}

void keyspace_twin_assert(const struct keyspace *keyspace, struct keyspace *expected)
{
    struct pairing pairing = {.other = expected};

    for (pairing.db = 0; pairing.db < KEYSPACE_TWIN_DATABASES; pairing.db++) {
        assert_int_equal(keyspace_count(keyspace, pairing.db),
                         keyspace_count(expected, pairing.db));
        keyspace_each(keyspace, pairing.db, compare_entry, &pairing);
    }
}
