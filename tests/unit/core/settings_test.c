/* Options: what files, the command line and CONFIG SET take, refuse and give back. */
#include "core/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/journal.h"
#include "core/settings_rewrite.h"

struct fixture {
    struct settings settings;
    struct fault fault;
    struct buf warnings;
    char why[512];
    int failed;
    int told;
    const char *refuse; /* the option that `changed` says no to */
};

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc_zero(sizeof *fixture);
    settings_init(&fixture->settings);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    settings_free(&fixture->settings);
    buf_free(&fixture->warnings);
    mem_free(fixture);
    return 0;
}

static void warn(void *env, const char *line)
{
    struct fixture *fixture = env;
    buf_append_text(&fixture->warnings, line);
    buf_append_char(&fixture->warnings, '\n');
}

static int load(struct fixture *fixture, const char *text)
{
    return settings_load(&fixture->settings, slice_of(text), "/etc/kv.conf", warn, fixture,
                         &fixture->fault);
}

static int changed(void *env, const char *name, struct fault *fault)
{
    struct fixture *fixture = env;
    fixture->told++;
    if (fixture->refuse && strcmp(fixture->refuse, name) == 0)
        return fault_set(fault, KV_ELIMIT, NULL, -1, "no");
    return 0;
}

static int set(struct fixture *fixture, int pairs, const char *const *names_values)
{
    struct slice words[16];
    for (int i = 0; i < 2 * pairs; i++)
        words[i] = slice_of(names_values[i]);
    return settings_set(&fixture->settings, pairs, words, false, changed, fixture, &fixture->failed,
                        fixture->why);
}

static void append_value(void *env, const char *name, struct slice value)
{
    struct buf *out = env;
    buf_append_text(out, name);
    buf_append_char(out, '=');
    buf_append_slice(out, value);
    buf_append_char(out, ';');
}

static void assert_get(struct fixture *fixture, const char *pattern, const char *expected)
{
    struct buf out = {0};
    struct slice patterns[] = {slice_of(pattern)};
    settings_get(&fixture->settings, 1, patterns, append_value, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void the_defaults_are_durable_and_closed(void **state)
{
    struct fixture *fixture = *state;
    assert_true(settings_durable(&fixture->settings));
    assert_int_equal(fixture->settings.appendfsync, JOURNAL_ALWAYS);
    assert_true(fixture->settings.protected_mode);
    assert_int_equal(fixture->settings.port, 6379);
    assert_int_equal(fixture->settings.saving.count, 0);
    assert_int_equal(fixture->settings.requirepass.len, 0);
    assert_get(fixture, "bind", "bind=127.0.0.1 -::1;");
    assert_get(fixture, "client-output-buffer-limit",
               "client-output-buffer-limit=normal 0 0 0 slave 268435456 67108864 60 pubsub "
               "33554432 8388608 60;");
}

static void a_file_is_read_line_by_line(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load(fixture, "# comment\r\n\n  PORT 7000\r\nmaxmemory 100mb\n"
                                   "bind 10.0.0.1 ::1\nrequirepass \"a b\\x41\"\n"
                                   "save 60 1\nsave 30 5\nappendfsync EVERYSEC\n"
                                   "slave-read-only yes\nunixsocketperm 700"),
                     0);
    assert_get(fixture, "port", "port=7000;");
    assert_get(fixture, "maxmemory", "maxmemory=104857600;");
    assert_get(fixture, "bind", "bind=10.0.0.1 ::1;");
    assert_get(fixture, "requirepass", "requirepass=a bA;");
    assert_get(fixture, "save", "save=60 1 30 5;");
    assert_get(fixture, "appendfs*", "appendfsync=everysec;");
    assert_get(fixture, "unixsocketp*", "unixsocketperm=700;");
    assert_int_equal(fixture->settings.unix_socket_perm, 0700);
}

struct bad_line {
    const char *text, *line, *reason;
};

static const struct bad_line bad_lines[] = {
    {"port 1\nno-such-thing 1\n", "line 2", "Bad directive or wrong number of arguments"},
    {"port 1 2\n", "line 1", "wrong number of arguments"},
    {"port\n", "line 1", "wrong number of arguments"},
    {"\n\nport 70000\n", "line 3", "argument must be between 0 and 65535 inclusive"},
    {"requirepass \"x\n", "line 1", "Unbalanced quotes"},
    {"maxmemory x\n", "line 1", "argument must be a memory value"},
    {"appendonly maybe\n", "line 1", "argument must be 'yes' or 'no'"},
    {"user \"a\\x00b\" on\n", "line 1", "zero byte"},
    {"rename-command\n", "line 1", "wrong number of arguments"},
    {"loadmodule /x.so\n", "line 1", "does not work in this version"},
    {"replicaof 10.0.0.1 6379\n", "line 1", "does not work in this version"},
    {"cluster-enabled yes\n", "line 1", "does not work in this version"},
    {"min-replicas-to-write 1\n", "line 1", "does not work in this version"},
    {"appendfilename a/b\n", "line 1", "can't be a path"},
    {"dir \"\"\n", "line 1", "can't be empty"},
    {"unixsocketperm 888\n", "line 1", "octal"},
    {"include /x.conf\n", "line 1", "include"},
};

static void a_bad_line_is_named(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        assert_int_equal(load(fixture, bad_lines[i].text), KV_EFORMAT);
        assert_non_null(strstr(fixture->fault.text, bad_lines[i].line));
        assert_non_null(strstr(fixture->fault.text, bad_lines[i].reason));
        assert_string_equal(fixture->fault.path, "/etc/kv.conf");
    }
}

