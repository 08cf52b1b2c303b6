/* Reading goes line by line into a set of users of its own, which replaces the present one only if
 * all lines were good. A wrong rule does not end its line: the errors of the whole file are told at
 * once, as many as fit into a reply. */
#include "core/acl_file.h"

#include <stdio.h>
#include <string.h>

#include "core/acl.h"
#include "core/acl_user.h"
#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/engine_state.h"
#include "core/settings.h"

struct reading {
    struct acl_grammar grammar;
    struct acl *acl;
    const char *path;
    int line;
    bool default_seen;
    struct arena arena;
    struct buf *why;
};

static void complain(struct reading *reading, const char *before, struct slice what,
                     const char *after)
{
    struct buf *why = reading->why;
    if (why->len > ACL_FILE_ERROR_BYTES)
        return;
    buf_append_text(why, before);
    buf_append(why, what.data, what.len > 128 ? 128 : what.len);
    buf_append_text(why, after);
}

static void complain_at(struct reading *reading, const char *text)
{
    char where[32];
    size_t len = strlen(reading->path);
    if (reading->why->len > ACL_FILE_ERROR_BYTES)
        return;
    buf_append(reading->why, reading->path, len > 256 ? 256 : len);
    snprintf(where, sizeof where, ":%d", reading->line);
    buf_append_text(reading->why, where);
    buf_append_text(reading->why, text);
}

static struct slice trim(struct slice line)
{
    while (line.len > 0 && strchr(" \t\r\n", line.data[line.len - 1]) && line.data[line.len - 1])
        line.len--;
    while (line.len > 0 && strchr(" \t\r\n", line.data[0]) && line.data[0])
        line.data++, line.len--;
    return line;
}

/* The words between single spaces: two in a row have an empty one between them. */
static int split(struct arena *arena, struct slice line, struct slice **words)
{
    int count = 1;
    for (size_t i = 0; i < line.len; i++)
        count += line.data[i] == ' ';
    *words = arena_alloc(arena, sizeof **words * (size_t)count);
    size_t from = 0;
    int made = 0;
    for (size_t i = 0; i <= line.len; i++) {
        if (i < line.len && line.data[i] != ' ')
            continue;
        (*words)[made++] = trim((struct slice){line.data + from, i - from});
        from = i + 1;
    }
    return count;
}

/* A word that names no command is told by itself, of all other errors the first. */
static void read_rules(struct reading *reading, struct acl_user *user, int count,
                       const struct slice *rules)
{
    const char *first = NULL, *why;
    for (int i = 0; i < count; i++) {
        if (acl_rules_apply(&reading->grammar, user, rules[i], &why))
            continue;
        if (strncmp(why, "Unknown", 7) == 0) {
            complain_at(reading, ": Error in applying operation '");
            complain(reading, "", rules[i], "': ");
            complain(reading, why, SLICE(""), ". ");
        } else if (!first) {
            first = why;
        }
    }
    if (first) {
        complain_at(reading, ": ");
        complain(reading, first, SLICE(""), ". ");
    }
}

static void read_user(struct reading *reading, int count, const struct slice *words)
{
    struct slice *rules, name = words[1];
    bool is_default = slice_equal(name, SLICE("default"));
    if (!acl_rules_name_fits(name)) {
        complain_at(reading, ": username '");
        complain(reading, "", name, "' contains invalid characters. ");
        return;
    }
    if (is_default ? reading->default_seen : acl_find(reading->acl, name) != NULL) {
        char line[32];
        snprintf(line, sizeof line, "' found on line %d. ", reading->line);
        complain(reading, "WARNING: Duplicate user '", name, line);
        return;
    }
    int joined = acl_rules_join(&reading->arena, count - 2, words + 2, &rules);
    if (joined < 0) {
        complain_at(reading, ": Unmatched parenthesis in selector definition.");
        return;
    }
    struct acl_user *user = acl_rules_new_user(&reading->grammar, name);
    acl_add(reading->acl, user);
    if (is_default)
        user = reading->acl->default_user;
    reading->default_seen |= is_default;
    read_rules(reading, user, joined, rules);
}

