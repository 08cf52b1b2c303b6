"""A real server whose disk takes no more: a limit on the size of its files stands for a bad disk.
The log heals itself by a new file where it can, and is read-only where it can't, until it can."""
import resource
import signal
import subprocess
import time

import kv
import pytest


class Server(kv.Server):
    """Writes beyond the limit fail with EFBIG instead of ending the process."""

    def launch(self, *more):
        words = [self.program, "--port", str(self.port), "--dir", self.folder, *self.words, *more]
        with open(self.log_path, "ab") as log:
            # Python ignores SIGXFSZ, and so do its children if signals are not restored.
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, restore_signals=False)
        return self

    def limit_files(self, size):
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def free_files(self):
        self.limit_files(resource.RLIM_INFINITY)


def state(server):
    return server.client().info("persistence")["log_state"]


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_a_file_that_takes_no_more_is_followed_by_a_new_one(tmp_path, policy):
    with Server(tmp_path, "--appendfsync", policy) as server:
        acknowledged = {}
        with server.raw() as raw:
            assert raw.say(b"SET first 1\r\n") == b"+OK"
            server.limit_files(200000)
            for number in range(3000):
                line = raw.say(b"SET k%d %s\r\n" % (number, b"x" * 300))
                if line == b"+OK":
                    acknowledged[f"k{number}"] = "x" * 300
                else:
                    assert line.startswith(b"-MISCONF "), line
        if policy == "always":  # else the batches to be saved are more than the new file takes
            assert len(acknowledged) > 1500
            assert server.client().info("persistence")["log_heals"] >= 3
        server.free_files()
        kv.wait_until(lambda: state(server) == "healthy")
        server.client().set("late", "1")
        acknowledged["late"] = "1"
        server.kill()
        server.start()
        client = server.client()
        assert client.get("first") == "1"
        values = client.mget(list(acknowledged))
        assert values == list(acknowledged.values())


def fail(server):
    """Let a write fail for good; its client gets an error."""
    server.limit_files(1)
    with server.raw() as raw:
        line = raw.say(b"SET lost 1\r\n")
        assert line.startswith(b"-MISCONF "), line
        assert state(server) == "failed"


def test_a_log_that_cannot_be_written_is_read_only_until_it_can(tmp_path):
    with Server(tmp_path) as server:
        client = server.client()
        client.set("a", "1")
        fail(server)
        with server.raw() as raw:
            assert raw.say(b"GET a\r\n") == b"$1"
            assert raw.line() == b"1"
            for command in (b"SET a 2", b"INCR a", b"DEL a", b"EXPIRE a 100"):
                assert raw.say(command + b"\r\n").startswith(b"-MISCONF "), command
            assert raw.say(b"PING\r\n") == b"+PONG"
        assert client.get("a") == "1"
        assert "kv" in client.info("server")["server_name"]
        assert server.client().info("persistence")["log_problem"]
        server.free_files()
        kv.wait_until(lambda: state(server) == "healthy")
        client.set("b", "2")
        assert client.get("a") == "1"
        server.kill()
        server.start()
        assert client.get("a") == "1" and client.get("b") == "2"


def test_sigterm_does_not_throw_away_what_is_in_memory_only(tmp_path):
    with Server(tmp_path) as server:
        server.client().set("a", "1")
        fail(server)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # it can't write what it says: its log is a file as well
        assert server.is_alive()
        assert server.client().get("a") == "1"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(kv.PATIENCE_S)
        server.start()
        assert server.client().get("a") == "1"


def test_a_client_that_pipelines_gets_an_error_for_each_write_that_is_lost(tmp_path):
    with Server(tmp_path) as server:
        with server.raw() as raw:
            assert raw.say(b"SET a 1\r\n") == b"+OK"
            server.limit_files(1)
            raw.send(b"GET a\r\nSET b 1\r\nGET b\r\nGET a\r\nSET c 1\r\nPING\r\n")
            raw.expect(b"$1\r\n1\r\n")
            assert raw.line().startswith(b"-MISCONF ")
            assert raw.line().startswith(b"-MISCONF ")  # what it read may be taken back
            raw.expect(b"$1\r\n1\r\n")
            assert raw.line().startswith(b"-MISCONF ")
            raw.expect(b"+PONG\r\n")
