"""The process' life: signals, background, supervisors, title, the operator's log, crash reports and
the watchdog."""
import ctypes
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import time

import kv
import pytest
import redis

from handed import Handed, listening

needs_own_handlers = pytest.mark.skipif(kv.SLOW, reason="a sanitizer reports crashes itself")


def start(folder, *words, **options):
    return kv.Server(folder, "--persistence", "no", *words, **options)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def begin(*words, **options):
        servers.append(start(tmp_path / f"server{len(servers)}", *words, **options))
        return servers[-1]
    yield begin
    for server in servers:
        server.kill()


# --- Signals --------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["default", "save", "nosave", "now", "force", "nosave now force"])
def test_signals_end_it_with_nothing_lost(tmp_path, number, how):
    words = ["--shutdown-on-sigterm", *how.split(), "--shutdown-on-sigint", *how.split()]
    with kv.Server(tmp_path, *words) as server:
        client = server.client()
        assert client.config_get("shutdown-on-*") == {
            "shutdown-on-sigint": how, "shutdown-on-sigterm": how}
        for i in range(20):
            assert client.set(f"key{i}", i)
        server.process.send_signal(number)
        assert server.process.wait(kv.PATIENCE_S) == 0
        assert "bye bye" in server.log()
        server.start()
        assert server.client().dbsize() == 20


@pytest.mark.parametrize("value,text", [
    ("save nosave", "SAVE and NOSAVE can't be used simultaneously"),
    ("later", "must be one of the following"), ("", "must be one of the following")])
def test_what_a_signal_shall_do_is_checked(serve, value, text):
    client = serve().client()
    with pytest.raises(redis.ResponseError, match=text):
        client.config_set("shutdown-on-sigterm", value)
    assert client.config_set("shutdown-on-sigterm", "nosave now")
    assert client.config_get("shutdown-on-sigterm") == {"shutdown-on-sigterm": "nosave now"}


def test_sigpipe_and_closed_clients_do_no_harm(serve):
    server = serve()
    server.process.send_signal(signal.SIGPIPE)
    assert server.client().ping()


# --- Background and supervisors -------------------------------------------------------------------

def test_it_goes_to_the_background_and_keeps_its_pid(tmp_path):
    pidfile, logfile = tmp_path / "kv.pid", tmp_path / "kv.log"
    server = start(tmp_path, "--daemonize", "yes", "--pidfile", pidfile, "--logfile", logfile,
                   start=False)
    server.launch()
    assert server.process.wait(kv.PATIENCE_S) == 0, "who started it goes on"
    kv.wait_until(lambda: logfile.exists() and "Ready to accept" in logfile.read_text())
    pid = int(pidfile.read_text())
    try:
        assert pid != server.process.pid
        client = server.client()
        assert client.ping() and client.info("server")["process_id"] == pid
        assert os.getsid(pid) == pid, "in a session of its own"
    finally:
        os.kill(pid, signal.SIGTERM)
    kv.wait_until(lambda: not pidfile.exists())
    assert "bye bye" in logfile.read_text()


