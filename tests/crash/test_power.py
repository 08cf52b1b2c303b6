"""Power cuts of the real server, from outside: every system call that changes its directory is
recorded while clients write and note what they were answered; then every kind of state that a disk
may be in after a cut is built, and a fresh server started on it.

tests/support/power_disk.py says what a disk may have lost, power_model.py what the store must have
kept, power_rig.py how a state is tried. KV_POWER_STATES is how many states each life is tried with
(the default keeps all of it under a minute), KV_POWER_LIVES how many lives of each kind,
KV_POWER_SEED where to begin.
"""
import errno
import os
import random
import shutil
import subprocess
import time

import kv
import power_disk
import power_model
import power_rig
import pytest

STATES = int(os.environ.get("KV_POWER_STATES", "12"))
LIVES = int(os.environ.get("KV_POWER_LIVES", "1"))
SEED = int(os.environ.get("KV_POWER_SEED", "1"))
pytestmark = pytest.mark.skipif(kv.SLOW, reason="a sanitizer and LD_PRELOAD do not go together")
folder = power_rig.folder


def quiet(_server, _world):
    time.sleep(0.3)


def rewrite_all_the_time(server, _world):
    until = time.monotonic() + 0.6
    with server.connect() as connection:
        while time.monotonic() < until:
            connection("BGREWRITEAOF")
            time.sleep(0.01)


def save_all_the_time(server, _world):
    until = time.monotonic() + 0.6
    with server.connect() as connection:
        while time.monotonic() < until:
            connection("BGSAVE")
            time.sleep(0.01)


def switch_policy(server, world):
    with server.connect() as connection:
        for policy in ("everysec", "always", "no", "always", "everysec", "always"):
            world.change_policy(policy, lambda policy=policy: connection(
                "CONFIG", "SET", "appendfsync", policy))
            time.sleep(0.08)


def switch_log(server, world):
    with server.connect() as connection:
        for _ in range(3):
            time.sleep(0.1)
            world.change_policy("off", lambda: connection("CONFIG", "SET", "appendonly", "no"))
            time.sleep(0.05)
            world.change_policy("always", lambda: connection("CONFIG", "SET", "appendonly", "yes"))
        time.sleep(0.1)


def save_by_hand(server, world):
    with server.connect() as connection:
        for _ in range(5):
            time.sleep(0.08)
            world.saved(lambda: connection("SAVE"))
    time.sleep(0.05)


def be_quiet_for_a_while(_server, world):
    """Long enough that kv.durable is written, twice."""
    for _ in range(2):
        time.sleep(0.1)
        world.hold = True
        time.sleep(1.4)
        world.hold = False
    time.sleep(0.1)


def shut_down(server, _world):
    time.sleep(0.2)
    server.process.terminate()
    assert server.process.wait(kv.PATIENCE_S) == 0, server.log()


def everysec(_server, _world):
    time.sleep(3)


LIVES_OF = {
    "always": (quiet, {}, {}),
    "rewrite": (rewrite_all_the_time, {}, {}),
    "save": (save_all_the_time, {}, {}),
    "shutdown": (shut_down, {}, {}),
    "spells": (be_quiet_for_a_while, {}, {}),
    "growth": (quiet, {"auto-aof-rewrite-min-size": 16384, "auto-aof-rewrite-percentage": 10}, {}),
    "large": (rewrite_all_the_time, {}, {"kinds": power_model.LARGE, "pause": 0.04}),
    "dump": (save_by_hand, {"appendonly": "no"}, {"policy": "off"}),
    "policy": (switch_policy, {}, {}),
    "log": (switch_log, {}, {}),
    "everysec": (everysec, {"appendfsync": "everysec"}, {"policy": "everysec", "pause": 0.02}),
    "slow disk": (everysec, {"appendfsync": "everysec"}, {"policy": "everysec", "pause": 0.3,
                                                          "depths": (1,), "sync_us": 200_000}),
    "no": (quiet, {"appendfsync": "no"}, {"policy": "no"}),
}


