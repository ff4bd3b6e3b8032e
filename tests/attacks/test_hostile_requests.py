"""Random bytes and half-right values at the authorization and PAR endpoints: an answer every time, never a 5xx."""

from __future__ import annotations

import random
from urllib.parse import quote, quote_from_bytes

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.protocol.authorize_checks import KNOWN
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import KEYS, SigningParty, sign

pytestmark = pytest.mark.both_engines

SEED = 20260327
HALF_RIGHT = [
    b"", b"0", b"-1", b"none", b"login", b"openid", b"code", b"query", b"form_post", b"jwt", b"S256", b"{}", b"[]",
    b"null", b'{"userinfo":{"name":null}}', b'{"id_token":{"acr":{"essential":true}}}', b"https://cpx.example.ch/callback",
    b"urn:ietf:params:oauth:request_uri:", b"eyJhbGciOiJub25lIn0.e30.", b"a.b.c", b"..", b"\x00", b"\xff\xfe",
    b"\xed\xa0\x80", b"%", b"%00", b"+", b"&", b"client-cpx", b"9" * 40, b"mfa", b"phr", b"create",
    b"consent select_account",
]  # fmt: skip


def value(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(HALF_RIGHT)
    if kind < 0.8:
        return chance.randbytes(chance.randrange(60))
    return bytes(chance.choices(range(32, 127), k=chance.randrange(300)))


def query(rp: RelyingParty, chance: random.Random) -> str:
    """A right request in which a few parameters were replaced, repeated, added or dropped."""
    right = {name: given.encode() for name, given in answer_of(rp.request()).items()}
    for _ in range(chance.randrange(4)):
        right[chance.choice(sorted(KNOWN))] = value(chance)
    pairs = [f"{quote(name)}={quote_from_bytes(given)}" for name, given in right.items() if chance.random() > 0.02]
    if chance.random() < 0.1:
        pairs.append(f"{chance.choice(sorted(KNOWN))}={quote_from_bytes(value(chance))}")
    if chance.random() < 0.05:
        pairs.append(quote_from_bytes(chance.randbytes(20)))
    return "&".join(pairs)


def walk(web: Flask, rp: RelyingParty, person: Person, cases: int) -> None:
    chance = random.Random(SEED)
    stranger = Person(web)
    for case in range(cases):
        text = query(rp, chance)
        client = person.client if case % 2 else stranger.client
        answered = client.get(f"/authorize?{text}", base_url=ISSUER)
        assert answered.status_code < 500, text
        location = answered.headers.get("Location", "/")
        assert location.startswith(("/", rp.redirect_uri)), text
        pushed = rp.app.test_client().post(
            "/par", data=text, content_type="application/x-www-form-urlencoded", base_url=ISSUER,
            headers={"Authorization": "Basic Y2xpZW50LWNweDpwb3J0YWwtc2VjcmV0LW9mLXRoZS10ZXN0cw=="},
        )  # fmt: skip
        assert pushed.status_code in {201, 400, 401}, text
        assert pushed.content_type == "application/json"
        if pushed.status_code != 201:
            words = pushed.get_json().get("error_description", "")
            assert words.isascii()
            assert not set('"\\\r\n\t') & set(words)


def test_random_requests_are_answered(web: Flask, rp: RelyingParty, person: Person) -> None:
    walk(web, rp, person, 300)


@pytest.mark.long
def test_very_many_random_requests_are_answered(web: Flask, rp: RelyingParty, person: Person) -> None:
    walk(web, rp, person, 25_000)


def test_random_signed_objects_are_answered(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    party, chance = SigningParty(rp, clock, "EdDSA"), random.Random(SEED)
    party.register()
    odd = [None, 0, -1, 1e308, True, "", "x", [], {}, [1], {"a": [None]}, "\0", "\ud800", "é", 2**70, "openid", ISSUER]
    names = sorted(KNOWN | {"iss", "aud", "exp", "nbf", "iat", "sub", "jti", "claims", "unheard_of"})
    for _ in range(300):
        claims = party.claims()
        for _ in range(chance.randrange(4)):
            claims[chance.choice(names)] = chance.choice(odd)
        text = sign(claims, KEYS["EdDSA"], "EdDSA")
        response = rp.post("/par", request=text)
        assert response.status_code in {201, 400}, claims
        assert person.client.get(party.by_value(text), base_url=ISSUER).status_code < 500, claims