class Supervisor:
    """What systemd is for us: a socket that hears."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(20)
        self.address = address

    def hear(self, word):
        while True:
            said = self.socket.recv(4096).decode()
            if word in said.split("\n"):
                return said


@pytest.mark.parametrize("kind", ["systemd", "auto"])
@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path, monkeypatch, kind, abstract):
    address = f"@kv-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    supervisor = Supervisor(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with kv.Server(tmp_path / "data", "--supervised", kind, "--daemonize", "yes") as server:
        supervisor.hear("STATUS=kv is loading...")
        assert "STATUS=Ready to accept connections" in supervisor.hear("READY=1")
        assert server.is_alive(), "the supervisor watches this process: it must not fork"
        server.stop()
        supervisor.hear("STOPPING=1")


def test_a_missing_supervisor_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with start(tmp_path / "data", "--supervised", "systemd") as server:
        assert server.client().ping()
    monkeypatch.delenv("NOTIFY_SOCKET")
    with start(tmp_path / "data", "--supervised", "auto") as server:
        assert server.client().ping()


def test_upstart_waits_for_the_stop(tmp_path, monkeypatch):
    monkeypatch.setenv("UPSTART_JOB", "kv")
    server = start(tmp_path, "--supervised", "upstart", start=False)
    server.launch()
    _, status = os.waitpid(server.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    server.process.send_signal(signal.SIGCONT)
    server.wait_ready()
    server.kill()


# --- Sockets of a service manager -----------------------------------------------------------------

def test_sockets_of_systemd_take_the_place_of_its_own(tmp_path):
    path = str(tmp_path / "handed.sock")
    own = kv.free_port()
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp, \
            listening(socket.AF_UNIX, path) as unix:
        port = tcp.getsockname()[1]
        # A client comes before the server does, and waits in the queue of the socket.
        early = socket.create_connection(("127.0.0.1", port), timeout=20)
        early.sendall(b"PING\r\n")
        with Handed(tmp_path / "data", [tcp, unix], "--port", str(own)) as handed:
            assert early.recv(100) == b"+PONG\r\n"
            with redis.Redis(unix_socket_path=path, decode_responses=True) as client:
                assert client.ping()
                kv.wait_until(lambda: f"Ready to accept connections unix {path}" in handed.said())
                assert f"Ready to accept connections tcp 127.0.0.1:{port}" in handed.said()
                with pytest.raises(redis.ResponseError):
                    client.config_set("port", kv.free_port())
                assert client.config_get("port") == {"port": str(own)}
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", own), timeout=1)
            handed.process.terminate()
            assert handed.process.wait(kv.PATIENCE_S) == 0
        assert os.path.exists(path), "the name is not the server's to remove"
        # Between two servers nobody is refused.
        later = socket.create_connection(("127.0.0.1", port), timeout=20)
        later.sendall(b"PING\r\n")
        with Handed(tmp_path / "data", [tcp, unix]):
            assert later.recv(100) == b"+PONG\r\n"
        early.close()
        later.close()


def test_sockets_handed_to_another_process_are_left_alone(tmp_path):
    own = kv.free_port()
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp, \
            Handed(tmp_path / "data", [tcp], "--port", str(own), wrong_pid=1) as handed:
        kv.wait_until(lambda: f"tcp 127.0.0.1:{own}" in handed.said())


def test_what_does_not_listen_is_refused(tmp_path):
    with socket.socket() as silent, Handed(tmp_path / "data", [silent]) as handed:
        assert handed.process.wait(kv.PATIENCE_S) == 1
        assert "is no stream socket that listens" in handed.said()


# --- What the disk serves first -------------------------------------------------------------------

def test_snapshots_are_written_with_the_priority_asked_for(tmp_path):
    """As ioprio_get(2) tells of the threads: one more than before has it."""
    library = ctypes.CDLL(None)
    with kv.Server(tmp_path / "data") as server:
        client = server.client()

        def priorities():
            threads = os.listdir(f"/proc/{server.process.pid}/task")
            return [library.syscall(252 if os.uname().machine == "x86_64" else 31, 1, int(thread))
                    for thread in threads]
        low, idle = 2 << 13 | 7, 3 << 13
        assert low not in priorities() and idle not in priorities()
        assert client.config_get("snapshot-io-priority") == {"snapshot-io-priority": "low"}
        client.save()
        assert priorities().count(low) == 1
        client.config_set("snapshot-io-priority", "idle")
        client.save()
        assert priorities().count(idle) == 1 and low not in priorities()
        client.config_set("snapshot-io-priority", "normal")
        client.save()
        assert idle not in priorities()


# --- Title and memory -----------------------------------------------------------------------------

def title(server):
    with open(f"/proc/{server.process.pid}/cmdline", "rb") as opened:
        return opened.read().rstrip(b"\0").decode()


def test_the_title_names_where_it_listens(serve):
    server = serve("--bind", "127.0.0.1")
    assert title(server) == f"{kv.SERVER} 127.0.0.1:{server.port}"
    client = server.client()
    client.config_set("proc-title-template", "kv {port} {tls-port} {{{config-file}}} {unixsocket}")
    assert title(server) == f"kv {server.port} 0 {{}}"
    for bad in ("{none}", "{port", "{}"):
        with pytest.raises(redis.ResponseError, match="template format is invalid"):
            client.config_set("proc-title-template", bad)
    client.config_set("proc-title-template", "x" * 10000)
    assert set(title(server)) == {"x"}
    assert client.ping()


def test_the_title_may_be_left_alone(serve):
    server = serve("--set-proc-title", "no")
    assert title(server).startswith(f"{kv.SERVER}\0--port\0")


def oom_score(server):
    with open(f"/proc/{server.process.pid}/oom_score_adj", encoding="ascii") as opened:
        return int(opened.read())


def test_the_kernel_is_told_whom_to_kill(serve):
    server = serve("--oom-score-adj", "relative", "--oom-score-adj-values", "100", "200", "800")
    with open("/proc/self/oom_score_adj", encoding="ascii") as opened:
        before = int(opened.read())
    assert oom_score(server) == min(before + 100, 1000)
    client = server.client()
    assert client.config_get("oom-score-adj*") == {
        "oom-score-adj": "relative", "oom-score-adj-values": "100 200 800"} or \
        client.config_get("oom-score-adj") == {"oom-score-adj": "yes"}
    client.config_set("oom-score-adj", "absolute", "oom-score-adj-values", "900 1 1")
    assert oom_score(server) == 900
    if os.getuid() == 0:
        client.config_set("oom-score-adj", "no")
        assert oom_score(server) == before
    for bad in ("1 2", "1 2 3000", "a b c"):
        with pytest.raises(redis.ResponseError):
            client.config_set("oom-score-adj-values", bad)


@pytest.mark.parametrize("value", ["yes", "no"])
def test_huge_pages_can_be_switched_off(serve, value):
    server = serve("--disable-thp", value)
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as opened:
        enabled = re.search(r"THP_enabled:\s*(\d)", opened.read())
    if not enabled:
        pytest.skip("this kernel does not tell")
    assert enabled.group(1) == ("0" if value == "yes" else "1")


# --- The operator's log ---------------------------------------------------------------------------

def lines(server):
    return server.log().splitlines()


def test_lines_look_as_they_always_did(serve):
    server = serve()
    for line in lines(server):
        assert re.match(r"\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [.*#-] .", line)


def test_lines_can_be_json(tmp_path, serve):
    conf = os.path.join(os.fsencode(tmp_path), b"a \"q\" \\ \xff \xc3\xa4 \t.conf")
    with open(conf, "w", encoding="ascii") as opened:
        opened.write("log-format json\nlog-timestamp-format iso8601\n")
    server = start(tmp_path, config=None, start=False)
    server.config = [conf]
    server.start()
    try:
        said = [json.loads(line) for line in lines(server)]
        assert {tuple(sorted(line)) for line in said} == {
            ("level", "message", "pid", "role", "timestamp")}
        assert {line["pid"] for line in said} == {server.process.pid}
        hello = next(line for line in said if "config file" in line["message"])
        assert 'a "q" \\ ÿ ä \t.conf' in hello["message"] and hello["level"] == "notice"
        for line in said:
            when = datetime.datetime.fromisoformat(line["timestamp"])
            assert abs(when.timestamp() - time.time()) < 600
        assert "warning" in {line["level"] for line in said}
    finally:
        server.kill()


def test_lines_can_be_logfmt(serve):
    server = serve("--log-format", "logfmt", "--log-timestamp-format", "milliseconds")
    for line in lines(server):
        found = re.fullmatch(r'pid=(\d+) role=primary timestamp="(\d+)" '
                             r'level=(debug|info|notice|warning) message="(?:[^"\\]|\\.)*"', line)
        assert found, line
        assert abs(int(found.group(2)) / 1000 - time.time()) < 600


def test_the_format_changes_while_it_runs(tmp_path):
    server = start(tmp_path, "--loglevel", "verbose")
    client = server.client()
    client.config_set("log-format", "json")
    with server.raw() as raw:
        raw.send(b"*x\r\n")
        raw.rest()
    server.wait_log("Protocol error from client")
    assert "Protocol error" in json.loads(lines(server)[-1])["message"]
    server.kill()


def test_very_long_lines_are_cut(tmp_path):
    for how in ("legacy", "logfmt", "json"):
        server = start(tmp_path / how, "--loglevel", "verbose", "--log-format", how)
        with server.raw() as raw:
            assert raw.say(b"CLIENT SETNAME " + b'"' * 0 + b"n" * 6000 + b"\r\n") == b"+OK"
            raw.send(b"*x\r\n")
            raw.rest()
        server.wait_log("Protocol error from client")
        line = next(line for line in lines(server) if "Protocol error" in line)
        assert 4000 < len(line) < 4096
        if how == "json":
            assert json.loads(line)
        server.kill()


def test_nothing_can_be_said(serve, tmp_path):
    logfile = tmp_path / "kv.log"
    server = serve("--loglevel", "nothing", "--logfile", logfile)
    assert server.client().ping()
    server.stop()
    assert logfile.read_text() == "" and server.log() == ""


def test_the_systems_log_gets_the_lines(serve):
    if os.path.exists("/dev/log"):
        pytest.skip("somebody listens there already")
    system = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        system.bind("/dev/log")
    except OSError:
        pytest.skip("not allowed here")
    try:
        system.settimeout(10)
        server = serve("--syslog-enabled", "yes", "--syslog-ident", "my-kv", "--syslog-facility",
                       "local3")
        said = b""
        while b"Ready to accept" not in said:
            said = system.recv(8192)
            number, rest = re.match(rb"<(\d+)>(.*)", said, re.S).groups()
            assert int(number) >> 3 == 19, "local3"
            assert b"my-kv[%d]: " % server.process.pid in rest
        assert "Ready to accept" in server.log()
    finally:
        os.unlink("/dev/log")


# --- Crash reports and the watchdog ---------------------------------------------------------------

@needs_own_handlers
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
                                    signal.SIGABRT])
def test_a_crash_is_reported_and_ends_it_by_its_signal(tmp_path, number):
    with kv.Server(tmp_path) as server:
        assert server.client().set("key", "value")
        server.process.send_signal(number)
        assert server.process.wait(kv.PATIENCE_S) == -number
        said = server.log()
        assert f"crashed by signal: {number.value} ({number.name})" in said
        assert f"sent by process: {os.getpid()}" in said
        order = [said.index(part) for part in (
            "KV BUG REPORT START", "instruction at: 0x", "log, bytes durable: ", "REGISTERS",
            "STACK TRACE", "kv-server(", "addr2line -fpe", "KV BUG REPORT END")]
        assert order == sorted(order)
        assert said.count("BUG REPORT START") == 1
        server.start()
        assert server.client().get("key") == "value"


@needs_own_handlers
def test_the_stack_leads_to_the_source(tmp_path):
    if subprocess.run(["which", "addr2line"], capture_output=True).returncode != 0:
        pytest.skip("no addr2line here")
    with start(tmp_path) as server:
        server.process.send_signal(signal.SIGSEGV)
        server.process.wait(kv.PATIENCE_S)
        offsets = re.findall(r"kv-server\(\+(0x[0-9a-f]+)\)", server.log())
    named = subprocess.run(["addr2line", "-fpe", kv.SERVER, *offsets], capture_output=True,
                           text=True, check=True).stdout
    assert re.search(r"(main|run) at .*tools/kv_server\.c:\d+", named)


def crash_report_of(tmp_path, *words, **config):
    """What a server writes that crashes while a command runs."""
    with start(tmp_path, "--enable-debug-command", "yes") as server:
        client = server.client()
        for name, value in config.items():
            client.config_set(name.replace("_", "-"), value)
        client.set("key", "value")
        with pytest.raises(redis.ConnectionError):
            client.execute_command(*words)
        assert server.process.wait(kv.PATIENCE_S) == -signal.SIGSEGV
        return server.log()


@needs_own_handlers
def test_a_crash_report_tells_of_the_server_and_the_client(tmp_path):
    said = crash_report_of(tmp_path, "DEBUG", "SEGFAULT")
    order = [said.index(part) for part in (
        "STACK TRACE", "INFO OUTPUT", "kv_version:", "connected_clients:", "\nkeys:1\n",
        "CURRENT CLIENT INFO", " addr=127.0.0.1:", "\ncmd=debug\nargc=2\n", 'argv[0]: "DEBUG"',
        "argv[1]: 8 bytes", "CLIENT LIST OUTPUT ------\nid=", "KV BUG REPORT END")]
    assert order == sorted(order)


@needs_own_handlers
def test_a_crash_report_shows_arguments_to_who_asked_for_it(tmp_path):
    said = crash_report_of(tmp_path, "DEBUG", "SEGFAULT", hide_user_data_from_log="no")
    assert 'argv[1]: "SEGFAULT"\n' in said


@needs_own_handlers
def test_a_crash_report_holds_no_password(tmp_path):
    """The command waits for a target that says nothing."""
    with start(tmp_path, "--hide-user-data-from-log", "no") as server, socket.socket() as target:
        target.bind(("127.0.0.1", 0))
        target.listen()
        client = server.client()
        client.set("key", "value")
        with server.raw() as raw:
            raw.send(b"MIGRATE 127.0.0.1 %d key 0 60000 AUTH pass-word\r\n" %
                     target.getsockname()[1])
            with target.accept()[0]:
                server.process.send_signal(signal.SIGSEGV)
                assert server.process.wait(kv.PATIENCE_S) == -signal.SIGSEGV
        said = server.log()
        assert 'argv[3]: "key"\n' in said
        assert "argv[7]: (redacted)\n" in said
        assert "pass-word" not in said


@needs_own_handlers
def test_crash_reports_can_be_switched_off(serve):
    server = serve("--crash-log-enabled", "no")
    server.process.send_signal(signal.SIGSEGV)
    assert server.process.wait(kv.PATIENCE_S) == -signal.SIGSEGV
    assert "BUG REPORT" not in server.log()
    server = serve()
    client = server.client()
    client.config_set("crash-log-enabled", "no")
    client.config_set("crash-log-enabled", "yes")
    client.config_set("crash-log-enabled", "no")
    server.process.send_signal(signal.SIGABRT)
    assert server.process.wait(kv.PATIENCE_S) == -signal.SIGABRT
    assert "BUG REPORT" not in server.log()


def unchanged_for(seconds, figure):
    before = figure()
    time.sleep(seconds)
    return figure() == before


def test_the_watchdog_shows_where_the_loop_is_stuck(serve):
    server = serve("--enable-debug-command", "yes")
    client = server.client()
    client.execute_command("DEBUG", "SLEEP", 0.5)
    assert "WATCHDOG" not in server.log()
    client.config_set("watchdog-period", 1)
    assert client.config_get("watchdog-period") == {"watchdog-period": "200"}
    if not kv.SLOW:  # a loop that is not stuck is left alone, but for a stop of the whole machine
        kv.wait_until(lambda: unchanged_for(0.6, lambda: server.log().count("WATCHDOG")))
    before = server.log().count("WATCHDOG TIMER EXPIRED")
    begun = time.monotonic()
    client.execute_command("DEBUG", "SLEEP", 0.7)
    assert time.monotonic() - begun >= 0.7, "the command is not disturbed"
    kv.wait_until(lambda: server.log().count("WATCHDOG TIMER EXPIRED") > before)
    server.wait_log("addr2line")
    assert "STACK TRACE" in server.log() and client.ping()
    client.config_set("watchdog-period", 0)
    before = server.log().count("WATCHDOG")
    client.execute_command("DEBUG", "SLEEP", 0.5)
    assert server.log().count("WATCHDOG") == before


def test_the_watchdog_can_be_set_at_start(serve):
    server = serve("--watchdog-period", "300", "--enable-debug-command", "yes")
    server.client().execute_command("DEBUG", "SLEEP", 0.8)
    server.wait_log("--- WATCHDOG TIMER EXPIRED ---")


# --- The command line -----------------------------------------------------------------------------

def run(*words, stdin=b""):
    return subprocess.run([kv.SERVER, *[str(word) for word in words]], input=stdin, timeout=20,
                          capture_output=True, check=False)


def test_version_and_help_end_well():
    for word in ("--version", "-v"):
        said = run(word)
        assert said.returncode == 0 and b"kv-server v=" in said.stdout
    for word in ("--help", "-h"):
        said = run(word)
        assert said.returncode == 0 and b"--check-config" in said.stdout


def test_the_configuration_may_come_from_standard_input(tmp_path):
    port = kv.free_port()
    server = subprocess.Popen([kv.SERVER, "-", "--dir", str(tmp_path)], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL)
    try:
        server.stdin.write(b"port %d\npersistence no\nmaxclients 77\n" % port)
        server.stdin.close()
        client = redis.Redis(port=port, decode_responses=True)

        def answers():
            try:
                return client.ping()
            except redis.ConnectionError:
                return False
        kv.wait_until(answers)
        assert client.config_get("maxclients") == {"maxclients": "77"}
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("line,text", [
    ("supervised maybe", b"must be one of the following"),
    ("syslog-facility mail", b"must be one of the following"),
    ("log-format xml", b"must be one of the following"),
    ("oom-score-adj-values 1 2", b"wrong number of arguments"),
    ("shutdown-on-sigterm save nosave", b"simultaneously"),
    ("proc-title-template {x}", b"template format is invalid"),
    ("watchdog-period -1", b"must be between"),
    ("tls-port 7000", b"tls-cert-file"),
    ("tls-port 7000\ntls-cert-file /no/such\ntls-key-file /no/such", b"/no/such"),
])
def test_wrong_values_are_found_by_the_check(line, text):
    said = run("--check-config", "-", stdin=line.encode())
    assert said.returncode == 1 and text in said.stderr


def test_a_file_that_cannot_be_included_is_told_with_the_line_that_names_it(tmp_path):
    conf = tmp_path / "kv.conf"
    conf.write_text("port 7000\ninclude no.such\n")
    said = run("--check-config", conf).stderr.decode()
    assert f"{conf}: Reading the configuration file, at line 2\n>>> 'include no.such'\n" in said
    assert "no.such: open: No such file or directory" in said
