"""Batches of letters: every state and action, four eyes, what is set and printed, and what the post brings back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from threading import Barrier, Thread
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch, LetterFile, Outcome
from idp.models.letter_order import waiting_order
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services import press as the_press
from idp.services.bundle import Services
from idp.services.desk import Deed
from idp.services.letter_batches import ALLOWED, BatchDeed
from idp.services.letter_choice import BatchKind, Choice
from idp.services.letter_references import read_reference, show_reference
from idp.services.letters import Letter, Letters
from idp.services.registration_codes import Found, Unknown, normalise
from idp.services.returned_letters import Reason
from tests.support.batches import (
    APPROVER,
    MAKER,
    codes_of,
    draft,
    in_state,
    letters_of,
    pdf_of,
    press,
    print_batch,
    set_batch,
    set_quickly,
)
from tests.support.builders import add_person, add_portal
from tests.support.printed import Document

CODE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    set_quickly(monkeypatch)


def persons(portal: Portal, count: int) -> list[InsuredPerson]:
    return [add_person(portal, f"P-{at:03}") for at in range(count)]


def tags() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


def do(services: Services, deed: BatchDeed, batch: LetterBatch) -> bool:
    """Whatever was said about it before."""
    batches = services.letter_batches
    if deed is BatchDeed.APPROVE:
        return batches.approve(batch, APPROVER)
    if deed is BatchDeed.PRINT:
        return batches.confirm_printed(batch, MAKER)
    if deed is BatchDeed.POST:
        return batches.post(batch, MAKER, services.clock.now().date())
    return batches.cancel(batch, MAKER)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", list(BatchState))
def test_every_action_in_every_state_is_done_or_refused_with_words(
    app: Flask, services: Services, portal: Portal, quick: None, state: BatchState
) -> None:
    for deed in BatchDeed:
        add_person(portal, f"P-{deed}")
        batch, batches = in_state(app, services, portal, state), services.letter_batches
        refusal = batches.refusal(deed, batch, APPROVER)
        done = do(services, deed, batch)
        db.session.commit()
        db.session.expire_all()
        assert done == (refusal is None) == (state in ALLOWED[deed]), (state, deed)
        assert (batch.state == state) == (not done)
        if refusal is not None:
            assert services.texts.get("en", refusal)
        if batches.refusal(BatchDeed.CANCEL, batch, MAKER) is None:
            batches.cancel(batch, MAKER)
            db.session.commit()


def test_whoever_made_a_batch_never_approves_it(services: Services, app: Flask, portal: Portal) -> None:
    add_person(portal)
    batch = draft(services, portal)
    assert services.letter_batches.refusal(BatchDeed.APPROVE, batch, MAKER) == "bat.e.self"
    assert not services.letter_batches.approve(batch, MAKER)
    db.session.commit()
    db.session.expire_all()
    assert (batch.state, batch.approved_by) == (BatchState.DRAFT, None)
    assert services.letter_batches.approve(batch, APPROVER)


def test_of_two_who_approve_at_once_one_does(app: Flask, services: Services, portal: Portal) -> None:
    add_person(portal)
    batch_id, barrier, won = draft(services, portal).id, Barrier(2), []
    db.session.remove()

    def try_it(by: UUID) -> None:
        with app.app_context():
            batch = db.session.get_one(LetterBatch, batch_id)
            barrier.wait(10)
            if services.letter_batches.approve(batch, by):
                won.append(by)
            db.session.commit()

    threads = [Thread(target=try_it, args=(uuid4(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 1
    assert db.session.get_one(LetterBatch, batch_id).approved_by == won[0]
    assert tags().count("operator:letter_batch:approve") == 1


@pytest.mark.sqlite_only  # what is printed does not hang on the engine
def test_the_pdf_has_every_letter_once_with_its_number_reference_and_a_code_that_decodes(
    app: Flask, services: Services, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_press, "PART", 2)
    persons(portal, 3)
    batch, seen = set_batch(app, services, portal), set()
    assert services.letter_batches.files(batch) == [(1, 1, 2), (2, 3, 3)]
    for letter in letters_of(batch):
        assert letter.number is not None
        part, page = divmod(letter.number - 1, 2)
        document = Document(pdf_of(services, batch, part + 1))
        said = document.text(page)
        assert f"{letter.number:04}/0003" in said
        assert show_reference(letter.reference) in said
        assert read_reference(show_reference(letter.reference).lower()) == letter.reference
        code = normalise(CODE.search(said)[0])  # type: ignore[index]
        assert document.qr(page)[0] == f"http://localhost:8000/cpx/r?lang=fr#{code}"
        assert services.registration_codes.hash(code) == letter.code_hash
        seen.add(code)
        document.close()
    assert len(seen) == 3


def test_codes_are_valid_when_printed_is_confirmed_and_nothing_readable_is_left(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    persons(portal, 3)
    batch = set_batch(app, services, portal)
    codes = codes_of(pdf_of(services, batch))
    assert all(isinstance(services.registration_codes.look_up(portal, code), Unknown) for code in codes)
    stored = db.session.scalars(select(LetterFile.sealed_pdf)).one()
    assert stored.isascii()
    assert "PDF" not in stored[:20]
    print_batch(app, services, batch)
    assert all(isinstance(services.registration_codes.look_up(portal, code), Found) for code in codes)
    assert db.session.scalar(select(func.count()).select_from(LetterFile)) == 0
    assert {(one.code_hash, one.outcome) for one in letters_of(batch)} == {(None, Outcome.VALID)}
    assert services.letter_batches.open_file(batch, 1, MAKER) is None
    for event in db.session.scalars(select(AuditEvent)):
        assert not any(code in str(event.detail) for code in codes)


def test_cancelling_a_batch_that_is_set_wipes_it_and_frees_its_persons(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    persons(portal, 2)
    batch = set_batch(app, services, portal)
    codes = codes_of(pdf_of(services, batch))
    with pytest.raises(BadInput):
        draft(services, portal)
    assert services.letters.uninvited(portal) == [], "the command line makes them no second letter either"
    assert services.letter_batches.cancel(batch, MAKER)
    db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(LetterFile)) == 0
    assert {one.code_hash for one in letters_of(batch)} == {None}
    assert all(isinstance(services.registration_codes.look_up(portal, code), Unknown) for code in codes)
    assert draft(services, portal).count == 2


@pytest.mark.sqlite_only
def test_a_batch_that_nobody_prints_in_time_ends_by_itself(
    app: Flask, services: Services, portal: Portal, quick: None, clock: FrozenClock
) -> None:
    persons(portal, 2)
    batch = set_batch(app, services, portal)
    clock.advance(the_press.PRINTED_WITHIN - timedelta(minutes=1))
    press(app)
    assert batch.state == BatchState.SET
    clock.advance(timedelta(minutes=2))
    press(app)
    assert (batch.state, batch.cancelled_by) == (BatchState.CANCELLED, None)
    assert db.session.scalar(select(func.count()).select_from(LetterFile)) == 0
    assert tags()[-1] == "operator:letter_batch:lapse"


def test_who_registered_or_got_another_code_meanwhile_is_named_and_their_letter_is_not_valid(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    first, second, _ = persons(portal, 3)
    batch = set_batch(app, services, portal)
    codes = codes_of(pdf_of(services, batch))
    other = services.registration_codes.issue(first, portal)
    account = services.accounts.create(
        email="h@example.ch", given_name="H", family_name="M", language="fr", password_hash="x"
    )
    assert second.link(account.id, services.clock.now())
    db.session.commit()
    print_batch(app, services, batch)
    assert [one.number for one in services.letter_batches.overtaken(batch)] == [1, 2]
    looked_up = [type(services.registration_codes.look_up(portal, code)) for code in [*codes, other]]
    assert looked_up == [Unknown, Unknown, Found, Found]


def meanwhile(monkeypatch: pytest.MonkeyPatch, done: Callable[[], object]) -> None:
    """Do this once, while a worker sets letters."""
    render, left = Letters.render, [done]

    def slow(self: Letters, letters: list[Letter]) -> bytes:
        if left:
            left.pop()()
            db.session.commit()
        return render(self, letters)

    monkeypatch.setattr(Letters, "render", slow)


def test_of_two_workers_at_one_part_the_first_one_counts(
    app: Flask, services: Services, portal: Portal, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a lease ended too early."""
    persons(portal, 2)
    ident = in_state(app, services, portal, BatchState.APPROVED).id
    meanwhile(monkeypatch, lambda: the_press.work_on(services, ident))
    assert not the_press.work_on(services, ident), "the slower one stops"
    assert not the_press.work_on(services, ident), "and the other one finishes"
    db.session.expire_all()
    batch = db.session.get_one(LetterBatch, ident)
    hashes = [one.code_hash for one in letters_of(batch)]
    assert hashes == [services.registration_codes.hash(code) for code in codes_of(pdf_of(services, batch))]
    print_batch(app, services, batch)
    assert db.session.scalar(select(func.count()).select_from(RegistrationCode)) == 2


