"""CONFIG: what may be read, changed and written back, and with which words the rest is refused."""
import fnmatch
import os
import re
import socket

import kv as kv_server
import pytest

from harness import OK, SYNTAX, Connection, Error, Status, wrong_arity


def pairs(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def get(c, *patterns):
    return {name.decode(): value.decode() for name, value in
            pairs(c("CONFIG", "GET", *patterns)).items()}


@pytest.fixture
def own(start, server):
    """A connection to a server that may be spoiled."""
    with start(server.kind).connect() as connection:
        yield connection


@pytest.mark.parametrize("name", ["rdb-key-save-delay", "key-load-delay", "use-exit-on-panic"])
def test_options_of_test_suites_are_found_by_their_whole_name(c, name):
    assert len(c("CONFIG", "GET", name)) in (1, 2)
    assert name.encode() not in c("CONFIG", "GET", name[:-1] + "*")
    assert name.encode() not in c("CONFIG", "GET", "*")


def test_get_takes_several_patterns(c):
    assert isinstance(c("CONFIG", "GET", "port"), dict if c.resp == 3 else list)
    assert get(c, "maxmemory") == {"maxmemory": "0"}
    assert get(c, "maxmemory", "maxmemory", "MAXMEMORY-sampl?s") == {
        "maxmemory": "0", "maxmemory-samples": "5"}
    assert get(c, "nosuch*") == {}
    assert {"hash-max-listpack-entries", "hash-max-ziplist-entries"} <= set(get(c, "*-entries"))
    assert c("CONFIG", "GET") == wrong_arity("config|get")


def test_all_options_of_the_reference_are_known(kv, reference):
    ours, theirs = get(kv, "*"), get(reference, "*")
    assert set(theirs) <= set(ours)
    # What is different, and why.
    reasons = {
        "appendonly": "durable by default", "appendfsync": "durable by default",
        "bind": "given by the harness, and loopback by default",
        "dir": "each has its own", "port": "each has its own",
        "client-query-buffer-limit": "", "logfile": "", "pidfile": "", "daemonize": "",
        "disable-thp": "nothing forks: huge pages do no harm",
        "save": "nothing is saved unless told to", "dbfilename": "packed by LZ4",
        "aof-timestamp-enabled": "what a point-in-time restore needs", "slave-announce-ip": "",
    }
    for name, value in theirs.items():
        if name not in reasons:
            assert ours[name] == value, name


def row_of_the_readme(title):
    with open(os.path.join(kv_server.ROOT, "README.md"), encoding="utf-8") as file:
        [row] = [line for line in file if line.startswith(f"| {title} |")]
    return re.findall(r"`([a-z*-]+)`", row)


def options_flagged(flags):
    """Those whose row in the table of options has one of these flags."""
    with open(os.path.join(kv_server.ROOT, "core/settings_rows.c"), encoding="utf-8") as file:
        rows = re.findall(r'^    (?:[A-Z_]+)\("([a-z0-9-]+)",(.*?)\),$', file.read(), re.M | re.S)
    assert len(rows) > 200
    return {name for name, _ in rows}, {
        name for name, rest in rows if re.search(rf"\b({flags})\b", rest)}


def test_the_readme_lists_the_options_that_do_nothing():
    patterns = row_of_the_readme("Options without effect")
    everything, idle = options_flagged("NOTHING|LATER")
    listed = {name for name in everything
              if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    refused = options_flagged("REFUSED")[1]
    assert listed - refused == idle
    assert all(any(fnmatch.fnmatch(name, pattern) for name in idle) for pattern in patterns)
    assert set(row_of_the_readme("Options refused")) == refused


# The error texts are Redis', and so are tested on both.
@pytest.mark.parametrize("name,value,why", [
    ("maxmemory-samples", "abc", "argument couldn't be parsed into an integer"),
    ("maxmemory-samples", "5k", "argument couldn't be parsed into an integer"),
    ("maxmemory-samples", "", "argument couldn't be parsed into an integer"),
    ("maxmemory-samples", "99999999999999999999",
     "argument couldn't be parsed into an integer"),
    ("maxmemory-samples", "0", "argument must be between 1 and 2147483647 inclusive"),
    ("port", "70000", "argument must be between 0 and 65535 inclusive"),
    ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
    ("maxmemory", "xx", "argument must be a memory value"),
    ("maxmemory", "-1", "argument must be a memory value"),
    ("maxmemory-clients", "x", "argument must be a memory or percent value"),
    ("maxmemory-clients", "500%", "percentage argument must be less or equal to 100"),
    ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 "
                                "inclusive"),
    ("slowlog-log-slower-than", "-2", "argument must be between -1 and 9223372036854775807 "
                                      "inclusive"),
    ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
    ("appendfsync", "foo", "argument(s) must be one of the following: everysec, always, no"),
    ("maxmemory-policy", "foo",
     "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, "
     "volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction"),
    ("loglevel", "x", "argument(s) must be one of the following: debug, verbose, notice, warning"),
    ("protected-mode", "foo", "argument must be 'yes' or 'no'"),
    ("databases", "12", "can't set immutable config"),
    ("databases", "16", "can't set immutable config"),
    ("appendfilename", "x", "can't set immutable config"),
    ("unixsocketperm", "700", "can't set immutable config"),
    ("replicaof", "1 2", "can't set immutable config"),
    ("dir", "/nonexistent", "can't set protected config"),
    ("dbfilename", "x.rdb", "can't set protected config"),
    ("save", "a b", "Invalid save parameters"),
    ("save", "1", "Invalid save parameters"),
    ("save", "1 -1", "Invalid save parameters"),
    ("client-output-buffer-limit", "foo 1 2 3",
     "Invalid client class specified in buffer limit configuration."),
    ("client-output-buffer-limit", "normal 1 2",
     "Wrong number of arguments in buffer limit configuration."),
    ("client-output-buffer-limit", "normal a 2 3",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ("latency-tracking-info-percentiles", "1 2 300",
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
    ("hz", "-1", "argument must be between 0 and 2147483647 inclusive"),
    ("proc-title-template", "", "template format is invalid or contains unknown variables"),
    ("notify-keyspace-events", "KQ", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
    ("oom-score-adj-values", "1 2", "wrong number of arguments"),
    ("oom-score-adj-values", "1 2 3000",
     "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
    ("shutdown-on-sigterm", "nosave save",
     "shutdown options SAVE and NOSAVE can't be used simultaneously"),
    ("shutdown-on-sigterm", "",
     "argument(s) must be one of the following: default, save, nosave, now, force"),
])
def test_set_refuses(c, name, value, why):
    before = get(c, name)
    error = c("CONFIG", "SET", name, value)
    assert isinstance(error, Error)
    assert str(error).startswith(f"ERR CONFIG SET failed (possibly related to argument '{name}') "
                                 f"- {why}")
    assert get(c, name) == before


def test_set_of_what_there_is_not(c):
    for name in ("foo", "user", "include", "rename-command", "loadmodule"):
        assert c("CONFIG", "SET", name, "x") == Error(
            f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
    assert c("CONFIG", "SET", "port") == wrong_arity("config|set")
    assert c("CONFIG", "SET", "port", "1", "timeout") == SYNTAX
    assert c("CONFIG", "FOO") == Error("ERR unknown subcommand 'FOO'. Try CONFIG HELP.")


def test_set_changes_all_or_nothing(own):
    assert own("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-samples", "0") == Error(
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must "
        "be between 1 and 2147483647 inclusive")
    assert own("CONFIG", "SET", "maxmemory", "1mb", "maxmemory", "2mb") == Error(
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter")
    assert own("CONFIG", "SET", "maxmemory", "1mb", "foo", "2mb") == Error(
        "ERR Unknown option or number of arguments for CONFIG SET - 'foo'")
    assert get(own, "maxmemory") == {"maxmemory": "0"}
    assert own("CONFIG", "SET", "MaxMemory", "100mb", "maxmemory-samples", "7",
               "client-output-buffer-limit", "pubsub 10mb 2 3", "hash-max-ziplist-entries",
               "5") == OK
    assert get(own, "maxmemory", "maxmemory-samples", "client-output*", "hash-max-*-entries") == {
        "maxmemory": "104857600", "maxmemory-samples": "7",
        "client-output-buffer-limit":
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 10485760 2 3",
        "hash-max-ziplist-entries": "5", "hash-max-listpack-entries": "5"}


@pytest.mark.parametrize("name,value,shown", [
    ("maxmemory-clients", "5%", "5%"),
    ("maxmemory-clients", "1gb", "1073741824"),
    ("notify-keyspace-events", "KE$lshzxegtdmn", "AKEm"),
    ("notify-keyspace-events", "KEgnmxl", "glxnKEm"),
    ("latency-tracking-info-percentiles", "5.55 2 0.10 1e1", "5.55 2 0.1 10"),
    ("latency-tracking-info-percentiles", "", ""),
    ("hz", "0", "1"),
    ("hz", "100000", "500"),
    ("shutdown-on-sigterm", "force now", "now force"),
    ("shutdown-on-sigterm", "default now", "now"),
    ("oom-score-adj-values", "30 20 3", "30 20 3"),
    ("save", "60 1 30 5", "60 1 30 5"),
    ("maxmemory", "", "0"),
    ("slowlog-log-slower-than", "-1", "-1"),
    ("appendfsync", "NO", "no"),
])
def test_set_and_get(own, name, value, shown):
    assert own("CONFIG", "SET", name, value) == OK
    assert get(own, name) == {name: shown}


@pytest.mark.parametrize("name", ["requirepass", "masterauth", "tls-key-file-pass"])
def test_a_password_is_never_shown(start, name):
    """Nor taken from what is shown, so that what was read may be written back."""
    with start("kv").connect() as c:
        assert c("CONFIG", "GET", name) == [name.encode(), b""]
        assert c("CONFIG", "SET", name, "sesame") == OK
        assert c("CONFIG", "GET", name) == [name.encode(), b"********"]
        assert b"sesame" not in c("CONFIG", "GET", "*")
        assert str(c("CONFIG", "SET", name, "********")).startswith(
            f"ERR CONFIG SET failed (possibly related to argument '{name}') - ")
        assert c("CONFIG", "SET", name, "") == OK
        assert c("CONFIG", "GET", name) == [name.encode(), b""]


@pytest.mark.parametrize("name,value,shown", [
    ("MAXMEMORY", "x", "maxmemory"), ("Slave-Priority", "-1", "slave-priority"),
    ("Port", "x", "port"), ("DATABASES", "1", "DATABASES"), ("Dir", "/", "Dir")])
def test_errors_name_the_option(own, name, value, shown):
    """As it is written, if it is the value that is wrong; else as it was sent."""
    assert str(own("CONFIG", "SET", name, value)).startswith(
        f"ERR CONFIG SET failed (possibly related to argument '{shown}') - ")


def test_the_port_can_be_changed(own, server):
    port = kv_server.free_port()
    assert own("CONFIG", "SET", "port", port) == OK
    assert own("PING") == Status("PONG")
    with socket.create_connection(("127.0.0.1", port)) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(100) == b"+PONG\r\n"


def test_a_port_that_is_taken_is_refused(own):
    before = get(own, "port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert own("CONFIG", "SET", "port", taken.getsockname()[1]) == Error(
            "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on "
            "this port. Check server logs.")
    assert get(own, "port") == before
    with socket.create_connection(("127.0.0.1", int(before["port"]))) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(100) == b"+PONG\r\n"


@pytest.mark.parametrize("name,value", [
    ("tls-auth-clients-user", "CN"), ("min-replicas-to-write", "1")])
def test_what_would_promise_too_much_is_refused(kv, name, value):
    error = kv("CONFIG", "SET", name, value)
    assert isinstance(error, Error) and "does not work in this version" in str(error)


def test_resetstat(own):
    own("GET", "a")
    assert isinstance(own("NOSUCH"), Error)
    assert own("CONFIG", "RESETSTAT") == OK
    stats = own("INFO", "stats", "commandstats", "errorstats").decode()
    assert "keyspace_misses:0\r\n" in stats
    assert "cmdstat_get" not in stats and "errorstat" not in stats
    assert "total_connections_received:0\r\n" in stats


def test_help(c):
    lines = c("CONFIG", "HELP")
    assert all(isinstance(line, Status) for line in lines)


def test_rewrite_without_a_file(c):
    assert c("CONFIG", "REWRITE") == Error("ERR The server is running without a config file")


CONFIG = """# my server

# memory
maxmemory 100mb
   timeout    7
save 3600 1
save 300 100
# the end"""


def test_rewrite_keeps_comments_and_what_holds(tmp_path):
    path = tmp_path / "kv.conf"
    path.write_text(CONFIG, encoding="utf-8")
    path.chmod(0o600)
    words = (tmp_path / "data", "--persistence", "no")
    with kv_server.Server(*words, config=path) as server, Connection(server.port) as c:
        assert c("CONFIG", "SET", "maxmemory", "200mb", "maxmemory-policy", "allkeys-lru",
                 "requirepass", 'a "b"', "save", "10 1") == OK
        assert c("CONFIG", "REWRITE") == OK
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# my server\n\n# memory\nmaxmemory 209715200\n   timeout    7\n"
                           "save 10 1\n# the end\n# Generated by CONFIG REWRITE\n")
    assert "maxmemory-policy allkeys-lru\n" in text
    assert 'requirepass "a \\"b\\""\n' in text
    assert sorted(os.listdir(tmp_path)) == ["data", "kv.conf"]  # nothing is left beside it
    assert path.stat().st_mode & 0o777 == 0o600  # a password is in it now
    with kv_server.Server(*words, config=path, port=server.port) as server, \
            Connection(server.port) as c:
        assert c("AUTH", 'a "b"') == OK
        assert get(c, "save", "maxmemory", "timeout") == {
            "save": "10 1", "maxmemory": "209715200", "timeout": "7"}
        assert c("CONFIG", "REWRITE") == OK
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("line,reason", [
    ("no-such-directive 1", "Bad directive or wrong number of arguments"),
    ("port 1 2", "wrong number of arguments"),
    ("maxmemory lots", "argument must be a memory value"),
    ('requirepass "x', "Unbalanced quotes in configuration line"),
    ("rename-command NOSUCH x", "No such command in rename-command"),
    ("rename-command GET SET", "Target command name already exists"),
    ("rename-command GET", "wrong number of arguments"),
    ("user alice on +nosuch", "Unknown command or category name in ACL"),
    ("user alice on (+get", "Unmatched parenthesis"),
    ("user alice on\nuser alice off", "Duplicate user found"),
    ("replicaof 127.0.0.1 1", "does not work in this version of kv"),
])
def test_a_bad_line_of_the_file_stops_the_start(tmp_path, line, reason):
    path = tmp_path / "kv.conf"
    path.write_text(f"# one\ntimeout 5\n{line}\n", encoding="utf-8")
    server = kv_server.Server(tmp_path, config=path, start=False)
    assert server.launch().process.wait(20) != 0
    said = server.log()
    assert str(path) in said and f"line {2 + len(line.splitlines())}" in said and reason in said


def test_include_and_warnings(tmp_path):
    path, other = tmp_path / "kv.conf", tmp_path / "other.conf"
    path.write_text(f"include {other}\nevents-per-io-thread 4\nactivedefrag no\n", encoding="utf-8")
    other.write_text("timeout 9\n", encoding="utf-8")
    with kv_server.Server(tmp_path, "--persistence", "no", config=path) as server, \
            Connection(server.port) as c:
        assert get(c, "timeout", "events-per-io-thread") == {
            "timeout": "9", "events-per-io-thread": "4"}
    assert server.log().count("'events-per-io-thread' is accepted, but has no effect in kv") == 1
    assert "activedefrag" not in server.log()
