/* Loading, changing and showing options. What an option's text means is in its row: see
 * settings_rows.c.
 *
 * A config file is a list of lines, each a directive and its words; '#' begins a comment where a
 * directive would begin. CONFIG SET takes values as one text each. Both end in setting_read, so a
 * value means the same everywhere. */
#include "core/settings.h"

#include <stdio.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/glob.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/settings_rows.h"

struct loading {
    struct settings *settings;
    const char *path; /* NULL: the command line */
    int line;
    struct slice including; /* the line that names the file to be read */
    void (*warn)(void *env, const char *line_text);
    void *env;
    struct fault *fault;
};

void settings_init(struct settings *settings)
{
    char why[512];
    memset(settings, 0, sizeof *settings);
    for (const struct setting_row *row = setting_rows; row->name; row++) {
        if (row->flags & SETTING_FILE_ONLY)
            continue;
        bool good = setting_read(settings, row, slice_of(row->initial), false, why);
        kv_assert(good);
    }
}

void settings_free(struct settings *settings)
{
    for (const struct setting_row *row = setting_rows; row->name; row++)
        if (row->kind == SETTING_STRING && row->field != SETTING_KEPT)
            mem_free(*(char **)((char *)settings + row->field));
    for (int i = 0; i < settings->bind_count; i++)
        mem_free(settings->bind[i]);
    for (int i = 0; i < SETTINGS_KEPT_MAX; i++)
        mem_free(settings->kept[i]);
    mem_free(settings->latency_percentiles);
    mem_free(settings->process.title_template);
    mem_free(settings->config_file);
    buf_free(&settings->requirepass);
    while (settings->lines) {
        struct setting_line *line = settings->lines;
        settings->lines = line->next;
        mem_free(line->path);
        mem_free(line);
    }
    memset(settings, 0, sizeof *settings);
}

/* ---- loading ---- */

/* What may be shown of a line: of a secret only its directive. */
static struct slice loading_shown(struct slice line)
{
    size_t from = 0, to;
    while (from < line.len && line.data[from] == '-')
        from++;
    for (to = from; to < line.len && !strchr(" \t\"'", line.data[to]);)
        to++;
    const struct setting_row *row =
        setting_row_find((struct slice){line.data + from, to - from});
    return row && row->flags & SETTING_SECRET ? (struct slice){line.data, to} : line;
}

static int loading_fault(const struct loading *loading, struct slice whole, const char *what)
{
    char where[64] = "Reading the command line";
    struct slice line = whole.len ? loading_shown(whole) : whole;
    if (loading->path)
        snprintf(where, sizeof where, "Reading the configuration file, at line %d", loading->line);
    return fault_set(loading->fault, KV_EFORMAT, loading->path, -1, "%s\n>>> '%.*s'\n%s", where,
                     (int)(line.len > 200 ? 200 : line.len), line.data ? line.data : "", what);
}

static void loading_warn(const struct loading *loading, const struct setting_row *row)
{
    char line[160];
    struct buf value = {0};
    setting_show(loading->settings, row, &value);
    settings_warning(row->name, line);
    if (loading->warn && line[0] && !slice_equal(buf_slice(&value), slice_of(row->initial)))
        loading->warn(loading->env, line);
    buf_free(&value);
}

static int loading_include(void *env, const char *path)
{
    struct loading *loading = env;
    struct settings *settings = loading->settings;
    char *content = NULL;
    size_t len = 0;
    struct fault why = {.offset = -1};
    int result = settings->read_file(settings->read_file_self, path, &content, &len, &why);
    if (result < 0) {
        char line[sizeof why.path + sizeof why.text + 64];
        return loading_fault(loading, loading->including, fault_line(&why, line, sizeof line));
    }
    settings->include_depth++;
    result = settings_load(settings, (struct slice){content, len}, path, loading->warn,
                           loading->env, loading->fault);
    settings->include_depth--;
    mem_free(content);
    return result;
}

