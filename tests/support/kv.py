"""A server for a test: started on a free port of the loopback, in a folder of its own, and never
left behind.

    with kv.Server(tmp_path, "--persistence", "no") as server:
        server.client().set("a", "b")
        server.raw().say(b"PING\r\n")

`Server(..., program=kv.REDIS)` starts redis-server as the reference.
"""
import collections
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import redis

ROOT = os.environ.get("KV_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BUILD = os.environ.get("KV_BUILD", os.path.join(ROOT, "build"))
SERVER = os.environ.get("KV_SERVER", os.path.join(BUILD, "kv-server"))
VARIANT = os.environ.get("KV_VARIANT", "release")
REDIS = shutil.which("redis-server") or "redis-server"
SLOW = VARIANT in ("asan", "tsan", "ubsan")  # a sanitizer takes its time
PATIENCE_S = 60  # a machine may be slow: what takes longer than this has failed
START_SECONDS = PATIENCE_S


class Ports:
    """Ports that no other process of the tests is given, below those that a system takes for
    connections going out. They are claimed a block at a time, by a Unix socket with an abstract
    name, which the system takes back when the process has ended."""
    ALL = range(10000, 32000)
    BLOCK = 20

    def __init__(self):
        self.process = None

    def claim(self):
        for first in random.SystemRandom().sample(self.ALL[::self.BLOCK], 200):
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0kv-tests-{first}")
            except OSError:
                claim.close()
                continue
            self.claims.append(claim)
            self.ports.extendleft(range(first, first + self.BLOCK))
            return
        raise RuntimeError("no ports are left")

    def free(self):
        if self.process != os.getpid():  # what a fork has copied is the parent's
            self.process, self.claims, self.ports = os.getpid(), [], collections.deque()
        while True:
            for _ in range(len(self.ports)):
                port = self.ports.popleft()
                self.ports.append(port)
                if self.is_free(port):
                    return port
            self.claim()

    @staticmethod
    def is_free(port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True


PORTS = Ports()


def free_port():
    return PORTS.free()


class Raw:
    """A socket that speaks bytes."""

    def __init__(self, address, timeout=PATIENCE_S):
        family = socket.AF_UNIX if isinstance(address, str) else (
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        self.socket.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def take(self, count):
        """Exactly so many bytes, or what came before the end."""
        got = b""
        while len(got) < count:
            piece = self.socket.recv(min(count - len(got), 1 << 20))
            if not piece:
                break
            got += piece
        return got

    def expect(self, data):
        got = self.take(len(data))
        assert got == data, f"got {got[:200]!r}, expected {data[:200]!r}"

    def rest(self):
        """All up to the end of the connection."""
        got = b""
        try:
            while True:
                piece = self.socket.recv(1 << 20)
                if not piece:
                    return got
                got += piece
        except ConnectionResetError:
            return got

    def say(self, data):
        """Send, and one line of reply without its end."""
        self.send(data)
        return self.line()

    def line(self):
        got = b""
        while not got.endswith(b"\r\n"):
            piece = self.socket.recv(1)
            if not piece:
                break
            got += piece
        return got.removesuffix(b"\r\n")


class Server:
    def __init__(self, folder, *words, program=SERVER, port=None, start=True, config=None):
        self.folder = str(folder)
        self.words = [str(word) for word in words]
        self.program = program
        self.port = free_port() if port is None else port
        self.config = [str(config)] if config else []
        self.log_path = os.path.join(self.folder, "server.out")
        self.process = None
        os.makedirs(self.folder, exist_ok=True)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def launch(self, *more):
        """Start the process and do not wait for it."""
        words = [self.program, *self.config, "--port", str(self.port), "--dir", self.folder,
                 *self.words, *more]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        return self

    def start(self, *more):
        self.launch(*more)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=START_SECONDS):
        """Until it answers PING without LOADING."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the server has ended:\n{self.log()}")
            try:
                with Raw(("127.0.0.1", self.port), timeout=5) as raw:
                    line = raw.say(b"PING\r\n")
                    if line and not line.startswith(b"-LOADING"):
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise AssertionError(f"the server was not ready in {seconds} s:\n{self.log()}")

    def client(self, **options):
        options.setdefault("decode_responses", True)
        return redis.Redis(port=self.port, **options)

    def raw(self, timeout=PATIENCE_S):
        return Raw(("127.0.0.1", self.port), timeout)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as opened:
            return opened.read()

    def wait_log(self, text, seconds=PATIENCE_S):
        until = time.monotonic() + seconds
        while text not in self.log():
            assert time.monotonic() < until, f"no {text!r} in:\n{self.log()}"
            time.sleep(0.01)

    def cpu_seconds(self):
        """What its threads have used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as opened:
            fields = opened.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as a crash of the process."""
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds=PATIENCE_S):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def wait_until(condition, seconds=PATIENCE_S, what="it"):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen in {seconds} s"
        time.sleep(0.005)
