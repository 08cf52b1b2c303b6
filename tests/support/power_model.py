"""Clients that write, and what the store must have afterwards.

Each writer has keys of its own and numbers its operations; so the store, at any time, must show it
the state after exactly `k` of them, and k lies between what it was promised and what it had sent.
Promised is what was answered under `always`; what anyone else had seen of it (readers, blocked
readers, subscribers, MONITOR); and what was answered to anyone before the request was sent that is
promised: there is one log. Under `everysec` it is what was answered a second and a sync ago. Some
operations also count up one number in one transaction, and their replies say what came before.
"""
import random
import threading
import time

import harness

FILLER = b"0123456789abcdef" * 100_000
SIZES = (0, 0, 10, 0, 300, 0, 40, 0, 2000, 0, 0, 5, 0, 700, 0, 9000) * 4 + (70_000,)
SLOTS = 5
GLOBAL = "g"
BESIDE = "beside"  # a key that no writer owns
SUFFIXES = {"i": "string", "m": "string", "a": "string", "b": "string", "t": "string",
            "l": "list", "h": "hash", "z": "zset", "x": "stream", "u": "set", "q": "string",
            "f": "hash", "y": "stream"}
ELSEWHERE = ("d", "e")  # in a database of the writer's own
SUFFIXES.update({f"s{slot}": "string" for slot in range(SLOTS)})
READ = {"string": ("GET",), "list": ("LRANGE", 0, -1), "hash": ("HGETALL",),
        "zset": ("ZRANGE", 0, -1, "WITHSCORES"), "stream": ("XRANGE", "-", "+"),
        "set": ("SMEMBERS",)}
DEADLINE = 4102444800000
SCRIPT = """redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[1], ARGV[2])
return redis.call('GET', KEYS[1])"""
NEVER = float("inf")
EVERYSEC_NS = 1_000_000_000
SLACK_NS = 400_000_000  # a timer comes late on a busy machine


def now():
    return time.monotonic_ns()


def read_keyspace(connection, writers):
    """{key: value in a form that can be compared}, in one go; the strange ones too."""
    names = [(f"{writer.name}:{suffix}", kind) for writer in writers
             for suffix, kind in SUFFIXES.items()]
    commands = [("KEYS", "*"), ("GET", GLOBAL)]
    commands += [(READ[kind][0], name, *READ[kind][1:]) for name, kind in names]
    for writer in writers:
        commands += [("PEXPIRETIME", writer.key("q")),
                     ("XPENDING", writer.key("y"), "g", "-", "+", 99),
                     ("HPEXPIRETIME", writer.key("f"), "FIELDS", 1, "f"),
                     ("SELECT", writer.database), ("KEYS", "*"),
                     ("MGET", *map(writer.key, ELSEWHERE)), ("SELECT", 0)]
    keys, counted, *values = connection.pipeline(commands)
    assert isinstance(keys, list), keys
    more = values[len(names):]
    found = {key.decode(): None for key in keys}
    if counted is not None:
        found[GLOBAL] = counted
    for (name, kind), value in zip(names, values):
        assert not isinstance(value, harness.Error), (name, value)
        if value is not None and value != []:
            found[name] = canonical(kind, value)
    for number, writer in enumerate(writers):
        deadline, pending, fields, _, others, (one, two), _ = more[7 * number:7 * number + 7]
        for key, what in ((writer.key("q"), deadline), (writer.key("f"), fields)):
            if key in found:
                found[key] = (found[key], what[0] if isinstance(what, list) else what)
        if writer.key("y") in found:
            found[writer.key("y")] = (found[writer.key("y")], tuple(entry[0] for entry in pending))
        found.update({key.decode(): None for key in others})
        found.update({writer.key(suffix): value for suffix, value in zip(ELSEWHERE, (one, two))
                      if value is not None})
    return found


