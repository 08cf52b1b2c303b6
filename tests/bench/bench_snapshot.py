"""Snapshots and compaction: how long they take, how large they are, what they cost in memory, and
how fast a server starts from them. What writers feel meanwhile is in bench_tail.py."""
import os
import shutil
import statistics
import tempfile
import threading
import time

from bench_data import FIELDS, fill_big_hash, fill_mixed
from bench_tail import save_once
from servers import Server, directory_bytes
from tables import MODES, ROUNDS, candidates, row, start

NO_GROWTH = ["--auto-aof-rewrite-percentage", "0"]


def seconds_of(server, command):
    (begin, end), _ = save_once(server, command)
    return (end - begin) / 1e9


def peak_over_base(server, command):
    """Bytes that one save takes beyond what was resident before. Apart from the saves that are
    timed: who counts pages keeps the process from its own."""
    base = server.pss()
    peaks, stop = [base], threading.Event()

    def look():
        while not stop.is_set():
            peaks.append(server.pss())
            time.sleep(0.02)

    looker = threading.Thread(target=look)
    looker.start()
    save_once(server, command)
    stop.set()
    looker.join()
    return max(peaks) - base


def dump_of(directory):
    names = [name for name in os.listdir(directory) if name.startswith("dump.rdb")]
    assert len(names) == 1, names
    return os.path.join(directory, names[0])


def seconds_to_start(candidate, arguments, directory, keys):
    began = time.monotonic()
    with Server(candidate, arguments, directory=directory) as server:
        seconds = time.monotonic() - began
        assert server.command("DBSIZE") == keys
    return seconds


def start_from_snapshot(candidate, dump, keys):
    directory = tempfile.mkdtemp(prefix="bench-", dir=os.getcwd() + "/build")
    shutil.copy(dump, directory)
    return seconds_to_start(candidate, ["--appendonly", "no", "--save", ""], directory, keys)


def one_server(candidate):
    """The cells of one server with mixed keys."""
    with start(candidate, "everysec", NO_GROWTH, keep=True) as server:
        fill_mixed(server)
        time.sleep(1)  # what the log still has to sync
        keys = server.command("DBSIZE")
        save_s = statistics.median(seconds_of(server, "BGSAVE") for _ in range(ROUNDS))
        peak = peak_over_base(server, "BGSAVE")
        directory = server.directory
        written = directory_bytes(os.path.join(directory, "appendonlydir"))
    kind = "kv" if candidate == "kv" else "peer"
    from_log = seconds_to_start(candidate, MODES["everysec"][kind] + NO_GROWTH,
                                shutil.copytree(directory, directory + ".log"), keys)
    with Server(candidate, MODES["everysec"][kind] + NO_GROWTH, directory=directory,
                keep=True) as server:
        rewrite_s = seconds_of(server, "BGREWRITEAOF")
        rewritten = directory_bytes(os.path.join(directory, "appendonlydir"))
    dump = dump_of(directory)
    size = os.path.getsize(dump)
    from_snapshot = start_from_snapshot(candidate, dump, keys)
    shutil.rmtree(directory)
    return (keys, f"{save_s:.2f}", f"{rewrite_s:.2f}", size, written, rewritten,
            f"{peak / (1 << 20):.1f}", f"{from_snapshot:.2f}", f"{from_log:.2f}")


def table_snapshot():
    print("\n### Snapshots of mixed keys: time, size, memory, start\n")
    row("server", "keys", "BGSAVE s", "BGREWRITEAOF s", "snapshot bytes", "log bytes",
        "rewritten log bytes", "peak MiB over base (PSS, all processes)",
        "start from the snapshot s", "start from the log s")
    row(*["---"] * 10)
    for candidate in candidates():
        row(os.path.basename(candidate), *one_server(candidate))


def table_bighash():
    print(f"\n### A snapshot of one hash of {FIELDS} fields\n")
    row("server", "BGSAVE s", "snapshot bytes", "peak MiB over base (PSS, all processes)")
    row(*["---"] * 4)
    for candidate in candidates():
        with start(candidate, "everysec", NO_GROWTH) as server:
            fill_big_hash(server)
            time.sleep(1)
            save_s = seconds_of(server, "BGSAVE")
            peak = peak_over_base(server, "BGSAVE")
            size = os.path.getsize(dump_of(server.directory))
        row(os.path.basename(candidate), f"{save_s:.2f}", size, f"{peak / (1 << 20):.1f}")


TABLES = {"snapshot": table_snapshot, "bighash": table_bighash}
