"""What the jobs of the test of rq do."""
import os
import time


def square(n, seconds=0.0):
    time.sleep(seconds)
    with open(os.environ["KV_DONE"], "a", encoding="utf-8") as done:
        done.write(f"{n}\n")
    return n * n


def broken():
    raise ValueError("as it should")
