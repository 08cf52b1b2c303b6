"""kv-backup and kv-restore: a backup taken under load holds one moment with all that was answered
before, an altered one is refused, and a restore to a time gives what was there then.
"""
import fcntl
import os
import shutil
import stat
import subprocess
import threading
import time

import pytest

import kv
import scripts
from harness import OK, Error, Server, until
from test_save import info, rewrite

BACKUP, RESTORE = (os.path.join(kv.ROOT, "tools", name) for name in ("kv-backup", "kv-restore"))
ENVIRONMENT = {**os.environ, "PATH": kv.BUILD + os.pathsep + os.environ["PATH"], "LC_ALL": "C",
               "TZ": "UTC"}
ACCOUNTS, EACH = 100, 100


def call(*words, **options):
    words = [str(word) for word in words]
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False, **options)


def done(*words, **options):
    result = call(*words, **options)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def refused(*words, **options):
    """The text of the refusal."""
    result = call(*words, **options)
    assert result.returncode == 1, result.stdout.decode()
    return result.stderr.decode()


def backup(server, target, *words):
    """Make one; its path."""
    before = set(os.listdir(target)) if os.path.exists(target) else set()
    done(BACKUP, server.folder, target, *words)
    new = [name for name in os.listdir(target) if name not in before]
    assert len(new) == 1, new
    return os.path.join(str(target), new[0])


