"""The command line and the config file: kv-server and redis-server read the same from them.

Each case is run on both: the words, what is in the file c.conf, what is on standard input, and what
CONFIG GET answers then; or the lines with which the start is refused. P stands for the port.
"""
import subprocess

import pytest

import kv as kv_server
from harness import OK, Connection, Error, until
from test_config import get

PROGRAMS = {"kv": kv_server.SERVER, "redis": kv_server.REDIS}


class Started:
    def __init__(self, kind, folder, words, files, stdin):
        self.port = kv_server.free_port()
        self.output = folder / "out"
        for name, text in files.items():
            (folder / name).write_text(text.replace("PORT", str(self.port)), encoding="utf-8")
        words = [word.replace("PORT", str(self.port)) for word in words]
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen([PROGRAMS[kind], *words], cwd=folder, stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.PIPE)
        self.process.stdin.write(stdin.replace("PORT", str(self.port)).encode())
        self.process.stdin.close()

    def connect(self):
        def try_it():
            assert self.process.poll() is None, self.output.read_text(encoding="utf-8")
            try:
                return Connection(self.port)
            except OSError:
                return None
        return until(try_it)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(params=["kv", "redis"])
def run(request, tmp_path):
    started = []

    def begin(words, files=None, stdin=""):
        started.append(Started(request.param, tmp_path, words, files or {}, stdin))
        return started[-1]
    yield begin
    for server in started:
        server.stop()


P = ["--port", "PORT"]


@pytest.mark.parametrize("words,expected", [
    # several of a kind add up
    ([*P, "--save", "60", "1", "--save", "300 10"], {"save": "60 1 300 10"}),
    ([*P, "--save", "3600 1 60 1000"], {"save": "3600 1 60 1000"}),
    ([*P, "--save", "60 1", "--save", ""], {"save": ""}),
    ([*P, "--save", "", "--save", "60 1"], {"save": "60 1"}),
    # --save may stand alone
    ([*P, "--save"], {"save": ""}),
    ([*P, "--save", "--timeout", "5"], {"save": "", "timeout": "5"}),
    ([*P, "--SAVE", "--"], {"save": ""}),
    # name and value in one word, as lists in compose files have it
    (["--port PORT", "--timeout 5"], {"timeout": "5"}),
    (["--port PORT", "--save 60 1", "--save 300 10"], {"save": "60 1 300 10"}),
    ([*P, "--timeout ", "5"], {"timeout": "5"}),
    ([*P, "--proc-title-template 'a b'"], {"proc-title-template": "a b"}),
    # a value that begins with two dashes
    ([*P, "--proc-title-template", "--title"], {"proc-title-template": "--title"}),
    ([*P, "--proc-title-template", "--title", "--timeout", "5"],
     {"proc-title-template": "--title", "timeout": "5"}),
    ([*P, "--shutdown-on-sigint", "nosave", "force", "--shutdown-on-sigterm", "nosave force"],
     {"shutdown-on-sigint": "nosave force", "shutdown-on-sigterm": "nosave force"}),
    ([*P, "--loglevel", "verbose", "--"], {"loglevel": "verbose"}),
    (["--TIMEOUT", "5", *P], {"timeout": "5"}),
])
def test_words_make_directives(run, words, expected):
    with run(words).connect() as c:
        assert get(c, *expected) == expected


