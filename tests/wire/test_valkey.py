"""What Valkey 8.1 has and Redis 7.0 has not: kv alone, since the reference knows nothing of it. The
names and replies are those that valkey-server 8.1.1 gave."""
import pytest

from harness import OK, Error, Push, Status, Verbatim, until

SYNTAX = Error("ERR syntax error")

COMMANDS = """
    client|capa client|import-source client|no-touch client|setinfo cluster|myshardid
    cluster|slot-stats commandlog commandlog|get commandlog|help commandlog|len commandlog|reset
    script|show waitaof
""".split()

OPTIONS = """
    active-defrag-cycle-us aof-rewrite-cpulist availability-zone bgsave-cpulist bio-cpulist
    cluster-announce-client-ipv4 cluster-announce-client-ipv6 cluster-announce-human-nodename
    cluster-blacklist-ttl cluster-manual-failover-timeout cluster-slot-stats-enabled
    commandlog-execution-slower-than commandlog-large-reply-max-len
    commandlog-large-request-max-len commandlog-reply-larger-than commandlog-request-larger-than
    commandlog-slow-execution-max-len dual-channel-replication-enabled extended-redis-compatibility
    hide-user-data-from-log import-mode locale-collate log-format log-timestamp-format
    max-new-connections-per-cycle max-new-tls-connections-per-cycle prefetch-batch-max-size
    primaryauth primaryuser rdb-version-check rdma-bind rdma-completion-vector rdma-port
    rdma-rx-size server-cpulist set-max-listpack-entries set-max-listpack-value unixsocketgroup
""".split()

# valkey_version and valkey_release_stage are not here: they say that the server is Valkey.
FIELDS = {
    "server": "server_name server_mode clients_hz availability_zone listener0",
    "clients": "pubsub_clients watching_clients total_watched_keys total_blocking_keys "
               "total_blocking_keys_on_nokey paused_reason paused_actions "
               "paused_timeout_milliseconds",
    "memory": "allocator_muzzy mem_overhead_db_hashtable_rehashing",
    "stats": "evicted_scripts io_threaded_freed_objects io_threaded_accept_processed "
             "io_threaded_poll_processed io_threaded_total_prefetch_batches "
             "io_threaded_total_prefetch_entries client_query_buffer_limit_disconnections "
             "client_output_buffer_limit_disconnections eventloop_cycles eventloop_duration_sum "
             "eventloop_duration_cmd_sum instantaneous_eventloop_cycles_per_sec "
             "instantaneous_eventloop_duration_usec acl_access_denied_auth acl_access_denied_cmd "
             "acl_access_denied_key acl_access_denied_channel",
    "replication": "replicas_waiting_psync",
}


def info(c, section):
    reply = c("INFO", section)
    text = str(reply)[4:] if isinstance(reply, Verbatim) else reply.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


# --- What there is --------------------------------------------------------------------------------

def test_every_command_is_there(kv):
    listed = {name.decode() for name in kv("COMMAND", "LIST")}
    assert set(COMMANDS) - listed == set()
    assert kv("CLUSTER", "MYSHARDID") == Error("ERR This instance has cluster support disabled")
    assert kv("CLUSTER", "SLOT-STATS", "SLOTSRANGE", 0, 5) == Error(
        "ERR This instance has cluster support disabled")


def test_every_option_is_there(kv):
    names = kv("CONFIG", "GET", "*")[::2]
    assert set(OPTIONS) - {name.decode() for name in names} == set()


@pytest.mark.parametrize("section", FIELDS)
def test_every_field_of_info_is_there(kv, section):
    assert set(FIELDS[section].split()) - set(info(kv, section)) == set()


# --- The server -----------------------------------------------------------------------------------

