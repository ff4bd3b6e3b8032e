"""F-05, F-06, F-07: one letter code, one account; whatever happens twice, at once, or after the code was replaced."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import Base, db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from tests.actions import PASSWORD, finish_registration, letter
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person, newest_code
from tests.support.walks import BORN, VARIANTS, Variant, World


def rows(model: type[Base]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def up_to_sms(web: Flask, portal: Portal, code: str, email: str, mobile: str) -> Person:
    """A person whose next click finishes the registration."""
    person = Person(web)
    person.open(f"/{portal.slug}/register/code")
    person.submit(code=code)
    person.submit(email=email)
    person.submit(otp=newest_code("mail"))
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile=mobile)
    assert person.title == "Saisissez le code SMS"
    return person


def press_at_once(people: list[tuple[Person, tuple[str, dict[str, str]]]]) -> Counter[int]:
    barrier = Barrier(len(people))

    def press(at: int) -> int:
        person, form = people[at]
        barrier.wait()
        return person.post(form)[0].status_code

    with ThreadPoolExecutor(len(people)) as pool:
        return Counter(pool.map(press, range(len(people))))


def test_one_address_with_two_letters_at_once_is_one_account(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    ready = []
    for at in range(2):
        code = letter(services, portal, f"P-{at}")
        person = up_to_sms(web, portal, code, "both@example.ch", f"079 123 45 6{at}")
        ready.append((person, person.filled(otp=newest_code("sms"))))
    db.session.remove()
    assert press_at_once(ready) == {303: 2}
    assert rows(Account) == rows(Session) == 1
    used = select(func.count()).select_from(RegistrationCode).where(RegistrationCode.redeemed_at.is_not(None))
    assert db.session.scalar(used) == 1  # the loser's letter is still good


def test_the_slower_of_two_letters_goes_on_as_the_owner_of_the_new_account(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Same person, letters of two funds, two tabs of one browser (U16): both end up in the one account."""
    other = add_portal("fon")
    first = up_to_sms(web, portal, letter(services, portal, "P-1"), "both@example.ch", "079 123 45 67")
    fast, code = newest_code("sms"), letter(services, other, "P-2")
    tab = Person(web)
    tab.client = first.client
    tab.open("/fon/register/code")
    tab.submit(code=code)
    tab.submit(email="both@example.ch")
    tab.submit(otp=newest_code("mail"))
    tab.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile="079 123 45 68")
    slow = newest_code("sms")
    first.submit(otp=fast)
    assert first.title == "Votre inscription est terminée"
    tab.submit(otp=slow)
    assert tab.title == "Relier Caisse FON à votre compte"
    assert "Vous êtes connecté avec both@example.ch." in tab.text
    tab.submit(birth_date=BORN)
    assert tab.address == other.home_url
    assert rows(Account) == 1
    owners = db.session.scalars(select(InsuredPerson.account_id)).all()
    assert len(owners) == 2
    assert len(set(owners)) == 1


