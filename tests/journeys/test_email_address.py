"""What a person hears of an address that mail servers would not take."""

from __future__ import annotations

from flask import Flask

from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter
from tests.support.person import Person

ACCENT = "Avant le signe @, une adresse e-mail s’écrit sans accents"


def test_an_accent_before_the_at_sign_is_named(web: Flask, services: Services, portal: Portal) -> None:
    person = Person(web)
    person.open(f"/{portal.slug}/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="hélène@example.ch")
    assert ACCENT in person.text
    assert 'value="hélène@example.ch"' in person.text
    person.submit(email="helene@zürich.ch")
    assert person.title == "Consultez votre boîte e-mail"


def test_the_same_is_said_at_the_sign_in(web: Flask, portal: Portal) -> None:
    person = Person(web)
    person.open(f"/{portal.slug}/login")
    person.submit(email="hélène@example.ch", password=PASSWORD)
    assert ACCENT in person.text
