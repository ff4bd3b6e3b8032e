"""What an operator does with a portal in the console: forms filled by the names of their entries."""

from __future__ import annotations

import html
import re

from sqlalchemy import select

from idp.admin.portal_forms import SECTIONS, shown
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.portals import fields_of
from tests.support.person import Person

FIELDS = {section.name: section.fields for section in SECTIONS}


def stored(slug: str = "cpx") -> Portal:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Portal).where(Portal.slug == slug)).one()


def save(person: Person, section: str, slug: str = "cpx", **changes: str) -> None:
    """Open a section, change these entries, and press its button."""
    person.open(f"/admin/portals/{slug}/{section}")
    entries = shown(fields_of(stored(slug)), FIELDS[section])
    person.submit(1, **{name: value for name, value in entries.items() if value} | changes)


def newest_event() -> AuditEvent:
    db.session.rollback()
    return db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()  # type: ignore[return-value]


def said(person: Person) -> str:
    """The words of the page, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", person.text)).split())
