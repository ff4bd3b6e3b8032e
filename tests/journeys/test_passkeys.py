"""Passkeys in the account: made, listed, renamed, removed; each with the proof and the notices it needs."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.passkey import Passkey
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import register, sign_in
from tests.support.authenticator import USER_PRESENT, Authenticator, options_on
from tests.support.builders import add_portal
from tests.support.person import Person, newest_code, newest_message

LIST, NEW = "/account/security/passkeys", "/account/security/passkeys/new"


def create(person: Person, device: Authenticator) -> None:
    person.open(NEW)
    assert person.title == "Créer une clé d’accès (passkey)"
    person.submit(passkey=device.create(options_on(person.text)))


def tags() -> list[str]:
    db.session.rollback()
    return [row.tag for row in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)) if "passkey" in row.tag]


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Passkey)) or 0


def test_a_passkey_is_made_renamed_and_removed(person: Person) -> None:
    person.open("/account/security")
    assert f'href="{LIST}"' in person.text
    person.open(LIST)
    assert "Vous n’avez pas encore de clé d’accès." in person.text
    create(person, Authenticator())
    assert person.address.startswith(LIST)
    for words in (
        "Clé d’accès créée. Votre mot de passe reste valable.",
        "Bitwarden",
        "Créée le 27.3.2026",
        "Pas encore utilisée",
    ):
        assert words in person.text
    assert "Clé d’accès ajoutée" in newest_message("mail", "helene@example.ch")
    found = re.search(rf'href="({LIST}/[0-9a-f-]{{36}})"', person.text)
    assert found
    person.open(found[1])
    person.submit(name="  ")
    assert person.errors() == ["name"]
    person.submit(name="Mein Telefon <b>")
    assert "Le nom est enregistré." in person.text
    assert "Mein Telefon &lt;b&gt;" in person.text
    person.open(found[1])
    person.submit(1)
    assert "La clé d’accès est supprimée." in person.text
    assert "Mein Telefon" not in person.text
    assert "Clé d’accès supprimée" in newest_message("mail", "helene@example.ch")
    assert tags() == ["person:passkey:add", "person:passkey:remove"]
    person.open(found[1])
    assert person.page.status_code == 404


def test_an_unnamed_provider_gives_the_passkey_the_name_of_the_device(person: Person) -> None:
    create(person, Authenticator(aaguid=UUID(int=0)))
    assert "appareil inconnu" in person.text


def test_what_fails_is_said_and_the_next_try_works(person: Person) -> None:
    device = Authenticator()
    person.open(NEW)
    for answer in ("", "{}", device.create(options_on(person.text), flags=USER_PRESENT)):
        person.submit(passkey=answer)
        assert person.errors() == ["passkey"]
        assert person.title == "Créer une clé d’accès (passkey)"
        assert count() == 0
    person.submit(passkey=device.create(options_on(person.text)))
    assert count() == 1
    assert tags() == ["person:passkey:refuse"] * 3 + ["person:passkey:add"]


def test_a_new_passkey_needs_a_sign_in_of_the_last_ten_minutes(person: Person, clock: FrozenClock) -> None:
    """NIST SP 800-63B-4 §4.1.2: whoever binds an authenticator has proved themselves a moment ago."""
    add_portal("home")
    clock.advance(timedelta(minutes=9, seconds=59))
    person.open(NEW)
    assert person.title == "Créer une clé d’accès (passkey)"
    late = options_on(person.text)
    clock.advance(timedelta(seconds=1))
    person.open(NEW)
    assert person.title == "Connexion à Caisse CPX"
    assert "Confirmez que c’est bien vous" in person.text
    assert 'value="helene@example.ch"' in person.text
    sign_in(person)
    assert person.address.endswith(NEW)
    assert options_on(person.text) != late


def test_removing_one_ends_what_passkeys_opened_elsewhere(web: Flask, person: Person, clock: FrozenClock) -> None:
    """The device that holds it may be lost; what a password and a code opened goes on, and so does this session."""
    device = Authenticator()
    create(person, device)
    clock.advance(timedelta(minutes=2))
    lost, elsewhere = Person(web), Person(web)
    for one in (lost, elsewhere):
        one.open("/cpx/login")
    lost.submit(passkey=device.sign(options_on(lost.text)))
    sign_in(elsewhere)
    row = db.session.scalars(select(Passkey)).one()
    person.open(f"{LIST}/{row.id}")
    person.submit(1)
    assert count() == 0
    titles = []
    for one in (lost, elsewhere, person):
        one.open("/account")
        titles.append(one.title)
    assert titles == ["Connexion à Caisse CPX", "Votre compte", "Votre compte"]


def test_a_slow_dialog_still_ends_well(person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=9))
    person.open(NEW)
    clock.advance(timedelta(minutes=4))
    person.submit(passkey=Authenticator().create(options_on(person.text)))
    assert count() == 1


def test_removing_needs_a_sign_in_of_the_last_ten_minutes(person: Person, clock: FrozenClock) -> None:
    create(person, Authenticator())
    clock.advance(timedelta(minutes=11))
    row = db.session.scalars(select(Passkey)).one()
    person.open(f"{LIST}/{row.id}")
    person.submit(1)
    assert person.title == "Connexion à Caisse CPX"
    assert count() == 1
    sign_in(person)
    assert person.address.endswith(LIST)
    person.open(f"{LIST}/{row.id}")
    person.submit(1)
    assert count() == 0


def test_without_a_session_there_is_the_sign_in_first(web: Flask, person: Person) -> None:
    create(person, Authenticator())
    row = db.session.scalars(select(Passkey)).one()
    for address, comes_back_to in ((LIST, LIST), (NEW, NEW), (f"{LIST}/{row.id}", LIST)):
        somebody = Person(web)
        somebody.open(address)
        assert somebody.title == "Connexion à Caisse CPX"
        sign_in(somebody)
        assert somebody.address.endswith(comes_back_to)


def test_nobody_sees_or_changes_the_passkey_of_another(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    create(person, Authenticator())
    row = db.session.scalars(select(Passkey)).one()
    other = register(web, services, portal, "other@example.ch", "079 765 43 21")
    other.open(LIST)
    assert "Bitwarden" not in other.text
    other.open(NEW)
    token = other.filled()[1]["csrf_token"]
    for address in (f"{LIST}/{row.id}", f"{LIST}/{row.id}/remove", f"{LIST}/none", f"{LIST}/none/remove"):
        answer, _ = other.post((f"http://localhost:8000{address}", {"csrf_token": token, "name": "mine"}))
        assert answer.status_code == 404, address
    db.session.expire_all()
    assert [one.name for one in db.session.scalars(select(Passkey))] == ["Bitwarden"]


def test_the_question_of_one_person_makes_no_passkey_for_another(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    """Security review C-09: an enrolment is tied to the person, the session and the browser that began it."""
    other = register(web, services, portal, "other@example.ch", "079 765 43 21")
    person.open(NEW)
    made = Authenticator().create(options_on(person.text))
    other.open(NEW)
    other.submit(passkey=made)
    assert other.errors() == ["passkey"]
    assert count() == 0
    person.submit(passkey=made)
    assert count() == 1


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "/account", "nowhere", "passkeys/../.."])
def test_a_sign_in_leads_to_no_other_address(web: Flask, person: Person, then: str) -> None:
    somebody = Person(web)
    somebody.open(f"/cpx/login?then={then}")
    sign_in(somebody)
    assert somebody.address == "https://cpx.example.ch/"


def test_password_managers_find_the_pages(web: Flask, person: Person) -> None:
    document = person.client.get("/.well-known/passkey-endpoints", base_url=person.issuer)
    assert document.mimetype == "application/json"
    found = document.get_json()
    assert found == {"enroll": person.issuer + NEW, "manage": person.issuer + LIST}
    person.open(found["enroll"])
    assert person.title == "Créer une clé d’accès (passkey)"
    person.open(found["manage"])
    assert person.title == "Clés d’accès (passkeys)"
    answer = person.client.get("/.well-known/change-password", base_url=person.issuer)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/security")
    nobody = Person(web)
    nobody.open("/.well-known/change-password")
    sign_in(nobody)
    assert nobody.title == "Sécurité"


def test_whoever_takes_an_account_back_is_shown_its_passkeys(web: Flask, person: Person) -> None:
    """Security review F-40: what somebody else left there does not stay unseen."""
    for expected in (False, True):
        owner = Person(web)
        owner.open("/cpx/reset")
        owner.submit(email="helene@example.ch")
        owner.submit(otp=newest_code("mail"))
        owner.submit(otp=newest_code("sms"))
        owner.submit(password="neun kamele am waldrand")
        assert owner.title == "Mot de passe modifié"
        assert (f'href="{LIST}"' in owner.text) is expected
        create(owner, Authenticator())


def test_an_owner_confirms_a_change_with_the_passkey(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    device, neighbours = Authenticator(), Authenticator()
    create(register(web, services, portal, "other@example.ch", "079 765 43 21"), neighbours)
    clock.advance(timedelta(minutes=11))
    person.open("/cpx/account/password")
    assert person.title == "Confirmez que c’est bien vous"
    assert "data-passkey" not in person.text
    person.open("/cpx/login?then=new_passkey")
    sign_in(person)
    create(person, device)
    clock.advance(timedelta(minutes=11))
    person.open("/cpx/account/password")
    for signed in ("x", neighbours.sign(options_on(person.text))):
        person.submit(passkey=signed)
        assert person.title == "Confirmez que c’est bien vous"
        assert person.errors() == ["passkey"]
    person.submit(passkey=device.sign(options_on(person.text)))
    assert person.errors() == []
    person.submit(password="neun kamele am waldrand")
    assert person.title == "Sécurité"
