"""Letters: one PDF (PDF/UA-1) with a page for each person, the code in words and as QR (ux.md §7.3, §8.4).

The text reaches the typesetter as data, never as markup; the code stands nowhere but in the PDF.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeVar
from uuid import UUID

import segno
from sqlalchemy import select

from idp.chance import Random
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.base import db
from idp.models.letter_batch import BatchLetter, LetterBatch
from idp.models.letter_order import IS_WAITING, LetterOrder, settle_orders
from idp.models.person import InsuredPerson, RegistrationCode, count_codes, count_registered, revoke_codes
from idp.models.portal import Portal
from idp.places import TEMPLATES
from idp.services.audit import Audit, AuditTag
from idp.services.registration_codes import LENGTH, RegistrationCodes, generate, show
from idp.services.typesetter import NoGlyph, typeset
from idp.settings import Settings
from idp.texts import Texts, format_date, format_day

SOURCE = "letters/letter.typ"
QR_MODULES_AROUND = 4
MOST_LINES = 6
BATCH = 500  # parameters of one statement
LONG_NAME = 45  # characters that fit a window at a size that reads well
NO_BREAK = "\u00a0"
NO_CODE = "X" * LENGTH  # its check character is wrong, so it is nobody's

T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Letter:
    """One printed code. `code` is in plain text: it lives in memory and in the PDF only."""

    person: InsuredPerson
    portal: Portal
    code: str = field(repr=False)
    last_day: date
    earlier: int = 0  # codes the person was issued before
    recovery_id: UUID | None = None  # the request it answers, where its reader lost the second factor
    window: str = ""  # of the envelope, where that is not the portal's usual one
    mark: str = ""  # number and reference, at the edge
    is_reminder: bool = False
    is_preview: bool = False  # with the window of the envelope drawn over it


class Unprintable(BadInput):
    """Letters that cannot be printed; `places` are theirs among those that were to be, from 0 on."""

    def __init__(self, places: list[int], external_ids: list[str]) -> None:
        reason = "name or address has a character that the letter's typeface lacks"
        super().__init__("\n".join(f"{external_id!r}: {reason}" for external_id in external_ids))
        self.places = places


class Letters:
    def __init__(
        self, settings: Settings, clock: Clock, random: Random, texts: Texts, codes: RegistrationCodes, audit: Audit
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._texts = texts
        self._codes = codes
        self._audit = audit

    def uninvited(self, portal: Portal) -> list[InsuredPerson]:
        """The persons of a portal who have no account, were never sent a code and are in no batch that waits."""
        invited = select(RegistrationCode.insured_person_id)
        in_a_batch = select(BatchLetter.insured_person_id).where(BatchLetter.settled_at.is_(None))
        return list(
            db.session.scalars(
                select(InsuredPerson)
                .where(
                    InsuredPerson.portal_id == portal.id,
                    InsuredPerson.account_id.is_(None),
                    InsuredPerson.id.not_in(invited),
                    InsuredPerson.id.not_in(in_a_batch),
                )
                .order_by(InsuredPerson.external_id)
            )
        )

    def ordered(self, portal: Portal) -> list[InsuredPerson]:
        """The persons of a portal whose new letter is to be printed; who registered meanwhile needs none."""
        return list(
            db.session.scalars(
                select(InsuredPerson)
                .join(LetterOrder, LetterOrder.insured_person_id == InsuredPerson.id)
                .where(InsuredPerson.portal_id == portal.id, InsuredPerson.account_id.is_(None), IS_WAITING)
                .order_by(InsuredPerson.external_id)
            )
        )

    def compose(self, portal: Portal, persons: list[InsuredPerson]) -> list[Letter]:
        """A fresh code for each person. Nothing is stored: print first, then `issue`."""
        last_day, letters = self._codes.last_day(portal), []
        for batch in _batches(persons):
            earlier = count_codes([person.id for person in batch])
            letters += [
                Letter(person, portal, generate(self._random), last_day, earlier.get(person.id, 0)) for person in batch
            ]
        return letters

    def issue(self, letters: list[Letter]) -> None:
        """Make the codes of printed letters valid and void earlier ones; the caller commits.

        Short on purpose: on SQLite nobody else writes meanwhile. Raises `BadInput` when one of the persons got another
        code since, or registered: one of two letters would arrive dead.
        """
        portal, now = letters[0].portal, self._clock.now()
        db.session.execute(select(Portal.id).where(Portal.id == portal.id).with_for_update())
        for batch in _batches(letters):
            ids = [letter.person.id for letter in batch]
            revoke_codes(ids, now)
            settle_orders(ids, printed_at=now)
            earlier = {letter.person.id: letter.earlier for letter in batch if letter.earlier}
            if count_registered(ids) or count_codes(ids) != earlier:
                raise BadInput("somebody else issued codes to these persons meanwhile, or one registered; start again")
            for letter in batch:
                self._codes.store(letter.code, letter.person, letter.last_day)
            self._audit.record_all(AuditTag.CODE_ISSUED, ids, portal.id)

    def render(self, letters: list[Letter]) -> bytes:
        """The PDF of these letters, one page each, in their order. Raises `Unprintable`."""
        pages = [self._page(letter) for letter in letters]
        try:
            return typeset(TEMPLATES / SOURCE, pages)
        except NoGlyph:
            places = _unprintable(pages)
            if not places:
                raise
        raise Unprintable(places, [letters[at].person.external_id for at in places])

    def preview(self, person: InsuredPerson, batch: LetterBatch, mark: str, kind: Literal["pdf", "png"]) -> bytes:
        """One letter of a batch as it will be, with a code that is none. Raises `Unprintable`."""
        last_day = batch.last_day or self._codes.last_day(batch.portal)
        letter = Letter(
            person, batch.portal, NO_CODE, last_day, window=batch.window, mark=mark,
            is_reminder=batch.kind == "reminder", is_preview=True,
        )  # fmt: skip
        try:
            return typeset(TEMPLATES / SOURCE, [self._page(letter)], kind)
        except NoGlyph:
            raise Unprintable([0], [person.external_id]) from None

    def address(self, portal: Portal, language: str, code: str) -> str:
        """What the QR says: the code stands in the fragment, which no server ever sees."""
        return f"{self._settings.issuer}/{portal.slug}/r?lang={language}#{code}"

    def recovery_address(self, portal: Portal, language: str) -> str:
        """What the QR of a recovery letter says: its code is asked for after the password, so it leads there."""
        return f"{self._settings.issuer}/{portal.slug}/login?lang={language}"

    def _page(self, letter: Letter) -> dict[str, object]:
        person, portal, language = letter.person, letter.portal, letter.person.language
        name = f"{person.given_name} {person.family_name}".strip()
        values = {
            "portal": portal.name(language), "url": self._settings.issuer, "name": name,
            "date": format_date(letter.last_day),
        }  # fmt: skip

        is_recovery = letter.recovery_id is not None
        kind = "recover" if is_recovery else "letter"
        address = (
            self.recovery_address(portal, language) if is_recovery else self.address(portal, language, letter.code)
        )

        def text(key: str, kind: str = kind) -> str:
            return self._texts.get(language, f"{kind}.{key}", **values)

        subject = text("subject")
        if letter.is_reminder:
            subject = text("reminder", "letter").replace("{subject}", subject)
        place = f"{portal.place}, " if portal.place else ""
        phone, hours = portal.phone.replace(" ", NO_BREAK), portal.opening_hours(language)
        return {
            "language": language,
            "window": letter.window or portal.letter_window,
            "mark": letter.mark,
            "preview": letter.is_preview,
            "sender": f"{portal.name(language)}{', ' + portal.place if portal.place else ''}",
            "address": address_lines(person),
            "date": f"{place}{format_day(self._clock.now())}",
            "subject": subject[:1].upper() + subject[1:],
            "salutation": text("salutation" if name else "salutation.unnamed", "letter"),
            "intro": f"{text('intro')} {text('replaces', 'letter')}" if letter.is_reminder else text("intro"),
            "label": text("code"),
            "code": show(letter.code),
            "valid": text("valid", "letter"),
            "steps": [text("s1"), text("s2"), text("s3")],
            "never": text("never", "letter"),
            "help": text("help", "letter"),
            "contact": ", ".join(part for part in (phone, portal.email, hours) if part),
            "optional": text("optional"),
            "qr": _qr(address),
            "qr_alt": address.partition("#")[0],
            "brand": portal.brand_color,
        }


def _batches(everything: list[T]) -> Iterator[list[T]]:
    for at in range(0, len(everything), BATCH):
        yield everything[at : at + BATCH]


def address_lines(person: InsuredPerson) -> list[str]:
    """Name and address as they stand in the window; a long name takes two lines where there is room for them."""
    names = [part for part in (person.given_name, person.family_name) if part]
    one_line = " ".join(names)
    is_split = len(one_line) > LONG_NAME and len(names) + len(person.address) <= MOST_LINES
    return [*(names if is_split else [one_line] if names else []), *person.address]


def _unprintable(pages: list[dict[str, object]], first: int = 0) -> list[int]:
    """Which of these pages cannot be set, found by halves: few are wrong, and each try costs its pages."""
    try:
        typeset(TEMPLATES / SOURCE, pages)
    except NoGlyph:
        half = len(pages) // 2
        if not half:
            return [first]
        return [*_unprintable(pages[:half], first), *_unprintable(pages[half:], first + half)]
    return []


def _qr(text: str) -> str:
    """A QR code at level M as SVG, with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=QR_MODULES_AROUND, xmldecl=False)
    return out.getvalue().decode()
