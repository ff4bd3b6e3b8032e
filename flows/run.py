"""Load, keep and bind a run: the database row of one walk, found by its handle *and* the cookie of its browser."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from idp.chance import new_id, token
from idp.models.base import UTCDateTime, db, inserted_if_absent, once_committed
from idp.models.disk import waits_for_disk, without_waiting
from idp.models.flow import RUN, Submission
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.units import is_alone, together
from idp.services.bundle import Services
from idp.services.metrics import JOURNEYS

STATE_VERSION = 1
RESUME = "/authorize/resume/"
DUPLICATE_WAITS_S, DUPLICATE_POLL_S = 5.0, 0.05


@dataclass(frozen=True, repr=False)
class Run:
    """The row as it was read or begun; what is written meanwhile does not change it."""

    id: UUID
    browser_hash: str
    journey: str
    portal_id: UUID
    state: dict[str, Any]
    entries: dict[str, Any]
    errors: dict[str, Any]
    notice: dict[str, Any]
    resume: str | None
    version: int
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None = None
    marks: dict[str, Any] | None = None


KNOWN = [field.name for field in fields(Run)]
BY_HANDLE = Prepared(select(*(RUN.c[name] for name in KNOWN)).where(RUN.c.handle_hash == bindparam("handle")))
BEGIN = Prepared(insert(RUN), "handle_hash", *KNOWN)
SETTLE = Prepared(
    update(Submission)
    .where(Submission.run_id == bindparam("run"), Submission.nonce == bindparam("form"))
    .values(done_at=bindparam("now", type_=UTCDateTime()))
)


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def begin(
    bundle: Services,
    *,
    journey: str,
    state: Any,
    portal: Portal,
    browser_hash: str,
    idle_for: timedelta,
    resume: str | None,
    entries: dict[str, dict[str, str]] | None = None,
    notice: dict[str, list[Any]] | None = None,
) -> tuple[Run, str]:
    """A new run and its handle. `resume` is the local address the person returns to when it is finished; `entries`
    are what is filled in for them, `notice` what a step says at first.
    """
    now = bundle.clock.now()
    ident, handle = new_id(bundle.random, now), token(bundle.random)[:22]
    run = Run(
        id=ident,
        browser_hash=browser_hash,
        journey=journey,
        portal_id=portal.id,
        state=freeze(state),
        entries=entries or {},
        errors={},
        notice=notice or {},
        resume=bundle.vault.seal(resume.encode(), f"flow_run.resume.{ident}") if resume else None,
        version=0,
        created_at=now,
        expires_at=now + idle_for,
    )
    BEGIN.count(handle_hash=_hash(handle), **vars(run))
    slug = portal.slug
    once_committed(lambda: bundle.metrics.count(JOURNEYS, journey, slug, "begun"))
    return run, handle


def find(handle: str) -> Run | None:
    row = BY_HANDLE.first(handle=_hash(handle))
    return Run(*row) if row else None


def resume_address(bundle: Services, run: Run) -> str | None:
    """Where the person came from, if from anywhere."""
    return bundle.vault.open(run.resume, f"flow_run.resume.{run.id}").decode() if run.resume else None


def waiting_request(bundle: Services, run: Run) -> str | None:
    """The handle of the portal's request that waits for this run, if one does."""
    address = resume_address(bundle, run) or ""
    return address.removeprefix(RESUME) if address.startswith(RESUME) else None


def freeze(state: Any) -> dict[str, Any]:
    """The facts as JSON."""
    if not is_dataclass(state) or isinstance(state, type):
        raise TypeError("a state is a dataclass of facts")
    return {"v": STATE_VERSION, **vars(state)}


def thaw(kind: type[Any], stored: dict[str, Any]) -> Any:
    """The facts of a row; one that this version does not know is left out, so its step is asked again."""
    return kind(**{name: value for name, value in stored.items() if name in kind.__dataclass_fields__})


def save(run_id: UUID, version: int, *, now: datetime, idle_for: timedelta, moves: bool, **values: Any) -> bool:
    """Write the run if its facts are still those that were loaded; `moves` where this changes them.

    False when another tab was faster: then nothing of this request stands, so no second mail or SMS goes out. The
    transaction goes on, until the form is settled.
    """
    given = {f"new_{name}": value for name, value in values.items()}
    saved = _save(*values).count(
        run=run_id, seen=version, new_version=version + int(moves), new_expires_at=now + idle_for, **given
    )
    if saved != 1:
        db.session.rollback()
        return False
    return True


def claim(run: Run, nonce: str) -> bool:
    """Whether this form is sent for the first time. A second click waits for the result of the first: for its first
    commit in the database, and from there on here.
    """
    if _claim(db.engine.dialect.name, is_alone=is_alone()).count(run=run.id, form=nonce[:64]) == 1:
        return True
    together()
    db.session.commit()
    deadline = time.monotonic() + DUPLICATE_WAITS_S
    while time.monotonic() < deadline:
        first = db.session.get(Submission, (run.id, nonce[:64]), populate_existing=True)
        settled = first is None or first.done_at is not None
        db.session.rollback()
        if settled:
            break
        time.sleep(DUPLICATE_POLL_S)
    return False


def settle(run_id: Any, nonce: str, now: datetime) -> None:
    """The form was judged, and what came of it is kept with this: a waiting second click may go on."""
    db.session.flush()
    if not waits_for_disk():  # a guess that was not paid for
        db.session.commit()
    SETTLE.count(run=run_id, form=nonce[:64], now=now)
    db.session.commit()


@cache
def _save(*names: str) -> Prepared:
    written: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("version", "expires_at", *names)}
    is_same = (RUN.c.id == bindparam("run"), RUN.c.version == bindparam("seen"), RUN.c.consumed_at.is_(None))
    return Prepared(update(RUN).where(*is_same).values(**written))


@cache
def _claim(dialect: str, *, is_alone: bool) -> Prepared:
    claim = inserted_if_absent(Submission, dialect, run_id=bindparam("run"), nonce=bindparam("form"))
    return Prepared(without_waiting(claim) if is_alone else claim)
