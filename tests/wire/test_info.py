"""INFO: the sections, the fields that programs read, and that the figures are true."""
import os
import re
import time

import pytest
import redis

from harness import OK, SANITIZED, Error, Verbatim, until

SECTIONS = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
            "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]
DEFAULT = [name for name in SECTIONS if name not in ("Commandstats", "Latencystats")]
WITH_COMMANDS = [name for name in SECTIONS if name != "Latencystats"]

# Fields of redis-server 7.0 that kv does not have, and why.
MISSING = {}
# Fields of kv that redis-server 7.0 does not have.
OWN = {
    # but for kv_version of Valkey
    "server": ["server_name", "kv_version", "server_mode", "clients_hz", "availability_zone",
               "listener0"],
    "memory": ["allocator_muzzy", "mem_overhead_db_hashtable_rehashing", "keyspace_memory"],
    "clients": ["pubsub_clients", "watching_clients", "total_watched_keys",  # of Valkey
                "total_blocking_keys", "total_blocking_keys_on_nokey",  # of Redis 7.2
                "paused_reason", "paused_actions", "paused_timeout_milliseconds"],  # of Valkey
    "replication": ["replicas_waiting_psync"],  # of Valkey
    "persistence": [
        "persistence_mode", "snapshot_running", "snapshot_raw_bytes",
                    "snapshot_file_bytes", "snapshot_eta_seconds", "snapshot_handed_over",
                    "snapshot_memory", "snapshot_memory_peak", "snapshot_slices",
                    "snapshot_slice_max_usec", "snapshot_writers_paused", "snapshot_problem",
                    "log_state", "log_policy", "log_kvid", "log_file", "log_seq",
        "log_written_seq", "log_durable_seq", "log_unsynced_ms", "log_pending_bytes",
        "log_batches", "log_durable_batch", "log_syncs", "log_last_sync_usec", "log_max_sync_usec",
        "log_sync_errors", "log_write_errors", "log_heals", "log_writers_paused",
        "log_replies_held", "log_problem"],
    # of Redis 7.2 and later, and of Valkey
    "stats": ["expired_subkeys", "evicted_scripts", "io_threaded_freed_objects",
              "io_threaded_accept_processed", "io_threaded_poll_processed",
              "io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries",
              "client_query_buffer_limit_disconnections",
              "client_output_buffer_limit_disconnections", "eventloop_cycles",
              "eventloop_duration_sum", "eventloop_duration_cmd_sum",
              "instantaneous_eventloop_cycles_per_sec", "instantaneous_eventloop_duration_usec",
              "acl_access_denied_auth",
              "acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"],
}


def text(reply):
    return str(reply)[4:] if isinstance(reply, Verbatim) else reply.decode()


def parse(reply):
    """{section: {field: value}} in their order; checks the form on the way."""
    found, section = {}, None
    for block in text(reply).split("\r\n\r\n"):
        lines = [line for line in block.split("\r\n") if line]
        if not lines:
            continue
        assert lines[0].startswith("# "), lines[0]
        section = found[lines[0][2:]] = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            assert name not in section
            section[name] = value
    return found


def info(c, section):
    return next(iter(parse(c("INFO", section)).values()))


def test_sections(c):
    c("GET", "a")
    assert isinstance(c("INFO"), bytes if c.resp == 2 else Verbatim)
    assert list(parse(c("INFO"))) == DEFAULT
    assert list(parse(c("INFO", "default"))) == DEFAULT
    assert list(parse(c("INFO", "everything"))) == SECTIONS
    assert list(parse(c("INFO", "ALL"))) == SECTIONS
    for name in SECTIONS:
        assert list(parse(c("INFO", name.upper()))) == [name]
    assert list(parse(c("INFO", "keyspace", "cpu", "nosuch", "cpu"))) == ["CPU", "Keyspace"]
    assert list(parse(c("INFO", "default", "commandstats"))) == WITH_COMMANDS
    assert text(c("INFO", "nosuch")) == ""


