"""Settings in transaction pooling: each client sees the ones it has set or was started with, and never another's."""

import pytest

from harness.raw_client import RawClient, bind, error, errors, execute, parse, query, rows, sync

# Those that PostgreSQL 15 reports and a client may set: two values, and how the server spells them.
REPORTED = {
    "application_name": ("one", "two", "one", "two"),
    "client_encoding": ("LATIN1", "utf-8", "LATIN1", "UTF8"),
    "DateStyle": ("Postgres, DMY", "German", "Postgres, DMY", "German, DMY"),
    "IntervalStyle": ("sql_standard", "iso_8601", "sql_standard", "iso_8601"),
    "TimeZone": ("Asia/Tokyo", "Europe/Lisbon", "Asia/Tokyo", "Europe/Lisbon"),
    "default_transaction_read_only": ("true", "false", "on", "off"),
}


@pytest.fixture
def two(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it, application_name="a") as a, RawClient.of(it, application_name="b") as b:
        yield a, b


def show(client, name):
    return client.one(f"SHOW {name}")


@pytest.mark.parametrize("name", REPORTED)
def test_a_reported_setting_is_each_clients_own(two, name):
    a, b = two
    first, second, seen_first, seen_second = REPORTED[name]
    before = show(a, name), show(b, name)
    a.ask(query(f"SET {name} TO '{first}'"))
    b.ask(query(f"SET SESSION {name} = '{second}'"))
    for _ in range(2):
        # The day's and month's order stays as it was where only the style is set.
        assert show(a, name) == seen_first and show(b, name).split(",")[0] == seen_second.split(",")[0]
    a.ask(query(f"RESET {name}"))
    assert show(a, name) == before[0] and show(b, name).split(",")[0] == seen_second.split(",")[0]
    b.ask(query("RESET ALL"))
    assert (show(a, name), show(b, name)) == before


@pytest.mark.parametrize("name", REPORTED)
def test_a_reported_setting_within_a_transaction_ends_as_it_would(two, name):
    a, b = two
    first, _, seen, _ = REPORTED[name]
    before = show(a, name)
    for change, last, expected in ((f"SET LOCAL {name} TO '{first}'", "COMMIT", before), (f"SET {name} TO '{first}'", "ROLLBACK", before),
                                   (f"SET {name} TO '{first}'", "COMMIT", seen)):
        a.ask(query("BEGIN"))
        a.ask(query(change))
        assert show(a, name) == seen
        a.ask(query(last))
        if name != "application_name":
            assert show(b, name) == before
        assert show(a, name) == expected


def test_a_client_hears_of_what_changes_as_it_would_from_the_server(two):
    a, b = two
    reports = [body for kind, body in a.ask(query("SET TimeZone = 'Asia/Tokyo'")) if kind == "S"]
    assert reports == [b"TimeZone\0Asia/Tokyo\0"]
    # That the connection has to be changed back and forth is nobody's business.
    for client in (b, a, b, a):
        assert [body for kind, body in client.ask(query("SELECT 1")) if kind == "S"] == []


@pytest.mark.parametrize("text", ["ä", "€ and more"])
def test_each_client_has_its_own_encoding(two, text):
    a, b = two
    a.ask(query("SET client_encoding = 'LATIN9'"))
    for _ in range(2):
        sql = b"SELECT '" + text.encode("iso8859-15") + b"', length('" + text.encode("iso8859-15") + b"')\0"
        answer = a.ask(b"Q" + (len(sql) + 4).to_bytes(4, "big") + sql)
        row = next(body for kind, body in answer if kind == "D")
        assert text.encode("iso8859-15") in row
        assert rows(b.ask(query(f"SELECT '{text}', length('{text}')"))) == [(text, str(len(text)))]


def ask_in_latin1(client, sql):
    return client.ask(query(sql.encode("latin1")))


def utf8_of(client, name):
    """What the server understands by the setting's value, told in ASCII."""
    return bytes.fromhex(client.one(f"SELECT encode(convert_to(current_setting('{name}'), 'UTF8'), 'hex')")).decode()


def test_a_value_that_is_not_ascii_follows_its_session_in_the_servers_encoding(two):
    a, b = two
    a.ask(query("SET TimeZone = '<é>-3'"))
    for _ in range(2):
        assert (utf8_of(b, "TimeZone"), utf8_of(a, "TimeZone")) == ("Etc/UTC", "<é>-3")


