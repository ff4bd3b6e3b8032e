"""F-15, F-21, N-15: a trusted device stands in for one second factor only: of its account, in its browser, for thirty
days, at portals that allow it, and never for more than a plain sign-in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account, RecoveryCode
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.models.trusted_device import TrustedDevice
from idp.services.bundle import Services
from idp.services.trusted_devices import MOST, TRUSTED_FOR
from tests.actions import PASSWORD, link
from tests.support.builders import add_portal
from tests.support.person import Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty
from tests.support.walks import NEW_PASSWORD, add_account, app_code

HELENE, OTHER = "helene@example.ch", "other@example.ch"
HOME, CODE = "https://cpx.example.ch/", "Saisissez le code SMS"
BOX = 'name="trust"'


@pytest.fixture
def portal(portal: Portal) -> Portal:
    portal.trusted_devices = True
    db.session.commit()
    return portal


@pytest.fixture
def helene(web: Flask, services: Services, portal: Portal) -> Account:
    return add_account(services, portal, HELENE)


def password(person: Person, email: str = HELENE, typed: str = PASSWORD, slug: str = "cpx") -> None:
    """A sign-in up to where the second factor would be asked for."""
    person.client.delete_cookie("connect_session")
    person.open(f"/{slug}/login")
    person.submit(email=email, password=typed)


def trust(web: Flask, clock: FrozenClock, email: str = HELENE, person: Person | None = None) -> Person:
    """A browser that its person trusts."""
    person = person or Person(web)
    clock.advance(timedelta(minutes=2))
    password(person, email)
    assert person.title == CODE
    person.submit(otp=newest_code("sms"), trust="yes")
    assert person.address == HOME
    return person


def cookie(person: Person, name: str = "trusted") -> str:
    found = person.client.get_cookie(f"connect_{name}")
    return found.value if found else ""


def is_trusted(person: Person, email: str = HELENE, typed: str = PASSWORD) -> bool:
    """Whether the password alone leads into the portal; if not, the code is asked for."""
    password(person, email, typed)
    assert person.address == HOME or person.title == CODE, person.title
    return person.address == HOME


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(TrustedDevice)) or 0


def tags(word: str) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == word)) or 0


def newest_session() -> Session:
    db.session.rollback()
    return db.session.scalars(select(Session).order_by(Session.id.desc()).limit(1)).one()


def test_the_password_alone_opens_and_the_session_says_so(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = trust(web, clock)
    assert (newest_session().acr, newest_session().amr) == ("mfa", ["pwd", "sms", "mfa"])
    assert "Appareil dispensé de code pendant 30 jours" in newest_message("mail", HELENE)
    assert tags("person:trusted_device:add") == 1
    assert is_trusted(person)
    assert (newest_session().acr, newest_session().amr) == ("trusted_device", ["pwd"])
    row = db.session.scalars(select(TrustedDevice)).one()
    assert row.last_used_at is not None
    assert cookie(person) not in {row.secret_hash, str(row.id), row.browser_hash}


def test_nothing_is_trusted_that_was_not_asked_for(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = Person(web)
    password(person)
    assert BOX in person.text
    assert "checked" not in person.text
    person.submit(otp="000000", trust="yes")
    assert 'value="yes" checked' in person.text, "the tick survives a wrong code"
    filled = person.filled(otp=newest_code("sms"))
    filled[1].pop("trust")
    person._arrive(*person.post(filled))
    assert person.address == HOME
    assert count() == 0
    assert not is_trusted(person)


def test_a_portal_that_has_it_off_neither_offers_nor_takes_it(
    web: Flask, helene: Account, portal: Portal, clock: FrozenClock
) -> None:
    person = trust(web, clock)
    portal.trusted_devices = False
    db.session.commit()
    clock.advance(timedelta(minutes=2))
    assert not is_trusted(person)
    assert BOX not in person.text
    stranger = Person(web)
    clock.advance(timedelta(minutes=2))
    password(stranger)
    stranger.submit(otp=newest_code("sms"), trust="yes")
    assert stranger.address == HOME
    assert (count(), cookie(stranger)) == (1, "")


def test_single_sign_on_leads_no_further_than_portals_that_have_it_on(
    web: Flask, services: Services, helene: Account, clock: FrozenClock
) -> None:
    strict = add_portal("strict")
    link(services, strict)
    strictly = RelyingParty(web, strict.client_id, strict.redirect_uris[0])
    person = trust(web, clock)
    assert is_trusted(person)
    clock.advance(timedelta(minutes=2))
    person.open(strictly.request(prompt="none"))
    assert "error=login_required" in person.address
    person.open(strictly.request())
    assert person.title == "Connexion à Caisse STRICT"
    person.submit(email=HELENE, password=PASSWORD)
    assert person.title == CODE
    person.submit(otp=newest_code("sms"))
    assert person.address.startswith("https://strict.example.ch/callback?code=")


def test_a_stolen_cookie_is_nothing_without_the_password_and_the_browser(
    web: Flask, helene: Account, clock: FrozenClock
) -> None:
    person = trust(web, clock)
    thief = Person(web)
    thief.client.set_cookie("connect_trusted", cookie(person))
    password(thief, typed="not the password")
    assert thief.errors() == ["email"]
    clock.advance(timedelta(minutes=2))
    assert not is_trusted(thief), "another browser"
    thief.client.set_cookie("connect_browser", cookie(person, "browser"))
    password(thief, typed="not the password")
    assert thief.errors() == ["email"]
    assert cookie(thief, "session") == ""


def test_a_copy_is_worth_nothing_after_the_next_sign_in(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = trust(web, clock)
    copied = cookie(person)
    assert is_trusted(person)
    assert cookie(person) != copied
    thief = Person(web)
    for name, value in (("trusted", copied), ("browser", cookie(person, "browser"))):
        thief.client.set_cookie(f"connect_{name}", value)
    clock.advance(timedelta(minutes=2))
    assert not is_trusted(thief)
    assert is_trusted(person)


def test_the_cookie_of_one_is_nothing_with_the_password_of_another(
    web: Flask, helene: Account, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OTHER, "sms", "+41790000002")
    person = trust(web, clock)
    assert not is_trusted(person, OTHER)
    assert is_trusted(person)


def test_several_persons_may_trust_one_browser_and_each_is_only_themselves(
    web: Flask, helene: Account, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    people = [HELENE]
    for number in range(1, 7):
        people.append(f"person{number}@example.ch")
        add_account(services, portal, people[-1], "sms", f"+4179000000{number}")
    shared = Person(web)
    for email in people:
        trust(web, clock, email, shared)
    assert cookie(shared).count(".") == 4, "five at most, the newest"
    clock.advance(timedelta(minutes=2))
    assert [is_trusted(shared, email) for email in people[2:]] == [True] * 5
    assert not is_trusted(shared, people[0])
    services.trusted_devices.end_all(db.session.scalars(select(Account.id).where(Account.email == people[3])).one())
    db.session.commit()
    assert is_trusted(shared, people[2])
    assert cookie(shared).count(".") == 3, "what is over is dropped"


@pytest.mark.parametrize(
    "forge",
    [
        lambda good: "", lambda good: "x", lambda good: "cc_td_" + "A" * 43, lambda good: good[:-1],
        lambda good: good + "A", lambda good: f"{good}.", lambda good: ".".join([good] * 6),
        lambda good: good * 80, lambda good: "cc_td_" + "é" * 43, lambda good: good.replace("cc_td_", "cc_br_"),
        lambda good: f"{good} ", lambda good: f"{good}.%27%20OR%201=1--", lambda good: good.swapcase(),
    ],
)  # fmt: skip
def test_a_forged_or_oversized_cookie_only_costs_the_code(
    web: Flask, helene: Account, clock: FrozenClock, forge: Callable[[str], str]
) -> None:
    person = trust(web, clock)
    person.client.set_cookie("connect_trusted", forge(cookie(person)))
    clock.advance(timedelta(minutes=2))
    assert not is_trusted(person)


def test_two_cookies_of_one_name_are_none(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = trust(web, clock)
    person.client.set_cookie("connect_trusted", cookie(person), path="/cpx")
    assert not is_trusted(person)


@pytest.mark.parametrize(("late", "is_good"), [(-1, True), (0, False), (1, False)])
def test_it_ends_after_thirty_days_to_the_second(
    web: Flask, helene: Account, clock: FrozenClock, late: int, is_good: bool
) -> None:
    person = trust(web, clock)
    clock.advance(timedelta(days=10))
    assert is_trusted(person), "use does not lengthen it"
    clock.advance(TRUSTED_FOR - timedelta(days=10) + timedelta(seconds=late))
    assert is_trusted(person) is is_good


def change_password(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/password")
    person.submit(password=NEW_PASSWORD)


def change_factor(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/mobile")
    person.submit(mobile="079 999 88 77")
    person.submit(otp=newest_code("sms"))


def add_app(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/app")
    person.submit()
    person.submit(otp=app_code(clock, person.text.split('data-copy="')[1].split('"')[0]))


def reset(person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=2))
    person.client.delete_cookie("connect_session")
    person.open("/cpx/reset")
    person.submit(email=HELENE)
    person.submit(otp=newest_code("mail"))
    assert person.title == CODE
    assert BOX not in person.text
    person.submit(otp=newest_code("sms"), trust="yes")
    person.submit(password=NEW_PASSWORD)
    assert person.title == "Mot de passe modifié"


def recover(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/codes")
    person.submit()
    code = person.text.split('<li class="seed">')[1].split("<")[0]
    elsewhere = Person(person.client.application)
    clock.advance(timedelta(minutes=2))
    password(elsewhere)
    elsewhere.open(elsewhere.address.replace("login/code", "login/methods"))
    elsewhere.submit(method="recovery")
    elsewhere.submit(recovery_code=code)
    elsewhere.submit(factor="sms", mobile="079 999 88 77")
    elsewhere.submit(otp=newest_code("sms"))
    assert elsewhere.address == HOME


def end_it(person: Person, clock: FrozenClock) -> None:
    person.open("/account/sessions")
    assert "Appareils de confiance" in person.text
    person.submit()


def end_all(person: Person, clock: FrozenClock) -> None:
    trust(person.client.application, clock)
    person.open("/account/sessions")
    assert person.text.count("Demander de nouveau un code sur cet appareil") == 2
    person._arrive(*person.post(("/account/sessions/untrust", {**person.filled()[1], "device": "all"})))


def end_the_session(person: Person, clock: FrozenClock) -> None:
    """Somebody else's eyes: a phone that was lost is told by its session."""
    elsewhere = Person(person.client.application)
    clock.advance(timedelta(minutes=2))
    password(elsewhere)
    elsewhere.submit(otp=newest_code("sms"))
    elsewhere.open("/account/sessions")
    elsewhere.submit()


