/* The check of one request: command, keys, channels, for one selector after the other until one
 * allows all of it. */
#include "core/acl_check.h"

#include "core/acl_user.h"
#include "core/base/glob.h"
#include "core/base/mem.h"
#include "core/registry.h"

#define KEYS_ON_STACK 32

/* The request, with its keys found once for all selectors. */
struct request {
    const struct command_state *state;
    int argc;
    const struct slice *argv;
    int key_count;
    int *positions, *flags;
    int on_stack[2 * KEYS_ON_STACK];
};

static bool command_is_allowed(const struct acl_selector *selector, const struct request *request)
{
    const struct command_state *state = request->state;
    if (state->command->flags & COMMAND_NO_AUTH ||
        selector->allowed[state->id >> 6] & 1ull << (state->id & 63))
        return true;
    int at = state->parent ? 2 : 1;
    for (size_t i = 0; i < selector->first_args.count; i++) {
        const struct acl_text *text = selector->first_args.items[i];
        if (text->mark == (uint32_t)state->id && at < request->argc &&
            request->argv[at].len == text->len &&
            strncasecmp(request->argv[at].data, text->bytes, text->len) == 0)
            return true;
    }
    return false;
}

static uint32_t permissions_for(int key_flags)
{
    uint32_t permissions = 0;
    if (key_flags & KEY_ACCESS)
        permissions |= ACL_READ;
    if (key_flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE))
        permissions |= ACL_WRITE;
    return permissions;
}

/* One pattern must fit and give all that is needed; any pattern will do for a key that is only
 * looked at (EXISTS, TYPE). */
static bool key_is_allowed(const struct acl_selector *selector, struct slice key,
                           uint32_t permissions)
{
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_text *pattern = selector->keys.items[i];
        if ((pattern->mark & permissions) == permissions &&
            glob_match(acl_text_slice(pattern), key))
            return true;
    }
    return false;
}

/* The position of the first key that is not allowed, or -1. */
static int denied_key(const struct acl_selector *selector, const struct request *request)
{
    if (selector->flags & ACL_ALL_KEYS)
        return -1;
    for (int i = 0; i < request->key_count; i++) {
        int at = request->positions[i];
        if (!(request->flags[i] & KEY_NOT_KEY) &&
            !key_is_allowed(selector, request->argv[at], permissions_for(request->flags[i])))
            return at;
    }
    return -1;
}

static bool channel_is_allowed(const struct acl_selector *selector, struct slice channel,
                               bool is_pattern)
{
    if (selector->flags & ACL_ALL_CHANNELS)
        return true;
    for (size_t i = 0; i < selector->channels.count; i++) {
        struct slice granted = acl_text_slice(selector->channels.items[i]);
        if (is_pattern ? slice_equal(granted, channel) : glob_match(granted, channel))
            return true;
    }
    return false;
}

static int denied_channel(const struct acl_selector *selector, const struct request *request)
{
    enum command_channels channels = request->state->command->channels;
    if (channels == CHANNELS_NONE || selector->flags & ACL_ALL_CHANNELS)
        return -1;
    int last = channels == CHANNELS_FIRST ? 1 : request->argc - 1;
    for (int at = 1; at <= last && at < request->argc; at++)
        if (!channel_is_allowed(selector, request->argv[at], channels == CHANNELS_PATTERNS))
            return at;
    return -1;
}

static enum acl_verdict check_selector(const struct acl_selector *selector,
                                       const struct request *request, int *position)
{
    *position = 0;
    if (!command_is_allowed(selector, request))
        return ACL_DENIED_COMMAND;
    int at = denied_key(selector, request);
    if (at >= 0) {
        *position = at;
        return ACL_DENIED_KEY;
    }
    at = denied_channel(selector, request);
    if (at >= 0) {
        *position = at;
        return ACL_DENIED_CHANNEL;
    }
    return ACL_ALLOWED;
}

static void request_init(struct request *request, const struct command_state *state, int argc,
                         const struct slice *argv)
{
    int most = KEYS_ON_STACK;
    *request = (struct request){.state = state, .argc = argc, .argv = argv};
    request->positions = request->on_stack;
    request->flags = request->on_stack + KEYS_ON_STACK;
    if (argc * COMMAND_KEY_SPECS > most && state->command->keys[0].flags) {
        most = argc * COMMAND_KEY_SPECS;
        request->positions = mem_alloc(2 * (size_t)most * sizeof(int));
        request->flags = request->positions + most;
    }
    /* What does not fit its specs is refused by the command itself: no key is touched. */
    int count = command_keys(state->command, argc, argv, request->positions, request->flags, most);
    request->key_count = count > 0 ? count : 0;
}

static void request_free(struct request *request)
{
    if (request->positions != request->on_stack)
        mem_free(request->positions);
}

enum acl_verdict acl_check(const struct acl_user *user, const struct command_state *state, int argc,
                           const struct slice *argv, int *position)
{
    struct request request;
    enum acl_verdict verdict = ACL_DENIED_COMMAND;
    request_init(&request, state, argc, argv);
    *position = 0;
    for (size_t i = 0; i < user->selector_count; i++) {
        int at;
        enum acl_verdict one = check_selector(user->selectors[i], &request, &at);
        if (one == ACL_ALLOWED || one > verdict || (one == verdict && at > *position)) {
            verdict = one;
            *position = at;
        }
        if (one == ACL_ALLOWED)
            break;
    }
    request_free(&request);
    return verdict;
}

static bool reads_all(const struct acl_selector *selector)
{
    if (selector->flags & ACL_ALL_KEYS)
        return true;
    for (size_t i = 0; i < selector->keys.count; i++)
        if (selector->keys.items[i]->mark & ACL_READ &&
            slice_equal(acl_text_slice(selector->keys.items[i]), SLICE("*")))
            return true;
    return false;
}

bool acl_check_reads_all(const struct acl_user *user, const struct command_state *state, int argc,
                         const struct slice *argv)
{
    struct request request;
    bool found = false;
    int at;
    request_init(&request, state, argc, argv);
    for (size_t i = 0; i < user->selector_count && !found; i++)
        found = reads_all(user->selectors[i]) &&
                check_selector(user->selectors[i], &request, &at) == ACL_ALLOWED;
    request_free(&request);
    return found;
}

bool acl_check_channel(const struct acl_user *user, struct slice channel, bool is_pattern)
{
    for (size_t i = 0; i < user->selector_count; i++)
        if (channel_is_allowed(user->selectors[i], channel, is_pattern))
            return true;
    return false;
}