@pytest.mark.parametrize("encoding_first", [True, False])
def test_a_value_that_is_not_ascii_keeps_its_session_in_another_encoding(pooled, encoding_first):
    """The server tells it in the client's encoding, and would read it in its own: as another value, or as none."""
    it = pooled("transaction", "max: 2")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        if encoding_first:
            b.ask(query("SET client_encoding = 'LATIN1'"))
            ask_in_latin1(b, "SET TimeZone = '<Ã©>-3'")
        else:
            b.ask(query("SET TimeZone = '<Ã©>-3'"))
            b.ask(query("SET client_encoding = 'LATIN1'"))
        pid = b.one("SELECT pg_backend_pid()")
        a.ask(query("SET TimeZone = '<é>-3'"))      # in UTF-8 the same bytes
        for _ in range(3):
            assert utf8_of(a, "TimeZone") == "<é>-3" and a.one("SELECT pg_backend_pid()") != pid
            assert utf8_of(b, "TimeZone") == "<Ã©>-3" and b.one("SELECT pg_backend_pid()") == pid
        b.ask(query("DISCARD ALL"))
        assert (utf8_of(b, "TimeZone"), show(b, "client_encoding")) == ("Etc/UTC", "UTF8")
        a.ask(query("BEGIN"))
        with RawClient.of(it) as c:
            assert c.one("SELECT 1") == "1"     # on the other connection: it shares again


def test_a_value_of_the_login_in_another_encoding_is_not_read_in_the_servers(pooled, pg):
    """Of ALTER ROLE, say: every connection of the same start has it, and comes back to it by a reset."""
    pg.sql("ALTER ROLE app SET TimeZone = '<Ã©>-3'")
    try:
        it = pooled("transaction", "max: 2")
        with RawClient.of(it, client_encoding="LATIN1") as a, RawClient.of(it, client_encoding="LATIN1") as b:
            for client in (a, b, a):
                assert utf8_of(client, "TimeZone") == "<Ã©>-3"
            b.ask(query("SET TimeZone = 'UTC'"))
            a.ask(query("SET TimeZone = 'Asia/Tokyo'"))
            a.ask(query("DISCARD ALL"))
            for _ in range(2):
                assert (utf8_of(a, "TimeZone"), utf8_of(b, "TimeZone")) == ("<Ã©>-3", "UTC")
    finally:
        pg.sql("ALTER ROLE app RESET TimeZone")


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("name", ["Zürich".encode("latin1"), "Zürich", "a\tb"])
def test_a_name_that_is_not_ascii_is_what_the_server_makes_of_it(pooled, mode, name):
    cleaned = "".join(chr(c) if 32 <= c < 127 else "?" for c in (name if isinstance(name, bytes) else name.encode()))
    it = pooled(mode, "max: 2")
    with RawClient.of(it, application_name=name) as a, RawClient.of(it, application_name="b", client_encoding="LATIN1") as b:
        for reset in ("RESET ALL", "DISCARD ALL"):
            assert a.parameters["application_name"] == cleaned == show(a, "application_name")
            b.ask(query("SET application_name = 'c'"))
            assert show(a, "application_name") == cleaned and show(b, "application_name") == "c"
            a.ask(query(reset))
            assert show(a, "application_name") == cleaned


def test_a_setting_that_the_server_refuses_to_take_again_is_told_in_its_words(two, pg):
    a, _ = two
    function = "FUNCTION pg_catalog.set_config(text, text, boolean)"
    a.ask(query("SET TimeZone = 'Asia/Tokyo'"))
    pg.sql(f"REVOKE EXECUTE ON {function} FROM PUBLIC", database="app")
    try:
        told = errors(two[1].ask(query("SELECT 1"), or_end=True))
    finally:
        pg.sql(f"GRANT EXECUTE ON {function} TO PUBLIC", database="app")
    assert [(one["S"], one["C"]) for one in told] == [("FATAL", "42501")]
    assert told[0]["M"] == ("sallyport: the server refused to set again what this session had set: "
                            "permission denied for function set_config")
    assert show(a, "TimeZone") == "Asia/Tokyo"


