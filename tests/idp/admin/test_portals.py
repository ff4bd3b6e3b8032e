"""Portals in the console: seen, made and changed by who may, with the faults that the command line tells too."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from idp.admin.portal_brand import FIELDS as BRAND
from idp.admin.portal_forms import SECTIONS
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.portal_details import PortalDetails
from tests.support.builders import add_person, add_portal
from tests.support.console import newest_event, said, save, stored
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

EMAIL = "olga@fund.example.ch"
NEW = {
    "slug": "fund", "names_fr": "Caisse Y", "short_name": "Caisse Y", "phone": "058 123 45 67",
    "email": "aide@fund.example.ch", "home_url": "https://fund.example.ch/",
    "redirect_uris": "https://fund.example.ch/callback\r\n\r\n https://fund.example.ch/other ",
    "token_endpoint_auth_method": "client_secret_basic",
}  # fmt: skip


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["portal_admin", "reader"])
    return sign_in(web, services, EMAIL)


def test_every_field_of_a_portal_has_its_place_in_the_console() -> None:
    placed = [name for section in SECTIONS for name in section.fields]
    assert sorted([*placed, "slug", *BRAND, "texts"]) == sorted(PortalDetails.model_fields)


def test_the_list_shows_the_portals_of_ones_role_and_no_other(web: Flask, services: Services, portal: Portal) -> None:
    add_person(portal)
    add_portal("fon", names={"fr": "Fondation Secrète"})
    add_operator(services, EMAIL, ["support@cpx"])
    person = sign_in(web, services, EMAIL)
    person.open("/admin/portals")
    assert person.title == "Portails"
    assert re.search(r'data-label="Personnes">1<', person.text)
    assert "1.1.2026, 01:00" in person.text
    assert "fon" not in re.findall(r">(\w+)<", person.text)
    assert "Fondation" not in person.text
    assert "/admin/new-portal" not in person.text
    person.open("/admin/portals/cpx")
    assert (person.title, "client-cpx" in person.text) == ("Caisse CPX", True)


def test_a_portal_is_made_and_its_secret_is_in_one_answer_only(services: Services, olga: Person) -> None:
    olga.open("/admin/new-portal")
    olga.submit(1, **NEW)
    made = stored("fund")
    assert made.redirect_uris == ["https://fund.example.ch/callback", "https://fund.example.ch/other"]
    assert made.factors == ["sms", "app"]
    (secret,) = set(re.findall(r"cc_cs_\w+", olga.text))
    assert services.portal_secrets.is_right(made, secret)
    assert olga.page.headers["Cache-Control"] == "no-store"
    assert (olga.address, olga.page.request.query_string) == ("/admin/new-portal", b"")
    assert secret not in json.dumps(newest_event().detail)
    for address in ("/admin/new-portal", "/admin/portals/fund", "/admin/portals/fund/client", "/admin/audit"):
        olga.open(address)
        assert olga.page.status_code == 200
        assert secret not in olga.text


def test_every_fault_of_a_new_portal_is_told_at_once_and_the_entries_are_kept(olga: Person) -> None:
    olga.open("/admin/new-portal")
    wrong = {
        "slug": "Token", "names_fr": "", "short_name": "Ç" * 21, "phone": "call us", "email": "a@b", "home_url": "x",
        "redirect_uris": "https://fund.example.ch/a\nhttps://fund.example.ch/#x", "factors_0": "", "factors_1": "",
        "token_endpoint_auth_method": "private_key_jwt", "place": "Thun",
    }  # fmt: skip
    olga.submit(1, **wrong)
    assert set(olga.errors()) == {
        "slug", "names_fr", "short_name", "phone", "email", "home_url", "redirect_uris", "factors",
    }  # fmt: skip
    assert "Écrivez le numéro comme 058 123 45 67" in olga.text
    assert '<code lang="en">line 2: must be a full address without user and without #</code>' in olga.text
    for kept in ("Token", "call us", "Thun", "https://fund.example.ch/#x"):
        assert kept in olga.text
    assert "This depends" not in olga.text
    olga.open(f"{olga.address}&lang=de")
    assert "Schreiben Sie die Nummer wie 058 123 45 67" in olga.text
    olga.submit(1, **{**NEW, "slug": "cpx", "factors_0": "yes"})
    assert olga.errors() == ["slug"]


CHANGES: list[tuple[str, dict[str, str], str, Any]] = [
    (
        "contact",
        {"names_de": "Kasse <b>X</b> {{7*7}}"},
        "names",
        {"fr": "Caisse CPX", "de": "Kasse <b>X</b> {{7*7}}", "it": "Caisse CPX", "en": "Caisse CPX"},
    ),
    ("contact", {"hours_de": "8–12"}, "hours", {"fr": "8–17", "de": "8–12"}),
    ("journeys", {"code_life_days": "60"}, "code_life_days", 60),
    ("journeys", {"factors_0": ""}, "factors", ["app"]),
    ("addresses", {"post_logout_redirect_uris": ""}, "post_logout_redirect_uris", []),
    ("client", {"default_max_age": "3600"}, "default_max_age", 3600),
    ("client", {"require_par": "yes"}, "require_par", True),
    ("trust", {"consent": "yes", "publisher": "X AG", "policy_uri": "https://cpx.example.ch/p"}, "consent", True),
]


@pytest.mark.parametrize(("section", "typed", "field", "after"), CHANGES)
def test_a_section_changes_what_was_typed_and_nothing_else(
    olga: Person, section: str, typed: dict[str, str], field: str, after: Any
) -> None:
    before = getattr(stored(), field)
    save(olga, section, **typed)
    assert (olga.address, "Modification enregistrée." in olga.text) == ("/admin/portals/cpx?done=saved", True)
    assert getattr(stored(), field) == after
    event = newest_event()
    assert json.loads(event.detail["before"])[field] == before
    assert json.loads(event.detail["after"])[field] == after
    assert set(event.detail["fields"].split()) == {re.sub(r"_(fr|de|it|en|\d)$", "", name) for name in typed}
    assert event.actor_id is not None


def test_a_name_is_text_on_every_page(olga: Person) -> None:
    save(olga, "contact", names_fr="<script>alert(1)</script>{{7*7}}")
    for address in ("/admin/portals", "/admin/portals/cpx", "/admin/portals/cpx/contact", "/admin/audit"):
        olga.open(address)
        assert "<script>alert" not in olga.text
        assert "{{7*7}}" in olga.text


def test_what_another_page_must_mend_is_said_above_the_form(olga: Person) -> None:
    save(olga, "client", security_profile="fapi2", grant_types_0="", grant_types_1="", jwks="no json")
    assert "jwks" in olga.errors()
    save(olga, "client", security_profile="fapi2")
    assert {"token_endpoint_auth_method", "dpop_bound_access_tokens"} <= set(olga.errors())
    save(olga, "addresses", redirect_uris="https://a.example.ch/\nhttps://b.example.ch/", initiate_login_uri="http://x")
    assert olga.errors() == ["initiate_login_uri"]
    save(olga, "trust", consent="yes")
    assert set(olga.errors()) == {"publisher", "policy_uri"}
    save(olga, "addresses", redirect_uris="")
    assert "at least one is needed" in said(olga)
    save(olga, "trust", sector_identifier="other.example.ch", sector_identifier_uri="https://cpx.example.ch/sector")
    assert olga.errors() == ["sector_identifier"]


def test_what_changed_meanwhile_is_not_overwritten_unseen(services: Services, olga: Person) -> None:
    olga.open("/admin/portals/cpx/contact")
    stale = olga.filled(1, place="Thun")
    save(olga, "contact", place="Biel")
    olga._arrive(*olga.post(stale))
    assert 'id="f-other"' in olga.text
    assert 'value="Thun"' in olga.text
    assert stored().place == "Biel"
    olga.submit(1)
    assert stored().place == "Thun"


def test_a_portal_is_closed_and_opened_on_a_page_that_says_what_will_happen(olga: Person) -> None:
    olga.open("/admin/portals/cpx/disable")
    assert "Caisse CPX" in olga.title
    assert not stored().is_disabled
    olga.submit(1)
    assert stored().is_disabled
    assert "Le portail est fermé." in olga.text
    olga.open("/admin/portals/cpx/enable")
    olga.submit(1)
    assert not stored().is_disabled
    assert newest_event().detail == {"action": "enable"}


def test_a_change_that_makes_a_secret_needed_shows_it_once(services: Services, olga: Person) -> None:
    jwks = {"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                      "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}  # fmt: skip
    save(olga, "client", token_endpoint_auth_method="private_key_jwt", jwks=json.dumps(jwks))
    assert stored().client_secret_hash is None
    assert '"jwks": ["a"]' in newest_event().detail["after"]
    save(olga, "client", token_endpoint_auth_method="client_secret_post")
    (secret,) = set(re.findall(r"cc_cs_\w+", olga.text))
    assert services.portal_secrets.is_right(stored(), secret)


def test_the_checks_name_what_is_wrong_and_ask_nobody_before_the_button(services: Services, olga: Person) -> None:
    portal = stored()
    portal.redirect_uris = [f"{ISSUER}/x", "https://cpx.example.ch/callback"]
    portal.jwks_uri = "https://127.0.0.1:1/jwks"
    db.session.commit()
    olga.open("/admin/portals/cpx/checks")
    assert "FAPI 2.0" in olga.text
    assert "could be read" not in olga.text
    olga.submit(1, do="look")
    words = said(olga)
    assert "is an address of Connect itself" in words
    assert "no keys could be read there" in words
    assert "sector_identifier" not in words.split("Contrôle les adresses")[0]


def test_the_developer_gets_a_self_test_address(olga: Person, web: Flask) -> None:
    olga.open("/admin/portals/cpx/checks")
    olga.submit(2, do="self_test")
    found = re.search(rf"{ISSUER}(/selftest/[\w.-]+)", olga.text)
    assert found
    assert web.test_client().get(found[1], base_url=ISSUER).status_code == 200
