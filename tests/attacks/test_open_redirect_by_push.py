"""O-07, C-36: what a pushed or signed request says does not open a redirect either, whatever stands beside it."""

from __future__ import annotations

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.authorization import PushedRequest
from idp.models.base import db
from tests.attacks.test_open_redirect import HOSTILE, is_ours
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import SigningParty, at, push


@pytest.fixture
def party(rp: RelyingParty, clock: FrozenClock) -> SigningParty:
    made = SigningParty(rp, clock)
    made.register()
    return made


def as_text(hostile: str) -> str:
    return hostile.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def test_a_foreign_address_is_pushed_in_vain(party: SigningParty) -> None:
    for hostile in HOSTILE:
        plain = push(party.rp, redirect_uri=as_text(hostile))
        assert (plain.status_code, plain.get_json()["error"]) == (400, "invalid_request"), hostile
        signed = party.rp.post("/par", request=party.object(redirect_uri=as_text(hostile)))
        assert signed.status_code == 400, hostile
    assert db.session.query(PushedRequest).count() == 0


def test_a_foreign_address_in_an_object_is_answered_with_a_page(party: SigningParty, person: Person) -> None:
    for hostile in HOSTILE:
        signed = party.object(redirect_uri=as_text(hostile), scope="bad")
        for outer in ({}, {"redirect_uri": as_text(hostile)}, {"redirect_uri": party.rp.redirect_uri}):
            response = person.client.get(party.by_value(signed, **outer), base_url="http://localhost:8000")
            if "\0" in hostile and outer.get("redirect_uri") == party.rp.redirect_uri:
                # No request object at all, which may be said at the outer address: that one is the portal's own.
                assert answer_of(response.headers["Location"])["error"] == "invalid_request_object"
                continue
            assert response.status_code == 400, (hostile, outer)
            assert "Location" not in response.headers, (hostile, outer)


def test_an_error_beside_a_foreign_address_stays_here(web: Flask, party: SigningParty, person: Person) -> None:
    foreign = "https://evil.example/callback"
    unknown = "urn:ietf:params:oauth:request_uri:cc_ru_" + "A" * 43
    addresses = [
        at(party.rp, unknown, redirect_uri=foreign), at(party.rp, "https://evil.example/r", redirect_uri=foreign),
        party.by_value("x.y.z", redirect_uri=foreign), party.by_value(party.object(aud="x"), redirect_uri=foreign),
        party.by_value(party.object(), redirect_uri=foreign, request_uri=unknown),
    ]  # fmt: skip
    for address in addresses:
        response = person.client.get(address, base_url="http://localhost:8000")
        assert is_ours(response.headers.get("Location", "")), address
        assert response.status_code == 400, address
    good = person.client.get(party.by_value(party.object(), redirect_uri=foreign), base_url="http://localhost:8000")
    assert good.headers["Location"].startswith(party.rp.redirect_uri)
