"""Webhooks in the console: added, tested against a real receiver, given a second secret, switched off and removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from idp.admin import webhook_deeds, webhooks
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.webhook import Webhook
from idp.services.bundle import Services
from idp.services.webhook_delivery import WebhookCourier
from tests.support.authority import Authority
from tests.support.builders import add_portal
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person
from tests.support.portal_server import Page, PortalServer, serving

OLGA, LIST = "olga@fund.example.ch", "/admin/webhooks"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost") as made:
        made.pages["/hooks"] = Page(status=204)
        yield made


@pytest.fixture
def environment(environment: dict[str, str], authority: Authority) -> dict[str, str]:
    places = {"CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    return {**environment, **places}


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["portal_admin@cpx"])
    return sign_in(web, services, OLGA)


def add(person: Person, url: str, **fields: str) -> str:
    """Through the form; the secret that is shown."""
    person.open(f"{LIST}/new")
    person.submit(1, **{"portal": "cpx", "url": url, "events_0": "yes", **fields})
    found = re.search(r'data-copy="(whsec_[^"]+)"', person.text)
    return found[1] if found else ""


def page(person: Person) -> str:
    person.open(f"{LIST}/{hook().id}")
    return said(person)


def hook() -> Webhook:
    db.session.rollback()
    return db.session.scalars(select(Webhook).execution_options(populate_existing=True)).one()


def press(person: Person, last: str, **fields: str) -> None:
    """The button whose form ends so."""
    at = re.findall(r'<form method="post"(?: action="([^"]*)")?', person.text)
    person.submit(next(number for number, address in enumerate(at) if address.endswith(last)), **fields)


def actions() -> list[str]:
    db.session.rollback()
    rows = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:webhook:change"))
    return [row.detail["action"] for row in rows.all()]


def test_a_webhook_is_added_tested_and_taken_by_a_real_receiver(
    app: Flask, services: Services, olga: Person, server: PortalServer
) -> None:
    olga.open(LIST)
    assert "Aucun destinataire" in said(olga)
    secret = add(olga, server.url("/hooks"))
    assert secret.startswith("whsec_")
    assert "Rien n’a encore été envoyé" in page(olga)
    assert secret not in olga.text, "it is shown once"
    press(olga, "/test")
    WebhookCourier(app).run_once()
    shown = page(olga)
    assert re.search(r"essai\W+transmis|essai\W+remis", shown), shown
    assert "204" in shown
    press(olga, "/again")
    WebhookCourier(app).run_once()
    first, second = (headers["webhook-id"] for headers, _ in server.messages)
    assert first == second, "sent again under the same id"
    assert actions() == ["add", "test", "redeliver"]


def test_two_secrets_sign_for_a_while_and_the_older_one_can_be_ended(
    app: Flask, services: Services, olga: Person, server: PortalServer, clock: FrozenClock
) -> None:
    add(olga, server.url("/hooks"))
    page(olga)
    press(olga, str(hook().id), keep="day")
    assert "whsec_" in olga.text
    assert "Deux secrets signent chaque message" in page(olga)
    press(olga, "/test")
    WebhookCourier(app).run_once()
    assert len(server.messages[-1][0]["webhook-signature"].split()) == 2
    page(olga)
    press(olga, "/end-secret")
    assert "Le secret précédent ne signe plus" in said(olga)
    assert hook().sealed_previous_secret is None
    page(olga)
    press(olga, str(hook().id), keep="ever")
    assert olga.errors() == ["keep"]
    press(olga, str(hook().id), keep="day")
    clock.at += timedelta(days=1, minutes=1)
    assert not services.webhooks.has_previous(hook())


@pytest.mark.sqlite_only
def test_what_is_switched_off_gets_nothing_and_what_is_removed_is_forgotten(
    app: Flask, services: Services, olga: Person, server: PortalServer
) -> None:
    add(olga, server.url("/hooks"))
    olga.open(f"{LIST}/{hook().id}/disable")
    olga.submit(1)
    assert "arrêté depuis le" in said(olga)
    assert "/test" not in olga.text
    press(olga, "/enable")
    assert "en service" in said(olga)
    olga.open(f"{LIST}/{hook().id}/remove")
    olga.submit(1)
    assert "Aucun destinataire" in said(olga)
    assert db.session.scalar(select(Webhook)) is None
    assert actions() == ["add", "disable", "enable", "remove"]


@pytest.mark.sqlite_only
def test_an_address_that_leads_inside_is_never_asked_and_the_list_says_so(
    app: Flask, services: Services, olga: Person
) -> None:
    for url in (
        "http://fund.example.ch/h",
        "https://user@fund.example.ch/",
        "ftp://x",
        "https://fund.example.ch/#x",
        "",
    ):
        assert add(olga, url) == ""
        assert olga.errors() == ["url"], url
    assert add(olga, "https://fund.example.ch/h", events_0="", portal="nirgends") == ""
    assert olga.errors() == ["portal"]
    assert add(olga, "https://fund.example.ch/h", events_0="") == ""
    assert olga.errors() == ["events"]
    add(olga, "https://10.0.0.1/hooks")
    page(olga)
    press(olga, "/test")
    WebhookCourier(app).run_once()
    assert "the address is not allowed" in page(olga)


@pytest.mark.sqlite_only
def test_the_eleventh_webhook_of_a_portal_is_refused_in_words(services: Services, portal: Portal, olga: Person) -> None:
    for number in range(10):
        services.webhooks.add(portal, f"https://fund.example.ch/{number}", ["person.changed"])
    db.session.commit()
    assert add(olga, "https://fund.example.ch/h") == ""
    assert "Un portail a dix destinataires au plus" in said(olga)


@pytest.mark.sqlite_only
def test_a_webhook_of_another_fund_does_not_exist(services: Services, portal: Portal, olga: Person) -> None:
    other = add_portal("geheim", names={"fr": "Fondation Secrète"})
    made, _ = services.webhooks.add(other, "https://geheim.example.ch/h", ["person.changed"])
    db.session.commit()
    olga.open(LIST)
    assert "geheim" not in olga.text
    for address in ("", "/disable", "/remove"):
        olga.open(f"{LIST}/{made.id}{address}")
        assert olga.page.status_code == 404, address
    assert isinstance(made.id, UUID)


def test_what_is_offered_is_what_is_taken() -> None:
    assert set(webhooks.KEEP) == set(webhook_deeds.KEEP)
