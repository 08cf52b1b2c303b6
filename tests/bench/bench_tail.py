"""What writers feel while a snapshot is made: the tail of their latencies, against that of idle.

The writers are a program (paced_writer.c): RATE commands a second over some connections, sent when
due whatever earlier ones wait for. Idle and saves take turns, ROUNDS times, so that a machine whose
disk changes its mood changes it for both; samples of the same course are put together.
"""
import array
import bisect
import os
import subprocess
import time

from bench_data import FIELDS, KEYS, fill_big_hash, fill_mixed
from servers import Server
from tables import MODES, ROUNDS, candidates, ratio, row, start

RATE = int(os.environ.get("BENCH_RATE", "2000"))
CONNECTIONS = 4
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))  # of each course in a round, at least
PROGRAM = os.environ.get("PACED_WRITER", "build/bench/paced_writer")
SAVES = {"BGSAVE": "rdb_bgsave_in_progress", "BGREWRITEAOF": "aof_rewrite_in_progress"}


class Writers:
    """They write until asked what they felt."""

    def __init__(self, port, what, items):
        self.process = subprocess.Popen(
            [PROGRAM, str(port), what, str(items), str(RATE), str(CONNECTIONS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(0.3)

    def samples(self):
        """[(when sent, ns until the reply)] in the order of sending."""
        out, _ = self.process.communicate()
        assert self.process.returncode == 0
        numbers = array.array("Q", out)
        return [pair for pair in zip(numbers[::2], numbers[1::2]) if pair[1]]


def within(samples, windows):
    """The latencies, sorted, of what was sent in one of the windows, or waited as it began."""
    sent = [when for when, _ in samples]
    found = []
    for begin, end in windows:
        first = bisect.bisect_left(sent, begin)
        while first > 0 and sum(samples[first - 1]) > begin:
            first -= 1
        found += [latency for _, latency in samples[first:bisect.bisect_right(sent, end)]]
    return sorted(found)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


# --- Saving ---------------------------------------------------------------------------------------

def info(server, section):
    lines = server.command("INFO", section).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def save_once(server, command):
    """Its window, ns, and the longest slice, us (kv)."""
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
        time.sleep(0.02)


def save_often(server, command):
    """Windows of saves, SECONDS in all, and the longest slice of each of them."""
    windows, slices, total = [], [], 0
    while total < SECONDS * 1e9:
        window, longest = save_once(server, command)
        windows.append(window)
        slices.append(longest)
        total += window[1] - window[0]
        time.sleep(0.1)
    return windows, slices


def idle():
    begin = time.monotonic_ns()
    time.sleep(SECONDS)
    return [(begin, time.monotonic_ns())]


# --- The tables -----------------------------------------------------------------------------------

def print_head():
    row("server", "log", "beside", "samples", "p50", "p99", "p99.9", "max", "p99.9 of idle's",
        "seconds of one save", "longest slice")
    row(*["---"] * 11)


def print_course(server, mode, beside, found, idle_tail, windows, slices):
    figures = [percentile(found, share) for share in (0.5, 0.99, 0.999)]
    seconds = sorted(end - begin for begin, end in windows)[len(windows) // 2] / 1e9
    row(server, mode, beside, len(found), *(f"{figure:.0f}" for figure in figures),
        f"{found[-1] / 1000:.0f}", ratio(figures[2], idle_tail),
        f"{seconds:.2f}" if beside != "idle" else "-", max(slices) if any(slices) else "-")


def watch(server, candidate, mode, what, items, commands):
    """The rows of one server: idle, and beside saves by each of the commands."""
    windows = {course: [] for course in ["idle", *commands]}
    slices = {course: [] for course in ["idle", *commands]}
    writers = Writers(server.port, what, items)
    for _ in range(ROUNDS):
        windows["idle"] += idle()
        for command in commands:
            more, longest = save_often(server, command)
            windows[command] += more
            slices[command] += longest
    samples = writers.samples()
    found = {course: within(samples, windows[course]) for course in windows}
    tail = percentile(found["idle"], 0.999)
    for course, latencies in found.items():
        print_course(os.path.basename(candidate), mode, course, latencies, tail, windows[course],
                     slices[course])


def table_tail():
    print(f"\n### {RATE} SETs a second of {KEYS} strings beside snapshots, us\n")
    print_head()
    for mode in os.environ.get("BENCH_MODES", "off everysec always").split():
        for candidate in candidates():
            commands = ["BGSAVE"] if mode == "off" else list(SAVES)
            arguments = MODES[mode]["kv" if candidate == "kv" else "peer"]
            if mode == "off" and candidate == "kv":
                # persistence no writes no dump either
                arguments = ["--appendonly", "no", "--save", ""]
            with Server(candidate, arguments + ["--auto-aof-rewrite-percentage", "0"]) as server:
                fill_mixed(server)
                time.sleep(1)  # what the log still has to sync
                watch(server, candidate, mode, "set", KEYS, commands)


def table_tailhash():
    print(f"\n### {RATE} HSETs a second to a hash of {FIELDS} fields beside its BGSAVE, us\n")
    print_head()
    for mode in os.environ.get("BENCH_MODES", "everysec").split():
        for candidate in candidates():
            with start(candidate, mode, ["--auto-aof-rewrite-percentage", "0"]) as server:
                fill_big_hash(server)
                time.sleep(1)
                watch(server, candidate, mode, "hset", FIELDS, ["BGSAVE"])


TABLES = {"tail": table_tail, "tailhash": table_tailhash}
