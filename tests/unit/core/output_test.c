/* Property: whatever is appended, marked, released, failed and sent, in whatever pieces, what
 * leaves is exactly the replies that were released, in order, with an error for each that failed.
 * Method: random steps against a flat model.
 */
#include "tests/support/test.h"

#include "core/base/buf.h"
#include "core/base/rng.h"
#include "core/output.h"

static struct rng rng;

/* Send up to `most` bytes, comparing with the front of `expected`. */
static void send_some(struct output *output, struct buf *expected, size_t most)
{
    struct iovec parts[8];
    int count = output_parts(output, parts, 8);
    size_t sent = 0;
    for (int i = 0; i < count && sent < most; i++) {
        size_t here = parts[i].iov_len < most - sent ? parts[i].iov_len : most - sent;
        assert_true(here <= expected->len);
        assert_memory_equal(parts[i].iov_base, expected->data, here);
        buf_drop_front(expected, here);
        sent += here;
    }
    output_sent(output, sent);
}

struct model {
    struct buf ready; /* what may leave */
    struct {
        struct buf bytes;
        uint64_t sequence;
        bool push;
    } held[64];
    int count;
};

static void model_release(struct model *model, uint64_t confirmed)
{
    int done = 0;
    while (done < model->count && model->held[done].sequence <= confirmed) {
        buf_append_slice(&model->ready, buf_slice(&model->held[done].bytes));
        buf_free(&model->held[done].bytes);
        done++;
    }
    memmove(model->held, model->held + done, (size_t)(model->count - done) * sizeof model->held[0]);
    model->count -= done;
}

static void model_fail(struct model *model, uint64_t confirmed, struct slice error)
{
    for (int i = 0; i < model->count; i++) {
        if (model->held[i].sequence <= confirmed)
            buf_append_slice(&model->ready, buf_slice(&model->held[i].bytes));
        else if (!model->held[i].push)
            buf_append_slice(&model->ready, error);
        buf_free(&model->held[i].bytes);
    }
    model->count = 0;
}

static void random_reply(struct output *output, struct buf *copy)
{
    static char bytes[70000];
    bool large = rng_below(&rng, 10) == 0;
    size_t len = 1 + rng_below(&rng, large ? sizeof bytes : 40);
    memset(bytes, 'a' + (int)rng_below(&rng, 26), len);
    if (len < 100) {
        memcpy(output_reserve(output, len), bytes, len);
        output_commit(output, len);
    } else {
        output_append(output, bytes, len);
    }
    buf_append(copy, bytes, len);
}

static void add_reply(struct output *output, struct model *model, uint64_t *sequence)
{
    struct buf bytes = {0};
    random_reply(output, &bytes);
    if (rng_below(&rng, 8) == 0) {
        output_rewind(output);
        buf_free(&bytes);
        return;
    }
    uint64_t wait = rng_below(&rng, 2) ? 0 : (*sequence += rng_below(&rng, 3));
    bool push = rng_below(&rng, 5) == 0;
    output_mark(output, wait, push);
    model->held[model->count].bytes = bytes;
    model->held[model->count].sequence = wait;
    model->held[model->count++].push = push;
    if (model->count == 1 && wait == 0)
        model_release(model, 0);
}

static void what_leaves_is_what_was_released(void **state)
{
    (void)state;
    rng_seed(&rng, 7);
    struct output output = {0};
    struct model model = {0};
    uint64_t sequence = 1, confirmed = 0;
    struct slice error = SLICE("-MISCONF lost\r\n");
    for (int step = 0; step < 60000; step++) {
        uint64_t choice = rng_below(&rng, 100);
        if (choice < 50 && model.count < 63) {
            add_reply(&output, &model, &sequence);
        } else if (choice < 75) {
            confirmed += rng_below(&rng, 4);
            output_release(&output, confirmed);
            model_release(&model, confirmed);
        } else if (choice < 76) {
            output_fail(&output, confirmed, error);
            model_fail(&model, confirmed, error);
        } else {
            send_some(&output, &model.ready, 1 + rng_below(&rng, 30000));
        }
        assert_int_equal(output_ready(&output), model.ready.len);
        assert_int_equal(output_unmarked(&output), 0);
    }
    model_fail(&model, confirmed, error);
    buf_free(&model.ready);
    output_free(&output);
}

static void beyond_the_limit_nothing_is_kept(void **state)
{
    (void)state;
    struct output output = {.limit = 100000};
    char bytes[5000] = {0};
    for (int i = 0; i < 1000; i++) {
        output_append(&output, bytes, sizeof bytes);
        output_mark(&output, 0, false);
    }
    assert_true(output.overrun);
    assert_true(output.chunk_bytes < 40000);
    assert_int_equal(output_ready(&output), 0);
    output_free(&output);
}

/* Whatever chunks there are. */
static void the_limit_is_met_to_the_byte(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40000; step = step * 3 + 1) {
        struct output output = {.limit = 100000};
        char bytes[40000] = {0};
        size_t put = 0;
        for (; put + step <= output.limit; put += step) {
            output_append(&output, bytes, step);
            assert_false(output.overrun);
        }
        output_append(&output, bytes, output.limit - put);
        assert_false(output.overrun);
        output_append(&output, bytes, 1);
        assert_true(output.overrun);
        output_free(&output);
    }
}

static void an_idle_output_keeps_one_small_chunk(void **state)
{
    (void)state;
    struct output output = {0};
    char bytes[200000] = {0};
    output_append(&output, "x", 1);
    output_append(&output, bytes, sizeof bytes);
    output_mark(&output, 0, false);
    output_sent(&output, output_ready(&output));
    assert_true(output.chunk_bytes <= 1024);
    assert_int_equal(output_unsent(&output), 0);
    output_free(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_leaves_is_what_was_released),
        cmocka_unit_test(beyond_the_limit_nothing_is_kept),
        cmocka_unit_test(the_limit_is_met_to_the_byte),
        cmocka_unit_test(an_idle_output_keeps_one_small_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
