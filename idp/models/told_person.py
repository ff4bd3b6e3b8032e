"""A person as claims tell of them: an account and its record at one portal, one plain row."""

from __future__ import annotations

from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, select

from idp.models.account import Account, Phone
from idp.models.person import InsuredPerson
from idp.models.prepared import Prepared

ACCOUNT, PHONE = cast(Table, Account.__table__), cast(Table, Phone.__table__)
RECORD = cast(Table, InsuredPerson.__table__)


class ToldPerson(NamedTuple):
    """Name, address and language are the account's, the rest is the fund's; `phone` is the factor, if there is one."""

    email: str
    given_name: str
    family_name: str
    language: str
    registered_at: datetime
    record_id: UUID
    insured_number: str
    external_id: str
    birth_date: date
    changed_at: datetime
    phone: str | None

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    def __repr__(self) -> str:
        """Without what it says of anybody."""
        return f"<{type(self).__name__}>"


NAMES = ToldPerson._fields
SOURCES = {"registered_at": ACCOUNT.c.created_at, "record_id": RECORD.c.id, "phone": PHONE.c.number}
OF_ACCOUNT = ("email", "given_name", "family_name", "language")
COLUMNS = tuple(
    (SOURCES[name] if name in SOURCES else (ACCOUNT if name in OF_ACCOUNT else RECORD).c[name]).label(f"told_{name}")
    for name in NAMES
)
CELLS = attrgetter(*(column.key for column in COLUMNS))
FIND = Prepared(
    select(*COLUMNS)
    .select_from(ACCOUNT.join(RECORD, RECORD.c.account_id == ACCOUNT.c.id).outerjoin(PHONE))
    .where(
        ACCOUNT.c.id == bindparam("account"), ACCOUNT.c.status == "active", RECORD.c.portal_id == bindparam("portal")
    )
)


def read(row: Any) -> ToldPerson | None:
    """The person of a row that holds `COLUMNS`, if there is one."""
    return ToldPerson._make(CELLS(row)) if row.told_record_id is not None else None


def find_told(account_id: UUID, portal_id: UUID) -> ToldPerson | None:
    """None where the account may not sign in or has no record at this portal."""
    row = FIND.first(account=account_id, portal=portal_id)
    return read(row) if row is not None else None
