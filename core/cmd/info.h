/* The sections of INFO. Each writes its heading and one field a line, in the order and with the
 * names that redis-server 7.0 has; what is kv's own comes behind. */
#pragma once

struct buf;
struct engine;

void info_server(struct engine *engine, struct buf *out);
void info_clients(struct engine *engine, struct buf *out);
void info_memory(struct engine *engine, struct buf *out);
void info_persistence(struct engine *engine, struct buf *out);
void info_stats(struct engine *engine, struct buf *out);
void info_replication(struct engine *engine, struct buf *out);
void info_cpu(struct engine *engine, struct buf *out);
void info_modules(struct engine *engine, struct buf *out);
void info_commandstats(struct engine *engine, struct buf *out);
void info_errorstats(struct engine *engine, struct buf *out);
void info_latencystats(struct engine *engine, struct buf *out);
void info_cluster(struct engine *engine, struct buf *out);
void info_keyspace(struct engine *engine, struct buf *out);
