/* The check of commands, and logging in: for the gate, EXEC, scripts and AUTH.
 *
 *   struct command_state *state = ...;  the command, in ctx->state; its arguments in ctx->argv
 *   enum acl_verdict verdict = acl_judge(ctx, ACL_SCRIPT);
 *   if (verdict != ACL_ALLOWED) ... it must not run
 */
#pragma once

#include <stdbool.h>

#include "core/acl_check.h"
#include "core/acl_log.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct ctx;

/* May the session of ctx run the command that is in ctx->state with ctx->argv? A denial is counted,
 * and entered into ACL LOG under `context`. Cheap to call for everybody. */
enum acl_verdict acl_judge(struct ctx *ctx, enum acl_context context);
/* What an error reply says of a verdict on ctx's command: "NOPERM this user has ...". */
void acl_deny_text(const struct ctx *ctx, enum acl_verdict verdict, struct buf *out);
/* A command that makes up names of keys from what it reads: may the session read all of them? */
bool acl_reads_all(const struct ctx *ctx);

/* Take on a user, if the password fits and the user is on. False: it was counted and logged, and
 * nothing changed. */
must_check bool acl_log_in(struct ctx *ctx, struct slice name, struct slice password);
