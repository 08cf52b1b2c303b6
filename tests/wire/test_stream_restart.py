"""Streams and their groups after a restart: the log brings back what was there, on kv and on
redis-server alike."""
import pytest

import scripts
import scripts_stream
from harness import Server

KEYS = [b"a", b"b", b"k:1", b"c", b"d"]


class Chance(scripts.Chance):
    """Few keys, so that entries meet groups."""
    KEYS = KEYS


def make_entry(r):
    words = [word for i in range(r.randint(1, 2)) for word in (f"field{i}", r.text())]
    trim = r.choice([[], [], [], ["MAXLEN", "~", r.randint(20, 300)],
                     ["MINID", "~", f"{r.randint(0, 60)}-0"], ["MAXLEN", r.randint(100, 300)]])
    return ["XADD", r.key()] + trim + ["*" if r.random() < 0.3 else "1-*"] + words


def change(connection, seed, count=3000):
    r = Chance(seed)
    makers = [make for _, make in scripts_stream.STREAM]
    weights = [weight for weight, _ in scripts_stream.STREAM]
    for key in KEYS:
        connection("XGROUP", "CREATE", key, "g", "0", "MKSTREAM")
    connection.pipeline([
        r.choices(makers, weights)[0](r) if r.random() < 0.6 else make_entry(r)
        for _ in range(count)])


def without(value):
    """When a consumer was last seen, or active (of Redis 7.2), is no part of the log; nor is how a
    tree lies in memory."""
    if isinstance(value, dict):
        return {name: without(item) for name, item in value.items()
                if name not in (b"seen-time", b"active-time", b"radix-tree-keys",
                                b"radix-tree-nodes")}
    return [without(item) for item in value] if isinstance(value, list) else value


def state(server):
    with server.connect(3) as connection:
        return {key: without(connection("XINFO", "STREAM", key, "FULL", "COUNT", 0))
                for key in KEYS}


@pytest.mark.parametrize("seed", range(3))
def test_streams_come_back(seed, tmp_path):
    folder = str(tmp_path / "data")
    ours = Server("kv", folder)
    try:
        with ours.connect() as connection:
            change(connection, seed)
        before = state(ours)
        assert any(stream[b"groups"] for stream in before.values())
        ours.restart(crash=True)
        assert state(ours) == before
    finally:
        ours.close()
    stock = Server("redis", folder, appendonly="yes")
    try:
        assert state(stock) == before
    finally:
        stock.close()
