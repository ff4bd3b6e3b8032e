"""Client secrets and invitations in the console: shown once, two at a time, in no address and no record."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.console import stored
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET

EMAIL = "olga@fund.example.ch"
SECRETS = "/admin/portals/cpx/secrets"
INVITED = {
    "slug": "fund", "names_fr": "Caisse Y", "short_name": "Caisse Y", "phone": "058 123 45 67",
    "email": "aide@fund.example.ch", "home_url": "https://fund.example.ch/", "security_profile": "standard",
}  # fmt: skip


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["portal_admin", "reader"])
    return sign_in(web, services, EMAIL)


def renew(olga: Person, keep: str) -> str:
    olga.open(SECRETS)
    olga.submit(1, keep=keep)
    (secret,) = set(re.findall(r"cc_cs_\w+", olga.text))
    return secret


@pytest.mark.parametrize(("keep", "days"), [("week", 7), ("month", 30), ("hand", 7000), ("none", 0)])
def test_the_old_secret_stays_good_as_long_as_was_chosen(
    services: Services, clock: FrozenClock, olga: Person, keep: str, days: int
) -> None:
    fresh = renew(olga, keep)
    is_right = services.portal_secrets.is_right
    assert is_right(stored(), fresh)
    assert is_right(stored(), PORTAL_SECRET) == (keep != "none")
    clock.advance(timedelta(days=days) - timedelta(seconds=1) if days else timedelta(0))
    assert is_right(stored(), PORTAL_SECRET) == (keep != "none")
    clock.advance(timedelta(seconds=1))
    assert is_right(stored(), PORTAL_SECRET) == (keep == "hand")
    assert is_right(stored(), fresh)


def test_a_secret_is_shown_once_and_left_nowhere(
    services: Services, olga: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = renew(olga, "week")
    assert (olga.address, olga.page.headers["Cache-Control"]) == (SECRETS, "no-store")
    assert "?lang=" not in olga.text  # no link that would lead away from it
    for address in (SECRETS, "/admin/portals/cpx", "/admin/audit"):
        olga.open(address)
        assert secret not in olga.text
    assert secret not in json.dumps([one.detail for one in db.session.scalars(select(AuditEvent))])
    assert secret not in "".join(capsys.readouterr())
    assert secret not in str(list(vars(stored()).values()))


def test_two_are_good_at_a_time_and_the_older_is_ended_by_hand(services: Services, olga: Person) -> None:
    olga.open(SECRETS)
    stale = olga.filled(1, keep="hand")
    fresh = renew(olga, "hand")
    olga._arrive(*olga.post(stale))  # pressed again in another window
    assert "Deux secrets sont déjà valables" in olga.text
    assert services.portal_secrets.is_right(stored(), fresh)
    assert "date inconnue" in olga.text
    olga.open("/admin/portals/cpx/end-secret")
    assert services.portal_secrets.is_right(stored(), PORTAL_SECRET)
    olga.submit(1)
    assert not services.portal_secrets.is_right(stored(), PORTAL_SECRET)
    assert services.portal_secrets.is_right(stored(), fresh)
    olga.open("/admin/portals/cpx/end-secret")
    assert olga.page.status_code == 404
    olga.open(SECRETS)
    olga.submit(1, keep="for ever")
    assert olga.errors() == ["keep"]


def test_a_security_operator_renews_secrets_and_changes_nothing_else(
    web: Flask, services: Services, portal: Portal
) -> None:
    add_operator(services, EMAIL, ["security@cpx"])
    person = sign_in(web, services, EMAIL)
    person.open("/admin/portals/cpx/contact")
    assert person.page.status_code == 403
    assert renew(person, "week")


def test_a_developer_is_invited_with_a_key_that_registers_the_portal(olga: Person, web: Flask) -> None:
    olga.open("/admin/invite-portal")
    olga.submit(1, **INVITED | {"phone": "call us", "valid_days": "91"})
    assert set(olga.errors()) == {"phone", "valid_days"}
    olga.submit(1, **INVITED, valid_days="7")
    (key,) = set(re.findall(r"cc_iat_\w+", olga.text))
    answer = web.test_client().post(
        "/register", json={"redirect_uris": ["https://fund.example.ch/callback"]}, base_url=ISSUER,
        headers={"Authorization": f"Bearer {key}"},
    )  # fmt: skip
    assert answer.status_code == 201
    assert stored("fund").names == {"fr": "Caisse Y"}
    olga.open("/admin/invite-portal")
    assert key not in olga.text
    olga.submit(1, **INVITED, valid_days="7")
    assert olga.errors() == ["slug"]