def test_the_zone_is_told(start):
    server = start("kv", persistence="no", availability_zone="zone 1")
    with server.connect(2) as c:
        assert c("HELLO")[-2:] == [b"availability_zone", b"zone 1"]
        assert c("HELLO", 3)[b"availability_zone"] == b"zone 1"
        assert info(c, "server")["availability_zone"] == "zone 1"
        assert c("CONFIG", "SET", "availability-zone", "") == OK
        assert b"availability_zone" not in c("HELLO")
        assert info(c, "server")["availability_zone"] == ""


def test_an_option_of_tests_is_accepted(start):
    server = start("kv", persistence="no", enable_debug_assert="yes")
    with server.connect() as c:
        assert c("CONFIG", "GET", "enable-debug-assert") == [b"enable-debug-assert", b"yes"]
        assert c("CONFIG", "GET", "enable-debug-asser*") == []


def test_listeners_are_told(start, tmp_path):
    path = tmp_path / "socket"
    server = start("kv", persistence="no", unixsocket=path)
    with server.connect() as c:
        fields = info(c, "server")
        assert fields["listener0"] == f"name=tcp,bind=127.0.0.1,port={server.port}"
        assert fields["listener1"] == f"name=unix,bind={path}"


def test_turns_of_the_loop_are_counted(start):
    with start("kv", persistence="no").connect() as c:
        before = info(c, "stats")
        for _ in range(100):
            c("PING")
        after = info(c, "stats")
        assert int(after["eventloop_cycles"]) >= int(before["eventloop_cycles"]) + 100
        assert int(after["eventloop_duration_sum"]) > int(before["eventloop_duration_sum"])
        assert int(after["eventloop_duration_cmd_sum"]) <= int(after["eventloop_duration_sum"])
        until(lambda: int(info(c, "stats")["instantaneous_eventloop_cycles_per_sec"]) > 0)


# --- Clients --------------------------------------------------------------------------------------

def test_info_counts_who_watches_and_listens(start):
    server = start("kv", persistence="no")
    with server.connect() as c, server.connect() as one, server.connect() as two:
        one("WATCH", "a", "b")
        two("WATCH", "b")
        two("SELECT", 1)
        two("WATCH", "b")
        fields = info(c, "clients")
        assert (fields["watching_clients"], fields["total_watched_keys"]) == ("2", "3")
        assert " watch=2 " in one("CLIENT", "INFO").decode()
        one("UNWATCH")
        two("SUBSCRIBE", "channel")
        fields = info(c, "clients")
        assert (fields["watching_clients"], fields["total_watched_keys"]) == ("1", "2")
        assert fields["pubsub_clients"] == "1"


def test_info_tells_about_a_pause(start):
    with start("kv", persistence="no").connect() as c:
        def paused():
            fields = info(c, "clients")
            return fields["paused_reason"], fields["paused_actions"]
        assert paused() == ("none", "none")
        assert c("CLIENT", "PAUSE", 100000, "WRITE") == OK
        assert paused() == ("client_pause", "write")
        assert 0 < int(info(c, "clients")["paused_timeout_milliseconds"]) <= 100000
        assert c("CLIENT", "UNPAUSE") == OK
        assert paused() == ("none", "none")
        assert info(c, "clients")["paused_timeout_milliseconds"] == "0"


def test_a_client_shows_what_it_can_and_has_moved(kv, running):
    with running("kv").connect() as c:
        def line():
            return dict(word.split("=", 1) for word in c("CLIENT", "INFO").decode().split())
        assert line()["capa"] == ""
        assert c("CLIENT", "CAPA", "redirect", "more") == OK
        first, second = line(), line()
        assert first["capa"] == "r"
        assert int(second["tot-cmds"]) == int(first["tot-cmds"]) + 1
        assert int(second["tot-net-in"]) > int(first["tot-net-in"])
        assert int(second["tot-net-out"]) > int(first["tot-net-out"])