static int settings_include(struct loading *loading, struct slice name, struct slice line)
{
    struct settings *settings = loading->settings;
    char path[512];
    if (!settings->read_file)
        return loading_fault(loading, line, "include works in a config file only");
    if (settings->include_depth >= SETTINGS_INCLUDE_DEPTH)
        return loading_fault(loading, line, "files include each other too deeply");
    if (name.len >= sizeof path || !name.len)
        return loading_fault(loading, line, "not a file name");
    memcpy(path, name.data, name.len);
    path[name.len] = '\0';
    loading->including = line;
    bool pattern = strpbrk(path, "*?[") != NULL;
    return pattern && settings->match_files ? settings->match_files(path, loading_include, loading)
                                            : loading_include(loading, path);
}

/* A directive whose meaning only the engine knows: kept as it is, in one block with its words. */
static int settings_keep_line(struct loading *loading, const struct setting_row *row, int count,
                              const struct slice *words, struct slice line)
{
    struct setting_line **last = &loading->settings->lines, *kept;
    size_t bytes = sizeof *kept + (size_t)count * sizeof *words, at = bytes;
    for (int i = 0; i < count; i++) {
        if (memchr(words[i].data, '\0', words[i].len))
            return loading_fault(loading, line, "argument must not contain a zero byte");
        bytes += words[i].len;
    }
    kept = mem_alloc(bytes);
    *kept = (struct setting_line){.name = row->name, .number = loading->line, .count = count};
    for (int i = 0; i < count; i++) {
        kept->words[i] = (struct slice){(char *)kept + at, words[i].len};
        memcpy((char *)kept + at, words[i].data, words[i].len);
        at += words[i].len;
    }
    if (loading->path) {
        size_t len = strlen(loading->path) + 1;
        kept->path = memcpy(mem_alloc(len), loading->path, len);
    }
    while (*last)
        last = &(*last)->next;
    *last = kept;
    return 0;
}

/* One directive: words[0] is its name. `line` is for messages. */
static int settings_directive(struct loading *loading, int count, const struct slice *words,
                              struct slice line)
{
    const struct setting_row *row = setting_row_find(words[0]);
    char why[512] = "Bad directive or wrong number of arguments";
    if (!row)
        return loading_fault(loading, line, why);
    if (row->flags & SETTING_FILE_ONLY && row->flags & SETTING_REFUSED) {
        snprintf(why, sizeof why, "%s does not work in this version of kv: take it out", row->name);
        return loading_fault(loading, line, why);
    }
    if ((count < 2 && !(row->flags & SETTING_BARE)) || (count > 2 && !(row->flags & SETTING_WORDS)))
        return loading_fault(loading, line, "wrong number of arguments");
    if (row->flags & SETTING_LINE_KEPT)
        return settings_keep_line(loading, row, count - 1, words + 1, line);
    if (row->flags & SETTING_FILE_ONLY)
        return count == 2 ? settings_include(loading, words[1], line)
                          : loading_fault(loading, line, "wrong number of arguments");
    bool *given = &loading->settings->given[row - setting_rows];
    if (count == 1 && *given)
        return 0;
    struct buf value = {0};
    for (int i = 1; i < count; i++) {
        if (i > 1)
            buf_append_char(&value, ' ');
        buf_append_slice(&value, words[i]);
    }
    bool good = setting_read(loading->settings, row, buf_slice(&value), *given, why);
    *given = true;
    buf_free(&value);
    if (!good)
        return loading_fault(loading, line, why);
    loading_warn(loading, row);
    return 0;
}

