/* Ziplists and zipmaps made by hand are read; every cut and every changed byte is survived, in an
 * allocation of just their size, so that a byte read too far is seen. */
#include "core/type/legacy.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ds/listpack.h"
#include "tests/support/test.h"

/* "hello", 300 bytes of 'x' (14-bit length), "long" (32-bit length), then integers of each width:
 * 12, -1 (i8), -30000 (i16), -8000000 (24 bits), 2000000000 (i32), 2^62 (i64), 0. */
#define ELEMENTS 10
static const char *const texts[ELEMENTS] = {"hello", NULL, "long", "12", "-1", "-30000",
                                            "-8000000", "2000000000", "4611686018427387904", "0"};

static size_t ziplist_add(uint8_t *at, size_t *previous, const void *bytes, size_t len)
{
    size_t link = *previous < 254 ? 1 : 5;

    at[0] = (uint8_t)(*previous < 254 ? *previous : 254);
    for (size_t i = 1; i < link; i++)
        at[i] = (uint8_t)(*previous >> 8 * (i - 1));
    memcpy(at + link, bytes, len);
    *previous = link + len;
    return *previous;
}

static struct slice ziplist_sample(void)
{
    uint8_t *bytes = calloc(1, 1000), wide[302] = {0x41, 0x2c};
    size_t len = 10, previous = 0;

    memset(wide + 2, 'x', 300);
    len += ziplist_add(bytes + len, &previous, "\x05hello", 6);
    len += ziplist_add(bytes + len, &previous, wide, 302);
    len += ziplist_add(bytes + len, &previous, "\x80\0\0\0\x04long", 9);
    len += ziplist_add(bytes + len, &previous, "\xfd", 1);
    len += ziplist_add(bytes + len, &previous, "\xfe\xff", 2);
    len += ziplist_add(bytes + len, &previous, "\xc0\xd0\x8a", 3);
    len += ziplist_add(bytes + len, &previous, "\xf0\x00\xee\x85", 4);
    len += ziplist_add(bytes + len, &previous, "\xd0\x00\x94\x35\x77", 5);
    len += ziplist_add(bytes + len, &previous, "\xe0\0\0\0\0\0\0\0\x40", 9);
    bytes[4] = (uint8_t)len;
    bytes[5] = (uint8_t)(len >> 8);
    len += ziplist_add(bytes + len, &previous, "\xf1", 1);
    bytes[len++] = 0xff;
    bytes[0] = (uint8_t)len;
    bytes[1] = (uint8_t)(len >> 8);
    bytes[8] = ELEMENTS;
    return (struct slice){(char *)bytes, len};
}

/* Walk to the end, in a block of its own size. */
static enum legacy_step walk(struct slice bytes, bool zipmap)
{
    char *tight = malloc(bytes.len == 0 ? 1 : bytes.len), digits[LEGACY_DIGITS];
    struct slice field, value = {0};
    struct legacy legacy;
    enum legacy_step step = LEGACY_DAMAGED;
    uint8_t *listpack;

    memcpy(tight, bytes.data, bytes.len);
    bytes.data = tight;
    if (zipmap ? zipmap_begin(&legacy, bytes) : ziplist_begin(&legacy, bytes)) {
        do {
            step = zipmap ? zipmap_next(&legacy, &field, &value)
                          : ziplist_next(&legacy, digits, &field);
            if (step == LEGACY_ITEM)
                assert_true(field.len + value.len < bytes.len || field.data == digits);
        } while (step == LEGACY_ITEM);
    }
    listpack = zipmap ? zipmap_to_listpack(bytes) : ziplist_to_listpack(bytes);
    assert_true((listpack != NULL) == (step == LEGACY_END));
    if (listpack != NULL)
        listpack_free(listpack);
    free(tight);
    return step;
}

