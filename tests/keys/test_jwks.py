"""Keys of others: what is weak, private, off its curve or malformed is refused before it verifies anything (O-16)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.jwks import LISTS, TEXTS, UnusableKeys, algorithms_of, judged, usable

RSA = dict(RSAKey.generate_key(2048, private=True).as_dict(private=False))
EC = dict(ECKey.generate_key("P-256", private=True).as_dict(private=False))
OKP = dict(OKPKey.generate_key("Ed25519", private=True).as_dict(private=False))


def number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_each_kind_verifies_its_own_algorithms_and_keeps_public_members_only() -> None:
    for key, algorithms in ((RSA, ("RS256", "PS256")), (EC, ("ES256",)), (OKP, ("EdDSA",))):
        (kept,) = judged({"keys": [{**key, "kid": "k", "use": "sig", "extra": {"deep": [1]}, "iat": 5}], "more": 1})
        assert kept == {**key, "kid": "k", "use": "sig"}
        assert algorithms_of(kept) == algorithms
    assert algorithms_of({**RSA, "alg": "PS256"}) == ("PS256",)
    assert algorithms_of({**RSA, "alg": "RSA-OAEP"}) == ()
    assert algorithms_of({**RSA, "use": "enc"}) == ()
    assert algorithms_of({**RSA, "key_ops": ["encrypt"]}) == ()
    assert algorithms_of({**RSA, "key_ops": ["verify"]}) == ("RS256", "PS256")


REFUSED: dict[str, Any] = {
    "1 to 10 keys": [None, 5, [], {}, {"keys": 5}, {"keys": []}, {"keys": [EC] * 11}],
    "public keys only": [
        {"keys": [5]}, {"keys": [EC, None]}, *({"keys": [{**RSA, name: "AQAB"}]} for name in "dpqk"),
        {"keys": [{**RSA, "dp": "AQAB"}]}, {"keys": [{**RSA, "oth": []}]},
    ],
    "neither RSA": [{"keys": [{}]}, {"keys": [{"kty": "oct"}]}, {"keys": [{"kty": "XYZ"}]}],
    "malformed": [
        {"keys": [{**RSA, "n": 5}]}, {"keys": [{**RSA, "kid": ""}]}, {"keys": [{**RSA, "kid": "\x00"}]},
        {"keys": [{**RSA, "kid": "\ud800"}]}, {"keys": [{**RSA, "alg": {}}]}, {"keys": [{**RSA, "key_ops": "verify"}]},
        {"keys": [{**RSA, "x5c": [1]}]}, {"keys": [{**RSA, "x5c": []}]}, {"keys": [{**RSA, "kid": "k" * 8193}]},
        {"keys": [{"kty": ["RSA"]}]},
    ],
    "cannot be read": [
        {"keys": [{"kty": "RSA"}]}, {"keys": [{**EC, "y": EC["x"]}]}, {"keys": [{**EC, "crv": "P-999"}]},
        {"keys": [{**RSA, "n": "A"}]}, {"keys": [{**RSA, "use": "both"}]}, {"keys": [{**OKP, "x": "AA"}]},
    ],
    "bits": [
        {"keys": [{**RSA, "n": number((1 << 1023) + 1)}]}, {"keys": [{**RSA, "n": number((1 << 2046) + 1)}]},
        {"keys": [{**RSA, "n": number((1 << 9000) + 1)}]},
    ],
    "exponent": [{"keys": [{**RSA, "e": number(value)}]} for value in (0, 1, 3, 65535)],
    "kid of its own": [
        {"keys": [RSA, EC]}, {"keys": [{**RSA, "kid": "a"}, EC]}, {"keys": [{**RSA, "kid": "a"}, {**EC, "kid": "a"}]},
    ],
    "no key for": [
        {"keys": [ECKey.generate_key("P-384", private=True).as_dict(private=False)]},
        {"keys": [OKPKey.generate_key("X25519", private=True).as_dict(private=False)]},
        {"keys": [{**RSA, "use": "enc"}]}, {"keys": [{**RSA, "alg": "HS256"}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_a_set_that_is_registered_must_be_right_altogether(reason: str) -> None:
    for document in REFUSED[reason]:
        with pytest.raises(UnusableKeys, match=reason):
            judged(document)


def test_of_a_set_that_is_published_the_good_keys_are_taken() -> None:
    other: list[dict[str, Any]] = [{"kty": "oct"}, {**RSA, "use": "enc"}, {**EC, "y": EC["x"]}, {"kty": "RSA"}]
    assert usable({"keys": [*other, OKP]}) == [OKP]
    for document in ({"keys": other}, {"keys": [OKP, {**RSA, "d": "AQAB"}]}, {"keys": []}, []):
        with pytest.raises(UnusableKeys):
            usable(document)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(
    [[], {}, ["verify"], "AQAB", "====", "P-256", "Ed448", "enc", [None]]
))  # fmt: skip
KEYS = st.builds(
    lambda key, changes: {**key, **changes},
    st.sampled_from([RSA, EC, OKP, {"kty": "oct"}]),
    st.dictionaries(st.sampled_from(sorted(TEXTS | LISTS | {"d"})), VALUES, max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(VALUES, st.fixed_dictionaries({"keys": st.one_of(VALUES, st.lists(KEYS, max_size=3))})))
def test_no_document_makes_it_stumble(document: object) -> None:
    for judge in (judged, usable):
        try:
            assert judge(document)
        except UnusableKeys:
            continue