class Life:
    """One life under load; its recording has all of it, the start as well. `what` does what is to
    happen meanwhile, `files` are what there is before."""

    def __init__(self, folder, what, directives, options, seed, files=None, space=-1):
        words = [word for name, value in directives.items() for word in ("--" + name, value)]
        self.folder = folder
        self.server = server = power_rig.Server(folder, *words, files=files)
        options = dict(options)
        slack = options.get("sync_us", 0) * 1000  # what everysec may lose besides a second
        server.recorder.set(sync_us=options.pop("sync_us", 2000), space=space,
                            no_allocate=int(space < 0))
        self.world = power_model.World(server.connect, seed=seed, **options)
        self.world.slack += slack
        self.seed = seed
        try:
            server.start()
            self.world.start()
            what(server, self.world)
        finally:
            self.world.stop()
            server.kill()
        self.world.join()
        self.operations = server.recorder.operations()
        self.start = server.recorder.start
        power_rig.whole(self.operations, self.start, server.root)
        server.recorder.close()

    def try_states(self, count, **options):
        return power_rig.try_states(self.folder, self.operations, self.start, self.world, count,
                                    self.seed, **options)

    def done(self):
        return sum(len(writer.answered) - 1 for writer in self.world.writers)


def try_life(kind, folder, what, directives, options, number, count=STATES, **more):
    at = os.path.join(folder, f"life{number}")
    life = Life(at, what, directives, options, SEED * 1000 + number, **more)
    assert life.done() > 20
    total = life.try_states(count)
    print(f"{kind} {number}: {len(life.operations)} calls, {life.done()} operations, {total}",
          flush=True)
    shutil.rmtree(at)


@pytest.mark.parametrize("kind", LIVES_OF)
def test_what_was_promised_outlives_a_power_cut(folder, kind):
    for number in range(LIVES):
        try_life(kind, folder, *LIVES_OF[kind], number)


def write_twice(server, _world):
    """The second time just before kv.durable is due for the first."""
    server.say("SET", power_model.BESIDE, "1")
    time.sleep(1.4 + 0.3)
    server.say("SET", power_model.BESIDE, "2")
    time.sleep(3)


def test_noting_what_is_durable_makes_no_write_wait_for_its_sync(folder):
    options = {"policy": "everysec", "writers": 0, "faulty": True, "sync_us": 400_000}
    life = Life(os.path.join(folder, "life"), write_twice, {"appendfsync": "everysec"}, options,
                SEED)
    log = next(one.inode for one in life.operations if one.name.endswith(".incr.aof"))
    writes = [one for one in life.operations if one.kind == "write" and one.inode == log and one.a]
    syncs = [one for one in life.operations if one.kind == "sync" and one.inode == log]
    assert len(writes) == 2
    for one in writes:
        covered = min(sync.end for sync in syncs if sync.begin > one.end)
        assert covered - one.end < 1_400_000_000 + power_model.SLACK_NS