OPTIONS = {
    r"-c DateStyle=German,\ YMD": {"DateStyle": "German, YMD"},
    r"-c timezone=Europe/Lisbon   -c   statement_timeout=7s": {"TimeZone": "Europe/Lisbon", "statement_timeout": "7s"},
    r"-ctimezone=Europe/Lisbon": {"TimeZone": "Europe/Lisbon"},
    r"--timezone=Europe/Lisbon --search-path=pg_catalog": {"TimeZone": "Europe/Lisbon", "search_path": "pg_catalog"},
    r"-c my.tenant=42": {"my.tenant": "42"},
    r"-c work_mem=9MB -c enable_seqscan=off": {"work_mem": "9MB", "enable_seqscan": "off"},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_startup_options_hold_for_their_client_alone(pooled, options):
    it = pooled("transaction", "max: 3")
    with RawClient.of(it, options=options) as a, RawClient.of(it) as b:
        default = {name: rows(b.ask(query(f"SELECT current_setting('{name}', true)"))) for name in OPTIONS[options]}
        for turn in range(2):
            for name, value in OPTIONS[options].items():
                assert show(a, name) == value
                assert rows(b.ask(query(f"SELECT current_setting('{name}', true)"))) == default[name]
            a.ask(query("RESET ALL" if turn == 0 else "DISCARD ALL"))
        for name, value in OPTIONS[options].items():
            assert show(a, name) == value


def test_a_startup_option_that_the_server_refuses_is_refused_in_its_words(pooled):
    it = pooled("transaction", "max: 2")
    for options in ("-c no_such_setting=1", "-c work_mem=lots", "-d"):
        try:
            RawClient.of(it, options=options)
        except AssertionError as failure:
            assert "'E'" in str(failure), failure
        else:
            pytest.fail(f"{options} was taken")
    with RawClient.of(it) as client:
        assert client.one("SELECT 1") == "1"


def test_an_empty_application_name_is_kept(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it, application_name="") as a, RawClient.of(it, application_name="b") as b:
        assert (show(a, "application_name"), show(b, "application_name"), show(a, "application_name")) == ("", "b", "")


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("reset", ["RESET ALL", "RESET application_name", "DISCARD ALL"])
def test_the_name_that_a_client_started_with_comes_back(pooled, mode, reset):
    it = pooled(mode, "max: 2")
    with RawClient.of(it, application_name="its own") as a, RawClient.of(it, options=r"-c application_name=with\ space") as b:
        for client, name in ((a, "its own"), (b, "with space"), (a, "its own")):
            assert client.parameters["application_name"] == name == show(client, "application_name")
            client.ask(query("SET application_name = 'another'"))
            client.ask(query(reset))
            assert show(client, "application_name") == name
        a.ask(query("BEGIN"))
        if reset != "DISCARD ALL":
            for last in ("COMMIT", "ROLLBACK"):
                a.ask(query("SAVEPOINT s" if last == "COMMIT" else "BEGIN"))
                a.ask(query("SET application_name = 'another'"))
                a.ask(query(reset))
                assert show(a, "application_name") == "its own"
                a.ask(query(last))
                assert show(a, "application_name") == "its own"


def test_values_that_need_quoting_are_set_again_as_they_were(two):
    a, b = two
    odd = "it's \\ a \"name\" $$ -- ;"
    a.ask(parse("", "SELECT set_config('application_name', $1, false)"), bind("", odd), execute(), sync())
    for _ in range(2):
        assert show(b, "application_name") == "b" and show(a, "application_name") == odd


def test_standard_conforming_strings_are_each_clients_own_and_keep_its_connection(pooled):
    it = pooled("transaction", "max: 2")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        name = "standard_conforming_strings"
        before = show(a, name), show(b, name)
        a.ask(query(f"SET {name} TO 'off'"))
        pid = a.one("SELECT pg_backend_pid()")
        assert (show(a, name), show(b, name)) == ("off", "on") and before == ("on", "on")
        assert pid not in {b.one("SELECT pg_backend_pid()") for _ in range(5)} and pid == a.one("SELECT pg_backend_pid()")


def test_standard_conforming_strings_change_what_is_read_of_sql(pooled):
    it = pooled("transaction", "max: 2")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.ask(query("SET standard_conforming_strings = off; SET escape_string_warning = off; RESET escape_string_warning"))
        # Read with the other meaning, LISTEN would stand in a text here.
        assert error(a.ask(query(r"SELECT 'it\'s'; LISTEN a; SELECT '\\'"))) is None
        pid = a.one("SELECT pg_backend_pid()")
        assert pid not in {b.one("SELECT pg_backend_pid()") for _ in range(5)}


def test_read_only_by_default_is_not_inherited_by_the_next_client(two):
    a, b = two
    a.ask(query("SET default_transaction_read_only = on"))
    assert error(a.ask(query("CREATE TABLE never (a int)"))) == "25006"
    assert show(b, "transaction_read_only") == "off"
