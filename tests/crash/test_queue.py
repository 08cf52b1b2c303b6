"""SIGKILL of a server whose lists are queues, many times over, under each policy.

Producers push numbered elements, several at once; consumers wait for them with BLPOP and BLMPOP,
others move them on with BLMOVE. Afterwards each element that was pushed and acknowledged is in
exactly one place: in a queue, or with a consumer. Only what was popped for a consumer whose reply
did not arrive any more may be missing: as many as were being asked for. What a consumer has got is
in no queue; what one request pushed is there whole or not at all; a queue that is only pushed to
and popped from keeps each producer's order.
"""
import os
import random
import threading
import time

import kv

ROUNDS = int(os.environ.get("KV_QUEUE_ROUNDS", "40"))
POLICIES = ("always", "always", "everysec", "no")
QUEUES = ("q0", "q1", "q2")  # nothing is moved into the first
POP_MOST = 3


def request(*words):
    words = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Reply:
    """Reads replies; None when the server has died."""

    def __init__(self, raw):
        self.file = raw.socket.makefile("rb")

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b":":
            return int(rest)
        if kind == b"$" and rest != b"-1":
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise EOFError
            return data[:-2].decode()
        if kind == b"*" and rest != b"-1":
            return [self.read() for _ in range(int(rest))]
        assert kind in b"$*", line
        return None


class Actor(threading.Thread):
    """Does its work over and over until the server dies."""

    def __init__(self, port, seed):
        super().__init__()
        self.port, self.chance = port, random.Random(seed)
        self.failure = None

    def run(self):
        try:
            with kv.Raw(("127.0.0.1", self.port)) as raw:
                replies = Reply(raw)
                while True:
                    self.work(raw, replies)
        except (OSError, EOFError):
            pass
        except AssertionError as failure:
            self.failure = failure


class Producer(Actor):
    def __init__(self, port, seed, name, first):
        super().__init__(port, seed)
        self.name, self.next = name, first
        self.sent, self.acknowledged = [], 0  # groups of elements

    def work(self, raw, replies):
        data, depth = b"", self.chance.choice((1, 1, 1, 5))
        for _ in range(depth):
            count = self.chance.randint(1, 3)
            group = [f"{self.name}:{self.next + i}" for i in range(count)]
            self.next += count
            self.sent.append(group)
            data += request("RPUSH", self.chance.choice(QUEUES), *group)
        raw.send(data)
        for _ in range(depth):
            assert replies.read() > 0
            self.acknowledged += 1


class Consumer(Actor):
    def __init__(self, port, seed):
        super().__init__(port, seed)
        self.got, self.asked = [], 0

    def work(self, raw, replies):
        queues = self.chance.sample(QUEUES, 2)
        if self.chance.random() < 0.5:
            self.asked = 1
            raw.send(request("BLPOP", *queues, self.chance.choice((0, 0.01))))
        else:
            self.asked = POP_MOST
            raw.send(request("BLMPOP", 0.02, 2, *queues, "LEFT", "COUNT", POP_MOST))
        reply = replies.read()
        if reply:
            self.got += reply[1] if isinstance(reply[1], list) else [reply[1]]
        self.asked = 0


class Mover(Actor):
    def work(self, raw, replies):
        target = self.chance.choice(QUEUES[1:])
        raw.send(request("BLMOVE", self.chance.choice(QUEUES), target, "LEFT", "RIGHT", 0.01))
        replies.read()


class History:
    """What is known of every element of a data set."""

    def __init__(self):
        self.expected = set()  # in a queue, by the last look
        self.gone = set()      # with a consumer, or lost on the way to one
        self.next = {}         # first number of each producer's next life

    def check(self, server, producers, consumers):
        with server.raw() as raw:
            replies = Reply(raw)
            queues = []
            for queue in QUEUES:
                raw.send(request("LRANGE", queue, 0, -1))
                queues.append(replies.read())
        present = [element for queue in queues for element in queue]
        found = set(present)
        assert len(found) == len(present), "an element is there twice"
        got = [element for consumer in consumers for element in consumer.got]
        assert len(set(got)) == len(got), "an element was handed out twice"
        back = found & (self.gone | set(got))
        assert not back, f"came back after they were handed out: {sorted(back)[:5]}"
        known = found | set(got)
        must, may = set(self.expected), set(self.expected)
        for producer in producers:
            for number, group in enumerate(producer.sent):
                may.update(group)
                if number < producer.acknowledged or known.intersection(group):
                    must.update(group)
        assert known <= may, f"never pushed: {sorted(known - may)[:5]}"
        missing = must - known
        asked = sum(consumer.asked for consumer in consumers)
        assert len(missing) <= asked, f"lost {len(missing)}, {asked} asked: {sorted(missing)[:9]}"
        for producer in producers:
            numbers = [int(element.partition(":")[2]) for element in queues[0]
                       if element.startswith(producer.name + ":")]
            assert numbers == sorted(numbers), f"{producer.name}: out of order in q0"
            self.next[producer.name] = producer.next
        self.expected = found
        self.gone |= set(got) | missing
        return len(got), len(missing)


def one_life(server, history, chance, seconds):
    port = server.port
    producers = [Producer(port, chance.random(), f"p{i}", history.next.get(f"p{i}", 0))
                 for i in range(3)]
    consumers = [Consumer(port, chance.random()) for _ in range(4)]
    movers = [Mover(port, chance.random())]
    actors = producers + consumers + movers
    chance.shuffle(actors)
    for actor in actors:
        actor.start()
    time.sleep(seconds)
    server.kill()
    for actor in actors:
        actor.join()
        if actor.failure:
            raise actor.failure
    return producers, consumers


def test_no_element_is_lost_or_handed_out_twice(tmp_path):
    chance = random.Random(31)
    history = History()
    handed_out = lost = pushed = 0
    server = kv.Server(tmp_path, start=False)
    try:
        for round_ in range(ROUNDS):
            server.start("--appendfsync", POLICIES[round_ % len(POLICIES)],
                         "--list-max-listpack-size", chance.choice(("4", "-2")))
            producers, consumers = one_life(server, history, chance, chance.uniform(0.01, 0.15))
            server.start("--list-compress-depth", chance.choice(("0", "1")))
            got, missing = history.check(server, producers, consumers)
            server.kill()
            handed_out += got
            lost += missing
            pushed += sum(len(producer.sent) for producer in producers)
    finally:
        server.kill()
    assert handed_out > ROUNDS * 5
    print(f"{ROUNDS} rounds, {pushed} pushes, {handed_out} elements handed out, "
          f"{lost} on their way when the server died")
