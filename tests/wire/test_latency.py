"""LATENCY: the events, their samples and pictures, and the histograms of commands."""
import time

import pytest

from harness import OK, Error, Server, wrong_arity

DISABLED = "latency-monitor-threshold"


def pairs(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def text(reply):
    return reply.decode() if isinstance(reply, bytes) else str(reply).removeprefix("txt:")


@pytest.fixture(scope="module", params=["kv", "redis"])
def slow_server(request):
    """With DEBUG SLEEP."""
    server = Server(request.param, enable_debug_command="yes")
    yield server
    server.close()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def monitored(request, slow_server):
    with slow_server.connect(request.param) as c:
        c("CONFIG", "SET", "latency-monitor-threshold", 1)
        c("LATENCY", "RESET")
        yield c


def at_new_second(c):
    """Wait until the next second begins."""
    now = c("TIME")[0]
    while c("TIME")[0] == now:
        time.sleep(0.01)


def test_samples(monitored):
    c = monitored
    now = None
    while now is None or int(c("TIME")[0]) != now:  # all within one second
        at_new_second(c)
        c("LATENCY", "RESET")
        now = int(c("TIME")[0])
        c("DEBUG", "SLEEP", "0.005")
        c("DEBUG", "SLEEP", "0.03")
        c("DEBUG", "SLEEP", "0.002")
    [latest] = [e for e in c("LATENCY", "LATEST") if e[0] == b"command"]
    assert latest[1] - now in (0, 1)
    # the worst of the second
    assert 30 <= latest[2] < 1000 and latest[2] == latest[3]
    [sample] = c("LATENCY", "HISTORY", "command")
    assert sample == latest[1:3]
    ms = sample[1]
    assert text(c("LATENCY", "GRAPH", "command")).startswith(
        f"command - high {ms} ms, low {ms} ms (all time high {ms} ms)\n"
        + "-" * 80 + "\n \n \n \n_\n \n")
    assert c("LATENCY", "HISTORY", "COMMAND") == []
    assert "command" in text(c("LATENCY", "DOCTOR"))


def test_two_samples_and_their_picture(monitored):
    c = monitored
    c("DEBUG", "SLEEP", "0.04")
    at_new_second(c)
    c("DEBUG", "SLEEP", "0.005")
    first, second = [ms for _, ms in c("LATENCY", "HISTORY", "command")]
    if first <= second:
        pytest.skip("the machine is too busy")
    graph = text(c("LATENCY", "GRAPH", "command"))
    assert graph.split("-" * 80)[1].startswith("\n# \n| \n| \n|_\n  \n")
    assert f"high {first} ms, low {second} ms (all time high {first} ms)" in graph
    [latest] = [e for e in c("LATENCY", "LATEST") if e[0] == b"command"]
    assert latest[2:4] == [second, first]


def test_reset(monitored):
    c = monitored
    c("DEBUG", "SLEEP", "0.005")
    assert c("LATENCY", "RESET", "nosuch") == 0
    assert c("LATENCY", "RESET", "command", "nosuch", "command") == 1
    assert c("LATENCY", "HISTORY", "command") == []
    c("DEBUG", "SLEEP", "0.005")
    assert c("LATENCY", "RESET") >= 1
    assert c("LATENCY", "LATEST") == []
    assert c("LATENCY", "GRAPH", "command") == Error(
        "ERR No samples available for event 'command'")


def test_nothing_is_noted_below_the_threshold(monitored):
    c = monitored
    c("CONFIG", "SET", "latency-monitor-threshold", 1000)
    c("DEBUG", "SLEEP", "0.005")
    c("CONFIG", "SET", "latency-monitor-threshold", 0)
    c("DEBUG", "SLEEP", "0.005")
    assert c("LATENCY", "LATEST") == []
    assert DISABLED in text(c("LATENCY", "DOCTOR"))


def test_eviction_is_an_event(start):
    server = start("kv", persistence="no")
    with server.connect(2) as c:
        # Without tenacity a cycle ends before it takes a millisecond.
        c("CONFIG", "SET", "latency-monitor-threshold", 1, "maxmemory-policy", "allkeys-lru",
          "maxmemory-eviction-tenacity", 100)
        for part in range(10):
            c.pipeline([("SET", f"{part}-{i}", "x" * 50) for i in range(20000)])
        c("CONFIG", "SET", "maxmemory", 100000)
        for _ in range(100):
            c("SET", "a", "b")
        events = {event[0]: event for event in c("LATENCY", "LATEST")}
        assert b"eviction-cycle" in events
        assert "eviction-cycle" in text(c("LATENCY", "DOCTOR"))


def test_syncs_of_the_log_are_events(start):
    """A disk may be too fast for a millisecond: then no event is no mistake."""
    server = start("kv")
    with server.connect(2) as c:
        c("CONFIG", "SET", "latency-monitor-threshold", 1)
        slowest = 0
        for i in range(500):
            c("SET", "a", i)
            info = c("INFO", "persistence").decode()
            us = int(info.split("log_last_sync_usec:")[1].split("\r\n")[0])
            slowest = max(slowest, us if i else 0)
            if slowest >= 5000:
                break
        events = [event[0] for event in c("LATENCY", "LATEST")]
        assert b"log-sync" in events or slowest < 5000


def test_snapshots_and_compactions_are_events(start):
    server = start("kv")
    with server.connect(2) as c:
        c.pipeline([("SET", f"{i}", "x" * 100) for i in range(50000)])
        c("CONFIG", "SET", "latency-monitor-threshold", 1)
        c("BGREWRITEAOF")
        deadline = time.monotonic() + 60
        while b"compaction" not in [event[0] for event in c("LATENCY", "LATEST")]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "compaction" in text(c("LATENCY", "DOCTOR"))


def test_histograms(c):
    c("CONFIG", "RESETSTAT")
    for i in range(10):
        c("SET", "a", i)
    c("CLIENT", "ID")
    c("CLIENT", "GETNAME")
    c("CLIENT", "GETNAME")
    every = pairs(c("LATENCY", "HISTOGRAM"))
    assert {b"set", b"client|id", b"client|getname", b"config|resetstat"} <= set(every)
    of_set = pairs(every[b"set"])
    assert of_set[b"calls"] == 10
    bounds = list(pairs(of_set[b"histogram_usec"]).items())
    assert bounds == sorted(bounds) and bounds[-1][1] == 10
    assert set(us for us, _ in bounds) <= {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227,
                                           8454, 16908, 33816, 67633}
    some = pairs(c("LATENCY", "HISTOGRAM", "SET", "nosuch", "client"))
    assert set(some) == {b"set", b"client|id", b"client|getname"}
    assert pairs(some[b"client|getname"])[b"calls"] == 2
    assert set(pairs(c("LATENCY", "HISTOGRAM", "client|id"))) == {b"client|id"}
    assert pairs(c("LATENCY", "HISTOGRAM", "nosuch")) == {}


def test_no_histograms_without_tracking(c):
    c("CONFIG", "SET", "latency-tracking", "no")
    c("CONFIG", "RESETSTAT")
    c("SET", "a", "b")
    assert pairs(c("LATENCY", "HISTOGRAM", "set")) == {}
    assert c("CONFIG", "SET", "latency-tracking", "yes") == OK


def test_bad(c):
    assert c("LATENCY") == wrong_arity("latency")
    assert c("LATENCY", "FOO") == Error("ERR unknown subcommand 'FOO'. Try LATENCY HELP.")
    assert c("LATENCY", "GRAPH") == wrong_arity("latency|graph")
    assert c("LATENCY", "HISTORY", "a", "b") == wrong_arity("latency|history")
    assert c("LATENCY", "LATEST", "x") == wrong_arity("latency|latest")
    assert isinstance(c("LATENCY", "HELP"), list)
