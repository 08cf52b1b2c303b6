"""What a power cut could have left of a directory, from a recording of system calls.

    recorder = Recorder(folder, data)          # compiles tests/crash/power_recorder.c
    process = Popen(..., env=recorder.environment())
    ...
    disk = Disk(recorder.start)                # all that was there at the start is durable
    for moment in moments(disk, recorder.operations()):
        ...                                    # disk is as at `moment`; a cut comes now
        disk.write(disk.cut(mood, chance), elsewhere)

What we hold the disk to is what POSIX promises, and what file systems do at their worst:
 1. What was written before a sync of the file began is there once that sync has returned 0. A sync
    of a file says nothing about its name: that takes a sync of its directory. An O_DSYNC write is
    its own sync.
 2. Else each sector of 512 bytes is on its own: as it was before, or after any of the writes since
    (a file system may write pages whenever it likes); what lay behind the durable end was zero.
 3. A file's size follows its writes and truncations in their order, but not together with their
    data.
 4. Each change of a directory since its last sync is there or not, on its own; a rename between two
    directories may be half done when one of them was synced.
 5. A sync that failed makes clean what it covered: no later sync brings that back. It may be there
    or not, for ever.
 6. Calls that have not returned may have happened, wholly or in part.
"""
import mmap
import os
import struct
import subprocess

import kv

SOURCE = os.path.join(kv.ROOT, "tests", "crash", "power_recorder.c")
SECTOR = 512
CONTROL_BYTES = 4096
RECORD = struct.Struct("<QQQQQQQqqqqQQQ")
NAMES = ("open", "write", "truncate", "allocate", "sync", "sync_all", "rename", "link", "unlink",
         "mkdir", "rmdir")
FAILING = ("open", "write", "truncate", "sync", "rename", "unlink")
FIELDS = ("used", "size", "sync_us", "fail_mask", "fail_skip", "fail_count", "fail_errno", "failed",
          "space", "no_allocate", "device")
ROOT = ""
VERSIONS_MAX = 8  # of a file, to choose each sector from
O_TRUNC = os.O_TRUNC
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
NEVER = 1 << 63
AFTERWARDS_NS = 50_000_000  # when clients have got their last answers


def build(folder):
    """The shared object, made once a folder."""
    path = os.path.join(folder, "power_recorder.so")
    if not os.path.exists(path):
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-shared",
                        "-fPIC", "-o", path + ".new", SOURCE, "-ldl"], check=True)
        os.rename(path + ".new", path)
    return path


class Operation:
    __slots__ = ("kind", "begin", "end", "inode", "parent", "to_parent", "result", "a", "b", "c",
                 "name", "to", "data", "covers")

    def __repr__(self):
        return (f"{self.kind} {self.name}{'>' + self.to if self.to else ''} #{self.inode} "
                f"{self.a},{self.b},{self.c} +{len(self.data)} = {self.result}")


class Recorder:
    """One run of programs on `data`, a directory that lies alone on its part of a device."""

    def __init__(self, folder, data, size=256 << 20):
        self.data = data
        self.path = os.path.join(folder, "recording")
        with open(self.path, "wb") as created:
            created.truncate(size)
        with open(self.path, "r+b") as opened:
            self.map = mmap.mmap(opened.fileno(), size)
        self.library = build(folder)
        self.begin()
        self.set(size=size, space=-1, device=os.stat(data).st_dev)

    def begin(self):
        """Forget all records; what is in the directory now is where the next ones start."""
        used = self.get("used")
        if used > CONTROL_BYTES:
            self.map[CONTROL_BYTES:used] = bytes(used - CONTROL_BYTES)
        self.set(used=CONTROL_BYTES)
        self.start = tree(self.data)

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("<q", self.map, 8 * FIELDS.index(name), value)

    def get(self, name):
        return struct.unpack_from("<q", self.map, 8 * FIELDS.index(name))[0]

    def fail(self, *kinds, skip=0, count=1, errno=0):
        """Of these calls, the next `count` after `skip` fail; errno 0 means half a write."""
        self.set(fail_mask=0)
        self.set(fail_skip=skip, fail_count=count, fail_errno=errno, failed=0)
        self.set(fail_mask=sum(1 << NAMES.index(kind) for kind in kinds))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": self.library, "KV_POWER_RECORD": self.path}

    def close(self):
        self.map.close()

    def operations(self):
        found, at, used = [], CONTROL_BYTES, self.get("used")
        while at < used:
            (size, end, begin, kind, inode, parent, to_parent, result, a, b, c, name_len, to_len,
             data_len) = RECORD.unpack_from(self.map, at)
            if not size:  # died before it had written its record
                break
            one = Operation()
            one.kind, one.begin, one.end = NAMES[kind], begin, end or NEVER
            one.inode, one.parent, one.to_parent = inode, parent, to_parent
            one.result, one.a, one.b, one.c = result if end else 0, a, b, c
            data = at + RECORD.size
            one.name = self.map[data:data + name_len].decode()
            one.to = self.map[data + name_len:data + name_len + to_len].decode()
            data += name_len + to_len
            one.data = self.map[data:data + data_len]
            found.append(one)
            at += size
        return sorted(found, key=lambda operation: operation.begin)