@pytest.mark.parametrize("section", ["server", "clients", "memory", "persistence", "stats",
                                     "replication", "cpu", "modules", "cluster"])
def test_fields_are_those_of_the_reference(kv, start, section):
    reference = start("redis", appendonly="yes")
    with reference.connect() as c:
        theirs = list(info(c, section))
    ours = list(info(kv, section))
    wanted = [name for name in theirs if name not in MISSING]
    own = OWN.get(section, [])
    assert [name for name in ours if name not in own] == wanted
    assert [name for name in ours if name in own] == own


def test_values_have_the_form_of_the_reference(kv, start):
    """What is a number there is a number here."""
    with start("redis", appendonly="yes").connect() as c:
        theirs = parse(c("INFO", "everything"))
    ours = parse(kv("INFO", "everything"))
    for section in ("Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU",
                    "Cluster"):
        for name, value in theirs[section].items():
            if name in MISSING or name in ("redis_build_id", "redis_git_sha1"):
                continue
            mine = ours[section][name]
            for form in (int, float):
                try:
                    form(value)
                except ValueError:
                    continue
                form(mine)
                break
            assert value.endswith("%") == mine.endswith("%"), name


def test_redis_py_reads_it(server, c):
    with redis.Redis(port=server.port, decode_responses=True) as client:
        client.set("a", "b")
        found = client.info("everything")
        assert found["db0"] == {"keys": 1, "expires": 0, "avg_ttl": 0}
        assert found["cmdstat_set"]["calls"] >= 1
        assert found["role"] == "master"
        assert isinstance(found["used_memory"], int)
        # Half of them may take less than a microsecond, which is 0.
        assert set(found["latency_percentiles_usec_set"]) == {"p50", "p99", "p99.9"}
    del c


def test_server(kv, running):
    server = running("kv")
    found = info(kv, "server")
    assert found["redis_version"] == "7.2.4"
    assert found["server_name"] == "kv"
    assert found["kv_version"].count(".") == 2
    assert int(found["process_id"]) == server.process.pid
    assert int(found["tcp_port"]) == server.port
    assert abs(int(found["server_time_usec"]) / 1e6 - time.time()) < 5
    assert len(found["run_id"]) == 40
    assert found["os"].startswith("Linux ")
    assert found["executable"].startswith("/") and found["executable"] != "/proc/self/exe"
    assert kv("CONFIG", "GET", "dir")[1].decode() == os.path.realpath(server.folder)


def test_clients(kv, running):
    before = int(info(kv, "clients")["connected_clients"])
    with running("kv").connect() as other:
        until(lambda: int(info(kv, "clients")["connected_clients"]) == before + 1)
        other.send("WAITAOF", 0, 1, 0)
        until(lambda: info(kv, "clients")["blocked_clients"] == "1")
    until(lambda: info(kv, "clients")["blocked_clients"] == "0")
    assert info(kv, "clients")["maxclients"] == kv("CONFIG", "GET", "maxclients")[1].decode()


def test_keyspace(c):
    assert info(c, "keyspace") == {}
    for i in range(10):
        assert c("SET", f"key:{i}", "v") == OK
    assert c("EXPIRE", "key:1", 1000) == 1
    assert c("SELECT", 5) == OK
    assert c("SET", "a", "1") == OK
    found = info(c, "keyspace")
    assert list(found) == ["db0", "db5"]
    assert found["db0"].startswith("keys=10,expires=1,avg_ttl=")
    assert found["db5"].startswith("keys=1,expires=0,avg_ttl=0")


LOOKUPS = [["GET", "K"], ["EXISTS", "K"], ["TTL", "K"], ["PEXPIRETIME", "K"], ["TYPE", "K"],
           ["OBJECT", "IDLETIME", "K"], ["DUMP", "K"], ["TOUCH", "K"], ["SUNIONSTORE", "d", "K"],
           ["SINTERSTORE", "d", "K"], ["XACK", "K", "g", "1-1"], ["SETRANGE", "K", 0, ""],
           ["XCLAIM", "K", "g", "c", 0, "1-1"], ["EXPIRE", "K", 100], ["HSET", "K", "f", "v"],
           ["DEL", "K"]]


