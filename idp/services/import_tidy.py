"""What imports leave behind goes by itself: files that nobody went on with, what can be undone no more, old errors."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, or_, select, update

from idp.models.base import db, write
from idp.models.person_import import (
    CANCELLED,
    CHECKED,
    ENDED,
    PAUSED,
    UPLOADED,
    ImportBatch,
    PersonImport,
    change_state,
    forget_file,
)
from idp.services.import_jobs import UNDONE_WITHIN

WAITS_FOR = timedelta(days=7)
TOLD_FOR = timedelta(days=30)
AT_ONCE = 20  # imports of one pass


def tidy(now: datetime) -> None:
    """Remove what is needed no more, a bounded number of rows, and commit."""
    waiting = (PersonImport.state.in_((UPLOADED, CHECKED, PAUSED)), PersonImport.made_at < now - WAITS_FOR)
    for ident in db.session.scalars(select(PersonImport.id).where(*waiting).limit(AT_ONCE)).all():
        if change_state(ident, (UPLOADED, CHECKED, PAUSED), CANCELLED, finished_at=now):
            forget_file(ident)
    ended = PersonImport.state.in_(ENDED)
    has_batches = exists().where(ImportBatch.import_id == PersonImport.id)
    late = select(PersonImport.id).where(ended, PersonImport.finished_at < now - UNDONE_WITHIN, has_batches)
    for ident in db.session.scalars(late.limit(AT_ONCE)).all():
        db.session.execute(delete(ImportBatch).where(ImportBatch.import_id == ident))
    told = or_(PersonImport.sealed_errors.is_not(None), PersonImport.sealed_headings.is_not(None))
    old = select(PersonImport.id).where(ended, PersonImport.finished_at < now - TOLD_FOR, told)
    if idents := db.session.scalars(old.limit(AT_ONCE)).all():
        nothing = {"sealed_errors": None, "sealed_headings": None, "left_ids": None}
        write(
            update(PersonImport)
            .where(PersonImport.id.in_(idents))
            .values(**nothing)
            .execution_options(synchronize_session=False)
        )
    db.session.commit()
