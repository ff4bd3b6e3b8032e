"""Letters: one PDF (PDF/UA-1) with a page for each person, the code in words and as QR (ux.md §7.3, §8.4).

The text reaches the typesetter as data, never as markup; the code stands nowhere but in the PDF.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import timedelta

import segno
import typst
from sqlalchemy import select

from idp.clock import Clock, swiss
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.places import TEMPLATES
from idp.services.audit import Audit, AuditTag
from idp.services.registration_codes import RegistrationCodes, show
from idp.settings import Settings
from idp.texts import Texts, format_date

SOURCE = "letters/letter.typ"
QR_MODULES_AROUND = 4


@dataclass(frozen=True)
class Letter:
    """One printed code. `code` is in plain text: it lives in memory and in the PDF only."""

    person: InsuredPerson
    portal: Portal
    code: str


class Letters:
    def __init__(self, settings: Settings, clock: Clock, texts: Texts, codes: RegistrationCodes, audit: Audit) -> None:
        self._settings = settings
        self._clock = clock
        self._texts = texts
        self._codes = codes
        self._audit = audit

    def uninvited(self, portal: Portal) -> list[InsuredPerson]:
        """The persons of a portal who have no account and were never sent a code."""
        invited = select(RegistrationCode.insured_person_id)
        return list(
            db.session.scalars(
                select(InsuredPerson)
                .where(
                    InsuredPerson.portal_id == portal.id,
                    InsuredPerson.account_id.is_(None),
                    InsuredPerson.id.not_in(invited),
                )
                .order_by(InsuredPerson.external_id)
            )
        )

    def issue(self, portal: Portal, persons: list[InsuredPerson]) -> list[Letter]:
        """A new code for each person, voiding earlier ones; the caller renders, then commits."""
        letters = []
        for person in persons:
            letters.append(Letter(person, portal, self._codes.issue(person, portal)))
            self._audit.record(AuditTag.CODE_ISSUED, person=person.id, portal=portal.id)
        return letters

    def render(self, letters: list[Letter]) -> bytes:
        """The PDF of these letters, one page each, in their order."""
        compiled = typst.compile(
            str(TEMPLATES / SOURCE),
            root=str(TEMPLATES),
            format="pdf",
            pdf_standards=["ua-1"],
            ignore_system_fonts=True,
            sys_inputs={"letters": json.dumps([self._page(letter) for letter in letters])},
        )
        if not isinstance(compiled, bytes):
            raise TypeError("the typesetter returned no document")
        return compiled

    def address(self, portal: Portal, language: str, code: str) -> str:
        """What the QR says: the code stands in the fragment, which no server ever sees."""
        return f"{self._settings.issuer}/{portal.slug}/r?lang={language}#{code}"

    def _page(self, letter: Letter) -> dict[str, object]:
        person, portal, language = letter.person, letter.portal, letter.person.language
        name = f"{person.given_name} {person.family_name}".strip() or person.external_id
        today = swiss(self._clock.now()).date()
        values: dict[str, object] = {
            "portal": portal.name(language), "url": self._settings.issuer, "name": name,
            "date": format_date(today + timedelta(days=portal.code_life_days)),
        }  # fmt: skip

        def text(key: str) -> str:
            return self._texts.get(language, f"letter.{key}", **values)

        return {
            "language": language,
            "window": portal.letter_window,
            "sender": f"{portal.name(language)}{', ' + portal.place if portal.place else ''}",
            "address": [name, *person.address][:6],
            "date": f"{portal.place + ', ' if portal.place else ''}{format_date(today)}",
            "subject": text("subject")[:1].upper() + text("subject")[1:],
            "salutation": text("salutation"),
            "intro": text("intro"),
            "label": text("code"),
            "code": show(letter.code),
            "valid": text("valid"),
            "steps": [text("s1"), text("s2"), text("s3")],
            "never": text("never"),
            "help": text("help"),
            "contact": ", ".join(part for part in (portal.phone, portal.email, portal.opening_hours(language)) if part),
            "optional": text("optional"),
            "qr": _qr(self.address(portal, language, letter.code)),
            "qr_alt": self.address(portal, language, "")[:-1],
            "brand": portal.brand_color,
        }


def _qr(text: str) -> str:
    """A QR code at level M as SVG, with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=QR_MODULES_AROUND, xmldecl=False)
    return out.getvalue().decode()
