"""Connections that speak RESP, for tests of commands: they show the exact bytes and types of
replies, in both versions of the protocol. And servers, kv or the reference, for a set of
directives.
"""
import shutil
import socket
import tempfile
import time

import kv

SANITIZED = kv.SLOW
REPLY_SECONDS = 120


# --- Values of replies ----------------------------------------------------------------------------

class Text(str):
    """A str that equals only its own kind: a status is not an error, nor a verbatim text."""
    def __eq__(self, other):
        return type(self) is type(other) and str(self) == str(other)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash((type(self).__name__, str(self)))

    def __repr__(self):
        return f"{type(self).__name__}({str(self)!r})"


class Status(Text):
    """A simple string."""


class Error(Text):
    """An error; without the dash."""


class Verbatim(Text):
    """A verbatim string, with its kind: "txt:..."."""


class Push(list):
    """A push, RESP3 only."""


class Set(list):
    """A set, RESP3 only."""


OK = Status("OK")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Error("ERR syntax error")
NOT_INTEGER = Error("ERR value is not an integer or out of range")
NOT_FLOAT = Error("ERR value is not a valid float")
NO_KEY = Error("ERR no such key")


def wrong_arity(name):
    return Error(f"ERR wrong number of arguments for '{name}' command")


def as_bytes(word):
    if isinstance(word, bytes):
        return word
    return str(word).encode("utf-8", "surrogateescape")


def request(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = as_bytes(word)
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


# --- Connections ----------------------------------------------------------------------------------

class Connection:
    """One connection. Calling it sends one command and returns the value of the reply."""

    def __init__(self, port, resp=2, host="127.0.0.1", path=None, timeout=REPLY_SECONDS):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection((host, port), timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.seen = []
        self.resp = resp
        if resp == 3:
            hello = self("HELLO", 3)
            assert isinstance(hello, dict), hello

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *words):
        self.socket.sendall(request(*words))

    def send_bytes(self, data):
        self.socket.sendall(data)

    def __call__(self, *words):
        self.send(*words)
        return self.read()

    def raw(self, *words):
        """The bytes of the reply."""
        self.send(*words)
        return self.read_raw()

    def pipeline(self, commands):
        """Send all at once; the values of the replies."""
        self.socket.sendall(b"".join(request(*words) for words in commands))
        return [self.read() for _ in commands]

    def read(self):
        self.seen = []
        return self._value()

    def read_raw(self):
        self.seen = []
        self._value()
        return b"".join(self.seen)

    def at_end(self):
        """True if the server has closed the connection and nothing is left to read."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(f"connection closed after {line!r}")
        self.seen.append(line)
        return line[:-2]

    def _bytes(self, length):
        data = self.file.read(length + 2)
        if len(data) != length + 2:
            raise EOFError("connection closed within a bulk string")
        assert data.endswith(b"\r\n"), data[-20:]
        self.seen.append(data)
        return data[:-2]

    def _value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return Status(rest.decode("utf-8", "surrogateescape"))
        if kind == b"-":
            return Error(rest.decode("utf-8", "surrogateescape"))
        if kind in b":(":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._bytes(int(rest))
        if kind == b"=":
            return Verbatim(self._bytes(int(rest)).decode("utf-8", "surrogateescape"))
        if kind == b"_":
            return None
        if kind == b"#":
            return {b"t": True, b"f": False}[rest]
        if kind == b",":
            return float(rest)
        if kind in b"*~>":
            if rest == b"-1":
                return None
            items = [self._value() for _ in range(int(rest))]
            return {b"*": list, b"~": Set, b">": Push}[kind](items)
        if kind == b"%":
            pairs = {}
            for _ in range(int(rest)):
                key = self._value()
                pairs[key] = self._value()
            return pairs
        if kind == b"|":
            for _ in range(2 * int(rest)):
                self._value()
            return self._value()
        raise ValueError(f"no reply: {line!r}")


# --- Servers --------------------------------------------------------------------------------------

class Server(kv.Server):
    """kv-server, or redis-server as the reference, with `options` as directives, in a directory of
    its own unless one is given."""

    def __init__(self, kind="kv", directory=None, **options):
        self.kind = kind
        self.own_directory = directory is None
        self.options = {name.replace("_", "-"): str(value) for name, value in options.items()}
        super().__init__(directory or tempfile.mkdtemp(prefix=f"{kind}-test-"),
                         program=kv.SERVER if kind == "kv" else kv.REDIS)

    def launch(self, *more):
        options = {"bind": "127.0.0.1"}
        if self.kind == "redis":
            options["save"] = ""
        options.update(self.options)
        words = [word for name, value in options.items() for word in ("--" + name, value)]
        return super().launch(*words, *more)

    def connect(self, resp=2):
        return Connection(self.port, resp)

    def restart(self, crash=False, **options):
        if crash:
            self.kill()
        else:
            self.stop()
        self.options.update({name.replace("_", "-"): str(value)
                             for name, value in options.items()})
        return self.start()

    def close(self):
        """End it and remove its directory. A server that has died before is a failed test."""
        died = not self.is_alive()
        if not died:
            self.stop()
        output = self.log()
        if self.own_directory:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not died, f"{self.kind} died with status {self.process.returncode}:\n{output}"


def until(condition, seconds=kv.PATIENCE_S, step=0.005):
    """Poll until condition() is true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(step)


def soon(action, seconds, tries=30):
    """Do it until it has once taken no longer than so long, and return its value: a busy machine
    makes things late at times, but not always."""
    for _ in range(tries):
        began = time.monotonic()
        value = action()
        took = time.monotonic() - began
        if took < seconds:
            return value
    raise AssertionError(f"{tries} times later than {seconds} s, the last time {took} s")


def content(connection, kind, key):
    """The whole value under a key, in an order that does not depend on the server."""
    if kind == "string":
        return connection("GET", key)
    if kind == "list":
        return connection("LRANGE", key, 0, -1)
    if kind == "set":
        return sorted(connection("SMEMBERS", key))
    if kind == "hash":
        pairs = connection("HGETALL", key)
        if isinstance(pairs, dict):
            return sorted(pairs.items())
        return sorted(zip(pairs[::2], pairs[1::2]))
    if kind == "zset":
        members = connection("ZRANGE", key, 0, -1)
        scores = connection("ZMSCORE", key, *members)
        return [(member, float(score)) for member, score in zip(members, scores)]
    if kind == "stream":
        return connection("XRANGE", key, "-", "+")
    assert kind == "none", kind
    return None


def keyspace(connection, databases=16):
    """All keys of all databases: {(db, key): (type, value, deadline in ms or -1)}."""
    found = {}
    for db in range(databases):
        assert connection("SELECT", db) == OK
        for key in connection("KEYS", "*"):
            kind, deadline = connection.pipeline([("TYPE", key), ("PEXPIRETIME", key)])
            found[db, key] = (str(kind), content(connection, str(kind), key), deadline)
    assert connection("SELECT", 0) == OK
    return found
