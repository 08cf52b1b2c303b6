/* Memory: the arithmetic of size classes against the allocator's own. */
#include "core/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#ifdef KV_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

static void the_class_of_a_size_is_what_the_allocator_gives(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < ((size_t)1 << 34); bytes += 1 + bytes / 300) {
        assert_true(mem_class(bytes) >= bytes);
#ifdef KV_JEMALLOC
        assert_int_equal(mem_class(bytes), nallocx(bytes, 0));
#endif
    }
    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 2 + 1) {
        void *block = mem_alloc(bytes);

        assert_true(mem_usable(block) >= bytes);
#ifdef KV_JEMALLOC
        assert_int_equal(mem_usable(block), mem_class(bytes));
#endif
        mem_free(block);
    }
}

static void blocks_keep_their_bytes_when_they_grow(void **state)
{
    char *block = mem_alloc_zero(100);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(block[i], 0);
    memset(block, 7, 100);
    block = mem_realloc(block, 100000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(block[i], 7);
    block = mem_realloc(block, 0);
    mem_free(block);
    mem_free(NULL);
    mem_free(mem_realloc(NULL, 10));
}

static void the_figures_follow_what_is_allocated(void **state)
{
    size_t bytes = (size_t)32 << 20;
    struct mem_stats before, after;
    char *block;

    (void)state;
    mem_stats_read(&before);
    block = mem_alloc(bytes);
    memset(block, 1, bytes);
    mem_stats_read(&after);
    assert_true(after.rss >= before.rss + bytes / 2);
#ifdef KV_JEMALLOC
    assert_true(after.allocated >= before.allocated + bytes);
    assert_true(after.active >= after.allocated);
    assert_true(after.resident >= after.active);
    assert_memory_equal(mem_allocator_name(), "jemalloc-5", 10);
#endif
    mem_free(block);
    mem_purge();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_class_of_a_size_is_what_the_allocator_gives),
        cmocka_unit_test(blocks_keep_their_bytes_when_they_grow),
        cmocka_unit_test(the_figures_follow_what_is_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
