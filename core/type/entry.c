/* Entries: how the fields of one allocation are laid out, and moved when its shape changes.
 *
 * The fields behind the header are words of 8 bytes, each there only if its flag is set, in the
 * order of the flags; then the key, then the bytes of the value. So the place of the key is a
 * matter of counting three bits, and a change of shape moves key and bytes by whole words.
 *
 * A block has the size of its allocator's class, and usually that class is the class of what it
 * holds: then its size is arithmetic. Where it is larger (a string that shrank in place, or one
 * that has grown and will again) ENTRY_ROOMY says so, and the allocator is asked.
 *
 * Invariants, asserted by entry_check:
 *   1. ENTRY_WIDE is set if and only if one of the lengths does not fit into the header.
 *   2. ENTRY_SLOT is set if and only if the encoding is ENCODING_INT or the type is no string; the
 *      value has no bytes then.
 *   3. Without ENTRY_ROOMY the block is mem_class(entry_bytes) bytes; with it, that or more.
 */
#include "core/type/entry.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/type/value.h"

#define KEY_LEN_NARROW_MAX 255
#define VALUE_LEN_NARROW_MAX 65535
#define INT_DIGITS_MAX 20

enum entry_flag {
    ENTRY_DEADLINE = 1 << 0, /* these three: a word of the layout each, in this order */
    ENTRY_WIDE = 1 << 1,
    ENTRY_SLOT = 1 << 2,
    ENTRY_ROOMY = 1 << 3,
};
#define ENTRY_WORDS (ENTRY_DEADLINE | ENTRY_WIDE | ENTRY_SLOT)

struct entry {
    uint32_t access : 24, type : 4, encoding : 4;
    uint8_t flags;
    uint8_t key_len;
    uint16_t value_len;
    uint64_t words[];
};

struct wide {
    uint32_t key_len, value_len;
};

_Static_assert(sizeof(struct entry) == 8, "the header is one word");
_Static_assert(sizeof(struct wide) == 8, "the wide lengths are one word");

/* What an entry is going to look like. */
struct shape {
    unsigned flags; /* of ENTRY_WORDS */
    size_t key_len, value_len;
    size_t bytes;   /* in all */
};

static unsigned words_in(unsigned flags)
{
    return (flags & 1) + ((flags >> 1) & 1) + ((flags >> 2) & 1);
}

static struct shape shape_of(size_t key_len, size_t value_len, bool slot, bool deadline)
{
    struct shape shape = {.key_len = key_len, .value_len = value_len};

    kv_assert(key_len <= UINT32_MAX);
    kv_assert(value_len <= UINT32_MAX);
    if (deadline)
        shape.flags |= ENTRY_DEADLINE;
    if (key_len > KEY_LEN_NARROW_MAX || value_len > VALUE_LEN_NARROW_MAX)
        shape.flags |= ENTRY_WIDE;
    if (slot)
        shape.flags |= ENTRY_SLOT;
    shape.bytes = sizeof(struct entry) + words_in(shape.flags) * sizeof(uint64_t) + key_len +
        value_len;
    return shape;
}

static struct wide wide_of(const struct entry *entry)
{
    struct wide wide;

    memcpy(&wide, &entry->words[entry->flags & ENTRY_DEADLINE], sizeof(wide));
    return wide;
}

static size_t key_len_of(const struct entry *entry)
{
    return entry->flags & ENTRY_WIDE ? wide_of(entry).key_len : entry->key_len;
}

static size_t value_len_of(const struct entry *entry)
{
    return entry->flags & ENTRY_WIDE ? wide_of(entry).value_len : entry->value_len;
}

static char *key_of(const struct entry *entry)
{
    return (char *)(uintptr_t)&entry->words[words_in(entry->flags)];
}

static uint64_t *slot_of(const struct entry *entry)
{
    return (uint64_t *)(uintptr_t)&entry->words[words_in(entry->flags & ~ENTRY_SLOT)];
}

static size_t bytes_of(const struct entry *entry)
{
    return sizeof(*entry) + words_in(entry->flags) * sizeof(uint64_t) + key_len_of(entry) +
        value_len_of(entry);
}

/* The size of the block. */
static size_t block_of(const struct entry *entry)
{
    if (unlikely(entry->flags & ENTRY_ROOMY))
        return mem_usable(entry);
    if (unlikely(entry->flags & ENTRY_WIDE))
        return mem_class(bytes_of(entry));
    return mem_class(sizeof(*entry) + words_in(entry->flags) * sizeof(uint64_t) + entry->key_len +
                     entry->value_len);
}

