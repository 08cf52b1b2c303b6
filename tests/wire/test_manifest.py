"""Manifests that somebody has edited or damaged: what redis-server refuses is refused here, too."""
import os

import kv
import pytest

BASE = "file appendonly.aof.1.base.aof seq 1 type b\n"
INCR = "file appendonly.aof.1.incr.aof seq 1 type i\n"
NEXT = "file appendonly.aof.2.incr.aof seq 2 type i\n"

TAKEN = {
    "as it is written": BASE + INCR,
    "several incr files": BASE + INCR + NEXT,
    "no base": INCR,
    "a gap": BASE + INCR + NEXT.replace("2", "3"),
    "comments": "# one\n" + BASE + "# two\n" + INCR,
    "a comment that just fits": BASE + INCR + "#" * 1023 + "\n",
    "ends of lines as on Windows": (BASE + INCR).replace("\n", "\r\n"),
    "spaces and tabs": BASE.replace(" ", "  ") + "\t" + INCR.replace(" ", "\t"),
    "a key that nobody knows": BASE + INCR[:-1] + " x y\n",
    "keys in another order": "seq 1 type b file appendonly.aof.1.base.aof\n" + INCR,
    "quotes": BASE + INCR.replace("appendonly.aof.1.incr.aof", '"appendonly.aof.1.incr\\x2eaof"'),
}
REFUSED = {
    "nothing": "",
    "an empty line first": "\n" + BASE + INCR,
    "an empty line between": BASE + "\n" + INCR,
    "an empty line at the end": BASE + INCR + "\n",
    "a line of a space": BASE + " \n" + INCR,
    "a comment behind a space": " # x\n" + BASE + INCR,
    "no end of the last line": BASE + INCR[:-1],
    "a comment that is too long": BASE + INCR + "#" * 1024 + "\n",
    "a line that is too long": BASE + INCR[:-1] + " k " + "x" * 1100 + "\n",
    "a zero byte": BASE + INCR[:-1] + " x\0 y\n",
    "no type": BASE + INCR.replace(" type i", ""),
    "no seq": BASE + INCR.replace(" seq 1", ""),
    "no file": BASE + "seq 1 type i\n",
    "a word too many": BASE + INCR[:-1] + " x\n",
    "a type that nobody knows": BASE + INCR.replace("type i", "type x"),
    "seq 0": BASE + INCR.replace("seq 1", "seq 0"),
    "a negative seq": BASE + INCR.replace("seq 1", "seq -1"),
    "a seq that is no number": BASE + INCR.replace("seq 1", "seq a"),
    "two bases": BASE + BASE.replace("1", "2") + INCR,
    "an incr file twice": BASE + INCR + INCR,
    "a lower seq behind a higher": BASE + NEXT + INCR,
    "a path": BASE + "file ../x seq 1 type i\n",
    "unbalanced quotes": BASE + 'file "x seq 1 type i\n',
    "an empty name": BASE + 'file "" seq 1 type i\n',
    "a file that is not there": BASE + INCR + NEXT.replace("2", "9"),
    "a base that is not there": BASE.replace("1", "9") + INCR,
    "something else": "hello\n",
}


def server_on(kind, folder, manifest):
    """Not started, its log with a key a file."""
    directory = folder / "appendonlydir"
    os.mkdir(directory)
    for key, name in enumerate(("1.base", "1.incr", "2.incr", "3.incr")):
        (directory / f"appendonly.aof.{name}.aof").write_bytes(
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\n%d\r\n$1\r\nx\r\n" % key)
    (directory / "appendonly.aof.manifest").write_bytes(manifest.encode("latin-1"))
    return kv.Server(folder, "--appendonly", "yes", "--save", "",
                     program=kv.SERVER if kind == "kv" else kv.REDIS, start=False)


@pytest.mark.parametrize("kind", ["kv", "redis"])
@pytest.mark.parametrize("manifest", TAKEN.values(), ids=TAKEN)
def test_it_is_taken(kind, manifest, tmp_path):
    files = manifest.count("type")
    with server_on(kind, tmp_path, manifest).start() as server, server.raw() as raw:
        assert raw.say(b"DBSIZE\r\n") == b":%d" % files


@pytest.mark.parametrize("kind", ["kv", "redis"])
@pytest.mark.parametrize("manifest", REFUSED.values(), ids=REFUSED)
def test_it_is_refused(kind, manifest, tmp_path):
    with server_on(kind, tmp_path, manifest).launch() as server:
        assert server.process.wait(kv.PATIENCE_S) != 0
    kept = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    assert kept.read_bytes() == manifest.encode("latin-1")