def end_all_others(person: Person, clock: FrozenClock) -> None:
    person.client.delete_cookie("connect_session")
    elsewhere = Person(person.client.application)
    clock.advance(timedelta(minutes=31))  # no session of the lost device is open, and yet it is trusted
    password(elsewhere)
    elsewhere.submit(otp=newest_code("sms"))
    elsewhere.open("/account/sessions")
    elsewhere._arrive(*elsewhere.post(("/account/sessions/end", {**elsewhere.filled()[1], "session": "all"})))


@pytest.mark.parametrize(
    "end",
    [change_password, change_factor, add_app, reset, recover, end_it, end_all, end_the_session, end_all_others],
)
def test_what_ends_it(
    web: Flask, helene: Account, clock: FrozenClock, end: Callable[[Person, FrozenClock], None]
) -> None:
    person = trust(web, clock)
    end(person, clock)
    assert count() == 0
    assert tags("person:trusted_device:remove") >= 1
    clock.advance(timedelta(minutes=2))
    password(person, typed=NEW_PASSWORD if end in {change_password, reset} else PASSWORD)
    assert person.address.split("?")[0].endswith("/cpx/login/code")


def test_signing_out_does_not_end_it(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = trust(web, clock)
    person.open("/logout")
    person.submit(extent="all")
    assert is_trusted(person)


def test_nobody_ends_the_trust_of_somebody_else(
    web: Flask, helene: Account, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OTHER, "sms", "+41790000002")
    person = trust(web, clock)
    theirs = str(db.session.scalars(select(TrustedDevice.id)).one())
    other = trust(web, clock, OTHER)
    other.open("/account/sessions")
    other.submit(device=theirs)
    assert is_trusted(person)


def test_a_password_set_by_other_means_ends_it_too(
    web: Flask, helene: Account, services: Services, clock: FrozenClock
) -> None:
    """Whatever way a password comes, what was trusted before is trusted no more."""
    person = trust(web, clock)
    clock.advance(timedelta(minutes=2))
    services.passwords.store(helene.id, services.passwords.hash(NEW_PASSWORD))
    db.session.commit()
    assert count() == 1
    assert not is_trusted(person, typed=NEW_PASSWORD)


def test_the_account_is_not_changed_by_whoever_has_only_the_device(
    web: Flask, helene: Account, clock: FrozenClock
) -> None:
    """Not even within the ten minutes in which a full sign-in needs no confirmation."""
    person = trust(web, clock)
    for path in ("mobile", "method", "close", "email"):
        clock.advance(timedelta(minutes=2))
        assert is_trusted(person)
        person.open(f"/cpx/account/{path}")
        assert person.title == "Connexion à Caisse CPX", path
        person.submit(email=HELENE, password=PASSWORD)
        assert person.title == CODE, path
    person.submit(otp=newest_code("sms"))
    assert person.title == "Saisissez votre nouvelle adresse e-mail"
    assert newest_session().acr == "mfa"


@pytest.mark.parametrize(
    "address", ["/account/data", "/account/data.json", "/account/security/passkeys/new", "/device?user_code=WDJB-MJHT"]
)
def test_what_needs_two_factors_asks_for_the_second_one(
    web: Flask, helene: Account, clock: FrozenClock, address: str
) -> None:
    person = trust(web, clock)
    assert is_trusted(person)
    clock.advance(timedelta(minutes=2))
    for visit in ("signed in", "not signed in"):
        person.open(address)
        assert person.title == "Connexion à Caisse CPX", visit
        person.submit(email=HELENE, password=PASSWORD)
        assert person.title == CODE, visit
        person.client.delete_cookie("connect_session")
    person.submit(otp=newest_code("sms"))
    assert person.page.status_code == 200
    assert person.address.split("?")[0] == address.split("?")[0].removesuffix(".json")


def test_a_walk_that_a_full_sign_in_began_is_not_finished_by_the_device(
    web: Flask, helene: Account, clock: FrozenClock
) -> None:
    person = trust(web, clock)
    person.open("/cpx/account/codes")
    walk, filled = person.address, person.filled()
    assert is_trusted(person)
    clock.advance(timedelta(minutes=2))
    for reach in (lambda: person.open(walk), lambda: person._arrive(*person.post(filled))):
        reach()
        assert person.title == "Connexion à Caisse CPX"
    assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 0


def test_of_two_tabs_at_once_one_is_asked_for_the_code(
    web: Flask, helene: Account, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret serves once, also when both tabs found it good a moment before."""
    person = trust(web, clock)
    monkeypatch.setattr("idp.services.trusted_devices.replace_secret", lambda *_: False)  # what the slower tab meets
    password(person)
    assert person.page.status_code == 200
    assert cookie(person, "session") == ""
    monkeypatch.undo()
    person.submit(method="sms")
    assert person.title == CODE
    person.submit(otp=newest_code("sms"))
    assert person.address == HOME


def test_an_account_trusts_a_bounded_number_of_devices(web: Flask, helene: Account, services: Services) -> None:
    for number in range(MOST + 3):
        services.trusted_devices.trust(helene.id, f"browser {number}", "")
    db.session.commit()
    kept = {row.browser_hash for row in services.trusted_devices.of(helene.id)}
    assert kept == {f"browser {number}" for number in range(3, MOST + 3)}


def test_the_owner_sees_it_among_all_data(web: Flask, helene: Account, clock: FrozenClock) -> None:
    person = trust(web, clock)
    person.open("/account/data")
    assert "Appareils de confiance" in person.text
    assert cookie(person) not in person.text
