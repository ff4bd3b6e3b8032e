"""Consent at a third party's portal: asked once with the actual values, item by item; a first party never asks."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flows.journeys import JOURNEYS
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import consent
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.claims import OF_SCOPE, SCOPE_OF
from idp.protocol.interactions import Interaction
from idp.services.bundle import Services
from idp.texts import LANGUAGES, Texts
from tests.actions import register, sign_in
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

TITLE = "Caisse CPX souhaite consulter ces données"


@pytest.fixture
def third_party(portal: Portal, person: Person) -> Portal:
    """The portal belongs to somebody else than the fund."""
    row = db.session.get_one(Portal, portal.id)
    row.consent, row.publisher = True, "Muster AG"
    row.policy_uri, row.tos_uri = "https://cpx.example.ch/privacy", "https://cpx.example.ch/terms"
    db.session.commit()
    return row


def labels(person: Person) -> list[str]:
    """What can be ticked on the page."""
    return re.findall(r'<input type="checkbox" id="f-[a-z_.]+" name="([a-z_.]+)" value="yes" checked>', person.text)


def answer(person: Person, decision: str, *, without: tuple[str, ...] = ()) -> None:
    """Press one of the two buttons, some boxes unticked."""
    assert person.title == TITLE
    address, fields = person.filled(decision=decision)
    person._arrive(*person.post((address, {name: value for name, value in fields.items() if name not in without})))


def tokens_of(rp: RelyingParty, person: Person) -> dict[str, Any]:
    response = rp.redeem(answer_of(person.address)["code"])
    tokens: dict[str, Any] = response.get_json()
    return tokens


def kept() -> Consent:
    db.session.rollback()
    return db.session.scalars(select(Consent)).one()


def test_the_page_shows_the_actual_values_and_who_asks(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    assert person.title == TITLE
    assert person.address.split("?")[0] == "/cpx/consent"
    for shown in (
        "Hélène Müller", "27.3.1958", "Français", "helene@example.ch", "+41791234567", "756.1234.5678.97",
        "P-helene@example.ch", "Éditeur\u00a0: Muster AG", "Accès aussi en votre absence", "Un numéro propre",
        'href="https://cpx.example.ch/privacy"', 'href="https://cpx.example.ch/terms"', "dans votre compte",
    ):  # fmt: skip
        assert shown in person.text, shown
    assert labels(person) == ["scope.profile", "scope.email", "scope.phone", "scope.insurance", "scope.offline_access"]
    buttons = re.findall(r"<button type=\"submit\" name=\"decision\" value=\"(\w+)\">(\w+)</button>", person.text)
    assert buttons == [("allow", "Autoriser"), ("deny", "Refuser")]  # the same look for both
    assert "https://cpx.example.ch" in person.page.headers["Content-Security-Policy"].split("form-action")[1]


def test_what_is_allowed_is_given_and_not_asked_again(
    rp: RelyingParty, third_party: Portal, person: Person, clock: FrozenClock
) -> None:
    person.open(rp.request())
    answer(person, "allow")
    assert tokens_of(rp, person)["scope"] == rp.scope
    clock.advance(timedelta(minutes=5))
    person.open(rp.request(prompt="none"))
    assert "code" in answer_of(person.address)
    assert [event.tag for event in db.session.scalars(select(AuditEvent)) if "consent" in event.tag] == [
        "person:consent:give"
    ]


def test_what_is_left_out_is_not_given_and_not_asked_again(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request())
    answer(person, "allow", without=("scope.phone", "scope.insurance", "scope.offline_access"))
    tokens = tokens_of(rp, person)
    assert tokens["scope"] == "openid profile email"
    assert "refresh_token" not in tokens
    assert not {"phone_number", "insured_number"} & set(rp.userinfo(tokens["access_token"]).get_json())
    assert kept().declined == ["scope.insurance", "scope.offline_access", "scope.phone"]
    person.open(rp.request())
    assert tokens_of(rp, person)["scope"] == "openid profile email"


def test_only_what_is_new_is_asked_later(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request(scope="openid email"))
    answer(person, "allow")
    person.open(rp.request(scope="openid email phone"))
    assert labels(person) == ["scope.phone"]
    assert "Déjà autorisé" in person.text
    assert "helene@example.ch" not in person.text.split("<footer>")[0]
    answer(person, "allow")
    assert tokens_of(rp, person)["scope"] == "openid email phone"
    assert kept().scopes == ["email", "openid", "phone"]


def test_what_was_left_out_is_not_called_allowed_later(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request(scope="openid email phone"))
    answer(person, "allow", without=("scope.phone",))
    person.open(rp.request(scope="openid email phone insurance"))
    assert labels(person) == ["scope.insurance"]
    already = person.text.split("Déjà autorisé")[1].split("</ul>")[0]
    assert "Adresse e-mail" in already
    assert "mobile" not in already


def test_what_was_left_out_is_asked_again_once_it_is_essential(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request(scope="openid email phone"))
    answer(person, "allow", without=("scope.phone",))
    essential = json.dumps({"userinfo": {"phone_number": {"essential": True}}})
    person.open(rp.request(scope="openid email phone", claims=essential))
    assert (person.title, labels(person)) == (TITLE, [])
    answer(person, "allow")
    assert tokens_of(rp, person)["scope"] == "openid email phone"
    assert (kept().scopes, kept().declined) == (["email", "openid", "phone"], [])


def test_prompt_consent_asks_again_and_the_new_answer_counts(
    rp: RelyingParty, third_party: Portal, person: Person, clock: FrozenClock
) -> None:
    person.open(rp.request(scope="openid email phone"))
    answer(person, "allow", without=("scope.phone",))
    clock.advance(timedelta(minutes=5))
    person.open(rp.request(scope="openid email phone", prompt="consent"))
    assert labels(person) == ["scope.email", "scope.phone"]
    answer(person, "allow", without=("scope.email",))
    assert tokens_of(rp, person)["scope"] == "openid phone"
    assert (kept().scopes, kept().declined) == (["openid", "phone"], ["scope.email"])


def test_refusing_is_told_to_the_portal_and_keeps_nothing(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request(state="to-be-refused"))
    answer(person, "deny")
    told = answer_of(person.address)
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "to-be-refused", ISSUER)
    assert db.session.scalars(select(Consent)).all() == []
    person.open(rp.request())
    assert person.title == TITLE


def test_without_a_page_the_portal_is_told_that_consent_is_needed(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request(prompt="none"))
    assert answer_of(person.address)["error"] == "consent_required"


def test_consent_follows_the_sign_in(rp: RelyingParty, third_party: Portal, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(hours=13))
    person.open(rp.request(response_mode="form_post"))
    sign_in(person)
    answer(person, "allow")
    assert "code" in person.filled()[1]


def test_reload_and_back_show_it_again_and_give_nothing_twice(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request())
    page = person.address
    person.open(page)
    assert person.title == TITLE
    filled = person.filled(decision="allow")
    answer(person, "allow")
    assert "code" in answer_of(person.address)
    person.open(page)
    assert person.title == "Votre session est déjà ouverte."
    person._arrive(*person.post(filled))
    assert "code=" not in person.address


def test_claims_are_items_of_their_own_and_essential_ones_stay(
    rp: RelyingParty, third_party: Portal, person: Person, portal: Portal
) -> None:
    third_party.verified_claims = True
    db.session.commit()
    verified = {"verification": {"time": None}, "claims": {"birthdate": None}}
    claims = {
        "userinfo": {
            "insured_number": {"essential": True}, "external_id": None, "email": None, "email_verified": None,
            "updated_at": None, "locale": None, "birthdate": None, "verified_claims": verified,
        },
        "id_token": {"name": {"essential": True}, "phone_number": {"essential": True}, "acr": None},
    }  # fmt: skip
    person.open(rp.request(scope="openid phone", claims=json.dumps(claims)))
    assert labels(person) == [
        "claim.birthdate", "claim.locale", "claim.updated_at", "claim.email", "claim.email_verified",
        "claim.external_id", "claim.verified_claims",
    ]  # fmt: skip
    verified_part = person.text.split("Comment votre identité a été vérifiée")[1].split("</li>")[0]
    assert "27.3.1958" in verified_part
    assert "Müller" not in verified_part  # not asked for as verified
    answer(person, "allow", without=("claim.email", "claim.verified_claims", "claim.insured_number"))
    tokens = tokens_of(rp, person)
    given = rp.userinfo(tokens["access_token"]).get_json()
    assert set(given) == {
        "sub", "insured_number", "external_id", "email_verified", "updated_at", "locale", "birthdate", "phone_number",
        "phone_number_verified",
    }  # fmt: skip
    assert {"name", "phone_number", "acr"} <= set(rp.claims(tokens["id_token"]))


def test_a_claim_that_a_wanted_scope_gives_is_no_item_of_its_own() -> None:
    request = AuthorizationRequest(
        "https://x.example/",
        "openid email phone",
        datetime(2026, 3, 27, tzinfo=UTC),
        claims={"id_token": {"email": None}},
    )
    assert [item.key for item in consent.items(request)] == ["scope.openid", "scope.email", "scope.phone"]


def test_a_scope_left_out_takes_its_named_claims_along(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    claims = json.dumps({"id_token": {"email": None, "locale": None}})
    person.open(rp.request(scope="openid email profile", claims=claims))
    answer(person, "allow", without=("scope.email",))
    in_token = rp.claims(tokens_of(rp, person)["id_token"])
    assert "email" not in in_token
    assert in_token["locale"] == "fr"


def test_another_persons_answer_is_not_mine(
    web: Flask, rp: RelyingParty, third_party: Portal, person: Person, services: Services, clock: FrozenClock
) -> None:
    person.open(rp.request())
    answer(person, "allow")
    clock.advance(timedelta(minutes=5))
    other = register(web, services, third_party, "paul@example.ch")
    other.open(rp.request())
    assert other.title == TITLE
    assert "paul@example.ch" in other.text


def test_the_page_without_a_request_leads_into_the_portal(third_party: Portal, person: Person, web: Flask) -> None:
    person.open("/cpx/consent")
    assert person.address == "https://cpx.example.ch/"
    person.open("/cpx/consent?for=unknown-handle-of-nothing")
    assert person.address == "https://cpx.example.ch/"
    stranger = Person(web)
    stranger.open("/cpx/consent")
    assert stranger.address == "https://cpx.example.ch/"


def test_a_second_answer_after_sign_out_records_nothing(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    filled = person.filled(decision="allow")
    person.client.delete_cookie("connect_session", domain="localhost")
    person._arrive(*person.post(filled))
    assert "Connexion à" in person.title
    assert db.session.scalars(select(Consent)).all() == []


def test_a_person_whose_record_is_gone_is_asked_for_a_letter_instead(
    rp: RelyingParty, third_party: Portal, person: Person, services: Services
) -> None:
    person.open(rp.request())
    page = person.address
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    record = services.accounts.record_of(account.id, third_party.id)
    assert record is not None
    record.account_id = None
    db.session.commit()
    person.open(page)
    assert "pas encore relié" in person.text


def test_a_portal_that_was_disabled_meanwhile_gets_no_answer(
    rp: RelyingParty, third_party: Portal, person: Person, services: Services
) -> None:
    handle = person.client.get(rp.request(), base_url=ISSUER).headers["Location"].split("for=")[1]
    third_party.disabled_at = services.clock.now()
    db.session.commit()
    person.open(f"/authorize/resume/{handle}")
    assert person.page.status_code == 410


def test_an_answer_without_a_button_changes_nothing(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    person.submit()
    assert person.title == TITLE


def test_every_interaction_has_its_journey() -> None:
    begins = {next(iter(journey.paths.values())) for journey in JOURNEYS.values()}
    assert {interaction.path for interaction in Interaction} <= begins


def test_every_item_has_a_label_in_four_languages() -> None:
    keys = {f"scope.{name}" for name in ("openid", "offline_access", *OF_SCOPE)}
    keys |= {f"claim.{name}" for name in ("verified_claims", *SCOPE_OF)}
    assert set(consent.LABELS) == keys
    texts = Texts.load()
    assert all(texts.get(language, label) for language in LANGUAGES for label in consent.LABELS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_four_languages(rp: RelyingParty, third_party: Portal, person: Person, language: str) -> None:
    person.open(rp.request(ui_locales=f"{language}-CH"))
    words = {"fr": "Autoriser", "de": "Erlauben", "it": "Autorizzare", "en": "Allow"}
    assert words[language] in person.text
