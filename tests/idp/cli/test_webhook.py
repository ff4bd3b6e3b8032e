"""`connect webhook`: added, listed, given a new secret, its log, and ended."""

from __future__ import annotations

import re

import pytest

from idp.models.base import db
from idp.services.bundle import Services
from idp.services.webhook_events import WebhookEvent
from tests.idp.cli.conftest import Connect

pytestmark = pytest.mark.sqlite_only
URL, PORTAL = "https://cpx.example.ch/hooks", ("--portal", "cpx")


def test_a_webhook_lives_from_its_first_secret_to_its_end(cpx: Connect, services: Services) -> None:
    said = cpx("webhook", "add", URL, *PORTAL, "--event", "person.letter_returned", "--event", "person.locked")
    ident, secret = (re.findall(rf"{name} +(\S+)", said)[0] for name in ("webhook", "secret"))
    assert cpx("webhook", "list", *PORTAL) == f"{ident}  open  {URL}  person.locked person.letter_returned\n"
    assert cpx("webhook", "secret", ident, *PORTAL).strip() not in {"", secret}
    assert cpx("webhook", "log", ident, *PORTAL) == ""
    portal = services.portals.load("cpx")
    services.webhook_events.emit(WebhookEvent.LOCKED, portal.id, services.letters.uninvited(portal)[0].id)
    db.session.commit()
    line = cpx("webhook", "log", ident, *PORTAL)
    assert re.search(r"person.locked  waiting  0  -$", line.strip())
    cpx("webhook", "again", ident, line.split()[0], *PORTAL)
    assert len(cpx("webhook", "log", ident, *PORTAL).splitlines()) == 2
    assert "is no message" in cpx.refuses("webhook", "again", ident, ident, *PORTAL)
    cpx("webhook", "enable", ident, *PORTAL)
    cpx("webhook", "remove", ident, *PORTAL)
    assert "has no webhook" in cpx.refuses("webhook", "log", ident, *PORTAL)
    assert "url: must begin with https" in cpx.refuses(
        "webhook", "add", "http://cpx.example.ch/", *PORTAL, "--event", "person.locked"
    )
