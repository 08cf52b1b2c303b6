"""What all tables of the benchmark share: its scale, the servers it compares, the printing."""
import os

import servers
from servers import Server

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
MODES = {
    "off": {"kv": ["--persistence", "no"], "peer": ["--appendonly", "no"]},
    "everysec": {"kv": ["--appendfsync", "everysec"],
                 "peer": ["--appendonly", "yes", "--appendfsync", "everysec"]},
    "always": {"kv": ["--appendfsync", "always"],
               "peer": ["--appendonly", "yes", "--appendfsync", "always"]},
}


def candidates():
    """With BENCH_ONLY=redis-server or the like one of them, for tables that compare nothing."""
    peers = [os.environ["PEER"]] if os.environ.get("PEER") else []
    only = os.environ.get("BENCH_ONLY")
    return [name for name in ["kv"] + [servers.REFERENCE] + peers
            if not only or os.path.basename(name) == only]


def start(candidate, mode, extra=(), **more):
    kind = "kv" if candidate == "kv" else "peer"
    return Server(candidate, MODES[mode][kind] + list(extra), **more)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "-"
