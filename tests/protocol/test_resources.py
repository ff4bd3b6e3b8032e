"""RFC 8707 at the authorization request: a portal names what its tokens are for, among what it registered."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from idp.models.authorization import Grant
from idp.models.base import db
from idp.models.portal import Portal
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of

API, OTHER = "https://api.cpx.example.ch/", "https://api.cpx.example.ch/pensions?v=1"


@pytest.fixture(autouse=True)
def registered(portal: Portal) -> None:
    db.session.get_one(Portal, portal.id).resources = [API, OTHER]
    db.session.commit()


def ask(rp: RelyingParty, person: Person, *resources: str) -> dict[str, str]:
    person.open(f"{rp.request()}&{urlencode([('resource', one) for one in resources])}")
    return answer_of(person.address)


def test_what_was_asked_for_is_kept_on_the_grant(rp: RelyingParty, person: Person) -> None:
    for resources in ((API,), (API, OTHER), (OTHER, OTHER)):
        assert "code" in ask(rp, person, *resources)
    assert "code" in ask(rp, person)
    kept = {tuple(grant.resources or ()) for grant in db.session.query(Grant)}
    assert kept == {(API,), (API, OTHER), (OTHER,), ()}


@pytest.mark.parametrize(
    "resource",
    [
        "", " ", "https://api.cpx.example.ch", "https://api.cpx.example.ch/#x", "https://api.cpx.example.ch/pensions",
        "https://evil.example/", "urn:x", "/relative", "javascript:alert(1)", "HTTPS://api.cpx.example.ch/",
    ],
)  # fmt: skip
def test_everything_else_is_an_invalid_target(rp: RelyingParty, person: Person, resource: str) -> None:
    assert ask(rp, person, resource)["error"] == "invalid_target"
    assert ask(rp, person, API, resource)["error"] == "invalid_target"


def test_too_many_are_refused(rp: RelyingParty, person: Person) -> None:
    assert ask(rp, person, *[API] * 11)["error"] == "invalid_target"
    assert ask(rp, person, "x" * 2001)["error"] == "invalid_request"
