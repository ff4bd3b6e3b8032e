"""Exports of the console's lists: asked for by one operator, written by the worker, lying sealed for a day.

Only who asked can fetch the file, and only while they may still see that list at every portal whose rows are in it.
What is asked for, fetched, taken away and wiped stands in the audit of each of these portals, with its own number of
rows (docs/decisions/0024).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import db
from idp.models.list_export import CANCELLED, DONE, EXPIRED, LIVE, RUNNING, ExportPiece, ListExport, end_export
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.list_rows import SOURCES, Asked, count
from idp.services.lists import KNOWN, Listing, read_filters
from idp.services.locks import Locks
from idp.services.permissions import Permission, Rights
from keys import Vault

EXPORT = Permission.EXPORT_LISTS
KEPT_FOR = timedelta(hours=24)
MOST = 1_000_000  # rows of one file: a spreadsheet takes 1,048,576
MOST_LIVE = 10  # files of one operator that are being written or wait to be fetched
REASONS = ("compare", "report", "remind", "check")
AT_ONCE = 20  # files that are wiped in one pass

Counts = dict[UUID | None, int]  # rows by portal; None stands for what belongs to none


class ListExports:
    def __init__(self, clock: Clock, random: Random, vault: Vault, audit: Audit, locks: Locks) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit
        self._locks = locks

    def asked(self, listing: Listing, filters: Mapping[str, str]) -> Asked:
        locked = self._locks.every_locked() if listing is Listing.PERSONS else ()
        return Asked(read_filters(listing, filters), self._clock.now(), locked)

    def counts(self, listing: Listing, filters: Mapping[str, str], rights: Rights) -> Counts:
        """How many rows of each portal somebody with these rights would get."""
        return count(SOURCES[listing], self.asked(listing, filters), _covered(listing, filters, rights))

    def refusal(self, total: int, by: UUID) -> str | None:
        """The message key of why this many rows cannot be exported now; None where they can."""
        if not 0 < total <= MOST:
            return "exp.e.count"
        live = select(func.count()).where(ListExport.account_id == by, ListExport.state.in_(LIVE))
        return "exp.e.many" if (db.session.scalar(live) or 0) >= MOST_LIVE else None

    def begin(
        self, listing: Listing, filters: Mapping[str, str], counts: Counts, *, by: UUID, reason: str, language: str
    ) -> ListExport | None:
        """Leave these rows to the worker; None where that is refused."""
        total, now = sum(counts.values()), self._clock.now()
        if self.refusal(total, by):
            return None
        narrowed = {name: value for name, value in read_filters(listing, filters).items() if name != "sort"}
        export = ListExport(
            id=new_id(self._random, now), account_id=by, listing=listing.value, language=language, made_at=now,
            filters=narrowed, portals=[_written(one) for one in counts], reason=reason or None,
            state=RUNNING, count=total, written={},
        )  # fmt: skip
        db.session.add(export)
        self._record(AuditTag.EXPORT_ASKED, export, {_written(one): number for one, number in counts.items()})
        return export

    def may_see(self, export: ListExport, account_id: UUID, rights: Rights) -> bool:
        """Whether it is theirs, and they may still see all of what is in it."""
        return export.account_id == account_id and all(
            _may(KNOWN[Listing(export.listing)].see, _read(one), rights) for one in export.portals
        )

    def is_ready(self, export: ListExport) -> bool:
        """Whether the whole file lies there."""
        return export.state == DONE and export.expires_at is not None and self._clock.now() < export.expires_at

    def take(self, export: ListExport) -> None:
        """Record that it is fetched."""
        self._record(AuditTag.EXPORT_TAKEN, export, export.written)

    def pieces(self, export_id: UUID, number: int) -> Iterator[bytes]:
        """The file, piece after piece. Raises when it is wiped meanwhile, so that nobody takes a part for the whole."""
        for at in range(number):
            found = select(ExportPiece.sealed_data).where(ExportPiece.export_id == export_id, ExportPiece.number == at)
            sealed = db.session.scalars(found).one()
            db.session.rollback()  # nothing is held while somebody's line is slow
            yield self._vault.open(sealed, place(export_id, at))

    def end(self, export: ListExport) -> bool:
        """Stop it, or wipe its file; False where it has ended already."""
        if not end_export(export.id, LIVE, CANCELLED, self._clock.now()):
            return False
        self._record(AuditTag.EXPORT_CANCELLED, export, export.written)
        return True

    def expire(self) -> int:
        """Wipe what lay there for a day, and commit; returns how many files."""
        now = self._clock.now()
        late = select(ListExport).where(ListExport.state == DONE, ListExport.expires_at <= now).limit(AT_ONCE)
        done = 0
        for export in db.session.scalars(late).all():
            if end_export(export.id, (DONE,), EXPIRED, now):
                self._record(AuditTag.EXPORT_EXPIRED, export, export.written)
                done += 1
        db.session.commit()
        return done

    def _record(self, tag: AuditTag, export: ListExport, counts: Mapping[str, int]) -> None:
        """One event for each portal, so that its own auditors see it, and nothing of another fund."""
        fields = " ".join(f"{name}={value}" for name, value in sorted(export.filters.items()))
        for portal, number in counts.items():
            self._audit.record(
                tag, account=export.account_id, portal=_read(portal), list=export.listing, fields=fields,
                count=str(number), reason=export.reason or "", export=str(export.id),
            )  # fmt: skip


def place(export_id: UUID, number: int) -> str:
    """What a sealed piece is bound to."""
    return f"export_piece.sealed_data.{export_id}.{number}"


def _covered(listing: Listing, filters: Mapping[str, str], rights: Rights) -> Sequence[UUID | None]:
    """The portals at which this list may be seen and exported, of those that are asked for; also closed ones."""
    asked = select(Portal.id).order_by(Portal.slug)
    slug = read_filters(listing, filters).get("portal")
    ids: list[UUID | None] = list(db.session.scalars(asked if slug is None else asked.where(Portal.slug == slug)))
    if listing is Listing.MESSAGES and slug is None:
        ids.append(None)
    return [one for one in ids if _may(KNOWN[listing].see, one, rights)]


def _may(see: Permission, portal_id: UUID | None, rights: Rights) -> bool:
    return rights.may(see, portal_id) and rights.may(EXPORT, portal_id)


def _written(portal_id: UUID | None) -> str:
    return str(portal_id) if portal_id else ""


def _read(written: str) -> UUID | None:
    return UUID(written) if written else None
