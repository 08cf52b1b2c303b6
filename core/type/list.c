/* In RDB 10 and above a list is a count of nodes and, for each, its kind (1: one element as it is,
 * 2: a listpack) and its bytes; before that, a count of elements and the elements. Read are also
 * the ziplists of Redis up to 6. */
#include "core/type/list.h"

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/ds/quicklist_cut.h"
#include "core/type/legacy.h"
#include "core/type/rdb.h"
#include "core/type/value_cut.h"

#define NODE_PLAIN 1
#define NODE_PACKED 2
#define VERSION_OF_LISTPACKS 10

static struct quicklist_limits limits_of(const struct type_limits *limits)
{
    return (struct quicklist_limits){
        .node_size = limits->list_node_size,
        .compress_depth = limits->list_compress_depth,
    };
}

static bool is_small(const struct list *list)
{
    return list->encoding == ENCODING_LISTPACK;
}

/* ---- conversions ---- */

static void grow(struct list *list)
{
    struct quicklist_limits limits = limits_of(list->limits);
    struct quicklist *quicklist = quicklist_new();
    if (listpack_count(list->value) > 0)
        quicklist_append_node(quicklist, list->value, &limits);
    else
        listpack_free(list->value);
    list->encoding = ENCODING_QUICKLIST;
    list->value = quicklist;
}

/* At half of the limit, so that a list that lingers there is not converted to and fro. */
static void shrink(struct list *list)
{
    if (is_small(list) || quicklist_nodes(list->value) != 1 || quicklist_is_cut(list->value))
        return;
    if (!quicklist_fits(quicklist_bytes(list->value) * 2, quicklist_count(list->value) * 2,
                        list->limits->list_node_size))
        return;
    list->value = quicklist_into_listpack(list->value);
    list->encoding = ENCODING_LISTPACK;
}

void list_expect(struct list *list, const struct slice *elements, int count)
{
    if (!is_small(list))
        return;
    size_t bytes = listpack_bytes(list->value);
    for (int i = 0; i < count; i++)
        bytes += listpack_element_bytes(elements[i]);
    if (!quicklist_fits(bytes, listpack_count(list->value) + (size_t)count,
                        list->limits->list_node_size))
        grow(list);
}

/* ---- the two forms ---- */

struct list list_new(const struct type_limits *limits)
{
    return (struct list){ENCODING_LISTPACK, listpack_new(0), limits};
}

struct list list_of(const struct entry *entry, const struct type_limits *limits)
{
    return (struct list){entry_encoding(entry), entry_value(entry), limits};
}

uint64_t list_count(const struct list *list)
{
    return is_small(list) ? listpack_count(list->value) : quicklist_count(list->value);
}

void list_push(struct list *list, bool front, struct slice element)
{
    list_expect(list, &element, 1);
    if (is_small(list)) {
        list->value = front ? listpack_prepend(list->value, element)
                            : listpack_append(list->value, element);
        return;
    }
    struct quicklist_limits limits = limits_of(list->limits);
    quicklist_push(list->value, front, element, &limits);
}

void list_set(struct list *list, uint64_t index, struct slice element)
{
    if (is_small(list) &&
        !quicklist_fits(listpack_bytes(list->value) + listpack_element_bytes(element),
                        listpack_count(list->value), list->limits->list_node_size))
        grow(list);
    if (is_small(list)) {
        uint8_t *at = listpack_seek(list->value, (int64_t)index);
        list->value = listpack_replace(list->value, &at, element);
        return;
    }
    struct quicklist_limits limits = limits_of(list->limits);
    quicklist_set(list->value, index, element, &limits);
    shrink(list);
}

void list_insert(struct list *list, uint64_t index, struct slice element)
{
    list_expect(list, &element, 1);
    if (is_small(list)) {
        uint8_t *at = listpack_seek(list->value, (int64_t)index);
        list->value = listpack_insert(list->value, at, true, element, NULL);
        return;
    }
    struct quicklist_limits limits = limits_of(list->limits);
    quicklist_insert(list->value, index, element, &limits);
}

void list_delete(struct list *list, uint64_t index, uint64_t count)
{
    if (count == 0)
        return;
    if (is_small(list)) {
        list->value = listpack_delete_range(list->value, (int64_t)index, (size_t)count);
        return;
    }
    struct quicklist_limits limits = limits_of(list->limits);
    quicklist_delete(list->value, index, count, &limits);
    shrink(list);
}

