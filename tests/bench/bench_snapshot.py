"""Snapshots and compaction: how long they take, how large they are, what they cost in memory, what
a writer beside them feels, and how fast a server starts from them.

The writer is one client that sends a command each half millisecond, in a process of its own, and
counts from when a command was due: one that the server lets wait delays the next ones, and they
say so. That it was woken late itself does not count. Its samples are told apart by the windows of
time in which a save ran; saves are repeated until there are enough.
"""
import bisect
import gc
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import tempfile
import threading
import time

from servers import Server, directory_bytes, read_reply, request
from tables import MODES, SCALE, candidates, ratio, row, start

PACE_NS = 500000
KEYS = int(500000 * SCALE)       # strings; of each other type a 25th
FIELDS = int(1000000 * SCALE)    # of the big hash
SECONDS = 5 if SCALE >= 1 else 2  # of samples, for each figure of the writer


# --- Data -----------------------------------------------------------------------------------------

def pipelined(port, commands):
    """Send all, a thousand at a time; none may fail."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        batch = []

        def flush():
            connection.sendall(b"".join(batch))
            for _ in batch:
                assert not str(read_reply(stream)).startswith("-")
            batch.clear()
        for words in commands:
            batch.append(request(*words))
            if len(batch) == 1000:
                flush()
        flush()


def text_of(chance, number):
    """What users keep: words that repeat, and digits that don't."""
    return (f'{{"id":{number},"name":"user-{chance.randrange(1000000)}",'
            f'"session":"{chance.getrandbits(64):016x}","state":"active"}}')


