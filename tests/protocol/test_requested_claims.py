"""OIDC Core §5.5: a portal names claims for userinfo or for the ID token, and gets what it may have, there only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from idp.errors import ProtocolError
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import requested_claims
from idp.protocol.claims import OF_SCOPE, SCOPE_OF
from idp.services.bundle import Services
from tests.actions import register
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

UNASKED = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash", "nonce"}


def told(
    rp: RelyingParty, person: Person, claims: object, scope: str = "openid"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the ID token says beyond its own claims, and what userinfo says beyond `sub`."""
    person.open(rp.request(scope=scope, claims=json.dumps(claims)))
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    of_token, of_userinfo = rp.claims(tokens["id_token"]), rp.userinfo(tokens["access_token"]).get_json()
    assert of_token["sub"] == of_userinfo["sub"]
    return (
        {name: value for name, value in of_token.items() if name not in UNASKED},
        {name: value for name, value in of_userinfo.items() if name != "sub"},
    )


def test_an_essential_name_is_given_at_userinfo_and_not_in_the_id_token(rp: RelyingParty, person: Person) -> None:
    wanted = {"userinfo": {"name": {"essential": True}}}
    assert told(rp, person, wanted) == ({}, {"name": "Hélène Müller"})


def test_claims_are_given_where_they_were_named(rp: RelyingParty, person: Person) -> None:
    wanted = {"id_token": {"email": None, "birthdate": {"essential": False}}, "userinfo": {"insured_number": None}}
    in_token, in_userinfo = told(rp, person, wanted)
    assert in_token == {"email": "helene@example.ch", "birthdate": "1958-03-27"}
    assert in_userinfo == {"insured_number": "756.1234.5678.97"}


def test_the_scopes_give_what_they_always_give_beside(rp: RelyingParty, person: Person) -> None:
    in_token, in_userinfo = told(rp, person, {"userinfo": {"birthdate": None}, "id_token": None}, "openid email")
    assert in_token == {}
    assert set(in_userinfo) == {"email", "email_verified", "birthdate"}


def test_they_are_given_after_a_refresh_too(rp: RelyingParty, person: Person) -> None:
    claims = json.dumps({"id_token": {"given_name": None}, "userinfo": {"locale": None}})
    person.open(rp.request(scope="openid offline_access", claims=claims))
    first = rp.redeem(answer_of(person.address)["code"]).get_json()
    second = rp.refresh(first["refresh_token"]).get_json()
    assert rp.claims(second["id_token"])["given_name"] == "Hélène"
    assert rp.userinfo(second["access_token"]).get_json()["locale"] == "fr"


def test_what_is_unknown_or_not_registered_is_ignored(rp: RelyingParty, portal: Portal, person: Person) -> None:
    db.session.get_one(Portal, portal.id).scopes = ["openid", "email"]
    db.session.commit()
    names = {"name": None, "insured_number": {"essential": True}, "unheard_of": None, "name#fr": None, "email": None}
    both = {"id_token": names, "userinfo": names, "elsewhere": {"email": None}, "x": 5}
    assert told(rp, person, both) == ({"email": "helene@example.ch"}, {"email": "helene@example.ch"})


def test_a_value_that_does_not_fit_is_left_out(rp: RelyingParty, person: Person) -> None:
    wanted = {
        "userinfo": {
            "given_name": {"value": "Hélène"}, "family_name": {"value": "Meier"}, "locale": {"values": ["de", "fr"]},
            "birthdate": {"values": ["1958-03-28"]}, "email_verified": {"value": True},
            "phone_number_verified": {"value": False}, "email": {"values": []},
        }
    }  # fmt: skip
    given = told(rp, person, wanted)[1]
    assert given == {"given_name": "Hélène", "locale": "fr", "email_verified": True}


