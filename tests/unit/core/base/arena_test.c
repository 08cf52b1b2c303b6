/* Arenas. */
#include "core/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"

/* Pieces of all sizes, filled when they are taken: none has been overwritten at the end. */
static void pieces_do_not_overlap_and_are_aligned(void **state)
{
    enum { PIECES = 2000 };
    static struct {
        unsigned char *at;
        size_t bytes;
    } pieces[PIECES];
    struct arena arena = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < PIECES; i++) {
            pieces[i].bytes = rng_below(&rng, i % 50 == 0 ? 40000 : 200);
            pieces[i].at = arena_alloc(&arena, pieces[i].bytes);
            assert_int_equal((uintptr_t)pieces[i].at % 16, 0);
            memset(pieces[i].at, i & 255, pieces[i].bytes);
        }
        for (int i = 0; i < PIECES; i++) {
            for (size_t j = 0; j < pieces[i].bytes; j++)
                assert_int_equal(pieces[i].at[j], i & 255);
        }
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void a_reset_arena_gives_the_same_block_again(void **state)
{
    struct arena arena = {0};
    void *first = arena_alloc(&arena, 10);

    (void)state;
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_alloc(&arena, 100000);
    assert_ptr_equal(arena_alloc(&arena, 10), (char *)first + 16);
    arena_reset(&arena);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_free(&arena);
    arena_free(&arena);
    arena_reset(&arena);
}

static void a_big_piece_may_be_the_first(void **state)
{
    struct arena arena = {0};
    char *big = arena_alloc_zero(&arena, 1000000), *small = arena_alloc(&arena, 1);

    (void)state;
    for (int i = 0; i < 1000000; i++)
        assert_int_equal(big[i], 0);
    assert_ptr_equal(arena_alloc(&arena, 1), small + 16);
    arena_free(&arena);
}

static void text_is_copied_and_printed(void **state)
{
    struct arena arena = {0};
    char source[] = "abc";
    struct slice copy = arena_copy(&arena, (struct slice){source, 3});
    struct slice empty = arena_copy(&arena, (struct slice){NULL, 0});
    struct slice text = arena_printf(&arena, "%s=%d", "n", 42);

    (void)state;
    source[0] = 'x';
    assert_true(slice_equal(copy, SLICE("abc")));
    assert_int_equal(empty.len, 0);
    assert_true(slice_equal(text, SLICE("n=42")));
    text = arena_printf(&arena, "%20000d", 1);
    assert_int_equal(text.len, 20000);
    assert_int_equal(text.data[19999], '1');
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap_and_are_aligned),
        cmocka_unit_test(a_reset_arena_gives_the_same_block_again),
        cmocka_unit_test(a_big_piece_may_be_the_first),
        cmocka_unit_test(text_is_copied_and_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