@pytest.mark.parametrize("words", LOOKUPS, ids=lambda words: words[0])
def test_hits_and_misses_of_a_lookup(kv, reference, words):
    counts = []
    for c in (kv, reference):
        counts.append([])
        for made in ([], ["SET", "K", 1], ["SADD", "K", 1], ["XADD", "K", "1-1", "f", "v"]):
            assert c("FLUSHALL") == OK
            if made:
                c(*made)
            assert c("CONFIG", "RESETSTAT") == OK
            c(*words)
            stats = info(c, "stats")
            counts[-1].append((stats["keyspace_hits"], stats["keyspace_misses"]))
    assert counts[0] == counts[1]


@pytest.mark.skipif(SANITIZED, reason="the figures are jemalloc's")
def test_memory_follows_the_data(kv):
    before = info(kv, "memory")
    kv("SETRANGE", "big", 20 << 20, "x")
    time.sleep(0.15)
    after = info(kv, "memory")
    for name in ("used_memory", "used_memory_dataset", "keyspace_memory", "used_memory_rss"):
        assert int(after[name]) - int(before[name]) > 19 << 20, name
    assert int(after["used_memory_peak"]) >= int(after["used_memory"])
    assert int(after["used_memory_dataset"]) + int(after["used_memory_overhead"]) == \
        int(after["used_memory"])
    assert after["used_memory_human"].endswith("M")
    kv("DEL", "big")
    until(lambda: int(info(kv, "memory")["used_memory"]) < int(after["used_memory"]) - (19 << 20))


def test_the_allocator_is_not_asked_each_time(kv):
    begun = time.monotonic()
    found = {info(kv, "memory")["allocator_resident"] for _ in range(200)}
    if time.monotonic() - begun < 1:
        assert len(found) < 20


def test_persistence_of_a_log(kv):
    before = info(kv, "persistence")
    assert (before["aof_enabled"], before["persistence_mode"]) == ("1", "log")
    assert (before["log_state"], before["log_policy"]) == ("healthy", "always")
    assert (before["aof_last_write_status"], before["log_problem"]) == ("ok", "")
    assert len(before["log_kvid"]) == 32
    assert kv("SET", "a", "x" * 1000) == OK
    after = info(kv, "persistence")
    assert int(after["log_seq"]) - int(before["log_seq"]) > 1000
    # under `always` the OK came after the sync
    assert after["log_seq"] == after["log_written_seq"] == after["log_durable_seq"]
    assert int(after["log_syncs"]) > int(before["log_syncs"])
    assert int(after["aof_current_size"]) > int(before["aof_current_size"])
    assert int(after["rdb_changes_since_last_save"]) > int(before["rdb_changes_since_last_save"])


def test_persistence_of_memory(running):
    with running("kv-memory").connect() as c:
        found = info(c, "persistence")
    assert (found["aof_enabled"], found["persistence_mode"]) == ("0", "memory")
    assert not [name for name in found if name.startswith("log_")]


def test_policy_can_be_changed(start):
    with start("kv").connect() as c:
        for policy in ("everysec", "no", "always"):
            assert c("CONFIG", "SET", "appendfsync", policy) == OK
            assert info(c, "persistence")["log_policy"] == policy
            assert c("SET", "a", policy) == OK


def calls(c, name):
    stats = info(c, "commandstats").get("cmdstat_" + name)
    return dict(pair.split("=") for pair in stats.split(",")) if stats else {}