def test_a_batch_that_is_cancelled_while_it_is_set_leaves_nothing(
    app: Flask, services: Services, portal: Portal, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    persons(portal, 2)
    batch = in_state(app, services, portal, BatchState.APPROVED)
    ident = batch.id
    meanwhile(monkeypatch, lambda: services.letter_batches.cancel(db.session.get_one(LetterBatch, ident), MAKER))
    press(app)
    batch = db.session.get_one(LetterBatch, ident)
    assert batch.state == BatchState.CANCELLED
    assert db.session.scalar(select(func.count()).select_from(LetterFile)) == 0
    assert {one.code_hash for one in letters_of(batch)} == {None}


def test_a_letter_that_cannot_be_printed_is_left_out_and_the_numbers_close_up(
    app: Flask, services: Services, portal: Portal, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_press, "PART", 2)
    persons(portal, 3)
    add_person(portal, "P-001-b", given_name="小明")
    add_person(portal, "P-009", address=["小", "1000 Lausanne"])
    batch = set_batch(app, services, portal)
    assert batch.count == 3
    assert {one.person.external_id for one in services.letter_batches.left_out(batch)} == {"P-001-b", "P-009"}
    assert [one.number for one in letters_of(batch) if one.outcome is None] == [1, 2, 3]
    assert len({*codes_of(pdf_of(services, batch, 1)), *codes_of(pdf_of(services, batch, 2))}) == 3


@pytest.mark.sqlite_only
def test_a_batch_of_which_nothing_can_be_printed_is_over(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    add_person(portal, given_name="小明")
    batch = draft(services, portal)
    services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    press(app)
    assert (batch.state, batch.count) == (BatchState.CANCELLED, 0)


def test_an_order_of_the_desk_is_settled_by_its_letter_and_a_later_one_overtakes_the_letter_that_is_set(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    early, late, voided = persons(portal, 3)
    services.desk.do(Deed.ORDER_LETTER, early, None, MAKER)
    db.session.commit()
    batch = draft(services, portal, BatchKind.ORDERED)
    assert batch.count == 1
    services.letter_batches.cancel(batch, MAKER)
    db.session.commit()
    batch = set_batch(app, services, portal)
    codes = codes_of(pdf_of(services, batch))
    services.desk.do(Deed.ORDER_LETTER, late, None, MAKER)
    assert services.desk.refusal(Deed.VOID_LETTER, voided, None, MAKER) is None
    services.desk.do(Deed.VOID_LETTER, voided, None, MAKER)
    assert services.desk.refusal(Deed.VOID_LETTER, voided, None, MAKER) == "per.e.noletter"
    db.session.commit()
    print_batch(app, services, batch)
    assert waiting_order(early.id) is None
    assert waiting_order(late.id) is not None, "whatever was wrong with the address stands on the letter that is set"
    looked_up = [type(services.registration_codes.look_up(portal, code)) for code in codes]
    assert looked_up == [Found, Unknown, Unknown]
    assert [one.number for one in services.letter_batches.overtaken(batch)] == [2, 3]
    assert {one.code_hash for one in letters_of(batch)} == {None}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("before", [BatchState.DRAFT, BatchState.APPROVED])
def test_a_letter_that_the_desk_voids_before_it_is_set_is_named_all_the_same(
    app: Flask, services: Services, portal: Portal, quick: None, before: BatchState
) -> None:
    _, voided = persons(portal, 2)
    batch = in_state(app, services, portal, before)
    services.desk.do(Deed.VOID_LETTER, voided, None, MAKER)
    if before is BatchState.DRAFT:
        services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    press(app)
    codes = codes_of(pdf_of(services, batch))
    print_batch(app, services, batch)
    assert isinstance(services.registration_codes.look_up(portal, codes[1]), Unknown)
    assert [one.number for one in services.letter_batches.overtaken(batch)] == [2]
    assert {one.code_hash for one in letters_of(batch)} == {None}


def test_reminders_go_to_those_whose_posted_letter_lies_about_and_void_its_code(
    app: Flask, services: Services, portal: Portal, quick: None, clock: FrozenClock
) -> None:
    reader, registered, _ = persons(portal, 3)
    batch = set_batch(app, services, portal)
    old = codes_of(pdf_of(services, batch))
    print_batch(app, services, batch)
    reminder = Choice(portal, BatchKind.REMINDER, days=14)
    clock.advance(timedelta(days=2))
    services.letter_batches.post(batch, MAKER, clock.now().date())
    account = services.accounts.create(
        email="h@example.ch", given_name="H", family_name="M", language="fr", password_hash="x"
    )
    registered.link(account.id, clock.now())
    services.returned_letters.take_back(services.returned_letters.read("3", None, batch).letters, Reason.MOVED, MAKER)
    db.session.commit()
    clock.advance(timedelta(days=13))
    assert services.letter_batches.count(reminder) == 0
    clock.advance(timedelta(days=1))
    assert services.letter_batches.count(reminder) == 1
    again = set_batch(app, services, portal, BatchKind.REMINDER)
    assert [one.insured_person_id for one in letters_of(again)] == [reader.id]
    (new,) = codes_of(pdf_of(services, again))
    assert isinstance(services.registration_codes.look_up(portal, old[0]), Found), "until the new one is on paper"
    print_batch(app, services, again)
    assert isinstance(services.registration_codes.look_up(portal, old[0]), Unknown)
    assert isinstance(services.registration_codes.look_up(portal, new), Found)


@pytest.mark.sqlite_only
def test_the_letter_of_a_reminder_fits_its_page_in_every_language(
    app: Flask, services: Services, portal: Portal
) -> None:
    for language in ("fr", "de", "it", "en"):
        add_person(portal, f"P-{language}", language=language, given_name="Maximiliana Theodora " * 2)
    batch = draft(services, portal)
    batch.kind = BatchKind.REMINDER.value
    services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    press(app)
    document = Document(pdf_of(services, batch))
    said = " ".join(document.text(2).split())
    assert "Rappel : votre accès à" in said
    assert "Le code de notre dernière lettre n’est plus valable" in said
    for page in range(4):
        upper = [glyph for glyph in document.glyphs(page) if 90 < glyph.box.top < 168 and glyph.box.left > 15]
        assert max(glyph.box.bottom for glyph in upper) < 168
        edge = [glyph for glyph in document.glyphs(page) if glyph.box.left < 15]
        assert min(glyph.box.left for glyph in edge) > 4.5
        assert max(glyph.box.right for glyph in edge) < 20
        assert min(glyph.box.top for glyph in edge) > 150
        assert max(glyph.box.bottom for glyph in edge) < 210
    document.close()


def test_who_never_had_a_letter_or_whose_code_expired_is_found_by_language(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    gone, fresh, german = add_person(portal, "P-1"), add_person(portal, "P-2"), add_person(portal, "P-3", language="de")
    services.registration_codes.issue(gone, portal)
    db.session.commit()
    clock.advance(timedelta(days=32))
    services.registration_codes.issue(fresh, portal)
    db.session.commit()

    def found(kind: BatchKind, language: str | None = None) -> int:
        return services.letter_batches.count(Choice(portal, kind, language))

    assert german.language == "de"
    assert (found(BatchKind.NEVER), found(BatchKind.NEVER, "de"), found(BatchKind.NEVER, "fr")) == (1, 1, 0)
    assert (found(BatchKind.EXPIRED), found(BatchKind.EXPIRED, "de")) == (1, 0)


def test_returned_letters_are_read_from_numbers_references_and_scans_and_their_codes_are_void(
    app: Flask, services: Services, portal: Portal, quick: None
) -> None:
    persons(portal, 4)
    batch = set_batch(app, services, portal)
    codes = codes_of(pdf_of(services, batch))
    scanned = services.letters.address(portal, "fr", codes[2])
    print_batch(app, services, batch)
    letters, batches, returned = letters_of(batch), services.letter_batches, services.returned_letters
    typed = f"0001, {show_reference(letters[1].reference)} {scanned}\n9999 {letters[0].reference[:-1]} 0002/0004"
    found = returned.read(typed, None, batch)
    assert [one.number for one in found.letters] == [1, 2, 3]
    assert found.unknown == ("9999", letters[0].reference[1:-1])
    assert returned.take_back(found.letters, Reason.MOVED, MAKER) == 3
    db.session.commit()
    looked_up = [type(services.registration_codes.look_up(portal, code)) for code in codes]
    assert looked_up == [Unknown, Unknown, Unknown, Found]
    again = returned.read("0001", None, batch)
    assert (len(again.letters), len(again.before)) == (0, 1)
    assert returned.take_back(again.before, Reason.MOVED, MAKER) == 0
    assert tags().count("operator:letter:return") == 3
    expired = Choice(portal, BatchKind.EXPIRED)
    assert batches.count(expired) == 0, "another letter would come back from the same address"
    letters[0].person.changed_at = services.clock.now() + timedelta(seconds=1)
    db.session.commit()
    assert batches.count(expired) == 1


def test_a_letter_of_another_fund_is_none(app: Flask, services: Services, portal: Portal, quick: None) -> None:
    add_person(portal)
    batch = in_state(app, services, portal, BatchState.POSTED)
    (letter,) = letters_of(batch)
    other = add_portal("other")
    assert services.returned_letters.read(letter.reference, {other.id}).letters == ()
    assert services.returned_letters.read(letter.reference, {portal.id}).letters == (letter,)


@pytest.mark.sqlite_only
def test_a_scan_that_is_no_letter_of_ours_is_told_by_its_end_alone(
    app: Flask, services: Services, portal: Portal
) -> None:
    code = services.registration_codes.issue(add_person(portal), portal)
    db.session.commit()
    found = services.returned_letters.read(f"https://connect.example.ch/cpx/r?lang=fr#{code}", None)
    assert found.letters == ()
    assert code not in found.unknown[0]
    assert len(found.unknown[0]) == 6


@pytest.mark.sqlite_only
def test_the_day_of_posting_is_neither_tomorrow_nor_before_the_printing(
    app: Flask, services: Services, portal: Portal, quick: None, clock: FrozenClock
) -> None:
    add_person(portal)
    batch = in_state(app, services, portal, BatchState.PRINTED)
    clock.advance(timedelta(days=2))
    may = [services.letter_batches.may_be_posted_on(date(2026, 3, day), batch) for day in (26, 27, 28, 29, 30)]
    assert may == [False, True, True, True, False]


def test_two_who_draft_at_once_never_hold_one_person_twice(app: Flask, services: Services, portal: Portal) -> None:
    persons(portal, 20)
    slug, barrier = portal.slug, Barrier(2)
    made: list[int] = []
    db.session.remove()

    def try_it() -> None:
        with app.app_context():
            mine = services.portals.load(slug)
            barrier.wait(10)
            try:
                made.append(services.letter_batches.draft(Choice(mine, BatchKind.NEVER), MAKER).count)
                db.session.commit()
            except BadInput:
                db.session.rollback()

    threads = [Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made == [20]
    codes = db.session.scalar(select(func.count()).select_from(RegistrationCode))
    assert codes == 0