def tree(folder):
    """Path, content of all below."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                found[os.path.relpath(os.path.join(path, name), folder)] = file.read()
    return found


def values(folder, *keys):
    """What a server that starts there answers to GET."""
    server = Server("kv", str(folder))
    with server.connect() as c:
        found = [c("GET", key) for key in keys]
    server.stop()
    return found


class Load:
    """Clients that move amounts within transactions, and count what was answered to each."""

    def __init__(self, server, clients=4):
        self.server, self.over = server, threading.Event()
        self.answered = [0] * clients
        with server.connect() as c:
            for i in range(ACCOUNTS):
                c.pipeline([("SET", f"account {i}", EACH), ("HSET", "hash", f"account {i}", EACH)])
        self.threads = [threading.Thread(target=self.move, args=(i,)) for i in range(clients)]

    def move(self, number):
        r = scripts.Chance(number)
        with self.server.connect() as mine:
            while not self.over.is_set():
                a, b, n = r.randrange(ACCOUNTS), r.randrange(ACCOUNTS), r.randrange(50)
                answers = mine.pipeline([
                    ("MULTI",), ("DECRBY", f"account {a}", n), ("INCRBY", f"account {b}", n),
                    ("HINCRBY", "hash", f"account {a}", -n), ("HINCRBY", "hash", f"account {b}", n),
                    ("INCR", f"count {number}"), ("EXEC",)])
                self.answered[number] = answers[-1][-1]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def check(self, folder, least, most):
        other = Server("kv", str(folder))
        with other.connect() as c:
            accounts = [int(c("GET", f"account {i}")) for i in range(ACCOUNTS)]
            assert sum(accounts) == ACCOUNTS * EACH
            assert [int(c("HGET", "hash", f"account {i}")) for i in range(ACCOUNTS)] == accounts
            for number, (low, high) in enumerate(zip(least, most)):
                assert low <= int(c("GET", f"count {number}") or 0) <= high
        other.stop()


def test_a_backup_under_load_holds_one_moment_with_all_that_was_answered(start, tmp_path):
    server = start(auto_aof_rewrite_percentage=0)
    target = tmp_path / "backups"
    backups, over = [], threading.Event()

    def rewrite_on_and_on():
        with server.connect() as c:
            while not over.is_set():
                rewrite(c)
                time.sleep(0.2)

    with Load(server) as load:
        rewriter = threading.Thread(target=rewrite_on_and_on)
        rewriter.start()
        try:
            for number in range(5):
                least = list(load.answered)
                made = backup(server, target, "--name", f"number {number}")
                # one that is asked for but unanswered may be in
                backups.append((made, least, [count + 1 for count in load.answered]))
        finally:
            over.set()
            rewriter.join()
    for number, (made, least, most) in enumerate(backups):
        done(RESTORE, "--verify", made)
        folder = tmp_path / f"restored {number}"
        before = tree(made)
        done(RESTORE, made, folder)
        load.check(folder, least, most)
        assert tree(made) == before  # though a server ran on what was restored
    server.restart(crash=True)


def test_what_never_changes_is_linked_and_the_rest_is_not(start):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
        rewrite(c)
        c("SET", "a", "2")
        made = backup(server, os.path.join(server.folder, "backups"))
    for name in os.listdir(made + "/appendonlydir"):
        links = os.stat(f"{made}/appendonlydir/{name}").st_nlink
        assert links == (2 if ".base.rdb" in name else 1), name


def test_a_half_written_end_is_cut_from_the_copy_alone(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "0")
        c("SET", "a", "1")
    server.kill()
    log = next(name for name in os.listdir(server.folder + "/appendonlydir") if "incr" in name)
    path = os.path.join(server.folder, "appendonlydir", log)
    with open(path, "ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1")
    before = tree(server.folder)
    made = backup(server, tmp_path / "backups")
    assert tree(server.folder) == before
    assert sorted(os.listdir(made)) == ["BACKUP", "appendonlydir"]
    assert not [name for name in os.listdir(made + "/appendonlydir") if "torn" in name]
    done(RESTORE, made, tmp_path / "restored")
    assert values(tmp_path / "restored", "a", "b") == [b"1", None]
    # damage further up is none that may be cut
    with open(path, "r+b") as file:
        file.seek(150)
        file.write(b"\xff")
    assert "is damaged; nothing was saved" in refused(BACKUP, server.folder, tmp_path / "backups")
    assert len(os.listdir(tmp_path / "backups")) == 1
    with open(path, "wb") as file:
        file.write(before["appendonlydir/" + log])
    server.start()


def test_keep_removes_the_oldest_complete_ones(start, tmp_path):
    server = start()
    target = tmp_path / "backups"
    with server.connect() as c:
        c("SET", "a", "1")
    for name in ("kv-20200101T000000Z", "kv-20210101T000000Z", "kv-20220101T000000Z"):
        os.makedirs(target / name)
        (target / name / "BACKUP").write_text("kv-backup 1\n")
    os.makedirs(target / "kv-20190101T000000Z")  # no BACKUP: not ours to remove
    os.makedirs(target / "kv-20230101T000000Z.partial")  # what a crash leaves
    os.makedirs(target / "mine.partial")
    done(BACKUP, server.folder, target, "--name", "before the upgrade")
    done(BACKUP, server.folder, target, "--keep", 2)
    names = sorted(os.listdir(target))
    assert names[:3] == ["before the upgrade", "kv-20190101T000000Z", "kv-20220101T000000Z"]
    assert names[3].startswith("kv-20") and names[4:] == ["mine.partial"]
    table = done(RESTORE, "--list", target).decode()
    assert "before the upgrade" in table and "20190101" not in table and "mine" not in table
    assert "exists" in refused(BACKUP, server.folder, target, "--name", "before the upgrade")


def test_a_stream_restores_as_a_directory_does(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
        rewrite(c)
        c("SET", "b", "2")
    stream = done(BACKUP, server.folder, "-")
    done(RESTORE, "-", tmp_path / "restored", input=stream)
    assert values(tmp_path / "restored", "a", "b") == [b"1", b"2"]
    for bad in (stream[:2000], b"", b"not a tar" * 1000):
        refused(RESTORE, "-", tmp_path / "other", input=bad)
        assert os.listdir(tmp_path / "other") == ["kv.lock"]


def test_an_altered_or_incomplete_backup_is_refused(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
        rewrite(c)
        c("SET", "b", "2")
    server.restart()  # its end writes kv.durable
    good = backup(server, tmp_path / "backups")
    paths = [path for path, content in tree(good).items() if content]
    assert "appendonlydir/kv.durable" in paths
    bad = str(tmp_path / "bad")
    data = tmp_path / "data"

    def check(what):
        for words in (["--verify", bad], [bad, data]):
            text = refused(RESTORE, *words)
            assert "use another one" in text or "complete" in text, (what, text)
        assert os.listdir(data) == ["kv.lock"]
        shutil.rmtree(bad)

    for path in paths:
        for alter in ("flip", "cut", "remove"):
            shutil.copytree(good, bad)
            if alter == "remove":
                os.remove(os.path.join(bad, path))
            else:
                content = bytearray(tree(good)[path])
                if alter == "cut":
                    del content[-1]
                else:
                    content[len(content) // 2] ^= 1
                with open(os.path.join(bad, path), "wb") as file:
                    file.write(content)
            check((path, alter))
    shutil.copytree(good, bad)
    shutil.copy(good + "/BACKUP", bad + "/appendonlydir/more")
    check("more")
    assert b"is good" in done(RESTORE, "--verify", good)


def test_a_restore_keeps_what_was_there_and_says_how_to_undo_it(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "backed up")
        made = backup(server, tmp_path / "backups")
        c("SET", "a", "later")
        c("SAVE")
        before = tree(server.folder)
        assert "a server is running" in refused(RESTORE, made, server.folder)
        after = tree(server.folder)
        for state in (before, after):
            state.pop("server.out")
            state.pop("appendonlydir/kv.durable", None)
        assert after == before
    server.stop()
    text = done(RESTORE, made, server.folder).decode()
    names = os.listdir(server.folder)
    assert sum(name.startswith("appendonlydir.before-") for name in names) == 1
    assert sum(name.startswith("dump.rdb.lz4.before-") for name in names) == 1
    assert not [name for name in names if name.startswith(".kv-restore")]
    server.start()
    with server.connect() as c:
        assert c("GET", "a") == b"backed up"
    server.stop()
    for line in text.splitlines():
        if line.startswith("  mv "):
            subprocess.run(["sh", "-c", line], check=True)
    server.start()
    with server.connect() as c:
        assert c("GET", "a") == b"later"


def test_a_dump_is_backed_up_where_there_is_no_log(start, tmp_path):
    server = start(appendonly="no")
    target = tmp_path / "backups"
    with server.connect() as c:
        c("SET", "a", "1")
        assert "neither a log nor a dump" in refused(BACKUP, server.folder, target)
        assert c("SAVE") == OK
    made = backup(server, target)
    assert sorted(os.listdir(made)) == ["BACKUP", "dump.rdb.lz4"]
    assert b" dump " in done(RESTORE, "--list", target)
    assert "holds one moment" in refused(RESTORE, made, tmp_path / "r", "--to-time", "now")
    # over a log, which must not win afterwards
    with Server("kv", str(tmp_path / "r")) as other, other.connect() as c:
        c("SET", "a", "of the log")
    done(RESTORE, made, tmp_path / "r")
    assert values(tmp_path / "r", "a") == [b"1"]
    path = os.path.join(server.folder, "dump.rdb.lz4")
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 9)
    assert "is damaged; nothing was saved" in refused(BACKUP, server.folder, target)
    assert len(os.listdir(target)) == 1


def test_of_a_log_that_was_switched_off_the_dump_made_since_is_taken(start, tmp_path):
    server = start()
    target = tmp_path / "backups"
    with server.connect() as c:
        c("SET", "a", "an old dump")
        assert c("SAVE") == OK
        c("SET", "a", "logged")
        assert sorted(os.listdir(backup(server, target, "--name", "on"))) == ["BACKUP",
                                                                             "appendonlydir"]
        assert c("CONFIG", "SET", "appendonly", "no") == OK
        result = call(BACKUP, server.folder, target, "--name", "off")
        assert b"the log is switched off" in result.stderr
        assert sorted(os.listdir(target / "off")) == ["BACKUP", "appendonlydir"]
        c("SET", "a", "saved")
        assert c("SAVE") == OK
        assert sorted(os.listdir(backup(server, target, "--name", "since"))) == ["BACKUP",
                                                                                "dump.rdb.lz4"]
    for name, value in (("on", b"logged"), ("off", b"logged"), ("since", b"saved")):
        done(RESTORE, target / name, tmp_path / name)
        assert values(tmp_path / name, "a") == [value]


def wait_for_a_second():
    now = time.time()
    time.sleep(int(now) + 1.01 - now)


@pytest.mark.parametrize("rewrites", [(), (2, 5)], ids=["one log", "across rewrites"])
def test_a_restore_to_a_time_gives_what_was_there_then(start, tmp_path, rewrites):
    """One value a second; the record says which second had which as its last."""
    archive = tmp_path / "archive"
    server = start(auto_aof_rewrite_percentage=0, aof_archive_dir=archive)
    record = {}
    with server.connect() as c:
        for step in range(8):
            wait_for_a_second()
            begun = int(time.time())
            assert c("SET", "step", step) == OK
            assert c("INCR", f"at {step}") == 1
            if int(time.time()) == begun:
                record[begun] = step
            if step in rewrites:
                rewrite(c)
                until(lambda: info(c, "aof_rewrite_in_progress") == "0")
    made = backup(server, tmp_path / "backups")
    if rewrites:
        until(lambda: len(tree(archive)) >= 4)
    assert len(record) > 4
    for moment, step in record.items():
        keys = ["step", f"at {step}", f"at {step + 1}"]
        expected = [b"%d" % step, b"1", None]
        ways = [["--archive", archive]]
        if not rewrites:
            ways = [[]]
        elif step > rewrites[-1]:
            ways.append([])
        else:
            folder = tmp_path / f"none {step}"
            if step < rewrites[-1]:
                text = refused(RESTORE, made, folder, "--to-time", moment)
                assert "give the --archive" in text
        for number, way in enumerate(ways):
            folder = tmp_path / f"restored {step} {number}"
            text = "@%d" % moment if step % 2 else moment
            done(RESTORE, made, folder, "--to-time", text, *way)
            assert not [name for name in os.listdir(folder / "appendonlydir") if "damaged" in name]
            assert values(folder, *keys) == expected, (step, way)
    first = min(record)
    assert "Choose a later time" in refused(RESTORE, made, tmp_path / "early", "--to-time",
                                            first - 100, *(["--archive", archive] if rewrites
                                                           else []))
    if rewrites:  # the archive alone, as far as it reaches; and with a hole in it
        moment = next(m for m, step in record.items() if step == 1)
        done(RESTORE, archive, tmp_path / "alone", "--to-time", moment)
        assert values(tmp_path / "alone", "step") == [b"1"]
        middle = next(m for m, step in record.items() if step == 4)
        gone = sorted(name for name in tree(archive) if "incr" in name)
        os.remove(archive / gone[-1])
        result = call(RESTORE, archive, tmp_path / "end", "--to-time", middle)
        assert result.returncode == 0
        assert b"all of it is restored" in result.stderr  # it ends before
        refused(RESTORE, made, tmp_path / "hole", "--archive", archive, "--to-time", middle)
        assert os.listdir(tmp_path / "hole") == ["kv.lock"]


def test_a_restored_log_puts_nothing_over_in_the_archive(start, tmp_path):
    """Its numbers are lower than those that the archive has by then."""
    archive = tmp_path / "archive"
    server = start(auto_aof_rewrite_percentage=0, aof_archive_dir=archive)

    def live(value):
        with server.connect() as c:
            for _ in range(3):
                c("SET", "key", value)
                before = len(tree(archive))
                rewrite(c)
                until(lambda: info(c, "aof_rewrite_in_progress") == "0")
                until(lambda: len(tree(archive)) > before)
    live("first")
    made = backup(server, tmp_path / "backups")
    live("then")
    server.stop()
    kept = tree(archive)
    done(RESTORE, made, server.folder)
    server.start()
    live("other")
    now = tree(archive)
    assert len(now) > len(kept)
    assert {name: now.get(name) for name in kept} == kept
    server.restart(crash=True)
    with server.connect() as c:
        assert c("GET", "key") == b"other"


def live_a_second(server, value, archive=None):
    """Write in a second of its own, and let the archive have it; that second."""
    wait_for_a_second()
    with server.connect() as c:
        moment = int(c("TIME")[0])
        assert c("SET", "key", value) == OK
        assert c("SET", value, "there") == OK
        if archive:
            rewrite(c)
            until(lambda: info(c, "aof_rewrite_in_progress") == "0")
            log = os.path.join(server.folder, "appendonlydir")
            until(lambda: len([name for name in os.listdir(log) if ".incr." in name]) == 1)
    wait_for_a_second()
    return moment


@pytest.mark.parametrize("based", [False, True], ids=["from the beginning", "behind a base"])
def test_what_was_written_before_and_after_a_restore_is_never_mixed(start, tmp_path, based):
    """Write, back up, write A, restore, write B, restore again, write C: to each of these moments,
    out of one archive. The values have one length, so that sequences are the same in each."""
    archive, backups = tmp_path / "archive", tmp_path / "backups"
    server = start(auto_aof_rewrite_percentage=0, aof_archive_dir=archive)
    moments = {"0": live_a_second(server, "0", archive if based else None)}
    made = backup(server, backups)
    moments["A"] = live_a_second(server, "A", archive)
    for value in "BC":
        server.stop()
        done(RESTORE, made, server.folder)
        server.start()
        moments[value] = live_a_second(server, value, archive)
    latest = backup(server, backups, "--name", "latest")
    assert len(os.listdir(archive)) == 3
    for value, moment in moments.items():
        for number, words in enumerate([(archive,), (made, "--archive", archive),
                                        (latest, "--archive", archive)]):
            folder = tmp_path / f"{value} {number}"
            done(RESTORE, words[0], folder, "--to-time", moment, *words[1:])
            assert values(folder, "key", *"0ABC") == [value.encode()] + [
                b"there" if key in ("0", value) else None for key in "0ABC"], (value, words)


def test_a_backup_of_restored_data_does_not_reach_behind_the_restore(start, tmp_path):
    server = start(auto_aof_rewrite_percentage=0)
    live_a_second(server, "0")
    made = backup(server, tmp_path / "backups")
    moment = live_a_second(server, "A")
    server.stop()
    done(RESTORE, made, server.folder)
    server.start()
    later = live_a_second(server, "B")
    made = backup(server, tmp_path / "backups")
    text = refused(RESTORE, made, tmp_path / "r", "--to-time", moment)
    assert "restored or salvaged" in text and "older backup" in text
    done(RESTORE, made, tmp_path / "r", "--to-time", later)
    assert values(tmp_path / "r", *"0AB") == [b"there", None, b"there"]


def test_a_time_behind_the_end_restores_everything_and_says_so(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
    made = backup(server, tmp_path / "backups")
    result = call(RESTORE, made, tmp_path / "r", "--to-time", "1 hour")
    assert result.returncode == 0
    assert b"all of it is restored" in result.stderr
    assert values(tmp_path / "r", "a") == [b"1"]


def test_refusals_say_what_to_do(tmp_path):
    empty, target = tmp_path / "empty", tmp_path / "backups"
    empty.mkdir()
    assert "Is it the server's dir?" in refused(BACKUP, empty, target)
    assert not target.exists()
    assert "Name the server's data directory" in refused(BACKUP, tmp_path / "none", target)
    for words in ([], [empty], ["--keep", "x", empty, target], ["--keep", "0", empty, target],
                  ["--name", "a/b", empty, target], ["--nonsense", empty, target],
                  [empty, target, "more"], ["--keep"]):
        text = refused(BACKUP, *words)
        assert "help" in text or "Usage" in text or "takes a" in text, words
    for words in ([], [empty], ["--nonsense", empty, target], [empty, target, "more"],
                  ["--to-time"]):
        text = refused(RESTORE, *words)
        assert "help" in text or "Usage" in text, words
    for words in (["--list", empty, target], ["--verify", empty, target]):
        assert "takes one directory" in refused(RESTORE, *words)
    assert "needs a time" in refused(RESTORE, empty, target, "--to-time", "")
    stream = tmp_path / "backup.tar"
    stream.write_bytes(b"bytes")
    assert f"kv-restore - {target} < {stream}" in refused(RESTORE, stream, target)
    assert "is no time" in refused(RESTORE, empty, target, "--to-time", "soonish")
    assert "needs --to-time" in refused(RESTORE, empty, target, "--archive", empty)
    assert "has no file BACKUP" in refused(RESTORE, empty, target)
    assert "Usage: kv-backup" in done(BACKUP, "--help").decode()
    assert "Usage: kv-restore" in done(RESTORE, "--help").decode()


def test_a_backup_is_not_taken_for_a_data_directory_nor_a_log_for_a_target(start, tmp_path):
    server = start()
    made = backup(server, tmp_path / "backups")
    before = tree(made)
    assert "is a backup" in refused(RESTORE, made, made)
    assert tree(made) == before
    done(RESTORE, "--verify", made)
    log = os.path.join(server.folder, "appendonlydir")
    before = sorted(os.listdir(log))
    assert "Name another directory" in refused(BACKUP, server.folder, log)
    assert sorted(os.listdir(log)) == before


def test_a_data_directory_that_cannot_be_written_is_refused(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
    made = backup(server, tmp_path / "backups")
    (tmp_path / "data" / "kv.lock").mkdir(parents=True)
    assert "Run this as its owner" in refused(RESTORE, made, tmp_path / "data")
    (tmp_path / "file").write_text("")
    assert "cannot make" in refused(RESTORE, made, tmp_path / "file")
    assert "cannot make" in refused(BACKUP, server.folder, tmp_path / "file")


def test_a_restore_that_is_cut_short_leaves_the_old_log_the_new_or_a_refusal(start, tmp_path):
    """Each rename in turn fails, and the script with it; what a start then finds is judged. Running
    it again finishes it."""
    server = start()
    with server.connect() as c:
        c("SET", "a", "backed up")
        made = backup(server, tmp_path / "backups")
        c("SET", "a", "later")
    server.restart()
    programs = tmp_path / "bin"
    programs.mkdir()
    count = programs / "count"
    (programs / "mv").write_text(f'#!/bin/sh\necho >>{count}\n[ "$(wc -l <{count})" != "$FAILING" ]'
                                 ' || exit 1\nexec /bin/mv "$@"\n')
    (programs / "mv").chmod(0o755)
    verdicts = []
    for failing in range(1, 10):
        folder = tmp_path / f"data {failing}"
        shutil.copytree(server.folder, folder)
        count.write_text("")
        path = f"{programs}:{ENVIRONMENT['PATH']}"
        result = subprocess.run([RESTORE, made, str(folder)], capture_output=True, check=False,
                                env={**ENVIRONMENT, "PATH": path, "FAILING": str(failing)})
        if result.returncode == 0:
            assert values(folder, "a") == [b"backed up"]
            break
        if os.path.exists(folder / "appendonlydir"):
            verdicts += values(folder, "a")
        else:
            started = call(kv.SERVER, "--dir", folder, "--port", kv.free_port(), timeout=20)
            assert started.returncode != 0
            assert b"appendonly.aof: offset 0" in started.stdout + started.stderr
            assert (folder / "appendonly.aof").read_text().startswith("A restore was interrupted")
            verdicts.append("refused")
        done(RESTORE, made, folder)
        assert values(folder, "a") == [b"backed up"]
        assert not os.path.exists(folder / "appendonly.aof")
        assert [name for name in os.listdir(folder) if name.startswith("appendonlydir.before-")]
    assert verdicts == [b"later", b"later", "refused"]


def test_two_backups_into_one_target_wait_for_nobody(start, tmp_path):
    server = start()
    with server.connect() as c:
        c("SET", "a", "1")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert "another backup into" in refused(BACKUP, server.folder, tmp_path)
    os.close(descriptor)
    backup(server, tmp_path)


def test_the_scripts_are_programs():
    for path in (BACKUP, RESTORE):
        assert os.stat(path).st_mode & stat.S_IXUSR
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", BACKUP, RESTORE], check=True)
