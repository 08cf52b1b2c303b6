"""Real clients do real work: redis-py, Celery and rq with workers, redis-cli in its modes and
redis-benchmark. What they do is done against kv and against redis-server with its log, and where
a client claims to survive a crash of the server, the server is killed in mid-work: nothing that was
acknowledged may be missing afterwards."""
import json
import os
import re
import subprocess
import sys
import threading
import time

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import broker_log
import kv as world
from harness import Server, until

pytestmark = pytest.mark.slow
LOGGED = {"kv": {}, "redis": {"appendonly": "yes", "appendfsync": "always"}}


@pytest.fixture(params=["kv", "redis"])
def own(request):
    """A server of one's own that a test may kill: own.restart(crash=True)."""
    server = Server(request.param, **LOGGED[request.param])
    yield server
    server.close()


def patient(server, **options):
    """A client that tries again until the server is back."""
    failures = [redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError,
                ConnectionError]
    return server.client(retry=Retry(ConstantBackoff(0.05), 400), retry_on_error=failures,
                         **options)


class Process:
    """A program of a client's, in a group of its own, with its output in a file."""

    def __init__(self, words, output, **environment):
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1",
                   PYTHONPATH=os.path.join(world.ROOT, "tests/support"), **environment)
        self.output = output
        with open(output, "ab") as log:
            self.process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()

    def said(self):
        with open(self.output, encoding="utf-8", errors="replace") as opened:
            return opened.read()


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as opened:
        return opened.read().splitlines()


# --- redis-py -------------------------------------------------------------------------------------

def test_redis_py_pipelines(own):
    client = own.client()
    with client.pipeline(transaction=False) as pipe:
        for i in range(20000):
            pipe.rpush("list", i)
        assert pipe.execute() == list(range(1, 20001))
    with client.pipeline() as pipe:
        pipe.set("a", 1).incr("a").lpush("a", 1).get("a")
        replies = pipe.execute(raise_on_error=False)
    assert replies[:2] == [True, 2] and replies[3] == "2"
    assert isinstance(replies[2], redis.ResponseError)
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("a"), "a") == [3]


