"""What the desk does for a person: asked on its own page, recorded, told to the owner, limited (F-36, F-37)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.letter_order import LetterOrder
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.attempts import SECOND_ITEM
from idp.services.bundle import Services
from idp.services.desk import LETTERS_A_DAY
from tests.actions import PASSWORD, letter, register
from tests.actions import sign_in as person_signs_in
from tests.support.builders import add_person
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person, newest_message

EMAIL = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["support@cpx"])
    return sign_in(web, services, EMAIL)


def the_person() -> InsuredPerson:
    db.session.rollback()
    return db.session.scalars(select(InsuredPerson).limit(1)).one()


def do(olga: Person, found: InsuredPerson, deed: str) -> None:
    olga.open(f"/admin/persons/{found.id}/{deed}")
    olga.submit(1)


def recorded(tag: str) -> list[AuditEvent]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == tag)))


def test_unlocking_lets_the_person_try_again_at_once(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    caller = register(web, services, portal)
    caller.open("/logout")
    caller.submit()
    for browser in (Person(web), caller):  # a stranger's, and the person's own with its own budget
        browser.open("/cpx/login")
        for _ in range(8):
            browser.submit(email="helene@example.ch", password="wrong wrong wrong")
            clock.advance(timedelta(seconds=61))
    caller.submit(email="helene@example.ch", password=PASSWORD)
    assert caller.errors() == ["email"]
    found = the_person()
    do(olga, found, "unlock")
    assert "La personne est débloquée" in olga.text
    assert "Débloqué par le service" in olga.text
    caller.open("/cpx/login")
    person_signs_in(caller)
    assert "débloqué par le service clientèle" in newest_message("mail", "helene@example.ch")
    (event,) = recorded("operator:attempts:forgive")
    assert (event.insured_person_id, event.account_id, event.portal_id) == (found.id, found.account_id, portal.id)
    assert event.actor_id is not None
    do_again = olga.client.get(f"/admin/persons/{found.id}/unlock", base_url=ISSUER).get_data(as_text=True)
    assert "Rien n’est bloqué" in do_again


def test_wrong_dates_of_birth_are_forgiven_too(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    letter(services, portal)
    for _ in range(5):
        services.attempts.spend(SECOND_ITEM, str(the_person().id))
    assert services.attempts.refusal(SECOND_ITEM, str(the_person().id))
    do(olga, the_person(), "unlock")
    assert services.attempts.refusal(SECOND_ITEM, str(the_person().id)) is None


def test_ending_the_sessions_ends_all_of_them_and_tells_the_owner(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    caller = register(web, services, portal)
    do(olga, the_person(), "sessions")
    assert "Toutes les sessions sont terminées" in olga.text
    caller.open("/account")
    assert caller.title != "Votre compte"
    assert "sessions ont été terminées" in newest_message("mail", "helene@example.ch")
    assert len(recorded("operator:account:sign_out")) == 1
    olga.open(f"/admin/persons/{the_person().id}/sessions")
    assert "aucune session" in olga.text


def test_a_voided_letter_opens_nothing(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    code = letter(services, portal)
    do(olga, the_person(), "void")
    assert "annulée le" in olga.text
    caller = Person(web)
    caller.open("/cpx/register/code")
    caller.submit(code=code)
    assert caller.errors() == ["code"]
    olga.open(f"/admin/persons/{the_person().id}/void")
    assert "pas de lettre ouverte" in olga.text


def test_a_new_letter_voids_the_old_one_and_has_no_code_until_it_is_printed(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    letter(services, portal)
    found = the_person()
    do(olga, found, "letter")
    assert "à imprimer avec le prochain lot" in olga.text
    states = {row.state(services.clock.now()) for row in db.session.scalars(select(RegistrationCode))}
    assert states == {"revoked"}
    olga.open(f"/admin/persons/{found.id}/letter")
    assert "attend déjà l’impression" in olga.text
    (waiting,) = services.letters.ordered(portal)
    made = services.letters.compose(portal, [waiting])
    services.letters.issue(made)
    db.session.commit()
    assert services.letters.ordered(portal) == []
    olga.open(f"/admin/persons/{found.id}")
    assert made[0].code not in olga.text.replace("-", "")
    caller = Person(web)
    caller.open("/cpx/register/code")
    caller.submit(code=made[0].code)
    assert caller.errors() == []


def test_a_letter_to_be_printed_can_be_taken_back(services: Services, portal: Portal, olga: Person) -> None:
    found = add_person(portal)
    do(olga, found, "letter")
    do(olga, found, "void")
    assert services.letters.ordered(portal) == []
    do(olga, found, "letter")
    assert len(services.letters.ordered(portal)) == 1


def test_somebody_who_is_registered_needs_no_letter(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    register(web, services, portal)
    olga.open(f"/admin/persons/{the_person().id}/letter")
    assert "déjà inscrite" in olga.text


def test_more_letters_than_twenty_a_day_need_a_second_person(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    persons = [add_person(portal, f"P-{number}") for number in range(LETTERS_A_DAY + 2)]
    for found in persons[:LETTERS_A_DAY]:
        do(olga, found, "letter")
    olga.open(f"/admin/persons/{persons[-1].id}/letter")
    assert "une deuxième personne doit commander" in olga.text
    fields = olga.filled()[1]
    olga.client.post(
        f"/admin/persons/{persons[-1].id}/letter", base_url=ISSUER, headers={"Origin": ISSUER}, data=fields
    )  # whoever sends it all the same
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(LetterOrder)) == LETTERS_A_DAY
    add_operator(services, "peter@fund.example.ch", ["letters@cpx"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    do(peter, persons[-1], "letter")
    assert "La nouvelle lettre est commandée" in peter.text


def test_nobody_helps_themselves_nor_orders_a_letter_for_a_colleague(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    own = services.accounts.find(EMAIL)
    assert own is not None
    insured = {"insured_number": "756.9217.0769.85"}
    mine = add_person(portal, "P-own", account_id=own.id, linked_at=services.clock.now(), **insured)
    for deed in ("unlock", "sessions", "void", "letter"):
        olga.open(f"/admin/persons/{mine.id}/{deed}")
        assert "C’est vous-même" in olga.text, deed
    again = add_person(portal, "P-again", **insured)  # a second record of the same human being
    olga.open(f"/admin/persons/{again.id}/letter")
    assert "travaille dans la console" in olga.text


def test_a_role_without_the_right_reads_who_has_it(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    found = add_person(portal)
    add_operator(services, "peter@fund.example.ch", ["reader@cpx"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    peter.open(f"/admin/persons/{found.id}")
    assert f'href="/admin/persons/{found.id}/unlock"' not in peter.text
    assert "Débloquer une personne, terminer ses sessions\u00a0: service clientèle, sécurité" in peter.text
    peter.open(f"/admin/persons/{found.id}/unlock")
    assert peter.page.status_code == 403