def test_lives_go_on_from_what_a_power_cut_left(folder):
    """The state of a cut is where the next life begins, with all clients."""
    for number in range(LIVES):
        chance = random.Random(SEED * 1000 + number)
        files, found, first = {}, {}, 0
        for turn in range(4):
            at = os.path.join(folder, f"turn{turn}")
            what = chance.choice((quiet, rewrite_all_the_time, save_all_the_time))
            life = Life(at, what, {}, {"base": found, "first": first}, SEED * 1000 + turn,
                        files=files)
            total = life.try_states(STATES / 4)
            print(f"in a row {number}.{turn}: {life.done()} operations, {total}", flush=True)
            # calls that were under way when the server was killed have no end, so one less each
            count = sum(1 for _ in power_disk.moments(power_disk.Disk(life.start),
                                                      life.operations))
            stop = chance.randrange(count // 2, count)
            disk = power_disk.Disk(life.start)
            for step, (when, _) in enumerate(power_disk.moments(disk, life.operations)):
                if step == stop:
                    files = power_rig.under(disk.cut(chance.choice(power_disk.MOODS), chance))
                    limits = life.world.limits(when)
            trial = power_rig.Trial(at, "next", life.world)
            found = trial.recover(files, "the next life")
            assert not life.world.judge(found, limits)[0]
            first += max(len(writer.deltas) for writer in life.world.writers)
            shutil.rmtree(at)


# --- The test of the test -------------------------------------------------------------------------

@pytest.mark.parametrize("lie", ["files", "directories"])
def test_a_disk_that_lies_about_its_syncs_is_found_out(folder, lie):
    """The recording is told that syncs had failed where the server was told that they had not."""
    life = Life(os.path.join(folder, "life"), rewrite_all_the_time, {}, {}, SEED)
    disk = power_disk.Disk(life.start)
    for _ in power_disk.moments(disk, life.operations):
        pass
    for one in life.operations:
        if one.kind == "sync" and lie == (
                "directories" if isinstance(disk.nodes.get(one.inode), power_disk.Directory)
                else "files"):
            one.result = -errno.EIO
    with pytest.raises(AssertionError):
        life.try_states(400, processes=1)


# --- Calls that fail while the server runs --------------------------------------------------------

def heal(server):
    kv.wait_until(lambda: server.info()["log_state"] == "healthy", what="healing")


def failing(kinds, number, background=None):
    """Each turn one call fails, sooner or later; the log must heal itself, and clients go on."""
    def what(server, world):
        chance = random.Random(SEED * 1000 + number)
        with server.connect() as connection:
            for _ in range(6):
                time.sleep(0.05)
                numbers = (errno.EIO, errno.ENOSPC, 0) if "write" in kinds else (errno.EIO,)
                server.recorder.fail(*kinds, skip=chance.randrange(6),
                                     count=chance.choice((1, 1, 3)), errno=chance.choice(numbers))
                if background:
                    connection(background)
                time.sleep(0.15)
                server.recorder.set(fail_mask=0)
                heal(server)
            if not background:
                assert int(server.info()["log_heals"]) > 0
                assert any(writer.errors for writer in world.writers)
            time.sleep(0.1)
    return what


FAULTS = {
    "sync": (("sync",), None),
    "write": (("write",), None),
    "anything in a rewrite": (("sync", "write", "open", "rename", "unlink", "truncate", "allocate"),
                              "BGREWRITEAOF"),
    "anything in a save": (("sync", "write", "open", "rename", "unlink"), "BGSAVE"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_was_promised_outlives_calls_that_fail(folder, kind):
    kinds, background = FAULTS[kind]
    options = {"faulty": True, "depths": (1,), "kinds": power_model.IDEMPOTENT}
    for number in range(LIVES):
        try_life(kind, folder, failing(kinds, number, background), {}, options, number,
                 count=STATES / 2)


def fill_the_disk(server, world):
    """Writes are refused, deletions are not, and it says so; then there is room again."""
    with server.connect() as connection:
        assert not power_model.is_error(connection("SET", power_model.BESIDE, "x"))
        kv.wait_until(lambda: server.info()["log_state"] == "full", what="a full disk")
        assert connection("SET", power_model.BESIDE, "y").startswith("MISCONF")
        assert connection("DEL", power_model.BESIDE) == 1
    kv.wait_until(lambda: all(writer.errors for writer in world.writers))
    server.recorder.set(space=-1)
    heal(server)
    time.sleep(0.2)


def test_a_disk_that_fills_up_loses_nothing(folder):
    options = {"faulty": True, "depths": (1,), "kinds": ["string"]}
    for number in range(LIVES):
        try_life("full", folder, fill_the_disk, {"auto-aof-rewrite-percentage": 0}, options, number,
                 count=STATES / 4, space=2_500_000)


# --- Backups --------------------------------------------------------------------------------------

def run_tool(server, *words, status=0):
    """A shell script, recorded with all that it starts. `head` would write through stdio, which the
    recording does not see."""
    tools = os.path.join(server.folder, "tools")
    os.makedirs(tools, exist_ok=True)
    with open(os.path.join(tools, "head"), "w", encoding="utf-8") as script:
        script.write('#!/bin/sh\ncase $1 in -c) exec dd bs=64k iflag=count_bytes,fullblock '
                     'count="$2" ${3:+"if=$3"} status=none ;; esac\nexec /usr/bin/head "$@"\n')
    os.chmod(os.path.join(tools, "head"), 0o755)
    path = ":".join((tools, kv.BUILD, os.path.join(kv.ROOT, "tools"), os.environ["PATH"]))
    done = subprocess.run(words, env={**server.recorder.environment(), "PATH": path},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr


def backups(made):
    def what(server, world):
        target = os.path.join(server.root, "backups")
        for number in range(3):
            time.sleep(0.05)
            began = world.limits(power_model.now())
            run_tool(server, "kv-backup", "--name", f"b{number}", server.data, target)
            sent = {writer: len(writer.sent) - 1 for writer in world.writers}
            made.append((f"backups/b{number}", power_model.now(), {
                writer: (began[writer][0], sent[writer]) for writer in world.writers}))
            server.say("BGREWRITEAOF")
        time.sleep(0.1)
    return what


def test_a_backup_that_was_reported_outlives_a_power_cut(folder):
    """While the server writes and compacts; and so does the data that it shares files with."""
    for number in range(LIVES):
        made, at, chance = [], os.path.join(folder, f"life{number}"), random.Random(SEED + number)
        life = Life(at, backups(made), {}, {"pause": 0.002}, SEED * 1000 + number)
        trial = power_rig.Trial(at, "backup", life.world)
        disk = power_disk.Disk(life.start)
        for when, _ in power_disk.moments(disk, life.operations):
            for path, reported, limits in made:
                if when < reported or chance.random() > 0.5 * STATES / len(life.operations):
                    continue
                mood = chance.choice(power_disk.MOODS)
                files = power_rig.under(disk.cut(mood, chance), path)
                assert files, f"{path} is gone, mood {mood}"
                trial.judge(files, limits, chance, f"{path}, mood {mood}")
        total = life.try_states(STATES / 4)
        print(f"backup {number}: {trial.tally}, beside it {total}", flush=True)
        shutil.rmtree(at)


def test_what_was_archived_is_in_the_archive_or_still_in_the_log(folder):
    at = os.path.join(folder, "life")
    archive = os.path.join(at, "life", "root", "more", "archive")
    os.makedirs(os.path.dirname(archive))
    life = Life(at, rewrite_all_the_time, {"aof-archive-dir": archive}, {}, SEED)
    disk, chance = power_disk.Disk(life.start), random.Random(SEED)
    for _ in power_disk.moments(disk, life.operations):
        pass
    kept = power_rig.under(disk.everything(), "more/archive")
    assert len(kept) > 4
    for mood in power_disk.MOODS * 4:
        left = disk.cut(mood, chance)
        for name, content in kept.items():
            assert content in (left.get(f"more/archive/{name}"),
                               left.get(f"data/appendonlydir/{os.path.basename(name)}")), (
                                   name, mood)


def test_a_power_cut_leaves_the_old_data_or_those_restored(folder):
    """Or, while they are swapped, a server that refuses to start until kv-restore has run again."""
    for number in range(LIVES):
        at = os.path.join(folder, f"life{number}")
        chance = random.Random(SEED * 1000 + number)
        server = power_rig.Server(at)
        world = power_model.World(server.connect, seed=SEED * 1000 + number)
        try:
            server.start()
            world.start()
            time.sleep(0.1)
            backup = os.path.join(server.root, "backup")
            run_tool(server, "kv-backup", "--name", "one", server.data, backup)
            time.sleep(0.1)
        finally:
            world.stop()
            server.kill()
        world.join()
        trial = power_rig.Trial(at, "restored", world)
        before = power_disk.Disk(power_disk.tree(server.root)).everything()
        old = trial.recover(power_rig.under(before), "before")
        new = trial.recover(power_rig.under(before, "backup/one"), "the backup")
        assert old != new
        server.recorder.begin()
        run_tool(server, "kv-restore", os.path.join(backup, "one"), server.data)
        done = power_model.now()
        operations = server.recorder.operations()
        power_rig.whole(operations, server.recorder.start, server.root)
        disk = power_disk.Disk(server.recorder.start)
        tally = {"old": 0, "new": 0, "refused": 0}
        for when, following in power_disk.moments(disk, operations):
            for _ in range(max(1, STATES // len(operations))):
                mood = chance.choice(power_disk.MOODS)
                files = power_rig.under(disk.cut(mood, chance))
                found = trial.start_on(files)
                kind = "refused" if found is None else "old" if found == old else "new"
                if found not in (None, old, new) or when > done and found != new:
                    trial.report(files, f"before {following}, mood {mood}", f"{kind}, but wrong")
                if found is None:
                    assert "A restore was interrupted" in files.get(
                        "appendonly.aof", b"").decode(), (files.keys(), trial.server.log())
                    power_disk.write_tree(files, trial.server.data + ".again")
                    run_tool(trial.server, "kv-restore", os.path.join(backup, "one"),
                             trial.server.data + ".again")
                    again = power_disk.Disk(power_disk.tree(trial.server.data + ".again"))
                    assert trial.recover(again.everything(), "restored again") == new
                    shutil.rmtree(trial.server.data + ".again")
                tally[kind] += 1
        assert tally["old"] and tally["new"], tally
        # A directory that was not there before is durable, too.
        server.recorder.begin()
        run_tool(server, "kv-restore", os.path.join(backup, "one"),
                 os.path.join(server.root, "a", "fresh"))
        disk = power_disk.Disk(server.recorder.start)
        for _ in power_disk.moments(disk, server.recorder.operations()):
            pass
        for mood in power_disk.MOODS:
            assert trial.recover(power_rig.under(disk.cut(mood, chance), "a/fresh"), mood) == new
        print(f"restore {number}: {len(operations)} calls, {tally}", flush=True)
