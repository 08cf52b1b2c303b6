"""kv started as systemd's socket activation does it: by a process that hands over sockets which
listen already."""
import os
import socket
import subprocess

import kv

HAND_OVER = """
import os, sys
handed = [os.dup(int(fd)) for fd in sys.argv[1].split(",")]
for i, fd in enumerate(handed):
    os.dup2(fd, 100 + i)
for i in range(len(handed)):
    os.dup2(100 + i, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[2])), LISTEN_FDS=str(len(handed)))
os.execv(sys.argv[3], sys.argv[3:])
"""


class Handed:
    def __init__(self, folder, sockets, *words, wrong_pid=0, names=None):
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        fds = [each.fileno() for each in sockets]
        words = [kv.SERVER, "--persistence", "no", "--dir", str(folder), *words]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", "-c", HAND_OVER, ",".join(map(str, fds)), str(wrong_pid),
                 *words], pass_fds=fds, stdout=log, stderr=log,
                env={**os.environ, **({"LISTEN_FDNAMES": names} if names else {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def said(self):
        return self.log.read_text()


def listening(family, address):
    opened = socket.socket(family)
    opened.bind(address)
    opened.listen()
    return opened
