"""F-12, F-15, F-16, C-27, C-28: a one-time code serves once, in its own walk, for its own person."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pyotp
import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import TOTPSecret
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.flow import FlowRun
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter
from tests.support.person import Person, newest_code
from tests.support.walks import BORN, SEED, add_account, app_code

pytestmark = pytest.mark.both_engines

PARALLEL = 64
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def at_second_factor(web: Flask, email: str) -> Person:
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email=email, password=PASSWORD)
    assert "/login/code" in person.address
    return person


def sessions() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Session)) or 0


def at_once(people: list[Person], code: str) -> Counter[str]:
    """Everybody presses the button in the same moment; where each ends: inside, or refused."""
    barrier = Barrier(len(people))
    forms = [person.filled(otp=code) for person in people]

    def press(at: int) -> str:
        barrier.wait()
        response, _ = people[at].post(forms[at])
        return "in" if response.headers["Location"].startswith("https://cpx.example.ch") else "out"

    with ThreadPoolExecutor(len(people)) as pool:
        return Counter(pool.map(press, range(len(people))))


def test_of_64_sign_ins_with_one_app_code_one_succeeds(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch", "app")
    people = [at_second_factor(web, "a@example.ch") for _ in range(PARALLEL)]
    db.session.remove()
    assert at_once(people, app_code(clock))["in"] == 1
    assert sessions() == 1


@pytest.mark.parametrize("tabs_open", [4, PARALLEL])
def test_of_many_tabs_with_one_texted_code_one_succeeds(
    web: Flask, services: Services, portal: Portal, tabs_open: int
) -> None:
    """Each click pays for its guess first, so that 64 at once may also lock: never two, and of a few always one."""
    add_account(services, portal, "a@example.ch")
    first = at_second_factor(web, "a@example.ch")
    tabs = []
    browser = first.client.get_cookie("connect_browser")
    assert browser is not None
    for _ in range(tabs_open):
        tab = Person(web)
        tab.client.set_cookie("connect_browser", browser.value)
        tab.open(first.address)
        tabs.append(tab)
    code = newest_code("sms")
    db.session.remove()
    inside = at_once(tabs, code)["in"]
    assert inside == sessions()
    assert inside == 1 or (tabs_open == PARALLEL and inside == 0)


@pytest.mark.parametrize("spelling", [None, FULL_WIDTH, ARABIC], ids=["ASCII", "full-width", "Arabic"])
def test_an_app_code_that_was_used_is_refused_however_it_is_written(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, spelling: dict[int, int] | None
) -> None:
    add_account(services, portal, "a@example.ch", "app")
    code = app_code(clock)
    person = at_second_factor(web, "a@example.ch")
    person.submit(otp=code.translate(spelling or {}))
    assert person.address == portal.home_url
    for again in (code, f" {code[:3]} {code[3:]} ", code.translate(FULL_WIDTH), code.translate(ARABIC)):
        other = at_second_factor(web, "a@example.ch")
        other.submit(otp=again)
        assert other.errors() == ["otp"]
    assert sessions() == 1


def test_only_this_step_and_its_neighbours_count_and_never_an_older_one_after_a_newer(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch", "app")
    totp, now = pyotp.TOTP(SEED), clock.now()
    for offset in (-60, 60):
        person = at_second_factor(web, "a@example.ch")
        person.submit(otp=totp.at(now + timedelta(seconds=offset)))
        assert "L’heure de votre téléphone n’est pas juste" in person.text
    person = at_second_factor(web, "a@example.ch")
    person.submit(otp=totp.at(now + timedelta(seconds=30)))  # a phone that is a little fast
    assert person.address == portal.home_url
    for offset in (30, 0, -30):
        person = at_second_factor(web, "a@example.ch")
        person.submit(otp=totp.at(now + timedelta(seconds=offset)))
        assert person.errors() == ["otp"], offset


def test_a_texted_code_of_one_walk_is_nothing_in_another(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch")
    first = at_second_factor(web, "a@example.ch")
    of_first = newest_code("sms")
    second = at_second_factor(web, "a@example.ch")
    of_second = newest_code("sms")
    second.submit(otp=of_first)
    assert second.errors() == ["otp"]
    first.submit(otp=of_second)
    assert first.errors() == ["otp"]
    first.submit(otp=of_first)
    assert first.address == portal.home_url
    assert sessions() == 1


def test_a_code_of_one_person_is_nothing_for_another(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch", "sms", "+41791111111")
    add_account(services, portal, "b@example.ch", "sms", "+41792222222")
    at_second_factor(web, "a@example.ch")
    of_a = newest_code("sms")
    other = at_second_factor(web, "b@example.ch")
    other.submit(otp=of_a)
    assert other.errors() == ["otp"]
    assert sessions() == 0


def test_a_mailed_code_is_no_texted_code_and_the_other_way_round(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="new@example.ch")
    mailed = newest_code("mail")
    person.submit(otp=mailed)
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile="079 123 45 67")
    assert person.title == "Saisissez le code SMS"
    texted = newest_code("sms")
    if mailed != texted:
        person.submit(otp=mailed)
        assert person.errors() == ["otp"]
    person.submit(otp=texted)
    assert person.title == "Votre inscription est terminée"


def test_a_code_before_the_password_is_not_even_judged(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for factor, email in (("app", "a@example.ch"), ("sms", "b@example.ch")):
        add_account(services, portal, email, factor)
        person = Person(web)
        person.open("/cpx/login")
        handle = person.address.split("f=")[1]
        _, fields = person.filled(otp=app_code(clock), email=email, method=factor)
        response, _ = person.post((f"/cpx/login/code?f={handle}", fields))
        assert response.headers["Location"] == f"/cpx/login?f={handle}"
    assert sessions() == 0
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == 0
    assert db.session.scalars(select(TOTPSecret.last_step)).all() == [0]


def test_the_seed_is_shown_while_it_is_set_up_and_never_again(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="new@example.ch")
    person.submit(otp=newest_code("mail"))
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="app")
    seed, enrolment = person.text.split('data-copy="')[1].split('"')[0], person.address
    other = Person(web)
    other.open(enrolment)  # the address alone shows it to nobody else
    assert seed not in other.text
    for wrong in ("000000", "123456"):
        person.submit(otp=wrong)
        assert person.errors() == ["otp"]
    assert db.session.scalar(select(func.count()).select_from(TOTPSecret)) == 0
    person.submit(otp=app_code(clock, seed))
    assert person.title == "Votre inscription est terminée"
    for address in (enrolment, person.address, "/account", "/cpx/login", enrolment.replace("app", "details")):
        person.open(address)
        assert seed not in person.text, address
    db.session.rollback()
    for run in db.session.scalars(select(FlowRun)):
        assert run.entries == {}
        assert "argon2" not in str(run.state)  # nothing of it stays behind in the walk
    secret = db.session.scalars(select(TOTPSecret)).one()
    assert seed not in secret.sealed_seed


def test_a_seed_that_was_shown_but_not_proved_opens_nothing(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Choosing SMS after all leaves the shown seed behind: it is not the person's factor."""
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="new@example.ch")
    person.submit(otp=newest_code("mail"))
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="app", mobile="079 123 45 67")
    seed = person.text.split('data-copy="')[1].split('"')[0]
    person.press("switch")
    person.submit(factor="sms", mobile="079 123 45 67", terms="yes", birth_date=BORN)
    assert person.title == "Saisissez le code SMS"
    person.submit(otp=newest_code("sms"))
    assert person.title == "Votre inscription est terminée"
    clock.advance(timedelta(hours=13))
    later = at_second_factor(web, "new@example.ch")
    assert later.title == "Saisissez le code SMS"
    later.submit(otp=app_code(clock, seed))
    assert later.errors() == ["otp"]
    later.open(f"/cpx/login/methods?f={later.address.split('f=')[1]}")
    later.submit(method="app")
    assert later.errors() == ["method"]