def canonical(kind, value):
    if kind == "string":
        return value
    if kind == "set":
        return tuple(sorted(value))
    if kind in ("hash", "zset"):
        return tuple(sorted(zip(value[::2], value[1::2])))
    if kind == "stream":
        return tuple((entry[0], tuple(entry[1])) for entry in value)
    return tuple(value)


class Writer(threading.Thread):
    """`kinds`: which operations; those of IDEMPOTENT are said again until they are answered OK.
    `base` is what is there of it already."""

    def __init__(self, world, name, seed, kinds, base):
        super().__init__(daemon=True)
        self.world, self.name = world, name
        self.database = 5 + int(name[1:])
        self.chance = random.Random(seed)
        self.kinds = kinds or KINDS
        self.state = {key: value for key, value in base.items() if key.startswith(name + ":")}
        self.deltas = [self.state]  # by operation; the first is number 1
        self.sent = [0]      # when
        self.answered = [0]  # when; shorter than `sent` by those on their way
        self.counted = [0]   # the global number that an operation got; 0: not known; None: has none
        self.counters = {}   # value of i -> operation
        self.failure = None
        self.errors = 0

    def key(self, suffix):
        return f"{self.name}:{suffix}"

    def prepare(self):
        """The next operation: its commands, and the reply of which counts."""
        kind = self.chance.choice(self.kinds)
        commands, changes, counts = getattr(self, kind)(self.world.first + len(self.deltas))
        self.state = {**self.state, **changes}
        self.deltas.append(changes)
        self.counted.append(0 if counts else None)
        return commands

    # --- Operations -------------------------------------------------------------------------------

    def string(self, number):
        key = self.key(f"s{self.chance.randrange(SLOTS)}")
        value = b"%d:" % number + FILLER[:self.chance.choice(SIZES)]
        return [("SET", key, value)], {key: value}, False

    def large(self, number):
        key = self.key(f"s{self.chance.randrange(SLOTS)}")
        value = b"%d:" % number + FILLER[:self.chance.randrange(400_000)]
        return [("SET", key, value)], {key: value}, False

    def incr(self, _):
        value = int(self.state.get(self.key("i"), 0)) + 1
        self.counters[value] = len(self.deltas)
        return [("INCR", self.key("i"))], {self.key("i"): b"%d" % value}, False

    def transaction(self, number):
        value = b"%d" % number
        items = (self.state.get(self.key("l")) or ()) + (value,)
        commands = [("MULTI",), ("SET", self.key("a"), value), ("SET", self.key("b"), value),
                    ("RPUSH", self.key("l"), value)]
        if len(items) > 20:
            items = items[1:]
            commands.append(("LPOP", self.key("l")))
        return commands + [("PUBLISH", "news", f"{self.name} {number}"), ("EXEC",)], {
            self.key("a"): value, self.key("b"): value, self.key("l"): items}, False

    def count(self, number):
        """Takes a place in the one order of all."""
        value = b"%d" % number
        return [("MULTI",), ("SET", self.key("m"), value), ("INCR", GLOBAL), ("EXEC",)], {
            self.key("m"): value}, True

    def script(self, number):
        field = b"f%d" % (number % 13)
        keys = [self.key("t"), self.key("h"), self.key("z")]
        value = b"%d" % number
        return [("EVAL", SCRIPT, 3, *keys, value, field)], {
            keys[0]: value, keys[1]: merged(self.state.get(keys[1]), field, value),
            keys[2]: merged(self.state.get(keys[2]), field, value)}, False

    def stream(self, number):
        key = self.key("x")
        entry = (b"%d-1" % number, (b"n", b"%d" % number))
        entries = (self.state.get(key) or ())[-9:] + (entry,)
        return [("XADD", key, "MAXLEN", 10, entry[0], "n", number)], {key: entries}, False

    def members(self, number):
        key, member = self.key("u"), b"%d" % (number % 40)
        old = self.state.get(key) or ()
        if member in old:
            left = tuple(one for one in old if one != member)
            return [("SREM", key, member)], {key: left or None}, False
        return [("SADD", key, member)], {key: tuple(sorted(old + (member,)))}, False

    def delete(self, _):
        """Of several keys, whole."""
        keys = [self.key("s0"), self.key("a"), self.key("q")]
        return [("DEL", *keys)], dict.fromkeys(keys), False

    def deadline(self, number):
        key, value = self.key("q"), b"%d" % number
        return [("SET", key, value, "PXAT", DEADLINE + number)], {
            key: (value, DEADLINE + number)}, False

    def several(self, number):
        value = b"%d" % number
        keys = [self.key("a"), self.key("s1"), self.key("m")]
        return [("MSET", keys[0], value, keys[1], value, keys[2], value)], dict.fromkeys(
            keys, value), False

    def rename(self, number):
        value = b"%d" % number
        return [("MULTI",), ("SET", self.key("r"), value), ("RENAME", self.key("r"), self.key("b")),
                ("EXEC",)], {self.key("b"): value}, False

    def elsewhere(self, number):
        value = b"%d" % number
        commands = [("MULTI",), ("SELECT", self.database)]
        changes = {self.key("d"): value}
        if number % 5 == 0:
            commands.append(("FLUSHDB",))
            changes[self.key("e")] = None
        if number % 3 == 0:
            commands.append(("SET", self.key("e"), value))
            changes[self.key("e")] = value
        return commands + [("SET", self.key("d"), value), ("SELECT", 0), ("EXEC",)], changes, False

    def field(self, number):
        """A field of a hash, with a deadline of its own."""
        key, value = self.key("f"), b"%d" % number
        return [("MULTI",), ("HSET", key, "f", value),
                ("HPEXPIREAT", key, DEADLINE + number, "FIELDS", 1, "f"), ("EXEC",)], {
                    key: (((b"f", value),), DEADLINE + number)}, False

    def group(self, number):
        """A consumer takes an entry; of every second it says that it is done."""
        key, entry = self.key("y"), b"%d-1" % number
        entries, pending = self.state.get(key) or ((), ())
        commands = [("MULTI",), ("XADD", key, "MAXLEN", 10, entry, "n", number),
                    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">")]
        if not entries:
            commands.insert(0, ("XGROUP", "CREATE", key, "g", 0, "MKSTREAM"))
        entries = entries[-9:] + ((entry, (b"n", b"%d" % number)),)
        pending += (entry,)
        if number % 2:
            done, pending = pending[:2], pending[2:]
            commands.append(("XACK", key, "g", *done))
        return commands + [("EXEC",)], {key: (entries, pending)}, False

    # --- Life -------------------------------------------------------------------------------------

    def run(self):
        try:
            self.write()
        except (EOFError, ConnectionError):
            pass
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def write(self):
        with self.world.connect() as connection:
            while not self.world.done:
                depth = self.chance.choice(self.world.depths)
                pieces = [self.prepare() for _ in range(depth)]
                self.sent += [now()] * depth
                connection.send_bytes(b"".join(harness.request(*words) for commands in pieces
                                               for words in commands))
                for commands in pieces:
                    replies = [connection.read() for _ in commands]
                    while self.world.faulty and any(map(is_error, replies)):
                        assert depth == 1
                        self.errors += 1
                        time.sleep(0.002)
                        replies = [connection(*words) for words in commands]
                    self.take(replies)
                if self.world.policies[-1][1] in ("everysec", "no") and (
                        self.chance.random() < 0.02):
                    reply = connection("WAITAOF", 1, 0, 1500)
                    if reply[0] == 1:
                        self.world.seen.append((now(), self, len(self.answered) - 1))
                        self.world.confirmed += 1
                while self.world.hold and not self.world.done:
                    time.sleep(0.01)
                if self.world.pause:
                    time.sleep(self.chance.uniform(0, 2 * self.world.pause))

    def take(self, replies):
        number = len(self.answered)
        assert not any(map(is_error, replies)), (self.name, number, replies)
        if self.counted[number] == 0:
            self.counted[number] = replies[-1][1]
        self.answered.append(now())

    # --- Judgement --------------------------------------------------------------------------------

    def matches(self, found, low, high):
        """Those k from low to high after which the state is the one that was found."""
        state = {}
        for changes in self.deltas[:low + 1]:
            state.update(changes)
        mine = {key: value for key, value in found.items() if key.startswith(self.name + ":")}
        keys = set(mine) | set(state)
        wrong = {key for key in keys if state.get(key) != mine.get(key)}
        fitting = [] if wrong else [low]
        for number in range(low + 1, high + 1):
            for key, value in self.deltas[number].items():
                if value == mine.get(key):
                    wrong.discard(key)
                else:
                    wrong.add(key)
            if not wrong:
                fitting.append(number)
        return fitting


