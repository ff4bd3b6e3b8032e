"""A place to write mails and SMS from, and a worker that delivers them to one server."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime

from flask import Flask
from sqlalchemy import select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.delivery import Worker
from idp.services.mail import SMTPMailSender
from idp.services.sms import sms_sender
from idp.settings import Settings

PLACES = {"event": "Passwort geändert", "date": "27.3.2026", "time": "14:30", "device": "Firefox", "place": "Bern"}


class Office:
    """Queues messages, lets a worker run with settings of its own, and shows the rows as they stand then."""

    def __init__(self, app: Flask, services: Services, environment: dict[str, str], portal: Portal) -> None:
        self.app, self.services, self.portal = app, services, portal
        self._environment = environment

    def set(self, **changes: str) -> Services:
        """Deliver with these settings from now on; the names are those of `Settings`."""
        given = {f"CONNECT_{name.upper()}": value for name, value in changes.items()}
        settings = Settings.from_environ({**self._environment, **given})
        made = replace(
            self.services,
            settings=settings,
            mail=SMTPMailSender(settings),
            sms=sms_sender(settings, self.services.metrics, self.services.spans),
        )
        self.app.extensions["connect"] = made
        return made

    def write(self, to: str = "helene@example.ch", kind: str = "code", language: str = "fr", **values: str) -> str:
        """Queue a mail; returns its code."""
        code = f"{secrets.randbelow(10**6):06d}"
        given = {**PLACES, "code": code, "email": to, "url": "https://connect.example.ch", **values}
        self.services.outbox.mail(kind, to=to, language=language, portal=self.portal, values=given)
        db.session.commit()
        return code

    def text(self, to: str = "+41791234567", code: str = "123456", expires_at: datetime | None = None) -> None:
        """Queue an SMS."""
        self.services.outbox.sms(
            "code", to=to, language="fr", portal=self.portal, values={"code": code}, expires_at=expires_at
        )
        db.session.commit()

    def run(self) -> list[OutboxMessage]:
        Worker(self.app).run_once()
        return self.rows()

    def rows(self) -> list[OutboxMessage]:
        db.session.rollback()
        rows = select(OutboxMessage).order_by(OutboxMessage.created_at, OutboxMessage.id)
        return list(db.session.scalars(rows.execution_options(populate_existing=True)))