int settings_load(struct settings *settings, struct slice text, const char *path,
                  void (*warn)(void *env, const char *line), void *env, struct fault *fault)
{
    struct loading loading = {
        .settings = settings, .path = path, .warn = warn, .env = env, .fault = fault};
    struct arena arena = {0};
    int result = 0;
    size_t at = 0;
    while (at < text.len && result == 0) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        struct slice line = {text.data + at,
                             end ? (size_t)(end - text.data) - at : text.len - at};
        at += line.len + 1;
        loading.line++;
        while (line.len && strchr(" \t\r", line.data[line.len - 1]))
            line.len--;
        while (line.len && strchr(" \t\r", line.data[0]))
            line.data++, line.len--;
        if (!line.len || line.data[0] == '#')
            continue;
        struct slice *words;
        int count = text_split(&arena, line, &words);
        if (count < 1)
            result = loading_fault(&loading, line, "Unbalanced quotes in configuration line");
        else
            result = settings_directive(&loading, count, words, line);
        arena_reset(&arena);
    }
    arena_free(&arena);
    return result;
}

int settings_load_words(struct settings *settings, int count, const struct slice *words,
                        void (*warn)(void *env, const char *line), void *env, struct fault *fault)
{
    struct loading loading = {.settings = settings, .warn = warn, .env = env, .fault = fault};
    struct buf line = {0};
    struct arena arena = {0};
    for (int i = 0; i < count; i++) {
        buf_append_text(&line, i ? " " : "");
        buf_append_slice(&line, i ? text_quote(&arena, words[i]) : words[i]);
    }
    int result = count < 1 ? loading_fault(&loading, SLICE(""), "no directive")
                           : settings_directive(&loading, count, words, buf_slice(&line));
    buf_free(&line);
    arena_free(&arena);
    return result;
}

void settings_complete(struct settings *settings)
{
    const struct setting_row *row = setting_row_find(SLICE("save"));
    char why[512];
    if (!settings->persistence || settings->appendonly || settings->given[row - setting_rows])
        return;
    bool good = setting_read(settings, row, SLICE(SETTINGS_SAVE_WITHOUT_LOG), false, why);
    kv_assert(good);
}

const char *settings_dump_name(const struct settings *settings)
{
    const char *name = settings->db_filename;
    if (settings->saving.format == SETTINGS_SNAPSHOT_RDB && strcmp(name, SETTINGS_DUMP_LZ4) == 0)
        return SETTINGS_DUMP_RDB;
    return name;
}

bool settings_durable(const struct settings *settings)
{
    return settings->persistence && settings->appendonly;
}

void settings_warning(const char *name, char line[static 160])
{
    const struct setting_row *row = setting_row_find(slice_of(name));
    line[0] = '\0';
    if (row && row->flags & SETTING_NO_EFFECT)
        snprintf(line, 160, "'%s' is accepted, but has no effect in kv", row->name);
    else if (row && row->flags & SETTING_LATER)
        snprintf(line, 160, "'%s' is accepted, but has no effect in this version of kv", row->name);
}

/* ---- CONFIG SET ---- */

struct change {
    const struct setting_row *row;
    struct buf before;
    bool differs, told;
};

static bool change_allowed(const struct settings *settings, const struct setting_row *row,
                           bool local, char why[static 512])
{
    int protected = settings->enable_protected_configs;
    if (row->flags & SETTING_IMMUTABLE)
        snprintf(why, 512, "can't set immutable config");
    else if (row->flags & SETTING_PROTECTED && protected != 2 && !(protected == 1 && local))
        snprintf(why, 512, "can't set protected config");
    else
        return true;
    return false;
}

/* Which pair can't be set at all, or is there twice; -1 if all is well. */
static int changes_check(const struct settings *settings, int pairs,
                         const struct slice *names_values, bool local, struct change *changes,
                         int *result, char why[static 512])
{
    for (int i = 0; i < pairs; i++) {
        const struct setting_row *row = setting_row_find(names_values[2 * i]);
        *result = KV_EFORMAT;
        if (!row || row->flags & SETTING_FILE_ONLY)
            return i;
        *result = KV_EREFUSED;
        if (!change_allowed(settings, row, local, why))
            return i;
        for (int j = 0; j < i; j++)
            if (changes[j].row == row) {
                snprintf(why, 512, "duplicate parameter");
                return i;
            }
        changes[i].row = row;
    }
    return -1;
}

