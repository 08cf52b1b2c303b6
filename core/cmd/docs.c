/* A parser by recursive descent for the notation that docs.h describes. Its input is our own, so
 * there is one kind of error only; a test parses every row. */
#include "core/cmd/docs.h"

#include <string.h>

#include "core/base/attr.h"

#define DOCS_DEPTH_MAX 16

struct docs_parser {
    struct arena *arena;
    const char *start, *at;
    int keys;
    int depth;
};

static bool parse_list(struct docs_parser *parser, char separator, char end,
                       struct doc_argument **first, int *count);

/* The run of bytes up to one of `stops`, or to "...". */
static struct slice take_word(struct docs_parser *parser, const char *stops)
{
    const char *from = parser->at;
    while (*parser->at && !strchr(stops, *parser->at) && strncmp(parser->at, "...", 3) != 0)
        parser->at++;
    return (struct slice){from, (size_t)(parser->at - from)};
}

static bool take(struct docs_parser *parser, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(parser->at, text, len) != 0)
        return false;
    parser->at += len;
    return true;
}

static bool parse_suffixes(struct docs_parser *parser, struct doc_argument *argument)
{
    static const char stops[] = " |)}]@%^!";
    for (;;) {
        if (take(parser, "...+")) {
            argument->multiple = argument->multiple_token = true;
        } else if (take(parser, "...")) {
            argument->multiple = true;
        } else if (take(parser, "@")) {
            argument->token = take_word(parser, stops);
        } else if (take(parser, "^")) {
            argument->since = take_word(parser, stops);
        } else if (take(parser, "!")) {
            argument->deprecated = take_word(parser, stops);
        } else if (take(parser, "%")) {
            if (*parser->at < '0' || *parser->at > '9')
                return false;
            argument->key_spec = *parser->at++ - '0';
        } else {
            return true;
        }
    }
}

/* Behind the name: what kind of argument it is. */
static bool parse_body(struct docs_parser *parser, struct doc_argument *argument)
{
    struct slice word = argument->name;
    if (take(parser, "(")) {
        argument->type = SLICE("oneof");
        return parse_list(parser, '|', ')', &argument->children, &argument->child_count);
    }
    if (take(parser, "{")) {
        argument->type = SLICE("block");
        return parse_list(parser, ' ', '}', &argument->children, &argument->child_count);
    }
    if (take(parser, "=")) {
        argument->type = SLICE("pure-token");
        argument->token = take_word(parser, " |)}]@%^!");
        bool given = argument->token.len > 0;
        if (slice_equal(argument->token, SLICE("\"\"")))
            argument->token = SLICE("");
        return given;
    }
    const char *colon = memrchr(word.data, ':', word.len);
    if (!colon)
        return false;
    argument->name.len = (size_t)(colon - word.data);
    argument->type = (struct slice){colon + 1, word.len - argument->name.len - 1};
    return argument->name.len > 0 && argument->type.len > 0;
}

static bool parse_argument(struct docs_parser *parser, struct doc_argument *argument)
{
    bool optional = take(parser, "[");
    *argument = (struct doc_argument){.key_spec = -1, .optional = optional};
    argument->name = take_word(parser, " |(){}[]=@%^!");
    if (!argument->name.len || parser->depth >= DOCS_DEPTH_MAX)
        return false;
    parser->depth++;
    bool good = parse_body(parser, argument) && parse_suffixes(parser, argument);
    parser->depth--;
    if (good && optional)
        good = take(parser, "]") && parse_suffixes(parser, argument);
    if (good && slice_equal(argument->type, SLICE("key"))) {
        if (argument->key_spec < 0)
            argument->key_spec = parser->keys;
        parser->keys++;
    }
    return good;
}

static bool parse_list(struct docs_parser *parser, char separator, char end,
                       struct doc_argument **first, int *count)
{
    struct doc_argument **link = first;
    *count = 0;
    do {
        struct doc_argument *argument = arena_alloc_zero(parser->arena, sizeof *argument);
        if (!parse_argument(parser, argument))
            return false;
        *link = argument;
        link = &argument->next;
        ++*count;
    } while (*parser->at == separator && *parser->at++);
    if (*parser->at != end)
        return false;
    if (end)
        parser->at++;
    return true;
}

bool docs_parse(struct arena *arena, const char *syntax, struct doc_argument **first, int *count,
                int *at_byte)
{
    *first = NULL;
    *count = 0;
    *at_byte = 0;
    if (!syntax || !*syntax)
        return true;
    struct docs_parser parser = {.arena = arena, .start = syntax, .at = syntax};
    bool good = parse_list(&parser, ' ', '\0', first, count);
    *at_byte = (int)(parser.at - parser.start);
    return good;
}
