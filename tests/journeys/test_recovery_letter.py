"""The recovery letter: asked for on H2, announced everywhere, cancelled or used for a new factor (ux.md §4.3)."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter
from idp.models.session import Session
from idp.services.attempts import SMS_CODE
from idp.services.bundle import Services
from idp.services.housekeeping import clean
from idp.services.recovery_letters import expected_by
from tests.actions import PASSWORD
from tests.support.letters import ask, printed
from tests.support.person import Person, newest_code, newest_message
from tests.support.walks import NEW_PASSWORD, add_account, app_code, sent

EMAIL, NUMBER = "helene@example.ch", "+41791234567"
LINK = re.compile(r"http://localhost:8000(/account/letter/cancel\?letter=cc_lt_\w+)")


@pytest.fixture
def account(services: Services, portal: Portal) -> Account:
    return add_account(services, portal, EMAIL, number=NUMBER)


def stuck(web: Flask) -> Person:
    """A fresh browser that knows the password, on H1."""
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email=EMAIL, password=PASSWORD)
    person.open(re.sub("/login/(code|methods)", "/login/help", person.address))
    assert person.title == "Retrouver l’accès à votre compte"
    return person


def on_h2(web: Flask) -> Person:
    person = stuck(web)
    person.open(person.address.replace("/help", "/letter"))
    assert person.title == "Nouveau code par lettre"
    return person


def enter(person: Person, code: str) -> None:
    """From H1 or H2 to what the code leads to."""
    person.submit(form=len(re.findall("<form", person.text.split('value="letter"')[0])) - 1)
    assert person.title == "J’ai reçu la lettre"
    person.submit(letter_code=code)


def letters() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(RecoveryLetter)) or 0


def cancel_link() -> str:
    found = LINK.search(newest_message("mail"))
    assert found
    return found[1]


def test_a_letter_is_asked_for_and_told_by_every_channel(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    person = on_h2(web)
    assert "Rue du Lac" not in person.text
    before = sent()
    person.submit()
    assert "Votre lettre est demandée." in person.text
    assert "Demandée le 27.3.2026, elle devrait arriver d’ici au 3.4.2026." in person.text
    assert "La lettre part à l’adresse enregistrée chez Caisse CPX." in person.text
    assert "votre ancienne méthode reste valable" in person.text
    assert "Rue du Lac" not in person.text
    assert sent() == before + 2
    mail, sms = newest_message("mail"), newest_message("sms", NUMBER)
    assert mail.startswith("Lettre de récupération demandée")
    assert "appelez tout de suite le 058 123 45 67" in mail
    assert LINK.search(mail)
    assert "une lettre avec un nouveau code a été demandée" in sms
    assert "058 123 45 67" in sms
    held = services.recovery_letters.open_at(account.id, portal)
    assert held is not None
    assert (held.printed_at, held.code_id) == (None, None)
    tags = db.session.scalars(select(AuditEvent.tag)).all()
    assert "person:recovery_letter:create" in tags


def test_an_account_without_a_number_is_told_by_mail(web: Flask, services: Services, portal: Portal) -> None:
    add_account(services, portal, EMAIL, "app")
    before = sent()
    on_h2(web).submit()
    assert sent() == before + 1


def test_a_get_asks_for_nothing(web: Flask, account: Account) -> None:
    person = on_h2(web)
    for _ in range(3):
        person.open(person.address)
    person.open(person.address + "&asked=yes&letter=wanted")
    assert letters() == 0


def test_one_letter_a_day_and_the_page_says_from_when_on(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    person = on_h2(web)
    form = person.filled()
    person._arrive(*person.post(form))
    for _ in range(2):
        person._arrive(*person.post(form))
    assert (letters(), sent()) == (1, 3)  # of which one is the code of the sign-in
    assert 'value="wanted"' not in person.text
    printed(services, portal)
    clock.advance(timedelta(hours=3))
    again = on_h2(web)
    assert "Vous pourrez demander une autre lettre à partir de 28.3.2026, 14:30." in again.text
    again._arrive(*again.post((again.address, form[1] | {"csrf_token": again.filled()[1]["csrf_token"]})))
    assert letters() == 1
    clock.advance(timedelta(hours=21))
    again = on_h2(web)
    again.submit(form=1)
    assert letters() == 2


def test_a_letter_that_waits_is_not_asked_for_twice(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    first = ask(services, account, portal)
    clock.advance(timedelta(days=2))
    assert ask(services, account, portal) is first
    assert 'value="wanted"' not in on_h2(web).text
    assert len(printed(services, portal)) == letters() == 1


@pytest.mark.parametrize("factor", ["sms", "app"])
def test_the_letter_leads_to_a_new_method_and_ends_what_was_open(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock, factor: str
) -> None:
    account = db.session.scalars(select(Account)).one()
    clock.advance(timedelta(minutes=2))
    ask(services, account, portal)
    (code,) = printed(services, portal)
    clock.advance(timedelta(days=4))
    lost = stuck(web)
    enter(lost, code.lower())
    assert lost.title == "Choisissez votre nouvelle méthode"
    db.session.rollback()
    assert services.accounts.factors(account.id).phone == NUMBER  # until the new one is proved
    row = db.session.scalars(select(RegistrationCode).where(RegistrationCode.purpose == "recover")).one()
    assert (row.redeemed_at, row.reserved_by is not None) == (None, True)
    lost.submit(factor=factor, mobile="079 999 88 77")
    seed = lost.text.split('data-copy="')[1].split('"')[0] if factor == "app" else ""
    lost.submit(otp=app_code(clock, seed) if seed else newest_code("sms"))
    assert lost.address == portal.home_url
    assert "Méthode de connexion modifiée" in newest_message("mail")
    db.session.rollback()
    factors = services.accounts.factors(account.id)
    assert factors.names == (factor,)
    assert factors.phone in {None, "+41799998877"}
    assert row.redeemed_at == clock.now()
    open_ones = db.session.scalars(select(Session.auth_time).where(Session.ended_at.is_(None))).all()
    assert open_ones == [clock.now()]


def test_the_old_method_stays_until_then(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    ask(services, account, portal)
    (code,) = printed(services, portal)
    lost = stuck(web)
    enter(lost, code)
    clock.advance(timedelta(minutes=1))
    owner = Person(web)
    owner.open("/cpx/login")
    owner.submit(email=EMAIL, password=PASSWORD)
    owner.submit(otp=newest_code("sms"))
    assert owner.address == portal.home_url


def test_a_new_password_with_the_letter(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    ask(services, account, portal)
    (code,) = printed(services, portal)
    forgetful = Person(web)
    forgetful.open("/cpx/reset")
    forgetful.submit(email=EMAIL)
    forgetful.submit(otp=newest_code("mail"))
    forgetful.open(forgetful.address.replace("/reset/factor", "/reset/help"))
    enter(forgetful, code)
    forgetful.submit(factor="sms", mobile="079 999 88 77")
    forgetful.submit(otp=newest_code("sms"))
    forgetful.submit(password=NEW_PASSWORD)
    assert forgetful.title == "Mot de passe modifié"
    assert services.accounts.factors(account.id).phone == "+41799998877"


def test_it_is_asked_for_on_the_way_to_a_new_password_too(web: Flask, account: Account) -> None:
    forgetful = Person(web)
    forgetful.open("/cpx/reset")
    forgetful.submit(email=EMAIL)
    forgetful.open(forgetful.address.replace("/reset/code", "/reset/letter"))
    assert forgetful.title == "Consultez votre boîte e-mail"  # the address is not proved yet
    forgetful.submit(otp=newest_code("mail"))
    forgetful.open(forgetful.address.replace("/reset/factor", "/reset/letter"))
    forgetful.submit()
    assert "Votre lettre est demandée." in forgetful.text
    assert letters() == 1


def test_a_locked_method_does_not_keep_the_letter_from_its_owner(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    ask(services, account, portal)
    (code,) = printed(services, portal)
    for _ in range(5):
        services.attempts.pay(SMS_CODE, str(account.id))
    lost = Person(web)
    lost.open("/cpx/login")
    lost.submit(email=EMAIL, password=PASSWORD)
    assert lost.title == "Choisissez une méthode"
    assert 'value="sms"' not in lost.text
    lost.submit(method="letter")
    lost.submit(letter_code=code)
    lost.submit(factor="sms", mobile="079 999 88 77")
    lost.submit(otp=newest_code("sms"))
    assert lost.address == portal.home_url
    assert services.attempts.refusal(SMS_CODE, str(account.id)) is None


def test_the_link_of_the_mail_asks_and_the_button_cancels(
    web: Flask, services: Services, portal: Portal, account: Account
) -> None:
    on_h2(web).submit()
    link, owner = cancel_link(), Person(web)
    owner.open(link)
    assert owner.title == "Annuler la lettre"
    assert "demandée le 27.3.2026" in owner.text
    owner.submit()
    assert owner.title == "La lettre est annulée"
    assert "cc_lt_" not in owner.address
    assert 'href="/cpx/reset"' in owner.text
    assert newest_message("mail").startswith("Lettre de récupération annulée")
    assert printed(services, portal) == []
    owner.open(link)
    assert (owner.page.status_code, owner.title) == (410, "Cette lettre ne peut plus être annulée")


def test_the_owner_cancels_in_the_account(web: Flask, services: Services, portal: Portal, person: Person) -> None:
    person.open("/account/security")
    assert "Annuler la lettre" not in person.text
    ask(services, db.session.scalars(select(Account)).one(), portal)
    printed(services, portal)
    person.open("/account/security")
    assert "Une lettre avec un nouveau code a été demandée le 27.3.2026." in person.text
    person.submit()
    assert "Modification enregistrée." in person.text
    assert "Annuler la lettre" not in person.text
    row = db.session.scalars(select(RegistrationCode).where(RegistrationCode.purpose == "recover")).one()
    assert row.revoked_at is not None


def test_a_new_password_or_method_voids_what_is_on_its_way(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    account = db.session.scalars(select(Account)).one()
    for number, (path, answers) in enumerate(
        {
            "password": [{"password": NEW_PASSWORD}],
            "mobile": [{"mobile": "079 999 88 77"}, {}],
        }.items()
    ):
        ask(services, account, portal)
        if number:
            printed(services, portal)
        person.open(f"/cpx/account/{path}")
        for answer in answers:
            person.submit(**answer or {"otp": newest_code("sms")})
        assert person.title == "Sécurité"
        db.session.rollback()
        assert services.recovery_letters.open_of(account.id) == []
        clock.advance(timedelta(hours=25))
        person.open("/cpx/login")
        person.submit(email=EMAIL, password=NEW_PASSWORD)
        person.submit(otp=newest_code("sms"))


def test_a_request_that_nobody_prints_lapses_and_old_rows_go(
    web: Flask, services: Services, portal: Portal, account: Account, clock: FrozenClock
) -> None:
    ask(services, account, portal)
    clock.advance(timedelta(days=30))
    assert services.recovery_letters.compose(portal) == []
    assert services.recovery_letters.open_of(account.id) == []
    clean(clock.now())
    assert letters() == 1
    clock.advance(timedelta(days=371))
    clean(clock.now())
    assert letters() == 0


def test_whoever_has_no_record_at_this_portal_is_offered_no_letter(
    web: Flask, services: Services, portal: Portal, account: Account
) -> None:
    record = services.accounts.record_of(account.id, portal.id)
    assert record is not None
    record.account_id = None
    db.session.commit()
    person = stuck(web)
    assert "/login/letter" not in person.text
    person.open(person.address.replace("/help", "/letter"))
    assert person.title == "Saisissez le code SMS"


def test_the_data_of_a_person_names_their_letters(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    ask(services, db.session.scalars(select(Account)).one(), portal)
    person.open("/account/data.json")
    (held,) = person.page.get_json()["recovery_letters"]
    assert held["portal"] == "cpx"
    assert held["requested_at"].startswith("2026-03-27")
    person.open("/account/data")
    assert "Lettres de récupération" in person.text


def test_nobody_is_told_a_day_at_the_weekend(clock: FrozenClock) -> None:
    assert expected_by(clock.now()) == date(2026, 4, 3)  # from a Friday
    assert expected_by(clock.now() + timedelta(days=1)) == date(2026, 4, 3)
    assert expected_by(clock.now() + timedelta(days=3)) == date(2026, 4, 6)


def test_no_message_and_no_row_holds_the_code(web: Flask, services: Services, portal: Portal, account: Account) -> None:
    ask(services, account, portal)
    (code,) = printed(services, portal)
    held = [str(vars(row)) for row in db.session.scalars(select(RegistrationCode))]
    held += [str(vars(row)) for row in db.session.scalars(select(RecoveryLetter))]
    held += [services.outbox.open(row).text for row in db.session.scalars(select(OutboxMessage))]
    assert len(held) >= 4
    assert not [row for row in held if code in row]