static bool change_make(struct settings *settings, struct change *change, struct slice value,
                        char why[static 512])
{
    struct buf after = {0};
    setting_show(settings, change->row, &change->before);
    if (!setting_read(settings, change->row, value, false, why))
        return false;
    setting_show(settings, change->row, &after);
    change->differs = (change->row->flags & SETTING_VOLATILE) ||
                      !slice_equal(buf_slice(&change->before), buf_slice(&after));
    buf_free(&after);
    if (change->differs && change->row->flags & SETTING_RESTART) {
        snprintf(why, 512,
                 "this version of kv can't change it while it runs: set it in the config "
                 "file or on the command line, and restart");
        return false;
    }
    return true;
}

static void changes_undo(struct settings *settings, struct change *changes, int pairs,
                         int (*changed)(void *env, const char *name, struct fault *fault),
                         void *env)
{
    char why[512];
    struct fault fault;
    for (int i = 0; i < pairs; i++) {
        if (!changes[i].differs)
            continue;
        bool good = setting_read(settings, changes[i].row, buf_slice(&changes[i].before), false,
                                 why);
        kv_assert(good);
    }
    for (int i = 0; i < pairs; i++)
        if (changes[i].told && changed(env, changes[i].row->name, &fault) != 0)
            continue; /* it was like this before: nothing is left to fall back on */
}

int settings_set(struct settings *settings, int pairs, const struct slice *names_values,
                 bool local,
                 int (*changed)(void *env, const char *name, struct fault *fault), void *env,
                 int *failed, char why[static 512])
{
    struct change *changes = mem_alloc_zero(sizeof *changes * (size_t)(pairs ? pairs : 1));
    int result = 0;
    why[0] = '\0';
    *failed = changes_check(settings, pairs, names_values, local, changes, &result, why);
    if (*failed >= 0)
        goto out;
    result = 0;
    for (int i = 0; i < pairs && !result; i++)
        if (!change_make(settings, &changes[i], names_values[2 * i + 1], why)) {
            *failed = i;
            result = KV_ELIMIT;
        }
    for (int i = 0; i < pairs && !result && changed; i++) {
        struct fault fault = {.offset = -1};
        if (!changes[i].differs)
            continue;
        changes[i].told = true;
        if (changed(env, changes[i].row->name, &fault) == 0)
            continue;
        *failed = i;
        result = KV_ELIMIT;
        snprintf(why, 512, "%.500s", fault.text);
    }
    if (result)
        changes_undo(settings, changes, pairs, changed, env);
out:
    for (int i = 0; i < pairs; i++)
        buf_free(&changes[i].before);
    mem_free(changes);
    return result;
}

/* ---- CONFIG GET ---- */

static bool matches_any(int patterns, const struct slice *pattern, const struct setting_row *row,
                        const char *name)
{
    for (int i = 0; i < patterns; i++)
        if (row->flags & SETTING_HIDDEN ? slice_is(pattern[i], name)
                                        : glob_match_nocase(pattern[i], slice_of(name)))
            return true;
    return false;
}

void settings_get(const struct settings *settings, int patterns, const struct slice *pattern,
                  void (*found)(void *env, const char *name, struct slice value), void *env)
{
    struct buf value = {0};
    for (const struct setting_row *row = setting_rows; row->name; row++) {
        const char *names[2] = {row->name, row->alias};
        for (int i = 0; i < 2; i++) {
            if (!names[i] || row->flags & SETTING_FILE_ONLY ||
                !matches_any(patterns, pattern, row, names[i]))
                continue;
            buf_clear(&value);
            setting_show(settings, row, &value);
            found(env, names[i], buf_slice(&value));
        }
    }
    buf_free(&value);
}