static void a_bad_line_does_not_show_a_secret(void **state)
{
    static const char *const lines[] = {
        "requirepass hunter2 x\n", "requirepass \"hunter2\n", "  user a >hunter2 \"\n",
        "masterauth hunter2 hunter2\n", "RequirePass \"x\"hunter2\n"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(load(fixture, lines[i]), KV_EFORMAT);
        assert_non_null(strstr(fixture->fault.text, "line 1"));
        assert_null(strstr(fixture->fault.text, "hunter2"));
    }
}

static void lines_for_the_engine_are_kept_word_by_word(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load(fixture, "user a on >\"p q\"\nport 1\nRENAME-COMMAND get \"\"\n"), 0);
    const struct setting_line *line = fixture->settings.lines;
    assert_string_equal(line->name, "user");
    assert_int_equal(line->number, 1);
    assert_int_equal(line->count, 3);
    assert_true(slice_equal(line->words[2], SLICE(">p q")));
    assert_string_equal(line->next->name, "rename-command");
    assert_int_equal(line->next->number, 3);
    assert_int_equal(line->next->words[1].len, 0);
    assert_null(line->next->next);
}

static void what_has_no_effect_warns_unless_it_is_the_default(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load(fixture, "activedefrag no\nio-threads 1\nreplicaof no one\n"
                                   "aclfile \"\"\nacllog-max-len 5\ntls-port 0\nmaxmemory 1gb\n"),
                     0);
    assert_int_equal(fixture->warnings.len, 0);
    assert_int_equal(load(fixture, "activedefrag yes\nrepl-timeout 5\n"
                                   "notify-keyspace-events KEA\n"),
                     0);
    buf_append_char(&fixture->warnings, '\0');
    assert_string_equal(fixture->warnings.data,
                        "'activedefrag' is accepted, but has no effect in kv\n"
                        "'repl-timeout' is accepted, but has no effect in this "
                        "version of kv\n");
    assert_get(fixture, "notify-*", "notify-keyspace-events=AKE;");
}

static void the_command_line_takes_words(void **state)
{
    struct fixture *fixture = *state;
    struct slice save[] = {SLICE("save"), SLICE("60"), SLICE("1")};
    struct slice port[] = {SLICE("port"), SLICE("x")};
    struct slice pass[] = {SLICE("requirepass"), SLICE("a \"b")};
    assert_int_equal(settings_load_words(&fixture->settings, 3, save, warn, fixture, NULL), 0);
    assert_int_equal(settings_load_words(&fixture->settings, 2, pass, warn, fixture, NULL), 0);
    assert_true(slice_equal(buf_slice(&fixture->settings.requirepass), SLICE("a \"b")));
    assert_int_equal(
        settings_load_words(&fixture->settings, 2, port, warn, fixture, &fixture->fault),
        KV_EFORMAT);
    assert_non_null(strstr(fixture->fault.text, "\n>>> 'port \"x\"'\n"));
}