class Directory:
    def __init__(self, entries=None):
        self.entries = entries or {}
        self.pending = []  # (operation, name, inode or None)


class File:
    def __init__(self, content=b""):
        self.content = bytearray(content)
        self.pending = []  # (operation, "write", offset, bytes) or (operation, "size", size, grow)
        self.lost = set()  # operations that a failed sync has made clean


def tree(path):
    """{inode: Directory or File}, and the root's inode under ROOT."""
    found = {}

    def visit(at):
        inode = os.stat(at).st_ino
        if os.path.isdir(at):
            found[inode] = Directory({name: visit(os.path.join(at, name))
                                      for name in os.listdir(at)})
        elif inode not in found:
            with open(at, "rb") as opened:
                found[inode] = File(opened.read())
        return inode
    found[ROOT] = visit(path)
    return found


class Disk:
    def __init__(self, start):
        self.root = start[ROOT]
        self.nodes = {}
        for inode, node in start.items():
            if inode == ROOT:
                continue
            self.nodes[inode] = (Directory(dict(node.entries)) if isinstance(node, Directory)
                                 else File(node.content))

    # --- What happens, in order -------------------------------------------------------------------

    def began(self, one):
        """A call begins: from now on it may have happened. `one.result` is what will come of it; a
        write that failed may have written."""
        if one.kind == "write":
            node = self.nodes.get(one.inode)
            if isinstance(node, File) and one.data:
                data = one.data[:one.result] if one.result > 0 else one.data
                node.pending.append((one, "write", one.a, data))
        elif one.kind == "sync":
            node = self.nodes.get(one.inode)
            one.covers = [change for change in node.pending
                      if change[0].end < one.begin] if node else []
        elif one.kind == "sync_all":
            one.covers = {inode: [change for change in node.pending if change[0].end < one.begin]
                      for inode, node in self.nodes.items()}
        elif one.result >= 0:
            self.changed(one)

    def changed(self, one):
        """One that is whole or not at all."""
        file = self.nodes.get(one.inode)
        parent, to_parent = self.nodes.get(one.parent), self.nodes.get(one.to_parent)
        if one.kind == "open":
            if parent is not None and one.inode and one.inode not in self.nodes:
                self.nodes[one.inode] = File()
                parent.pending.append((one, one.name, one.inode))
            elif one.a & O_TRUNC and isinstance(file, File):
                file.pending.append((one, "size", 0, False))
        elif one.kind == "mkdir" and parent is not None:
            self.nodes[one.inode] = Directory()
            parent.pending.append((one, one.name, one.inode))
        elif one.kind == "truncate" and isinstance(file, File):
            file.pending.append((one, "size", one.a, False))
        elif one.kind == "allocate" and isinstance(file, File):
            if one.b & (PUNCH_HOLE | ZERO_RANGE):
                file.pending.append((one, "write", one.a, bytes(one.c)))
            elif not one.b & KEEP_SIZE:
                file.pending.append((one, "size", one.a + one.c, True))
        elif one.kind in ("unlink", "rmdir") and parent is not None:
            parent.pending.append((one, one.name, None))
        elif one.kind in ("rename", "link"):
            if to_parent is not None and file is not None:
                to_parent.pending.append((one, one.to, one.inode))
            if parent is not None and one.kind == "rename":
                exchanged = one.b if one.a & 2 else None
                parent.pending.append((one, one.name, exchanged))
                # Removed first, where both are in one directory and the order counts.
                if parent is to_parent:
                    parent.pending[-2:] = parent.pending[:-3:-1]

    def ended(self, one):
        if one.kind == "sync":
            self.synced(self.nodes.get(one.inode), one.covers, one.result == 0)
        elif one.kind == "sync_all":
            for inode, changes in one.covers.items():
                self.synced(self.nodes[inode], changes, one.result == 0)
        elif one.kind == "write" and one.b and one.result > 0:
            node = self.nodes.get(one.inode)
            if isinstance(node, File):
                self.synced(node, [change for change in node.pending if change[0] is one], True)
        elif one.kind == "write" and one.result < 0:
            node = self.nodes.get(one.inode)
            if isinstance(node, File) and one.data:
                node.lost.add(one)

    def synced(self, node, changes, good):
        if node is None:
            return
        if isinstance(node, Directory):
            if good:
                for change in changes:
                    if change in node.pending:
                        node.pending.remove(change)
                        apply_name(node.entries, change)
            return
        if not good:
            node.lost.update(change[0] for change in changes)
            return
        for change in changes:
            if change[0] not in node.lost and change in node.pending:
                node.pending.remove(change)
                apply_bytes(node.content, change)

    # --- A cut ------------------------------------------------------------------------------------

    def cut(self, mood, chance):
        """{path: bytes, or None for a directory}: what is left. Moods: see MOODS."""
        named = self.names(mood, chance)
        found = {}
        contents = {}

        def visit(inode, path):
            node = self.nodes[inode]
            if isinstance(node, File):
                if inode not in contents:
                    contents[inode] = left_of(node, mood, chance)
                found[path] = contents[inode]
                return
            if path:
                found[path] = None
            for name, child in named[inode].items():
                visit(child, f"{path}/{name}" if path else name)
        visit(self.root, "")
        return found

    def names(self, mood, chance):
        """The entries of each directory."""
        pending = [node.pending for node in self.nodes.values() if isinstance(node, Directory)]
        order = sorted({id(change[0]): change[0] for changes in pending for change in changes}
                       .values(), key=lambda one: one.begin)
        how = mood[0]
        if how == "n":
            kept = []
        elif how == "a":
            kept = order
        elif how == "p":
            kept = order[:chance.randint(0, len(order))]
        else:
            kept = [one for one in order if chance.random() < 0.5]
        kept = set(map(id, kept))
        found = {}
        for inode, node in self.nodes.items():
            if isinstance(node, Directory):
                found[inode] = dict(node.entries)
                for change in node.pending:
                    if id(change[0]) in kept:
                        apply_name(found[inode], change)
        return found

    def everything(self):
        """As the programs see it."""
        return self.cut("aa", None)


