/* Options whose text has a form of its own. Each reader checks the whole text before it changes
 * anything; the error texts are those of Redis 7.0. */
#include "core/settings_special.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/text.h"
#include "core/notify.h"
#include "core/settings.h"

static bool setting_wrong(char why[static 512], const char *text)
{
    snprintf(why, 512, "%s", text);
    return false;
}

static char *setting_copy(struct slice text)
{
    char *copy = mem_alloc(text.len + 1);
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* Words of a value: separated by blanks, without quotes. -1: more than `most`. */
static int setting_words(struct slice text, struct slice *words, int most)
{
    int count = 0;
    size_t at = 0;
    while (at < text.len) {
        while (at < text.len && strchr(" \t\r\n", text.data[at]))
            at++;
        size_t from = at;
        while (at < text.len && !strchr(" \t\r\n", text.data[at]))
            at++;
        if (at == from)
            break;
        if (count == most)
            return -1;
        words[count++] = (struct slice){text.data + from, at - from};
    }
    return count;
}

/* bind: addresses; a leading '-' says that it may be missing on this machine. */
SETTING_READ(setting_read_bind)
{
    (void)add, (void)kept;
    struct slice words[SETTINGS_BIND_MAX];
    int count = setting_words(text, words, SETTINGS_BIND_MAX);
    if (count < 0)
        return setting_wrong(why, "Too many bind addresses specified.");
    for (int i = 0; i < settings->bind_count; i++)
        mem_free(settings->bind[i]);
    for (int i = 0; i < count; i++)
        settings->bind[i] = setting_copy(words[i]);
    settings->bind_count = count;
    return true;
}

SETTING_SHOW(setting_show_bind)
{
    for (int i = 0; i < settings->bind_count; i++) {
        if (i)
            buf_append_char(out, ' ');
        buf_append_text(out, settings->bind[i]);
    }
}

/* client-output-buffer-limit: groups of class, hard limit, soft limit, seconds; classes that are
 * not named keep theirs. */
static int output_class_of(struct slice word)
{
    if (slice_is(word, "normal"))
        return OUTPUT_NORMAL;
    if (slice_is(word, "slave") || slice_is(word, "replica"))
        return OUTPUT_REPLICA;
    return slice_is(word, "pubsub") ? OUTPUT_PUBSUB : -1;
}

SETTING_READ(setting_read_output)
{
    (void)add, (void)kept;
    struct slice words[4 * 16];
    struct output_limit limits[OUTPUT_CLASSES];
    memcpy(limits, settings->output_limits, sizeof limits);
    int count = setting_words(text, words, 4 * 16);
    if (count < 0 || count % 4 || !count)
        return setting_wrong(why, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < count; i += 4) {
        int class = output_class_of(words[i]);
        if (class < 0)
            return setting_wrong(
                why, "Invalid client class specified in buffer limit configuration.");
        struct output_limit *limit = &limits[class];
        if (!num_parse_memory(words[i + 1], &limit->hard_bytes) || limit->hard_bytes < 0 ||
            !num_parse_memory(words[i + 2], &limit->soft_bytes) || limit->soft_bytes < 0 ||
            !num_parse_i64(words[i + 3], &limit->soft_seconds) || limit->soft_seconds < 0)
            return setting_wrong(why, "Error in hard, soft or soft_seconds setting in buffer "
                                      "limit configuration.");
    }
    memcpy(settings->output_limits, limits, sizeof limits);
    return true;
}

SETTING_SHOW(setting_show_output)
{
    static const char *const names[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        buf_printf(out, "%s%s %lld %lld %lld", i ? " " : "", names[i],
                   (long long)settings->output_limits[i].hard_bytes,
                   (long long)settings->output_limits[i].soft_bytes,
                   (long long)settings->output_limits[i].soft_seconds);
}

/* save: pairs of seconds and changes; the empty text takes all points away. */
SETTING_READ(setting_read_save)
{
    (void)kept;
    struct slice words[2 * SETTINGS_SAVE_MAX];
    struct save_point points[SETTINGS_SAVE_MAX];
    int count = setting_words(text, words, 2 * SETTINGS_SAVE_MAX);
    if (count < 0 || count % 2)
        return setting_wrong(why, "Invalid save parameters");
    for (int i = 0; i < count; i += 2) {
        struct save_point *point = &points[i / 2];
        if (!num_parse_i64(words[i], &point->seconds) || point->seconds < 1 ||
            !num_parse_i64(words[i + 1], &point->changes) || point->changes < 0)
            return setting_wrong(why, "Invalid save parameters");
    }
    int from = add && count ? settings->saving.count : 0;
    if (from + count / 2 > SETTINGS_SAVE_MAX)
        return setting_wrong(why, "Invalid save parameters");
    memcpy(settings->saving.points + from, points, sizeof points[0] * (size_t)(count / 2));
    settings->saving.count = from + count / 2;
    return true;
}

SETTING_SHOW(setting_show_save)
{
    for (int i = 0; i < settings->saving.count; i++)
        buf_printf(out, "%s%lld %lld", i ? " " : "", (long long)settings->saving.points[i].seconds,
                   (long long)settings->saving.points[i].changes);
}

/* maxmemory-clients: bytes, or a percentage of maxmemory. */
SETTING_READ(setting_read_clients)
{
    (void)add;
    int64_t value;
    bool percent = text.len && text.data[text.len - 1] == '%';
    if (percent ? !num_parse_i64((struct slice){text.data, text.len - 1}, &value)
                : !num_parse_memory(text, &value))
        value = -1;
    if (value < 0)
        return setting_wrong(why, "argument must be a memory or percent value");
    if (percent && value > 100)
        return setting_wrong(why, "percentage argument must be less or equal to 100");
    settings->maxmemory_clients = percent ? -value : value;
    buf_append_i64(kept, value);
    if (percent)
        buf_append_char(kept, '%');
    return true;
}

/* latency-tracking-info-percentiles: numbers from 0 to 100, kept as text. */
SETTING_READ(setting_read_percentiles)
{
    (void)add, (void)kept;
    struct slice words[32];
    struct buf canonical = {0};
    int count = setting_words(text, words, 32);
    if (count < 0) /* as many as one line of INFO can hold with good sense */
        return setting_wrong(why, "Invalid latency-tracking-info-percentiles parameters");
    for (int i = 0; i < count; i++) {
        double value;
        char digits[NUM_DOUBLE_MAX_CHARS];
        if (!num_parse_double(words[i], &value) || value < 0 || value > 100) {
            buf_free(&canonical);
            return setting_wrong(why, num_parse_double(words[i], &value)
                                          ? "latency-tracking-info-percentiles parameters should "
                                            "sit between [0.0,100.0]"
                                          : "Invalid latency-tracking-info-percentiles parameters");
        }
        if (i)
            buf_append_char(&canonical, ' ');
        buf_append(&canonical, digits, num_format_double(digits, value));
    }
    mem_free(settings->latency_percentiles);
    settings->latency_percentiles = count ? setting_copy(buf_slice(&canonical)) : NULL;
    buf_free(&canonical);
    return true;
}

SETTING_SHOW(setting_show_percentiles)
{
    if (settings->latency_percentiles)
        buf_append_text(out, settings->latency_percentiles);
}

/* notify-keyspace-events: letters of classes. */
SETTING_READ(setting_read_events)
{
    (void)add, (void)kept;
    if (!notify_read(text, &settings->notify_events))
        return setting_wrong(why, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    return true;
}

SETTING_SHOW(setting_show_events)
{
    notify_show(settings->notify_events, out);
}

SETTING_READ(setting_read_oom_values)
{
    (void)add, (void)kept;
    struct slice words[3];
    int64_t values[3];
    if (setting_words(text, words, 3) != 3)
        return setting_wrong(why, "wrong number of arguments");
    for (int i = 0; i < 3; i++)
        if (!num_parse_i64(words[i], &values[i]) || values[i] < -2000 || values[i] > 2000)
            return setting_wrong(
                why,
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    memcpy(settings->process.oom_values, values, sizeof values);
    return true;
}

SETTING_SHOW(setting_show_oom_values)
{
    const int64_t *values = settings->process.oom_values;
    buf_printf(out, "%lld %lld %lld", (long long)values[0], (long long)values[1],
               (long long)values[2]);
}

/* shutdown-on-sigint, -sigterm: a set of words. */
static const char *const shutdown_words[] = {"save", "nosave", "now", "force"};

static bool setting_read_shutdown(struct slice text, uint32_t *out, char why[static 512])
{
    struct slice words[8];
    int count = setting_words(text, words, 8);
    uint32_t set = 0;
    for (int i = 0; i < count; i++) {
        bool known = slice_is(words[i], "default");
        for (int j = 0; j < 4; j++)
            if (slice_is(words[i], shutdown_words[j])) {
                set |= 1u << j;
                known = true;
            }
        if (!known)
            count = -1;
    }
    if (count < 1)
        return setting_wrong(why, "argument(s) must be one of the following: default, save, "
                                  "nosave, now, force");
    if ((set & SHUTDOWN_SAVE) && (set & SHUTDOWN_NOSAVE))
        return setting_wrong(why,
                             "shutdown options SAVE and NOSAVE can't be used simultaneously");
    *out = set;
    return true;
}

static void setting_show_shutdown(uint32_t set, struct buf *out)
{
    const char *before = "";
    if (!set)
        buf_append_text(out, "default");
    for (int j = 0; j < 4; j++)
        if (set & 1u << j) {
            buf_printf(out, "%s%s", before, shutdown_words[j]);
            before = " ";
        }
}

SETTING_READ(setting_read_sigint)
{
    (void)add, (void)kept;
    return setting_read_shutdown(text, &settings->process.on_sigint, why);
}

SETTING_SHOW(setting_show_sigint)
{
    setting_show_shutdown(settings->process.on_sigint, out);
}

SETTING_READ(setting_read_sigterm)
{
    (void)add, (void)kept;
    return setting_read_shutdown(text, &settings->process.on_sigterm, why);
}

SETTING_SHOW(setting_show_sigterm)
{
    setting_show_shutdown(settings->process.on_sigterm, out);
}

/* hz: what is out of bounds is brought within them, without a word. */
SETTING_READ(setting_read_hz)
{
    (void)add, (void)kept;
    int64_t value;
    if (!num_parse_i64(text, &value))
        return setting_wrong(why, "argument couldn't be parsed into an integer");
    if (value < 0 || value > INT32_MAX)
        return setting_wrong(why, "argument must be between 0 and 2147483647 inclusive");
    settings->hz = value < 1 ? 1 : value > 500 ? 500 : value;
    return true;
}

SETTING_SHOW(setting_show_hz)
{
    buf_append_i64(out, settings->hz);
}

SETTING_READ(setting_read_title)
{
    static const char *const nothing[TITLE_PARTS] = {"", "", "", "", "", "", ""};
    (void)add, (void)kept;
    char *template = setting_copy(text), title[1];
    if (!text.len || !settings_title(template, nothing, title, sizeof title)) {
        mem_free(template);
        return setting_wrong(why, "template format is invalid or contains unknown variables");
    }
    mem_free(settings->process.title_template);
    settings->process.title_template = template;
    return true;
}

SETTING_SHOW(setting_show_title)
{
    buf_append_text(out, settings->process.title_template);
}

/* replicaof: host and port; "no one" and the empty text stand for none. */
SETTING_READ(setting_read_replicaof)
{
    (void)settings, (void)add;
    struct slice words[2];
    int count = setting_words(text, words, 2);
    if (count == 0)
        return true;
    if (count != 2)
        return setting_wrong(why, "wrong number of arguments");
    if (slice_is(words[0], "no") && slice_is(words[1], "one"))
        return true;
    buf_append_slice(kept, words[0]);
    buf_append_char(kept, ' ');
    buf_append_slice(kept, words[1]);
    return true;
}

SETTING_READ(setting_read_password)
{
    (void)add, (void)kept, (void)why;
    buf_clear(&settings->requirepass);
    buf_append_slice(&settings->requirepass, text);
    return true;
}

SETTING_SHOW(setting_show_password)
{
    buf_append_slice(out, buf_slice(&settings->requirepass));
}
