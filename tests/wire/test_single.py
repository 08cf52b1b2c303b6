"""What tools ask of a single server: cluster, replication, modules. The same answers as from
redis-server without them."""
import time

import pytest

from harness import OK, SYNTAX, Error, NOT_INTEGER, wrong_arity

NO_CLUSTER = Error("ERR This instance has cluster support disabled")
NO_REPLICAS = Error("ERR FAILOVER requires connected replicas.")


@pytest.mark.parametrize("words", [
    "CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER MYID",
    "CLUSTER KEYSLOT a", "CLUSTER COUNTKEYSINSLOT 1", "CLUSTER GETKEYSINSLOT 1 2", "CLUSTER HELP",
    "CLUSTER MEET a 1", "CLUSTER RESET", "CLUSTER LINKS", "CLUSTER SETSLOT 1 STABLE",
    "CLUSTER ADDSLOTS x", "CLUSTER REPLICAS x", "READONLY", "READWRITE", "ASKING"])
def test_cluster(c, words):
    assert c(*words.split()) == NO_CLUSTER


def test_restore_asking_is_restore(c):
    c("SET", "a", "b")
    payload = c("DUMP", "a")
    assert c("RESTORE-ASKING", "new", 0, payload) == OK
    assert c("GET", "new") == b"b"
    again = c("RESTORE-ASKING", "new", 0, payload)
    assert again == Error("BUSYKEY Target key name already exists.")


def test_cluster_bad(c):
    assert c("CLUSTER") == wrong_arity("cluster")
    assert c("CLUSTER", "FOO") == Error("ERR unknown subcommand 'FOO'. Try CLUSTER HELP.")
    assert c("CLUSTER", "KEYSLOT") == wrong_arity("cluster|keyslot")
    assert c("READONLY", "x") == wrong_arity("readonly")


def test_role(c):
    role = c("ROLE")
    assert role[0] == b"master" and isinstance(role[1], int) and role[2] == []


def test_replicaof(c):
    assert c("REPLICAOF", "no", "ONE") == OK
    assert c("SLAVEOF", "NO", "one") == OK
    assert c("REPLICAOF", "host", "x") == Error("ERR Invalid master port")
    assert c("REPLICAOF", "host", "65536") == Error("ERR Invalid master port")
    assert c("REPLICAOF", "no") == wrong_arity("replicaof")


def test_replication_is_refused(kv):
    for words in ("REPLICAOF host 6379", "SLAVEOF 127.0.0.1 1", "SYNC", "PSYNC ? -1",
                  "REPLCONF listening-port 1"):
        assert kv(*words.split()).startswith("ERR kv does not replicate: ")
    assert kv("ROLE")[0] == b"master"


@pytest.mark.parametrize("words,error", [
    ("", NO_REPLICAS), ("TO a 1", NO_REPLICAS), ("TO a 1 FORCE TIMEOUT 5", NO_REPLICAS),
    ("ABORT", Error("ERR No failover in progress.")), ("TO a x", NOT_INTEGER),
    ("TIMEOUT x", NOT_INTEGER),
    ("TIMEOUT 0", Error("ERR FAILOVER timeout must be greater than 0")),
    ("ABORT x", SYNTAX), ("TIMEOUT 5 ABORT", SYNTAX), ("TO a", SYNTAX), ("FORCE FORCE", SYNTAX),
    ("TO a 1 TO b 2", SYNTAX), ("TIMEOUT", SYNTAX), ("x", SYNTAX)])
def test_failover(c, words, error):
    assert c("FAILOVER", *words.split()) == error


def test_wait(c):
    assert c("WAIT", 0, 0) == 0
    assert c("WAIT", -1, 0) == 0
    c("SET", "a", "b")
    started = time.monotonic()
    assert c("WAIT", 1, 100) == 0
    assert time.monotonic() - started >= 0.1
    c("MULTI")
    c("WAIT", 1, 0)
    assert c("EXEC") == [0]
    assert c("WAIT", "x", 1) == NOT_INTEGER
    assert c("WAIT", 1, "x") == Error("ERR timeout is not an integer or out of range")
    assert c("WAIT", 1, -1) == Error("ERR timeout is negative")


def test_modules(c):
    assert c("MODULE", "LIST") == []
    assert c("MODULE") == wrong_arity("module")
    assert c("MODULE", "UNLOAD") == wrong_arity("module|unload")
    assert c("MODULE", "FOO") == Error("ERR unknown subcommand 'FOO'. Try MODULE HELP.")
    for words in ("LOAD /nosuch.so", "LOADEX /nosuch.so CONFIG a b", "UNLOAD x"):
        assert c("MODULE", *words.split()).startswith("ERR MODULE command not allowed. ")


def test_sentinel_is_unknown(c):
    assert c("SENTINEL", "masters") == Error(
        "ERR unknown command 'SENTINEL', with args beginning with: 'masters' ")
