"""F-44: whoever has the database and not the master key changes the record of events; every manipulation is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random as Seeded
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, insert, inspect, select, update

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent, AuditLink
from idp.models.base import db
from idp.services.audit import AuditTag
from idp.services.audit_chain import Anchor, Linker, link_events, newest_link, read_anchors, verify, write_anchor
from idp.services.audit_redaction import redact, redact_account, redact_old
from idp.services.bundle import Services

pytestmark = pytest.mark.both_engines

EVENTS = 40


@pytest.fixture
def chain(app: Flask, services: Services, clock: FrozenClock) -> None:
    record(services, clock, EVENTS)
    assert link_events(services.vault) == EVENTS
    assert verify(services.vault).broken is None


def record(services: Services, clock: FrozenClock, count: int) -> None:
    for number in range(count):
        clock.advance(timedelta(seconds=30))
        services.audit.record(AuditTag.SIGNED_IN, account=uuid4(), number=str(number))
    db.session.commit()


def broken(services: Services, anchors: tuple[Anchor, ...] = ()) -> tuple[int | None, str]:
    """Where it breaks and how; and everything is put back."""
    db.session.flush()
    db.session.expire_all()
    found = verify(services.vault, anchors).broken
    assert found is not None
    return found.number, found.what


def event_of(number: int) -> AuditEvent:
    link = db.session.get_one(AuditLink, number)
    return db.session.scalars(select(AuditEvent).where(AuditEvent.id == link.event_id)).one()


def test_a_chain_that_nobody_touched_is_good_also_across_batches(
    app: Flask, services: Services, clock: FrozenClock, chain: None
) -> None:
    record(services, clock, 3)
    assert verify(services.vault).broken is None  # not linked yet, and genuine
    assert link_events(services.vault) == 3
    assert verify(services.vault).links == EVENTS + 3
    assert link_events(services.vault) == 0


def test_the_first_event_that_was_changed_is_named(services: Services, chain: None) -> None:
    for number in (7, 12):
        db.session.execute(update(AuditEvent).where(AuditEvent.id == event_of(number).id).values(tag="person:x:y"))
    assert broken(services) == (7, "the event was changed")


def test_what_was_removed_is_missed(services: Services, chain: None) -> None:
    event = event_of(5)
    db.session.execute(delete(AuditEvent).where(AuditEvent.id == event.id))
    assert broken(services) == (5, "the event was removed")
    db.session.execute(delete(AuditLink).where(AuditLink.number == 5))
    assert broken(services) == (5, "link 5 is missing")


def test_an_event_that_was_added_a_second_time_is_found(services: Services, clock: FrozenClock, chain: None) -> None:
    """Its id alone is no key of the table: at another moment there may be another one, which a list would show."""
    event = event_of(5)
    row = {column.key: getattr(event, column.key) for column in inspect(AuditEvent).column_attrs}
    db.session.execute(insert(AuditEvent).values({**row, "at": clock.now() + timedelta(days=1), "tag": "person:x:y"}))
    assert broken(services) == (None, "the event was added a second time")


def test_two_that_changed_places_are_found(services: Services, chain: None) -> None:
    first, second = event_of(3).id, event_of(4).id
    nowhere = uuid4()
    for number, event_id in ((3, nowhere), (4, first), (3, second)):
        db.session.execute(update(AuditLink).where(AuditLink.number == number).values(event_id=event_id))
    assert broken(services)[0] == 3


def test_an_event_that_was_smuggled_in_is_found(services: Services, clock: FrozenClock, chain: None) -> None:
    forged = {
        "id": uuid4(), "at": clock.now(), "tag": "operator:key:rotate", "detail": {}, "mac": event_of(1).mac,
    }  # fmt: skip
    db.session.execute(insert(AuditEvent).values(forged))
    assert broken(services) == (None, "the event was added or changed")
    db.session.execute(update(AuditEvent).where(AuditEvent.id == forged["id"]).values(mac=None))
    assert broken(services) == (None, "the event was added or changed")


def test_an_event_that_was_cut_out_of_the_chain_is_found(services: Services, chain: None) -> None:
    """It was put aside with all links from it on, the worker linked what followed, and it was put back as it was."""
    lost = event_of(10)
    row = {column.key: getattr(lost, column.key) for column in inspect(AuditEvent).column_attrs}
    db.session.execute(delete(AuditEvent).where(AuditEvent.id == lost.id))
    db.session.execute(delete(AuditLink).where(AuditLink.number >= 10))
    db.session.commit()
    assert link_events(services.vault) == EVENTS - 10
    db.session.execute(insert(AuditEvent).values(row))
    db.session.commit()
    assert link_events(services.vault) == 0
    assert broken(services) == (None, "the event was cut out of the chain")


def test_a_chain_that_was_cut_short_or_put_back_is_told_from_the_anchors(
    services: Services, clock: FrozenClock, chain: None
) -> None:
    last = newest_link()
    assert last is not None
    anchor = Anchor(last.number, last.mac)
    assert verify(services.vault, [anchor]).broken is None
    ids = select(AuditLink.event_id).where(AuditLink.number > 30)
    db.session.execute(delete(AuditEvent).where(AuditEvent.id.in_(ids)))
    db.session.execute(delete(AuditLink).where(AuditLink.number > 30))
    db.session.commit()
    db.session.expire_all()
    assert verify(services.vault).broken is None  # without an anchor nobody can know
    assert broken(services, (anchor,)) == (EVENTS, f"the chain ends at 30, but an anchor knows link {EVENTS}")
    record(services, clock, 20)  # the work goes on over the backup
    link_events(services.vault)
    assert broken(services, (anchor,)) == (EVENTS, "an older state of the chain was put back")


def test_anchors_are_kept_outside_of_the_database(services: Services, chain: None, tmp_path: Path) -> None:
    settings = services.settings.model_copy(update={"audit_anchors": tmp_path / "anchors.jsonl"})
    object.__setattr__(services, "settings", settings)
    write_anchor(services)
    write_anchor(services)
    anchors = read_anchors(tmp_path / "anchors.jsonl")
    assert [anchor.number for anchor in anchors] == [EVENTS, EVENTS]
    assert verify(services.vault, anchors).broken is None


def test_a_file_of_anchors_that_is_away_stops_no_linking_and_is_written_when_it_is_back(
    app: Flask, services: Services, clock: FrozenClock, tmp_path: Path
) -> None:
    file = tmp_path / "away" / "anchors.jsonl"
    object.__setattr__(services, "settings", services.settings.model_copy(update={"audit_anchors": file}))
    linker = Linker(app)
    record(services, clock, 2)
    assert linker.run_once() == 2
    file.parent.mkdir()
    record(services, clock, 1)
    assert linker.run_once() == 1
    assert [anchor.number for anchor in read_anchors(file)] == [3]
    record(services, clock, 1)
    assert linker.run_once() == 1
    assert len(read_anchors(file)) == 1  # once an hour
    clock.advance(timedelta(hours=1))
    linker.run_once()
    assert [anchor.number for anchor in read_anchors(file)] == [3, 4]


def test_an_event_that_commits_late_is_linked_all_the_same(
    app: Flask, services: Services, clock: FrozenClock, chain: None
) -> None:
    late = clock.now() - timedelta(minutes=5)
    services.audit.record(AuditTag.SIGNED_IN)
    db.session.flush()
    clock.at = late
    services.audit.record(AuditTag.SIGNED_OUT)
    db.session.commit()
    assert link_events(services.vault) == 2
    assert verify(services.vault).broken is None


@pytest.mark.parametrize("edits", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_every_random_edit_is_found(app: Flask, services: Services, chain: None, edits: int) -> None:
    choice, chosen = Seeded(20261126), set[str]()
    for _ in range(edits):
        number = choice.randrange(1, EVENTS + 1)
        name = choice.choice(sorted(EDITS))
        chosen.add(name)
        EDITS[name](number, choice)
        assert broken(services), (name, number)
        db.session.rollback()
        db.session.expire_all()
    assert verify(services.vault).broken is None
    assert chosen == set(EDITS)


def _change(column: str) -> Callable[[int, Seeded], None]:
    def edit(number: int, choice: Seeded) -> None:
        values = {
            "tag": f"person:x:{choice.random()}", "account_id": uuid4(), "portal_id": uuid4(), "actor_id": uuid4(),
            "insured_person_id": uuid4(), "request_id": str(choice.random()), "detail": {"x": str(choice.random())},
            "at": event_of(number).at + timedelta(microseconds=choice.randrange(1, 10**9)), "mac": str(choice.random()),
        }  # fmt: skip
        db.session.execute(
            update(AuditEvent).where(AuditEvent.id == event_of(number).id).values({column: values[column]})
        )

    return edit


def _remove(number: int, _: Seeded) -> None:
    db.session.execute(delete(AuditEvent).where(AuditEvent.id == event_of(number).id))


def _unlink(number: int, _: Seeded) -> None:
    """Not the last one: the worker would link its event again, and nothing would be lost."""
    db.session.execute(delete(AuditLink).where(AuditLink.number == min(number, EVENTS - 1)))


def _relink(number: int, choice: Seeded) -> None:
    db.session.execute(update(AuditLink).where(AuditLink.number == number).values(mac=str(choice.random())))


EDITS: dict[str, Callable[[int, Seeded], None]] = {
    **{
        f"change {column}": _change(column)
        for column in (
            "tag", "account_id", "portal_id", "actor_id", "insured_person_id", "request_id", "detail", "at", "mac",
        )
    },
    "remove": _remove,
    "unlink": _unlink,
    "relink": _relink,
}  # fmt: skip


def test_what_is_personal_goes_and_the_chain_stays_whole(
    app: Flask, services: Services, clock: FrozenClock, chain: None
) -> None:
    redact_old(services)
    assert verify(services.vault).redacted == {}
    clock.advance(timedelta(days=401))
    assert redact_old(services) == EVENTS
    link_events(services.vault)
    found = verify(services.vault)
    assert (found.broken, found.links, sum(found.redacted.values())) == (None, EVENTS + 1, EVENTS)
    event = event_of(3)
    assert (event.account_id, event.insured_person_id, event.actor_id, event.request_id) == (None,) * 4
    assert (event.detail, event.tag) == ({}, AuditTag.SIGNED_IN.value)
    assert redact_old(services) == 0


def test_an_account_is_forgotten_at_once_and_others_are_not(services: Services, chain: None) -> None:
    mine = event_of(9).account_id
    assert mine is not None
    assert redact_account(services, mine) == 1
    assert event_of(9).redacted_at is not None
    assert event_of(10).account_id is not None
    assert verify(services.vault).broken is None


def test_what_was_changed_before_is_not_made_good_by_redacting_it(
    services: Services, clock: FrozenClock, chain: None
) -> None:
    db.session.execute(update(AuditEvent).where(AuditEvent.id == event_of(7).id).values(account_id=uuid4()))
    db.session.commit()
    clock.advance(timedelta(days=401))
    assert redact_old(services) == EVENTS - 1
    assert broken(services) == (7, "the event was changed")


@pytest.mark.parametrize("edits", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_every_random_edit_of_a_redacted_chain_is_found(
    services: Services, clock: FrozenClock, chain: None, edits: int
) -> None:
    """Nobody redacts what we did not, nor changes what we did."""
    choice, clock.at = Seeded(44), clock.at + timedelta(days=401)
    redact(services, AuditEvent.id.in_([event_of(number).id for number in range(1, 21)]))
    link_events(services.vault)
    for _ in range(edits):
        number, name = choice.randrange(1, EVENTS + 1), choice.choice([*sorted(EDITS), *HIDE])
        HIDE[name](number) if name in HIDE else EDITS[name](number, choice)
        assert broken(services), (name, number)
        db.session.rollback()
        db.session.expire_all()
    assert verify(services.vault).broken is None


def _hide(**values: object) -> Callable[[int], None]:
    """As if we had redacted it, or had not."""

    def edit(number: int) -> None:
        stolen = event_of(1 if number != 1 else 2).redaction
        event = event_of(number)
        blank = {"account_id": None, "detail": {}, "redacted_at": event.at, "redaction": stolen, **values}
        db.session.execute(update(AuditEvent).where(AuditEvent.id == event.id).values(blank))

    return edit


HIDE = {"hide": _hide(), "hide without a MAC": _hide(redaction=None), "show": _hide(redacted_at=None, redaction=None)}
