"""A life of a recorded server, and the trial of what power cuts in it leave: for each state a fresh
server is started on it, which must start, have what was promised, nothing that was not written, and
nothing by halves; then the power fails in that start, too.
"""
import errno
import hashlib
import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import time

import harness
import kv
import power_disk
import power_model
import pytest

ROOM = 1 << 30
CHAIN_MOST = 3  # power cuts in a row
CHAINED = 0.08  # of the states are cut again while they are recovered
FIXED = 0.03    # are given to kv-check-aof --fix before a server starts
FAILING = 0.3   # of those have a call fail in their first recovery
PROCESSES = 2


@pytest.fixture
def folder():
    """A folder where files cost little."""
    fast = False
    if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
        free = os.statvfs("/dev/shm")
        fast = free.f_bavail * free.f_frsize > ROOM
    path = tempfile.mkdtemp(prefix="kv-power-", dir="/dev/shm" if fast else None)
    yield path
    shutil.rmtree(path, ignore_errors=True)


class Server:
    """A recorded server on `data`; what it prints goes elsewhere."""

    def __init__(self, folder, *words, name="life", files=None):
        """`files`: what is there already. All of `root` is recorded; `data` is in it."""
        self.folder = os.path.join(folder, name)
        self.root = os.path.join(self.folder, "root")
        self.data = os.path.join(self.root, "data")
        self.words = [str(word) for word in words]
        self.port = kv.free_port()
        self.process = None
        power_disk.write_tree(files or {}, self.data)
        self.recorder = power_disk.Recorder(self.folder, self.root)
        # Blocks of tmpfs taken ahead cost more time than all the rest.
        self.recorder.set(no_allocate=1)

    def launch(self):
        self.out = os.path.join(self.folder, "out")
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [kv.SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.data,
                 *self.words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=self.recorder.environment())

    def wait_ready(self, seconds=kv.START_SECONDS):
        """True when it serves; False when it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                return False
            try:
                with self.connect() as connection:
                    if connection("PING") == harness.Status("PONG"):
                        return True
            except (OSError, EOFError):
                pass
            time.sleep(0.001)
        raise AssertionError(f"not ready in {seconds} s:\n{self.log()}")

    def start(self):
        self.launch()
        assert self.wait_ready(), self.log()
        return self

    def connect(self):
        return harness.Connection(self.port)

    def say(self, *words):
        with self.connect() as connection:
            return connection(*words)

    def log(self):
        with open(self.out, encoding="utf-8", errors="replace") as opened:
            return opened.read()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def info(self):
        text = self.say("INFO", "persistence").decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


class Trial:
    """Starts servers on states; one a process. `tally` counts."""

    def __init__(self, folder, name, world, words=()):
        self.world, self.words = world, words
        self.name = name
        self.server = Server(folder, *words, name=name)
        self.known = {}  # state -> what was found in it
        self.tally = {"states": 0, "tried": 0, "chained": 0, "cut": 0,
                      "despite faults": 0, "fixed": 0}

    def judge(self, files, limits, chance, what, depth=1):
        """One state. An AssertionError says what is wrong, and where the state is kept."""
        self.tally["states"] += 1
        mark = hashlib.blake2b(repr(sorted(files.items())).encode(), digest_size=16).digest()
        chained = chance.random() < CHAINED or depth > 1
        if chained and depth == 1 and chance.random() < FAILING:
            self.start_with_a_fault(files, limits, chance, what)
        if mark not in self.known or chained:
            self.known[mark] = self.recover(files, what)
        else:
            chained = False
        found = self.known[mark]
        wrong, counts = self.world.judge(found, limits)
        if wrong:
            self.report(files, what, wrong)
        if "appendonlydir/appendonly.aof.manifest" in files and chance.random() < FIXED:
            self.fix(files, limits, what)
        if chained and depth < CHAIN_MOST:
            self.cut_again(limits, counts, chance, what, depth)

    def recover(self, files, what):
        found = self.start_on(files)
        if found is None:
            self.report(files, what, "does not start")
        return found

    def start_on(self, files):
        """What a server finds in it, or None if it refuses to start."""
        self.tally["tried"] += 1
        server = self.server
        shutil.rmtree(server.data, ignore_errors=True)
        power_disk.write_tree(files, server.data)
        server.recorder.begin()
        server.launch()
        try:
            if not server.wait_ready():
                return None
            with server.connect() as connection:
                found = power_model.read_keyspace(connection, self.world.writers)
            self.read_at = power_model.now()
        finally:
            server.kill()
        self.tally["cut"] += "torn" in server.log()
        return found

    def start_with_a_fault(self, files, limits, chance, what):
        """A call fails while it starts: it may refuse, but then a cut takes nothing either."""
        recorder = self.server.recorder
        recorder.fail(*power_disk.FAILING, skip=chance.randrange(12),
                      count=chance.choice((1, 1, 9)),
                      errno=chance.choice((errno.EIO, errno.ENOSPC)))
        found = self.start_on(files)
        recorder.set(fail_mask=0)
        what += f", {recorder.get('failed')} calls fail"
        if found is not None:
            self.tally["despite faults"] += 1
            wrong = self.world.judge(found, limits)[0]
            if wrong:
                self.report(files, what, wrong)
        disk = power_disk.Disk(recorder.start)
        for _ in power_disk.moments(disk, recorder.operations()):
            pass
        left = under(disk.cut(chance.choice(power_disk.MOODS), chance))
        wrong = self.world.judge(self.recover(left, f"{what}, then a cut"), limits)[0]
        if wrong:
            self.report(left, f"{what}, then a cut", wrong)

    def fix(self, files, limits, what):
        """What the tool makes of it is no worse."""
        status, said, after = check_aof(self.server, files, "--fix", "--yes")
        if status != 0:
            self.report(files, what, f"--fix: {said}")
        wrong = self.world.judge(self.recover(after, f"{what}, after --fix"), limits)[0]
        if wrong:
            self.report(files, what, f"after --fix: {wrong}: {said}")
        self.tally["fixed"] += 1

    def cut_again(self, limits, counts, chance, what, depth):
        """The power fails during that recovery, or right after something was read."""
        recorder = self.server.recorder
        operations, start = recorder.operations(), recorder.start
        read_at = self.read_at
        disk = power_disk.Disk(start)
        total = 2 * len(operations) + 1
        chosen = {chance.randrange(total) for _ in range(2)} | {total - 1}
        states = []
        for number, (when, _) in enumerate(power_disk.moments(disk, operations)):
            if number in chosen:
                mood = chance.choice(power_disk.MOODS)
                states.append((under(disk.cut(mood, chance)), when,
                               f"{what}, then at {number} {mood}"))
        for files, when, where in states:
            self.tally["chained"] += 1
            again = {writer: (counts[writer], counts[writer]) for writer in counts}
            self.judge(files, again if when >= read_at else limits, chance, where, depth + 1)

    def report(self, files, what, wrong):
        kept = tempfile.mkdtemp(prefix="kv-power-failure-")
        power_disk.write_tree(files, os.path.join(kept, "data"))
        raise AssertionError(f"{self.name}: {what}: {wrong}\nthe state is in {kept}/data\n"
                             f"{self.server.log()}")


def under(files, folder="data"):
    """The part of a state that is in this folder; None if there is none."""
    if folder not in files:
        return None
    return {path[len(folder) + 1:]: content for path, content in files.items()
            if path.startswith(folder + "/")}


def check_aof(server, files, *options):
    """Run kv-check-aof on these files; (status, what it says, the files afterwards)."""
    shutil.rmtree(server.data, ignore_errors=True)
    power_disk.write_tree(files, server.data)
    done = subprocess.run([os.path.join(kv.BUILD, "kv-check-aof"), *options,
                           os.path.join(server.data, "appendonlydir")], text=True, check=False,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    after = power_disk.Disk(power_disk.tree(server.data)).everything()
    return done.returncode, done.stdout + done.stderr, after


def whole(operations, start, root):
    """The recording is complete: played back, it gives what is on the disk."""
    disk = power_disk.Disk(start)
    for _ in power_disk.moments(disk, operations):
        pass
    expected = disk.everything()
    actual = power_disk.Disk(power_disk.tree(root)).everything()
    assert set(expected) == set(actual), set(expected) ^ set(actual)
    for path in expected:
        assert expected[path] == actual[path], f"{path} is not as it was recorded"


def try_states(folder, operations, start, world, count, seed, words=(), seconds=600,
               processes=PROCESSES):
    """Try about `count` states of a life, by several processes. {what was counted}"""
    queue = multiprocessing.Queue()

    def work(number):
        trial = Trial(folder, f"trial{number}", world, words)
        chance = random.Random(seed * 10 + number)
        problem = None
        until = time.monotonic() + seconds
        try:
            while (trial.tally["states"] < count / processes and time.monotonic() < until):
                one_pass(trial, operations, start, chance, count / processes, until)
        except AssertionError as failure:
            problem = str(failure)
        except Exception as failure:  # pylint: disable=broad-except
            problem = repr(failure)
        finally:
            trial.server.kill()
        queue.put((trial.tally, problem))

    workers = [multiprocessing.get_context("fork").Process(target=work, args=(number,))
               for number in range(processes)]
    for worker in workers:
        worker.start()
    total, problems = {}, []
    for _ in workers:
        tally, problem = queue.get(timeout=seconds + 120)
        for name, value in tally.items():
            total[name] = total.get(name, 0) + value
        problems += [problem] if problem else []
    for worker in workers:
        worker.join()
    assert not problems, "\n\n".join(problems)
    return total


def one_pass(trial, operations, start, chance, count, until):
    """Once through the recording, stopping at so many moments."""
    disk = power_disk.Disk(start)
    stops = 2 * len(operations) + 1
    share = min(1.0, (count / 2 + 1) / stops)
    for number, (when, following) in enumerate(power_disk.moments(disk, operations)):
        if chance.random() >= share:
            continue
        bounds = trial.world.limits(when)
        for mood in {chance.choice(power_disk.MOODS) for _ in range(2)}:
            if time.monotonic() > until:
                return
            trial.judge(under(disk.cut(mood, chance)), bounds, chance,
                        f"cut {number} of {stops}, mood {mood}, before {following}")
