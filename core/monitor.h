/* MONITOR: sessions that are shown every command as it runs.
 *
 *   +1700000000.123456 [0 127.0.0.1:50122] "SET" "key" "value"
 *
 * A line is a push (push.h), so that nobody sees a command before what it did is durable. Secrets
 * are left out.
 */
#pragma once

struct ctx;
struct session;

void monitor_start(struct session *session);
/* Does nothing for a session that is no monitor. */
void monitor_stop(struct session *session);

/* The command of ctx has run; or will, if its row has COMMAND_SKIP_MONITOR: it runs others, which
 * are shown behind it. Those of administration are not shown. */
void monitor_show(const struct ctx *ctx);