/* Write the header's lengths and flags; `block` is the size of the entry's block. The deadline,
 * the slot, the key and the value are the caller's. */
static void set_shape(struct entry *entry, const struct shape *shape, size_t block)
{
    entry->flags = (uint8_t)shape->flags;
    if (block != mem_class(shape->bytes))
        entry->flags |= ENTRY_ROOMY;
    if (shape->flags & ENTRY_WIDE) {
        struct wide wide = {(uint32_t)shape->key_len, (uint32_t)shape->value_len};

        memcpy(&entry->words[shape->flags & ENTRY_DEADLINE], &wide, sizeof(wide));
        entry->key_len = 0;
        entry->value_len = 0;
    } else {
        entry->key_len = (uint8_t)shape->key_len;
        entry->value_len = (uint16_t)shape->value_len;
    }
}

static struct entry *entry_new(struct slice key, size_t value_len, enum value_type type,
                               enum value_encoding encoding, bool slot, int64_t deadline_ms)
{
    struct shape shape = shape_of(key.len, value_len, slot, deadline_ms != ENTRY_NO_DEADLINE);
    size_t block = mem_class(shape.bytes);
    struct entry *entry = mem_alloc(block);

    entry->access = 0;
    entry->type = type & 15u;
    entry->encoding = encoding & 15u;
    set_shape(entry, &shape, block);
    if (deadline_ms != ENTRY_NO_DEADLINE)
        entry->words[0] = (uint64_t)deadline_ms;
    if (key.len != 0)
        memcpy(key_of(entry), key.data, key.len);
    return entry;
}

static enum value_encoding encoding_of_bytes(size_t len)
{
    return len <= ENTRY_EMBSTR_MAX ? ENCODING_EMBSTR : ENCODING_RAW;
}

static bool is_int(struct slice text, int64_t *out)
{
    if (text.len == 0 || text.len > INT_DIGITS_MAX)
        return false;
    if (text.data[0] != '-' && (unsigned)text.data[0] - '0' > 9)
        return false;
    return num_parse_i64(text, out);
}

struct entry *entry_new_string(struct slice key, struct slice value, int64_t deadline_ms)
{
    int64_t number;
    struct entry *entry;

    if (is_int(value, &number))
        return entry_new_int(key, number, deadline_ms);
    entry = entry_new(key, value.len, TYPE_STRING, encoding_of_bytes(value.len), false,
                      deadline_ms);
    if (value.len != 0)
        memcpy(key_of(entry) + key.len, value.data, value.len);
    return entry;
}

struct entry *entry_new_int(struct slice key, int64_t value, int64_t deadline_ms)
{
    struct entry *entry = entry_new(key, 0, TYPE_STRING, ENCODING_INT, true, deadline_ms);

    *slot_of(entry) = (uint64_t)value;
    return entry;
}

struct entry *entry_new_blank(struct slice key, size_t len, int64_t deadline_ms)
{
    struct entry *entry = entry_new(key, len, TYPE_STRING, encoding_of_bytes(len), false,
                                    deadline_ms);

    memset(key_of(entry) + key.len, 0, len);
    return entry;
}

struct entry *entry_new_value(struct slice key, enum value_type type, enum value_encoding encoding,
                              void *value, int64_t deadline_ms)
{
    struct entry *entry;

    kv_assert(type != TYPE_STRING);
    kv_assert(type_ops_of(type)->free != NULL);
    entry = entry_new(key, 0, type, encoding, true, deadline_ms);
    *slot_of(entry) = (uint64_t)(uintptr_t)value;
    return entry;
}

struct entry *entry_copy(const struct entry *entry, struct slice key, int64_t deadline_ms)
{
    enum value_type type = entry->type;
    enum value_encoding encoding = entry->encoding;
    size_t value_len = value_len_of(entry);
    bool slot = entry->flags & ENTRY_SLOT;
    struct entry *copy = entry_new(key, value_len, type, encoding, slot, deadline_ms);

    copy->access = entry->access;
    if (type != TYPE_STRING)
        *slot_of(copy) = (uint64_t)(uintptr_t)type_ops_of(type)->copy(encoding,
                                                                      entry_value(entry));
    else if (slot)
        *slot_of(copy) = *slot_of(entry);
    else if (value_len != 0)
        memcpy(key_of(copy) + key.len, key_of(entry) + key_len_of(entry), value_len);
    return copy;
}