def test_commandstats(start, server):
    with start(server.kind).connect() as c:
        c("GET", "a")
        c("GET", "a")
        c("GET")
        c("INCRBY", "a", "x")
        c("CLIENT", "ID")
        found = calls(c, "get")
        assert list(found) == ["calls", "usec", "usec_per_call", "rejected_calls", "failed_calls"]
        assert (found["calls"], found["rejected_calls"], found["failed_calls"]) == ("2", "1", "0")
        assert calls(c, "incrby")["failed_calls"] == "1"
        assert calls(c, "client|id")["calls"] == "1"
        assert "cmdstat_client" not in info(c, "commandstats")


def test_errorstats(start, server):
    with start(server.kind).connect() as c:
        assert info(c, "errorstats") == {}
        for _ in range(3):
            assert isinstance(c("NOSUCH"), Error)
        assert isinstance(c("HELLO", 9), Error)
        assert info(c, "errorstats") == {"errorstat_ERR": "count=3", "errorstat_NOPROTO": "count=1"}
        assert info(c, "stats")["total_error_replies"] == "4"
        assert c("SET", "k", "v") == OK
        for words in (["LPUSH", "k", "v"], ["EVALSHA", "f" * 40, 0], ["RESTORE", "k", 0, "x"]):
            assert isinstance(c(*words), Error)
        assert list(info(c, "errorstats")) == [
            "errorstat_BUSYKEY", "errorstat_ERR", "errorstat_NOPROTO", "errorstat_NOSCRIPT",
            "errorstat_WRONGTYPE"]  # in their order


def test_latencystats(start, server):
    with start(server.kind).connect() as c:
        assert c("GET", "a") is None
        assert "latency_percentiles_usec_get" in info(c, "latencystats")
        assert c("CONFIG", "SET", "latency-tracking-info-percentiles", "10 99.99") == OK
        found = info(c, "latencystats")["latency_percentiles_usec_get"]
        assert [pair.split("=")[0] for pair in found.split(",")] == ["p10", "p99.99"]
        assert c("CONFIG", "SET", "latency-tracking", "no") == OK
        assert c("EXISTS", "a") == 0
        assert "latency_percentiles_usec_exists" not in info(c, "latencystats")


def test_stats_count(start, server):
    with start(server.kind).connect() as c:
        for name in ("keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys"):
            assert info(c, "stats")[name] == "0"
        assert c("SET", "a", "1", "PX", 1) == OK
        assert c("GET", "none") is None
        until(lambda: c("EXISTS", "a") == 0)
        assert c("SET", "b", "1") == OK
        assert c("GET", "b") == b"1"
        found = info(c, "stats")
        assert found["expired_keys"] == "1"
        assert int(found["keyspace_hits"]) >= 1 and int(found["keyspace_misses"]) >= 1
        for name in ("total_connections_received", "total_commands_processed",
                     "total_net_input_bytes", "total_net_output_bytes", "total_reads_processed",
                     "total_writes_processed"):
            assert int(found[name]) > 0, name


def test_instantaneous_rates_move(kv):
    def busy():
        kv.pipeline([("PING",)] * 1000)
        return int(info(kv, "stats")["instantaneous_ops_per_sec"]) > 0
    until(busy)
    assert float(info(kv, "stats")["instantaneous_input_kbps"]) > 0


def test_info_does_not_wait_for_the_disk(kv):
    """INFO behind a write of the same connection waits for it; on another it does not depend."""
    kv.send("SET", "a", "1")
    kv.send("INFO", "persistence")
    assert kv.read() == OK
    assert b"log_state:healthy" in kv.read()


def test_what_a_script_may_not_call_is_rejected(start, server):
    with start(server.kind).connect() as c:
        for words in (["WAIT", "0", 0], ["GET"], ["SUBSCRIBE", "a"]):
            for how in ("call", "pcall"):
                c("EVAL", f"return redis.{how}(unpack(ARGV))", 0, *words)
        found = text(c("INFO", "commandstats"))
        for name in ("wait", "get", "subscribe"):
            assert re.search(rf"cmdstat_{name}:calls=0,.*rejected_calls=2,failed_calls=0\r", found)
