"""SIGKILL of the real server, many times over: what was acknowledged is there afterwards, what was
never asked for is not, and the order is a prefix; then the same data goes on to the next life.

Each writer numbers its operations. Operation n sets `last` and one of SLOTS keys to n, whole by
MSET, or by two requests; so the state after a prefix of k operations is known in full, and `last`
says which k it is: it must lie between the last acknowledged operation and the last one sent.
Readers note what they saw of other writers: under every policy a crash of the process alone may
not take that back.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import kv
import pytest

ROUNDS = int(os.environ.get("KV_KILL_ROUNDS", "200"))
HISTORIES = 5  # data sets, so that loading the longest does not take most of the time
WRITERS = 6
READERS = 2
SLOTS = 23
POLICIES = ("always", "always", "everysec", "no")
WORDS = "/usr/share/dict/american-english"


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def filler(number):
    """Now and then a value is long enough to fill several pages."""
    return b"%d:" % number + b"x" * (0, 0, 10, 0, 300, 0, 0, 9000)[number % 8]


class Writer:
    def __init__(self, name):
        self.name = name
        self.sent = 0    # operations that may have reached the server
        self.acknowledged = 0

    def operation(self, number):
        """The bytes of operation `number`, and how many replies it has."""
        slot = f"{self.name}:{number % SLOTS}"
        if number % 3:
            return request("MSET", slot, filler(number), f"{self.name}:last", number), 1
        return (request("SET", slot, filler(number)) +
                request("SET", f"{self.name}:last", number)), 2

    def run(self, port, chance):
        """Write until the server dies."""
        try:
            with kv.Raw(("127.0.0.1", port)) as raw:
                reader = raw.socket.makefile("rb")
                while True:
                    depth = chance.choice((1, 1, 1, 4, 16))
                    piece, replies = b"", []
                    for number in range(self.sent + 1, self.sent + depth + 1):
                        data, count = self.operation(number)
                        piece += data
                        replies.append(count)
                    self.sent += depth
                    raw.send(piece)
                    for count in replies:
                        for _ in range(count):
                            line = reader.readline()
                            if not line.endswith(b"\n"):
                                return
                            assert line == b"+OK\r\n", line
                        self.acknowledged += 1
        except OSError:
            pass

    def check(self, raw):
        """Compare what the server has with the prefixes that are allowed; go on from there."""
        keys = [f"{self.name}:last"] + [f"{self.name}:{slot}" for slot in range(SLOTS)]
        raw.send(request("MGET", *keys))
        count = int(raw.line()[1:])
        values = []
        for _ in range(count):
            length = int(raw.line()[1:])
            values.append(raw.take(length + 2)[:-2] if length >= 0 else None)
        last = int(values[0] or 0)
        assert self.acknowledged <= last <= self.sent, (
            f"{self.name}: acknowledged {self.acknowledged}, sent {self.sent}, found {last}")
        for slot in range(SLOTS):
            newest = last - (last - slot) % SLOTS
            expected = filler(newest) if newest > 0 else None
            following = newest + SLOTS
            # Between the two requests of an operation the slot is set and `last` is not.
            half = (following == last + 1 and following % 3 == 0 and following <= self.sent)
            assert values[slot + 1] == expected or (
                half and values[slot + 1] == filler(following)), (
                f"{self.name}: slot {slot} after {last} is {values[slot + 1]!r:.60}")
        self.sent = self.acknowledged = last


class Reader:
    def __init__(self):
        self.seen = {}

    def run(self, port, chance, writers):
        try:
            with kv.Raw(("127.0.0.1", port)) as raw:
                while True:
                    name = chance.choice(writers).name
                    raw.send(request("GET", f"{name}:last"))
                    head = raw.line()
                    if not head.startswith(b"$"):
                        return
                    if head != b"$-1":
                        value = raw.take(int(head[1:]) + 2)
                        if not value.endswith(b"\r\n"):
                            return
                        self.seen[name] = max(self.seen.get(name, 0), int(value))
        except OSError:
            pass

    def check(self, writers):
        for writer in writers:
            assert self.seen.get(writer.name, 0) <= writer.acknowledged, (
                f"a reader saw {self.seen[writer.name]} of {writer.name}, "
                f"which is at {writer.acknowledged}")
        self.seen = {}


def check_all(server, writers, readers):
    with server.raw() as raw:
        for writer in writers:
            writer.check(raw)
    for reader in readers:
        reader.check(writers)


def one_life(server, chance, writers, readers, seconds):
    threads = [threading.Thread(target=writer.run, args=(server.port, random.Random(
        chance.random()))) for writer in writers]
    threads += [threading.Thread(target=reader.run, args=(server.port, random.Random(
        chance.random()), writers)) for reader in readers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("history", range(HISTORIES))
def test_nothing_acknowledged_is_lost_by_kill(tmp_path, history):
    chance = random.Random(20 + history)
    rounds = max(1, ROUNDS // HISTORIES)
    writers = [Writer(f"w{i}") for i in range(WRITERS)]
    readers = [Reader() for _ in range(READERS)]
    server = kv.Server(tmp_path, start=False)
    acknowledged = deaths_while_loading = 0
    try:
        for round_ in range(rounds):
            policy = POLICIES[round_ % len(POLICIES)]
            if round_ % 5 == 4:
                server.launch("--appendfsync", policy)
                time.sleep(chance.uniform(0, 0.02))
                server.kill()
                deaths_while_loading += 1
            server.start("--appendfsync", policy)
            check_all(server, writers, readers)
            before = sum(writer.acknowledged for writer in writers)
            one_life(server, chance, writers, readers, chance.uniform(0.005, 0.09))
            acknowledged += sum(writer.acknowledged for writer in writers) - before
        server.start()
        check_all(server, writers, readers)
        assert acknowledged > rounds * 10
        assert server.stop() == 0
        server.start()
        check_all(server, writers, readers)
    finally:
        server.kill()
    print(f"{rounds} rounds, {deaths_while_loading} deaths while loading, "
          f"{acknowledged} acknowledged operations")


class Killer(threading.Thread):
    """Kills the server and starts it again, until it is told to stop."""

    def __init__(self, server, low, high):
        super().__init__()
        self.server, self.low, self.high = server, low, high
        self.deaths = 0
        self.done = threading.Event()
        self.failure = None

    def run(self):
        chance = random.Random(5)
        try:
            while not self.done.wait(chance.uniform(self.low, self.high)):
                self.server.kill()
                self.deaths += 1
                self.server.start()
        except AssertionError as failure:
            self.failure = failure


def pipe_until_it_arrives(server, piece, number):
    data = b"".join(request("SET", b"word:" + word, number) for word in piece)
    for _ in range(300):
        done = subprocess.run(["redis-cli", "-p", str(server.port), "--pipe"], input=data,
                              capture_output=True, check=False, timeout=120)
        if done.returncode == 0 and b"errors: 0, replies: %d" % len(piece) in done.stdout:
            return
        time.sleep(0.02)
    raise AssertionError(f"piece {number} never arrived: {done}")


@pytest.mark.skipif(not os.path.exists(WORDS) or not shutil.which("redis-cli"),
                    reason="no word list or no redis-cli")
def test_a_word_list_arrives_through_pipe_while_the_server_dies(tmp_path):
    with open(WORDS, "rb") as opened:
        words = opened.read().split()
    pieces = [words[at:at + 1500] for at in range(0, len(words), 1500)]
    with kv.Server(tmp_path) as server:
        killer = Killer(server, 0.02, 0.25)
        killer.start()
        number = 0
        try:
            # Again and again, where the machine restarts the server more slowly than it loads.
            while number < len(pieces) or killer.deaths < 5 and number < 20 * len(pieces):
                pipe_until_it_arrives(server, pieces[number % len(pieces)], number)
                number += 1
        finally:
            killer.done.set()
            killer.join()
        if killer.failure:
            raise killer.failure
        server.kill()
        server.start()
        client = server.client()
        assert client.dbsize() == len(set(words))
        for number, piece in enumerate(pieces):
            values = client.mget([b"word:" + word for word in piece])
            assert all(value is not None and int(value) >= number for value in values)
        assert killer.deaths >= 5


# --- A stock server's hand ------------------------------------------------------------------------

FORGED = (b"#KVC:v1:1:1:1:1:1:00000000\r\n", b"\r\n#KVC:v1:2:100:500:80:2:deadbeef\r\n",
          b"*1\r\n$4\r\nEXEC\r\n", b"#TS:1700000000\r\n", b"\0" * 600, b"")


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}")


def contents(server):
    client = server.client(decode_responses=False)
    keys = sorted(client.scan_iter(count=1000))
    return {key: (client.get(key), client.pexpiretime(key)) for key in keys}


def fill(client, name, chance):
    """Batches with one command and with many, values that look like our own lines."""
    for number in range(200):
        with client.pipeline(transaction=False) as pipe:
            for _ in range(chance.choice((1, 1, 5, 30))):
                key = f"{name}:{chance.randrange(300)}"
                what = chance.randrange(8)
                if what < 3:
                    pipe.set(key, chance.choice(FORGED) + b"%d" % number)
                elif what == 3:
                    pipe.set(key, number, px=chance.choice((3_600_000, 7_200_000)))
                elif what == 4:
                    pipe.delete(key)
                elif what == 5:
                    pipe.append(f"{name}:long{number % 5}", chance.choice(FORGED))
                elif what == 6:
                    pipe.mset({f"{name}:{number}": number, f"{name}:twin": number})
                else:
                    pipe.incr(f"{name}:count")
            pipe.execute()


def stock(folder, port=None):
    return kv.Server(folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                     "--auto-aof-rewrite-percentage", "0", program=kv.REDIS, port=port,
                     start=False)


def check_aof(folder):
    return subprocess.run(
        ["redis-check-aof", os.path.join(folder, "appendonlydir", "appendonly.aof.manifest")],
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


@needs("redis-server")
@needs("redis-check-aof")
@pytest.mark.parametrize("ending", ["stopped", "killed"])
def test_the_log_goes_to_a_stock_server_and_back(tmp_path, ending):
    chance = random.Random(11)
    ours = kv.Server(tmp_path)
    theirs = stock(tmp_path)
    end = (lambda server: server.stop()) if ending == "stopped" else (lambda server: server.kill())
    try:
        for round_ in range(3):
            fill(ours.client(), f"ours{round_}", chance)
            expected = contents(ours)
            end(ours)
            if ending == "stopped":
                checked = check_aof(tmp_path)
                assert checked.returncode == 0, checked.stdout
                assert "valid" in checked.stdout
            theirs.start()
            assert contents(theirs) == expected
            fill(theirs.client(), f"theirs{round_}", chance)
            with theirs.client().pipeline(transaction=True) as pipe:
                pipe.set("multi", round_)
                pipe.incr("multi")
                pipe.execute()
            theirs.client().set("last", round_)
            expected = contents(theirs)
            end(theirs)
            ours.start()
            assert contents(ours) == expected
    finally:
        ours.kill()
        theirs.kill()


def test_a_second_server_on_the_same_directory_is_refused(tmp_path):
    with kv.Server(tmp_path / "data") as first:
        first.client().set("a", "b")
        second = kv.Server(tmp_path / "other", "--dir", first.folder, start=False)
        second.launch()
        assert second.process.wait(kv.PATIENCE_S) == 1
        assert str(first.process.pid) in second.log()
        assert first.client().get("a") == "b"


def test_replies_to_writes_wait_for_the_disk_and_sigterm_loses_none(tmp_path):
    """SIGTERM in the middle of writes: all that was acknowledged is there, nothing is torn."""
    chance = random.Random(3)
    writers = [Writer(f"w{i}") for i in range(3)]
    with kv.Server(tmp_path) as server:
        for _ in range(5):
            threads = [threading.Thread(target=writer.run, args=(server.port, chance))
                       for writer in writers]
            for thread in threads:
                thread.start()
            time.sleep(0.1)
            assert server.stop() == 0
            for thread in threads:
                thread.join()
            before = server.log().count("torn tail")
            server.start()
            assert server.log().count("torn tail") == before
            check_all(server, writers, [])


def test_while_loading_clients_are_told_so(tmp_path):
    with kv.Server(tmp_path, "--appendfsync", "no") as server:
        with server.raw(60) as raw:
            value = "y" * 400
            for _ in range(30):
                raw.send(b"".join(request("SET", f"k{i}", value) for i in range(10000)))
                raw.expect(b"+OK\r\n" * 10000)
        server.kill()
        server.launch()
        told = 0
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
                    plain.settimeout(5)
                    plain.sendall(b"GET k1\r\n")
                    answer = plain.recv(1000)
            except OSError:
                continue
            if answer.startswith(b"-LOADING"):
                told += 1
            elif answer.startswith(b"$400\r\n"):
                break
        assert told > 0
        assert server.client().dbsize() == 10000
        for pause in (0.02, 0.05, 0.1, 0.2):
            server.kill()
            server.launch()
            time.sleep(pause)
            assert server.stop() in (0, -signal.SIGTERM)  # before it listens to signals, too
        server.start()
        assert server.client().dbsize() == 10000
