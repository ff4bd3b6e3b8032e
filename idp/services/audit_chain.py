"""The record of events as a chain: what was changed, removed, added, moved or cut off is found, and the first named.

Each event bears a MAC from its making. The worker links events in order; a link's MAC holds the one before. Both are
made with a key that no database holds. Anchors, written elsewhere, tell a chain that was cut short or put back.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError

from idp.clock import swiss
from idp.errors import BadInput
from idp.models import tally
from idp.models.audit import LATE, AuditEvent, AuditLink, newest_link, unlinked_events
from idp.models.base import db
from idp.services.audit import AuditTag, is_genuine
from idp.services.bundle import Services, services
from idp.services.duty import keep_at
from keys import Vault

VERIFIED_EVERY, LOOK_EVERY_S = timedelta(days=1), 600.0
EVERY_S = 5.0
BATCH = 500
ANCHOR_EVERY = timedelta(hours=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Anchor:
    """A link as it was at a moment, kept where the database cannot reach it."""

    number: int
    mac: str


@dataclass(frozen=True)
class Broken:
    """The first thing that is wrong: the number of the link, the event, and what happened, in one sentence."""

    number: int | None
    event_id: str | None
    what: str


@dataclass(frozen=True)
class Verified:
    """`redacted`: how many events were redacted on which day."""

    links: int
    broken: Broken | None
    redacted: Mapping[date, int] = field(default_factory=dict)


class Linker:
    """The duty of a worker: link what is new, and write an anchor every hour."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._anchored_at = BEGINNING

    def run_forever(self, stop: threading.Event) -> None:
        keep_at(self._app, "audit", lambda: self.run_once() == BATCH, stop, EVERY_S)

    def run_once(self) -> int:
        """How many events were linked."""
        with self._app.app_context():
            bundle = services()
            linked = link_events(bundle.vault)
            if bundle.settings.audit_anchors and bundle.clock.now() - self._anchored_at >= ANCHOR_EVERY:
                self._anchor(bundle)
            return linked

    def _anchor(self, bundle: Services) -> None:
        """A file that cannot be written, on a machine that is away, must not stop the linking; it is tried again."""
        try:
            write_anchor(bundle)
        except OSError as error:
            log.error("audit_anchor_failed", error=type(error).__name__)
        else:
            self._anchored_at = bundle.clock.now()


class Verifier:
    """The duty of a worker beside the linking: walk the whole chain once a day."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        keep_at(self._app, "verify", self.run_once, stop, LOOK_EVERY_S)

    def run_once(self) -> None:
        with self._app.app_context():
            bundle = services()
            if _is_stale(bundle.clock.now()):
                record_verified(bundle)


def link_events(vault: Vault) -> int:
    """Link a batch of new events. Another worker may do so at once: one of both wins, the other begins again."""
    last = newest_link()
    before, number, newest_at = (last.mac, last.number, last.at) if last else ("", 0, BEGINNING)
    events = unlinked_events(newest_at - LATE if last else BEGINNING, BATCH)
    for event in events:
        number += 1
        before = _link_mac(vault, before, number, event)
        newest_at = max(event.at, newest_at)  # never back, however late an event is
        db.session.add(AuditLink(number=number, event_id=event.id, at=newest_at, mac=before))
    try:
        db.session.flush()
        tally.add(_counted(events))
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return 0
    return len(events)


def _counted(events: Iterable[AuditEvent]) -> Counter[tally.Key]:
    """For the figures of months and years: each event counts once, where it is linked (services/figures.py)."""
    return Counter(
        (swiss(event.at).date(), event.portal_id or tally.NOWHERE, "event", event.tag, 0) for event in events
    )


def verify(vault: Vault, anchors: Iterable[Anchor] = ()) -> Verified:
    """Walk the whole chain and everything beside it; stops at the first thing that is wrong."""
    expected = {anchor.number: anchor.mac for anchor in anchors}
    before, number, redacted = "", 0, Counter[date]()
    for link, event in _chain():
        number += 1
        if link.number != number:
            return Verified(number - 1, Broken(number, None, f"link {number} is missing"))
        if event is None:
            return Verified(number - 1, Broken(number, str(link.event_id), "the event was removed"))
        if not is_genuine(vault, event):
            return Verified(number - 1, Broken(number, str(event.id), "the event was changed"))
        if event.redacted_at is not None:
            redacted[swiss(event.redacted_at).date()] += 1
        before = _link_mac(vault, before, number, event)
        if link.mac != before:
            return Verified(number - 1, Broken(number, str(event.id), "the link was changed, or is not in its place"))
        if expected.pop(number, before) != before:
            return Verified(number - 1, Broken(number, str(event.id), "an older state of the chain was put back"))
    if expected:
        first = min(expected)
        return Verified(number, Broken(first, None, f"the chain ends at {number}, but an anchor knows link {first}"))
    return Verified(number, _unlinked(vault), redacted)


def record_verified(bundle: Services) -> Verified:
    """Walk the chain, and record what was found, so that the console can say it."""
    path = bundle.settings.audit_anchors
    found = verify(bundle.vault, read_anchors(path) if path is not None and path.exists() else ())
    state = "good" if found.broken is None else "broken"
    if found.broken is not None:
        log.error("audit_chain_broken", error=found.broken.what)
    bundle.audit.record(AuditTag.CHAIN_VERIFIED, state=state, links=str(found.links))
    db.session.commit()
    return found


def last_verified() -> AuditEvent | None:
    """The event that says when the chain was last walked, and how it was."""
    tag = AuditEvent.tag == AuditTag.CHAIN_VERIFIED.value
    return db.session.scalar(
        select(AuditEvent).where(tag, AuditEvent.redacted_at.is_(None)).order_by(AuditEvent.at.desc()).limit(1)
    )


def _is_stale(now: datetime) -> bool:
    """Once a day, however many workers there are, and not before there is a chain."""
    newest = last_verified()
    if newest is not None:
        return newest.at < now - VERIFIED_EVERY
    first = db.session.get(AuditLink, 1)
    return first is not None and first.at < now - VERIFIED_EVERY


def write_anchor(bundle: Services) -> None:
    """Append the newest link to the file of anchors, one JSON object a line."""
    last = newest_link()
    if last is None or bundle.settings.audit_anchors is None:
        return
    line = json.dumps({"at": bundle.clock.now().isoformat(), "number": last.number, "mac": last.mac})
    with bundle.settings.audit_anchors.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def read_anchors(path: Path) -> list[Anchor]:
    """The anchors of a file. Raises `BadInput`."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [Anchor(int(line["number"]), str(line["mac"])) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path.name} holds no anchors: {type(error).__name__}") from None


