"""kv-check-rdb, as an operator runs it, on the snapshots of fixtures/snapshot: one data set as a
dump of redis-server (dump.rdb), in LZ4 frames (dump.rdb.lz4), and as a base with its index
(base.rdb, base.rdb.kvi). What it says of good and of damaged files, beside redis-check-rdb; that
stock servers and kv load what it and kv make of them.
"""
import json
import os
import re
import shutil
import subprocess

import pytest

import kv
from harness import Server, keyspace

FOLDER = os.path.join(kv.ROOT, "fixtures", "snapshot")
TOOL = os.path.join(kv.BUILD, "kv-check-rdb")
STOCK_TOOL = shutil.which("redis-check-rdb")
LZ4 = shutil.which("lz4")
NAMES = ("dump.rdb", "dump.rdb.lz4", "base.rdb")
KEYS = 62


def run(*arguments, tool=TOOL):
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def read(path):
    with open(path, "rb") as opened:
        return opened.read()


def write(path, data):
    with open(path, "wb") as opened:
        opened.write(data)
    return path


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    shutil.copytree(FOLDER, folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_good_file_is_good_and_its_contents_are_counted(name):
    status, out, err = run(os.path.join(FOLDER, name))
    assert status == 0 and err == ""
    assert out.startswith(f"[offset 0] Checking RDB file {FOLDER}/{name}\n")
    assert "\\o/ RDB looks OK! \\o/\n" in out and "Checksum OK" in out
    assert f"[info] {KEYS} keys read\n[info] 2 expires\n[info] 0 already expired\n" in out
    assert "[db0] 52 keys, 2 expire" in out and "[db5] 10 keys, 0 expire" in out
    assert "[zset skiplist] 1 keys" in out and "[stream stream] 1 keys" in out
    assert re.search(r"\[biggest 1\] db0 hash hashtable \d+ bytes hash:long\n", out)


@pytest.mark.parametrize("name", NAMES)
def test_json_says_the_same_and_lists_all_keys_when_asked(name):
    status, out, _ = run("--json", "--keys", os.path.join(FOLDER, name))
    found = json.loads(out)
    assert status == 0 and found["valid"] is True and found["checksum"] is True
    assert found["keys_read"] == len(found["keys"]) == KEYS
    assert found["lz4"] is name.endswith(".lz4")
    assert (found["frames"] > 0) is (name != "dump.rdb")
    assert {"db": 5, "type": "string", "encoding": "int", "bytes": 32, "key": "five:7"} in \
        found["keys"]
    late = [key for key in found["keys"] if key["key"] == "late"][0]
    assert late["expires_ms"] == 4102444800000
    assert sum(kind["keys"] for kind in found["types"]) == KEYS
    assert [db["keys"] for db in found["databases"]] == [52, 10]
    assert "keys" not in json.loads(run("--json", os.path.join(FOLDER, name))[1])


def test_keys_are_listed_as_lines():
    _, out, _ = run("--keys", os.path.join(FOLDER, "dump.rdb.lz4"))
    assert "db0 string embstr 32 bytes expires 4102444800000 late\n" in out
    assert len(re.findall(r"^db[05] \w+ \w+ \d+ bytes ", out, re.M)) == KEYS


@pytest.mark.parametrize("name", NAMES)
def test_a_stock_rdb_of_it_loads_in_redis_with_the_same_contents(name, tmp_path):
    folder = tmp_path / "redis"
    os.mkdir(folder)
    status, out, err = run("--to-rdb", folder / "dump.rdb", os.path.join(FOLDER, name))
    assert status == 0 and err == "" and "is a stock RDB of it" in out
    if STOCK_TOOL:
        status, out, _ = run(folder / "dump.rdb", tool=STOCK_TOOL)
        assert status == 0 and "RDB looks OK" in out and f"{KEYS} keys read" in out
    with Server("redis", str(folder)) as server:
        expected = keyspace(server.connect())
    os.mkdir(tmp_path / "stock")
    shutil.copy(os.path.join(FOLDER, "dump.rdb"), tmp_path / "stock" / "dump.rdb")
    with Server("redis", str(tmp_path / "stock")) as server:
        assert keyspace(server.connect()) == expected


@pytest.mark.skipif(not LZ4, reason="no lz4")
def test_lz4_unpacks_a_snapshot_to_the_same_stock_rdb(tmp_path):
    run("--to-rdb", tmp_path / "ours.rdb", os.path.join(FOLDER, "dump.rdb.lz4"))
    subprocess.run([LZ4, "-dq", os.path.join(FOLDER, "dump.rdb.lz4"), str(tmp_path / "its.rdb")],
                   check=True, timeout=60)
    assert read(tmp_path / "ours.rdb") == read(tmp_path / "its.rdb")
    # and what lz4 has packed is read, as one stream
    subprocess.run([LZ4, "-zq", str(tmp_path / "its.rdb"), str(tmp_path / "its.lz4")], check=True,
                   timeout=60)
    status, out, _ = run("--json", tmp_path / "its.lz4")
    assert status == 0 and json.loads(out)["frames"] == 0 and json.loads(out)["lz4"] is True


def test_kv_starts_on_an_lz4_dump_with_the_same_contents(tmp_path):
    contents = []
    for name in ("dump.rdb", "dump.rdb.lz4"):
        folder = tmp_path / name
        os.mkdir(folder)
        shutil.copy(os.path.join(FOLDER, name), folder / name)
        with Server("kv", str(folder), dbfilename=name) as server:
            contents.append(keyspace(server.connect()))
        with Server("kv", str(folder), dbfilename=name) as server:
            assert keyspace(server.connect()) == contents[-1]
    assert contents[0] == contents[1] and len(contents[0]) > 0


@pytest.mark.parametrize("name", NAMES)
def test_damage_anywhere_is_found(files, name):
    good = read(files / name)
    step = max(1, len(good) // 60)
    for at in [*range(0, len(good), step), len(good) - 1]:
        write(files / name, good[:at] + bytes([good[at] ^ 16]) + good[at + 1:])
        status, out, err = run(files / name)
        assert status == 1, (at, out)
        assert "--- RDB ERROR DETECTED ---\n[offset " in out or "[warning] " in out, (at, out)
        assert "looks OK" not in out
    for size in (0, 3, 8, 100, len(good) // 2, len(good) - 1):
        write(files / name, good[:size])
        assert run(files / name)[0] == 1


def test_damage_is_told_with_its_frame_and_keys(files):
    good = bytearray(read(files / "base.rdb"))
    good[5000] ^= 1
    write(files / "base.rdb", good)
    status, out, err = run(files / "base.rdb")
    assert status == 1
    assert re.search(r"frame 3 of 5, \d+ bytes: keys 1 to 52 of 62, in database 0", out)
    assert f"{files}/base.rdb: offset " in err
    found = json.loads(run("--json", files / "base.rdb")[1])
    assert found["valid"] is False and "checksum does not hold" in found["error"]


def test_without_a_good_index_the_data_can_be_saved(files, tmp_path):
    good = read(files / "dump.rdb.lz4")
    write(files / "dump.rdb.lz4", good[:-30])
    status, out, _ = run("--to-rdb", tmp_path / "saved.rdb", files / "dump.rdb.lz4")
    assert status == 1 and "[warning] the data is whole, but the index at its end" in out
    assert run(tmp_path / "saved.rdb")[0] == 0
    kvi = bytearray(read(files / "base.rdb.kvi"))
    kvi[60] ^= 1
    write(files / "base.rdb.kvi", kvi)
    status, out, _ = run(files / "base.rdb")
    assert status == 1 and "its index .kvi can't be used" in out


def test_a_file_that_exists_is_not_written_over(files):
    before = read(files / "base.rdb")
    status, _, err = run("--to-rdb", files / "base.rdb", files / "dump.rdb.lz4")
    assert status == 1 and "File exists" in err
    assert read(files / "base.rdb") == before


def test_usage_and_missing_files():
    status, out, _ = run("--help")
    assert status == 0 and out.startswith("Usage: kv-check-rdb")
    for arguments in ([], ["--none", "x"], ["a", "b"], ["--to-rdb"]):
        status, out, err = run(*arguments)
        assert status == 1 and out == "" and err.startswith("Usage: kv-check-rdb")
    status, _, err = run("/nonexistent/dump.rdb")
    assert status == 1 and "/nonexistent/dump.rdb: open: No such file or directory" in err


@pytest.mark.skipif(not STOCK_TOOL, reason="no redis-check-rdb")
@pytest.mark.parametrize("cut", [None, 5, 100, 5000, -1])
def test_stock_dumps_are_judged_as_redis_check_rdb_does(files, cut):
    path = write(files / "dump.rdb", read(files / "dump.rdb")[:cut])
    ours, theirs = run(path), run(path, tool=STOCK_TOOL)
    assert ours[0] == theirs[0]
    for line in theirs[1].split("\n"):
        if re.match(r"\[info\] \d+ (keys read|expires|already expired)$", line) and cut is None:
            assert line in ours[1].split("\n")
    assert ("--- RDB ERROR DETECTED ---" in ours[1]) == (cut is not None)
