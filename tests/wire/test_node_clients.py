"""Clients from npm do real work: one script a library in tests/support/node, each against kv and
against redis-server with its log. A script asks for a crash of the server by a line on its standard
output and goes on when the server is back."""
import glob
import os
import shutil
import subprocess
import threading

import pytest

import kv as world

SCRIPTS = os.path.join(world.ROOT, "tests/support/node")
INSTALLED = os.path.join(world.ROOT, "build/node")
SECONDS = 150
NAMES = ["ioredis", "node_redis", "bullmq", "redlock", "rate_limiter", "sessions", "keyv",
         "socketio"]

pytestmark = pytest.mark.slow


def why_not():
    if not shutil.which("node"):
        return "no node: install Debian's nodejs and npm (./configure --install)"
    if not os.path.exists(os.path.join(INSTALLED, "node_modules/.package-lock.json")):
        return "the clients from npm are not installed: `make node`, see build/node/npm.log"
    return None


@pytest.fixture(scope="module")
def scripts():
    """The scripts where node finds the libraries: beside node_modules."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    for path in glob.glob(os.path.join(SCRIPTS, "*.mjs")):
        shutil.copy(path, INSTALLED)
    return INSTALLED


def run(folder, name, server):
    """Run a script; how often it had the server killed."""
    process = subprocess.Popen(["node", os.path.join(folder, name + ".mjs"), str(server.port)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    reader.start()
    guard = threading.Timer(SECONDS, process.kill)
    guard.start()
    restarts, said = 0, []
    try:
        for line in process.stdout:
            if line == "restart\n":
                server.restart(crash=True)
                restarts += 1
                process.stdin.write("restarted\n")
                process.stdin.flush()
            else:
                said.append(line)
        status = process.wait()
    finally:
        guard.cancel()
        process.kill()
        process.wait()
    reader.join(10)
    assert status == 0, f"{name}: status {status}\n{''.join(said)}{''.join(errors)}"
    return restarts


@pytest.mark.parametrize("kind", ["kv", "redis"])
@pytest.mark.parametrize("name", NAMES)
def test_does_its_work_over_a_crash(scripts, start, name, kind):
    options = {"appendonly": "yes", "appendfsync": "always"} if kind == "redis" else {}
    server = start(kind, **options)
    assert run(scripts, name, server) == 1
