"""What a log directory, kv's or redis-server's, tells about the tasks of a broker's queue: which
were handed in, taken out, noted as taken, and given back or done with, in the server's own order.
A task that a client lost is told by it from a task that the server lost.

kombu, Celery's transport, keeps a task in these places, all of one database:

    list "celery"     LPUSH on the left hands a task in; BRPOP (logged as RPOP) takes one out
    hash "unacked"    HSET right after that notes it, under its tag; HDEL when it is done, or
                      together with a push, when it is given back

Between BRPOP and HSET only the client, or the socket, has the task: if either is killed there, the
task is gone. A worker takes one task at a time, so that can only be the last one taken before."""
import json
import os
import re
from collections import deque


def commands_of(data):
    """The commands of one file as lists of words. What no crash may keep is left out: what follows
    the last trailer in a file of kv's, and a transaction without its end."""
    found, whole, at, inside = [], 0, 0, False
    sealed = data.startswith(b"#KVF:")

    def line():
        nonlocal at
        end = data.find(b"\r\n", at)
        if end < 0:
            raise EOFError
        at, got = end + 2, data[at:end]
        return got
    try:
        while at < len(data):
            head = line()
            if head.startswith(b"#"):
                whole = len(found) if head.startswith(b"#KVC:") else whole
                continue
            assert head.startswith(b"*"), head
            words = []
            for _ in range(int(head[1:])):
                length = int(line()[1:])
                words.append(data[at:at + length])
                at += length + 2
            if at > len(data):
                raise EOFError
            found.append(words)
            inside = words[0] == b"MULTI" or inside and words[0] != b"EXEC"
            whole = len(found) if not sealed and not inside else whole
    except EOFError:
        pass
    return found[:whole]


def commands(folder):
    """All commands of a log that has never been compacted, in order."""
    folder = os.path.join(folder, "appendonlydir")
    with open(os.path.join(folder, "appendonly.aof.manifest"), encoding="ascii") as opened:
        names = re.findall(r"^file (\S+) seq \d+ type i", opened.read(), re.M)
    found = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as opened:
            found += commands_of(opened.read())
    return found


def kombu_task(message):
    return json.loads(message)["headers"]["id"]


class Story:
    """What became of each task in the log of `folder`, up to now. `events` holds, for each id, what
    happened and at which command: pushed, taken, noted, ended."""

    def __init__(self, folder, queue=b"celery", db=b"0", task_of=kombu_task):
        self.task_of = task_of
        self.events, self.taken, self.queue, self.notes = {}, [], deque(), {}
        self.commands, chosen = commands(folder), b"0"
        for index, (name, *words) in enumerate(self.commands):
            name = name.upper()
            if name == b"SELECT":
                chosen = words[0]
            elif chosen == db and words and words[0] == queue:
                self._queue_changes(index, name, words[1:])
            elif chosen == db and words and words[0] == b"unacked":
                self._notes_change(index, name, words[1:])

    def _happens(self, index, task, what):
        self.events.setdefault(task, []).append((index, what))

    def _queue_changes(self, index, name, words):
        if name in (b"LPOP", b"RPOP"):
            assert not words, words
            task = self.queue.pop() if name == b"RPOP" else self.queue.popleft()
            self.taken.append((index, task))
            self._happens(index, task, "taken")
            return
        push = {b"LPUSH": self.queue.appendleft, b"RPUSH": self.queue.append}[name]
        [message] = words
        task = self.task_of(message)
        push(task)
        self._happens(index, task, "pushed")

    def _notes_change(self, index, name, words):
        if name == b"HSET":
            tag, message = words
            self.notes[tag] = json.loads(message)[0]["headers"]["id"]
            self._happens(index, self.notes[tag], "noted")
        else:
            assert name == b"HDEL", name
            for tag in words:
                self._happens(index, self.notes.pop(tag), "ended")

    def lost_by_clients(self):
        """Each time that a task was taken and never noted: (index, task)."""
        lost = []
        for task, events in self.events.items():
            hands = [event for event in events if event[1] in ("taken", "noted")]
            lost += [(index, task) for at, (index, what) in enumerate(hands) if what == "taken"
                     and (at + 1 == len(hands) or hands[at + 1][1] != "noted")]
        return lost

    def last_taken(self, kills):
        """The last that was taken before each of `kills`, which are numbers of commands."""
        return {max(taken for taken in self.taken if taken[0] < kill)[1] for kill in kills}

    def unexplained(self, kills):
        """What was taken and never noted, without having been the last that was taken before a
        kill."""
        last = [max((at for at, _ in self.taken if at < kill), default=-1) for kill in kills]
        return [(index, task) for index, task in self.lost_by_clients() if index not in last]
