"""F-19, C-04, C-05, C-10, C-13: started as A, finished as B, at each step and with each thing that can be swapped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account, Phone
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter, sign_in
from tests.support.builders import add_person, add_portal
from tests.support.fingerprint import changes, fingerprint
from tests.support.person import ISSUER, Person, newest_code
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of
from tests.support.walks import BORN, VARIANTS, Variant, World, add_account, app_code, cells, waiting_handle, walked

pytestmark = pytest.mark.generated


@pytest.fixture
def world(web: Flask, services: Services, clock: FrozenClock) -> Callable[[Variant], World]:
    portal, numbers = add_portal(), count(1)
    add_portal("home")

    def make(variant: Variant) -> World:
        clock.advance(timedelta(hours=1))
        return World(web, services, clock, portal, variant, next(numbers))

    return make


def test_the_walk_of_another_browser_is_neither_shown_nor_moved(world: Callable[[Variant], World]) -> None:
    """Every step's address, form and second buttons, from a browser with its own cookie and its own valid token."""
    for variant, stop in cells("of another browser", walked()):
        victim, step = world(variant), stop.name
        victim.walk_to(step)
        thief = Person(victim.web)
        thief.open(f"/{victim.portal.slug}/login")
        token = thief.filled()[1]["csrf_token"]
        held = fingerprint()
        for path in dict.fromkeys(variant.journey.paths.values()):
            address = f"/{victim.portal.slug}/{path}?f={victim.handle}"
            response = thief.client.get(address, base_url=ISSUER)
            assert response.status_code == 303, (variant, step, path)
            assert victim.handle not in response.headers["Location"]
            for suffix in ("", "/do/resend", "/do/switch", "/do/existing"):
                form = {**victim.right(step), "csrf_token": token, "nonce": "n"}
                posted, _ = thief.post((address.replace("?", suffix + "?"), form))
                assert posted.status_code == 303
                assert victim.handle not in posted.headers["Location"]
        assert changes(held, fingerprint()) == {}, (variant, step)
        victim.finish(step)


def test_a_run_serves_its_own_journey_and_portal_only(world: Callable[[Variant], World]) -> None:
    other = add_portal("fon")
    journeys = {one.journey.name: one.journey for one in VARIANTS}.values()
    for variant, stop in cells("own journey", walked()):
        mine, step = world(variant), stop.name
        mine.walk_to(step)
        form, held = mine.person.filled(**mine.right(step))[1], fingerprint()
        for journey in journeys:
            for path in dict.fromkeys(journey.paths.values()):
                for slug in (mine.portal.slug, other.slug):
                    if slug == mine.portal.slug and journey is variant.journey:
                        continue
                    address = f"/{slug}/{path}?f={mine.handle}"
                    assert mine.person.client.get(address, base_url=ISSUER).status_code == 410
                    assert mine.person.post((address, form))[0].status_code == 410
        done = mine.person.client.get(f"/{other.slug}/register/done?f={mine.handle}", base_url=ISSUER)
        assert done.status_code == 303
        assert changes(held, fingerprint()) == {}
        mine.finish(step)


def test_the_page_at_the_end_belongs_to_its_portal_and_browser(
    web: Flask, services: Services, world: Callable[[Variant], World]
) -> None:
    other = add_portal("fon")
    mine = world(VARIANTS[0])
    mine.walk_to("sms_code")
    mine.finish("sms_code")
    address = mine.person.address
    assert mine.email in mine.person.text
    thief = Person(web)
    thief.open("/cpx/login")
    for person, where in ((thief, address), (mine.person, address.replace("/cpx/", f"/{other.slug}/"))):
        person.open(where)
        assert mine.email not in person.text


def test_an_address_that_is_changed_after_its_code_was_sent_needs_its_own_code(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """C-35: what was mailed to A proves nothing about B, however the two are interleaved in two tabs."""
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="mine@example.ch")
    of_mine = newest_code("mail")
    code_form = person.filled(otp=of_mine)
    person.open(person.address.replace("email-code", "email"))
    person.submit(email="victim@example.ch")
    person._arrive(*person.post(code_form))
    assert person.title == "Consultez votre boîte e-mail"
    assert person.errors() == ["otp"]
    person.submit(otp=newest_code("mail"))
    assert person.title == "Complétez vos données"
    assert 'value="victim@example.ch"' in person.text
    person.open(person.address.replace("details", "email"))
    person.submit(email="third@example.ch")  # proved, then changed: the proof is forgotten
    assert person.title == "Consultez votre boîte e-mail"


def test_a_number_that_is_changed_after_its_code_was_sent_needs_its_own_code(
    web: Flask, services: Services, portal: Portal
) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="mine@example.ch")
    person.submit(otp=newest_code("mail"))
    details = {"birth_date": BORN, "password": PASSWORD, "terms": "yes", "factor": "sms"}
    person.submit(**details, mobile="079 111 11 11")
    of_first, form = newest_code("sms"), person.filled(otp=newest_code("sms"))
    person.open(person.address.replace("sms", "details"))
    person.submit(**details, mobile="079 222 22 22")
    person._arrive(*person.post(form))
    assert person.errors() == ["otp"]
    person.submit(otp=of_first)
    assert person.errors() == ["otp"]
    person.submit(otp=newest_code("sms"))
    assert db.session.scalars(select(Phone.number)).all() == ["+41792222222"]