struct acl *acl_file_read(const struct engine *engine, const char *path, struct slice text,
                          struct buf *why)
{
    struct reading reading = {
        .grammar = acl_grammar(engine),
        .acl = acl_new_set(engine),
        .path = path,
        .why = why,
    };
    size_t at = 0;
    while (at < text.len) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        struct slice line = {text.data + at, end ? (size_t)(end - text.data) - at : text.len - at};
        struct slice *words;
        at += line.len + 1;
        reading.line++;
        line = trim(line);
        if (line.len == 0)
            continue;
        int count = split(&reading.arena, line, &words);
        if (count < 2 || !slice_equal(words[0], SLICE("user")))
            complain_at(&reading, " should start with user keyword followed by the username. ");
        else
            read_user(&reading, count, words);
        arena_reset(&reading.arena);
    }
    arena_free(&reading.arena);
    if (why->len == 0)
        return reading.acl;
    acl_free(reading.acl);
    return NULL;
}

void acl_file_write(const struct acl *acl, struct buf *out)
{
    for (size_t i = 0; i < acl->count; i++) {
        acl_user_show(acl->users[i], out);
        buf_append_char(out, '\n');
    }
}

/* --- Lines of a config file ------------------------------------------------------------------ */

/* Is the default user no other than the one that requirepass alone would make? */
static bool default_is_plain(const struct engine *engine)
{
    struct acl *fresh = acl_new_set(engine);
    struct buf plain = {0}, now = {0};
    acl_require_password(engine, fresh);
    acl_user_show(fresh->default_user, &plain);
    acl_user_show(engine->acl->default_user, &now);
    bool same = slice_equal(buf_slice(&plain), buf_slice(&now));
    buf_free(&plain);
    buf_free(&now);
    acl_free(fresh);
    return same;
}

/* Rules have no white space in them, but may have quotes and backslashes. */
static void quote_words(struct arena *arena, struct slice line, struct buf *out)
{
    struct slice *words;
    int count = split(arena, line, &words);
    for (int i = 0; i < count; i++) {
        bool plain = words[i].len > 0;
        for (size_t j = 0; j < words[i].len; j++)
            plain &= words[i].data[j] > ' ' && words[i].data[j] <= '~' &&
                     !strchr("\"'\\", words[i].data[j]);
        if (i > 0)
            buf_append_char(out, ' ');
        buf_append_slice(out, plain ? words[i] : text_quote(arena, words[i]));
    }
    buf_append_char(out, '\n');
}

/* Users of the command line and of included files stay there: twice, they would refuse the next
 * start. */
static bool is_of_elsewhere(const struct settings *settings, const char *name)
{
    for (const struct setting_line *line = settings->lines; line; line = line->next) {
        bool main_file = line->path && settings->config_file &&
                         strcmp(line->path, settings->config_file) == 0;
        if (strcmp(line->name, "user") == 0 && !main_file && line->count > 0 &&
            slice_equal(line->words[0], slice_of(name)))
            return true;
    }
    return false;
}

void acl_file_write_config(const struct engine *engine, struct buf *out)
{
    const struct acl *acl = engine->acl;
    struct arena arena = {0};
    struct buf line = {0};
    for (size_t i = 0; i < acl->count; i++) {
        if (acl->users[i] == acl->default_user && default_is_plain(engine))
            continue;
        if (is_of_elsewhere(engine->settings, acl->users[i]->name))
            continue;
        buf_clear(&line);
        acl_user_show(acl->users[i], &line);
        quote_words(&arena, buf_slice(&line), out);
        arena_reset(&arena);
    }
    buf_free(&line);
    arena_free(&arena);
}

/* --- LOAD and SAVE --------------------------------------------------------------------------- */

int acl_file_load(struct engine *engine, struct session *actor, struct buf *why,
                  struct fault *fault)
{
    struct host *host = engine->host;
    const char *path = engine->settings->aclfile;
    char *content = NULL;
    size_t len = 0;
    int code = host->read_file(host->self, path, &content, &len, fault);
    if (code != 0)
        return code;
    struct acl *fresh = acl_file_read(engine, path, (struct slice){content, len}, why);
    mem_free(content);
    if (!fresh)
        return KV_EFORMAT;
    acl_replace(engine, fresh, actor);
    return 0;
}

int acl_file_save(struct engine *engine, struct fault *fault)
{
    struct host *host = engine->host;
    struct buf text = {0};
    acl_file_write(engine->acl, &text);
    int code = host->replace_file(host->self, engine->settings->aclfile, buf_slice(&text), fault);
    buf_free(&text);
    return code;
}
