"""What a client may ask for before it is let in: protocol 3.2 and later ones, options that nobody knows, GSSAPI encryption;
and that the longer cancel key of 3.2 cancels."""

import threading
import time

import pytest

from harness.raw_client import (GSSENC_REQUEST, PROTOCOL_3_0, PROTOCOL_3_2, SSL_REQUEST, RawClient, error, query, rows)

both_modes = pytest.mark.parametrize("mode", ["session", "transaction"])


@both_modes
@pytest.mark.parametrize("asked, options, told, key_bytes", [
    (PROTOCOL_3_0, {}, None, 4),
    (PROTOCOL_3_2, {}, None, 32),
    (3 << 16 | 9999, {}, (PROTOCOL_3_2, []), 32),
    (PROTOCOL_3_0, {"_pq_.x": "1"}, (PROTOCOL_3_0, ["_pq_.x"]), 4),
    (3 << 16 | 9999, {"_pq_.x": "1", "_pq_.test_protocol_negotiation": ""}, (PROTOCOL_3_2, ["_pq_.x", "_pq_.test_protocol_negotiation"]), 32),
])
def test_versions_and_options_are_negotiated(pooled, mode, asked, options, told, key_bytes):
    it = pooled(mode)
    with RawClient.of(it, protocol=asked, **options) as client:
        assert client.negotiated == told
        assert len(client.key) == key_bytes
        assert client.one("SELECT 'served'") == "served"
        assert client.parameters["server_version"]


@both_modes
@pytest.mark.parametrize("protocol", [PROTOCOL_3_0, PROTOCOL_3_2])
def test_a_key_of_either_length_cancels_the_query_of_its_session(pooled, mode, protocol):
    it = pooled(mode)
    with RawClient.of(it, protocol=protocol) as client, RawClient.of(it, protocol=protocol) as other:
        client.send(query("SELECT pg_sleep(20)"))
        other.send(query("SELECT 'whole' FROM pg_sleep(1.5)"))
        time.sleep(0.5)
        # A part of the key, or a longer one, is none.
        whole = client.key
        for wrong in (whole[:4] if len(whole) > 4 else whole + whole, whole[:-1] + bytes([whole[-1] ^ 1])):
            client.key = wrong
            client.cancel(it.socket)
        assert client.quiet(0.3)
        client.key = whole
        threading.Timer(0.1, client.cancel, (it.socket,)).start()
        started = time.monotonic()
        assert error(client.until_ready()) == "57014"
        assert time.monotonic() - started < 10
        assert rows(other.until_ready()) == [("whole",)]
        assert client.one("SELECT 'goes on'") == "goes on"


@both_modes
def test_gssapi_encryption_is_answered_no_and_the_login_goes_on(pooled, mode):
    it = pooled(mode)
    for asks in ((GSSENC_REQUEST,), (GSSENC_REQUEST, SSL_REQUEST), (SSL_REQUEST, GSSENC_REQUEST)):
        with RawClient.of(it, asks_first=asks, protocol=PROTOCOL_3_2) as client:
            assert client.answers == [b"N"] * len(asks)
            assert client.one("SELECT 'served'") == "served"