def test_redis_py_watches_for_changes_by_others(own):
    own.client().set("n", 0)

    def raise_by_one():
        client = own.client()
        for _ in range(50):
            client.transaction(lambda pipe: (n := int(pipe.get("n")), pipe.multi(),
                                             pipe.set("n", n + 1)), "n")
    threads = [threading.Thread(target=raise_by_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert own.client().get("n") == "200"


def test_redis_py_locks_exclude_each_other(own):
    inside, count = [], [0]

    def work():
        client = own.client()
        for _ in range(20):
            with client.lock("lock", timeout=30, sleep=0.001):
                inside.append(1)
                assert len(inside) == 1
                count[0] += 1
                inside.pop()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert count == [80]
    client = own.client()
    held = client.lock("other", timeout=60)
    assert held.acquire() and held.extend(60) and held.reacquire() and held.owned()
    own.restart(crash=True)
    client = own.client()
    assert client.lock("other").acquire(blocking=False) is False
    assert client.ttl("other") > 30
    client.delete("other")
    with pytest.raises(redis.exceptions.LockError):
        held.release()


def test_redis_py_registers_scripts(own):
    client = own.client()
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    client.script_flush()
    assert script(keys=["n"], args=[5]) == 10
    with client.pipeline() as pipe:
        script(keys=["n"], args=[1], client=pipe)
        pipe.get("n")
        assert pipe.execute() == [11, "11"]
    own.restart(crash=True)
    assert script(keys=["n"], args=[1], client=own.client()) == 12


def test_redis_py_hears_messages_and_subscribes_again(own):
    client = patient(own)
    listener = own.client().pubsub()
    heard = []
    listener.subscribe(**{"c": lambda message: heard.append(("c", message["data"]))})
    listener.psubscribe(**{"p*": lambda message: heard.append((message["channel"],
                                                               message["data"]))})
    stopping = threading.Event()

    def listen():
        while not stopping.is_set():
            try:
                listener.get_message(timeout=0.1)
            except (redis.ConnectionError, ConnectionError):
                time.sleep(0.02)
    thread = threading.Thread(target=listen)
    thread.start()
    try:
        for turn in range(2):
            until(lambda: client.pubsub_numsub("c") == [("c", 1)] and client.pubsub_numpat() == 1)
            assert client.publish("c", f"m{turn}") == 1
            assert client.publish("pq", f"p{turn}") == 1
            until(lambda: len(heard) == 2 * turn + 2)
            if turn == 0:
                own.restart(crash=True)
    finally:
        stopping.set()
        thread.join(30)
    assert heard == [("c", "m0"), ("pq", "p0"), ("c", "m1"), ("pq", "p1")]


def test_redis_py_groups_keep_what_is_pending(own):
    client = own.client()
    client.xgroup_create("s", "g", id="0", mkstream=True)
    ids = [client.xadd("s", {"n": n}) for n in range(100)]
    [[_, first]] = client.xreadgroup("g", "one", {"s": ">"}, count=60)
    assert client.xack("s", "g", *[id for id, _ in first[:20]]) == 20
    own.restart(crash=True)
    client = own.client()
    assert client.xpending("s", "g")["pending"] == 40
    _, taken, *_ = client.xautoclaim("s", "g", "two", 0, count=100)
    assert [id for id, _ in taken] == ids[20:60]
    [[_, rest]] = client.xreadgroup("g", "two", {"s": ">"})
    assert [id for id, _ in rest] == ids[60:]
    assert client.xack("s", "g", *ids) == 80
    [consumer] = [c for c in client.xinfo_consumers("s", "g") if c["name"] == "two"]
    assert consumer["pending"] == 0


def test_redis_py_tries_again_over_a_crash(own):
    client = patient(own)
    acknowledged = []

    def write():
        for n in range(3000):
            client.set(f"key:{n}", n)
            acknowledged.append(n)
    thread = threading.Thread(target=write)
    thread.start()
    for count in (300, 1500):
        until(lambda: len(acknowledged) > count)
        own.restart(crash=True)
    thread.join(120)
    assert len(acknowledged) == 3000
    assert client.mget([f"key:{n}" for n in range(3000)]) == [str(n) for n in range(3000)]


# --- Celery ---------------------------------------------------------------------------------------

@pytest.fixture
def celery_tasks(own, tmp_path, monkeypatch):
    """The tasks, imported for this server."""
    pytest.importorskip("celery", reason="no celery: install Debian's python3-celery")
    monkeypatch.setenv("KV_PORT", str(own.port))
    monkeypatch.setenv("KV_DONE", str(tmp_path / "done"))
    sys.modules.pop("celery_tasks", None)
    import celery_tasks
    yield celery_tasks
    celery_tasks.application.close()


def celery_worker(own, tmp_path):
    words = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool=prefork",
             "--concurrency=2", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    return Process(words, tmp_path / "worker.log", KV_PORT=str(own.port),
                   KV_DONE=str(tmp_path / "done"))


def test_celery_does_every_kind_of_task(own, tmp_path, celery_tasks):
    with celery_worker(own, tmp_path) as worker:
        try:
            assert celery_tasks.add.delay(2, 3).get(timeout=60) == 5
            assert celery_tasks.flaky.delay().get(timeout=60) == 2
            with pytest.raises(ValueError, match="as it should"):
                celery_tasks.broken.delay().get(timeout=60)
            pairs = [(n, n) for n in range(20)]
            assert celery_tasks.sums(pairs).delay().get(timeout=60) == 380
            chain = celery_tasks.add.s(1, 2) | celery_tasks.add.s(10) | celery_tasks.add.s(100)
            assert chain.delay().get(timeout=60) == 113
            asked = time.monotonic()
            assert celery_tasks.add.apply_async((1, 1), countdown=1).get(timeout=60) == 2
            assert time.monotonic() - asked >= 0.9
            replies = celery_tasks.application.control.ping(timeout=5)
            assert [list(reply.values()) for reply in replies] == [[[{"ok": "pong"}]]] or \
                [list(reply.values()) for reply in replies] == [[{"ok": "pong"}]]
        except BaseException:
            print(worker.said()[-6000:])
            raise


class Crashes:
    """Celery at work while its broker and result backend is killed, and its worker with it, or
    not. What the server's log tells afterwards, and a last worker has put in order, is `story`."""

    def __init__(self, own, tmp_path):
        self.own, self.folder, self.kills, self.story = own, tmp_path, [], None
        own.restart(auto_aof_rewrite_percentage=0)  # the log holds all from the beginning
        self.worker = celery_worker(own, tmp_path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.__exit__()

    def done(self):
        return lines(self.folder / "done")

    def _kill(self, victims):
        """The server goes first: it serves nobody who is dead."""
        self.own.kill()
        if victims == "server and worker":
            self.worker.__exit__()
        self.kills.append(len(broker_log.commands(self.own.folder)))
        self.own.start()

    def after(self, count, victims):
        """Kill the victims when so many tasks more are done. A worker of Celery 5.2 that has lost
        its connection may hold tasks that it never begins, and ask for no more: then it is one."""
        wanted = len(self.done()) + count
        while len(self.done()) < wanted:
            before = len(self.done())
            try:
                until(lambda: len(self.done()) > before, seconds=30, step=0.01)
            except AssertionError:
                with self.own.client() as client:
                    flags = [each["flags"] for each in client.client_list()]
                    assert client.llen("celery") > 0, "nobody hands in tasks"
                assert not any("b" in each for each in flags), "it does ask: the server is at fault"
                victims = "server and worker"
                break
        self._kill(victims)
        if victims == "server and worker":
            self.worker = celery_worker(self.own, self.folder)

    def run(self, hand_in, enough, kills, count, victims, seconds):
        """`hand_in` hands in tasks, in a thread, until `enough` is set; the victims are killed
        meanwhile, so many times; then all is settled."""
        thread = threading.Thread(target=hand_in)
        try:
            thread.start()
            for _ in range(kills):
                self.after(count, victims)
            enough.set()
            thread.join()
            self.settle(seconds)
        except AssertionError:
            print(self.worker.said()[-6000:])
            raise
        finally:
            enough.set()

    def settle(self, seconds):
        """All is handed in. A new worker takes what others noted, once that is so old."""
        self._kill("server and worker")
        client = self.own.client()
        until(lambda: client.zcount("unacked_index", time.time() - seconds, "inf") == 0)
        self.worker = celery_worker(self.own, self.folder)

        def broker_is_empty():
            with client.pipeline() as pipe:
                return pipe.llen("celery").hlen("unacked").execute() == [0, 0]
        for _ in range(2):  # the worker may have had one in its hand, but no second for so long
            until(broker_is_empty, seconds=120, step=0.1)
            time.sleep(1)
        self.worker.__exit__()
        self.own.restart(crash=True)
        self.story = broker_log.Story(self.own.folder)
        assert self.story.unexplained(self.kills) == [], (self.story.events, self.kills)

    def lost(self):
        """The tasks that the worker lost: the last it had taken before a kill, and not noted."""
        return {task for _, task in self.story.lost_by_clients()}

    def results(self):
        """{task: result} of all of which a worker says that the server has taken the result."""
        said = self.worker.said()
        found = {}
        with self.own.client(db=1) as client:
            for task in set(re.findall(r"Task celery_tasks\.\w+\[(\S+)\] succeeded", said)):
                value = json.loads(client.get(f"celery-task-meta-{task}"))
                assert value["status"] == "SUCCESS"
                found[task] = value["result"]
        return found


@pytest.mark.parametrize("victims", ["server", "server and worker"])
def test_celery_loses_no_task_over_crashes(own, tmp_path, celery_tasks, victims):
    """The server is killed again and again while one thread hands in tasks and a worker does them,
    and the worker with it, or not. A task that was handed in without an error was acknowledged: it
    is in the server's log, and done in the end, unless the log proves that it was the one task that
    the worker had just taken out of the queue and not yet noted (support/broker_log.py). A result
    that a worker stored without an error is there. Each attempt to hand a task in has a number of
    its own: one that failed may or may not be done."""
    tried, acknowledged, enough = {}, [], threading.Event()

    def hand_in():
        while not enough.is_set():
            if len(acknowledged) > len(crashes.done()) + 100:
                time.sleep(0.02)
                continue
            n = len(tried)
            id = f"task-{n}"
            tried[id] = n
            try:
                celery_tasks.sender.send_task("celery_tasks.add", (n, n), task_id=id, retry=False)
                acknowledged.append(id)
            except Exception:  # Celery's, kombu's, redis-py's or the system's
                time.sleep(0.02)
    with Crashes(own, tmp_path) as crashes:
        crashes.run(hand_in, enough, 4, 40, victims, celery_tasks.VISIBLE)
    assert set(acknowledged) <= set(crashes.story.events) <= set(tried)
    done = set(crashes.done())
    missing = {id for id in acknowledged if f"add {tried[id]} {tried[id]}" not in done}
    assert missing <= crashes.lost(), crashes.story.events
    results = crashes.results()
    assert len(results) > 160
    assert results == {id: 2 * tried[id] for id in results}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_celery_goes_on_with_chords_retries_and_countdowns(own, tmp_path, celery_tasks):
    """As above, with tasks that hand in others: a task that is tried again goes back to the broker,
    one with a countdown stays noted until its time, and the last part of a chord hands in what
    follows. But for what the worker had just taken, all is done in the end, each chord has the
    right sum, and no result that was stored is missing or wrong."""
    tried, acknowledged, chords, enough = {}, [], {}, threading.Event()

    def one(n):
        id = f"task-{n}"
        if n % 4 == 0:
            ended = celery_tasks.sums([(n, part) for part in range(3)]).apply_async(retry=False)
            chords[ended.id] = (3 * n + 3, [part.id for part in ended.parent.results])
            return
        name, words, tried[id] = "add", (n, n), (f"add {n} {n}", 2 * n)
        if n % 4 == 1:
            name, words, tried[id] = "flaky", (f"flaky {n}",), (f"flaky {n}", 2)
        celery_tasks.sender.send_task(f"celery_tasks.{name}", words, task_id=id, retry=False,
                                      countdown=1 if n % 4 == 2 else None)
        acknowledged.append(id)

    def hand_in():
        n = 0
        while not enough.is_set():
            if n > len(crashes.done()) / 2 + 60:
                time.sleep(0.02)
                continue
            try:
                n += 1
                one(n)
            except Exception:  # Celery's, kombu's, redis-py's or the system's
                time.sleep(0.02)
    with Crashes(own, tmp_path) as crashes:
        crashes.run(hand_in, enough, 3, 60, "server and worker", celery_tasks.VISIBLE)
    lost, results, done = crashes.lost(), crashes.results(), set(crashes.done())
    assert set(acknowledged) <= set(crashes.story.events)
    assert {id for id in acknowledged if tried[id][0] not in done} <= lost
    assert {id: results[id] for id in tried if id in results} == \
        {id: result for id, (_, result) in tried.items() if id in results}
    assert len(acknowledged) > 60 and len(chords) > 20
    for id, (total, parts) in chords.items():
        assert set(parts) <= set(crashes.story.events)
        assert results.get(id) == total or lost & {id, *parts}, (parts, crashes.story.events)


# --- rq -------------------------------------------------------------------------------------------

@pytest.fixture
def rq():
    return pytest.importorskip("rq", reason="no rq: install Debian's python3-rq")


def rq_worker(own, tmp_path, burst=True):
    words = [sys.executable, "-c", "from rq.cli import main; main()", "worker", "--url",
             f"redis://127.0.0.1:{own.port}", "--with-scheduler", "work"]
    return Process(words + ["--burst"] * burst, tmp_path / "rq.log",
                   KV_DONE=str(tmp_path / "done"), LC_ALL="C.UTF-8")


def test_rq_does_its_jobs_and_keeps_them_over_a_crash(own, tmp_path, rq):
    connection = patient(own, decode_responses=False)
    queue = rq.Queue("work", connection=connection)
    jobs = [queue.enqueue("rq_tasks.square", n, result_ttl=600) for n in range(10)]
    last = queue.enqueue("rq_tasks.square", 100, depends_on=jobs[3], result_ttl=600)
    bad = queue.enqueue("rq_tasks.broken", retry=rq.Retry(max=1))
    own.restart(crash=True)
    with rq_worker(own, tmp_path) as worker:
        assert worker.process.wait(120) == 0, worker.said()
        assert [job.get_status(refresh=True) for job in jobs] == ["finished"] * 10, worker.said()
        for job in [*jobs, last]:
            job.refresh()
    assert [job.return_value() for job in jobs] == [n * n for n in range(10)]
    assert last.return_value() == 10000 and bad.get_status() == "failed"
    assert rq.registry.FailedJobRegistry(queue=queue).get_job_ids() == [bad.id]
    assert sorted(map(int, lines(tmp_path / "done"))) == [*range(10), 100]


def test_rq_loses_no_job_over_crashes(own, tmp_path, rq):
    """Server and worker are killed again and again, while jobs are handed in. A job is a key and a
    place in a list, written as a whole; the worker takes it from the list and keeps it nowhere else
    until it is finished. So what was acknowledged is in the log, and finished unless it was the
    last that the worker took before a kill."""
    own.restart(auto_aof_rewrite_percentage=0)  # the log holds all from the beginning
    queue = rq.Queue("work", connection=own.client(decode_responses=False))
    acknowledged, kills, enough, done = [], [], threading.Event(), tmp_path / "done"

    def hand_in():
        n = 0
        while not enough.is_set():
            if n > len(lines(done)) + 50:
                time.sleep(0.02)
                continue
            try:
                n += 1
                queue.enqueue("rq_tasks.square", n, job_id=f"job-{n}", result_ttl=-1)
                acknowledged.append(n)
            except (redis.ConnectionError, OSError):
                time.sleep(0.02)
    thread = threading.Thread(target=hand_in)
    thread.start()
    try:
        for turn in range(4):
            with rq_worker(own, tmp_path, burst=False):
                count = len(lines(done))
                until(lambda: len(lines(done)) > count + 12, seconds=120, step=0.01)
                if turn == 3:
                    enough.set()
                    thread.join()
                own.kill()
            kills.append(len(broker_log.commands(own.folder)))
            own.start()
    finally:
        enough.set()
    with rq_worker(own, tmp_path) as worker:
        assert worker.process.wait(120) == 0, worker.said()
    own.restart(crash=True)
    story = broker_log.Story(own.folder, b"rq:queue:work", task_of=bytes.decode)
    connection = own.client(decode_responses=False)
    jobs = {n: rq.job.Job.fetch(f"job-{n}", connection=connection) for n in acknowledged}
    ended = {n for n, job in jobs.items() if job.get_status() == "finished"}
    assert {f"job-{n}" for n in acknowledged} <= set(story.events)
    assert {f"job-{n}" for n in jobs if n not in ended} <= story.last_taken(kills)
    assert {n: jobs[n].return_value() for n in ended} == {n: n * n for n in ended}
    assert len(ended) > 48 and ended <= set(map(int, lines(done)))


# --- redis-cli ------------------------------------------------------------------------------------

def cli(server, *words, seconds=60, **options):
    done = subprocess.run(["redis-cli", "-p", str(server.port), *words], capture_output=True,
                          text=True, timeout=seconds, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def filled(own):
    client = own.client()
    with client.pipeline() as pipe:
        for n in range(500):
            pipe.set(f"string:{n}", "x" * n)
            pipe.rpush("list", *["item"] * 3)
            pipe.hset("hash", f"field{n}", n)
            pipe.zadd("zset", {f"member{n}": n})
        pipe.sadd("set", *range(70))
        pipe.xadd("stream", {"a": "b"})
        pipe.execute()
    return own


def test_redis_cli_finds_big_keys(filled):
    said = cli(filled, "--bigkeys")
    assert "Sampled 505 keys in the keyspace!" in said
    for line in ('Biggest   list found \'"list"\' has 1500 items',
                 'Biggest   hash found \'"hash"\' has 500 fields',
                 'Biggest string found \'"string:499"\' has 499 bytes',
                 'Biggest stream found \'"stream"\' has 1 entries',
                 'Biggest    set found \'"set"\' has 70 members',
                 'Biggest   zset found \'"zset"\' has 500 members'):
        assert line in said, said


def test_redis_cli_finds_keys_that_use_much_memory(filled):
    said = cli(filled, "--memkeys")
    assert "Sampled 505 keys in the keyspace!" in said
    assert re.search(r"Biggest +zset found '\"zset\"' has \d{5,} bytes", said), said


def test_redis_cli_finds_hot_keys(filled):
    done = subprocess.run(["redis-cli", "-p", str(filled.port), "--hotkeys"], timeout=60,
                          capture_output=True, text=True)
    assert "An LFU maxmemory policy is not selected" in done.stdout + done.stderr
    assert filled.client().config_set("maxmemory-policy", "allkeys-lfu")
    client = filled.client()
    for _ in range(3000):
        client.get("string:7")
    said = cli(filled, "--hotkeys")
    assert "Sampled 505 keys in the keyspace!" in said
    hottest = re.findall(r"hot key found with counter: (\d+)\s+keyname: \"(.*)\"", said)
    assert hottest[0][1] == "string:7" and int(hottest[0][0]) > 10, said


def first_lines(server, *words, count):
    """The first lines of a mode that never ends by itself."""
    process = subprocess.Popen(["redis-cli", "-p", str(server.port), *words],
                               stdout=subprocess.PIPE, text=True)
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_redis_cli_shows_figures_as_they_change(filled):
    head, names, *rows = first_lines(filled, "--stat", "-i", "0.05", count=5)
    assert head.startswith("------- data ------") and names.split()[:3] == ["keys", "mem",
                                                                            "clients"]
    for row in rows:
        keys, memory, clients, blocked, requests, *_ = row.split()
        # redis-server may not have noticed yet that the connection of before is gone.
        assert keys == "505" and int(clients) in (1, 2) and blocked == "0", row
        assert re.fullmatch(r"[\d.]+[KMG]", memory) and int(requests) > 0, row


def test_redis_cli_measures_latency(own):
    said = cli(own, "--latency", "-i", "1")
    least, most, mean, samples = said.split()[:4]
    assert 0 <= float(least) <= float(mean) <= float(most) and int(samples) > 5, said
    # On something that is no terminal the history is one line an interval, without end.
    [line] = first_lines(own, "--latency-history", "-i", "0.2", "--raw", count=1)
    assert len(line.split()) >= 4, line


def test_redis_cli_loads_a_mass_of_commands(own, tmp_path):
    mass = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$5\r\nv\x00\r\n\xff\r\n"
                    % (len(b"key:%d" % n), n) for n in range(50000))
    (tmp_path / "mass").write_bytes(mass + b"*2\r\n$4\r\nINCR\r\n$5\r\nkey:0\r\n")
    with open(tmp_path / "mass", "rb") as opened:
        done = subprocess.run(["redis-cli", "-p", str(own.port), "--pipe"], stdin=opened,
                              capture_output=True, text=True, timeout=60)
    assert "errors: 1, replies: 50001" in done.stdout, done
    assert own.client().dbsize() == 50000
    own.restart(crash=True)
    assert own.client(decode_responses=False).get("key:49999") == b"v\x00\r\n\xff"


def test_redis_cli_lists_keys(filled):
    assert sorted(cli(filled, "--scan", "--pattern", "string:1?").split()) == \
        [f"string:{n}" for n in range(10, 20)]
    assert len(cli(filled, "--scan").split()) == 505
    assert cli(filled, "--eval", "/dev/stdin", "hash", ",", "field9",
               input="return redis.call('HGET', KEYS[1], ARGV[1])") == "9\n"


def test_redis_cli_answers_as_with_the_reference(filled):
    assert cli(filled, "-3", "--json", "HGETALL", "none") == "{}\n"
    assert cli(filled, "--csv", "LRANGE", "list", "0", "1") == '"item","item"\n'
    assert cli(filled, "-r", "3", "INCR", "n") == "1\n2\n3\n"
    assert cli(filled, "-x", "SET", "from", input="standard input") == "OK\n"
    assert cli(filled, "GET", "from") == "standard input\n"
    assert cli(filled, input="MULTI\nINCR n\nEXEC\nINFO nothing\n").split()[:3] == \
        ["OK", "QUEUED", "4"]


def test_redis_cli_monitors(own):
    process = subprocess.Popen(["redis-cli", "-p", str(own.port), "MONITOR"],
                               stdout=subprocess.PIPE, text=True)
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        assert process.stdout.readline() == "OK\n"
        own.client().set("key", 'a "value"')
        assert re.fullmatch(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "key" "a \\"value\\""\n',
                            process.stdout.readline())
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("words,why", [
    (["--rdb", "copy.rdb"], "takes no replicas"),
    (["--functions-rdb", "copy.rdb"], "takes no replicas"), (["--replica"], "takes no replicas"),
    (["--cluster", "check"], "is not configured as a cluster node")])
def test_redis_cli_tells_what_is_not_there(start, tmp_path, words, why):
    server = start("kv", persistence="no")
    if words[0] == "--cluster":
        words = [*words, f"127.0.0.1:{server.port}"]
    done = subprocess.run(["redis-cli", "-p", str(server.port), *words], capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=tmp_path)
    assert done.returncode == 1 and why in done.stdout + done.stderr


# --- redis-benchmark ------------------------------------------------------------------------------

TESTS = ("ping", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop",
         "zadd", "zpopmin", "lrange", "mset")


@pytest.mark.parametrize("more", [[], ["-P", "16", "-r", "1000"], ["--threads", "2"], ["-3"]],
                         ids=["plain", "pipelined", "threads", "resp3"])
def test_redis_benchmark_runs_all_its_tests(own, more):
    done = subprocess.run(["redis-benchmark", "-p", str(own.port), "-t", ",".join(TESTS), "-n",
                           "1000", "--csv", *more], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done
    assert "rror" not in done.stdout + done.stderr, done
    rates = re.findall(r'^"([^"]+)","([\d.]+|inf)"', done.stdout, re.M)
    # Two pings, and LRANGE in four lengths after one more LPUSH.
    assert len(rates) == len(TESTS) + 5, done.stdout
    assert all(float(rate) > 0 for _, rate in rates)