@pytest.mark.parametrize("command", ["LIST", "KILL"])
def test_filters_of_clients(kv, command):
    nothing = {"LIST": b"", "KILL": 0}[command]
    for words in [("TYPE", "primary"), ("TYPE", "master"), ("MAXAGE", 100000), ("ADDR", "x"),
                  ("LADDR", "x"), ("ID", 999998, 999999), ("ID", 999999, "MAXAGE", 1)]:
        assert kv("CLIENT", command, *words) == nothing
    assert kv("CLIENT", command, "MAXAGE", "x") == Error(
        "ERR maxage is not an integer or out of range")
    assert kv("CLIENT", command, "MAXAGE", -1) == Error("ERR maxage should be greater than 0")
    assert kv("CLIENT", command, "USER", "nobody") == Error("ERR No such user 'nobody'")
    assert kv("CLIENT", command, "TYPE", "x") == Error("ERR Unknown client type 'x'")
    for words in [("SKIPME", "x"), ("SKIPME",), ("ID",), ("NAME", "x"), ("NOT-ID", 1)]:
        if command == "LIST" or len(words) > 1:
            assert kv("CLIENT", command, *words) == SYNTAX


def test_kill_takes_ids_up_to_the_next_option(kv):
    assert kv("CLIENT", "KILL", "ID", 999999, "x") == SYNTAX
    assert kv("CLIENT", "KILL", "ID", 999999, 0) == Error("ERR client-id should be greater than 0")


def test_import_source_is_for_everybody(kv):
    assert kv("ACL", "DRYRUN", "default", "CLIENT", "IMPORT-SOURCE", "OFF") == OK
    [row] = kv("COMMAND", "INFO", "CLIENT|IMPORT-SOURCE")
    assert sorted(map(str, row[6])) == ["@connection", "@slow"]


# --- Values ---------------------------------------------------------------------------------------

def test_zscan_noscores(kv):
    assert kv("ZADD", "z", 1, "a", 2, "b", 3, "noscores") == 3
    assert kv("ZSCAN", "z", 0, "NOSCORES") == [b"0", [b"a", b"b", b"noscores"]]
    assert kv("ZSCAN", "z", 0, "MATCH", "a", "noscores") == [b"0", [b"a"]]
    assert kv("ZSCAN", "z", 0, "NOSCORES", "NOSCORES", "COUNT", 5) == [
        b"0", [b"a", b"b", b"noscores"]]
    assert kv("ZSCAN", "z", 0, "MATCH", "noscores") == [b"0", [b"noscores", b"3"]]
    members = [f"m{i}" for i in range(500)]
    for number, member in enumerate(members):
        kv("ZADD", "large", number, member)
    cursor, found = b"0", []
    while True:
        cursor, page = kv("ZSCAN", "large", cursor, "NOSCORES", "COUNT", 50)
        found += page
        if cursor == b"0":
            break
    assert sorted(set(found)) == sorted(member.encode() for member in members)


def test_options_of_scan_have_their_command(kv):
    noscores = Error("ERR NOSCORES option can only be used in ZSCAN")
    novalues = Error("ERR NOVALUES option can only be used in HSCAN")
    kv("ZADD", "z", 1, "a")
    kv("HSET", "h", "a", 1)
    kv("SADD", "s", "a")
    assert kv("SCAN", 0, "NOSCORES") == kv("SCAN", 0, "NOSCORES", 5) == noscores
    assert kv("HSCAN", "h", 0, "NOSCORES") == kv("SSCAN", "s", 0, "NOSCORES") == noscores
    assert kv("HSCAN", "h", 0, "NOVALUES", "NOSCORES") == noscores
    assert kv("SCAN", 0, "NOVALUES") == kv("ZSCAN", "z", 0, "NOVALUES") == novalues
    assert kv("SSCAN", "s", 0, "NOVALUES") == novalues
    assert kv("ZSCAN", "z", 0, "NOSCORES", "COUNT") == SYNTAX


