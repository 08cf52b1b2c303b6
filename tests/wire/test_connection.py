"""The connection group but CLIENT: who one is, which protocol one speaks, which database one
uses."""
import pytest

from harness import NOT_INTEGER, OK, SYNTAX, Connection, Error, Status, wrong_arity

WRONGPASS = Error("WRONGPASS invalid username-password pair or user is disabled.")
NOAUTH = Error("NOAUTH Authentication required.")
NO_PASSWORD = Error("ERR AUTH <password> called without any password configured for the default "
                    "user. Are you sure your configuration is correct?")
HELLO_NOAUTH = Error("NOAUTH HELLO must be called with the client already authenticated, otherwise "
                     "the HELLO AUTH <user> <pass> option can be used to authenticate the "
                     "client and select the RESP protocol version at the same time")


def test_ping(c):
    assert c("PING") == Status("PONG")
    assert c("PING", "a b\r\n") == b"a b\r\n"
    assert c("PING", "a", "b") == wrong_arity("ping")


def test_echo(c):
    assert c("ECHO", "\r\n") == b"\r\n"
    assert c("ECHO") == wrong_arity("echo")


def test_select(c):
    assert c("SELECT", 3) == OK
    assert c("SET", "a", "1") == OK
    assert c("SELECT", 0) == OK
    assert c("GET", "a") is None
    assert c("SELECT", 16) == Error("ERR DB index is out of range")
    assert c("SELECT", -1) == Error("ERR DB index is out of range")
    assert c("SELECT", "x") == NOT_INTEGER
    assert c("SELECT", 3) == OK
    assert c("GET", "a") == b"1"


