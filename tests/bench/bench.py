#!/usr/bin/python3
"""Side by side: kv-server and its peers on the same machine, in turn, under the same load.

    make bench                      all tables, about a quarter of an hour
    make bench BENCH='load memory'  some of them: load, types, items, readers,
                                    latency, memory, start, snapshot, bighash, tail,
                                    tailhash, scripts, pubsub, tls
    PEER=/path/to/valkey-server make bench
    BENCH_SCALE=10 BENCH_ROUNDS=1 BENCH_ONLY=kv make bench BENCH=snapshot
                                    10 million mixed keys, one server at a time

Prints tables in Markdown. Figures of one run on a noisy machine mean little: compare the ratios.
"""
import os
import statistics
import sys
import threading
import time

import bench_clients
import bench_snapshot
import bench_tail
import servers
from servers import Server, benchmark, fill
from tables import MODES, ROUNDS, SCALE, candidates, ratio, row, start

# what, clients, pipeline, requests
LOADS = [
    ("SET", 1, 1, 15000), ("SET", 50, 1, 150000), ("SET", 500, 1, 150000), ("SET", 50, 16, 800000),
    ("GET", 1, 1, 15000), ("GET", 50, 1, 150000), ("GET", 500, 1, 150000), ("GET", 50, 16, 800000),
    ("INCR", 50, 16, 800000),
]
# with the log off
TYPES = [
    ("LPUSH", 50, 16, 800000), ("RPOP", 50, 16, 400000), ("SADD", 50, 16, 800000),
    ("HSET", 50, 16, 800000), ("HGET", 50, 16, 800000), ("ZADD", 50, 16, 800000),
    ("ZRANK", 50, 16, 800000), ("XADD", 50, 16, 400000),
]
READ_FROM = {"GET": "SET", "RPOP": "LPUSH", "HGET": "HSET", "ZRANK": "ZADD"}


def one_load(candidate, mode, what, clients, pipeline, requests):
    """Throughput, p50, p99 and server CPU per command of one load on a fresh server."""
    with start(candidate, mode) as server:
        if what in READ_FROM:
            benchmark(server.port, READ_FROM[what], 50, 16, 500000)
        before = server.cpu_seconds()
        figures = benchmark(server.port, what, clients, pipeline, int(requests * SCALE))
        cpu = server.cpu_seconds() - before
        return (figures["rps"], figures["p50_latency_ms"], figures["p99_latency_ms"],
                cpu * 1e6 / int(requests * SCALE))


def head_of_loads():
    row("log", "load", "clients", "pipeline", "kv 1/s", "peer", "peer 1/s", "throughput",
        "p50", "p99", "kv CPU us", "CPU per command")
    row(*["---"] * 12)


def compare_load(mode, what, clients, pipeline, requests):
    """A row for each peer: medians of ROUNDS runs in turn."""
    results = {candidate: [] for candidate in candidates()}
    for _ in range(ROUNDS):
        for candidate in candidates():
            results[candidate].append(
                one_load(candidate, mode, what, clients, pipeline, requests))
    medians = {c: [statistics.median(v) for v in zip(*r)] for c, r in results.items()}
    ours = medians["kv"]
    for candidate in candidates()[1:]:
        peer = medians[candidate]
        row(mode, what, clients, pipeline, f"{ours[0]:.0f}", os.path.basename(candidate),
            f"{peer[0]:.0f}", ratio(ours[0], peer[0]), ratio(ours[1], peer[1]),
            ratio(ours[2], peer[2]), f"{ours[3]:.2f}", ratio(ours[3], peer[3]))


def table_load():
    print("\n### Throughput, latency, processor time\n")
    head_of_loads()
    for mode in MODES:
        for what, clients, pipeline, requests in LOADS:
            if mode != "off" and what == "INCR":
                continue
            if mode == "always" and clients == 1:
                requests = requests // 3
            compare_load(mode, what, clients, pipeline, requests)


def table_types():
    print("\n### The data types, log off: throughput, latency, processor time\n")
    head_of_loads()
    for what, clients, pipeline, requests in TYPES:
        compare_load("off", what, clients, pipeline, requests)


def readers_beside_writers(candidate, mode):
    """p99 of 10 readers of their own keys while 50 writers keep the log busy."""
    with start(candidate, mode) as server:
        benchmark(server.port, "GETKEYS", 50, 16, 100000)
        stop = threading.Event()

        def write():
            while not stop.is_set():
                benchmark(server.port, "SET", 50, 1, 100000)

        writer = threading.Thread(target=write)
        writer.start()
        figures = benchmark(server.port, "GETKEYS_READ", 10, 1, int(60000 * SCALE))
        stop.set()
        writer.join()
        return figures["p99_latency_ms"], figures["p50_latency_ms"]