struct entry *entry_rename(struct entry *entry, struct slice key)
{
    struct entry *renamed;

    if (entry->type == TYPE_STRING) {
        renamed = entry_copy(entry, key, entry_deadline(entry));
    } else {
        renamed = entry_new_value(key, entry->type, entry->encoding, entry_value(entry),
                                  entry_deadline(entry));
        renamed->access = entry->access;
    }
    mem_free(entry);
    return renamed;
}

void entry_free(struct entry *entry)
{
    if (entry->type != TYPE_STRING)
        type_ops_of(entry->type)->free(entry->encoding, entry_value(entry));
    mem_free(entry);
}

struct slice entry_key(const struct entry *entry)
{
    return (struct slice){key_of(entry), key_len_of(entry)};
}

enum value_type entry_type(const struct entry *entry)
{
    return entry->type;
}

enum value_encoding entry_encoding(const struct entry *entry)
{
    return entry->encoding;
}

int64_t entry_deadline(const struct entry *entry)
{
    return entry->flags & ENTRY_DEADLINE ? (int64_t)entry->words[0] : ENTRY_NO_DEADLINE;
}

uint32_t entry_access(const struct entry *entry)
{
    return entry->access;
}

void entry_set_access(struct entry *entry, uint32_t access)
{
    entry->access = access & ENTRY_ACCESS_MAX;
}

struct slice entry_string(const struct entry *entry, char digits[static 24])
{
    kv_assert(entry->type == TYPE_STRING);
    if (entry->encoding == ENCODING_INT)
        return (struct slice){digits, num_format_i64(digits, (int64_t)*slot_of(entry))};
    return (struct slice){key_of(entry) + key_len_of(entry), value_len_of(entry)};
}

size_t entry_string_len(const struct entry *entry)
{
    char digits[24];

    return entry_string(entry, digits).len;
}

bool entry_int(const struct entry *entry, int64_t *out)
{
    if (entry->encoding != ENCODING_INT)
        return false;
    *out = (int64_t)*slot_of(entry);
    return true;
}

char *entry_bytes_of(struct entry *entry)
{
    kv_assert(entry->type == TYPE_STRING);
    kv_assert(entry->encoding != ENCODING_INT);
    return key_of(entry) + key_len_of(entry);
}

void *entry_value(const struct entry *entry)
{
    kv_assert(entry->type != TYPE_STRING);
    return (void *)(uintptr_t)*slot_of(entry);
}

/* Give the entry another shape. The key and the bytes behind it move along, `keep` in all; the
 * deadline and the slot are kept if both shapes have them. `block` is how large the block is to be
 * if it must be another one. */
static struct entry *entry_reshape(struct entry *entry, const struct shape *to, size_t keep,
                                   size_t block)
{
    size_t have = block_of(entry);
    bool fits = to->bytes <= have && to->bytes >= have / 2;
    uint64_t slot = entry->flags & ENTRY_SLOT ? *slot_of(entry) : 0;
    unsigned from = words_in(entry->flags);

    if (!fits && block > have) {
        entry = mem_realloc(entry, block);
        have = block;
    }
    if (keep != 0)
        memmove(&entry->words[words_in(to->flags)], &entry->words[from], keep);
    if (!fits && block < have) {
        entry = mem_realloc(entry, block);
        have = block;
    }
    set_shape(entry, to, have);
    if (to->flags & ENTRY_SLOT)
        *slot_of(entry) = slot;
    return entry;
}

struct entry *entry_set_deadline(struct entry *entry, int64_t deadline_ms)
{
    bool deadline = deadline_ms != ENTRY_NO_DEADLINE;

    if (deadline != (bool)(entry->flags & ENTRY_DEADLINE)) {
        size_t key_len = key_len_of(entry), value_len = value_len_of(entry);
        struct shape to = shape_of(key_len, value_len, entry->flags & ENTRY_SLOT, deadline);

        entry = entry_reshape(entry, &to, key_len + value_len, mem_class(to.bytes));
    }
    if (deadline)
        entry->words[0] = (uint64_t)deadline_ms;
    return entry;
}

struct entry *entry_resize(struct entry *entry, size_t len)
{
    char digits[24];
    struct slice old = entry_string(entry, digits);
    bool from_int = entry->encoding == ENCODING_INT;
    size_t key_len = key_len_of(entry);
    size_t kept = old.len < len ? old.len : len;
    struct shape to = shape_of(key_len, len, false, entry->flags & ENTRY_DEADLINE);
    size_t bytes = to.bytes;

