"""Walks that stand at a certain step without having been walked, so that hundreds can be answered at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Flask
from werkzeug.test import TestResponse

from flows import run as runs
from flows.journeys import Journey
from idp.chance import token
from idp.models.base import db
from idp.models.flow import Challenge
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.challenges import Kind
from tests.support.person import ISSUER


@dataclass(frozen=True)
class Stand:
    """Where somebody stands: the address of the step, the secret of their browser, and that of their session if any."""

    address: str
    secret: str
    run_id: UUID
    session: str = ""

    def post(self, app: Flask, **fields: str) -> TestResponse:
        """Send the step's form, for the first time."""
        bundle: Services = app.extensions["connect"]
        client = app.test_client()
        client.set_cookie("connect_browser", self.secret, domain="localhost")
        if self.session:
            client.set_cookie("connect_session", self.session, domain="localhost")
        form = {"csrf_token": bundle.vault.mac("csrf", self.secret), "nonce": token(bundle.random)[:22], **fields}
        return client.post(self.address, data=form, base_url=ISSUER, headers={"Origin": ISSUER})


def stand(services: Services, portal: Portal, journey: Journey, step: str, **facts: Any) -> Stand:
    """A run of a fresh browser in which these facts are proved; the caller commits."""
    secret = token(services.random, "cc_br_")
    run, handle = runs.begin(
        services,
        journey=journey.name,
        state=type(journey.itinerary.initial)(**facts),
        portal=portal,
        browser_hash=sha256(secret.encode()).hexdigest(),
        idle_for=journey.idle_for(services.settings),
        resume=None,
    )
    return Stand(f"/{portal.slug}/{journey.paths[step]}?f={handle}", secret, run.id)


def send_codes(services: Services, kind: Kind, stands: Sequence[Stand], recipients: Sequence[str], code: str) -> None:
    """A code for each run, the same for all, as if it had been sent; the limits of sending are not met."""
    now = services.clock.now()
    for one, recipient in zip(stands, recipients, strict=True):
        db.session.add(
            Challenge(
                id=one.run_id,
                run_id=one.run_id,
                kind=kind,
                recipient_hash=services.challenges._address(recipient),
                code_hash=services.challenges._code(one.run_id, kind, recipient, code),
                sent_at=now,
                expires_at=now + services.settings.sms_code_for,
            )
        )
    db.session.commit()
