/* Applying the lines that settings.c has kept word by word. */
#include "core/configure.h"

#include <stdio.h>

#include "core/acl.h"
#include "core/acl_file.h"
#include "core/acl_user.h"
#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine_state.h"
#include "core/registry.h"
#include "core/settings.h"

/* The words of a line may be secret: only the name of the directive is told, and `what`. */
static int line_fault(struct fault *fault, const struct setting_line *line, const char *what,
                      struct slice which, const char *why)
{
    char where[32] = "";
    if (line->path)
        snprintf(where, sizeof where, "line %d: ", line->number);
    return fault_set(fault, KV_EFORMAT, line->path, -1, "%s'%s': %s%.*s%s", where, line->name,
                     what, (int)(which.len > 128 ? 128 : which.len), which.data, why);
}

static int rename_command(struct engine *engine, const struct setting_line *line,
                          struct fault *fault)
{
    struct registry *registry = engine->registry;
    if (line->count != 2)
        return line_fault(fault, line, "wrong number of arguments", SLICE(""), "");
    if (!registry_find(registry, line->words[0].data, line->words[0].len))
        return line_fault(fault, line, "No such command in rename-command: ", line->words[0], "");
    if (!registry_rename(registry, line->words[0], line->words[1]))
        return line_fault(fault, line, "Target command name already exists: ", line->words[1], "");
    return 0;
}

/* Rules without a secret in them are shown. */
static int rule_fault(struct fault *fault, const struct setting_line *line, struct slice rule,
                      const char *why)
{
    bool secret = rule.len > 0 && strchr("><#!", rule.data[0]);
    char text[512];
    snprintf(text, sizeof text, ": %s", why);
    return line_fault(fault, line, "Error in user declaration ", secret ? SLICE("of a password")
                                                                        : rule, text);
}

static int add_user(struct engine *engine, struct acl *acl, const struct setting_line *line,
                    struct arena *arena, struct fault *fault)
{
    struct acl_grammar grammar = acl_grammar(engine);
    struct slice name = line->count > 0 ? line->words[0] : SLICE(""), *rules;
    const char *why;
    if (line->count < 1)
        return line_fault(fault, line, "wrong number of arguments", SLICE(""), "");
    if (!acl_rules_name_fits(name))
        return line_fault(fault, line, "the name of a user can't have spaces", SLICE(""), "");
    for (const struct setting_line *other = line->next; other; other = other->next)
        if (slice_is(slice_of(other->name), "user") && other->count > 0 &&
            slice_equal(other->words[0], name))
            return line_fault(fault, other, "Error in user declaration ", name,
                              ": Duplicate user found. A user can only be defined once in config "
                              "files");
    int count = acl_rules_join(arena, line->count - 1, line->words + 1, &rules);
    if (count < 0)
        return rule_fault(fault, line, line->words[-count],
                          "Unmatched parenthesis in selector definition");
    struct acl_user *user = acl_rules_new_user(&grammar, name);
    acl_add(acl, user);
    user = acl_find(acl, name);
    for (int i = 0; i < count; i++)
        if (!acl_rules_apply(&grammar, user, rules[i], &why))
            return rule_fault(fault, line, rules[i], why);
    return 0;
}

static int users_of_file(struct engine *engine, const struct setting_line *user_line,
                         struct fault *fault)
{
    struct buf why = {0};
    if (user_line)
        return line_fault(fault, user_line,
                          "Configuring Redis with users defined in redis.conf and at the same "
                          "setting an ACL file path is invalid. This setup is very likely to lead "
                          "to configuration errors and security holes, please define either an "
                          "ACL file or declare users directly in your redis.conf, but not both.",
                          SLICE(""), "");
    int code = acl_file_load(engine, NULL, &why, fault);
    if (code == KV_EFORMAT)
        fault_set(fault, code, engine->settings->aclfile, -1, "errors in the ACL file: %.*s",
                  (int)why.len, why.data);
    buf_free(&why);
    return code;
}

int configure_engine(struct engine *engine, struct fault *fault)
{
    const struct setting_line *user_line = NULL;
    struct arena arena = {0};
    int code = 0;
    for (const struct setting_line *line = engine->settings->lines; line && !code;
         line = line->next) {
        if (slice_is(slice_of(line->name), "rename-command"))
            code = rename_command(engine, line, fault);
        else if (!user_line)
            user_line = line;
    }
    if (!code && engine->settings->aclfile)
        return users_of_file(engine, user_line, fault);
    for (const struct setting_line *line = user_line; line && !code; line = line->next)
        if (slice_is(slice_of(line->name), "user"))
            code = add_user(engine, engine->acl, line, &arena, fault);
    arena_free(&arena);
    return code;
}