static void a_ziplist_gives_its_elements(void **state)
{
    struct slice bytes = ziplist_sample(), text;
    char digits[LEGACY_DIGITS];
    struct legacy legacy;
    uint8_t *listpack;

    (void)state;
    assert_true(ziplist_begin(&legacy, bytes));
    for (int i = 0; i < ELEMENTS; i++) {
        assert_int_equal(ziplist_next(&legacy, digits, &text), LEGACY_ITEM);
        if (texts[i] == NULL)
            assert_int_equal(text.len, 300);
        else
            assert_true(slice_equal(text, slice_of(texts[i])));
    }
    assert_int_equal(ziplist_next(&legacy, digits, &text), LEGACY_END);

    listpack = ziplist_to_listpack(bytes);
    assert_non_null(listpack);
    assert_int_equal(listpack_count(listpack), ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++) {
        char more[LISTPACK_DIGITS];

        text = listpack_get(listpack_seek(listpack, i), more);
        assert_true(texts[i] == NULL ? text.len == 300 : slice_equal(text, slice_of(texts[i])));
    }
    listpack_free(listpack);
    free((char *)bytes.data);
}

static const char zipmap_sample[] =
    "\x02\x03one\x02\x03" "12---" "\x00\xfe\x04\0\0\0\x00" "long\xff";

static void a_zipmap_gives_its_pairs(void **state)
{
    struct slice bytes = {zipmap_sample, sizeof zipmap_sample - 1}, field, value;
    struct legacy legacy;
    uint8_t *listpack;

    (void)state;
    assert_true(zipmap_begin(&legacy, bytes));
    assert_int_equal(zipmap_next(&legacy, &field, &value), LEGACY_ITEM);
    assert_true(slice_equal(field, SLICE("one")));
    assert_true(slice_equal(value, SLICE("12")));
    assert_int_equal(zipmap_next(&legacy, &field, &value), LEGACY_ITEM);
    assert_true(slice_equal(field, SLICE("")));
    assert_true(slice_equal(value, SLICE("long")));
    assert_int_equal(zipmap_next(&legacy, &field, &value), LEGACY_END);
    listpack = zipmap_to_listpack(bytes);
    assert_non_null(listpack);
    assert_int_equal(listpack_count(listpack), 4);
    listpack_free(listpack);
}

static void every_cut_is_damage(void **state)
{
    struct slice ziplist = ziplist_sample();

    (void)state;
    for (size_t len = 0; len < ziplist.len; len++)
        assert_int_equal(walk((struct slice){ziplist.data, len}, false), LEGACY_DAMAGED);
    for (size_t len = 0; len < sizeof zipmap_sample - 1; len++)
        assert_int_equal(walk((struct slice){zipmap_sample, len}, true), LEGACY_DAMAGED);
    free((char *)ziplist.data);
}

static void every_changed_byte_is_survived(void **state)
{
    struct slice ziplist = ziplist_sample();
    char *bytes = (char *)ziplist.data, zipmap[sizeof zipmap_sample];

    (void)state;
    for (size_t at = 0; at < ziplist.len; at++) {
        for (int other = 0; other < 256; other++) {
            char kept = bytes[at];

            bytes[at] = (char)other;
            walk(ziplist, false);
            bytes[at] = kept;
        }
    }
    for (size_t at = 0; at < sizeof zipmap_sample - 1; at++) {
        for (int other = 0; other < 256; other++) {
            memcpy(zipmap, zipmap_sample, sizeof zipmap);
            zipmap[at] = (char)other;
            walk((struct slice){zipmap, sizeof zipmap_sample - 1}, true);
        }
    }
    free(bytes);
}

static void links_counts_and_the_tail_must_be_right(void **state)
{
    struct slice ziplist = ziplist_sample();
    char *bytes = (char *)ziplist.data;

    (void)state;
    bytes[8]++;
    assert_int_equal(walk(ziplist, false), LEGACY_DAMAGED);
    bytes[8] = (char)0xff;
    bytes[9] = (char)0xff;
    assert_int_equal(walk(ziplist, false), LEGACY_END);
    bytes[4]--;
    assert_int_equal(walk(ziplist, false), LEGACY_DAMAGED);
    bytes[4]++;
    bytes[17]++;
    assert_int_equal(walk(ziplist, false), LEGACY_DAMAGED);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ziplist_gives_its_elements),
        cmocka_unit_test(a_zipmap_gives_its_pairs),
        cmocka_unit_test(every_cut_is_damage),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(links_counts_and_the_tail_must_be_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
