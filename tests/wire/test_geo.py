"""Places in sorted sets: GEOADD and what looks them up, by member and by area. Digits are those of
redis-server: every test runs against it, too."""
import pytest

from harness import NOT_FLOAT, OK, SYNTAX, WRONG_TYPE, Error

UNIT = Error("ERR unsupported unit provided. please use M, KM, FT, MI")
NO_MEMBER = Error("ERR could not decode requested zset member")
SICILY = ["13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"]
PALERMO = ("13.36138933897018433", "38.11555639549629859")
CATANIA = ("15.08726745843887329", "37.50266842333162032")


@pytest.fixture
def g(c):
    assert c("GEOADD", "g", *SICILY) == 2
    return c


def point(c, pair):
    return [float(x) if c.resp == 3 else x.encode() for x in pair]


def test_geoadd(g):
    assert g("GEOADD", "g", "13.5", "38", "Palermo", "0", "0", "zero") == 1
    assert g("GEOADD", "g", "NX", "1", "1", "zero") == 0
    assert g("GEOADD", "g", "CH", "XX", "1", "1", "zero", "2", "2", "new") == 1
    assert g("ZCARD", "g") == 3
    assert str(g("TYPE", "g")) == "zset"
    assert float(g("ZSCORE", "g", "Catania")) == 3479447370796909


def test_errors_of_geoadd(c):
    for words in ("NX XX 0 0 a", "NX 1 2", "0 0 a 1", "FOO 0 0 a 1", "GT 0 0 a"):
        assert isinstance(c("GEOADD", "g", *words.split()), Error), words
    assert c("GEOADD", "g", "0", "0", "a", "181", "0", "b") == Error(
        "ERR invalid longitude,latitude pair 181.000000,0.000000")
    assert c("GEOADD", "g", "0", "85.06", "a") == Error(
        "ERR invalid longitude,latitude pair 0.000000,85.060000")
    assert c("GEOADD", "g", "x", "0", "a") == NOT_FLOAT
    assert c("EXISTS", "g") == 0


def test_positions(g):
    assert g("GEOPOS", "g", "Palermo", "none", "Catania") == [
        point(g, PALERMO), None, point(g, CATANIA)]
    assert g("GEOPOS", "none", "a", "b") == [None, None]
    assert g("GEOPOS", "g") == []
    assert g("GEOHASH", "g", "Palermo", "none", "Catania") == [
        b"sqc8b49rny0", None, b"sqdtr74hyu0"]
    assert g("GEOHASH", "none", "a") == [None]


def test_scores_that_are_no_places(c):
    c("ZADD", "g", "1.5", "a", "inf", "b", "-5", "c", "1e17", "d", "-inf", "e")
    low = "-179.99999731779098511"
    high = ["180", "85.0511287799999991"]
    assert c("GEOPOS", "g", "a", "b", "c", "d")[:4] == [
        point(c, [low, "-85.05112497791824921"]), point(c, [low, "-85.05112751263942528"]),
        point(c, high), point(c, high)]


def test_distances(g):
    for unit, distance in [([], b"166274.1516"), (["M"], b"166274.1516"), (["km"], b"166.2742"),
                           (["mi"], b"103.3182"), (["FT"], b"545518.8700")]:
        assert g("GEODIST", "g", "Palermo", "Catania", *unit) == distance
    assert g("GEODIST", "g", "Palermo", "Palermo") == b"0.0000"
    assert g("GEODIST", "g", "Palermo", "none") is None
    assert g("GEODIST", "none", "a", "b") is None
    assert g("GEODIST", "none", "a", "b", "x") == UNIT
    assert g("GEODIST", "g", "a", "b", "m", "x") == SYNTAX


@pytest.mark.parametrize("words,members", [
    ("FROMLONLAT 15 37 BYRADIUS 200 km ASC", "Catania Palermo"),
    ("FROMLONLAT 15 37 BYRADIUS 200 km DESC", "Palermo Catania"),
    ("FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", "Catania"),
    ("FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY", "Palermo"),
    ("FROMMEMBER Palermo BYRADIUS 1 mi", "Palermo"),
    ("FROMMEMBER Palermo BYBOX 400 400 km ASC", "Palermo Catania"),
    ("FROMMEMBER Palermo BYBOX 0 0 m", "Palermo"),
    ("FROMLONLAT 15 37 BYBOX 1 1 km", ""), ("FROMLONLAT 15 37 BYRADIUS 0 km", ""),
    ("FROMLONLAT -100 -40 BYRADIUS 1e10 km DESC", "Catania Palermo")])
def test_searches(g, words, members):
    found = members.encode().split()
    assert g("GEOSEARCH", "g", *words.split()) == found
    assert g("GEOSEARCHSTORE", "d", "g", *words.split()) == len(found)
    assert sorted(g("ZRANGE", "d", 0, -1)) == sorted(found)
    assert g("EXISTS", "d") == bool(found)


def test_what_a_search_shows(g):
    assert g("GEOSEARCH", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "WITHCOORD", "WITHHASH",
             "WITHDIST", "ASC") == [
        [b"Catania", b"56.4413", 3479447370796909, point(g, CATANIA)],
        [b"Palermo", b"190.4424", 3479099956230698, point(g, PALERMO)]]
    assert g("GEORADIUS", "g", 15, 37, 200, "km", "WITHDIST", "DESC") == [
        [b"Palermo", b"190.4424"], [b"Catania", b"56.4413"]]


