/* The subcommands of CLIENT about tracking; their rows are those of client.c. */
#pragma once

struct ctx;

void client_caching_run(struct ctx *ctx);
void client_getredir_run(struct ctx *ctx);
void client_tracking_run(struct ctx *ctx);
void client_trackinginfo_run(struct ctx *ctx);