def mixed_data():
    chance = random.Random(7)
    for i in range(KEYS):
        yield "SET", f"string:{i:08d}", text_of(chance, i)
    for i in range(KEYS // 25):
        yield ("HSET", f"hash:{i}", *(word for field in range(10)
                                      for word in (f"field:{field}", chance.getrandbits(48))))
        yield "RPUSH", f"list:{i}", *(text_of(chance, n) for n in range(5))
        yield "SADD", f"set:{i}", *(f"member:{chance.randrange(100000)}" for _ in range(10))
        yield ("ZADD", f"zset:{i}", *(word for n in range(10)
                                      for word in (chance.randrange(100000), f"member:{n}")))
        yield "XADD", f"stream:{i}", "1-1", "field", chance.getrandbits(48)


def big_hash():
    chance = random.Random(7)
    for begin in range(0, FIELDS, 100):
        yield ("HSET", "big", *(word for i in range(begin, min(begin + 100, FIELDS))
                                for word in (f"field:{i:08d}", f"{chance.getrandbits(88):022x}")))


def set_one(chance):
    number = chance.randrange(max(KEYS, 1))
    return "SET", f"string:{number:08d}", text_of(chance, number)


def hset_one(chance):
    return ("HSET", "big", f"field:{chance.randrange(FIELDS + FIELDS // 10 + 1):08d}",
            f"{chance.getrandbits(88):022x}")


# --- The writer -----------------------------------------------------------------------------------

def write_paced(port, make, stop, out):
    """Sends (when it was due, ns until the reply) of all its commands through `out` at the end."""
    chance = random.Random(11)
    samples = []
    gc.disable()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.monotonic_ns()
        while not stop.is_set():
            message = request(*make(chance))
            now = time.monotonic_ns()
            if now < due:
                time.sleep((due - now) / 1e9)
                due = time.monotonic_ns()
            connection.sendall(message)
            reply = connection.recv(64)
            assert reply[:1] in (b"+", b":"), reply
            samples.append((due, time.monotonic_ns() - due))
            due += PACE_NS
    out.send(samples)


class Writer:
    """One that writes until asked what it felt."""

    def __init__(self, port, make):
        self.stop = multiprocessing.Event()
        self.out, end = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(
            target=write_paced, args=(port, make, self.stop, end))
        self.process.start()
        time.sleep(0.2)

    def samples(self):
        self.stop.set()
        samples = self.out.recv()
        self.process.join()
        return samples


def within(samples, windows):
    """The latencies, sorted, of what was due in one of the windows, or overlapped its begin."""
    dues = [due for due, _ in samples]
    found = []
    for begin, end in windows:
        first = bisect.bisect_left(dues, begin)
        if first > 0 and sum(samples[first - 1]) > begin:
            first -= 1
        found += [latency for _, latency in samples[first:bisect.bisect_right(dues, end)]]
    return sorted(found)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


# --- Saving ---------------------------------------------------------------------------------------

SAVES = {"BGSAVE": "rdb_bgsave_in_progress", "BGREWRITEAOF": "aof_rewrite_in_progress"}


def info(server, section):
    lines = server.command("INFO", section).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def save_once(server, command):
    """Its window, ns."""
    begin = time.monotonic_ns()
    reply = server.command(command)
    assert not reply.startswith("-"), reply
    while True:
        facts = info(server, "persistence")
        end = time.monotonic_ns()
        if facts[SAVES[command]] == "0" and facts.get("aof_rewrite_scheduled", "0") == "0":
            assert facts["rdb_last_bgsave_status"] == "ok", facts
            assert facts["aof_last_bgrewrite_status"] == "ok", facts
            return (begin, end), int(facts.get("snapshot_slice_max_usec", 0))
        time.sleep(0.01)


def save_often(server, command):
    """Windows of saves, SECONDS in all, and the longest slice of each of them (kv)."""
    windows, slices, total = [], [], 0
    while total < SECONDS * 1e9:
        window, longest = save_once(server, command)
        windows.append(window)
        slices.append(longest)
        total += window[1] - window[0]
        time.sleep(0.05)
    return windows, slices


def idle_window():
    begin = time.monotonic_ns()
    time.sleep(SECONDS)
    return [(begin, time.monotonic_ns())]


def peak_over_base(server, command):
    """Bytes that one save takes beyond what was resident before. Apart from the saves whose
    writers are looked at: who counts pages keeps the process from its own."""
    base = server.pss()
    peaks, stop = [base], threading.Event()

    def look():
        while not stop.is_set():
            peaks.append(server.pss())
            time.sleep(0.005)

    looker = threading.Thread(target=look)
    looker.start()
    save_once(server, command)
    stop.set()
    looker.join()
    return max(peaks) - base


class Felt:
    """Prints the writers' rows of one server: each against the idle one before it."""

    def __init__(self, candidate):
        self.name = os.path.basename(candidate)
        self.idle = None

    def row(self, beside, samples, windows, slices=()):
        found = within(samples, windows)
        figures = [percentile(found, share) for share in (0.5, 0.99, 0.999)]
        if self.idle is None:
            self.idle = figures[2]
        longest = f"{statistics.median(slices):.0f}, {max(slices)}" if any(slices) else "-"
        row(self.name, beside, len(found), *(f"{figure:.0f}" for figure in figures),
            f"{found[-1] / 1000:.0f}", ratio(figures[2], self.idle), longest)


def watch(server, candidate, make, name, commands):
    """The rows of one writer: idle, and beside saves by each of the commands. The median seconds
    of one save by each."""
    writer = Writer(server.port, make)
    felt = Felt(candidate)
    courses = [(f"{name}, idle", idle_window(), ())]
    for command in commands:
        courses.append((f"{name}, {command}", *save_often(server, command)))
    samples = writer.samples()
    for course in courses:
        felt.row(course[0], samples, *course[1:])
    return [statistics.median(end - begin for begin, end in course[1]) / 1e9
            for course in courses[1:]]


# --- Starting from them ---------------------------------------------------------------------------

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
    return seconds_to_start(candidate, ["--appendonly", "no"], directory, keys)


# --- The tables -----------------------------------------------------------------------------------

def one_server(candidate):
    """Prints the writers' rows of one server; returns the rest of its figures."""
    with start(candidate, "everysec", ["--auto-aof-rewrite-percentage", "0"],
               keep=True) as server:
        pipelined(server.port, mixed_data())
        time.sleep(1)  # what the log still has to sync
        save_s, rewrite_s = watch(server, candidate, set_one, "SET", SAVES)
        writer = Writer(server.port, set_one)
        peak = peak_over_base(server, "BGSAVE")
        writer.samples()
        save_once(server, "BGSAVE")
        save_once(server, "BGREWRITEAOF")
        keys = server.command("DBSIZE")
        directory = server.directory
    dump = dump_of(directory)
    size = os.path.getsize(dump)
    log_size = directory_bytes(os.path.join(directory, "appendonlydir"))
    from_snapshot = start_from_snapshot(candidate, dump, keys)
    kind = "kv" if candidate == "kv" else "peer"
    from_log = seconds_to_start(candidate, MODES["everysec"][kind], directory, keys)
    with start(candidate, "everysec", ["--auto-aof-rewrite-percentage", "0"]) as server:
        pipelined(server.port, big_hash())
        time.sleep(1)
        hash_s, = watch(server, candidate, hset_one, "HSET to the big hash", ["BGSAVE"])
    return (keys, f"{save_s:.2f}", f"{rewrite_s:.2f}", f"{hash_s:.2f}", size, log_size,
            f"{peak / (1 << 20):.1f}", f"{from_snapshot:.2f}", f"{from_log:.2f}")


def table_snapshot():
    print(f"\n### Snapshots: a writer (a command each {PACE_NS / 1e6:.1f} ms, everysec) beside "
          f"them, us; a hash of {FIELDS} fields\n")
    row("server", "beside", "samples", "p50", "p99", "p99.9", "max", "p99.9 of idle's",
        "longest slice: median, max")
    row(*["---"] * 9)
    figures = [(os.path.basename(candidate), *one_server(candidate))
               for candidate in candidates()]
    print("\n### Snapshots: time, size, memory, start\n")
    row("server", "keys", "BGSAVE s", "BGREWRITEAOF s", "BGSAVE of the big hash s",
        "snapshot bytes", "rewritten log bytes", "peak MiB over base (PSS, all processes)",
        "start from the snapshot s", "start from the log s")
    row(*["---"] * 10)
    for cells in figures:
        row(*cells)


TABLES = {"snapshot": table_snapshot}