def test_another_browser_that_loses_the_race_must_sign_in_first(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """A thief with a letter of their own and a glance at the mailbox gets no part of the account."""
    slow = up_to_sms(web, portal, letter(services, portal, "P-1"), "both@example.ch", "079 123 45 67")
    code = newest_code("sms")
    fast = Person(web)
    fast.open("/cpx/register/code")
    finish_registration(fast, letter(services, portal, "P-2"), "both@example.ch", "079 123 45 68")
    slow.submit(otp=code)
    assert slow.title == "Connexion à Caisse CPX"
    assert rows(Account) == rows(Session) == 1


def test_two_devices_finishing_one_letter_at_once_make_one_account(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """The newest reservation wins; the other device is told, and neither loses the code before somebody finishes."""
    code = letter(services, portal)
    tablet = up_to_sms(web, portal, code, "tablet@example.ch", "079 123 45 61")
    of_tablet = tablet.filled(otp=newest_code("sms"))
    phone = up_to_sms(web, portal, code, "phone@example.ch", "079 123 45 62")
    of_phone = phone.filled(otp=newest_code("sms"))
    db.session.remove()
    assert press_at_once([(tablet, of_tablet), (phone, of_phone)]) == {303: 2}
    assert rows(Account) == 1
    assert db.session.scalars(select(Account.email)).all() == ["phone@example.ch"]
    tablet.open(tablet.address)
    assert tablet.errors() == ["code"]  # taken or used, by which came first
    tablet.submit(code=code)
    assert "Ce code a déjà servi" in tablet.text
    assert 'href="/cpx/login">Se connecter' in tablet.text


def test_a_device_whose_code_was_taken_is_told_and_may_take_it_back(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    code = letter(services, portal)
    tablet = up_to_sms(web, portal, code, "tablet@example.ch", "079 123 45 61")
    phone = Person(web)
    phone.open("/cpx/register/code")
    phone.submit(code=code)
    tablet.submit(otp=newest_code("sms"))
    assert tablet.title == "Saisissez votre code d’inscription"
    assert "Ce code est utilisé sur un autre appareil" in tablet.text
    assert rows(Account) == 0
    tablet.submit(code=code)
    assert tablet.title == "Saisissez votre adresse e-mail privée"
    assert 'value="tablet@example.ch"' in tablet.text
    phone.open(phone.address)
    assert "Ce code est utilisé sur un autre appareil" in phone.text


@pytest.mark.parametrize("variant", [one for one in VARIANTS if one.journey.name in {"registration", "link"}], ids=str)
def test_a_code_that_was_replaced_ends_the_walk_at_its_next_step(
    web: Flask, services: Services, clock: FrozenClock, variant: Variant
) -> None:
    """Support issues a new letter while the old one is being used: at every step, by a click and by a look."""
    portal = add_portal()
    add_portal("home")
    number = 0
    for step in variant.stops()[1:]:
        for by_click in (True, False):
            number += 1
            world = World(web, services, clock, portal, variant, number)
            world.walk_to(step.name)
            answer = world.right(step.name)
            person = db.session.scalar(select(InsuredPerson).where(InsuredPerson.external_id == f"W-{number}"))
            assert person is not None
            fresh = services.registration_codes.issue(person, db.session.get_one(Portal, portal.id))
            db.session.commit()
            before = (rows(Session), rows(Account))
            if by_click:
                world.person.submit(**answer)
            else:
                world.person.open(world.person.address)
            assert world.person.title == "Saisissez votre code d’inscription", step.name
            assert "Nous ne trouvons pas ce code pour Caisse CPX" in world.person.text
            assert (rows(Session), rows(Account)) == before
            world.person.submit(code=fresh)
            assert world.person.errors() == []


def test_a_code_that_was_used_leads_to_the_sign_in(web: Flask, services: Services, portal: Portal) -> None:
    code = letter(services, portal)
    person = Person(web)
    person.open("/cpx/register/code")
    finish_registration(person, code, "owner@example.ch")
    other = Person(web)
    other.open("/cpx/register/code")
    other.submit(code=code)
    assert "Ce code a déjà servi. Connectez-vous" in other.text
    assert 'class="button second" href="/cpx/login">Se connecter' in other.text


def test_the_last_form_sent_twice_at_once_makes_one_account_and_one_welcome(
    web: Flask, services: Services, portal: Portal
) -> None:
    person = up_to_sms(web, portal, letter(services, portal), "owner@example.ch", "079 123 45 67")
    form = person.filled(otp=newest_code("sms"))
    db.session.remove()
    assert press_at_once([(person, form)] * 2) == {303: 2}
    assert rows(Account) == rows(Session) == 1
    registered = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.REGISTERED.value)
    assert db.session.scalar(registered) == 1
    response = person.client.get(person.address, base_url=ISSUER)
    assert response.status_code in {303, 200}


def test_a_code_is_redeemed_by_the_run_that_holds_it_and_once_of_64_times(
    app: Flask, services: Services, portal: Portal
) -> None:
    letter(services, portal)
    code_id = db.session.scalars(select(RegistrationCode.id)).one()
    holder, other = UUID(int=1), UUID(int=2)
    row = services.registration_codes.holder(code_id)
    assert row is not None
    assert services.registration_codes.reserve(row, holder)
    db.session.commit()
    assert not services.registration_codes.redeem(code_id, other, None)
    db.session.remove()
    barrier = Barrier(64)

    def redeem(_: int) -> bool:
        with app.app_context():
            barrier.wait()
            done = services.registration_codes.redeem(code_id, holder, None)
            db.session.commit()
            return done

    with ThreadPoolExecutor(64) as pool:
        assert Counter(pool.map(redeem, range(64))) == {True: 1, False: 63}
