"""acr and freshness: what is demanded is reached, or refused by name (OIDC Core §5.5.1.1, RFC 9470)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.errors import ProtocolError
from idp.models.authorization import Grant
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.interactions import Interaction, SignedIn, needed
from tests.actions import sign_in
from tests.journeys.test_passkeys import create
from tests.support.authenticator import Authenticator, options_on
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

NOW = datetime(2026, 3, 27, 13, 30, tzinfo=UTC)
REQUEST = AuthorizationRequest("https://cpx.example.ch/callback", "openid", asked_at=NOW)
SOMEBODY = SignedIn(NOW - timedelta(minutes=5), "mfa", is_meant=True, is_linked=True, has_answered=True)


def essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def asked(rp: RelyingParty, person: Person, **changes: str) -> dict[str, str]:
    person.open(rp.request(**changes))
    return answer_of(person.address)


def acr_of(rp: RelyingParty, answer: dict[str, str]) -> Any:
    return rp.claims(rp.redeem(answer["code"]).get_json()["id_token"])["acr"]


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"acr_values": "mfa"}, {"acr_values": "1 2"}, {"acr_values": "mfa phr"}, {"acr_values": "phr mfa"},
        {"acr_values": "unheard-of mfa"}, {"acr_values": ""}, {"claims": essential("mfa")},
        {"claims": essential("phr", "mfa")}, {"claims": essential()},
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "value": "mfa"}}})},
        {"claims": json.dumps({"id_token": {"acr": {"values": ["unheard-of"]}}})},
        {"claims": essential("mfa"), "acr_values": "phr"},
    ],
)  # fmt: skip
def test_what_two_factors_reach_is_granted(rp: RelyingParty, person: Person, changes: dict[str, str]) -> None:
    assert acr_of(rp, asked(rp, person, **changes)) == "mfa"


@pytest.mark.parametrize(
    "changes",
    [
        {"claims": essential("unheard-of")}, {"claims": essential("unheard-of"), "acr_values": "mfa"},
    ],
)  # fmt: skip
def test_what_nobody_can_reach_here_is_refused_by_name(
    web: Flask, rp: RelyingParty, person: Person, changes: dict[str, str]
) -> None:
    for somebody in (person, Person(web)):
        answer = asked(rp, somebody, **changes)
        assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "s-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": "phr"}, {"acr_values": "phr unheard-of"}, {"claims": essential("phr")},
        {"claims": essential("phr"), "acr_values": "mfa"},
        {"claims": json.dumps({"id_token": {"acr": {"value": "phr"}}})},
    ],
)  # fmt: skip
def test_a_passkey_is_asked_for_by_name(
    web: Flask, rp: RelyingParty, person: Person, clock: FrozenClock, changes: dict[str, str]
) -> None:
    device = Authenticator()
    create(person, device)
    clock.advance(timedelta(minutes=1))
    for somebody in (person, Person(web)):
        somebody.open(rp.request(**changes))
        assert somebody.title == "Connexion à Caisse CPX"
        somebody.submit(passkey=device.sign(options_on(somebody.text)))
        assert acr_of(rp, answer_of(somebody.address)) == "phr"


def test_the_page_says_when_only_a_passkey_will_do(web: Flask, rp: RelyingParty) -> None:
    words = "une clé d’accès (passkey) est nécessaire"
    for changes, is_said in (({"acr_values": "phr"}, True), ({"acr_values": "phr mfa"}, False), ({}, False)):
        somebody = Person(web)
        somebody.open(rp.request(**changes))
        assert (words in somebody.text) is is_said


def test_the_portal_has_a_default_and_a_policy(rp: RelyingParty, portal: Portal, person: Person) -> None:
    row = db.session.get_one(Portal, portal.id)
    row.default_acr_values = ["phr"]
    db.session.commit()
    assert asked(rp, person)["error"] == "unmet_authentication_requirements"
    assert acr_of(rp, asked(rp, person, acr_values="mfa")) == "mfa"
    row.default_acr_values, row.allowed_acr = [], ["phr"]
    db.session.commit()
    for changes in ({}, {"acr_values": "mfa"}, {"claims": essential("mfa")}):
        assert asked(rp, person, **changes)["error"] == "unmet_authentication_requirements"


def test_a_session_of_a_passkey_meets_every_demand_and_is_called_as_asked(
    rp: RelyingParty, portal: Portal, person: Person
) -> None:
    for session in db.session.query(Session):
        session.acr = "phr"
    db.session.commit()
    assert acr_of(rp, asked(rp, person)) == "phr"
    assert acr_of(rp, asked(rp, person, acr_values="phr mfa")) == "phr"
    assert acr_of(rp, asked(rp, person, claims=essential("mfa"))) == "mfa"
    assert acr_of(rp, asked(rp, person, claims=essential("phr"))) == "phr"
    assert db.session.query(Grant).count() == 4


def test_a_session_below_the_demand_signs_in_again_and_not_in_circles(
    rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=3))
    assert asked(rp, person, acr_values="phr", prompt="none")["error"] == "login_required"
    person.open(rp.request(acr_values="phr"))
    sign_in(person)  # by SMS once more
    assert answer_of(person.address)["error"] == "unmet_authentication_requirements"


def test_the_policy_knows_what_comes_next() -> None:
    strong = replace(REQUEST, accepted_acr=("phr",))
    assert needed(REQUEST, SOMEBODY, NOW) is None
    assert needed(strong, SOMEBODY, NOW) is Interaction.LOGIN
    assert needed(strong, replace(SOMEBODY, acr="phr"), NOW) is None
    with pytest.raises(ProtocolError) as refused:
        needed(strong, replace(SOMEBODY, auth_time=NOW), NOW)
    assert refused.value.code == "unmet_authentication_requirements"
    assert needed(REQUEST, replace(SOMEBODY, is_meant=False), NOW) is Interaction.LOGIN
    with pytest.raises(ProtocolError) as refused:
        needed(REQUEST, replace(SOMEBODY, is_meant=False, auth_time=NOW), NOW)
    assert refused.value.code == "login_required"
    assert needed(REQUEST, replace(SOMEBODY, is_linked=False), NOW) is Interaction.LINK
    assert needed(REQUEST, replace(SOMEBODY, has_answered=False), NOW) is Interaction.CONSENT
    assert needed(REQUEST, replace(SOMEBODY, is_linked=False, has_answered=False), NOW) is Interaction.LINK


@pytest.mark.parametrize(
    ("prompt", "signed_in", "not_signed_in"),
    [
        ("", None, "LOGIN"), ("none", None, "LOGIN"), ("login", "LOGIN", "LOGIN"), ("consent", None, "LOGIN"),
        ("select_account", "LOGIN", "LOGIN"), ("create", "REGISTER", "REGISTER"),
        ("login consent", "LOGIN", "LOGIN"), ("create consent", "REGISTER", "REGISTER"),
        ("consent select_account", "LOGIN", "LOGIN"),
    ],
)  # fmt: skip
def test_prompts_alone_and_together(prompt: str, signed_in: str | None, not_signed_in: str) -> None:
    request = replace(REQUEST, prompts=tuple(prompt.split()))
    fresh = replace(SOMEBODY, auth_time=NOW)
    assert needed(request, SOMEBODY, NOW) is (Interaction[signed_in] if signed_in else None)
    assert needed(request, None, NOW) is Interaction[not_signed_in]
    assert needed(request, fresh, NOW) is None


def test_a_registered_max_age_counts_where_none_is_sent(
    rp: RelyingParty, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    db.session.get_one(Portal, portal.id).default_max_age = 60
    db.session.commit()
    clock.advance(timedelta(minutes=2))
    assert asked(rp, person, prompt="none")["error"] == "login_required"
    assert "code" in asked(rp, person, prompt="none", max_age="10000")


def test_prompt_consent_needs_no_page_at_a_first_partys_portal(rp: RelyingParty, person: Person) -> None:
    assert "code" in asked(rp, person, prompt="consent", scope="openid offline_access")


def test_the_document_lists_what_can_be_reached_now(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["acr_values_supported"] == ["mfa", "phr"]