def facts(reply):
    """HELLO's map, in both protocols."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def test_hello_tells_about_the_server(c):
    reply = facts(c("HELLO"))
    assert list(reply) == [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]
    assert reply[b"server"] == b"redis"
    assert reply[b"proto"] == c.resp
    assert reply[b"id"] == c("CLIENT", "ID")
    assert (reply[b"mode"], reply[b"role"]) == (b"standalone", b"master")
    assert reply[b"modules"] == []


def test_hello_changes_the_protocol(c):
    assert isinstance(c("HELLO", 3), dict)
    assert isinstance(c("HELLO"), dict)
    assert isinstance(c("HELLO", 2), list)
    assert isinstance(c("HELLO"), list)


def test_hello_does_all_or_nothing(c):
    assert c("HELLO", 3, "SETNAME", "me", "AUTH", "default", "x")[b"proto"] == 3
    assert c("CLIENT", "GETNAME") == b"me"
    for words, error in [
            ((1,), "NOPROTO unsupported protocol version"),
            ((4,), "NOPROTO unsupported protocol version"),
            (("x",), "ERR Protocol version is not an integer or out of range"),
            ((2, "AUTH", "a"), "ERR Syntax error in HELLO option 'AUTH'"),
            ((2, "SETNAME"), "ERR Syntax error in HELLO option 'SETNAME'"),
            ((2, "FOO"), "ERR Syntax error in HELLO option 'FOO'"),
            ((2, "SETNAME", "a b"),
             "ERR Client names cannot contain spaces, newlines or special characters."),
            ((2, "AUTH", "nobody", "x", "SETNAME", "other"), str(WRONGPASS))]:
        assert c("HELLO", *words) == Error(error)
    assert isinstance(c("HELLO"), dict)
    assert c("CLIENT", "GETNAME") == b"me"


def test_auth_without_a_password(c):
    assert c("AUTH", "x") == NO_PASSWORD
    assert c("AUTH", "default", "anything") == OK
    assert c("AUTH", "nobody", "x") == WRONGPASS
    assert c("AUTH", "a", "b", "c") == SYNTAX
    assert c("AUTH") == wrong_arity("auth")


@pytest.fixture(scope="module", params=["kv", "redis"])
def locked(request):
    from harness import Server
    server = Server(request.param, requirepass="p@ss word")
    yield server
    server.close()


def test_a_password_locks_all_but_the_handshake(locked):
    with Connection(locked.port) as c:
        for words in [("PING",), ("GET", "a"), ("SET", "a", "1"), ("CLIENT", "ID"), ("INFO",),
                      ("COMMAND",), ("CONFIG", "GET", "*"), ("SELECT", 1), ("ECHO", "x")]:
            assert c(*words) == NOAUTH, words
        assert c("HELLO") == HELLO_NOAUTH
        assert c("HELLO", 3) == HELLO_NOAUTH
        assert c("AUTH", "x") == WRONGPASS
        assert c("AUTH", "p@ss") == WRONGPASS
        assert c("AUTH", "default", "") == WRONGPASS
        assert c("AUTH", "nobody", "p@ss word") == WRONGPASS
        assert c("GET", "a") == NOAUTH
        assert c("AUTH", "p@ss word") == OK
        assert c("GET", "a") is None
        # a failed attempt takes nothing away
        assert c("AUTH", "x") == WRONGPASS
        assert c("PING") == Status("PONG")
        assert c("RESET") == Status("RESET")
        assert c("PING") == NOAUTH
        assert c("AUTH", "default", "p@ss word") == OK
        assert c("PING") == Status("PONG")


def test_hello_authenticates(locked):
    with Connection(locked.port) as c:
        assert c("HELLO", 3, "AUTH", "default", "wrong") == WRONGPASS
        assert c("HELLO", 3, "AUTH", "default", "p@ss word", "SETNAME", "me")[b"proto"] == 3
        assert c("CLIENT", "GETNAME") == b"me"


def test_quit_is_open_to_everyone(locked):
    with Connection(locked.port) as c:
        assert c("QUIT") == OK
        assert c.at_end()


def test_a_password_may_change_at_run_time(start, server):
    mine = start(server.kind)
    with mine.connect() as c:
        assert c("CONFIG", "SET", "requirepass", "secret") == OK
        assert c("PING") == Status("PONG")  # who was in stays in
        with mine.connect() as other:
            assert other("PING") == NOAUTH
            assert other("AUTH", "secret") == OK
        shown = b"********" if server.kind == "kv" else b"secret"
        assert c("CONFIG", "GET", "requirepass") == [b"requirepass", shown]
        assert c("CONFIG", "SET", "requirepass", "") == OK
        with mine.connect() as other:
            assert other("PING") == Status("PONG")


def test_reset(c):
    assert c("SELECT", 5) == OK
    assert c("CLIENT", "SETNAME", "me") == OK
    assert c("HELLO", 3)[b"proto"] == 3
    assert c("RESET") == Status("RESET")
    assert c("CLIENT", "GETNAME") is None
    assert facts(c("HELLO"))[b"proto"] == 2
    assert " db=0 " in c("CLIENT", "INFO").decode()


def test_quit_answers_what_was_asked_before(c):
    c.send_bytes(b"SET a 1\r\nGET a\r\nQUIT\r\nSET a 2\r\n")
    assert [c.read(), c.read(), c.read()] == [OK, b"1", OK]
    assert c.at_end()


@pytest.mark.parametrize("kind", ["kv", "redis"])
def test_who_has_sent_first_is_served_first(start, kind):
    """Also if all that they have sent is found in one turn."""
    server = start(kind, enable_debug_command="yes")
    others = [server.connect() for _ in range(20)]
    for other in others:
        assert other("PING") == Status("PONG")
    with server.connect() as c:
        for _ in range(3):  # turns that find none of the others
            assert c("PING") == Status("PONG")
        c.send("DEBUG", "SLEEP", "0.2")
        for number, other in enumerate(others):
            other.send("RPUSH", "list", number)
        assert c.read() == OK
        for other in others:
            other.read()
        assert c("LRANGE", "list", 0, -1) == [b"%d" % i for i in range(len(others))]
    for other in others:
        other.close()
