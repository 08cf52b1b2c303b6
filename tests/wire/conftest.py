"""Fixtures for tests over the wire: every test of a command runs against kv and against the
reference server, in RESP2 and in RESP3, so that the test itself is tested."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "support"))

from harness import OK, Server  # noqa: E402 (needs the path)


def pytest_configure(config):
    """The markers that run_suites.py declares, for who runs pytest by hand."""
    for marker in ("slow: takes long", "threads: exercises threads of the server"):
        config.addinivalue_line("markers", marker)


SERVERS = {
    # the default: appendfsync always
    "kv": ("kv", {}),
    "kv-memory": ("kv", {"persistence": "no"}),
    "redis": ("redis", {}),
}


@pytest.fixture(scope="session")
def running():
    """Servers that tests share, started when the first test asks for one."""
    servers = {}

    def get(name):
        if name not in servers:
            kind, options = SERVERS[name]
            servers[name] = Server(kind, **options)
        return servers[name]
    yield get
    for server in servers.values():
        server.close()


@pytest.fixture
def start():
    """Start servers of one's own: start("kv", appendfsync="everysec")."""
    servers = []

    def begin(kind="kv", **options):
        servers.append(Server(kind, **options))
        return servers[-1]
    yield begin
    for server in servers:
        server.close()


def fresh(server, resp):
    connection = server.connect(resp)
    assert connection("FLUSHALL") == OK
    return connection


@pytest.fixture(params=["kv", "kv-memory", "redis"])
def server(request, running):
    """kv with its log, kv in memory, and the reference."""
    return running(request.param)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def c(request, server):
    """A connection to an empty server: c("GET", "key")."""
    with fresh(server, request.param) as connection:
        yield connection


@pytest.fixture
def kv(running):
    """A connection to kv alone."""
    with fresh(running("kv"), 2) as connection:
        yield connection


@pytest.fixture
def reference(running):
    """A connection to redis-server alone."""
    with fresh(running("redis"), 2) as connection:
        yield connection
