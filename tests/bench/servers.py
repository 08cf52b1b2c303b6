"""Starting servers for the benchmark, loading them, and reading what they used."""
import csv
import hashlib
import io
import os
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

REFERENCE = "/usr/bin/redis-server"
KV = os.environ.get("KV_SERVER", "build/kv-server")
BENCHMARK = "redis-benchmark"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server on a free loopback port with a directory of its own; ended by its pid. `under` is a
    program that runs it, with its options."""

    def __init__(self, candidate, arguments, directory=None, keep=False, under=()):
        self.program = KV if candidate == "kv" else candidate
        self.directory = directory or tempfile.mkdtemp(prefix="bench-", dir=os.getcwd() + "/build")
        self.keep = keep
        self.port = free_port()
        self.process = subprocess.Popen(
            [*under, os.path.abspath(self.program), "--port", str(self.port),
             "--dir", self.directory, "--save", "", "--bind", "127.0.0.1"] + arguments,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        while True:
            try:
                if self.command("PING") == "PONG":
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.program} ended with {self.process.returncode}")
            time.sleep(0.002)

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(request(*words))
            return read_reply(connection.makefile("rb"))

    def cpu_seconds(self):
        """Of the process and all its threads."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        """Allocated as the server says it, resident as the kernel does."""
        info = self.command("INFO", "memory")
        used = int(info.split("used_memory:")[1].split()[0])
        with open(f"/proc/{self.process.pid}/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return used, resident

    def tree(self):
        """Its pid and its children's."""
        pids = [self.process.pid]
        try:
            for task in os.listdir(f"/proc/{pids[0]}/task"):
                with open(f"/proc/{pids[0]}/task/{task}/children") as children:
                    pids += [int(pid) for pid in children.read().split()]
        except OSError:
            pass  # a thread that has just ended
        return pids

    def pss(self):
        """Bytes resident in it and its children, what they share counted once."""
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as rollup:
                    total += next(int(line.split()[1]) for line in rollup
                                  if line.startswith("Pss:")) * 1024
            except (OSError, StopIteration):
                pass  # a child that has just ended
        return total

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)


def request(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def read_reply(stream):
    line = stream.readline()
    if not line:
        raise ConnectionError("closed")
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        size = int(rest)
        return stream.read(size + 2)[:-2].decode() if size >= 0 else None
    if kind == b":":
        return int(rest)
    if kind == b"-":
        return "-" + rest.decode()
    return rest.decode()


SCRIPT = "return redis.call('incr', KEYS[1])"
COMMANDS = {
    "SET": ["SET", "key:__rand_int__", "v" * 32],
    "GET": ["GET", "key:__rand_int__"],
    "INCR": ["INCR", "counter:__rand_int__"],
    "LPUSH": ["LPUSH", "list", "v" * 32],
    "RPOP": ["RPOP", "list"],
    "SADD": ["SADD", "set", "member:__rand_int__"],
    "HSET": ["HSET", "hash", "field:__rand_int__", "v" * 22],
    "HGET": ["HGET", "hash", "field:__rand_int__"],
    "ZADD": ["ZADD", "zset", "__rand_int__", "member:__rand_int__"],
    "ZRANK": ["ZRANK", "zset", "member:__rand_int__"],
    "XADD": ["XADD", "stream", "*", "field", "v" * 22],
    "GETKEYS": ["SET", "other:__rand_int__", "v" * 32],
    "GETKEYS_READ": ["GET", "other:__rand_int__"],
    "EVAL": ["EVAL", SCRIPT, "1", "counter:__rand_int__"],
    "EVALSHA": ["EVALSHA", hashlib.sha1(SCRIPT.encode()).hexdigest(), "1",
                "counter:__rand_int__"],
}


def benchmark(port, what, clients, pipeline, requests, options=()):
    """One run of redis-benchmark; its CSV line as a dict of numbers."""
    out = subprocess.run(
        [BENCHMARK, "-p", str(port), "-c", str(clients), "-P", str(pipeline), "-n", str(requests),
         "-r", "100000", "--csv", *options] + COMMANDS[what],
        capture_output=True, text=True, check=True).stdout
    rows = list(csv.reader(io.StringIO(out)))
    head = next(i for i, cells in enumerate(rows) if cells and cells[0] == "test")
    return {name: float(value) for name, value in list(zip(rows[head], rows[head + 1]))[1:]}


def fill(port, keys, key_bytes, value_bytes):
    """SET that many keys of the given sizes, pipelined; values of size 0 are integers."""
    value = b"v" * value_bytes
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        for begin in range(0, keys, 1000):
            count = min(1000, keys - begin)
            connection.sendall(b"".join(
                request("SET", str(i).zfill(key_bytes), value or str(i))
                for i in range(begin, begin + count)))
            for _ in range(count):
                assert stream.readline() == b"+OK\r\n"


def fill_collections(port, command, collections, items, words):
    """`collections` keys of `items` items; words(i) gives the words of item i."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        for number in range(collections):
            for begin in range(0, items, 1000):
                many = [word for i in range(begin, min(begin + 1000, items)) for word in words(i)]
                connection.sendall(request(command, f"key:{number}", *many))
                assert stream.readline()[:1] in (b":", b"+")


def paired_latency(server, rounds):
    """Medians in us of a bare append + fdatasync, and of a SET, taken in turn."""
    path = os.path.join(server.directory, "bare")
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.posix_fallocate(descriptor, 0, 64 << 20)
    bare, ours = [], []
    random.seed(1)
    block = b"x" * 150
    offset = 0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(rounds):
            began = time.perf_counter_ns()
            os.pwrite(descriptor, block, offset)
            os.fdatasync(descriptor)
            bare.append(time.perf_counter_ns() - began)
            offset += len(block)
            message = request("SET", f"key:{random.randrange(100000)}", b"v" * 32)
            began = time.perf_counter_ns()
            connection.sendall(message)
            assert connection.recv(64) == b"+OK\r\n"
            ours.append(time.perf_counter_ns() - began)
    os.close(descriptor)
    return statistics.median(bare) / 1000, statistics.median(ours) / 1000


def directory_bytes(directory):
    return sum(os.path.getsize(os.path.join(root, name))
               for root, _, names in os.walk(directory) for name in names)


def version(candidate):
    program = KV if candidate == "kv" else candidate
    return subprocess.run([program, "--version"], capture_output=True,
                          text=True, check=False).stdout.split("malloc")[0].strip()


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        lines = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    model = lines[0]
    return f"{os.cpu_count()} cores of {model}, {os.uname().sysname} {os.uname().release}"