def test_the_sub_that_is_asked_for_is_the_one_that_answers(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, services: Services
) -> None:
    person.open(rp.request())
    sub = rp.claims(rp.redeem(answer_of(person.address)["code"]).get_json()["id_token"])["sub"]
    claims = json.dumps({"id_token": {"sub": {"value": sub}}})
    person.open(rp.request(prompt="none", claims=claims))
    assert "code" in answer_of(person.address)
    services.clock.advance(services.settings.sms_code_for)  # type: ignore[attr-defined]
    other = register(web, services, portal, "paul@example.ch")
    other.open(rp.request(prompt="none", claims=claims))
    assert answer_of(other.address)["error"] == "login_required"
    other.open(rp.request())
    hint = rp.redeem(answer_of(other.address)["code"]).get_json()["id_token"]
    other.open(rp.request(claims=claims, id_token_hint=hint))
    assert answer_of(other.address)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "5", '"x"', '{"userinfo": []}', '{"id_token": 5}', '{"userinfo": {"name": 5}}',
        '{"userinfo": {"name": true}}', '{"userinfo": {"name": []}}', '{"userinfo": {"name": {"essential": "yes"}}}',
        '{"userinfo": {"name": {"values": "x"}}}', '{"userinfo": {"name": {"values": [["x"]]}}}',
        '{"userinfo": {"name": {"value": {}}}}', '{"userinfo": {"name": {"value": NaN}}}',
        '{"userinfo": {"name": {"value": 1e400}}}', '{"userinfo": {"name": {"value": 1.5}}}',
        '{"userinfo": {"name": {"value": 99999999999999999999}}}', '{"userinfo": {"name": {"value": "\\u0000"}}}',
        '{"userinfo": {"name": {"value": "\\ud800"}}}', '{"userinfo": {"na\\u0000me": null}}',
        '{"userinfo": {"name": {"value": "' + "x" * 301 + '"}}}', "[" * 4000, '{"a":' * 1300 + "1" + "}" * 1300,
        '{"a": ' + "9" * 5000 + "}", '{"a":' * 13 + "1" + "}" * 13,
        '{"userinfo": {"name": null}', "ü", "\ud83d\ude00", "{}" * 2,
    ],
)  # fmt: skip
def test_hostile_claims_are_refused(portal: Portal, text: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        requested_claims.read(text, portal)
    assert refused.value.code == "invalid_request"
    assert refused.value.description.isascii()


def test_nothing_is_kept_of_nothing(portal: Portal) -> None:
    for text in ("{}", '{"userinfo": null}', '{"userinfo": {}, "id_token": {"unheard_of": null}}'):
        assert requested_claims.read(text, portal) is None


def test_what_a_portal_may_never_learn_is_not_kept_on_its_grant(portal: Portal) -> None:
    verified = '{"verification": {"time": null}, "claims": {"birthdate": null}}'
    text = '{"userinfo": {"insured_number": null, "verified_claims": ' + verified + "}}"
    portal.scopes = ["openid"]
    assert requested_claims.read(text, portal) is None
    portal.scopes, portal.verified_claims = ["openid", "insurance"], True
    assert set((requested_claims.read(text, portal) or {})["userinfo"]) == {"insured_number", "verified_claims"}


def test_every_claim_has_the_scope_that_gives_it(rp: RelyingParty, person: Person, portal: Portal) -> None:
    person.open(rp.request(scope=" ".join(("openid", *OF_SCOPE))))
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert set(rp.userinfo(tokens["access_token"]).get_json()) == {"sub", *SCOPE_OF}


def test_a_person_whose_record_is_gone_has_no_claims(
    rp: RelyingParty, person: Person, portal: Portal, services: Services
) -> None:
    person.open(rp.request(claims=json.dumps({"id_token": {"email": None}})))
    code = answer_of(person.address)["code"]
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    record = services.accounts.record_of(account.id, portal.id)
    assert record is not None
    record.account_id = None
    db.session.commit()
    assert "email" not in rp.claims(rp.redeem(code).get_json()["id_token"])


def test_a_scope_that_was_taken_from_the_portal_takes_its_claims_along(
    rp: RelyingParty, portal: Portal, person: Person
) -> None:
    person.open(rp.request(scope="openid", claims=json.dumps({"userinfo": {"email": None, "name": None}})))
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["access_token"]
    assert set(rp.userinfo(token).get_json()) == {"sub", "email", "name"}
    db.session.get_one(Portal, portal.id).scopes = ["openid", "profile"]
    db.session.commit()
    assert set(rp.userinfo(token).get_json()) == {"sub", "name"}


def test_a_disabled_account_is_not_spoken_about(rp: RelyingParty, person: Person, services: Services) -> None:
    person.open(rp.request())
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["access_token"]
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    account.status = "disabled"
    db.session.commit()
    assert rp.userinfo(token).status_code == 401


def test_the_document_offers_the_parameter(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["claims_parameter_supported"] is True
