"""The entry script of the container image: what it starts, as whom, and what it says.

It runs with a PATH of its own, in which the programs it calls only tell how they were called.
"""
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "tools", "kv-entrypoint")
OPEN = ["--bind", "*", "-::*", "--protected-mode", "no"]


class Container:
    """Runs the script as `uid`; programs called are lists of their words."""

    def __init__(self, folder):
        self.programs = folder / "bin"
        self.data = folder / "data"
        self.calls = folder / "calls"
        self.programs.mkdir()
        self.data.mkdir()
        self.uid = 0
        for name in ("basename", "grep", "stat"):
            os.symlink(f"/usr/bin/{name}", self.programs / name)
        for name in ("kv-server", "redis-cli", "kv-check-aof", "kv-check-rdb", "kv-backup"):
            self.fake(name, 'exit 0')
        # Drops nothing, goes on with what follows the --.
        self.fake("setpriv", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        self.fake("chown", 'exit 0')
        # The owner that `find` looks for does not exist here: all files are another's.
        self.fake("find", 'shift 4; exec chown -h "$4" .')

    def fake(self, name, then):
        path = self.programs / name
        path.write_text('#!/bin/sh\n{ printf "%s" "${0##*/}"; [ $# = 0 ] || printf "|%s" "$@";'
                        f' echo; }} >>{self.calls}\n{then}\n')
        path.chmod(0o755)

    def run(self, *words, script=SCRIPT, **more):
        self.fake("id", f"echo {self.uid}")
        self.calls.write_text("")
        environment = {"PATH": str(self.programs), "KV_DATA": str(self.data), **more}
        done = subprocess.run(["/bin/sh", script, *words], env=environment, capture_output=True,
                              text=True, check=False)
        self.called = [line.split("|") for line in self.calls.read_text().splitlines()
                       if not line.startswith("id")]
        self.said = done.stderr
        return done.returncode

    def server(self):
        return self.called[-1]

    def names(self):
        return [call[0] for call in self.called]


@pytest.fixture
def container(tmp_path):
    return Container(tmp_path)


def started(container, name, *flags):
    return [name, *flags, *OPEN, "--dir", str(container.data)]


def test_without_words_it_starts_the_server(container):
    assert container.run() == 0
    assert container.server() == started(container, "kv-server")


def test_bare_flags_start_the_server(container):
    container.run("--maxmemory", "100mb")
    assert container.server() == started(container, "kv-server", "--maxmemory", "100mb")


@pytest.mark.parametrize("name", ["redis-server", "valkey-server", "kv-server"])
def test_the_names_of_servers_start_it(container, name):
    flags = ["--appendonly", "yes", "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru"]
    container.run(name, *flags)
    assert container.server() == started(container, "kv-server", *flags)


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_past_the_entry_point_the_names_of_others_start_the_same(container, name):
    """As `sh -c "redis-server ..."` and `entrypoint: redis-server ...` do."""
    link = container.programs / name
    os.symlink(SCRIPT, link)
    container.run("--requirepass", "secret", script=str(link))
    assert container.names() == ["find", "chown", "setpriv", "kv-server"]
    assert container.server() == started(container, "kv-server", "--requirepass", "secret")
    container.run("--version", script=str(link))
    assert container.called == [["kv-server", "--version"]]


def test_flags_of_the_environment_are_added(container):
    container.run("valkey-server", "--port", "7000", VALKEY_EXTRA_FLAGS="--maxmemory 1gb")
    flags = ["--port", "7000", "--maxmemory", "1gb"]
    assert container.server() == started(container, "kv-server", *flags)


def test_empty_words_stay(container):
    container.run("redis-server", "--save", "", "--requirepass", "")
    assert container.server()[1:5] == ["--save", "", "--requirepass", ""]


def test_flags_that_are_given_are_not_overruled(container):
    flags = ["--bind", "10.0.0.1", "--protected-mode", "yes", "--dir", "/elsewhere"]
    container.run(*flags)
    assert container.server() == ["kv-server", *flags]


def test_a_config_file_is_not_overruled(container):
    config = container.data / "my.conf"
    config.write_text("# bind in a comment\nBIND 10.0.0.1\n  protected-mode yes\n")
    container.run("redis-server", str(config))
    assert container.server() == ["kv-server", str(config), "--dir", str(container.data)]
    container.run(str(config))
    assert container.server() == ["kv-server", str(config), "--dir", str(container.data)]


def test_root_gives_the_data_away_and_drops_its_rights(container):
    container.run()
    assert container.names() == ["find", "chown", "setpriv", "kv-server"]
    assert container.called[1][1:3] == ["-h", "kv:kv"]
    assert container.called[2][1:3] == ["--reuid=kv", "--regid=kv"]


def test_data_that_cannot_be_given_away_is_explained(container):
    container.fake("chown", "exit 1")
    assert container.run() == 1
    assert "chown -R" in container.said
    assert "kv-server" not in container.names()


def test_in_memory_touches_no_file(container):
    container.data.chmod(0o500)
    container.run("kv-server", "--persistence", "no")
    assert container.names() == ["setpriv", "kv-server"]
    container.uid = 1234
    container.run("--persistence", "no")
    assert container.names() == ["kv-server"]


def test_another_user_is_only_checked(container):
    container.uid = 1234
    assert container.run("redis-server") == 0
    assert container.names() == ["kv-server"]


def test_another_user_is_told_what_to_do():
    other = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
    with open(SCRIPT, encoding="utf-8") as script:
        done = subprocess.run(["/bin/sh", "-s"], stdin=script, capture_output=True, text=True,
                              check=False, env={"PATH": "/usr/bin:/bin", "KV_DATA": "/"}, **other)
    assert done.returncode == 1
    assert "/ belongs to user 0, and this container runs as user" in done.stderr
    assert "chown" in done.stderr


def test_other_commands_run_as_they_are(container):
    container.run("redis-cli", "-h", "db", "ping")
    assert container.called == [["redis-cli", "-h", "db", "ping"]]


def test_tools_work_as_the_owner_of_the_data(container):
    container.run("kv-check-aof", "/data/appendonlydir")
    assert container.names() == ["setpriv", "kv-check-aof"]
    assert container.server() == ["kv-check-aof", "/data/appendonlydir"]
    # backups go where the caller may write
    container.run("kv-backup", "/data", "/backups")
    assert container.names() == ["kv-backup"]


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_questions_are_answered_without_touching_data(container, flag):
    container.run(flag)
    assert container.called == [["kv-server", flag]]