def table_readers():
    print("\n### GET of other keys beside 50 writers: p99 in ms\n")
    row("server", "log off", "always", "always / off")
    row(*["---"] * 4)
    for candidate in candidates():
        figures = {}
        for mode in ("off", "always"):
            figures[mode] = statistics.median(
                readers_beside_writers(candidate, mode)[0] for _ in range(ROUNDS))
        row(os.path.basename(candidate), f"{figures['off']:.3f}", f"{figures['always']:.3f}",
            ratio(figures["always"], figures["off"]))


def table_latency():
    print("\n### One client, appendfsync always: microseconds per SET against one bare fdatasync\n")
    row("server", "SET (us, median)", "bare fdatasync (us, median)", "difference")
    row(*["---"] * 4)
    for candidate in candidates():
        with start(candidate, "always") as server:
            bare, ours = servers.paired_latency(server, int(3000 * SCALE))
        row(os.path.basename(candidate), f"{ours:.0f}", f"{bare:.0f}", f"{ours - bare:+.0f}")


SHAPES = [("string, 16 B key + 32 B value", 16, 32), ("string, 16 B key + integer", 16, 0),
          ("string, 30 B key + 200 B value", 30, 200)]


def table_memory():
    print("\n### Memory per key: bytes allocated (used_memory), and resident\n")
    row("shape", "keys", "server", "bytes per key", "resident per key")
    row(*["---"] * 5)
    for name, key_bytes, value_bytes in SHAPES:
        for keys in (int(1000000 * SCALE), int(1500000 * SCALE)):
            for candidate in candidates():
                with start(candidate, "off") as server:
                    used, rss = server.memory()
                    fill(server.port, keys, key_bytes, value_bytes)
                    used_after, rss_after = server.memory()
                    row(name, keys, os.path.basename(candidate),
                        f"{(used_after - used) / keys:.1f}", f"{(rss_after - rss) / keys:.1f}")


# what, command, collections, items each, words of an item
COLLECTIONS = [
    ("hash of 1,000 fields, 12 + 22 B", "HSET", 500, 1000,
     lambda i: (f"field:{i:06d}", "v" * 22)),
    ("ordered set, 15 B members", "ZADD", 5, 100000,
     lambda i: (i * 7919 % 100003, f"member:{i:08d}")),
    ("set, 15 B members", "SADD", 5, 100000, lambda i: (f"member:{i:08d}",)),
    ("list, 32 B elements", "RPUSH", 5, 100000, lambda i: ("v" * 32,)),
]


def table_items():
    print("\n### Memory per item: bytes allocated\n")
    row("shape", "items", "server", "bytes per item")
    row(*["---"] * 4)
    for name, command, collections, items, words in COLLECTIONS:
        for candidate in candidates():
            with start(candidate, "off") as server:
                used, _ = server.memory()
                servers.fill_collections(server.port, command, collections, items, words)
                after, _ = server.memory()
            total = collections * items
            row(name, total, os.path.basename(candidate), f"{(after - used) / total:.1f}")


def table_start():
    print("\n### Start from the log: until PING is answered\n")
    row("keys", "server", "log bytes", "seconds", "keys per second")
    row(*["---"] * 5)
    for keys in (int(200000 * SCALE), int(1000000 * SCALE), int(4000000 * SCALE)):
        for candidate in candidates():
            extra = [] if candidate == "kv" else ["--aof-use-rdb-preamble", "no"]
            with Server(candidate, MODES["everysec"]["kv" if candidate == "kv" else "peer"] + extra,
                        keep=True) as server:
                fill(server.port, keys, 16, 32)
                directory = server.directory
            size = servers.directory_bytes(directory)
            began = time.monotonic()
            with Server(candidate, MODES["everysec"]["kv" if candidate == "kv" else "peer"] + extra,
                        directory=directory) as server:
                seconds = time.monotonic() - began
                assert server.command("DBSIZE") == keys
            row(keys, os.path.basename(candidate), size, f"{seconds:.2f}", f"{keys / seconds:.0f}")


TABLES = {"load": table_load, "types": table_types, "readers": table_readers,
          "latency": table_latency, "memory": table_memory, "items": table_items,
          "start": table_start, **bench_snapshot.TABLES, **bench_tail.TABLES,
          **bench_clients.TABLES}


def main():
    wanted = sys.argv[1:] or list(TABLES)
    print(f"Machine: {servers.machine()}")
    print(f"Servers: {', '.join(servers.version(c) for c in candidates())}")
    for name in wanted:
        TABLES[name]()


if __name__ == "__main__":
    main()
