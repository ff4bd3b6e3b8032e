"""F-38, N-14: a recovery letter lets in its own account's owner alone, once; no forgery, flood or theft helps."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import LOGIN
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.registration_codes import generate
from tests.actions import PASSWORD, letter, link
from tests.support.builders import add_person, add_portal
from tests.support.instances import Instances
from tests.support.letters import ask, printed
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.prepared import Stand, stand
from tests.support.walks import add_account, sent

ANNA, BRUNO = "anna@example.ch", "bruno@example.ch"
UNKNOWN = "Nous ne trouvons pas ce code"
CLIENTS = 64


@pytest.fixture
def anna(services: Services, portal: Portal) -> Account:
    return add_account(services, portal, ANNA, number="+41791111111")


@pytest.fixture
def bruno(services: Services, portal: Portal) -> Account:
    return add_account(services, portal, BRUNO, number="+41792222222")


def before_the_code(web: Flask, email: str, slug: str = "cpx") -> Person:
    """A fresh browser that knows the password and is asked for the letter's code."""
    person = Person(web)
    person.open(f"/{slug}/login")
    person.submit(email=email, password=PASSWORD)
    person.open(re.sub("/login/(code|methods)", "/login/methods", person.address))
    person.submit(method="letter")
    assert person.title == "J’ai reçu la lettre"
    return person


