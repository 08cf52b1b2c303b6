"""A medium that gives back other bytes than it was given: bits flipped, sectors and pages zeroed,
strange or swapped, ends lost, files gone, anywhere in a data directory with acknowledged data. The
real server must refuse to start and name the place, or be right; kv-check-aof --fix may then mend
only what was never acknowledged, and --salvage goes on with what is left, tells what is lost, and
keeps the damaged bytes.

KV_DAMAGE_COUNT is how many damages each directory is tried with.
"""
import collections
import os
import random
import re
import time

import kv
import power_disk
import power_model
import power_rig
import pytest

COUNT = int(os.environ.get("KV_DAMAGE_COUNT", "20"))
SEED = int(os.environ.get("KV_POWER_SEED", "1"))
# Where kv.durable is not there yet, the end of the log proves itself by what follows; a damage may
# reach so many of a writer's operations that nothing follows.
UNPROVEN = {"bit": 12, "byte": 12, "longer": 12, "zeros": 60, "noise": 60, "elsewhere": 60,
            "twice": 60}
ALL = 1 << 62  # a file that is cut is as a power cut leaves it
pytestmark = pytest.mark.skipif(kv.SLOW, reason="a sanitizer and LD_PRELOAD do not go together")
folder = power_rig.folder


def shut_down(server):
    server.process.terminate()
    assert server.process.wait(kv.PATIENCE_S) == 0, server.log()


def kill_after_a_pause(server):
    time.sleep(2)  # the end is noted in kv.durable
    server.kill()


def compact(server):
    assert not power_model.is_error(server.say("BGREWRITEAOF"))
    kv.wait_until(lambda: server.info()["aof_rewrite_in_progress"] == "0", what="compaction")


ENDINGS = {"after a shutdown": (shut_down, True), "after a pause": (kill_after_a_pause, True),
           "in the middle": (lambda server: server.kill(), False)}


def record(folder, seed, end):
    """Two lives, a base and log files; (the files, the world of the second life)."""
    server = power_rig.Server(folder)
    found, first = {}, 0
    try:
        for turn in range(2):
            server.start()
            world = power_model.World(server.connect, seed=seed + turn, base=found, first=first)
            world.start()
            time.sleep(0.1)
            compact(server)
            time.sleep(0.1)
            if end is not ENDINGS["in the middle"][0] or turn == 0:
                world.stop()
                world.join()
            if turn == 0:
                with server.connect() as connection:
                    found = power_model.read_keyspace(connection, world.writers)
                first = max(len(writer.deltas) for writer in world.writers)
                shut_down(server)
    finally:
        if server.process.poll() is None:
            end(server)
        world.stop()
    world.join()
    files = power_rig.under(power_disk.Disk(power_disk.tree(server.root)).everything())
    server.recorder.close()
    return files, world


def record_dump(folder, seed):
    """No log: what SAVE has written."""
    server = power_rig.Server(folder, "--appendonly", "no", "--save", "")
    try:
        server.start()
        world = power_model.World(server.connect, seed=seed)
        world.start()
        time.sleep(0.2)
        world.stop()
        world.join()
        assert not power_model.is_error(server.say("SAVE"))
        shut_down(server)
    finally:
        server.kill()
    files = power_rig.under(power_disk.Disk(power_disk.tree(server.root)).everything())
    server.recorder.close()
    return {path: content for path, content in files.items() if "dump" in path}, world


def damage(files, chance):
    """(the files with one damage, its name, its kind)."""
    files = dict(files)
    names = [name for name, content in files.items() if content]
    name = chance.choice(names)
    content = bytearray(files[name])
    at = chance.randrange(len(content))
    page = chance.choice((512, 4096))
    block = at // page * page
    kind = chance.choice(("bit", "bit", "bit", "byte", "zeros", "noise", "elsewhere", "shorter",
                          "longer", "twice", "gone", "empty"))
    if kind == "bit":
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "byte":
        content[at] = chance.randrange(256)
    elif kind == "zeros":
        content[block:block + page] = bytes(len(content[block:block + page]))
    elif kind == "noise":
        content[block:block + page] = chance.randbytes(len(content[block:block + page]))
    elif kind == "elsewhere":  # a page of another file
        other = files[chance.choice(names)]
        start = chance.randrange(len(other)) // page * page
        put(content, block, other[start:start + page])
    elif kind == "shorter":
        del content[at:]
    elif kind == "longer":
        content += chance.randbytes(page)
    elif kind == "twice":  # the page before it
        put(content, block, content[max(0, block - page):block])
    elif kind == "empty":
        content.clear()
    files[name] = bytes(content)
    if kind == "gone":
        del files[name]
    return files, name, f"{kind} at {at}"


def put(content, at, data):
    """Over what is there; a medium moves nothing."""
    data = data[:len(content) - at]
    content[at:at + len(data)] = data


