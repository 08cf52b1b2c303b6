"""SET ... IFEQ and DELIFEQ, as Valkey has them: kv alone."""
import pytest

from harness import OK, SYNTAX, WRONG_TYPE


def test_set_only_if_equal(kv):
    assert kv("SET", "k", "new", "IFEQ", "old") is None
    assert kv("EXISTS", "k") == 0
    kv("SET", "k", "old")
    assert kv("SET", "k", "new", "IFEQ", "other") is None
    assert kv("SET", "k", "new", "ifeq", "old") == OK
    assert kv("GET", "k") == b"new"


def test_an_integer_is_compared_as_text(kv):
    kv("SET", "k", "10")
    assert kv("SET", "k", "11", "IFEQ", "010") is None
    assert kv("SET", "k", "11", "IFEQ", "10") == OK


def test_with_get_it_answers_the_old_value(kv):
    kv("SET", "k", "old")
    assert kv("SET", "k", "new", "IFEQ", "other", "GET") == b"old"
    assert kv("GET", "k") == b"old"
    assert kv("SET", "k", "new", "IFEQ", "old", "GET", "PX", "100000") == b"old"
    assert kv("GET", "k") == b"new"
    assert 0 < kv("PTTL", "k") <= 100000


@pytest.mark.parametrize("words", [["IFEQ"], ["IFEQ", "x", "NX"], ["NX", "IFEQ", "x"],
                                   ["XX", "IFEQ", "x"], ["IFEQ", "x", "y"]])
def test_bad_options(kv, words):
    assert kv("SET", "k", "v", *words) == SYNTAX


def test_delete_only_if_equal(kv):
    assert kv("DELIFEQ", "k", "x") == 0
    kv("SET", "k", "x")
    assert kv("DELIFEQ", "k", "y") == 0
    assert kv("DELIFEQ", "k", "x") == 1
    assert kv("EXISTS", "k") == 0


def test_another_type_is_an_error(kv):
    kv("RPUSH", "k", "x")
    assert kv("DELIFEQ", "k", "x") == WRONG_TYPE
    assert kv("SET", "k", "v", "IFEQ", "x") == WRONG_TYPE


def test_both_are_in_the_log(start):
    server = start("kv")
    with server.connect() as c:
        c("SET", "a", "1")
        c("SET", "a", "2", "IFEQ", "1")
        c("SET", "b", "1")
        c("DELIFEQ", "b", "1")
    server.restart(crash=True)
    with server.connect() as c:
        assert c("GET", "a") == b"2"
        assert c("EXISTS", "b") == 0