    /* A string that grows bit by bit will grow again: what is added is a share of what is there, so
     * that the copying stays linear. A leap is taken as it is. */
    if (old.len != 0 && len > old.len && len - old.len <= old.len)
        bytes += bytes / 4;
    entry = entry_reshape(entry, &to, key_len + (from_int ? 0 : kept), mem_class(bytes));
    entry->encoding = ENCODING_RAW;
    if (from_int)
        memcpy(key_of(entry) + key_len, digits, kept);
    memset(key_of(entry) + key_len + kept, 0, len - kept);
    return entry;
}

/* Prepare the entry for another string value, in place: false if its block does not suit. The value
 * itself is the caller's. */
static bool overwrite_shape(struct entry *entry, size_t value_len, bool slot, int64_t deadline_ms)
{
    size_t key_len = key_len_of(entry);
    struct shape to = shape_of(key_len, value_len, slot, deadline_ms != ENTRY_NO_DEADLINE);
    unsigned from = words_in(entry->flags);
    size_t have = block_of(entry);

    if (to.bytes > have || to.bytes < have / 2)
        return false;
    if (words_in(to.flags) != from)
        memmove(&entry->words[words_in(to.flags)], &entry->words[from], key_len);
    set_shape(entry, &to, have);
    if (to.flags & ENTRY_DEADLINE)
        entry->words[0] = (uint64_t)deadline_ms;
    return true;
}

enum entry_overwriting entry_overwrite_string(struct entry *entry, struct slice value,
                                              int64_t deadline_ms)
{
    int64_t number;
    bool slot, same;

    if (entry->type != TYPE_STRING)
        return ENTRY_UNTOUCHED;
    slot = is_int(value, &number);
    if (slot)
        value.len = 0;
    /* A value as long as the last one needs no look at the block. */
    same = slot == (bool)(entry->flags & ENTRY_SLOT) && value.len == value_len_of(entry) &&
        (deadline_ms != ENTRY_NO_DEADLINE) == (bool)(entry->flags & ENTRY_DEADLINE);
    if (!same && !overwrite_shape(entry, value.len, slot, deadline_ms))
        return ENTRY_UNTOUCHED;
    if (entry->flags & ENTRY_DEADLINE)
        entry->words[0] = (uint64_t)deadline_ms;
    if (slot) {
        entry->encoding = ENCODING_INT;
        *slot_of(entry) = (uint64_t)number;
    } else {
        entry->encoding = encoding_of_bytes(value.len) & 15u;
        if (value.len != 0)
            memcpy(key_of(entry) + key_len_of(entry), value.data, value.len);
    }
    return same ? ENTRY_SAME_SHAPE : ENTRY_OTHER_SHAPE;
}

bool entry_overwrite_int(struct entry *entry, int64_t value)
{
    if (entry->type != TYPE_STRING)
        return false;
    if (entry->encoding != ENCODING_INT) {
        if (!overwrite_shape(entry, 0, true, entry_deadline(entry)))
            return false;
        entry->encoding = ENCODING_INT;
    }
    *slot_of(entry) = (uint64_t)value;
    return true;
}

void entry_set_value(struct entry *entry, enum value_encoding encoding, void *value)
{
    kv_assert(entry->type != TYPE_STRING);
    entry->encoding = encoding & 15u;
    *slot_of(entry) = (uint64_t)(uintptr_t)value;
}

size_t entry_memory(const struct entry *entry)
{
    size_t bytes = block_of(entry);

    if (entry->type != TYPE_STRING)
        bytes += type_ops_of(entry->type)->memory(entry->encoding, entry_value(entry));
    return bytes;
}

void entry_check(const struct entry *entry)
{
    size_t key_len = key_len_of(entry), value_len = value_len_of(entry);
    bool wide = key_len > KEY_LEN_NARROW_MAX || value_len > VALUE_LEN_NARROW_MAX;
    bool slot = entry->type != TYPE_STRING || entry->encoding == ENCODING_INT;

    kv_assert(entry->type < TYPE_COUNT);
    kv_assert(entry->encoding < ENCODING_COUNT);
    kv_assert(wide == (bool)(entry->flags & ENTRY_WIDE));
    kv_assert(slot == (bool)(entry->flags & ENTRY_SLOT));
    kv_assert(!slot || value_len == 0);
    kv_assert(mem_usable(entry) >= bytes_of(entry));
    kv_assert(block_of(entry) >= bytes_of(entry));
    kv_assert(mem_usable(entry) >= block_of(entry));
}
