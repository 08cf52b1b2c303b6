#!/usr/bin/python3
"""Run test suites, show what fails in full, count what passed.

usage: run_suites.py [--variant V] [--jobs N] [--all] SUITE...

A suite is unit, crash, wire, tidy, fuzz, asan or tsan; the Makefile has built what it needs. Three
kinds of tests are counted:
  C programs   cmocka's; asked for TAP, so each `ok` or `not ok` line is one test. One that dies or
               leaves tests out has a failed test more.
  pytest       a run and a junit file for each file of tests, as many side by side as --jobs says; a
               skipped test is named and counts as neither.
  fuzz         one test a target: no finding within FUZZ_SECONDS.
A suite that has test files but ran nothing has failed. The last line is `N passed, N failed`; the
exit status is 1 if anything failed, and with --all also if nothing passed.

Two markers for tests over the wire: `slow` ones stay out of the sanitizers' runs, `threads` ones
are what ThreadSanitizer sees. Tests get KV_SERVER, KV_BUILD (where programs are) and KV_VARIANT,
and find the modules in tests/support.
"""
import argparse
import concurrent.futures
import functools
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = "build"
SANITIZED = ("asan", "ubsan", "tsan")
THREADED = tuple("build/tsan/unit/" + part for part in ("persistence/", "net/", "core/base/reaper"))
PROGRAM_SECONDS = 900
PYTEST_SECONDS = 1500
MARKERS = (
    "slow: takes long; left out where a sanitizer is compiled in",
    "threads: exercises threads of the server; run under ThreadSanitizer",
)
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}
# A sanitizer's finding in a server that the tests then kill must not get lost.
FINDING = re.compile(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:)")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def say(text=""):
    print(text, flush=True)


def program(source):
    """tests/unit/net/conn_test.c is built as unit/net/conn_test."""
    return source[len("tests/"):-len(".c")]


def directory(variant):
    return BUILD if variant == "release" else os.path.join(BUILD, variant)


def environment(extra=None):
    env = dict(os.environ)
    env.update(SANITIZER_OPTIONS)
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["KV_ROOT"] = ROOT
    env.update(extra or {})
    return env


def run(command, seconds, env):
    """The exit status (negative for a signal, None past the limit) and everything it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output.decode("utf-8", "replace")


@functools.lru_cache(maxsize=None)
def fixed_addresses():
    """The sanitizers of Debian 12 know the address space of its own kernel; a newer one places
    memory where they do not expect it, so they get addresses that are not random."""
    command = ["setarch", "-R"]
    try:
        return command if run(command + ["true"], 10, environment())[0] == 0 else []
    except OSError:
        return []


def ending(status, seconds):
    if status is None:
        return f"took more than {seconds} s"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


# --- C programs -----------------------------------------------------------------------------------

def run_c_program(path):
    started = time.time()
    sanitized = path.split("/")[1] in SANITIZED
    status, output = run((fixed_addresses() if sanitized else []) + [path], PROGRAM_SECONDS,
                         environment({"CMOCKA_MESSAGE_OUTPUT": "TAP"}))
    passed = len(re.findall(r"^ok \d+", output, re.M))
    failed = len(re.findall(r"^not ok \d+(?! # SKIP)\b", output, re.M))
    skipped = len(re.findall(r"^not ok \d+ # SKIP", output, re.M))
    planned = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", output, re.M))
    reason = ""
    if status != 0 and failed == 0:
        failed, reason = 1, ending(status, PROGRAM_SECONDS)
    elif passed + failed + skipped < planned:
        failed, reason = failed + 1, f"ran {passed + failed} of {planned} tests"
    elif passed + failed == 0:
        failed, reason = 1, "no test ran"
    return path, passed, failed, skipped, reason, output, time.time() - started


def run_c_programs(tally, paths, jobs):
    missing = [path for path in paths if not os.access(path, os.X_OK)]
    for path in missing:
        say(f"  FAILED {path}: was not built")
        tally.add(0, 1)
    present = [path for path in paths if path not in missing]
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        for result in pool.map(run_c_program, present):
            path, passed, failed, skipped, reason, output, seconds = result
            tally.add(passed, failed, skipped)
            if failed:
                say(f"  FAILED {path}: {passed} passed, {failed} failed {reason}")
                say(output.rstrip())
                say(f"  end of the output of {path}")
            else:
                say(f"  {path}: {passed} passed ({seconds:.1f} s)")


def c_tests(folder, variant):
    sources = sorted(glob.glob(f"tests/{folder}/**/*_test.c", recursive=True))
    return [os.path.join(directory(variant), program(source)) for source in sources]


# --- pytest ---------------------------------------------------------------------------------------

class Found:
    """What a run of pytest found."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.output = ""


