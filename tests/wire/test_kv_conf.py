"""kv.conf is the default configuration, and says so truthfully."""
import os
import re
import signal
import subprocess
import time

import pytest
import redis

import kv

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONF = os.path.join(ROOT, "kv.conf")
STARTED_BY_US = {"port", "dir", "unixsocket", "unixsocketperm", "requirepass"}


def config_of(words, folder, password=None):
    """CONFIG GET * of a server started with these words."""
    port = kv.free_port()
    server = subprocess.Popen([kv.SERVER, *words, "--port", str(port), "--dir", str(folder)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        client = redis.Redis(port=port, password=password, decode_responses=True)
        for _ in range(400):
            try:
                return client.config_get("*")
            except redis.ConnectionError:
                assert server.poll() is None, server.stdout.read()
                time.sleep(0.05)
        raise AssertionError("the server did not answer")
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()


def directives(text):
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith("#")]


def test_every_active_line_states_the_default(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    default = config_of([], tmp_path / "a")
    with_file = config_of([CONF], tmp_path / "b")
    differ = {name: (default[name], with_file.get(name)) for name in default
              if name not in STARTED_BY_US and default[name] != with_file.get(name)}
    assert not differ
    with open(CONF, encoding="utf-8") as opened:
        unknown = set(directives(opened.read())) - set(with_file)
    assert not unknown


def test_the_commented_directives_are_accepted_too(tmp_path):
    """Lines of the form `# directive value`, all switched on at once."""
    with open(CONF, encoding="utf-8") as opened:
        text = opened.read()
    names = re.findall(r"^# ([a-z-]+) \S+$", text, re.M)
    assert {"requirepass", "unixsocket", "unixsocketperm"} <= set(names)
    text = re.sub(r"^# ([a-z-]+ \S+)$", r"\1", text, flags=re.M)
    text = text.replace("/run/kv", str(tmp_path))
    conf = tmp_path / "all.conf"
    conf.write_text(text)
    config = config_of([str(conf)], tmp_path, "change-me")
    assert config["requirepass"] == "********"
    assert config["unixsocket"] == f"{tmp_path}/kv.sock"


def test_a_wrong_line_is_named_with_its_file_and_number(tmp_path):
    conf = tmp_path / "wrong.conf"
    conf.write_text("# one\nport 7000\nno-such-directive 1\n")
    done = subprocess.run([kv.SERVER, str(conf)], capture_output=True, text=True, timeout=20,
                          check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "no-such-directive" in said
    assert str(conf) in said
    assert re.search(r"\b3\b", said)


@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_the_server_answers_questions_without_starting(words, tmp_path):
    done = subprocess.run([kv.SERVER, *words], capture_output=True, text=True, timeout=20,
                          check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout
    assert not list(tmp_path.iterdir())