def test_bitcount_from_a_start(kv):
    kv("SET", "k", b"\xff\x0f\x01")
    assert [kv("BITCOUNT", "k", start) for start in (0, 1, 2, 3, -1, -2, -9)] == [
        13, 5, 1, 0, 1, 5, 13]
    assert kv("BITCOUNT", "k", "x") == Error("ERR value is not an integer or out of range")
    assert kv("BITCOUNT", "none", 1) == 0


def test_set_ifeq_stands_once(kv):
    kv("SET", "k", "1")
    assert kv("SET", "k", "2", "IFEQ", "1", "IFEQ", "1") == SYNTAX
    assert kv("SET", "k", "2", "IFEQ", "1", "GET") == b"1"
    assert kv("GET", "k") == b"2"


def test_scripts_are_shown_by_name_only(kv):
    assert kv("SCRIPT", "SHOW", "0" * 40) == Error("NOSCRIPT No matching script.")


# --- Streams --------------------------------------------------------------------------------------

def test_xread_of_the_last_entry(kv):
    assert kv("XREAD", "STREAMS", "s", "+") is None
    for i in range(1, 4):
        kv("XADD", "s", f"{i}-1", "n", i)
    last = [b"3-1", [b"n", b"3"]]
    assert kv("XREAD", "STREAMS", "s", "+") == [[b"s", [last]]]
    assert kv("XREAD", "COUNT", 5, "BLOCK", 0, "STREAMS", "s", "+") == [[b"s", [last]]]
    assert kv("XREAD", "STREAMS", "s", "none", "+", "+") == [[b"s", [last]]]
    assert kv("XREAD", "STREAMS", "s", "s", "+", "2-1") == [[b"s", [last]], [b"s", [last]]]
    kv("XADD", "t", "0-1", "n", 1)
    assert kv("XREAD", "STREAMS", "t", "+") == [[b"t", [[b"0-1", [b"n", b"1"]]]]]
    # the last that is there
    kv("XDEL", "s", "3-1")
    assert kv("XREAD", "STREAMS", "s", "+") == [[b"s", [[b"2-1", [b"n", b"2"]]]]]


def test_xread_waits_for_a_last_entry(kv, running):
    kv("XADD", "s", "1-1", "n", 1)
    kv("XDEL", "s", "1-1")
    assert kv("XREAD", "BLOCK", 1, "STREAMS", "s", "+") is None
    with running("kv").connect() as other:
        kv.send("XREAD", "BLOCK", 0, "STREAMS", "s", "+")
        until(lambda: info(other, "clients")["blocked_clients"] == "1")
        other("XADD", "s", "2-1", "n", 2)
        assert kv.read() == [[b"s", [[b"2-1", [b"n", b"2"]]]]]