def count_junit(found, path):
    if not os.path.exists(path):
        return
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        wrong = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        found.skipped += int(suite.get("skipped", 0))
        found.failed += wrong
        found.passed += int(suite.get("tests", 0)) - wrong - int(suite.get("skipped", 0))


def count_findings(found, findings):
    for path in sorted(glob.glob(findings + ".*")):
        with open(path, encoding="utf-8", errors="replace") as report:
            text = report.read()
        if FINDING.search(text):
            found.failed += 1
            found.output += f"\nFound by the sanitizer, in {path}:\n{text}"


def run_test_file(path, work, variant, markers):
    """One file of tests; several run side by side."""
    name = os.path.basename(path)[:-len(".py")]
    found = Found()
    junit = os.path.join(work, f"{name}.xml")
    findings = os.path.join(work, f"sanitizer-{name}")
    env = environment({
        "KV_SERVER": os.path.abspath(os.path.join(directory(variant), "kv-server")),
        "KV_BUILD": os.path.abspath(directory(variant)),
        "KV_VARIANT": variant,
        "PYTHONPATH": os.path.join(ROOT, "tests/support"),
    })
    for option in SANITIZER_OPTIONS:
        env[option] += f":log_path={findings}"
    # A short name: Unix sockets lie in it, and theirs are limited to 107 bytes.
    folder = tempfile.mkdtemp(prefix="kv-")
    command = [sys.executable, "-m", "pytest", "-q", "-rfEs", "--tb=short", "-p",
               "no:cacheprovider", "-c", os.devnull, "--rootdir", ROOT,
               "-o", "markers=" + "\n".join(MARKERS), f"--junitxml={junit}",
               f"--basetemp={folder}/t"]
    if markers:
        command += ["-m", markers]
    if variant in SANITIZED:
        command = fixed_addresses() + command
    started = time.time()
    status, found.output = run(command + [path], PYTEST_SECONDS, env)
    count_junit(found, junit)
    nothing_chosen = status == 5 and markers
    if status != 0 and not found.failed and not nothing_chosen:
        found.failed = 1
        found.output += f"\npytest: {ending(status, PYTEST_SECONDS)}"
    count_findings(found, findings)
    if found.failed:
        found.output += f"\nThe files of the tests are in {folder}"
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return path, found, time.time() - started


def run_pytest(tally, name, files, variant, jobs, markers=""):
    server = os.path.join(directory(variant), "kv-server")
    if not files:
        return
    if not os.access(server, os.X_OK):
        say(f"  no {server}: {len(files)} test files not run")
        tally.add(0, 1)
        return
    work = os.path.abspath(os.path.join(BUILD, "tests", name))
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    files = sorted(files, key=os.path.getsize, reverse=True)  # the long ones first, more or less
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        runs = [pool.submit(run_test_file, path, work, variant, markers) for path in files]
        for done in concurrent.futures.as_completed(runs):
            path, found, seconds = done.result()
            tally.add(found.passed, found.failed, found.skipped)
            if found.failed:
                say(found.output.rstrip())
            for line in re.findall(r"^SKIPPED .*", found.output, re.M):
                say(f"  {line}")
            if found.passed or found.failed or found.skipped:
                say(f"  {'FAILED ' if found.failed else ''}{path}, {server}: {found.passed} passed"
                    + (f", {found.failed} failed" if found.failed else "")
                    + (f", {found.skipped} skipped" if found.skipped else "")
                    + f" ({seconds:.1f} s)")


def python_tests(folder):
    return sorted(glob.glob(f"tests/{folder}/**/test_*.py", recursive=True))


# --- Fuzz targets ---------------------------------------------------------------------------------

