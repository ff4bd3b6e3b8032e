"""Registration codes and their letters: what became of them, a letter ordered, a letter voided. Never a code itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field
from sqlalchemy import select

from idp.api.operation import Answer, Body, Call, Operation, Paged, Shown
from idp.api.persons import load
from idp.models.account import Account
from idp.models.base import db
from idp.models.letter_order import waiting_order
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.desk import Deed
from idp.services.permissions import Scope
from idp.web.problems import Kind, Problem


class CodeShown(Shown):
    """The code itself is nowhere kept. `purpose`: to register, or to set up a new factor (recover)."""

    id: str
    external_id: str
    purpose: Literal["register", "recover"]
    state: Literal["issued", "reserved", "redeemed", "revoked", "expired"]
    issued_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None
    revoked_at: datetime | None


class CodesShown(Shown):
    """Of at most `limit` persons: there may be no code on a page, and still be more."""

    codes: list[CodeShown]
    next: str | None


class LetterBody(Body):
    external_id: str = Field(min_length=1, max_length=64)


class LetterShown(Shown):
    """`ordered_at`: since when a letter waits for its printing; its code is made then."""

    external_id: str
    ordered_at: datetime | None


class CodesQuery(Paged):
    limit: int = Field(100, ge=1, le=500, description="of how many persons at most")
    external_id: str | None = Field(None, max_length=64, description="of one person")


def list_codes(call: Call) -> Answer:
    """Person by person, so that a page costs the same however few of millions have a code."""
    persons = select(InsuredPerson.id, InsuredPerson.external_id).where(InsuredPerson.portal_id == call.portal.id)
    if call.query.after is not None:
        persons = persons.where(InsuredPerson.id > call.query.after)
    if call.query.external_id is not None:
        persons = persons.where(InsuredPerson.external_id == call.query.external_id)
    rows = db.session.execute(persons.order_by(InsuredPerson.id).limit(call.query.limit + 1)).all()
    page, is_last = {row.id: row.external_id for row in rows[: call.query.limit]}, len(rows) <= call.query.limit
    owner = RegistrationCode.insured_person_id
    found = select(RegistrationCode).where(owner.in_(page)).order_by(owner, RegistrationCode.issued_at)
    shown = [_shown(row, page[row.insured_person_id]) for row in db.session.scalars(found)]
    services().audit.record(AuditTag.CODES_LISTED, portal=call.portal.id, count=str(len(shown)))
    return Answer(CodesShown(codes=shown, next=None if is_last else str(list(page)[-1])))


def order_letter(call: Call) -> Answer:
    """The letter is printed with the next run; every earlier code of the person is void at once."""
    person, account = _person(call)
    _check(services().desk.letter_refusal(person, account))
    services().desk.do(Deed.ORDER_LETTER, person, account, call.caller.client.id)
    return _letter(person, 201)


def void_letter(call: Call) -> Answer:
    """Nothing that was printed or ordered for this person opens anything any more."""
    person, account = _person(call)
    by = call.caller.client.id
    _check(services().desk.refusal(Deed.VOID_LETTER, person, account, by))
    services().desk.do(Deed.VOID_LETTER, person, account, by)
    return _letter(person, 200)


def _person(call: Call) -> tuple[InsuredPerson, Account | None]:
    person = load(call, call.body.external_id)
    return person, db.session.get(Account, person.account_id) if person.account_id else None


def _check(refusal: str | None) -> None:
    if refusal is not None:
        raise Problem(Kind.CONFLICT, services().texts.get("en", refusal))


def _letter(person: InsuredPerson, status: int) -> Answer:
    order = waiting_order(person.id)
    return Answer(LetterShown(external_id=person.external_id, ordered_at=order.ordered_at if order else None), status)


def _shown(row: RegistrationCode, external_id: str) -> CodeShown:
    return CodeShown.model_validate(
        {
            "id": str(row.id), "external_id": external_id, "purpose": row.purpose,
            "state": row.state(services().clock.now()), "issued_at": row.issued_at, "expires_at": row.expires_at,
            "redeemed_at": row.redeemed_at, "revoked_at": row.revoked_at,
        }
    )  # fmt: skip


ALL, LETTERS = "/portals/<slug>/codes", "/portals/<slug>/letters"
OPERATIONS = (
    Operation("GET", ALL, Scope.CODES_READ, list_codes, "List what became of the codes", CodesShown, query=CodesQuery),
    Operation("POST", LETTERS, Scope.CODES_WRITE, order_letter, "Order a letter", LetterShown, 201, body=LetterBody,
              may=(Kind.CONFLICT,)),
    Operation("POST", f"{LETTERS}/void", Scope.CODES_WRITE, void_letter, "Void a person's letter", LetterShown,
              body=LetterBody, may=(Kind.CONFLICT,)),
)  # fmt: skip
