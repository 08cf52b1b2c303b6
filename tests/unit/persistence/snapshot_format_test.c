/* The bytes of snapshots' files: there and back, and nothing else is taken. */
#include "persistence/snapshot_format.h"

#include <stdlib.h>

#include "core/base/attr.h"
#include "tests/support/test.h"

static struct snapshot_index make_index(uint64_t begin)
{
    struct snapshot_index index = {.kvid = "00112233445566778899aabbccddeeff",
                                   .seq = 1234567890123,
                                   .bytes = begin + 9 + 100 + 50 + 30 + 9,
                                   .raw_bytes = 9 + 100 + 500 + 30 + 9,
                                   .keys = 12,
                                   .sum = 0x123456789abcdef0};
    const struct snapshot_part parts[] = {
        {begin, 0, 0, -1, 1, SNAPSHOT_PART_HEAD, 0, 0},
        {begin + 9, 9, 0, -1, 2, SNAPSHOT_PART_HEAD, 0, 0},
        {begin + 109, 109, 5, 3, 4, 0, 0, 0},
        {begin + 159, 609, 7, 3, 0xffffffff, SNAPSHOT_PART_CONTINUES, 0, 0},
        {begin + 189, 639, 0, -1, 6, SNAPSHOT_PART_END, 0, 0},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        snapshot_index_add(&index, &parts[i]);
    return index;
}

static void an_index_comes_back_as_it_was(void **state unused)
{
    struct snapshot_index index = make_index(0), back;
    struct buf bytes = {0};
    const char *why;
    snapshot_index_put(&index, &bytes);
    assert_int_equal(bytes.len, SNAPSHOT_INDEX_LEAST + 5 * 36);
    assert_true(snapshot_index_get(buf_slice(&bytes), 0, &back, &why));
    assert_string_equal(back.kvid, index.kvid);
    assert_int_equal(back.seq, index.seq);
    assert_int_equal(back.bytes, index.bytes);
    assert_int_equal(back.raw_bytes, index.raw_bytes);
    assert_int_equal(back.keys, 12);
    assert_int_equal(back.sum, index.sum);
    assert_int_equal(back.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_memory_equal(&back.parts[i], &index.parts[i],
                            offsetof(struct snapshot_part, flags));
        assert_int_equal(back.parts[i].flags, index.parts[i].flags);
    }
    assert_int_equal(snapshot_part_bytes(&back, 2), 50);
    assert_int_equal(snapshot_part_raw(&back, 2), 500);
    assert_int_equal(snapshot_part_raw(&back, 4), 9);
    snapshot_index_free(&back);
    snapshot_index_free(&index);
    assert_false(snapshot_index_get(buf_slice(&bytes), 72, &back, &why));
    buf_free(&bytes);
}

static void every_cut_and_every_flipped_bit_of_an_index_is_seen(void **state unused)
{
    struct snapshot_index index = make_index(SNAPSHOT_HEAD_BYTES), back;
    struct buf bytes = {0};
    const char *why = NULL;
    snapshot_footer_put(&index, &bytes);
    assert_true(snapshot_footer_get(buf_slice(&bytes), index.bytes, &back, &why));
    snapshot_index_free(&back);
    assert_false(snapshot_footer_get(buf_slice(&bytes), index.bytes + 1, &back, &why));
    size_t content = bytes.len - SNAPSHOT_TAIL_BYTES;
    for (size_t len = 0; len < bytes.len; len++) {
        assert_false(snapshot_footer_get((struct slice){bytes.data, len}, index.bytes, &back,
                                         &why));
        assert_non_null(why);
    }
    for (size_t bit = 0; bit < 8 * content; bit++) {
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(snapshot_footer_get(buf_slice(&bytes), index.bytes, &back, &why));
        assert_null(back.parts);
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    snapshot_index_free(&index);
    buf_free(&bytes);
}

static bool is_taken(struct snapshot_index *index)
{
    struct snapshot_index back;
    struct buf bytes = {0};
    const char *why;
    snapshot_index_put(index, &bytes);
    bool taken = snapshot_index_get(buf_slice(&bytes), 0, &back, &why);
    snapshot_index_free(&back);
    snapshot_index_free(index);
    buf_free(&bytes);
    return taken;
}

/* With a checksum that holds. */
static void parts_that_do_not_fit_together_are_refused(void **state unused)
{
    struct snapshot_index index = make_index(0);
    assert_true(is_taken(&index));
    index = make_index(0);
    index.keys++;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[3].offset = index.parts[2].offset;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[3].raw = 1;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.bytes = 10;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[2].flags = SNAPSHOT_PART_CONTINUES;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[3].flags = 8;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[2].db = -1;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.parts[2].keys = 501;
    index.keys = 508;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.count--;
    assert_false(is_taken(&index));
    index = make_index(0);
    index.kvid[3] = 'X';
    assert_false(is_taken(&index));
    index = make_index(0);
    index.kvid[0] = '\0';
    assert_true(is_taken(&index));
}

static void head_and_tail_come_back_or_are_refused(void **state unused)
{
    struct snapshot_head head = {"00112233445566778899aabbccddeeff", 77, 1 << 20}, back;
    struct snapshot_index index = make_index(SNAPSHOT_HEAD_BYTES);
    char bytes[SNAPSHOT_HEAD_BYTES];
    struct buf footer = {0};
    uint64_t offset;
    snapshot_head_put(&head, bytes);
    assert_true(snapshot_head_get(bytes, &back));
    assert_string_equal(back.kvid, head.kvid);
    assert_int_equal(back.seq, 77);
    assert_int_equal(back.raw_bytes, 1 << 20);
    assert_true(snapshot_is_lz4((struct slice){bytes, 4}));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(snapshot_head_get(bytes, &back));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    snapshot_footer_put(&index, &footer);
    char *tail = footer.data + footer.len - SNAPSHOT_TAIL_BYTES;
    assert_true(snapshot_tail_get(tail, &offset));
    assert_int_equal(offset, index.bytes);
    for (size_t bit = 0; bit < 8 * SNAPSHOT_TAIL_BYTES; bit++) {
        tail[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(snapshot_tail_get(tail, &offset));
        tail[bit / 8] ^= (char)(1 << bit % 8);
    }
    snapshot_index_free(&index);
    buf_free(&footer);
}

static struct buf make_raw(size_t len)
{
    struct buf raw = {0};
    buf_reserve(&raw, len);
    for (size_t i = 0; i < len; i++)
        raw.data[i] = (char)(i % 251 * (i / 1000 % 7));
    raw.len = len;
    return raw;
}

static void frames_are_unpacked_to_what_was_packed(void **state unused)
{
    static const size_t lengths[] = {1, 9, 100, 65536, 300000, (4 << 20) + 1, 9 << 20};
    struct snapshot_unpacker *unpacker = snapshot_unpacker_new();
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(*lengths); i++) {
        size_t len = lengths[i / 2];
        struct buf raw = make_raw(len), frame = {0};
        char *back = malloc(len + 1);
        bool compress = i % 2;
        snapshot_frame_pack(buf_slice(&raw), compress, &frame);
        assert_true(snapshot_is_lz4(buf_slice(&frame)));
        assert_true(len <= snapshot_frame_raw_max(frame.len));
        if (!compress)
            assert_int_equal(frame.len, len + 23 + 4 * ((len + (4 << 20) - 1) / (4 << 20)));
        assert_true(snapshot_frame_unpack(unpacker, buf_slice(&frame), back, len));
        assert_memory_equal(back, raw.data, len);
        assert_false(snapshot_frame_unpack(unpacker, buf_slice(&frame), back, len + 1));
        assert_false(snapshot_frame_unpack(unpacker, buf_slice(&frame), back, len - 1));
        free(back);
        buf_free(&raw);
        buf_free(&frame);
    }
    snapshot_unpacker_free(unpacker);
}

static void damaged_frames_are_refused(void **state unused)
{
    struct snapshot_unpacker *unpacker = snapshot_unpacker_new();
    struct buf raw = make_raw(700), frame = {0};
    char back[700];
    snapshot_frame_pack(buf_slice(&raw), true, &frame);
    for (size_t len = 0; len < frame.len; len++)
        assert_false(snapshot_frame_unpack(unpacker, (struct slice){frame.data, len}, back, 700));
    for (size_t bit = 0; bit < 8 * frame.len; bit++) {
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
        /* a flag that says less (no independence, a smaller dictionary) may leave it readable */
        if (snapshot_frame_unpack(unpacker, buf_slice(&frame), back, 700))
            assert_memory_equal(back, raw.data, 700);
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(snapshot_frame_unpack(unpacker, buf_slice(&frame), back, 700));
    buf_free(&raw);
    buf_free(&frame);
    snapshot_unpacker_free(unpacker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_comes_back_as_it_was),
        cmocka_unit_test(every_cut_and_every_flipped_bit_of_an_index_is_seen),
        cmocka_unit_test(parts_that_do_not_fit_together_are_refused),
        cmocka_unit_test(head_and_tail_come_back_or_are_refused),
        cmocka_unit_test(frames_are_unpacked_to_what_was_packed),
        cmocka_unit_test(damaged_frames_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
