"""A proof verifies with the key in its own header, which must be public, strong and of the right kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import ExceededSizeError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import deserialize_compact

from idp.clock import FrozenClock
from keys import InvalidToken
from keys.proof import verify_proof
from tests.support.holder import ProofKey, b64url, signed

CLOCK = FrozenClock(datetime(2026, 3, 27, tzinfo=UTC))
ALGS = ("ES256", "PS256", "EdDSA", "Ed25519")
KEY = ProofKey(CLOCK)


def verify(token: str) -> Any:
    return verify_proof(token, typ="dpop+jwt", algorithms=ALGS)


@pytest.mark.parametrize("alg", ALGS)
def test_a_proof_names_its_key_by_thumbprint(alg: str) -> None:
    key = ProofKey(CLOCK, alg)
    proved = verify(key.proof("POST", "/token"))
    assert proved.thumbprint == key.jkt
    assert proved.claims["htm"] == "POST"


def test_a_long_rsa_header_is_read_though_the_library_alone_refuses_it() -> None:
    key = ProofKey(CLOCK, "PS256", RSAKey.generate_key(3072, private=True))
    token = key.proof("POST", "/token")
    with pytest.raises(ExceededSizeError):
        deserialize_compact(token, key.key, algorithms=["PS256"])
    assert verify(token).thumbprint == key.jkt


def with_key(jwk: Any, alg: str = "ES256") -> str:
    """A token whose header holds this key; its signature never verifies."""
    header = b64url(json.dumps({"alg": alg, "typ": "dpop+jwt", "jwk": jwk}).encode())
    return f"{header}.{b64url(b'{}')}.{b64url(bytes(64))}"


WEAK = {"kty": "RSA", "n": b64url(b"\xff" * 128), "e": "AQAB"}
PUBLIC = KEY.key.as_dict(private=False)


@pytest.mark.parametrize(
    "token",
    [
        signed(KEY.header(typ=None), {}, KEY.key),
        signed(KEY.header(typ="JWT"), {}, KEY.key),
        signed(KEY.header(typ="DPOP+JWT"), {}, KEY.key),
        signed(KEY.header(jwk=None), {}, KEY.key),
        signed(KEY.header(jwk=KEY.key.as_dict(private=True)), {}, KEY.key),
        signed(KEY.header(jwk=ECKey.generate_key("P-256").as_dict(private=False)), {}, KEY.key),
        signed(KEY.header(jku="https://x.example/keys"), {}, KEY.key),
        signed(KEY.header(x5u="https://x.example/cert"), {}, KEY.key),
        signed(KEY.header(x5c=["AAAA"]), {}, KEY.key),
        with_key(WEAK, "PS256"),
        signed({"alg": "HS256", "typ": "dpop+jwt", "jwk": PUBLIC}, {}, OctKey.import_key(json.dumps(PUBLIC))),
        signed(KEY.header(), [], KEY.key),
        signed(KEY.header(), "text", KEY.key),
        signed(KEY.header(padding="x" * 3000), {}, KEY.key),
        with_key(PUBLIC),
        with_key(None),
        with_key([]),
        with_key("x"),
        with_key({}),
        with_key({"kty": "EC"}),
        with_key({"kty": ["EC"]}),
        with_key({"kty": "oct", "k": "AAAA"}),
        with_key({"kty": "oct"}),
        with_key({**PUBLIC, "x": b64url(bytes(32)), "y": b64url(bytes(32))}),
        with_key({**PUBLIC, "x": b64url(b"\xff" * 32)}),
        with_key({"kty": "OKP", "crv": "X25519", "x": b64url(bytes(32))}, "EdDSA"),
        with_key({"kty": "OKP", "crv": "Ed25519", "x": b64url(bytes(31))}, "EdDSA"),
        with_key(OKPKey.generate_key("Ed25519").as_dict(private=False)),
        with_key({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "PS256"),
        with_key({"kty": "RSA", "n": b64url(b"\xff" * 256), "e": b64url(b"\xff" * 255)}, "PS256"),
        with_key({"kty": "RSA", "n": b64url(b"\xff" * 600), "e": "AQAB"}, "PS256"),
        "", "..", "a.b", "a.b.c.d", "é.e30.AAAA", "x" * 20_000, KEY.proof("POST", "/token").rpartition(".")[0] + ".",
    ],
)  # fmt: skip
def test_everything_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(token)


members = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid", "d"]),
    st.one_of(
        st.sampled_from(["EC", "RSA", "OKP", "P-256", "secp256k1", "Ed448", "Ed25519", "sig", "enc", "ES256"]),
        st.binary(max_size=40).map(b64url), st.text(max_size=10), st.integers(), st.lists(st.text(max_size=5)),
        st.none(),
    ),
)  # fmt: skip
headers = st.fixed_dictionaries(
    {"alg": st.sampled_from([*ALGS, "none", "RS256"]) | st.text(max_size=5) | st.integers()},
    optional={"jwk": members | st.text() | st.lists(st.integers()), "b64": st.booleans(), "crit": st.just(["b64"])},
)


@given(headers, st.binary(max_size=80))
def test_no_header_breaks_the_reader(header: dict[str, Any], signature: bytes) -> None:
    head = b64url(json.dumps({**header, "typ": "dpop+jwt"}).encode())
    token = f"{head}.{b64url(b'{}')}.{b64url(signature)}"
    with pytest.raises(InvalidToken):
        verify(token)
