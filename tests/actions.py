"""What persons do, in verbs: register with a letter, sign in."""

from __future__ import annotations

from datetime import date

from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_person
from tests.support.person import Person, newest_code
from tests.support.registered import registered

PASSWORD = "vier pferde im regen"


def letter(services: Services, portal: Portal, external_id: str = "P-1") -> str:
    """The code of a letter to a new insured person of this portal, born on 27.3.1958."""
    person = add_person(portal, external_id=external_id, birth_date=date(1958, 3, 27))
    code = services.registration_codes.issue(person, portal)
    db.session.commit()
    return code


def enter_details(person: Person, **changes: str) -> None:
    person.submit(**{"birth_date": "27.3.1958", "password": PASSWORD, "terms": "yes", **changes})


def register(
    web: Flask, services: Services, portal: Portal, email: str = "helene@example.ch", mobile: str = "079 123 45 67"
) -> Person:
    """A browser whose person registered by SMS and is signed in."""
    person = Person(web)

    def walk() -> None:
        person.open(f"/{portal.slug}/register/code")
        finish_registration(person, letter(services, portal, f"P-{email}"), email, mobile)

    registered(person, services, portal, f"{email} {mobile}", walk)
    return person


def finish_registration(person: Person, code: str, email: str, mobile: str = "079 123 45 67") -> None:
    """From R1 to R7 by SMS."""
    person.submit(code=code)
    person.submit(email=email)
    person.submit(otp=newest_code("mail"))
    enter_details(person, factor="sms", mobile=mobile)
    person.submit(otp=newest_code("sms"))
    assert person.title == "Votre inscription est terminée"


def sign_in(person: Person, email: str = "helene@example.ch") -> None:
    """From L1 to where the person wanted to go, by SMS."""
    assert "Connexion à" in person.title
    person.submit(email=email, password=PASSWORD)
    assert person.title == "Saisissez le code SMS"
    person.submit(otp=newest_code("sms"))


def link(services: Services, portal: Portal, email: str = "helene@example.ch") -> None:
    """The account has a record at this portal too."""
    account = services.accounts.find(email)
    assert account is not None
    add_person(portal).link(account.id, services.clock.now())
    db.session.commit()