static uint64_t small_remove(struct list *list, struct slice text, uint64_t most, bool from_back)
{
    uint64_t removed = 0;
    uint8_t *listpack = list->value;
    uint8_t *at = from_back ? listpack_last(listpack) : listpack_first(listpack);
    while (at && removed < most) {
        uint8_t *before = from_back ? listpack_previous(listpack, at) : NULL;
        size_t offset = before ? (size_t)(before - listpack) : 0;
        if (listpack_equal(at, text)) {
            listpack = listpack_delete(listpack, &at, 1);
            removed++;
        } else if (!from_back) {
            at = listpack_next(listpack, at);
        }
        if (from_back)
            at = before ? listpack + offset : NULL;
    }
    list->value = listpack;
    return removed;
}

uint64_t list_remove(struct list *list, struct slice text, uint64_t most, bool from_back)
{
    if (is_small(list))
        return small_remove(list, text, most, from_back);
    struct quicklist_limits limits = limits_of(list->limits);
    uint64_t removed = quicklist_remove(list->value, text, most, from_back, &limits);
    shrink(list);
    return removed;
}

void list_begin(struct list_cursor *cursor, const struct list *list, uint64_t index,
                bool backwards)
{
    cursor->backwards = backwards;
    if (!is_small(list)) {
        cursor->listpack = NULL;
        quicklist_begin(&cursor->quicklist, list->value, index, backwards);
        return;
    }
    cursor->listpack = list->value;
    cursor->at = listpack_seek(list->value, (int64_t)index);
}

bool list_next(struct list_cursor *cursor, struct slice *element)
{
    if (!cursor->listpack)
        return quicklist_next(&cursor->quicklist, element);
    if (!cursor->at)
        return false;
    *element = listpack_get(cursor->at, cursor->digits);
    cursor->at = cursor->backwards ? listpack_previous(cursor->listpack, cursor->at)
                                   : listpack_next(cursor->listpack, cursor->at);
    return true;
}

void list_end(struct list_cursor *cursor)
{
    if (!cursor->listpack)
        quicklist_end(&cursor->quicklist);
}

/* ---- operations of the type ---- */

static void free_value(enum value_encoding encoding, void *value)
{
    if (encoding == ENCODING_LISTPACK)
        listpack_free(value);
    else
        quicklist_free(value);
}

static void *copy_value(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? (void *)listpack_copy(value)
                                         : (void *)quicklist_copy(value);
}

static size_t memory_of(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? listpack_memory(value) : quicklist_memory(value);
}

static size_t effort_of(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? 1 : quicklist_nodes(value);
}

static uint8_t tag_of(enum value_encoding encoding unused, const void *value unused, int version)
{
    return version >= VERSION_OF_LISTPACKS ? RDB_LIST_QUICKLIST_2 : RDB_LIST;
}

static void encode_listpack(const uint8_t *listpack, struct rdb_out *out)
{
    if (out->version >= VERSION_OF_LISTPACKS) {
        rdb_put_len(out, NODE_PACKED);
        rdb_put_string(out,
                       (struct slice){(const char *)listpack, listpack_bytes(listpack)});
        return;
    }
    char digits[LISTPACK_DIGITS];
    for (uint8_t *at = listpack_first(listpack); at; at = listpack_next(listpack, at))
        rdb_put_string(out, listpack_get(at, digits));
}

static bool encode_begin(enum value_encoding encoding, const void *value, struct rdb_out *out)
{
    bool nodes = out->version >= VERSION_OF_LISTPACKS;
    if (encoding == ENCODING_LISTPACK) {
        rdb_put_len(out, nodes ? 1 : listpack_count(value));
        encode_listpack(value, out);
        return false;
    }
    rdb_put_len(out, nodes ? quicklist_nodes(value) : quicklist_count(value));
    return true;
}

static uint64_t encode_node(enum value_encoding encoding unused, const void *value,
                            uint64_t cursor, struct rdb_out *out)
{
    uint8_t *unpacked;
    encode_listpack(quicklist_node(value, (size_t)cursor, &unpacked), out);
    mem_free(unpacked);
    return cursor + 1 < quicklist_nodes(value) ? cursor + 1 : 0;
}

/* ---- cutting: the nodes as they were at the beginning ---- */

static bool is_cut(const void *value)
{
    return quicklist_is_cut(value);
}

static void cut_begin(struct value_cut *cut)
{
    encode_begin(cut->encoding, cut->value, cut->out);
    cut->state = quicklist_cut_begin(cut->value, &cut->memory);
}