KINDS = ["string", "string", "incr", "transaction", "count", "count", "script", "stream", "members",
         "delete", "deadline", "several", "rename", "elsewhere", "field", "group"]
IDEMPOTENT = ["string", "string", "script", "delete", "deadline", "several", "rename",
              "elsewhere", "field"]
LARGE = ["large", "large", "incr", "count"]


def merged(pairs, field, value):
    return tuple(sorted({**dict(pairs or ()), field: value}.items()))


def is_error(reply):
    return isinstance(reply, harness.Error)


class World:
    """All clients of one life, and when which policy held. `connect` gives a connection; `base` is
    what is there already."""

    def __init__(self, connect, policy="always", seed=1, writers=3, kinds=None, pause=0.0,
                 depths=(1, 1, 1, 2, 6), faulty=False, base=None, first=0):
        self.connect, self.pause, self.depths, self.faulty = connect, pause, depths, faulty
        self.done = self.hold = False
        self.slack = SLACK_NS
        self.confirmed = 0  # by WAITAOF
        self.first = first  # so many operations in the lives before
        self.counted = int((base or {}).get(GLOBAL) or 0)
        self.policies = [(0, policy)]
        self.seen = []  # (when, writer, operation): promised by what others saw, or by WAITAOF
        self.writers = [Writer(self, f"w{number}", seed * 100 + number, kinds, base or {})
                        for number in range(writers)]
        self.watchers = [] if faulty else [
            threading.Thread(target=self.watch, args=(how,), daemon=True)
            for how in (self.read, self.block, self.subscribe, self.monitor)]
        self.failures = []

    def start(self):
        for thread in self.writers + self.watchers:
            thread.start()

    def stop(self):
        self.done = True

    def join(self):
        for thread in self.writers + self.watchers:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs"
        for writer in self.writers:
            if writer.failure:
                raise writer.failure
        if self.failures:
            raise self.failures[0]

    def change_policy(self, policy, command):
        """Until it is answered, the weaker of the two is what is promised."""
        order = ("always", "everysec", "no", "off")
        before = self.policies[-1][1]
        self.policies.append((now(), max(before, policy, key=order.index)))
        reply = command()
        assert not is_error(reply), reply
        self.policies.append((now(), policy))

    def saved(self, save):
        """What was answered before a SAVE is promised when that is answered."""
        before = [(writer, len(writer.answered) - 1) for writer in self.writers]
        reply = save()
        assert not is_error(reply), reply
        self.seen += [(now(), writer, number) for writer, number in before]

    # --- Who sees changes of others ---------------------------------------------------------------

    def watch(self, how):
        try:
            with self.connect() as connection:
                connection.socket.settimeout(0.5)
                how(connection)
        except (EOFError, ConnectionError, TimeoutError):
            pass
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def saw(self, writer, number):
        if self.policies[-1][1] == "always":
            self.seen.append((now(), writer, number))

    def saw_number(self, name, number):
        writer = next(one for one in self.writers if one.name == name)
        self.saw(writer, max(0, int(number) - self.first))

    def read(self, connection):
        while not self.done:
            for writer in self.writers:
                value = connection("GET", writer.key("i"))
                if value is not None and not is_error(value):
                    self.saw(writer, writer.counters.get(int(value), 0))
            time.sleep(0.001)

    def block(self, connection):
        last = {writer.key("x"): "0" for writer in self.writers}
        while not self.done:
            got = connection("XREAD", "BLOCK", 50, "STREAMS", *last, *last.values())
            for name, entries in got or ():
                last[name.decode()] = entries[-1][0]
                self.saw_number(name.decode().split(":")[0], entries[-1][1][1])

    def subscribe(self, connection):
        connection("SUBSCRIBE", "news")
        while not self.done:
            self.saw_number(*connection.read()[2].decode().split())

    def monitor(self, connection):
        connection("MONITOR")
        while not self.done:
            words = str(connection.read()).split(" ")
            if words[3] == '"SET"' and words[4].endswith(':m"'):
                self.saw_number(words[4][1:].split(":")[0], words[5].strip('"'))

    # --- Judgement --------------------------------------------------------------------------------

    def policy_at(self, when):
        return [policy for begin, policy in self.policies if begin <= when][-1]

    def promised_at(self, when):
        """From what time on what was answered at `when` must outlive a cut."""
        policy = self.policy_at(when)
        if policy == "off":
            later = [begin for begin, policy in self.policies if begin > when and policy != "off"]
            return self.promised_at(later[0]) if later else NEVER
        return {"always": when, "everysec": when + EVERYSEC_NS + self.slack, "no": NEVER}[policy]

    def limits(self, cut):
        """{writer: (low, high)}: of how many operations the state may be."""
        covered = 0  # answers up to then are in the log before something that is promised
        low = {}
        for writer in self.writers:
            low[writer] = 0
            for number, when in enumerate(writer.answered):
                if when > cut:
                    break
                if number and self.promised_at(when) <= cut:
                    low[writer] = number
                    covered = max(covered, writer.sent[number])
        for when, writer, number in self.seen:
            if when <= cut:
                low[writer] = max(low[writer], number)
        found = {}
        for writer in self.writers:
            answered = sum(1 for when in writer.answered if when <= covered and when <= cut) - 1
            sent = sum(1 for when in writer.sent if when <= cut) - 1
            found[writer] = (max(low[writer], answered), sent)
        return found

    def judge(self, found, limits):
        """What is wrong with what was found, or None; and {writer: k}."""
        counts = {}
        total = least = self.counted
        for writer, (low, high) in limits.items():
            fitting = writer.matches(found, low, high)
            if not fitting:
                return describe(writer, found, low, high), None
            # Where several fit, nothing changed in between; the last is as good as the first.
            counts[writer] = fitting[-1]
            has = [number for number in writer.counted[1:fitting[-1] + 1] if number is not None]
            total += len(has)
            least = max([least] + has)
        counted = int(found.get(GLOBAL) or 0)
        if counted != total or least > counted:
            return f"{counted} were counted, {total} are there, up to number {least}", None
        names = {writer.name for writer in self.writers}
        strange = [key for key in found
                   if key not in (GLOBAL, BESIDE) and key.split(":")[0] not in names]
        return (f"keys that nobody wrote: {strange}" if strange else None), counts


def describe(writer, found, low, high):
    anything = writer.matches(found, 0, len(writer.deltas) - 1)
    state = {}
    for changes in writer.deltas[:low + 1]:
        state.update(changes)
    keys = set(state) | {key for key in found if key.startswith(writer.name + ":")}
    differ = {key: (str(state.get(key))[:60], str(found.get(key))[:60]) for key in keys
              if state.get(key) != found.get(key)}
    return (f"{writer.name}: no state after {low} (promised) to {high} (sent) operations; fits "
            f"{anything[:5]}; differs from the first in {dict(list(differ.items())[:6])}")