@pytest.mark.parametrize("words,files,stdin,expected", [
    (["c.conf", "--timeout", "6"], {"c.conf": "port PORT\ntimeout 5\n"}, "", {"timeout": "6"}),
    (["c.conf", "timeout", "6"], {"c.conf": "port PORT\n"}, "", {"timeout": "6"}),
    (["c.conf", "--save", "60 2"], {"c.conf": "port PORT\nsave 900 1\n"}, "",
     {"save": "900 1 60 2"}),
    (["c.conf"], {"c.conf": "port PORT\nsave 900 1\nsave\n"}, "", {"save": "900 1"}),
    (["c.conf"], {"c.conf": "port PORT\nsave\n"}, "", {"save": ""}),
    (["c.conf", "--save"], {"c.conf": "port PORT\nsave 900 1\n"}, "", {"save": ""}),
    (["-"], {}, "port PORT\ntimeout 7\n", {"timeout": "7"}),
    (["-", "--timeout", "8"], {}, "port PORT\ntimeout 7\n", {"timeout": "8"}),
    (["c.conf", "-"], {"c.conf": "port PORT\ntimeout 5\n"}, "timeout 7\n", {"timeout": "7"}),
    (["c.conf", "--timeout", "8", "-"], {"c.conf": "port PORT\n"}, "timeout 7\n", {"timeout": "8"}),
    ([*P, "-"], {}, "timeout 7\n", {"timeout": "7"}),
    (["c.conf"], {"c.conf": "port PORT\ninclude *.inc\n", "a.inc": "timeout 5\n",
                  "b.inc": "timeout 6\n"}, "", {"timeout": "6"}),
    (["c.conf"], {"c.conf": "port PORT\ninclude no*.inc\ntimeout 4\n"}, "", {"timeout": "4"}),
])
def test_files_come_first_and_then_standard_input(run, words, files, stdin, expected):
    with run(words, files, stdin).connect() as c:
        assert get(c, *expected) == expected


@pytest.mark.parametrize("words,files,lines", [
    (["--port", "abc"], {},
     [">>> 'port \"abc\"'", "argument couldn't be parsed into an integer"]),
    (["--port"], {}, [">>> 'port'", "wrong number of arguments"]),
    (["--port", "--10003"], {},
     [">>> 'port \"--10003\"'", "argument couldn't be parsed into an integer"]),
    ([*P, "--no-such", "a b"], {},
     [">>> 'no-such \"a b\"'", "Bad directive or wrong number of arguments"]),
    ([*P, "--maxmemory", "10mb", "20mb"], {},
     [">>> 'maxmemory \"10mb\" \"20mb\"'", "wrong number of arguments"]),
    ([*P, "--timeout", "5", "-", "6"], {},
     [">>> 'timeout \"5\" \"-\" \"6\"'", "wrong number of arguments"]),
    ([*P, "--timeout '5"], {}, ["Unbalanced quotes in configuration line"]),
    (["c.conf"], {"c.conf": "# one\ntimeout five\n"},
     ["Reading the configuration file, at line 2", ">>> 'timeout five'",
      "argument couldn't be parsed into an integer"]),
    (["c.conf"], {"c.conf": "include missing.conf\n"}, ["missing.conf"]),
    (["missing.conf"], {}, ["Fatal error, can't open config file ", "No such file or directory"]),
])
def test_a_wrong_word_stops_the_start(run, words, files, lines):
    server = run(words, files)
    assert server.process.wait(20) == 1
    said = server.output.read_text(encoding="utf-8")
    for line in lines:
        assert line in said


# kv's log makes save points superfluous; the same redis.conf without it must keep what it kept.
@pytest.mark.parametrize("words,expected", [
    ([], "3600 1 300 100 60 10000"), (["--save", "7 8"], "7 8"), (["--save", ""], ""),
])
def test_without_a_log_the_save_points_are_those_of_redis(run, words, expected):
    server = run([*P, "--appendonly", "no", "--dbfilename", "dump.rdb", *words])
    with server.connect() as c:
        assert get(c, "save") == {"save": expected}
        assert c("SET", "k", "v") == OK
    server.process.terminate()
    assert server.process.wait(30) == 0
    assert (server.output.parent / "dump.rdb").exists() == bool(expected)


def test_a_password_may_begin_with_dashes(run):
    with run([*P, "--requirepass", "--secret"]).connect() as c:
        assert c("PING") == Error("NOAUTH Authentication required.")
        assert str(c("AUTH", "--secret")) == "OK"
