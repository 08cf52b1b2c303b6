"""kv-check-aof, as an operator runs it: on logs of kv and of stock servers, good and damaged; what
it says, what it changes, what it leaves alone. And its words beside those of redis-check-aof.
"""
import fcntl
import glob
import json
import os
import re
import shutil
import subprocess

import pytest

import aof
import kv
import rdb
from harness import until
from test_save import rewrite

TOOL = os.path.join(kv.BUILD, "kv-check-aof")
STOCK_TOOL = shutil.which("redis-check-aof")
SET_A = aof.command(b"SET", b"a", b"1")
SET_B = aof.command(b"SET", b"b", b"2")


def run(*arguments, answer=None, tool=TOOL, cwd=None):
    done = subprocess.run([tool, *map(str, arguments)], input=answer, text=True,
                          capture_output=True, timeout=120, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def read(path):
    with open(path, "rb") as opened:
        return opened.read()


def write(path, data):
    with open(path, "wb") as opened:
        opened.write(data)
    return path


def contents(folder):
    return {os.path.relpath(os.path.join(where, name), folder): read(os.path.join(where, name))
            for where, _, names in os.walk(folder) for name in names}


def commands_of(path):
    """The commands of a log file, # lines left out."""
    data, at, found = read(path), 0, []
    while at < len(data):
        end = data.index(b"\r\n", at)
        if data[at:at + 1] == b"#":
            at = end + 2
            continue
        words, count = [], int(data[at + 1:end])
        at = end + 2
        for _ in range(count):
            end = data.index(b"\r\n", at)
            length = int(data[at + 1:end])
            words.append(data[end + 2:end + 2 + length])
            at = end + 4 + length
        found.append(words)
    return found


def three_batches():
    log = aof.Log()
    spans = [log.batch([b"SELECT", b"0"], [b"SET", key, b"value"], time=1700000000 + i)
             for i, key in enumerate([b"one", b"two", b"three"])]
    return log, spans


def flip(directory, at, name="appendonly.aof.1.incr.aof"):
    path = os.path.join(directory, name)
    data = bytearray(read(path))
    data[at] ^= 1
    write(path, data)


# --- Reports --------------------------------------------------------------------------------------

def test_a_good_log_is_valid_by_every_name_it_can_be_given(tmp_path):
    log, _ = three_batches()
    second = aof.Log(log)
    second.batch([b"SELECT", b"0"], [b"DEL", b"one"])
    directory = aof.save(tmp_path, [log, second], slot=4)
    before = contents(tmp_path)
    for name in (tmp_path, directory, directory + "/", directory + "/appendonly.aof.manifest"):
        status, out, err = run(name)
        assert (status, err) == (0, ""), out
        assert "appendonly.aof.1.incr.aof: CLEAN, 3 batches (1 to 3), 6 commands" in out
        assert f"seq {log.seq} to {second.seq}" in out
        assert "All AOF files and manifest are valid" in out
    status, out, _ = run(directory + "/appendonly.aof.2.incr.aof")
    assert status == 0
    assert "AOF appendonly.aof.2.incr.aof is valid" in out
    assert contents(tmp_path) == before


def test_a_torn_tail_is_cut_by_fix_and_kept(tmp_path):
    log, spans = three_batches()
    log.bytes = log.bytes[:spans[2][1] - 7]
    directory = aof.save(tmp_path, [log], slot=2)
    status, out, _ = run(directory)
    assert status == 1
    assert "TORN, 2 batches" in out
    assert '--fix would drop the bytes' in out and '"three"' in out
    assert "is not valid. Use the --fix option to try fixing it." in out
    before = contents(tmp_path)
    status, out, _ = run("--fix", directory, answer="n\n")
    assert status == 1
    assert out.endswith("Continue? [y/N]: Aborting...\n")
    assert contents(tmp_path) == before
    status, out, _ = run("--fix", directory, answer="y\n")
    assert status == 0
    file = directory + "/appendonly.aof.1.incr.aof"
    assert read(file) == log.bytes[:spans[2][0]]
    assert read(file + ".torn.1") == log.bytes[spans[2][0]:]
    assert run(directory)[0] == 0


def test_zero_bytes_at_the_end_are_torn(tmp_path):
    log, spans = three_batches()
    log.bytes += bytes(10000)
    directory = aof.save(tmp_path, [log])
    status, out, _ = run("--fix", "--yes", directory)
    assert status == 0
    assert "zero bytes" in out
    assert len(read(directory + "/appendonly.aof.1.incr.aof")) == spans[2][1]
    assert glob.glob(directory + "/*.torn.*") == []


def test_damage_of_what_was_acknowledged_needs_salvage(tmp_path):
    log, spans = three_batches()
    log.batch([b"SELECT", b"0"], [b"SET", b"four", b"4"])
    directory = aof.save(tmp_path, [log], slot=4)
    flip(directory, spans[1][0] + 60)
    damaged = read(directory + "/appendonly.aof.1.incr.aof")
    status, out, _ = run(directory)
    assert status == 1
    assert "CORRUPT" in out and "batch 2" in out and '"two"' in out
    assert f"--salvage would drop the bytes {spans[1][0]} to {spans[1][1]}" in out
    before = contents(tmp_path)
    status, out, err = run("--fix", "--yes", directory)
    assert status == 1
    assert "--salvage does" in err
    assert contents(tmp_path) == before
    assert run("--salvage", directory, answer="\n")[0] == 1
    assert contents(tmp_path) == before
    status, out, err = run("--salvage", "--yes", directory)
    assert (status, err) == (0, "")
    assert run(directory)[0] == 0
    assert read(directory + "/appendonly.aof.1.incr.aof.damaged.1") == damaged
    assert commands_of(directory + "/appendonly.aof.2.incr.aof") == [
        [b"SELECT", b"0"], [b"SELECT", b"0"], [b"SET", b"one", b"value"],
        [b"SELECT", b"0"], [b"SET", b"three", b"value"],
        [b"SELECT", b"0"], [b"SET", b"four", b"4"]]
    kvid = json.loads(run("--json", directory)[1])["kvid"]
    assert re.fullmatch("[0-9a-f]{32}", kvid) and kvid != aof.KVID
    assert kvid.encode() in read(directory + "/kv.durable")


def test_a_missing_end_is_found_by_kv_durable(tmp_path):
    log, spans = three_batches()
    log.bytes = log.bytes[:spans[2][0]]
    directory = aof.save(tmp_path, [log], slot=3)
    status, out, _ = run(directory)
    assert status == 1
    assert "kv.durable names batch 3" in out
    assert run("--fix", "--yes", directory)[0] == 1
    assert run("--salvage", "--yes", directory)[0] == 0
    assert run(directory)[0] == 0


@pytest.mark.parametrize("what", ["seal", "missing", "zeroed"])
def test_salvage_goes_on_without_the_manifest(tmp_path, what):
    log, _ = three_batches()
    second = aof.Log(log)
    second.batch([b"SELECT", b"0"], [b"SET", b"four", b"4"])
    directory = aof.save(tmp_path, [log, second])
    path = directory + "/appendonly.aof.manifest"
    if what == "missing":
        os.unlink(path)
    else:
        data = read(path)
        write(path, data.replace(b"type i", b"type j") if what == "seal" else bytes(len(data)))
    assert run(directory)[0] == 1
    status, out, err = run("--salvage", "--yes", directory)
    assert (status, err) == (0, ""), out
    assert run(directory)[0] == 0
    keys = [words[1] for words in commands_of(directory + "/appendonly.aof.3.incr.aof")
            if words[0] == b"SET"]
    assert keys == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("what", ["missing", "header", "other data"])
def test_salvage_goes_on_without_a_file(tmp_path, what):
    log, _ = three_batches()
    second = aof.Log(log)
    second.batch([b"SELECT", b"0"], [b"SET", b"four", b"4"])
    directory = aof.save(tmp_path, [log, second])
    first = directory + "/appendonly.aof.1.incr.aof"
    expected = [b"four"]
    if what == "missing":
        os.unlink(first)
    elif what == "header":
        flip(directory, 20)
        expected = [b"one", b"two", b"three", b"four"]  # as far as commands can be read
    else:
        other = aof.Log(kvid="f" * 32)
        other.batch([b"SELECT", b"0"], [b"SET", b"x", b"1"])
        write(first, other.bytes)
        expected = [b"x", b"four"]
    assert run(directory)[0] == 1
    assert run("--fix", "--yes", directory)[0] == 1
    status, out, err = run("--salvage", "--yes", directory)
    assert (status, err) == (0, ""), out
    assert run(directory)[0] == 0
    keys = [words[1] for words in commands_of(directory + "/appendonly.aof.3.incr.aof")
            if words[0] == b"SET"]
    assert keys == expected


def test_salvage_without_the_last_file_leaves_a_log_that_starts(tmp_path):
    log, _ = three_batches()
    second = aof.Log(log)
    second.batch([b"SELECT", b"0"], [b"SET", b"four", b"4"])
    directory = aof.save(tmp_path, [log, second])
    os.unlink(directory + "/appendonly.aof.2.incr.aof")
    assert run("--salvage", "--yes", directory)[0] == 0
    assert run(directory)[0] == 0
    with kv.Server(tmp_path) as server:
        assert sorted(server.client().keys()) == ["one", "three", "two"]


def test_commands_that_need_what_was_lost_are_passed_over(tmp_path):
    log = aof.Log()
    log.batch([b"SELECT", b"0"], [b"SET", b"one", b"1"])
    lost = log.batch([b"SELECT", b"0"], [b"SET", b"two", b"2"])
    log.batch([b"SELECT", b"0"], [b"RENAME", b"two", b"three"], [b"SET", b"four", b"4"])
    directory = aof.save(tmp_path, [log])
    flip(directory, lost[0] + 40)
    assert run("--salvage", "--yes", directory)[0] == 0
    with kv.Server(tmp_path) as server:
        assert sorted(server.client().keys()) == ["four", "one"]
        assert "1 commands of the salvaged log" in server.log() and "'RENAME'" in server.log()
        # A base takes its place, which has no holes.
        kv.wait_until(lambda: b"kvholes" not in read(directory + "/appendonly.aof.manifest"), 20)


def test_fix_mends_kv_durable(tmp_path):
    log, _ = three_batches()
    directory = aof.save(tmp_path, [log], slot=3)
    slots = bytearray(read(directory + "/kv.durable"))
    slots[600] ^= 1
    write(directory + "/kv.durable", slots)
    status, out, _ = run("--fix", "--yes", directory)
    assert status == 0
    assert "kv.durable was written again" in out
    slots = read(directory + "/kv.durable")
    assert slots.count(b"KVD1 " + aof.KVID.encode()) == 2


def test_truncate_to_timestamp_keeps_what_was_before(tmp_path):
    log, spans = three_batches()
    directory = aof.save(tmp_path, [log], slot=3)
    status, out, _ = run("--truncate-to-timestamp", "1700000001", "--yes", directory)
    assert status == 0
    assert "Successfully truncated AOF appendonly.aof to timestamp 1700000001" in out
    assert run(directory)[0] == 0
    keys = [words[1] for words in commands_of(directory + "/appendonly.aof.2.incr.aof")
            if words[0] == b"SET"]
    assert keys == [b"one", b"two"]
    status, _, err = run("--truncate-to-timestamp", "1600000000", "--yes", directory)
    assert status == 1
    assert "has nothing before timestamp 1600000000" in err
    status, out, _ = run("--truncate-to-timestamp", "1800000000", "--yes", directory)
    assert status == 0
    assert "Truncate nothing" in out


def test_a_live_data_directory_is_left_alone(tmp_path):
    log, spans = three_batches()
    log.bytes = log.bytes[:-3]
    directory = aof.save(tmp_path, [log])
    before = contents(directory)
    with open(tmp_path / "kv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (tmp_path, directory, directory + "/appendonly.aof.1.incr.aof"):
            status, _, err = run("--fix", "--yes", name)
            assert status == 1
            assert "a server is running" in err
    assert contents(directory) == before
    assert run("--fix", "--yes", tmp_path)[0] == 0


def test_json_is_one_object(tmp_path):
    log, spans = three_batches()
    log.bytes = log.bytes[:-3]
    directory = aof.save(tmp_path, [log])
    status, out, _ = run("--json", directory)
    report = json.loads(out)
    assert (status, report["valid"]) == (1, False)
    file = report["files"][0]
    assert (file["verdict"], file["batches"], file["batch_to"]) == ("TORN", 2, 2)
    assert file["ok_up_to"] == file["bad_offset"] == spans[2][0]
    assert file["drops"] == [{"from": spans[2][0], "to": len(log.bytes), "commands": 1,
                              "by": "--fix", "keys": '"three"'}]
    status, out, _ = run("--json", "--fix", "--yes", directory)
    assert (status, json.loads(out)["valid"]) == (0, True)


def test_a_snapshot_in_a_log_is_checked(tmp_path):
    """Good, it is passed; damaged, nothing but a copy helps, and nothing is changed."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    write(folder / "appendonly.aof.manifest", b"file appendonly.aof.1.base.rdb seq 1 type b\n"
          b"file appendonly.aof.1.incr.aof seq 1 type i\n")
    base = write(folder / "appendonly.aof.1.base.rdb", SNAPSHOT)
    write(folder / "appendonly.aof.1.incr.aof", SET_A + SET_B[:-5])
    status, out, _ = run(folder)
    assert status == 1 and "its checksum holds" in out and "[info] 1 keys read" in out
    assert "AOF appendonly.aof.1.incr.aof is not valid. Use the --fix option" in out
    status, out, _ = run("--fix", "--yes", folder)
    assert status == 0
    found = json.loads(run("--json", folder)[1])
    assert found["valid"] and found["files"][0]["keys"] == 1
    assert found["files"][0]["rdb_to"] == len(SNAPSHOT)
    for damaged in (SNAPSHOT.replace(b"\x01v", b"\x01w"), SNAPSHOT[:-3], SNAPSHOT[:12]):
        write(base, damaged)
        before = contents(folder)
        status, out, _ = run(folder)
        assert status == 1 and "a good copy of the file helps" in out
        for mode in ("--fix", "--salvage"):
            status, out, err = run(mode, "--yes", folder)
            assert status == 1 and "Put a good copy" in err
            assert contents(folder) == before
    # a file by its name, whatever the name
    dump = write(tmp_path / "dump.rdb", SNAPSHOT)
    assert run(dump)[0] == 0
    # the manifest is lost: the snapshot is not forgotten
    write(base, SNAPSHOT)
    os.remove(folder / "appendonly.aof.manifest")
    status, out, err = run("--salvage", "--yes", folder)
    assert status == 0, err
    found = json.loads(run("--json", folder)[1])
    assert found["valid"] and found["files"][0]["keys"] == 1
    assert found["files"][1]["commands"] > 0


def test_what_holds_of_a_damaged_base_is_kept_on_request(start):
    """Its frames that hold, none else; and the log behind it. The damaged file stays."""
    server = start(enable_debug_command="yes", auto_aof_rewrite_percentage=0)
    folder = os.path.join(server.folder, "appendonlydir")
    with server.connect() as c:
        c("DEBUG", "POPULATE", 40000, "key", 300)
        rewrite(c)
        until(lambda: glob.glob(folder + "/*.base.rdb"))
        c("SET", "behind", "base")
    server.stop()
    base, = glob.glob(folder + "/*.base.rdb")
    good = read(base)
    half = len(good) // 2
    write(base, good[:half] + bytes([good[half] ^ 1]) + good[half + 1:])
    before = contents(folder)
    assert run("--damaged-base", folder)[0] == 1
    status, _, err = run("--salvage", "--yes", folder)
    assert status == 1 and "Put a good copy" in err and "restore a backup" in err
    kept, lost = map(int, re.search(r"the (\d+) keys of it that hold, without the other (\d+): "
                                    r"kv-check-aof --salvage --damaged-base", err).groups())
    assert kept + lost == 40000 and kept > 10000 and lost > 5000
    assert run("--salvage", "--damaged-base", folder, answer="n\n")[0] == 1
    assert contents(folder) == before
    status, out, err = run("--salvage", "--damaged-base", "--yes", folder)
    assert (status, err) == (0, "")
    assert f"Kept {kept} keys of the snapshot" in out and f"lost {lost}" in out
    assert re.search(r"lost: frames \d+ to \d+ of \d+, from offset \d+: keys \d+ to \d+ of", out)
    assert read(base + ".damaged.1") == before[os.path.basename(base)]
    server.start()
    with server.connect() as c:
        assert c("DBSIZE") == kept + 1
        assert c("GET", "behind") == b"base"
    server.stop()
    # without an index nobody can tell what holds
    base, = glob.glob(folder + "/*.base.rdb")
    write(base, read(base)[:-20])
    before = contents(folder)
    status, _, err = run("--salvage", "--damaged-base", "--yes", folder)
    assert status == 1 and "no good index" in err and "restore a backup" in err
    assert contents(folder) == before
    shutil.rmtree(folder)
    server.start()


def test_help_and_bad_arguments():
    assert run("--help")[0] == 0
    assert "--salvage" in run("--help")[1]
    for bad in ([], ["--nonsense", "x"], ["--fix", "--salvage", "x"], ["a", "b"],
                ["--truncate-to-timestamp", "x", "y"]):
        status, out, err = run(*bad)
        assert (status, out) == (1, "")
        assert err.startswith("Usage: kv-check-aof")
    status, _, err = run("/nonexistent/file")
    assert status == 1
    assert "No such file or directory" in err


# --- Stock logs, beside redis-check-aof -----------------------------------------------------------

SNAPSHOT = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfe\x00\x00\x01k\x01v\xff"
SNAPSHOT += rdb.crc64(SNAPSHOT).to_bytes(8, "little")
STOCK = {
    "good": SET_A + SET_B,
    "torn": SET_A + SET_B[:-5],
    "multi": SET_A + aof.command(b"MULTI") + SET_B,
    "bad": SET_A + b"garbage\r\n" + SET_B,
    "empty": b"",
    "snapshot": SNAPSHOT,
    "snapshot and commands": SNAPSHOT + SET_A + SET_B,
    "snapshot and torn": SNAPSHOT + SET_A + SET_B[:-5],
    "stamped": b"#TS:1700000000\r\n" + SET_A + b"#TS:1700000100\r\n" + SET_B,
}


def known_lines(out):
    """The lines that both tools print, but for the line number, which redis-check-aof gives of the
    place where it stopped."""
    keep = ("Start check", "AOF ", "INCR AOF", "BASE AOF", "All AOF", "This will", "Continue",
            "Successfully")
    lines = [re.sub(r", ok_up_to_line=\d+", "", line) for line in out.splitlines()
             if line.startswith(keep)]
    return [line for line in lines if not line.endswith(("format error",)) and
            "analyzed: filename=empty" not in line]


@pytest.mark.skipif(not STOCK_TOOL, reason="no redis-check-aof")
@pytest.mark.parametrize("name", STOCK)
def test_stock_files_are_judged_as_redis_check_aof_does(tmp_path, name):
    path = write(tmp_path / f"{name}.aof", STOCK[name])
    ours, stocks = run(f"{name}.aof", cwd=tmp_path), run(f"{name}.aof", tool=STOCK_TOOL,
                                                         cwd=tmp_path)
    assert ours[0] == stocks[0]
    assert known_lines(ours[1]) == known_lines(stocks[1])
    if name == "good":
        assert "ok_up_to_line=15" in ours[1] and "ok_up_to_line=15" in stocks[1]
    # and mended alike
    twin = write(tmp_path / "twin" , STOCK[name])
    ours = run("--fix", path, answer="y\n")
    stocks = run("--fix", twin, answer="y\n", tool=STOCK_TOOL)
    assert ours[0] == stocks[0]
    assert read(path) == read(twin)


@pytest.mark.skipif(not STOCK_TOOL, reason="no redis-check-aof")
@pytest.mark.parametrize("last", ["good", "torn", "stamped"])
def test_stock_directories_are_judged_as_redis_check_aof_does(tmp_path, last):
    manifest = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n"
    results = []
    for tool in (TOOL, STOCK_TOOL):
        folder = tmp_path / os.path.basename(tool)
        folder.mkdir()
        write(folder / "a.1.base.aof", STOCK["good"])
        write(folder / "a.1.incr.aof", STOCK[last])
        write(folder / "a.manifest", manifest.encode())
        plain = run(folder / "a.manifest", tool=tool)
        fixed = run("--fix", folder / "a.manifest", tool=tool, answer="y\n")
        results.append((plain[0], known_lines(plain[1]), fixed[0], read(folder / "a.1.incr.aof")))
    assert results[0] == results[1]


@pytest.mark.skipif(not STOCK_TOOL, reason="no redis-check-aof")
@pytest.mark.parametrize("time", [1600000000, 1700000000, 1700000050, 1700000100])
def test_stock_files_are_truncated_to_a_time_alike(tmp_path, time):
    ours = write(tmp_path / "ours", STOCK["stamped"])
    stocks = write(tmp_path / "stocks", STOCK["stamped"])
    our_status = run("--yes", "--truncate-to-timestamp", time, ours)[0]
    stock_status = run("--truncate-to-timestamp", time, stocks, tool=STOCK_TOOL)[0]
    assert our_status == stock_status
    assert read(ours) == read(stocks)


@pytest.mark.skipif(not STOCK_TOOL, reason="no redis-check-aof")
def test_logs_of_kv_are_valid_to_redis_check_aof(tmp_path):
    log, _ = three_batches()
    second = aof.Log(log)
    second.batch([b"MULTI"], [b"SET", b"x", log.bytes], [b"EXEC"], time=1700000009)
    directory = aof.save(tmp_path, [log, second], slot=4)
    status, out, _ = run(directory + "/appendonly.aof.manifest", tool=STOCK_TOOL)
    assert status == 0
    assert "All AOF files and manifest are valid" in out
