/* CLIENT LIST and KILL: which clients; their rows are those of client.c. */
#pragma once

struct ctx;

void client_list_run(struct ctx *ctx);
void client_kill_run(struct ctx *ctx);