def rows(model: type[RecoveryLetter] | type[Session] | type[OutboxMessage]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def secret_of_the_mail(to: str) -> str:
    found = re.search(r"letter=(cc_lt_\w+)", newest_message("mail", to))
    assert found
    return found[1]


def test_the_code_of_one_person_is_nothing_in_the_account_of_another(
    web: Flask, services: Services, portal: Portal, anna: Account, bruno: Account
) -> None:
    for account in (anna, bruno):
        ask(services, account, portal)
    code_of_anna, code_of_bruno = printed(services, portal)
    assert type(services.registration_codes.look_up_recovery(portal, bruno.id, code_of_anna)).__name__ == "Unknown"
    thief = before_the_code(web, BRUNO)
    thief.submit(letter_code=code_of_anna)
    assert UNKNOWN in thief.text
    thief.submit(letter_code=code_of_bruno)
    assert thief.title == "Choisissez votre nouvelle méthode"
    anna_herself = before_the_code(web, ANNA)
    anna_herself.submit(letter_code=code_of_anna)
    assert anna_herself.title == "Choisissez votre nouvelle méthode"


def test_the_code_of_one_portal_is_nothing_at_another(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    link(services, other, ANNA)
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    clock.advance(timedelta(days=1))
    ask(services, anna, other)
    (code_elsewhere,) = printed(services, other)
    for slug, foreign in (("cpx", code_elsewhere), ("fon", code)):
        person = before_the_code(web, ANNA, slug)
        person.submit(letter_code=foreign)
        assert UNKNOWN in person.text


def test_a_code_to_register_and_a_code_to_recover_are_nothing_in_each_others_place(
    web: Flask, services: Services, portal: Portal, anna: Account
) -> None:
    to_register = letter(services, portal)
    ask(services, anna, portal)
    (to_recover,) = printed(services, portal)
    record = services.accounts.record_of(anna.id, portal.id)
    assert record is not None
    her_own = services.registration_codes.issue(record, portal)
    db.session.commit()
    person = before_the_code(web, ANNA)
    for code in (to_register, her_own):
        person.submit(letter_code=code)
        assert UNKNOWN in person.text
    newcomer = Person(web)
    newcomer.open("/cpx/register/code")
    newcomer.submit(code=to_recover)
    assert UNKNOWN in newcomer.text
    person.open("/cpx/link/code")
    person.submit(code=to_recover)
    assert UNKNOWN in person.text
    newcomer.submit(code=to_register)
    assert newcomer.title == "Saisissez votre adresse e-mail privée"


def test_new_codes_of_one_purpose_leave_those_of_the_other(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    ask(services, anna, portal)
    (first,) = printed(services, portal)
    record = services.accounts.record_of(anna.id, portal.id)
    assert record is not None
    services.registration_codes.issue(record, portal)
    db.session.commit()
    assert type(services.registration_codes.look_up_recovery(portal, anna.id, first)).__name__ == "Found"
    clock.advance(timedelta(days=1))
    ask(services, anna, portal)
    (second,) = printed(services, portal)
    found = [services.registration_codes.look_up_recovery(portal, anna.id, code) for code in (first, second)]
    assert [type(one).__name__ for one in found] == ["Unknown", "Found"]
    purposes = db.session.scalars(select(RegistrationCode.purpose).where(RegistrationCode.revoked_at.is_(None)))
    assert sorted(purposes) == ["recover", "register"]


def test_a_used_code_is_used_and_an_expired_one_expired(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    owner = before_the_code(web, ANNA)
    late = before_the_code(web, ANNA)
    owner.submit(letter_code=code)
    owner.submit(factor="sms", mobile="079 999 88 77")
    owner.submit(otp=newest_code("sms"))
    assert owner.address == portal.home_url
    late.submit(letter_code=code)
    assert late.errors() == ["letter_code"]
    assert "Ce code a déjà servi" in late.text
    clock.advance(timedelta(days=1))
    ask(services, anna, portal)
    (second,) = printed(services, portal)
    clock.advance(timedelta(days=31))
    waiting = ask(services, anna, portal)  # so that the way is open
    assert isinstance(waiting, RecoveryLetter)
    late = before_the_code(web, ANNA)
    late.submit(letter_code=second)
    assert "Ce code a expiré le 27.4.2026. Demandez une nouvelle lettre" in late.text


def test_a_code_taken_to_another_device_is_no_longer_good_on_the_first(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    first, second = before_the_code(web, ANNA), before_the_code(web, ANNA)
    first.submit(letter_code=code)
    first.submit(factor="app")
    second.submit(letter_code=code)
    first.submit(otp="000000")
    assert first.title == "J’ai reçu la lettre"
    assert first.errors() == ["letter_code"]
    second.submit(factor="sms", mobile="079 999 88 77")
    second.submit(otp=newest_code("sms"))
    assert second.address == portal.home_url


def test_a_cancelled_letter_stops_even_a_walk_that_entered_its_code(
    web: Flask, services: Services, portal: Portal, anna: Account
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    thief = before_the_code(web, ANNA)
    thief.submit(letter_code=code)
    thief.submit(factor="sms", mobile="079 999 88 77")
    otp, owner = newest_code("sms"), Person(web)
    owner.open(f"/account/letter/cancel?letter={secret_of_the_mail(ANNA)}")
    owner.submit()
    assert owner.title == "La lettre est annulée"
    thief.submit(otp=otp)
    assert thief.errors() == ["letter_code"]
    assert UNKNOWN in thief.text
    thief.submit(letter_code=code)
    assert UNKNOWN in thief.text
    assert rows(Session) == 0
    assert services.accounts.factors(anna.id).phone == "+41791111111"


def test_a_password_changed_meanwhile_ends_the_walk_and_the_letter(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    thief = before_the_code(web, ANNA)
    thief.submit(letter_code=code)
    clock.advance(timedelta(minutes=1))
    owner = Person(web)
    owner.open("/cpx/reset")
    owner.submit(email=ANNA)
    owner.submit(otp=newest_code("mail"))
    owner.submit(otp=newest_code("sms"))
    owner.submit(password="neun kamele am waldrand")
    assert owner.title == "Mot de passe modifié"
    thief.submit(factor="app")
    assert "Connexion à" in thief.title
    db.session.rollback()
    assert type(services.registration_codes.look_up_recovery(portal, anna.id, code)).__name__ == "Unknown"


FORGED = ["", "x", "cc_lt_", "cc_lt_" + "A" * 43, "%00", "cc_lt_%0d%0a", "A" * 3000, "' OR 1=1 --", "<script>"]


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
def test_a_forged_link_cancels_nothing(
    web: Flask, services: Services, portal: Portal, anna: Account, forged: str
) -> None:
    ask(services, anna, portal)
    browser = Person(web)
    browser.open("/cpx/login")
    for form in (False, True):
        fields = {"letter": forged.replace("%00", "x"), "csrf_token": browser.filled()[1]["csrf_token"]}
        answer = (
            browser.client.post("/account/letter/cancel", data=fields, base_url=ISSUER, headers={"Origin": ISSUER})
            if form
            else browser.client.get(f"/account/letter/cancel?letter={forged}", base_url=ISSUER)
        )
        assert answer.status_code in {400, 410}
        assert ANNA not in answer.text
    assert len(printed(services, portal)) == 1


def test_a_scanner_of_mails_that_follows_every_link_cancels_nothing(
    web: Flask, services: Services, portal: Portal, anna: Account
) -> None:
    ask(services, anna, portal)
    link_of_anna = f"/account/letter/cancel?letter={secret_of_the_mail(ANNA)}"
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        scanner = web.test_client()
        assert scanner.open(link_of_anna, method=method, base_url=ISSUER).status_code == 200
    for headers in ({}, {"Origin": ISSUER}, {"Origin": "https://evil.example"}):
        assert web.test_client().post(link_of_anna, base_url=ISSUER, headers=headers).status_code == 403
    assert len(printed(services, portal)) == 1


def test_nobody_cancels_the_letter_of_another_account(
    web: Flask, services: Services, portal: Portal, anna: Account, person: Person
) -> None:
    letter_of_anna = ask(services, anna, portal)
    assert isinstance(letter_of_anna, RecoveryLetter)
    mine = ask(services, db.session.scalars(select(Account).where(Account.id != anna.id)).one(), portal)
    assert isinstance(mine, RecoveryLetter)
    wanted = str(letter_of_anna.id)
    person.open("/account/security")
    assert wanted not in person.text
    person.submit(letter=wanted)
    assert "Modification enregistrée." not in person.text
    assert len(services.recovery_letters.compose(portal)) == 2
    anonymous = Person(web)
    anonymous.open("/cpx/login")
    token = anonymous.filled()[1]["csrf_token"]
    answer = anonymous.client.post(
        "/account/security/letter/cancel", data={"letter": wanted, "csrf_token": token}, base_url=ISSUER,
        headers={"Origin": ISSUER},
    )  # fmt: skip
    assert answer.headers["Location"] == "/?then=security"
    assert len(services.recovery_letters.compose(portal)) == 2


def test_without_the_password_no_letter_is_asked_for(web: Flask, anna: Account) -> None:
    stranger = Person(web)
    stranger.open("/cpx/login")
    token, handle = stranger.filled()[1]["csrf_token"], stranger.address.split("f=")[1]
    fields, before = {"letter": "wanted", "csrf_token": token}, sent()
    for address in (f"/cpx/login/letter?f={handle}", "/cpx/login/letter", f"/cpx/reset/letter?f={handle}"):
        answer = stranger.client.post(address, data=fields, base_url=ISSUER, headers={"Origin": ISSUER})
        assert answer.status_code in {303, 410}
    assert rows(RecoveryLetter) == 0
    assert sent() == before


def request(app: Flask, where: Stand, _: int) -> int:
    return where.post(app, letter="wanted").status_code


def test_a_flood_of_requests_is_one_letter_and_two_notices(
    web: Flask, services: Services, portal: Portal, anna: Account, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    now = clock.now().isoformat()
    one = stand(
        services, portal, LOGIN, "credentials", account_id=str(anna.id), proved_at=now, passkey_id="", method="sms"
    )
    db.session.commit()
    where = Stand(one.address.replace("/login?", "/login/letter?"), one.secret, one.run_id)
    ((*outcome,),) = instances.race(environment, clock.now(), request, [where], CLIENTS)
    assert set(outcome) <= {303, 429}
    assert rows(RecoveryLetter) == 1
    assert rows(OutboxMessage) == 2
    for day in range(1, 4):
        clock.advance(timedelta(days=1))
        printed(services, portal)
        ask(services, anna, portal)
        ask(services, anna, portal)
        assert rows(RecoveryLetter) == 1 + day


def redeem(app: Flask, shown: tuple[UUID, UUID], _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        is_redeemed = bundle.registration_codes.redeem(*shown, None)
        db.session.commit()
        return is_redeemed


def finish(app: Flask, answer: tuple[Stand, str], _: int) -> str:
    where, otp = answer
    return where.post(app, otp=otp).headers.get("Location", "")


def test_of_many_who_finish_with_one_letter_at_once_one_gets_in(
    web: Flask, services: Services, portal: Portal, anna: Account, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    owner = before_the_code(web, ANNA)
    owner.submit(letter_code=code)
    owner.submit(factor="sms", mobile="079 999 88 77")
    secret = owner.client.get_cookie("connect_browser")
    assert secret is not None
    where, otp = Stand(owner.address, secret.value, UUID(int=0)), newest_code("sms")
    ((*outcome,),) = instances.race(environment, clock.now(), finish, [(where, otp)], CLIENTS)
    assert outcome.count(portal.home_url) >= 1
    assert rows(Session) == 1
    row = db.session.scalars(select(RegistrationCode)).one()
    assert row.reserved_by is not None
    shown = (row.id, row.reserved_by)
    ((*again,),) = instances.race(environment, clock.now(), redeem, [shown], CLIENTS)
    assert Counter(again) == {False: CLIENTS}


def cancel(app: Flask, ident: UUID, _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        found = db.session.get_one(RecoveryLetter, ident)
        is_cancelled = bundle.recovery_letters.cancel(found)
        db.session.commit()
        return is_cancelled


def cancel_or_redeem(app: Flask, shown: tuple[UUID, UUID, UUID], number: int) -> tuple[str, bool]:
    ident, code_id, run_id = shown
    if number % 2:
        return "cancelled", cancel(app, ident, number)
    return "redeemed", redeem(app, (code_id, run_id), number)


def test_a_letter_is_cancelled_or_used_and_never_both(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    rounds, holder = [], UUID(int=1)
    for number in range(6):
        account = add_account(services, portal, f"p{number}@example.ch", number=f"+4179333000{number}")
        ask(services, account, portal)
    printed(services, portal)
    for row in db.session.scalars(select(RecoveryLetter)).all():
        assert row.code is not None
        assert services.registration_codes.reserve(row.code, holder)
        rounds.append((row.id, row.code.id, holder))
    db.session.commit()
    for outcome in instances.race(environment, clock.now(), cancel_or_redeem, rounds, CLIENTS):
        assert [name for name, is_done in outcome if is_done] in (["cancelled"], ["redeemed"])
    db.session.rollback()
    states = {row.state(clock.now()) for row in db.session.scalars(select(RecoveryLetter))}
    assert states <= {"used", "cancelled"}


def test_the_record_of_another_is_no_way_in_after_it_was_tied_anew(
    web: Flask, services: Services, portal: Portal, anna: Account
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    walk = before_the_code(web, ANNA)
    record = services.accounts.record_of(anna.id, portal.id)
    assert record is not None
    record.account_id = None
    db.session.commit()
    add_person(portal, "P-9")
    walk.submit(letter_code=code)
    assert UNKNOWN in walk.text


def test_guesses_are_counted_over_every_session_and_typing_errors_are_none(
    web: Flask, services: Services, portal: Portal, anna: Account, clock: FrozenClock
) -> None:
    ask(services, anna, portal)
    (code,) = printed(services, portal)
    people = [before_the_code(web, ANNA) for _ in range(3)]
    people[0].submit(letter_code=code[:11] + ("0" if code[11] != "0" else "1"))
    assert "Un caractère n’est pas juste" in people[0].text
    people[0].submit(letter_code="")
    assert "Saisissez le code de votre lettre" in people[0].text
    for number in range(5):
        people[number % 2].submit(letter_code=generate(services.random))
    for person in people:
        person.open(person.address)
        assert person.title == "Choisissez une méthode"
        assert 'value="letter"' not in person.text
    assert "Code reçu par lettre</strong>: trop d’essais, fermé jusqu’à 14:45" in people[0].text
    clock.advance(timedelta(minutes=15))
    owner = before_the_code(web, ANNA)
    owner.submit(letter_code=code)
    assert owner.title == "Choisissez votre nouvelle méthode"
