"""The application that the test of Celery runs, in its own process and in its workers': broker and
result backend are the server at KV_PORT, and each task leaves a line in the file KV_DONE.
`sender` hands tasks in without listening for their results."""
import os
import time

from celery import Celery, chord, group

VISIBLE = 3  # seconds until another worker may take a task that one has noted
URL = f"redis://127.0.0.1:{os.environ.get('KV_PORT', '1')}/"
application = Celery("celery_tasks", broker=URL + "0", backend=URL + "1")
sender = Celery("sender", broker=URL + "0", set_as_current=False)
application.conf.update(
    task_acks_late=True,  # a task is the broker's until it is done
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry=True,
    broker_connection_max_retries=None,
    broker_transport_options={"visibility_timeout": VISIBLE, "unacked_mutex_expire": VISIBLE},
    result_backend_transport_options={
        "retry_policy": {"max_retries": 20, "interval_step": 0.1, "interval_max": 0.1},
    },
    result_expires=3600,
    worker_hijack_root_logger=False,
)


def note(line):
    with open(os.environ["KV_DONE"], "a", encoding="utf-8") as done:
        done.write(line + "\n")


@application.task
def add(a, b):
    time.sleep(0.01)
    note(f"add {a} {b}")
    return a + b


@application.task
def total(numbers):
    return sum(numbers)


@application.task(bind=True, max_retries=3)
def flaky(self, name="flaky"):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    note(name)
    return self.request.retries


@application.task
def broken():
    raise ValueError("as it should")


def sums(pairs):
    """A chord: all sums, then their total."""
    return chord(group(add.s(a, b) for a, b in pairs), total.s())