def test_the_password_of_a_and_the_factor_of_b_open_nothing(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Two tabs of one run: A's password, then B's; only the last one's own factor counts, for the last one."""
    add_account(services, portal, "a@example.ch", "sms", "+41791111111")
    add_account(services, portal, "b@example.ch", "app")
    person = Person(web)
    person.open("/cpx/login")
    first = person.address
    person.submit(email="a@example.ch", password=PASSWORD)
    of_a, form_of_a = newest_code("sms"), person.filled(otp=newest_code("sms"))
    person.open(first)
    person.submit(email="b@example.ch", password=PASSWORD)
    assert person.title == "Saisissez le code de votre application"
    person._arrive(*person.post(form_of_a))
    assert person.errors() == ["otp"]
    person.open(first)
    person.submit(email="a@example.ch", password=PASSWORD)
    person.submit(otp=app_code(clock))
    assert person.errors() == ["otp"]
    person.submit(otp=of_a)
    account = db.session.scalars(select(Account).where(Account.email == "a@example.ch")).one()
    assert db.session.scalars(select(Session.account_id)).all() == [account.id]


def test_a_method_that_is_not_the_persons_own_cannot_be_chosen(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch", "sms")
    person = Person(web)
    person.open("/cpx/login")
    handle = person.address.split("f=")[1]
    person.submit(email="a@example.ch", password=PASSWORD)
    for method in ("app", "recovery_code", "passkey", "", "none", "SMS"):
        person.open(f"/cpx/login/methods?f={handle}")
        person.submit(method=method)
        assert person.errors() == ["method"], method
    assert db.session.scalar(select(func.count()).select_from(Session)) == 0


def test_a_record_is_linked_to_whoever_is_signed_in_now_and_was_shown_so(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """The page said A; B signed in meanwhile; A's form links nothing, B is shown B's own page first."""
    other = add_portal("fon")
    add_account(services, portal, "a@example.ch", "sms", "+41791111111")
    add_account(services, portal, "b@example.ch", "sms", "+41792222222")
    code = letter(services, other, "P-9")
    person = Person(web)
    person.open("/cpx/login")
    sign_in(person, "a@example.ch")
    person.open("/fon/link/code")
    person.submit(code=code)
    assert "Vous êtes connecté avec a@example.ch." in person.text
    form, address = person.filled(birth_date=BORN), person.address
    person.open("/logout")
    person.submit(extent="all")
    person.open("/cpx/login")
    sign_in(person, "b@example.ch")
    person._arrive(*person.post(form))
    assert db.session.scalar(select(InsuredPerson.account_id).where(InsuredPerson.external_id == "P-9")) is None
    assert "Vous êtes connecté avec b@example.ch." in person.text
    assert person.address == address
    person.submit(birth_date=BORN)
    owner = db.session.scalar(select(InsuredPerson.account_id).where(InsuredPerson.external_id == "P-9"))
    assert owner == db.session.scalars(select(Account.id).where(Account.email == "b@example.ch")).one()


def test_a_sign_in_for_somebody_elses_link_leads_the_victim_nowhere(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """C-08, C-10: the victim signs in at an address that the attacker prepared; no letter is tied to them by that."""
    other = add_portal("fon")
    add_account(services, portal, "victim@example.ch")
    attacker = Person(web)
    attacker.open("/fon/link/code")
    answer, _ = attacker.post(attacker.filled(code=letter(services, other, "P-9")))
    prepared = answer.headers["Location"]
    assert prepared.startswith("/fon/login?then=")
    victim = Person(web)
    victim.open(prepared)
    victim.submit(email="victim@example.ch", password=PASSWORD)
    victim.submit(otp=newest_code("sms"))
    assert db.session.scalar(select(InsuredPerson.account_id).where(InsuredPerson.external_id == "P-9")) is None
    assert victim.title == "Saisissez votre code d’inscription"  # an own, empty walk
    assert prepared.split("then=")[1] not in victim.address


def test_a_request_of_one_portal_cannot_be_finished_at_another(
    web: Flask, services: Services, portal: Portal, rp: RelyingParty, clock: FrozenClock
) -> None:
    """The waiting request's handle on another portal's sign-in page is not taken along."""
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    account = add_account(services, portal, "a@example.ch")
    add_person(other, "P-9").link(account.id, clock.now())
    db.session.commit()
    person = Person(web)
    handle = waiting_handle(services, person.client.get(rp.request(), base_url=ISSUER).headers["Location"])
    person.open(f"/fon/login?for={handle}")
    sign_in_at(person, "a@example.ch")
    assert person.address == other.home_url
    person.open(f"/authorize/resume/{handle}")
    assert "code" in answer_of(person.address)


def sign_in_at(person: Person, email: str) -> None:
    person.submit(email=email, password=PASSWORD)
    person.submit(otp=newest_code("sms"))


def test_a_waiting_request_of_another_browser_is_not_taken_along(
    web: Flask, services: Services, portal: Portal, rp: RelyingParty, clock: FrozenClock
) -> None:
    add_account(services, portal, "a@example.ch")
    attacker, victim = Person(web), Person(web)
    login = attacker.client.get(rp.request(state="attackers"), base_url=ISSUER).headers["Location"]
    handle = waiting_handle(services, login)
    victim.open(f"/cpx/login?for={handle}")
    sign_in_at(victim, "a@example.ch")
    assert victim.address == portal.home_url
    victim.open(f"/authorize/resume/{handle}")
    assert victim.page.status_code == 410
