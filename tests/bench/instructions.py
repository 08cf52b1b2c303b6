#!/usr/bin/python3
"""Instructions a command outside of the kernel, counted by valgrind: kv-server beside its peer.

    KV_SERVER=build/kv-server tests/bench/instructions.py [SET GET INCR ...]

Unlike time they are the same on a busy machine. Persistence is off; 50 clients, pipeline 16. What
waits for memory and what the kernel does is not in them: for that see `make bench`.
"""
import os
import subprocess
import sys

from servers import benchmark
from tables import candidates, ratio, row, start

REQUESTS = 60000
WHAT = ["SET", "GET", "INCR", "LPUSH", "HSET", "ZADD"]
BEFORE = {"GET": "SET", "RPOP": "LPUSH", "HGET": "HSET", "ZRANK": "ZADD"}


def control(option, server):
    subprocess.run(["callgrind_control", option, str(server.process.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def instructions(candidate, what):
    """Of one command, the loop's share included; the keys are there already."""
    counts = os.path.join(os.getcwd(), "build", f"instructions-{os.getpid()}")
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
    with start(candidate, "off", under=valgrind) as server:
        benchmark(server.port, BEFORE.get(what, what), 50, 16, REQUESTS)
        control("--zero", server)
        benchmark(server.port, what, 50, 16, REQUESTS)
        control("--dump", server)
    with open(f"{counts}.1") as dump:
        total = next(int(line.split()[1]) for line in dump if line.startswith("totals:"))
    for path in (counts, f"{counts}.1"):
        if os.path.exists(path):
            os.unlink(path)
    return total / REQUESTS


def main():
    names = [os.path.basename(candidate) for candidate in candidates()]
    row("command", *names, *[f"kv / {name}" for name in names[1:]])
    row(*["---"] * (2 * len(names)))
    for what in sys.argv[1:] or WHAT:
        counted = [instructions(candidate, what) for candidate in candidates()]
        row(what, *[f"{count:.0f}" for count in counted],
            *[ratio(counted[0], count) for count in counted[1:]])


if __name__ == "__main__":
    main()
