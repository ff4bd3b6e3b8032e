"""Envelopes, derived keys, signatures and the ring."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jws
from joserfc.errors import JoseError

from keys import EnvelopeError, InvalidToken, MasterKeyError, Vault
from keys.jwk import ALGORITHMS, generate, public_document, read_private
from keys.jws import Signer, peek, peek_claims, verify
from keys.master import new_master_key, read_master_key
from keys.ring import ACTIVE, NEXT, RETIRED, RETIRING, Ring, RingKey

NOW = datetime(2026, 3, 27, tzinfo=UTC)


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault(read_master_key(new_master_key()))


def test_a_sealed_value_opens_in_its_own_row_only(vault: Vault) -> None:
    sealed = vault.seal(b"seed", "totp_secret.sealed_seed.1")
    assert vault.open(sealed, "totp_secret.sealed_seed.1") == b"seed"
    with pytest.raises(EnvelopeError):
        vault.open(sealed, "totp_secret.sealed_seed.2")


def test_a_changed_or_foreign_ciphertext_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(b"seed", "a.b.1")
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    raw[-1] ^= 1
    for forged in (base64.urlsafe_b64encode(bytes(raw)).decode(), "", "AAAA", "not base64!"):
        with pytest.raises(EnvelopeError):
            vault.open(forged, "a.b.1")
    with pytest.raises(EnvelopeError):
        Vault(read_master_key(new_master_key())).open(sealed, "a.b.1")


def test_every_purpose_has_its_own_key(vault: Vault) -> None:
    assert vault.mac("one", "text") != vault.mac("two", "text")
    assert len(vault.mac("one", "text")) == 43


@pytest.mark.parametrize(
    "bad", ["", "short", base64.b64encode(b"x" * 31).decode(), base64.b64encode(b"\0" * 32).decode()]
)
def test_a_bad_master_key_is_refused_without_being_repeated(bad: str) -> None:
    with pytest.raises(MasterKeyError) as caught:
        read_master_key(bad)
    assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_signature_verifies_with_its_own_algorithm_only(alg: str) -> None:
    key = generate(alg)
    document = public_document(key, alg)
    token = Signer(key, alg=alg, kid=document["kid"]).sign({"sub": "x"}, typ="JWT")
    assert verify(token, document, alg=alg) == {"sub": "x"}
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(document)
    for other in {*ALGORITHMS, "none", "HS256"} - {alg}:
        with pytest.raises(InvalidToken):
            verify(token, document, alg=other)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_private_key_is_read_back_as_it_was_written(alg: str) -> None:
    key = generate(alg)
    again = read_private(dict(key.as_dict(private=True)))
    assert again.is_private
    assert public_document(again, alg) == public_document(key, alg)


def test_nothing_is_signed_with_an_algorithm_that_is_not_ours_or_not_the_key_s() -> None:
    key = generate("ES256")
    for alg in ("none", "HS256", "ES384"):
        with pytest.raises(ValueError, match="none of ours"):
            Signer(key, alg=alg, kid="k")
    with pytest.raises(JoseError):
        Signer(key, alg="RS256", kid="k")


def test_no_key_is_made_for_an_algorithm_that_is_not_ours() -> None:
    for alg in ("HS256", "none", "RS512", ""):
        with pytest.raises(ValueError, match="algorithm"):
            generate(alg)


def test_a_vault_shows_nothing_of_its_key(vault: Vault) -> None:
    assert repr(vault) == "Vault(…)"


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "NONE"},
        {"alg": ["ES256"]},
        {"alg": "ES256", "crit": ["exp"], "exp": 1},
        {"alg": "ES256", "jwk": {"kty": "EC"}},
        {"alg": "ES256", "jku": "https://example.ch"},
        {},
    ],
)
def test_a_forged_header_is_refused(header: dict[str, object]) -> None:
    document = public_document(generate("ES256"), "ES256")
    zero = base64.urlsafe_b64encode(bytes(64)).rstrip(b"=").decode()
    for signature in ("", zero):
        with pytest.raises(InvalidToken) as caught:
            verify(f"{_segment(header)}.{_segment({'sub': 'canary'})}.{signature}", document, alg="ES256")
        assert "canary" not in str(caught.value)


def test_claims_must_be_an_object_before_and_after_the_signature() -> None:
    key = generate("ES256")
    document = public_document(key, "ES256")
    header = _segment({"alg": "ES256", "kid": document["kid"]})
    for payload in (b"[]", b"1", b"null", b"no JSON", b"\xff", b"[" * 5_000, b""):
        token = jws.serialize_compact({"alg": "ES256"}, payload, key, algorithms=["ES256"])
        for read in (peek_claims, lambda text: verify(text, document, alg="ES256")):
            with pytest.raises(InvalidToken) as caught:
                read(token)
            assert "JSON" not in str(caught.value)
    assert peek_claims(f"{header}.{_segment({'sub': 'x'})}.AA") == {"sub": "x"}  # unverified, and so it is called


@pytest.mark.parametrize("header", [[], 1, None, "alg"])
def test_a_header_must_be_an_object(header: object) -> None:
    with pytest.raises(InvalidToken):
        peek(f"{_segment(header)}.{_segment({})}.AA")


def test_a_huge_token_is_refused_before_it_is_read() -> None:
    document = public_document(generate("ES256"), "ES256")
    with pytest.raises(InvalidToken, match="compact"):
        verify("a" * 5_000_000 + ".b.c", document, alg="ES256")


def _key(kid: str) -> RingKey:
    return RingKey(kid, "ES256", NEXT, {}, NOW)


def test_a_key_is_published_before_it_signs_and_until_its_last_token_died() -> None:
    ring = Ring(()).rotate("ES256", _key("a"), NOW).publish_next("ES256", _key("b"), NOW)
    assert ring.active("ES256") == RingKey("a", "ES256", ACTIVE, {}, NOW)
    assert ring.find("b") is not None
    later = NOW + timedelta(days=90)
    rotated = ring.rotate("ES256", _key("c"), later)
    assert [key.state for key in rotated.keys] == [RETIRING, ACTIVE, NEXT]
    assert ring.keys[0].state == ACTIVE  # the old ring is untouched
    assert rotated.retire(later + timedelta(hours=1), timedelta(hours=1)).find("a") is not None
    gone = rotated.retire(later + timedelta(hours=2), timedelta(hours=1))
    assert gone.find("a") is None
    assert gone.keys[0].state == RETIRED


def test_a_rotation_leaves_the_keys_of_other_algorithms_alone() -> None:
    other = RingKey("p", "PS256", ACTIVE, {}, NOW)
    ring = Ring((other,)).rotate("ES256", _key("a"), NOW).publish_next("ES256", _key("b"), NOW)
    rotated = ring.rotate("ES256", _key("c"), NOW + timedelta(days=90))
    assert rotated.keys[0] == other
    assert rotated.active("PS256") == other
    assert [key.kid for key in rotated.keys if key.state == ACTIVE] == ["p", "b"]
