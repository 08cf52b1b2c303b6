"""The golden logs in fixtures/log: kv-check-aof gives the verdict that is written down, the server
starts on what it must start on with the keys that must be there, and refuses the rest with a
reason, without changing a byte.
"""
import json
import os
import shutil
import subprocess

import pytest

import kv

FOLDER = os.path.join(kv.ROOT, "fixtures", "log")
TOOL = os.path.join(kv.BUILD, "kv-check-aof")

with open(os.path.join(FOLDER, "expected.json"), encoding="ascii") as opened:
    EXPECTED = json.load(opened)


@pytest.fixture(params=sorted(EXPECTED))
def case(request, tmp_path):
    folder = str(tmp_path / "data")
    shutil.copytree(os.path.join(FOLDER, request.param), folder)
    return folder, EXPECTED[request.param]


def log_files(folder):
    found = {}
    for where, _, names in os.walk(os.path.join(folder, "appendonlydir")):
        for name in names:
            with open(os.path.join(where, name), "rb") as opened:
                found[name] = opened.read()
    return found


def subject(folder):
    """What kv-check-aof is given: the directory, or the single file."""
    single = os.path.join(folder, "appendonly.aof")
    return single if os.path.exists(single) else folder


def test_every_fixture_is_expected_to_be_something():
    assert sorted(EXPECTED) == sorted(name for name in os.listdir(FOLDER)
                                      if os.path.isdir(os.path.join(FOLDER, name)))


def test_kv_check_aof_gives_the_verdict(case):
    folder, expected = case
    before = log_files(folder)
    done = subprocess.run([TOOL, subject(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == (0 if expected["verdict"] == "valid" else 1), done.stdout
    torn = " TORN, " in done.stdout
    assert torn == (expected["verdict"] == "torn"), done.stdout
    assert log_files(folder) == before


def test_the_server_starts_or_says_why_not(case):
    folder, expected = case
    before = log_files(folder)
    if expected["verdict"] == "corrupt":
        server = kv.Server(folder, start=False).launch()
        assert server.process.wait(60) != 0
        assert "kv-check-aof" in server.log()
        assert log_files(folder) == before
        return
    for _ in range(2):
        with kv.Server(folder) as server:
            keys = server.client().keys("*")
            assert "".join(sorted(keys)) == expected["keys"], server.log()
    assert ("torn" in server.log()) == (expected["verdict"] == "torn")


def test_salvage_leaves_a_log_that_starts(case):
    folder, expected = case
    if expected["verdict"] != "corrupt":
        pytest.skip("nothing to salvage")
    done = subprocess.run([TOOL, "--salvage", "--yes", folder], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    with kv.Server(folder) as server:
        assert server.client().dbsize() > 0