def ever(world):
    """{key: all that was ever in it}: values of strings, elements of others."""
    found = collections.defaultdict(set)
    for writer in world.writers:
        for changes in writer.deltas:
            for key, value in changes.items():
                found[key] |= elements(key, value)
    return found


def elements(key, value):
    kind = key.split(":")[-1]
    if kind in "yf" and value is not None:  # with what is pending, with a deadline
        value = value[0]
    return set(value) if isinstance(value, tuple) and kind != "q" else {value}


class Damages:
    """Tries them on one directory; `proven`: kv.durable names the last batch."""

    def __init__(self, folder, files, world, proven, words=()):
        self.files, self.world, self.proven = files, world, proven
        self.has_log = not words
        self.trial = power_rig.Trial(folder, "damage", world, words)
        self.tally = collections.Counter()
        whole = self.trial.recover(files, "no damage")
        self.limits = world.limits(power_model.NEVER)
        assert not world.judge(whole, self.limits)[0]
        self.written = ever(world)
        for key, value in whole.items():
            self.written[key] |= elements(key, value)

    def is_right(self, found, what):
        """Of what was acknowledged nothing is missing; or, where nothing can prove the end, some of
        it at the end."""
        kind = what.split(": ")[1].split()[0]
        spared = 0 if self.proven else UNPROVEN.get(kind, ALL)
        limits = {writer: (max(0, low - spared), high)
                  for writer, (low, high) in self.limits.items()}
        return self.world.judge(found, limits)[0]

    def one(self, chance):
        files, name, what = damage(self.files, chance)
        if not self.has_log and not files:
            return  # nothing is left to tell that there was something
        what = f"{name}: {what}"
        found = self.trial.start_on(files)
        if found is not None:
            self.tally["right"] += 1
            wrong = self.is_right(found, what)
            if wrong:
                self.trial.report(files, what, wrong)
            return
        self.tally["refused"] += 1
        log = self.trial.server.log()
        if not re.search(r"appendonly|kv\.durable|dump\.rdb", log):
            self.trial.report(files, what, "refused without naming a file")
        if not self.has_log:
            return
        self.fix(files, what)
        self.salvage(files, name, what)

    def fix(self, files, what):
        """It does not make anything worse: what starts after it has all."""
        status, said, after = power_rig.check_aof(self.trial.server, files, "--fix", "--yes")
        found = self.trial.start_on(after)
        if status == 0 and found is None:
            self.trial.report(files, what, f"--fix says all is well, and it does not start: {said}")
        if found is not None:
            self.tally["fixed"] += 1
            wrong = self.is_right(found, what)
            if wrong:
                self.trial.report(files, what, f"after --fix: {wrong}: {said}")
        self.kept(files, after, what, said)

    def salvage(self, files, name, what):
        status, said, after = power_rig.check_aof(self.trial.server, files, "--salvage", "--yes")
        found = self.trial.start_on(after)
        if (status == 0) != (found is not None):
            self.trial.report(files, what, f"--salvage: {status}, and starts: {found}: {said}")
        self.kept(files, after, what, said)
        if found is None:
            self.tally["not salvaged"] += 1
            if "Put a good copy" not in said and "not known here" not in said:
                self.trial.report(files, what, f"--salvage does not help: {said}")
            return
        self.tally["salvaged"] += 1
        if not re.search(r"lost|drop|damage|missing|without", said):
            self.trial.report(files, what, f"--salvage does not say what is lost: {said}")
        for key, value in found.items():
            strange = elements(key, value) - self.written[key]
            if strange and key != power_model.GLOBAL and not key.endswith(":i"):
                self.trial.report(files, what, f"after --salvage {key} has {strange}, never "
                                  f"written: {said}")

    def kept(self, before, after, what, said):
        """All that was there is still there, under some name."""
        left = set(after.values())
        for path, content in before.items():
            if content and content not in left and path.endswith((".aof", ".rdb", ".lz4")):
                self.trial.report(before, what, f"{path} is not kept: {said}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_damage_is_never_served(folder, ending):
    end, proven = ENDINGS[ending]
    files, world = record(folder, SEED * 100, end)
    damages = Damages(folder, files, world, proven)
    chance = random.Random(SEED)
    for _ in range(COUNT):
        damages.one(chance)
    print(ending, dict(damages.tally), flush=True)
    assert damages.tally["right"] and damages.tally["refused"]


def test_a_damaged_dump_is_never_served(folder):
    files, world = record_dump(folder, SEED * 100)
    damages = Damages(folder, files, world, True, ("--appendonly", "no", "--save", ""))
    chance = random.Random(SEED)
    for _ in range(COUNT):
        damages.one(chance)
    print("dump", dict(damages.tally), flush=True)
    assert damages.tally["refused"]