def _chain() -> Iterator[tuple[AuditLink, AuditEvent | None]]:
    """Every link with its event, in order; a batch at a time, so that memory stays bounded and nothing is held open."""
    number, found = 0, select(AuditLink).order_by(AuditLink.number).limit(BATCH)
    while links := db.session.scalars(found.where(AuditLink.number > number)).all():
        events = _events_of(links)
        for link in links:
            yield link, events.get(link.event_id)
        number = links[-1].number


def _events_of(links: Sequence[AuditLink]) -> dict[UUID, AuditEvent]:
    """By their ids. First among those of the time of their links, which is in one partition or two; whoever is not
    there was moved to another time or removed, and is looked for everywhere.
    """
    begin, end = min(link.at for link in links) - LATE, max(link.at for link in links)
    ids = {link.event_id for link in links}
    found = {one.id: one for one in _events(ids, AuditEvent.at.between(begin, end))}
    if missing := ids - found.keys():
        found.update((one.id, one) for one in _events(missing))
    return found


def _events(ids: Collection[UUID], *where: ColumnElement[bool]) -> Sequence[AuditEvent]:
    return db.session.scalars(select(AuditEvent).where(AuditEvent.id.in_(ids), *where)).all()


def _unlinked(vault: Vault) -> Broken | None:
    """Events without a link: new ones are genuine all the same, and old ones are none that the worker ever saw."""
    first, last = db.session.get(AuditLink, 1), newest_link()
    twice = select(AuditEvent.id).group_by(AuditEvent.id).having(func.count() > 1).limit(1)
    if (doubled := db.session.scalar(twice)) is not None:  # its key holds the moment too, and allows another one
        return Broken(None, str(doubled), "the event was added a second time")
    for event in _without_link():
        if event.mac is None and first is not None and event.at <= first.at:
            continue  # from before there was a chain
        if not is_genuine(vault, event):
            return Broken(None, str(event.id), "the event was added or changed")
        if last is not None and event.at < last.at - LATE:
            return Broken(None, str(event.id), "the event was cut out of the chain")
    return None


def _without_link() -> Iterator[AuditEvent]:
    held = select(AuditLink.event_id).where(AuditLink.event_id == AuditEvent.id)
    found, after = select(AuditEvent).where(~held.exists()).order_by(AuditEvent.id).limit(BATCH), UUID(int=0)
    while events := db.session.scalars(found.where(AuditEvent.id > after)).all():
        yield from events
        after = events[-1].id


def _link_mac(vault: Vault, before: str, number: int, event: AuditEvent) -> str:
    return vault.mac("audit-link", f"{before}|{number}|{event.id}|{event.mac}")