# Names: none, all, a prefix of what is not synced, or each by chance. Bytes: none, all, a prefix
# with one torn write, each sector by chance, or sizes without data.
MOODS = [names + data for names in "napr" for data in "naptrz"]


def apply_name(entries, change):
    _, name, inode = change
    if inode is None:
        entries.pop(name, None)
    else:
        entries[name] = inode


def apply_bytes(content, change):
    _, kind, at, what = change
    if kind == "write":
        if len(content) < at:
            content.extend(bytes(at - len(content)))
        content[at:at + len(what)] = what
    elif len(content) > at and not what:
        del content[at:]
    elif len(content) < at:
        content.extend(bytes(at - len(content)))


def left_of(node, mood, chance):
    how = mood[1]
    if not node.pending or how == "n":
        return bytes(node.content)
    count = len(node.pending)
    if how in "ap":
        content = bytearray(node.content)
        for change in node.pending[:count if how == "a" else chance.randint(0, count)]:
            if how == "p" or change[0].result >= 0:
                apply_bytes(content, change)
        return bytes(content)
    last = chance.randint(1, count)
    kept = {last - 1, last} if how == "t" else set(
        chance.sample(range(count + 1), min(count + 1, VERSIONS_MAX)))
    versions = [bytes(node.content)]
    step = bytearray(node.content)
    sizes = [len(step)]
    for number, change in enumerate(node.pending, 1):
        apply_bytes(step, change)
        sizes.append(len(step))
        if number in kept:
            versions.append(bytes(step))
    if how == "t":  # a prefix, whose last write is torn
        return mix(versions[-2:], sizes[last], chance)
    if how == "z":
        versions = versions[:1]
    return mix(versions, sizes[chance.randint(0, count)], chance)


def mix(versions, size, chance):
    """Each sector by chance from one of them; where one is too short, zeros."""
    padded = [version[:size].ljust(size, b"\0") for version in versions]
    content = bytearray(padded[0])
    same = 0
    while same < size and all(version[same:same + SECTOR] == padded[0][same:same + SECTOR]
                              for version in padded[1:]):
        same += SECTOR
    way = chance.randrange(4)
    edge = same + SECTOR * chance.randint(0, max(0, (size - same) // SECTOR))
    for at in range(same, size, SECTOR):
        if way == 0:      # up to a point
            version = padded[-1 if at < edge else 0]
        elif way == 1:    # from a point on
            version = padded[-1 if at >= edge else 0]
        elif way == 2:    # all but one
            version = padded[0 if at == edge else -1]
        else:
            version = chance.choice(padded)
        content[at:at + SECTOR] = version[at:at + SECTOR]
    return bytes(content)


def write_tree(files, path):
    os.makedirs(path)
    for name, content in sorted(files.items()):
        at = os.path.join(path, name)
        if content is None:
            os.makedirs(at, exist_ok=True)
        else:
            with open(at, "wb") as out:
                out.write(content)


def moments(disk, operations):
    """Lets the disk live through all of it, and yields (time, next) in between: a cut may come at
    any time from the last call's beginning or end up to `time`, when the next begins or ends."""
    events = [(one.begin, 0, number, one) for number, one in enumerate(operations)]
    events += [(one.end, 1, number, one) for number, one in enumerate(operations)
               if one.end != NEVER]
    events.sort(key=lambda event: event[:3])
    for time, what, _, one in events:
        yield time, one
        if what == 0:
            disk.began(one)
        else:
            disk.ended(one)
    yield events[-1][0] + AFTERWARDS_NS, None
