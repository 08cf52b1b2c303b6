/* Sets in RDB files.
 *
 *   tag               what follows it
 *    2 SET            count; member ...
 *   11 SET_INTSET     a string: an intset
 *   20 SET_LISTPACK   a string: a listpack of members
 *
 * Most of what is read are small sets in the form of 2, that being what Redis 7.0 knows: their
 * members go into a listpack one behind the other, and only then it is looked whether one is there
 * twice, which is damage.
 */
#include "core/type/set_rdb.h"

#include "core/ds/intset.h"
#include "core/ds/listpack.h"
#include "core/ds/listpack_check.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/set.h"

#define SMALL_MEMBERS_MAX 512        /* of a set that is gathered, whatever the limits are */
#define SMALL_BYTES_MAX (256 * 1024) /* the same */

static int bad_twice(struct rdb_in *in)
{
    return rdb_bad(in, "a set has a member twice");
}

/* Add what was read. */
static int add_member(struct set *set, struct slice member, struct rdb_in *in)
{
    return set_add(set, member, in->limits) ? 0 : bad_twice(in);
}

/* Members one by one, into whatever the set is. */
static int add_members(struct rdb_in *in, struct set *set, uint64_t count)
{
    struct slice member;
    int code = 0;

    for (; count > 0 && code == 0; count--) {
        if ((code = rdb_get_string(in, &member)) == 0)
            code = add_member(set, member, in);
    }
    return code;
}

/* As many of `count` members as the limits allow, into a new listpack; *left are not read. The
 * first is `member`, which is no integer. */
static int gather(struct rdb_in *in, struct slice member, uint64_t count, struct set *set,
                  uint64_t *left)
{
    size_t most = (size_t)in->limits->set_value_bytes, bytes = 0;
    size_t room = (member.len + 2) * (size_t)count + LISTPACK_EMPTY_BYTES;
    uint8_t *listpack = listpack_new(room < SMALL_BYTES_MAX ? room : SMALL_BYTES_MAX);
    int code = 0;

    while (code == 0 && member.len <= most && bytes < SMALL_BYTES_MAX) {
        listpack = listpack_append(listpack, member);
        bytes += member.len;
        if (--count == 0)
            break;
        code = rdb_get_string(in, &member);
    }
    *set = (struct set){ENCODING_LISTPACK, listpack_shrink(listpack)};
    *left = count;
    if (code != 0)
        return code;
    if (listpack_has_twice(set->value, 1))
        return bad_twice(in);
    if (count == 0)
        return 0;
    *left = count - 1;
    return add_member(set, member, in); /* which was read, and does not fit */
}

static int decode_plain(struct rdb_in *in, struct set *set)
{
    uint64_t count;
    struct slice member;
    struct set_at at;
    int code = rdb_get_len(in, &count);

    if (code != 0 || count == 0)
        return code;
    *set = set_new(SLICE("0"), count < SIZE_MAX ? (size_t)count : SIZE_MAX, in->limits);
    if ((code = rdb_get_string(in, &member)) != 0)
        return code;
    if (set->encoding == ENCODING_INTSET && !set_find(set, member, &at) && !at.is_int &&
        count <= (uint64_t)in->limits->set_entries && count <= SMALL_MEMBERS_MAX &&
        member.len <= (size_t)in->limits->set_value_bytes) {
        set_free(set);
        set->value = NULL;
        code = gather(in, member, count, set, &count);
    } else {
        code = add_member(set, member, in);
        count--;
    }
    return code != 0 ? code : add_members(in, set, count);
}

static int decode_intset(struct rdb_in *in, struct set *set)
{
    struct slice bytes;
    int code = rdb_get_string(in, &bytes);

    if (code != 0)
        return code;
    if (!intset_valid((const uint8_t *)bytes.data, bytes.len))
        return rdb_bad(in, "a set of integers is damaged");
    if (intset_count((const uint8_t *)bytes.data) == 0)
        return 0;
    *set = (struct set){ENCODING_INTSET, intset_copy((const uint8_t *)bytes.data)};
    set_expect(set, set_count(set), in->limits);
    return 0;
}

static int decode_listpack(struct rdb_in *in, struct set *set)
{
    struct slice bytes;
    const uint8_t *listpack;
    size_t count;
    int code = rdb_get_string(in, &bytes);

    if (code != 0)
        return code;
    listpack = (const uint8_t *)bytes.data;
    if (!listpack_valid(listpack, bytes.len, true))
        return rdb_bad(in, "a set's listpack is damaged");
    count = listpack_count(listpack);
    if (count == 0)
        return 0;
    if (count <= (size_t)in->limits->set_entries) {
        *set = (struct set){ENCODING_LISTPACK, listpack_copy(listpack)};
        return listpack_has_twice(listpack, 1) ? bad_twice(in) : 0;
    }
    *set = set_new(SLICE("a"), count, in->limits);
    for (uint8_t *at = listpack_first(listpack); at != NULL && code == 0;
         at = listpack_next(listpack, at)) {
        char digits[SET_DIGITS];

        code = add_member(set, listpack_get(at, digits), in);
    }
    return code;
}

int set_rdb_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding, void **value)
{
    struct set set = {.value = NULL};
    int code;

    if (tag == RDB_SET_INTSET)
        code = decode_intset(in, &set);
    else if (tag == RDB_SET_LISTPACK)
        code = decode_listpack(in, &set);
    else
        code = decode_plain(in, &set);
    if (code != 0 && set.value != NULL)
        set_free(&set);
    *encoding = set.encoding;
    *value = set.value;
    return code;
}