def fuzz_target(path):
    name = os.path.basename(path)
    corpus = os.path.join(BUILD, "fuzz", "corpus", name)
    os.makedirs(corpus, exist_ok=True)
    seconds = int(os.environ.get("FUZZ_SECONDS", "20"))
    seeds = os.path.join("fixtures", "fuzz", name)
    command = [path, f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={BUILD}/fuzz/{name}-", corpus]
    if os.path.isdir(seeds):
        command.append(seeds)
    return (path,) + run(fixed_addresses() + command, seconds + 120, environment())


def run_fuzz(tally, jobs):
    sources = sorted(glob.glob("tests/fuzz/*_fuzz.c"))
    paths = [os.path.join(BUILD, "fuzz", program(source)) for source in sources]
    for path in [path for path in paths if not os.access(path, os.X_OK)]:
        say(f"  FAILED {path}: was not built; without libFuzzer? (./configure --install)")
        tally.add(0, 1)
        paths.remove(path)
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        for path, status, output in pool.map(fuzz_target, paths):
            executed = re.search(r"number_of_executed_units: (\d+)", output)
            if status == 0 and executed:
                tally.add(1, 0)
                say(f"  {path}: {executed.group(1)} inputs, nothing found")
            else:
                tally.add(0, 1)
                say(f"  FAILED {path}: {ending(status, 0)}")
                say(output.rstrip())


# --- Suites ---------------------------------------------------------------------------------------

def run_tidy(tally):
    command = [sys.executable, "-B", "tests/support/tidy.py"]
    status, output = run(command, PROGRAM_SECONDS, environment())
    say(output.rstrip())
    closing = re.search(r"^(\d+) passed, (\d+) failed$", output, re.M)
    if closing:
        tally.add(int(closing.group(1)), int(closing.group(2)))
    if not closing or (status != 0 and closing.group(2) == "0"):
        say(f"  FAILED tidy: {ending(status, PROGRAM_SECONDS)}")
        tally.add(0, 1)


def run_suite(name, variant, jobs):
    tally = Tally()
    checked = "debug" if variant == "release" else variant
    expected = 0
    if name == "unit":
        programs = c_tests("unit", checked)
        expected = len(programs)
        run_c_programs(tally, programs, jobs)
    elif name == "crash":
        programs = c_tests("crash", checked)
        files = python_tests("crash")
        expected = len(programs) + len(files)
        run_c_programs(tally, programs, jobs)
        run_pytest(tally, "crash", files, variant, jobs)
    elif name == "wire":
        files = python_tests("wire")
        expected = len(files)
        run_pytest(tally, "wire", files, variant, jobs)
    elif name == "tidy":
        expected = 1
        run_tidy(tally)
    elif name == "fuzz":
        expected = len(glob.glob("tests/fuzz/*_fuzz.c"))
        run_fuzz(tally, jobs)
    elif name == "asan":
        programs = c_tests("unit", "asan")
        files = python_tests("wire")
        expected = len(programs) + len(files)
        run_c_programs(tally, programs, jobs)
        run_pytest(tally, "asan-wire", files, "asan", jobs, "not slow")
    elif name == "tsan":
        programs = [path for path in c_tests("unit", "tsan")
                    if path.startswith(THREADED)]
        files = python_tests("wire")
        expected = len(programs)
        run_c_programs(tally, programs, jobs)
        run_pytest(tally, "tsan-wire", files, "tsan", jobs, "threads")
    else:
        sys.exit(f"run_suites: no suite {name}")
    if expected and not tally.passed and not tally.failed:
        say(f"  FAILED {name}: has test files, ran none")
        tally.add(0, 1)
    return tally


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="release")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("suites", nargs="+")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    total = Tally()
    lines = []
    for name in arguments.suites:
        started = time.time()
        say(f"== {name}")
        tally = run_suite(name, arguments.variant, arguments.jobs)
        total.add(tally.passed, tally.failed, tally.skipped)
        skipped = f", {tally.skipped} skipped" if tally.skipped else ""
        lines.append(f"{name}: {tally.passed} passed, {tally.failed} failed{skipped} "
                     f"({time.time() - started:.0f} s)")
    say("== all" if arguments.all else "==")
    for line in lines:
        say(line)
    if arguments.all and not total.passed:
        total.add(0, 1)
    say(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
