/* The notation of arguments: what each form means, what is refused, and that all rows speak it. */
#include "core/cmd/docs.h"

#include "core/base/buf.h"
#include "core/cmd/commands.h"
#include "core/command.h"
#include "tests/support/test.h"

static void put(struct buf *out, const struct doc_argument *first)
{
    for (; first; first = first->next) {
        buf_append_slice(out, first->name);
        buf_append_char(out, '/');
        buf_append_slice(out, first->type);
        if (first->key_spec >= 0)
            buf_printf(out, " key %d", first->key_spec);
        if (first->token.data)
            buf_printf(out, " token %.*s", (int)first->token.len, first->token.data);
        if (first->since.len)
            buf_printf(out, " since %.*s", (int)first->since.len, first->since.data);
        if (first->deprecated.len)
            buf_printf(out, " until %.*s", (int)first->deprecated.len, first->deprecated.data);
        buf_append_text(out, first->optional ? " optional" : "");
        buf_append_text(out, first->multiple ? " multiple" : "");
        buf_append_text(out, first->multiple_token ? " token-each" : "");
        if (first->child_count) {
            buf_append_text(out, " <");
            put(out, first->children);
            buf_append_char(out, '>');
        }
        buf_append_text(out, first->next ? "; " : "");
    }
}

struct example {
    const char *syntax, *tree;
};

static const struct example examples[] = {
    {NULL, ""},
    {"", ""},
    {"key:key value:string", "key/key key 0; value/string"},
    {"[count:integer]", "count/integer optional"},
    {"key:key...", "key/key key 0 multiple"},
    {"source:key destination:key", "source/key key 0; destination/key key 1"},
    {"key:key by:pattern%1@BY", "key/key key 0; by/pattern key 1 token BY"},
    {"keep=KEEPTTL", "keep/pure-token token KEEPTTL"},
    {"none=\"\"", "none/pure-token token "},
    {"equal==", "equal/pure-token token ="},
    {"[prefix:string@PREFIX...+]", "prefix/string token PREFIX optional multiple token-each"},
    {"[prefix:string@PREFIX]...+", "prefix/string token PREFIX optional multiple token-each"},
    {"on(nx=NX|xx=XX^2.0.0)",
     "on/oneof <nx/pure-token token NX; xx/pure-token token XX since 2.0.0>"},
    {"[limit{offset:integer count:integer}@LIMIT^1.2.3]",
     "limit/block token LIMIT since 1.2.3 optional <offset/integer; count/integer>"},
    {"data{key:key value:string}...", "data/block multiple <key/key key 0; value/string>"},
    {"ip:port:string!2.8.12", "ip:port/string until 2.8.12"},
    {"a(b{c:integer d:double}|[e:unix-time])",
     "a/oneof <b/block <c/integer; d/double>; e/unix-time optional>"},
};

static void each_form_gives_its_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct arena arena = {0};
        struct buf out = {0};
        struct doc_argument *first;
        int count, at;
        assert_true(docs_parse(&arena, examples[i].syntax, &first, &count, &at));
        put(&out, first);
        buf_append_char(&out, '\0');
        assert_string_equal(out.data, examples[i].tree);
        buf_free(&out);
        arena_free(&arena);
    }
}

static void what_is_no_argument_is_refused(void **state)
{
    static const char *const wrong[] = {
        "key", "key:", ":key", "[key:key", "a(b:string", "a{b:string", "a(b:string}", "a:string ",
        " a:string", "a=", "a:string]", "a:key%x", "()", "[]", "a:string  b:string",
        "a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(b=B))))))))))))))))))",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct arena arena = {0};
        struct doc_argument *first;
        int count, at;
        assert_false(docs_parse(&arena, wrong[i], &first, &count, &at));
        arena_free(&arena);
    }
}

static void check_row(const struct command *row)
{
    static const char *const types[] = {"string",     "integer", "double", "key",  "pattern",
                                        "pure-token", "oneof",   "block",  "unix-time"};
    struct arena arena = {0};
    struct doc_argument *first;
    int count, at;
    if (!docs_parse(&arena, row->syntax, &first, &count, &at))
        fail_msg("%s: '%s' at byte %d", row->name, row->syntax, at);
    for (; first; first = first->next) {
        bool known = false;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            known = known || slice_equal(first->type, slice_of(types[i]));
        if (!known)
            fail_msg("%s: type '%.*s'", row->name, (int)first->type.len, first->type.data);
    }
    arena_free(&arena);
    assert_non_null(row->summary);
    assert_non_null(row->since);
    assert_non_null(row->group);
    for (const struct command *child = row->subcommands; child && child->name; child++)
        check_row(child);
}

static void all_rows_have_docs(void **state)
{
    (void)state;
    for (int i = 0; command_tables[i]; i++)
        for (const struct command *row = command_tables[i]; row->name; row++)
            check_row(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_gives_its_tree),
        cmocka_unit_test(what_is_no_argument_is_refused),
        cmocka_unit_test(all_rows_have_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