def test_groups_have_no_last_entry(kv):
    kv("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
    for sign in ("+", "$"):
        assert kv("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", sign) == Error(
            f"ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the "
            "history of this consumer by specifying a proper ID, or use the > ID to get new "
            f"messages. The {sign} ID would just return an empty result set.")


def test_consumers_tell_when_they_were_given_something(kv):
    kv("XADD", "s", "1-1", "n", 1)
    kv("XGROUP", "CREATE", "s", "g", 0)
    kv("XGROUP", "CREATECONSUMER", "s", "g", "idle")
    kv("XREADGROUP", "GROUP", "g", "active", "STREAMS", "s", ">")
    active, idle = (dict(zip(row[::2], row[1::2])) for row in kv("XINFO", "CONSUMERS", "s", "g"))
    assert list(active) == [b"name", b"pending", b"idle", b"inactive"]
    assert active[b"inactive"] == active[b"idle"] >= 0
    assert idle[b"inactive"] == -1
    full = kv("XINFO", "STREAM", "s", "FULL")
    [group] = full[full.index(b"groups") + 1]
    active, idle = (dict(zip(row[::2], row[1::2])) for row in group[group.index(b"consumers") + 1])
    assert list(active) == [b"name", b"seen-time", b"active-time", b"pel-count", b"pending"]
    assert active[b"active-time"] == active[b"seen-time"] > 0
    assert idle[b"active-time"] == -1


# --- The log of commands --------------------------------------------------------------------------

def test_commandlog_errors(kv):
    kinds = Error("ERR type should be one of the following: slow, large-request, large-reply")
    count = Error("ERR count should be greater than or equal to -1")
    assert kv("COMMANDLOG", "GET", 1, "x") == kv("COMMANDLOG", "LEN", "x") == kinds
    assert kv("COMMANDLOG", "RESET", "x") == kinds
    assert kv("COMMANDLOG", "GET", -2, "slow") == kv("COMMANDLOG", "GET", "x", "SLOW") == count
    for words in [("GET",), ("GET", 1), ("LEN",), ("RESET",), ("RESET", "slow", "x")]:
        assert kv("COMMANDLOG", *words) == Error(
            f"ERR wrong number of arguments for 'commandlog|{words[0].lower()}' command")
    assert kv("COMMANDLOG", "x") == Error("ERR unknown subcommand 'x'. Try COMMANDLOG HELP.")
    assert all(isinstance(line, Status) for line in kv("COMMANDLOG", "HELP"))


def test_commands_of_a_script_are_noted_with_its_caller(start):
    """Redis 7.0 tells no address of them."""
    with start("kv", persistence="no", slowlog_log_slower_than=0).connect() as c:
        c("CLIENT", "SETNAME", "me")
        c("SLOWLOG", "RESET")
        c("EVAL", "return redis.call('GET', KEYS[1])", 1, "k")
        caller, called = c("SLOWLOG", "GET", 2)
        assert (caller[3][0], called[3]) == (b"EVAL", [b"GET", b"k"])
        address = "%s:%d" % c.socket.getsockname()
        assert called[4:] == caller[4:] == [address.encode(), b"me"]


def test_touch_counts_as_use_with_no_touch(kv):
    kv("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", 0)
    kv("SET", "k", 1)
    assert kv("CLIENT", "NO-TOUCH", "ON") == OK
    before = kv("OBJECT", "FREQ", "k")
    kv("GET", "k")
    assert kv("OBJECT", "FREQ", "k") == before
    assert kv("TOUCH", "k", "none") == 1
    assert kv("OBJECT", "FREQ", "k") == before + 1
    kv("GET", "k")
    assert kv("OBJECT", "FREQ", "k") == before + 1
    kv("CONFIG", "SET", "maxmemory-policy", "noeviction", "lfu-log-factor", 10)


def test_many_kinds_of_errors_are_counted_together(start):
    with start("kv", persistence="no").connect() as c:
        for i in range(200):
            c("EVAL", "return redis.error_reply(ARGV[1])", 0, f"E{i} text")
        fields = info(c, "errorstats")
        assert len(fields) == 129
        assert fields["errorstat_E99"] == "count=1"
        assert fields["errorstat_ERRORSTATS_OVERFLOW"] == "count=72"
        c("CONFIG", "RESETSTAT")
        assert info(c, "errorstats") == {}


def test_commands_of_a_client_are_those_that_were_executed(start):
    server = start("kv", persistence="no")
    with server.connect() as c, server.connect() as other:
        def count():
            line = c("CLIENT", "LIST", "ID", me).decode()
            return int(dict(word.split("=", 1) for word in line.split())["tot-cmds"])
        me = other("CLIENT", "ID")
        assert count() == 1
        other("NOSUCH")
        other.send("BLPOP", "l", 0)
        until(lambda: info(c, "clients")["blocked_clients"] == "1")
        assert count() == 1
        c("RPUSH", "l", "x")
        other.read()
        assert count() == 2
        other("MULTI")
        other("PING")
        assert count() == 3
        other("EXEC")
        assert count() == 5


# --- Users ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("rules,why", [
    (["resetkeys"], "NOPERM this user has no permissions to access one of the keys used as "
                    "arguments"),
    (["-blpop"], "NOPERM this user has no permissions to run the 'blpop' command")])