static bool cut_step(struct value_cut *cut)
{
    uint8_t *give_back;
    const uint8_t *listpack = quicklist_cut_next(cut->state, &give_back);
    if (!listpack)
        return false;
    encode_listpack(listpack, cut->out);
    mem_free(give_back);
    return true;
}

static void cut_end(struct value_cut *cut)
{
    quicklist_cut_end(cut->state);
}

static const struct cut_ops cut_ops = {ENCODING_QUICKLIST, is_cut, cut_begin, cut_step, cut_end};

/* ---- reading ---- */

static int decode_element(struct rdb_in *in, bool large, struct quicklist *list,
                          const struct quicklist_limits *limits)
{
    struct slice element;
    int code = rdb_get_string(in, &element);
    if (code != 0)
        return code;
    if (large && element.len == 0)
        return rdb_bad(in, "a node of a list for a large element is empty");
    if (element.len > LIST_ELEMENT_MAX)
        return rdb_bad(in, "an element of a list has %zu bytes", element.len);
    quicklist_push(list, false, element, limits);
    return 0;
}

static int decode_listpack(struct rdb_in *in, struct quicklist *list,
                           const struct quicklist_limits *limits)
{
    struct slice bytes;
    int code = rdb_get_string(in, &bytes);
    if (code != 0)
        return code;
    if (!listpack_valid((const uint8_t *)bytes.data, bytes.len, in->foreign))
        return rdb_bad(in, "a node of a list is no listpack");
    uint8_t *listpack = listpack_copy((const uint8_t *)bytes.data);
    if (listpack_count(listpack) > 0)
        quicklist_append_node(list, listpack, limits);
    else
        listpack_free(listpack);
    return 0;
}

static int decode_ziplist(struct rdb_in *in, struct quicklist *list,
                          const struct quicklist_limits *limits)
{
    struct slice bytes;
    int code = rdb_get_string(in, &bytes);
    if (code != 0)
        return code;
    uint8_t *listpack = ziplist_to_listpack(bytes);
    if (!listpack)
        return rdb_bad(in, "a ziplist of a list is damaged");
    if (listpack_count(listpack) > 0)
        quicklist_append_node(list, listpack, limits);
    else
        listpack_free(listpack);
    return 0;
}

static int decode_node(uint8_t tag, struct rdb_in *in, struct quicklist *list,
                       const struct quicklist_limits *limits)
{
    uint64_t kind;
    if (tag == RDB_LIST)
        return decode_element(in, false, list, limits);
    if (tag != RDB_LIST_QUICKLIST_2)
        return decode_ziplist(in, list, limits);
    int code = rdb_get_len(in, &kind);
    if (code != 0)
        return code;
    if (kind == NODE_PLAIN)
        return decode_element(in, true, list, limits);
    if (kind == NODE_PACKED)
        return decode_listpack(in, list, limits);
    return rdb_bad(in, "a node of a list is of an unknown kind, %llu", (unsigned long long)kind);
}

static int decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding, void **value)
{
    struct quicklist_limits limits = limits_of(in->limits);
    uint64_t nodes = 1;
    *value = NULL;
    if (tag != RDB_LIST_ZIPLIST) {
        int code = rdb_get_len(in, &nodes);
        if (code != 0)
            return code;
    }
    struct quicklist *quicklist = quicklist_new();
    for (; nodes > 0; nodes--) {
        int code = decode_node(tag, in, quicklist, &limits);
        if (code != 0) {
            quicklist_free(quicklist);
            return code;
        }
    }
    *encoding = ENCODING_QUICKLIST;
    if (quicklist_nodes(quicklist) == 0) {
        quicklist_free(quicklist);
    } else if (quicklist_nodes(quicklist) == 1 &&
               quicklist_fits(quicklist_bytes(quicklist), quicklist_count(quicklist),
                              limits.node_size)) {
        *encoding = ENCODING_LISTPACK;
        *value = quicklist_into_listpack(quicklist);
    } else {
        *value = quicklist;
    }
    return 0;
}

const struct type_ops list_ops = {
    .name = "list",
    .free = free_value,
    .copy = copy_value,
    .memory = memory_of,
    .effort = effort_of,
    .tag = tag_of,
    .encode_begin = encode_begin,
    .encode_node = encode_node,
    .decode = decode,
    .cut = &cut_ops,
};
