"""Insured persons: listed, read, and put under the fund's own key, singly or many at once; judged like an import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from idp.api.operation import LARGE_BODY, Answer, Body, Call, Operation, Paged, Shown, check_match, etag_of
from idp.clock import swiss
from idp.models.base import db, write
from idp.models.person import InsuredPerson
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.permissions import Scope
from idp.services.person_rows import Row, judge_fields
from idp.web.problems import Kind, Problem

MOST = 500


class PersonBody(Body):
    """A person as the fund knows them. `address`: the lines below the name, postcode and town last."""

    insured_number: str = Field(max_length=40)
    given_name: str = Field("", max_length=100)
    family_name: str = Field("", max_length=100)
    birth_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["1958-03-27"])
    language: Literal["fr", "de", "it", "en"]
    address: list[str] = Field(min_length=2, max_length=5)


class NamedPersonBody(PersonBody):
    """One of many, with the fund's own key."""

    external_id: str = Field(min_length=1, max_length=64)


class PersonsBody(Body):
    persons: list[NamedPersonBody] = Field(min_length=1, max_length=MOST)


class PersonShown(Shown):
    """`registered_at` is empty until the person has registered with the code of a letter."""

    external_id: str
    insured_number: str
    given_name: str
    family_name: str
    birth_date: date
    language: str
    address: list[str]
    registered_at: datetime | None
    created_at: datetime
    changed_at: datetime


class PersonsShown(Shown):
    persons: list[PersonShown]
    next: str | None


class Taken(Shown):
    """How many were new, changed, and as they were known."""

    new: int
    changed: int
    unchanged: int


class PersonsQuery(Paged):
    registered: bool | None = Field(None, description="those who have registered, or those who have not")


def list_persons(call: Call) -> Answer:
    found = select(InsuredPerson).where(InsuredPerson.portal_id == call.portal.id)
    if call.query.after is not None:
        found = found.where(InsuredPerson.id > call.query.after)
    if call.query.registered is not None:
        is_registered = InsuredPerson.account_id.is_not(None)
        found = found.where(is_registered if call.query.registered else ~is_registered)
    rows = list(db.session.scalars(found.order_by(InsuredPerson.id).limit(call.query.limit + 1)))
    page, is_last = rows[: call.query.limit], len(rows) <= call.query.limit
    services().audit.record(AuditTag.PERSONS_LISTED, portal=call.portal.id, count=str(len(page)))
    return Answer(PersonsShown(persons=[_shown(row) for row in page], next=None if is_last else str(page[-1].id)))


def get_person(call: Call) -> Answer:
    row = load(call, call.path["external_id"])
    services().audit.record(AuditTag.PERSON_READ, person=row.id, account=row.account_id, portal=row.portal_id)
    shown = _shown(row)
    return Answer(shown, etag=etag_of(shown))


def put_person(call: Call) -> Answer:
    """Whoever says what they read before (If-Match) writes over nothing else."""
    external_id = call.path["external_id"]
    row, errors = _judged({"external_id": external_id, **call.body.model_dump()}, "")
    if errors:
        raise Problem(Kind.INVALID, "", errors)
    before = _find(call, external_id)
    check_match(call, etag_of(_shown(before)) if before else None)
    if before is not None and call.if_match is not None:
        _hold(before)
    _take(call, [row])
    db.session.expire_all()
    shown = _shown(load(call, external_id))
    return Answer(shown, 200 if before else 201, etag_of(shown))


def put_persons(call: Call) -> Answer:
    """All or none."""
    rows, errors, seen = list[Row](), list[tuple[str, str]](), dict[str, int]()
    for number, one in enumerate(call.body.persons):
        row, wrong = _judged(one.model_dump(), f"/persons/{number}")
        first = seen.setdefault(row["external_id"], number)
        if first != number:
            wrong.append((f"/persons/{number}/external_id", f"stands already at /persons/{first}"))
        rows.append(row)
        errors += wrong
    if errors:
        raise Problem(Kind.INVALID, "Nothing was stored.", errors)
    return Answer(_take(call, rows))


def load(call: Call, external_id: str) -> InsuredPerson:
    """The person of this key at the portal of the call. Raises `Problem` 404."""
    found = _find(call, external_id)
    if found is None:
        raise Problem(Kind.NOT_FOUND)
    return found


def _find(call: Call, external_id: str) -> InsuredPerson | None:
    mine = (InsuredPerson.portal_id == call.portal.id, InsuredPerson.external_id == external_id)
    return db.session.scalar(select(InsuredPerson).where(*mine))


def _hold(before: InsuredPerson) -> None:
    """From here to the end of the transaction nobody else changes this record. Raises `Problem` 412."""
    seen = (InsuredPerson.id == before.id, InsuredPerson.changed_at == before.changed_at)
    if write(update(InsuredPerson).where(*seen).values(changed_at=InsuredPerson.changed_at)) == 0:
        raise Problem(Kind.PRECONDITION_FAILED)


def _take(call: Call, rows: Sequence[Row]) -> Taken:
    try:
        report = services().imports.take(list(rows), call.portal)
    except IntegrityError:
        raise Problem(Kind.CONFLICT, "Somebody else stored the same person at this moment; try again.") from None
    return Taken(new=report.new, changed=report.changed, unchanged=report.unchanged)


def _judged(given: dict[str, Any], place: str) -> tuple[Row, list[tuple[str, str]]]:
    """The record as it is stored, and what is wrong with it, by the rules of an import."""
    lines = given.pop("address")
    cells = given | {f"address_{number}": line for number, line in enumerate(lines, 1)}
    row, found = judge_fields(0, cells, swiss(services().clock.now()).date())
    return row, [(f"{place}/{_pointer(error.field)}", error.reason) for error in found]


def _pointer(name: str) -> str:
    return f"address/{int(name[-1]) - 1}" if name.startswith("address_") else name


def _shown(row: InsuredPerson) -> PersonShown:
    return PersonShown(
        external_id=row.external_id, insured_number=row.insured_number, given_name=row.given_name,
        family_name=row.family_name, birth_date=row.birth_date, language=row.language, address=row.address,
        registered_at=row.linked_at, created_at=row.created_at, changed_at=row.changed_at,
    )  # fmt: skip


LIST, ONE = "/portals/<slug>/persons", "/portals/<slug>/persons/<path:external_id>"
OPERATIONS = (
    Operation("GET", LIST, Scope.PERSONS_READ, list_persons, "List persons", PersonsShown, query=PersonsQuery),
    Operation("PUT", LIST, Scope.PERSONS_WRITE, put_persons, "Store up to 500 persons, all or none", Taken,
              body=PersonsBody, largest=LARGE_BODY, may=(Kind.CONFLICT,)),
    Operation("GET", ONE, Scope.PERSONS_READ, get_person, "Read a person", PersonShown),
    Operation("PUT", ONE, Scope.PERSONS_WRITE, put_person, "Store a person under the fund's own key", PersonShown,
              body=PersonBody, may=(Kind.CONFLICT, Kind.PRECONDITION_FAILED)),
)  # fmt: skip