def test_who_waits_may_lose_the_permission(start, rules, why):
    """As in Redis 7.2: nothing is taken for who may not any more."""
    server = start("kv", persistence="no")
    with server.connect() as c, server.connect() as bob, server.connect() as eve:
        c("ACL", "SETUSER", "bob", "on", "nopass", "~*", "+@all")
        assert bob("AUTH", "bob", "x") == OK
        for other in (bob, eve):
            other.send("BLPOP", "l", 0)
            until(lambda: info(c, "clients")["blocked_clients"] == str(1 + (other is eve)))
        c("ACL", "SETUSER", "bob", *rules)
        assert c("RPUSH", "l", "x") == 1
        assert bob.read() == Error(why)
        assert eve.read() == [b"l", b"x"]
        assert b"rejected_calls=1" in info(c, "commandstats")["cmdstat_blpop"].encode()
        entry = c("ACL", "LOG")[0]
        assert (entry[3], entry[9]) in [(b"key", b"bob"), (b"command", b"bob")]


def test_the_log_of_acl_tells_who_called_a_script(start):
    with start("kv", persistence="no").connect() as c:
        c("ACL", "SETUSER", "bob", "on", "nopass", "~*", "+@all", "-get")
        c("AUTH", "bob", "x")
        c("CLIENT", "SETNAME", "me")
        c("EVAL", "return redis.pcall('GET', KEYS[1])", 1, "k")
        entry = dict(zip(*[iter(c("ACL", "LOG")[0])] * 2))
        line = dict(word.split("=", 1) for word in entry[b"client-info"].decode().split())
        assert (entry[b"context"], entry[b"object"]) == (b"lua", b"get")
        assert (line["id"], line["name"], line["cmd"]) == (str(c("CLIENT", "ID")), "me", "eval")


# --- Scripts, latency -----------------------------------------------------------------------------

def test_scripts_may_ask_for_the_time_of_the_processor(kv):
    assert kv("EVAL", "local t = os.clock() for i = 1, 100000 do end "
                      "return tostring(t > 0 and os.clock() >= t)", 0) == b"true"
    assert kv("EVAL", "local names = {} for name in pairs(os) do table.insert(names, name) end "
                      "return names", 0) == [b"clock"]
    assert "readonly table" in str(kv("EVAL", "os.clock = nil", 0))


def test_latency_latest_tells_sum_and_count(start):
    server = start("kv", persistence="no", latency_monitor_threshold=1, enable_debug_command="yes")
    with server.connect() as c:
        for delay in ("0.02", "0.01"):
            c("DEBUG", "SLEEP", delay)
        [event] = [event for event in c("LATENCY", "LATEST") if event[0] == b"command"]
        _, _, last, most, total, times = event
        assert times == 2
        assert last <= most <= total - 10
        assert most >= 20


def test_a_script_that_reads_nothing_is_not_tracked(start):
    server = start("kv", persistence="no")
    with server.connect(3) as c, server.connect() as other:
        other("MSET", "a", 1, "b", 2)
        c("CLIENT", "TRACKING", "ON")
        assert c("EVAL_RO", "return redis.call('GET', KEYS[2])", 2, "a", "b") == b"2"
        other("SET", "a", 3)
        other("SET", "b", 4)
        assert c.read() == Push([b"invalidate", [b"b"]])


def test_the_longest_member_of_a_small_set_is_no_size_of_memory(kv):
    refused = ("ERR CONFIG SET failed (possibly related to argument 'set-max-listpack-value') - "
               "argument couldn't be parsed into an integer")
    assert kv("CONFIG", "SET", "set-max-listpack-value", "1mb") == Error(refused)
    assert kv("CONFIG", "SET", "set-max-listpack-value", "64") == OK