def test_georadius(g):
    assert g("GEORADIUS", "g", 15, 37, 200, "km", "ASC") == [b"Catania", b"Palermo"]
    assert g("GEORADIUS_RO", "g", 15, 37, 100, "km") == [b"Catania"]
    assert g("GEORADIUSBYMEMBER", "g", "Palermo", 200, "km", "DESC") == [b"Catania", b"Palermo"]
    assert g("GEORADIUSBYMEMBER_RO", "g", "Palermo", 1, "m") == [b"Palermo"]
    assert g("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "d", "COUNT", 1) == 1
    assert g("ZRANGE", "d", 0, -1) == [b"Catania"]
    assert g("GEORADIUS", "g", 15, 37, 200, "km", "STOREDIST", "d") == 2
    assert round(float(g("ZSCORE", "d", "Palermo")), 4) == 190.4424
    assert g("GEORADIUS", "none", 15, 37, 200, "km", "STORE", "d") == 0
    assert g("EXISTS", "d") == 0
    assert g("GEORADIUSBYMEMBER", "none", "x", "x", "km") == []


@pytest.mark.parametrize("words,error", [
    ("GEORADIUS g 15 37 x km", "ERR need numeric radius"),
    ("GEORADIUS g 15 37 -1 km", "ERR radius cannot be negative"),
    ("GEORADIUS g 15 37 1 x", str(UNIT)), ("GEORADIUSBYMEMBER g none 1 km", str(NO_MEMBER)),
    ("GEORADIUS g 15 37 1 km STORE d WITHDIST", "ERR STORE option in GEORADIUS is not compatible "
     "with WITHDIST, WITHHASH and WITHCOORD options"),
    ("GEORADIUS_RO g 15 37 1 km STORE d", "ERR syntax error"),
    ("GEORADIUS g 15 37 1 km FROMMEMBER x", "ERR syntax error"),
    ("GEOSEARCH g FROMMEMBER none BYRADIUS 1 km", str(NO_MEMBER)),
    ("GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km", "ERR syntax error"),
    ("GEOSEARCH g ASC BYRADIUS 1 km DESC",
     "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"),
    ("GEOSEARCH g FROMLONLAT 1 1 ASC DESC",
     "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYBOX x 1 km", "ERR need numeric width"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 x km", "ERR need numeric height"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 -1 km", "ERR height or width cannot be negative"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 km COUNT 0", "ERR COUNT must be > 0"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 km ANY",
     "ERR the ANY argument requires COUNT argument"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 km STOREDIST", "ERR syntax error"),
    ("GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 km WITHDIST", "ERR GEOSEARCHSTORE is not "
     "compatible with WITHDIST, WITHHASH and WITHCOORD options")])
def test_errors_of_searches(g, words, error):
    assert g(*words.split()) == Error(error)


def test_other_types_are_refused(c):
    assert c("SET", "s", "x") == OK
    for words in ("GEOADD s 1 1 a", "GEOPOS s a", "GEODIST s a b", "GEOHASH s a",
                  "GEORADIUS s 1 1 1 km", "GEORADIUSBYMEMBER s x x km",
                  "GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 km",
                  "GEOSEARCHSTORE d s FROMLONLAT 1 1 BYRADIUS 1 km"):
        assert c(*words.split()) == WRONG_TYPE, words


def test_what_was_stored_survives_a_kill(start):
    server = start("kv", appendfsync="always")
    with server.connect() as c:
        assert c("GEOADD", "g", *SICILY) == 2
        assert c("SET", "d", "x") == OK
        assert c("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km",
                 "STOREDIST") == 2
        assert c("GEORADIUS", "g", 15, 37, 100, "km", "STORE", "e") == 1
        assert c("GEORADIUS", "g", 15, 37, 1, "m", "STORE", "g") == 0
        before = [c("ZRANGE", key, 0, -1, "WITHSCORES") for key in "gde"]
    server.kill()
    server.start()
    with server.connect() as c:
        assert [c("ZRANGE", key, 0, -1, "WITHSCORES") for key in "gde"] == before


def test_a_centre_or_a_shape_may_be_given_again_but_not_in_another_way(c):
    c("GEOADD", "g", 13.361389, 38.115556, "a", 15.087269, 37.502669, "b")
    for key, found in (("g", [b"b"]), ("none", [])):
        assert c("GEOSEARCH", key, "FROMMEMBER", "a", "FROMMEMBER", "b", "BYRADIUS", 1,
                 "km") == found
        assert c("GEOSEARCH", key, "FROMLONLAT", 0, 0, "FROMLONLAT", 15, 37.5, "BYBOX", 1, 1, "km",
                 "BYBOX", 90, 90, "km") == found
        for words in (["FROMMEMBER", "a", "FROMLONLAT", 15, 37, "BYRADIUS", 1, "km"],
                      ["FROMLONLAT", 15, 37, "FROMMEMBER", "a", "BYRADIUS", 1, "km"],
                      ["FROMMEMBER", "a", "BYRADIUS", 1, "km", "BYBOX", 1, 1, "km"],
                      ["FROMMEMBER", "a", "BYBOX", 1, 1, "km", "BYRADIUS", 1, "km"]):
            assert c("GEOSEARCH", key, *words) == SYNTAX
