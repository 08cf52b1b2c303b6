"""TLS: who is let in, what flows, what is bounded, and certificates that change while it runs. What
is said of kv is said of redis-server too where it has the same."""
import os
import socket
import ssl
import subprocess
import time

import kv
import pytest
import redis

from handed import Handed, listening

SLOW = 10 if kv.SLOW else 1


# --- Certificates, made once ----------------------------------------------------------------------

def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Certificates:
    """Two authorities; certificates of the first one for a server (two of them) and a client, of
    the second for a stranger."""

    def __init__(self, folder):
        self.folder = folder
        for ca in ("ca", "other-ca"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", 2, "-subj", f"/CN={ca}", "-keyout", self.key(ca),
                    "-out", self[ca])
        for name, ca in (("server", "ca"), ("server2", "ca"), ("client", "ca"),
                         ("stranger", "other-ca")):
            self.make(name, ca)
        openssl("ec", "-aes128", "-passout", "pass:secret", "-in", self.key("server"),
                "-out", self.key("locked"))
        openssl("dhparam", "-dsaparam", "-out", self["dh"], 2048)

    def __getitem__(self, name):
        return str(self.folder / f"{name}.crt")

    def key(self, name):
        return str(self.folder / f"{name}.key")

    def make(self, name, ca):
        request, extra = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extra.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", request)
        openssl("x509", "-req", "-days", 2, "-in", request, "-CA", self[ca], "-CAkey",
                self.key(ca), "-CAcreateserial", "-extfile", extra, "-out", self[name])

    def context(self, client="client", ca="ca"):
        context = ssl.create_default_context(cafile=self[ca])
        if client:
            context.load_cert_chain(self[client], self.key(client))
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


# --- A server with a TLS port ---------------------------------------------------------------------