struct bad_set {
    const char *name, *value, *why;
};

static const struct bad_set bad_sets[] = {
    {"port", "abc", "argument couldn't be parsed into an integer"},
    {"maxmemory-samples", "0", "argument must be between 1 and 2147483647 inclusive"},
    {"maxmemory", "-1", "argument must be a memory value"},
    {"appendfsync", "foo",
     "argument(s) must be one of the following: everysec, always, no"},
    {"protected-mode", "foo", "argument must be 'yes' or 'no'"},
    {"databases", "12", "can't set immutable config"},
    {"dir", "/tmp", "can't set protected config"},
    {"save", "1", "Invalid save parameters"},
    {"save", "0 1", "Invalid save parameters"},
    {"client-output-buffer-limit", "foo 1 2 3",
     "Invalid client class specified in buffer limit configuration."},
    {"client-output-buffer-limit", "normal 1 2",
     "Wrong number of arguments in buffer limit configuration."},
    {"client-output-buffer-limit", "normal 1 2 -1",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
    {"maxmemory-clients", "500%", "percentage argument must be less or equal to 100"},
    {"maxmemory-clients", "x", "argument must be a memory or percent value"},
    {"latency-tracking-info-percentiles", "1 300",
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
    {"notify-keyspace-events", "Q",
     "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
    {"oom-score-adj-values", "1 2", "wrong number of arguments"},
    {"shutdown-on-sigterm", "save nosave",
     "shutdown options SAVE and NOSAVE can't be used simultaneously"},
};

static void config_set_refuses_with_the_words_of_redis(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof bad_sets / sizeof bad_sets[0]; i++) {
        const char *pair[] = {bad_sets[i].name, bad_sets[i].value};
        bool not_at_all = strncmp(bad_sets[i].why, "can't set", 9) == 0;
        assert_int_equal(set(fixture, 1, pair), not_at_all ? KV_EREFUSED : KV_ELIMIT);
        assert_int_equal(fixture->failed, 0);
        assert_string_equal(fixture->why, bad_sets[i].why);
    }
    assert_int_equal(set(fixture, 1, (const char *[]){"foo", "bar"}), KV_EFORMAT);
    assert_int_equal(set(fixture, 1, (const char *[]){"include", "bar"}), KV_EFORMAT);
    assert_int_equal(
        set(fixture, 2, (const char *[]){"hash-max-ziplist-entries", "1",
                                         "hash-max-listpack-entries", "2"}),
        KV_EREFUSED);
    assert_string_equal(fixture->why, "duplicate parameter");
}

static void config_set_changes_all_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    const char *bad[] = {"maxmemory", "100mb", "bind", "1.2.3.4", "maxmemory-samples", "0"};
    const char *good[] = {"maxmemory", "100mb", "bind", "1.2.3.4", "maxmemory-samples", "7"};
    assert_int_equal(set(fixture, 3, bad), KV_ELIMIT);
    assert_int_equal(fixture->failed, 2);
    assert_int_equal(fixture->told, 0);
    assert_get(fixture, "maxmemory", "maxmemory=0;");
    assert_get(fixture, "bind", "bind=127.0.0.1 -::1;");
    fixture->refuse = "bind";
    assert_int_equal(set(fixture, 3, good), KV_ELIMIT);
    assert_int_equal(fixture->failed, 1);
    assert_string_equal(fixture->why, "no");
    assert_int_equal(fixture->told, 4); /* maxmemory, bind; and both again, put back */
    assert_get(fixture, "maxmemory", "maxmemory=0;");
    assert_get(fixture, "bind", "bind=127.0.0.1 -::1;");
    fixture->refuse = NULL;
    assert_int_equal(set(fixture, 3, good), 0);
    assert_int_equal(fixture->settings.maxmemory, 104857600);
    assert_string_equal(fixture->settings.bind[0], "1.2.3.4");
    assert_int_equal(fixture->settings.maxmemory_samples, 7);
}

static void what_needs_a_restart_takes_its_present_value_only(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(set(fixture, 1, (const char *[]){"enable-protected-configs", "yes"}),
                     KV_EREFUSED);
    assert_int_equal(load(fixture, "enable-protected-configs yes\n"), 0);
    assert_int_equal(set(fixture, 1, (const char *[]){"dir", "."}), 0);
    assert_int_equal(set(fixture, 1, (const char *[]){"dir", "/"}), KV_ELIMIT);
    assert_non_null(strstr(fixture->why, "restart"));
    assert_string_equal(fixture->settings.dir, ".");
}

static void an_alias_is_another_name_for_the_same(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(set(fixture, 1, (const char *[]){"hash-max-ziplist-entries", "5"}), 0);
    assert_get(fixture, "hash-max-*-entries",
               "hash-max-listpack-entries=5;hash-max-ziplist-entries=5;");
}

static int read_one(void *self, const char *path, char **content, size_t *len,
                    struct fault *fault)
{
    const char *text = strcmp(path, "/a") == 0 ? "port 7001\n" : "include /loop\n";
    (void)self, (void)fault;
    *len = strlen(text);
    *content = mem_alloc(*len);
    memcpy(*content, text, *len);
    return 0;
}

static void include_reads_another_file_to_a_bounded_depth(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.read_file = read_one;
    assert_int_equal(load(fixture, "include /a\ntimeout 5\n"), 0);
    assert_int_equal(fixture->settings.port, 7001);
    assert_int_equal(fixture->settings.timeout_s, 5);
    assert_int_equal(load(fixture, "include /loop\n"), KV_EFORMAT);
    assert_non_null(strstr(fixture->fault.text, "too deeply"));
    assert_int_equal(fixture->settings.include_depth, 0);
}

/* Rewriting, then loading what was written, gives the same settings; lines that say what holds
 * already are not touched. */
static void rewrite_keeps_what_is_still_true(void **state)
{
    struct fixture *fixture = *state;
    const char *old = "# mine\n\nport 7000\n# memory\nmaxmemory 1gb\nsave 60 1\nsave 30 5\n"
                      "weird line\ntimeout 3";
    struct buf out = {0}, again = {0};
    assert_int_equal(load(fixture, "port 7000\nmaxmemory 2gb\nsave 10 1\ntimeout 3\n"
                                   "requirepass \"x y\"\nbind 10.0.0.1 10.0.0.2\n"),
                     0);
    settings_rewrite(&fixture->settings, slice_of(old), SLICE(""), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data,
                        "# mine\n\nport 7000\n# memory\nmaxmemory 2147483648\nsave 10 1\n"
                        "weird line\ntimeout 3\n# Generated by CONFIG REWRITE\n"
                        "bind 10.0.0.1 10.0.0.2\nrequirepass \"x y\"\n");
    settings_rewrite(&fixture->settings, slice_of(out.data), SLICE(""), &again);
    buf_append_char(&again, '\0');
    assert_string_equal(again.data, out.data);
    buf_free(&out);
    buf_free(&again);
}

static void rewrite_puts_users_in_place_of_those_there_were(void **state)
{
    struct fixture *fixture = *state;
    const char *old = "# mine\nuser a on >x\ntimeout 0\n USER \"b\" off\n";
    struct buf out = {0};
    settings_rewrite(&fixture->settings, slice_of(old), SLICE("user c on\nuser d on\n"), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, "# mine\nuser c on\nuser d on\ntimeout 0\n");
    buf_clear(&out);
    settings_rewrite(&fixture->settings, slice_of("timeout 0\n"), SLICE("user c on\n"), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, "timeout 0\n# Generated by CONFIG REWRITE\nuser c on\n");
    buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_defaults_are_durable_and_closed),
        TEST(a_file_is_read_line_by_line),
        TEST(a_bad_line_is_named),
        TEST(a_bad_line_does_not_show_a_secret),
        TEST(lines_for_the_engine_are_kept_word_by_word),
        TEST(what_has_no_effect_warns_unless_it_is_the_default),
        TEST(the_command_line_takes_words),
        TEST(config_set_refuses_with_the_words_of_redis),
        TEST(config_set_changes_all_or_nothing),
        TEST(what_needs_a_restart_takes_its_present_value_only),
        TEST(an_alias_is_another_name_for_the_same),
        TEST(include_reads_another_file_to_a_bounded_depth),
        TEST(rewrite_keeps_what_is_still_true),
        TEST(rewrite_puts_users_in_place_of_those_there_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
