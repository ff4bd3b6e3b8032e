"""Recovery letters in the console: set, printed, posted or cancelled by an operator, never by whom they are for."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy import text as sql

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import RECOVER, RegistrationCode
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter
from idp.models.recovery_print import PrintState, RecoveryPrint
from idp.services.bundle import Services
from idp.services.press import end_late
from idp.services.recovery_prints import PRINTED_WITHIN
from idp.services.registration_codes import Found, Unknown
from tests.support.batches import codes_of, set_quickly
from tests.support.builders import add_portal
from tests.support.console import said
from tests.support.letters import ask, printed
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person, newest_message
from tests.support.walks import add_account

OLGA, PETER, ANNA, BRUNO = "olga@fund.example.ch", "peter@fund.example.ch", "anna@example.ch", "bruno@example.ch"
LIST = "/admin/letters/recovery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    set_quickly(monkeypatch)


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["letters@cpx"])
    return sign_in(web, services, OLGA)


@pytest.fixture
def anna(services: Services, portal: Portal) -> Account:
    account = add_account(services, portal, ANNA, number="+41791111111")
    ask(services, account, portal)
    return account


@pytest.fixture
def bruno(services: Services, portal: Portal) -> Account:
    account = add_account(services, portal, BRUNO, number="+41792222222")
    ask(services, account, portal)
    return account


def set_pile(person: Person) -> UUID:
    person.open(f"{LIST}/at/cpx/set")
    person.submit(1)
    found = re.search(r"/piles/([0-9a-f-]{36})", person.address)
    assert found, said(person)
    return UUID(found[1])


def do(person: Person, pile: UUID, deed: str, **fields: str) -> None:
    person.open(f"{LIST}/piles/{pile}/{deed}")
    person.submit(1, **fields)


def fetched(person: Person, pile: UUID) -> list[str] | int:
    """The codes of the PDF, or the status of the answer that is none."""
    answer = person.client.get(f"{LIST}/piles/{pile}/letters.pdf", base_url=ISSUER)
    return codes_of(answer.get_data()) if answer.status_code == 200 else answer.status_code


def stored(pile: UUID) -> RecoveryPrint:
    db.session.rollback()
    return db.session.get_one(RecoveryPrint, pile, populate_existing=True)


def events(tag: str) -> list[AuditEvent]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == f"operator:recovery_letter:{tag}")))


def test_what_was_asked_for_is_set_printed_and_posted(
    services: Services, portal: Portal, olga: Person, anna: Account, bruno: Account
) -> None:
    olga.open(LIST)
    assert re.search(r"Imprimer\W+2, Caisse CPX", said(olga))
    assert "Hélène" not in said(olga), "names are masked"
    pile = set_pile(olga)
    codes = fetched(olga, pile)
    assert isinstance(codes, list)
    for code, account in zip(codes, (anna, bruno), strict=True):
        assert isinstance(services.registration_codes.look_up_recovery(portal, account.id, code), Unknown)
        assert code not in stored(pile).sealed_pdf  # type: ignore[operator]
    db.session.commit()
    assert services.recovery_letters.compose(portal) == [], "the command line finds nothing to print"
    do(olga, pile, "print")
    assert "les codes sont valables" in said(olga)
    for code, account in zip(codes, (anna, bruno), strict=True):
        assert isinstance(services.registration_codes.look_up_recovery(portal, account.id, code), Found)
    assert (stored(pile).sealed_pdf, fetched(olga, pile)) == (None, 404)
    do(olga, pile, "post", day="1.1.1999")
    assert olga.errors() == ["day"]
    do(olga, pile, "post", day="27.3.2026")
    assert "L’envoi est indiqué" in said(olga)
    olga.open(f"{LIST}?state=open")
    assert said(olga).count("postée le 27.3.2026") == 2
    assert [len(events(tag)) for tag in ("set", "download", "print", "post")] == [1, 1, 2, 1]


def test_a_letter_that_is_cancelled_between_setting_and_printing_is_never_good(
    services: Services, portal: Portal, olga: Person, anna: Account, bruno: Account
) -> None:
    pile = set_pile(olga)
    codes = fetched(olga, pile)
    assert isinstance(codes, list)
    services.recovery_letters.void(anna.id)
    db.session.commit()
    do(olga, pile, "print")
    assert re.search(r"numéro au bord\W+001\.", said(olga))
    assert isinstance(services.registration_codes.look_up_recovery(portal, anna.id, codes[0]), Unknown)
    assert isinstance(services.registration_codes.look_up_recovery(portal, bruno.id, codes[1]), Found)
    db.session.rollback()
    assert db.session.scalars(select(RecoveryLetter.code_hash)).all() == [None, None]


def test_an_operator_cancels_a_letter_and_its_owner_is_told(
    services: Services, portal: Portal, olga: Person, anna: Account
) -> None:
    (code,) = printed(services, portal)
    olga.open(LIST)
    (address,) = re.findall(rf'"({LIST}/[0-9a-f-]{{36}}/cancel)"', olga.text)
    olga.open(address)
    olga.submit(1)
    assert "La lettre est annulée" in said(olga)
    assert isinstance(services.registration_codes.look_up_recovery(portal, anna.id, code), Unknown)
    assert "Lettre de récupération annulée" in newest_message("mail", ANNA)
    assert len(events("cancel")) == 1
    olga.open(address)
    assert olga.address == LIST, "what is cancelled cannot be cancelled again"


@pytest.mark.sqlite_only
def test_nobody_prints_a_letter_for_themselves(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, olga: Person, anna: Account
) -> None:
    account = add_account(services, portal, PETER, number="+41793333333")
    services.totp.enrol(account.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
    _, invitation = services.operators.invite(PETER, ["letters@cpx"], None)
    assert services.operators.accept(invitation, account)
    ask(services, account, portal)
    clock.at += timedelta(minutes=1)
    peter = sign_in(web, services, PETER)
    mine = set_pile(peter)
    assert stored(mine).count == 1, "his own is left to somebody else"
    peter.open(f"{LIST}/at/cpx/set")
    assert peter.address.startswith(f"{LIST}?done=nothing")
    theirs = set_pile(olga)
    for deed in ("print", "drop"):
        peter.open(f"{LIST}/piles/{theirs}/{deed}")
        assert "Une de ces lettres est pour vous" in said(peter)
        peter.client.post(
            f"{LIST}/piles/{theirs}/{deed}", base_url=ISSUER, headers={"Origin": ISSUER}, data=peter.filled()[1]
        )
        assert stored(theirs).state == PrintState.SET
    assert fetched(peter, theirs) == 404
    assert isinstance(fetched(olga, theirs), list)


def test_what_nobody_prints_in_time_is_wiped_and_waits_again(
    services: Services, portal: Portal, clock: FrozenClock, olga: Person, anna: Account
) -> None:
    pile = set_pile(olga)
    clock.at += PRINTED_WITHIN + timedelta(minutes=1)
    end_late(services)
    assert (stored(pile).state, stored(pile).sealed_pdf) == (PrintState.DROPPED, None)
    (letter,) = services.recovery_letters.compose(portal)
    assert letter.recovery_id is not None
    assert len(events("drop")) == 1


@pytest.mark.sqlite_only
def test_a_name_that_cannot_be_printed_holds_up_nobody_else(
    services: Services, portal: Portal, olga: Person, anna: Account, bruno: Account
) -> None:
    record = services.accounts.record_of(anna.id, portal.id)
    assert record is not None
    record.family_name = "小"
    db.session.commit()
    assert stored(set_pile(olga)).count == 1
    olga.open(f"{LIST}/at/cpx/set")
    olga.submit(1)
    assert "un caractère que la police n’a pas" in said(olga)


@pytest.mark.sqlite_only
def test_another_funds_letters_do_not_exist_and_who_only_sees_is_told_who_may(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, olga: Person
) -> None:
    other = add_portal("geheim", names={"fr": "Fondation Secrète"})
    ask(services, add_account(services, other, "carla@example.ch", number="+41794444444"), other)
    letter = db.session.scalars(select(RecoveryLetter)).one().id
    olga.open(LIST)
    assert "Personne n’a encore demandé" in said(olga)
    assert "Secrète" not in olga.text
    olga.open(f"{LIST}/{letter}/cancel")
    assert olga.page.status_code == 404
    add_operator(services, PETER, ["support@geheim"])
    clock.at += timedelta(minutes=1)
    peter = sign_in(web, services, PETER)
    peter.open(LIST)
    assert "Secrète" in said(peter)
    assert "/cancel" not in peter.text
    for address in (f"{LIST}/{letter}/cancel", f"{LIST}/at/geheim/set"):
        peter.open(address)
        assert peter.page.status_code == 403, address


@pytest.mark.postgresql_only
def test_who_came_back_in_while_a_printing_is_confirmed_leaves_no_code_good(
    app: Flask, services: Services, portal: Portal, anna: Account
) -> None:
    anna_id, pile = anna.id, services.recovery_prints.set(portal, UUID(int=1))
    assert pile is not None
    assert services.recovery_prints.confirm_printed(pile, UUID(int=1))
    db.session.flush()

    def come_back() -> None:
        with app.app_context():
            services.recovery_letters.void(anna_id)
            db.session.commit()

    thread = threading.Thread(target=come_back)
    thread.start()
    with db.engine.connect() as watch:
        for _ in range(300):
            if watch.scalar(sql("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                break
            thread.join(0.01)
    db.session.commit()
    thread.join(10)
    code = db.session.scalars(select(RegistrationCode).where(RegistrationCode.purpose == RECOVER)).one()
    assert code.revoked_at