class TlsServer(kv.Server):
    def __init__(self, folder, certificates, *words, **options):
        self.tls_port = kv.free_port()
        self.certificates = certificates
        more = ["--persistence", "no"] if options.get("program", kv.SERVER) == kv.SERVER else [
            "--save", ""]
        super().__init__(folder, *more, "--tls-port", self.tls_port,
                         "--tls-cert-file", certificates["server"],
                         "--tls-key-file", certificates.key("server"),
                         "--tls-ca-cert-file", certificates["ca"], *words, **options)

    def connect(self, client="client", timeout=30.0, context=None, session=None):
        context = context or self.certificates.context(client)
        plain = socket.create_connection(("127.0.0.1", self.tls_port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Tls(context.wrap_socket(plain, server_hostname="localhost", session=session))

    def redis(self, client="client", **options):
        options.setdefault("decode_responses", True)
        certificate = {"ssl_certfile": self.certificates[client],
                       "ssl_keyfile": self.certificates.key(client)} if client else {}
        return redis.Redis(port=self.tls_port, ssl=True, ssl_ca_certs=self.certificates["ca"],
                           **certificate, **options)


class Tls(kv.Raw):
    def __init__(self, link):
        self.socket = link

    def take(self, count):
        """In pieces of a record: joining them one by one would take minutes for a large value."""
        got = bytearray()
        while len(got) < count:
            piece = self.socket.recv(count - len(got))
            if not piece:
                break
            got += piece
        return bytes(got)


@pytest.fixture
def serve(tmp_path, certificates):
    servers = []

    def begin(*words, **options):
        folder = tmp_path / str(len(servers))
        servers.append(TlsServer(folder, certificates, *words, **options))
        return servers[-1]
    yield begin
    for server in servers:
        assert server.is_alive(), server.log()
        server.kill()


@pytest.fixture(params=["kv", "redis"])
def serve_both(request, serve):
    program = kv.SERVER if request.param == "kv" else kv.REDIS
    return lambda *words: serve(*words, program=program)


def refused(server, **options):
    """True if no request is answered."""
    try:
        with server.connect(**options) as link:
            return link.say(b"PING\r\n") != b"+PONG"
    except (ssl.SSLError, ConnectionError):
        return True


# --- Who is let in --------------------------------------------------------------------------------

def test_redis_py_speaks_tls(serve_both):
    server = serve_both()
    client = server.redis()
    assert client.set("key", "value") and client.get("key") == "value"
    with client.pipeline() as pipe:
        for i in range(5000):
            pipe.set(i, "x" * (i % 100))
        assert pipe.execute() == [True] * 5000
    assert client.dbsize() == 5001
    assert server.client().get("key") == "value", "the plain port serves the same data"


def test_redis_cli_speaks_tls(serve, certificates):
    server = serve()
    words = ["redis-cli", "--tls", "-p", str(server.tls_port), "--cacert", certificates["ca"],
             "--cert", certificates["client"], "--key", certificates.key("client")]
    assert subprocess.run([*words, "PING"], capture_output=True, text=True).stdout == "PONG\n"
    mass = "".join(f"SET key{i} value\r\n" for i in range(20000)).encode()
    done = subprocess.run([*words, "--pipe"], input=mass, capture_output=True)
    assert b"errors: 0, replies: 20000" in done.stdout
    assert server.client().dbsize() == 20000


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark_speaks_tls(serve_both, certificates, pipeline):
    server = serve_both()
    done = subprocess.run(
        ["redis-benchmark", "--tls", "-p", str(server.tls_port), "--cacert", certificates["ca"],
         "--cert", certificates["client"], "--key", certificates.key("client"), "-n", "2000", "-P",
         pipeline, "-c", "20", "--csv", "-q"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "rror" not in done.stdout + done.stderr, done
    assert done.stdout.count('"') > 100, done.stdout


def test_a_client_must_show_a_certificate_by_default(serve_both):
    server = serve_both()
    assert refused(server, client=None)
    assert refused(server, client="stranger")
    assert not refused(server)


def test_a_certificate_may_be_optional(serve_both):
    server = serve_both("--tls-auth-clients", "optional")
    assert not refused(server, client=None)
    assert refused(server, client="stranger")
    assert not refused(server)


def test_no_certificate_may_be_needed(serve_both):
    server = serve_both("--tls-auth-clients", "no")
    assert not refused(server, client=None)
    assert not refused(server, client="stranger")


def test_a_client_that_does_not_know_our_authority_leaves(serve, certificates):
    server = serve()
    with pytest.raises(ssl.SSLCertVerificationError):
        server.connect(context=certificates.context(ca="other-ca"))
    server.wait_log("Error accepting a client connection: tlsv1 alert unknown ca")
    assert "addr=127.0.0.1:" in server.log()
    assert not refused(server)


def test_a_folder_of_authorities(serve, certificates, tmp_path):
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "other.pem").write_bytes(open(certificates["other-ca"], "rb").read())
    openssl("rehash", folder)
    server = serve("--tls-ca-cert-dir", folder)
    assert not refused(server, client="stranger")
    assert not refused(server, client="client")


@pytest.mark.parametrize("only,other", [("TLSv1_2", "TLSv1_3"), ("TLSv1_3", "TLSv1_2")])
def test_protocols_are_as_configured(serve, certificates, only, other):
    server = serve("--tls-protocols", only.replace("_", "."))
    for version, good in ((only, True), (other, False)):
        context = certificates.context()
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        assert refused(server, context=context) != good


def test_ciphers_are_as_configured(serve, certificates):
    server = serve("--tls-protocols", "TLSv1.2 TLSv1.3", "--tls-prefer-server-ciphers", "yes",
                   "--tls-ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384",
                   "--tls-ciphersuites", "TLS_AES_128_GCM_SHA256",
                   "--tls-dh-params-file", certificates["dh"])
    context = certificates.context()
    with server.connect(context=context) as link:
        assert link.socket.cipher()[0] == "TLS_AES_128_GCM_SHA256"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with server.connect(context=context) as link:
        assert link.socket.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_a_locked_key_is_opened_by_its_password(serve, certificates):
    server = serve("--tls-key-file", certificates.key("locked"), "--tls-key-file-pass", "secret")
    assert not refused(server)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("caching", ["yes", "no"])
def test_sessions_are_taken_up_again(serve, certificates, version, caching):
    server = serve("--tls-session-caching", caching)
    context = certificates.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with server.connect(context=context) as link:
        assert link.say(b"PING\r\n") == b"+PONG"
        session = link.socket.session
        link.socket.unwrap()
    with server.connect(context=context, session=session) as link:
        assert link.say(b"PING\r\n") == b"+PONG"
        assert link.socket.session_reused == (caching == "yes")


def test_the_plain_port_may_be_off(tmp_path, certificates):
    server = TlsServer(tmp_path, certificates, start=False, port=0)
    server.launch()
    try:
        server.wait_log("Ready to accept connections tls 127.0.0.1")
        assert "connections tcp" not in server.log()
        client = server.redis()
        assert client.info("server")["tcp_port"] == server.tls_port
        assert client.config_get("port") == {"port": "0"}
    finally:
        server.kill()


# --- Starts that fail -----------------------------------------------------------------------------

@pytest.mark.parametrize("words,text", [
    (["--tls-cert-file", ""], "No tls-cert-file configured!"),
    (["--tls-key-file", ""], "No tls-key-file configured!"),
    (["--tls-cert-file", "/nowhere.crt"], "tls-cert-file '/nowhere.crt': No such file"),
    (["--tls-key-file", "/nowhere.key"], "tls-key-file '/nowhere.key': No such file"),
    (["--tls-ca-cert-file", ""], "Either tls-ca-cert-file or tls-ca-cert-dir must be specified"),
    (["--tls-ca-cert-file", "/nowhere.crt"], "tls-ca-cert-file '/nowhere.crt'"),
    (["--tls-protocols", "SSLv3"], "Invalid tls-protocols specified"),
    (["--tls-ciphers", "nonsense"], "tls-ciphers 'nonsense': no cipher match"),
    (["--tls-ciphersuites", "nonsense"], "tls-ciphersuites 'nonsense'"),
    (["--tls-dh-params-file", "/nowhere"], "tls-dh-params-file '/nowhere': No such file"),
])
def test_what_is_wrong_is_named_and_ends_the_start(tmp_path, certificates, words, text):
    server = TlsServer(tmp_path, certificates, *words, start=False)
    server.launch()
    assert server.process.wait(kv.PATIENCE_S) == 1
    assert text in server.log()


def test_a_key_that_does_not_fit_ends_the_start(tmp_path, certificates):
    for key, text in ((certificates.key("client"), "key values mismatch"),
                      (certificates.key("locked"), "tls-key-file")):
        server = TlsServer(tmp_path, certificates, "--tls-key-file", key, start=False)
        server.launch()
        assert server.process.wait(kv.PATIENCE_S) == 1
        assert text in server.log()


# --- What flows -----------------------------------------------------------------------------------

@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def link(request, serve, certificates):
    context = certificates.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[request.param]
    with serve().connect(context=context) as opened:
        yield opened


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 65536, 1 << 20, 40 << 20])
def test_values_of_any_size_flow_both_ways(link, size):
    value = os.urandom(1 << 16) * (size // (1 << 16) + 1)
    value = value[:size]
    link.send(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$%d\r\n" % size + value + b"\r\n")
    assert link.line() == b"+OK"
    link.send(b"*2\r\n$3\r\nGET\r\n$1\r\nv\r\n")
    assert link.line() == b"$%d" % size
    assert link.take(size + 2) == value + b"\r\n"


def test_deep_pipelines_are_answered_to_the_end(link):
    """More than fits into one read, with nothing behind it that would wake the loop."""
    count = 20000
    for body, reply in ((b"PING\r\n", b"+PONG\r\n"),
                        (b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n", b"$3\r\nabc\r\n")):
        link.send(body * count)
        link.expect(reply * count)


def test_requests_in_single_bytes(link):
    for byte in b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n":
        link.send(bytes([byte]))
    link.expect(b"$3\r\nabc\r\n")


def test_requests_behind_a_blocked_one_wait_for_it(serve):
    server = serve()
    with server.connect() as link:
        link.send(b"BLPOP list 0\r\n" + b"PING\r\n" * 30000)
        plain = server.client()
        kv.wait_until(lambda: plain.info("clients")["blocked_clients"] == 1)
        plain.rpush("list", "x")
        link.expect(b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n" + b"+PONG\r\n" * 30000)


def test_a_slow_reader_gets_all_and_disturbs_nobody(serve):
    server = serve()
    plain = server.client(decode_responses=False)
    value = os.urandom(1 << 20)
    plain.set("v", value)
    with server.connect() as link:
        link.send(b"GET v\r\n" * 30)
        time.sleep(0.2)
        assert plain.ping()
        reply = b"$%d\r\n" % len(value) + value + b"\r\n"
        for _ in range(30):
            link.expect(reply)
        assert link.say(b"PING\r\n") == b"+PONG"


def test_messages_reach_subscribers(serve):
    server = serve()
    with server.connect() as link:
        link.send(b"SUBSCRIBE news\r\n")
        link.expect(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
        assert server.client().publish("news", "x" * 100000) == 1
        link.expect(b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$100000\r\n" + b"x" * 100000 + b"\r\n")


def test_quit_says_good_bye(serve):
    with serve().connect() as link:
        assert link.say(b"QUIT\r\n") == b"+OK"
        assert link.socket.recv(1) == b"", "an orderly end, no cut"


def test_many_clients_at_once(serve):
    server = serve()
    context = server.certificates.context()
    links = [server.connect(context=context) for _ in range(100)]
    for i, link in enumerate(links):
        link.send(b"INCR n\r\n")
    assert sorted(int(link.line()[1:]) for link in links) == list(range(1, 101))
    for link in links:
        link.close()
    plain = server.client()
    kv.wait_until(lambda: plain.info("clients")["connected_clients"] == 1)


def test_replies_wait_for_the_disk(tmp_path, certificates):
    with TlsServer(tmp_path, certificates, "--persistence", "yes") as server:
        client = server.redis()
        for i in range(50):
            assert client.incr("n") == i + 1
        server.kill()
        server.start()
        assert server.redis().get("n") == "50"


# --- What is bounded ------------------------------------------------------------------------------

def test_plain_bytes_to_the_tls_port_are_refused(serve):
    server = serve()
    with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
        raw.send(b"*1\r\n$4\r\nPING\r\n")
        assert b"PONG" not in raw.rest()
    server.wait_log("Error accepting a client connection: wrong version number")
    with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
        raw.send(b"GET / HTTP/1.0\r\n\r\n")
        assert raw.rest() == b"" or True
    assert not refused(server)


def test_failed_handshakes_do_not_flood_the_log(serve):
    server = serve()
    for _ in range(200):
        with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
            raw.send(b"nonsense" * 10)
            raw.rest()
    assert 1 <= server.log().count("Error accepting a client connection") < 50 * SLOW
    assert not refused(server)


def test_a_half_open_handshake_is_given_up(serve):
    server = serve("--tls-handshake-timeout", "1")
    plain = server.client()
    silent = [kv.Raw(("127.0.0.1", server.tls_port)) for _ in range(20)]
    for i, raw in enumerate(silent):
        raw.send(b"\x16\x03\x01\x02\x00\x01"[:i % 7])
    kv.wait_until(lambda: plain.info("clients")["connected_clients"] == 21)
    with server.connect() as link:
        for raw in silent:
            raw.socket.settimeout(15 * SLOW)
            raw.rest()
            raw.close()
        assert link.say(b"PING\r\n") == b"+PONG", "who is in stays in"
    server.wait_log("the TLS handshake takes too long")
    kv.wait_until(lambda: plain.info("clients")["connected_clients"] == 1)


def test_half_open_handshakes_count_as_clients(serve):
    server = serve("--maxclients", "5")
    silent = [kv.Raw(("127.0.0.1", server.tls_port)) for _ in range(5)]
    kv.wait_until(lambda: refused(server))
    for raw in silent:
        raw.close()
    kv.wait_until(lambda: not refused(server))
    assert server.redis().info("stats")["rejected_connections"] >= 1


def test_clients_that_leave_at_any_moment(serve, certificates):
    """A recorded beginning of a connection, cut at many places."""
    server = serve()
    recorded = bytearray()
    context = certificates.context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    recorded += outgoing.read()
    for cut in range(0, len(recorded), 7):
        with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
            raw.send(bytes(recorded[:cut]))
    for cut in range(0, len(recorded), 11):
        broken = bytearray(recorded)
        broken[cut] ^= 0x55
        with kv.Raw(("127.0.0.1", server.tls_port)) as raw:
            raw.send(bytes(broken) + b"x" * 100)
            raw.socket.shutdown(socket.SHUT_WR)
    assert not refused(server)
    plain = server.client()
    kv.wait_until(lambda: plain.info("clients")["connected_clients"] == 1)


def test_broken_records_close_the_connection(serve):
    server = serve()
    link = server.connect()
    assert link.say(b"PING\r\n") == b"+PONG"
    plain = socket.socket(fileno=os.dup(link.socket.fileno()))
    plain.sendall(b"\x17\x03\x03\x00\x20" + b"z" * 32)
    plain.settimeout(10)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        if not link.socket.recv(100):
            raise ConnectionError
    plain.close()
    assert not refused(server)


def test_killing_clients_works(serve):
    server = serve()
    with server.connect() as link:
        assert link.say(b"CLIENT SETNAME me\r\n") == b"+OK"
        plain = server.client()
        mine = [one for one in plain.client_list() if one["name"] == "me"]
        assert plain.client_kill_filter(_id=mine[0]["id"]) == 1
        assert link.rest() == b""


def test_protected_mode_is_told_behind_the_handshake(serve, certificates):
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    address = next((one for one in addresses if ":" not in one), None)
    if not address:
        pytest.skip("only the loopback here")
    server = serve("--bind", "*")
    context = certificates.context()
    context.check_hostname = False
    link = context.wrap_socket(socket.create_connection((address, server.tls_port), 10))
    assert link.recv(7) == b"-DENIED"
    link.close()


# --- Certificates that change ---------------------------------------------------------------------

def serial(server):
    with server.connect() as link:
        return link.socket.getpeercert()["serialNumber"]


def test_certificates_are_replaced_while_clients_are_connected(serve, certificates):
    server = serve()
    plain = server.client()
    before = serial(server)
    with server.connect() as link:
        assert plain.config_set("tls-cert-file", certificates["server2"],
                                "tls-key-file", certificates.key("server2"))
        assert serial(server) != before
        assert link.say(b"PING\r\n") == b"+PONG"
        link.send(b"*2\r\n$4\r\nECHO\r\n$100000\r\n" + b"x" * 100000 + b"\r\n")
        link.expect(b"$100000\r\n" + b"x" * 100000 + b"\r\n")


def test_the_same_name_is_read_again(serve, certificates, tmp_path):
    now = tmp_path / "now.crt"
    key = tmp_path / "now.key"

    def use(name):
        now.write_bytes(open(certificates[name], "rb").read())
        key.write_bytes(open(certificates.key(name), "rb").read())
    use("server")
    server = serve("--tls-cert-file", now, "--tls-key-file", key)
    before = serial(server)
    use("server2")
    assert serial(server) == before
    assert server.client().config_set("tls-cert-file", str(now))
    assert serial(server) != before


@pytest.mark.parametrize("name,value,text", [
    ("tls-cert-file", "/nowhere.crt", "tls-cert-file '/nowhere.crt': No such file or directory"),
    ("tls-key-file", "{client}", "key values mismatch"),
    ("tls-ca-cert-file", "/nowhere.crt", "tls-ca-cert-file '/nowhere.crt'"),
    ("tls-protocols", "TLSv9", "Invalid tls-protocols"),
    ("tls-ciphers", "nonsense", "no cipher match"),
    ("tls-cert-file", "", "No tls-cert-file configured!"),
])
def test_bad_files_leave_the_old_ones(serve, certificates, name, value, text):
    server = serve()
    plain = server.client()
    before, had = serial(server), plain.config_get(name)
    with pytest.raises(redis.ResponseError, match="possibly related to argument") as error:
        plain.config_set(name, value.format(client=certificates.key("client")))
    assert text in str(error.value)
    assert plain.config_get(name) == had
    assert serial(server) == before


def test_a_good_and_a_bad_file_change_nothing(serve, certificates):
    server = serve()
    plain = server.client()
    before = serial(server)
    with pytest.raises(redis.ResponseError):
        plain.config_set("tls-cert-file", certificates["server2"], "tls-key-file", "/nowhere.key")
    assert serial(server) == before
    assert plain.config_get("tls-cert-file") == {"tls-cert-file": certificates["server"]}


def test_who_is_asked_for_a_certificate_can_change(serve):
    server = serve()
    assert refused(server, client=None)
    server.client().config_set("tls-auth-clients", "no")
    assert not refused(server, client=None)


def test_the_tls_port_can_come_go_and_move(serve, certificates):
    server = serve()
    plain = server.client()
    old = server.tls_port
    with server.connect() as link:
        plain.config_set("tls-port", 0)
        with pytest.raises(ConnectionError):
            server.connect()
        assert link.say(b"PING\r\n") == b"+PONG"
    server.tls_port = kv.free_port()
    plain.config_set("tls-port", server.tls_port)
    assert not refused(server)
    with pytest.raises(redis.ResponseError):
        plain.config_set("tls-port", server.port)
    assert not refused(server)
    assert plain.config_get("tls-port") == {"tls-port": str(server.tls_port)}
    assert old != server.tls_port


def test_tls_options_survive_config_rewrite(tmp_path, certificates):
    config = tmp_path / "kv.conf"
    config.write_text("# mine\n")
    with TlsServer(tmp_path, certificates, config=config) as server:
        plain = server.client()
        plain.config_set("tls-protocols", "TLSv1.2 TLSv1.3", "tls-auth-clients", "optional")
        plain.config_rewrite()
    text = config.read_text()
    assert 'tls-protocols "TLSv1.2 TLSv1.3"' in text
    assert "tls-auth-clients optional" in text


# --- Sockets of a service manager -----------------------------------------------------------------

def test_a_socket_of_systemd_speaks_tls_by_its_name_or_port(tmp_path, certificates):
    words = ["--tls-cert-file", certificates["server"], "--tls-ca-cert-file", certificates["ca"],
             "--tls-key-file", certificates.key("server")]
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as plain, \
            listening(socket.AF_INET, ("127.0.0.1", 0)) as named, \
            listening(socket.AF_INET, ("127.0.0.1", 0)) as known:
        ports = [each.getsockname()[1] for each in (plain, named, known)]
        with Handed(tmp_path / "a", [plain, named, known], *words, "--tls-port", str(ports[2]),
                    names="kv:tls:other"):
            with redis.Redis(port=ports[0]) as client:
                assert client.ping()
            for port in ports[1:]:
                with redis.Redis(port=port, ssl=True, ssl_ca_certs=certificates["ca"],
                                 ssl_certfile=certificates["client"],
                                 ssl_keyfile=certificates.key("client")) as client:
                    assert client.ping()
        with Handed(tmp_path / "b", [named], *words, names="tls") as handed:
            assert handed.process.wait(kv.PATIENCE_S) == 1
            assert "but tls-port is 0" in handed.said()
