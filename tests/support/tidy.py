#!/usr/bin/python3
"""The rules of the house, as a test: which way includes go, who may call what, sizes, names.

Each function rule_* looks at the whole tree and yields breaches, one line each; a rule without a
breach has passed. Sources are read with comments and strings blanked out, so that text about a
call is not taken for one. The last line is `N passed, N failed`.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = "build/debug"

FILE_LINES_MAX = 700
HEADER_LINES_MAX = 149
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

TOP_LEVEL = {
    "tools", "core", "persistence", "net", "tests", "fixtures", "Makefile", "configure",
    "Dockerfile", "docker-compose.yml", "docker-compose-personal.yml", "CHANGELOG.md",
    "README.md", "ARCHITECTURE.md", "LICENSE", "kv.conf", ".ci", ".gitignore", ".dockerignore",
}
CORE_FOLDERS = {"base", "ds", "type", "cmd", "script"}

# From each layer, the folders whose headers it may include. Arrows go down only, and what stands
# side by side does not know each other.
MAY_INCLUDE = {
    "core/base": {"core/base"},
    "core/ds": {"core/base", "core/ds"},
    "core/type": {"core/base", "core/ds", "core/type"},
    "core": {"core/base", "core/ds", "core/type", "core"},
    "core/cmd": {"core/base", "core/ds", "core/type", "core", "core/cmd", "core/script"},
    "core/script": {"core/base", "core/ds", "core/type", "core", "core/cmd", "core/script"},
    "persistence": {"core/base", "core/ds", "core/type", "core", "persistence"},
    "net": {"core/base", "core/ds", "core/type", "core", "net"},
    "tools": {"core/base", "core/ds", "core/type", "core", "core/cmd", "core/script",
              "persistence", "net", "tools"},
}
# A program that repairs files has no business with sockets.
ONLY_SERVER_INCLUDES = "net"
SERVER_SOURCES = re.compile(r"^tools/kv_server\w*\.[ch]$")

# (rule, file or folder, name): the reason. Anything not listed here is a breach.
ALLOWED = {
    ("calls", "core/base/fault.c", "abort"): "kv_assert_failed: a bug of ours stops the process",
    ("calls", "core/base/attr.c", "abort"): "kv_assert_failed: a bug of ours stops the process",
    ("calls", "core/base/mem.c", "abort"): "no memory left: mem_alloc never fails to its caller",
    ("calls", "core/base/mem.c", "fopen"): "reads /proc/self/statm, no file of the user's",
    ("calls", "net", "write"): "a socket or an eventfd, not a file",
    ("calls", "net", "writev"): "a socket, not a file",
    ("calls", "net", "unlink"): "the name of a Unix socket",
    ("calls", "tools/kv_server_process.c", "fork"): "daemonize, before there is a thread",
}
DURABLE_CALLS = ("write pwrite writev pwritev pwritev2 fsync fdatasync sync syncfs rename renameat "
                 "renameat2 ftruncate truncate fallocate posix_fallocate unlink unlinkat remove "
                 "sync_file_range posix_fadvise creat mkstemp fopen fwrite copy_file_range "
                 "sendfile mkdir rmdir link symlink").split()
EXIT_CALLS = "exit _exit _Exit quick_exit abort".split()
FORK_CALLS = "fork vfork clone posix_spawn popen system daemon".split()
# What core must be given through a port: files, sockets, clocks, chance.
WORLD_CALLS = ("open openat socket connect accept bind listen send recv sendmsg recvmsg "
               "gettimeofday clock_gettime time getrandom arc4random rand random srand usleep "
               "nanosleep sleep opendir stat fstat lstat access getenv setenv").split()
# Of core's files, which must not call a later one of this list; no two of core's files call each
# other in a circle, whether or not they are listed.
CORE_ORDER = ("watch wait_keys record evict expiry ctx run transaction waiters gate session "
              "engine").split()
# Objects that are neither const nor on a stack: file and symbol, and why.
GLOBALS_ALLOWED = {
    ("core/base/mem.c", r".*"): "memory counters",
    ("net/signals.c", r".*"): "the signal flag",
    ("core/base/fault.c", r".*"): "the crash handler's pointer",
}


def tracked_files():
    """Every file of the project, whether or not this is a git checkout."""
    found = []
    for folder, folders, names in os.walk("."):
        folder = os.path.relpath(folder, ".")
        if folder == ".":
            folders[:] = [f for f in folders if f in TOP_LEVEL]
            names = [n for n in names if n in TOP_LEVEL]
        folders[:] = [f for f in folders if f not in ("__pycache__", ".pytest_cache")]
        found += [os.path.normpath(os.path.join(folder, name)) for name in names]
    return sorted(found)


BLANKED = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(text):
    """The text with the inside of comments, strings and characters replaced; lines stay lines."""
    def replacement(match):
        piece = match.group(0)
        if piece[0] == "/":
            return re.sub(r"[^\n]", " ", piece)
        return piece[0] + "_" * (len(piece) - 2) + piece[-1]
    return BLANKED.sub(replacement, text)


class Source:
    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8", errors="replace") as opened:
            self.text = opened.read()
        self.lines = self.text.split("\n")
        if self.lines and not self.lines[-1]:
            self.lines.pop()
        self.code = blank(self.text) if path.endswith((".c", ".h")) else ""
        self.code_lines = self.code.split("\n")
        folder = os.path.dirname(path)
        self.layer = folder if folder in MAY_INCLUDE else folder.split("/")[0]

    def calls(self, names):
        """(line number, name) of each call; a member of a struct is not the function."""
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
        for number, line in enumerate(self.code_lines, 1):
            for match in pattern.finditer(line):
                if not re.search(r"(->|\.)\s*$", line[:match.start()]):
                    yield number, match.group(1)

    def is_allowed(self, name):
        return ("calls", self.path, name) in ALLOWED or ("calls", self.layer, name) in ALLOWED


class Tree:
    def __init__(self):
        self.files = tracked_files()
        self.c = [Source(f) for f in self.files if f.endswith((".c", ".h"))]
        self.product = [s for s in self.c if not s.path.startswith("tests/")]
        self.scripts = [Source(f) for f in self.files
                        if f.endswith((".py", ".sh", ".yml")) or self.is_script(f)]

    @staticmethod
    def is_script(path):
        if path in ("configure", "Makefile", "Dockerfile", "kv.conf"):
            return True
        if not path.startswith(("tools/", ".ci/")) or path.endswith((".c", ".h")):
            return False
        with open(path, "rb") as opened:
            return opened.read(2) == b"#!"


# --- Includes ------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def rule_includes_go_down_only(tree):
    for source in tree.c:
        for number, line in enumerate(source.lines, 1):
            match = INCLUDE.match(line)
            if not match or match.group(1) == "<":
                continue
            name = match.group(2)
            where = f"{source.path}:{number}"
            if not os.path.exists(name):
                yield f"{where}: \"{name}\" is not written from the root, or does not exist"
            elif not source.path.startswith("tests/"):
                if os.path.dirname(name) not in MAY_INCLUDE.get(source.layer, set()):
                    yield f"{where}: {source.layer} may not include {name}"
                elif (source.layer == "tools" and name.startswith(ONLY_SERVER_INCLUDES + "/")
                      and not SERVER_SOURCES.match(source.path)):
                    yield f"{where}: only the server may include {name}"


def rule_unit_tests_include_only_their_layer(tree):
    for source in tree.c:
        match = re.match(r"tests/unit/(.*)/[^/]+$", source.path)
        layer = match.group(1) if match else None
        while layer and layer not in MAY_INCLUDE:
            layer = os.path.dirname(layer)
        if not layer:
            continue
        allowed = MAY_INCLUDE[layer]
        if layer.startswith("core/") and layer not in ("core/cmd", "core/script"):
            allowed = MAY_INCLUDE["core"]
        for number, line in enumerate(source.lines, 1):
            match = INCLUDE.match(line)
            if match and match.group(1) == '"' and not match.group(2).startswith("tests/") \
                    and os.path.dirname(match.group(2)) not in allowed:
                yield f"{source.path}:{number}: links only {layer}, but includes {match.group(2)}"


def rule_only_the_loop_includes_libev(tree):
    for source in tree.c:
        for number, line in enumerate(source.lines, 1):
            if source.path != "net/loop.c" and re.match(r'\s*#\s*include\s*[<"]ev(\.|\+)', line):
                yield f"{source.path}:{number}: only net/loop.c includes <ev.h>"


def rule_our_headers_in_quotes_systems_in_brackets(tree):
    for source in tree.c:
        for number, line in enumerate(source.lines, 1):
            match = INCLUDE.match(line)
            if match and match.group(1) == "<" and os.path.exists(match.group(2)):
                yield f"{source.path}:{number}: <{match.group(2)}> is ours"


# --- Calls ---------------------------------------------------------------------------------------

def calls_outside(tree, names, is_inside, text):
    for source in tree.product:
        if is_inside(source):
            continue
        for number, name in source.calls(names):
            if not source.is_allowed(name):
                yield f"{source.path}:{number}: {name}: {text}"


def rule_only_file_c_makes_durable_calls(tree):
    yield from calls_outside(tree, DURABLE_CALLS,
                             lambda s: s.path == "persistence/file.c" or s.layer == "tools",
                             "only persistence/file.c makes durable system calls")
    for source in tree.product:
        if source.path != "persistence/file.c" and source.layer != "tools":
            for number, line in enumerate(source.code_lines, 1):
                if re.search(r"(?<![\w.>])open(at)?\s*\(.*O_CREAT", line):
                    yield f"{source.path}:{number}: only persistence/file.c creates files"


def rule_only_tools_may_exit(tree):
    yield from calls_outside(tree, EXIT_CALLS, lambda s: s.layer == "tools",
                             "only tools/ may end the process")


def rule_nothing_forks(tree):
    yield from calls_outside(tree, FORK_CALLS, lambda s: False, "kv never forks")


def rule_core_asks_nobody_but_its_ports(tree):
    yield from calls_outside(tree, WORLD_CALLS, lambda s: not s.path.startswith("core/"),
                             "core has no file, socket, clock or chance; see core/host.h")


# --- State ---------------------------------------------------------------------------------------

def rule_no_variables_that_live_for_ever(tree):
    """Asks the objects, not the text: what lies in a section that can be written to."""
    for name in ("core", "cmd", "persistence", "net"):
        archive = f"{BUILD}/lib{name}.a"
        if not os.path.exists(archive):
            yield f"{archive}: not built; run make tidy"
            continue
        sources = {s.path for s in tree.product if s.path.endswith(".c")}
        listing = subprocess.run(["objdump", "-t", archive], capture_output=True, text=True,
                                 check=True).stdout
        path = ""
        for line in listing.split("\n"):
            match = re.match(r"(\S+)\.o:\s+file format", line)
            if match:
                folders = {"core": ("core", "core/base", "core/ds", "core/type"),
                           "cmd": ("core/cmd", "core/script")}.get(name, (name,))
                own = [f"{f}/{match.group(1)}.c" for f in folders]
                path = next((p for p in own if p in sources), match.group(1))
            match = re.search(r"\s(\.data|\.bss|\.tdata|\.tbss|\*COM\*)\s+[0-9a-f]+\s+(\S+)$", line)
            if match and " O " in line and not any(
                    path == p and re.fullmatch(n, match.group(2)) for p, n in GLOBALS_ALLOWED):
                yield f"{path}: {match.group(2)} is a variable that outlives every call"


def calls_within_core(tree):
    """(caller, callee, function) between the object files of core/."""
    names = {os.path.basename(s.path)[:-2] for s in tree.product
             if re.match(r"core/[^/]+\.c$", s.path)}
    listing = subprocess.run(["nm", "-A", f"{BUILD}/libcore.a"], capture_output=True, text=True,
                             check=True).stdout
    defined, used = {}, []
    for name, kind, symbol in re.findall(r"(\w+)\.o:\s*[0-9a-f]*\s+(\w)\s+(\S+)", listing):
        if name in names and kind == "T":
            defined[symbol] = name
        elif name in names and kind == "U":
            used.append((name, symbol))
    return [(name, defined[symbol], symbol) for name, symbol in used if symbol in defined]


def rule_core_calls_one_way_only(tree):
    if not os.path.exists(f"{BUILD}/libcore.a"):
        yield f"{BUILD}/libcore.a: not built; run make tidy"
        return
    calls = calls_within_core(tree)
    for caller, callee, symbol in calls:
        if caller in CORE_ORDER and callee in CORE_ORDER and \
                CORE_ORDER.index(caller) < CORE_ORDER.index(callee):
            yield f"core/{caller}.c: {symbol}: {callee} stands above {caller}"
    # Take away whoever calls nobody that is left: what stays calls in a circle.
    while True:
        callers = {caller for caller, _, _ in calls}
        fewer = [call for call in calls if call[1] in callers]
        if len(fewer) == len(calls):
            break
        calls = fewer
    callees = {callee for _, callee, _ in calls}
    for caller, callee, symbol in calls:
        if caller in callees:
            yield f"core/{caller}.c: {symbol}: {caller} and {callee} call each other in a circle"


# --- Sizes ---------------------------------------------------------------------------------------

TABLE_START = re.compile(r"^(static\s+)?(_Thread_local\s+)?(static\s+)?const\b.*=\s*\{?\s*$")
ONE_LINE_CASE = re.compile(r"^\s+(case\b[^:]*:|default:)\s*[^{}]*;\s*$")


def uncounted(source):
    """Line numbers (from 0) in constant tables, and one-line cases of flat switches."""
    skipped = set()
    inside = False
    for number, line in enumerate(source.code_lines):
        if not inside and TABLE_START.match(line):
            inside = True
        if inside or ONE_LINE_CASE.match(line):
            skipped.add(number)
        if inside and re.match(r"^\};|.*\};\s*$", line):
            inside = False
    return skipped


def rule_files_are_short(tree):
    for source in tree.c + [s for s in tree.scripts if s.path.endswith(".py")]:
        limit = HEADER_LINES_MAX if source.path.endswith(".h") else FILE_LINES_MAX
        count = len(source.lines) - len(uncounted(source))
        if count > limit:
            yield f"{source.path}: {count} lines, {limit} at most"


def rule_functions_are_short(tree):
    for source in tree.c:
        skipped = uncounted(source)
        start = None
        for number, line in enumerate(source.code_lines):
            if start is None and number not in skipped and line.startswith("{"):
                start = number
            elif line.startswith("}") and start is not None:
                count = sum(1 for n in range(start, number + 1) if n not in skipped)
                if count > FUNCTION_LINES_MAX and not line.startswith("};"):
                    yield (f"{source.path}:{start}: {source.lines[start - 1].strip()}: "
                           f"{count} lines, {FUNCTION_LINES_MAX} at most")
                start = None


def rule_lines_are_short(tree):
    for source in tree.c + tree.scripts:
        for number, line in enumerate(source.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield f"{source.path}:{number}: {len(line)} columns, {COLUMNS_MAX} at most"


def rule_no_tabs_and_no_trailing_blanks(tree):
    for source in tree.c + tree.scripts:
        for number, line in enumerate(source.lines, 1):
            if "\t" in line and source.path != "Makefile":
                yield f"{source.path}:{number}: a tab"
            if line.rstrip() != line:
                yield f"{source.path}:{number}: blanks at the end"


# --- Form ----------------------------------------------------------------------------------------

def rule_headers_compile_alone(tree):
    with tempfile.TemporaryDirectory() as work:
        for header in (s.path for s in tree.c if s.path.endswith(".h")):
            probe = os.path.join(work, "probe.c")
            with open(probe, "w", encoding="utf-8") as opened:
                opened.write(f'#include "{header}"\n')
            done = subprocess.run(
                ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-isystem", "/usr/include/lua5.1",
                 "-Wall", "-Wextra", "-Werror", "-fsyntax-only", probe],
                capture_output=True, text=True, check=False)
            if done.returncode:
                first = next((l for l in done.stderr.split("\n") if "error:" in l), "fails")
                yield f"{header}: does not compile alone: {first}"


def rule_headers_say_pragma_once(tree):
    for source in tree.c:
        if source.path.endswith(".h") and "#pragma once" not in source.lines:
            yield f"{source.path}: no #pragma once"


def rule_files_begin_with_what_they_are_for(tree):
    for source in tree.c:
        if source.lines and not source.lines[0].startswith("/*"):
            yield f"{source.path}: does not begin with a comment that says what it is for"


def rule_no_typedef_for_structs(tree):
    for source in tree.c:
        for number, line in enumerate(source.code_lines, 1):
            if re.search(r"\btypedef\s+(struct|union|enum)\b", line):
                yield f"{source.path}:{number}: typedef of a struct"


def rule_nothing_is_left_for_later(tree):
    pattern = re.compile(r"\b(TODO|FIX" + r"ME|XXX|HACK|not implemented yet)\b")
    for source in tree.c + tree.scripts:
        for number, line in enumerate(source.lines, 1):
            if source.path != "tests/support/tidy.py" and pattern.search(line):
                yield f"{source.path}:{number}: {pattern.search(line).group(1)}"


def rule_a_source_has_its_header(tree):
    known = set(tree.files)
    for source in tree.product:
        if source.path.endswith(".c") and source.layer not in ("tools", "core/cmd", "core/script"):
            if source.path[:-2] + ".h" not in known:
                yield f"{source.path}: has no header of the same name"


def rule_top_level_is_the_list(tree):
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True,
                                 check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listing = tree.files
    present = {path.split("/")[0] for path in listing if path}
    for name in sorted(present - TOP_LEVEL):
        yield f"{name}: the top level has no such file or folder"
    for name in sorted(TOP_LEVEL - present):
        yield f"{name}: is missing at the top level"
    for path in listing:
        match = re.match(r"core/([^/]+)/", path)
        if match and match.group(1) not in CORE_FOLDERS:
            yield f"{path}: core has no such folder"


def main():
    os.chdir(ROOT)
    tree = Tree()
    passed = failed = 0
    for name, rule in list(globals().items()):
        if not name.startswith("rule_"):
            continue
        breaches = list(rule(tree))
        if breaches:
            failed += 1
            print(f"  FAILED {name[len('rule_'):].replace('_', ' ')}")
            for breach in breaches:
                print(f"    {breach}")
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
