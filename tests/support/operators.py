"""Operators for tests: accounts with an app and roles, and a browser that signs in to the console."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pyotp
from flask import Flask

from idp.models.base import db
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.person import Person

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def add_operator(services: Services, email: str, roles: Sequence[str]) -> UUID:
    """An account that holds these roles, with a password and an app."""
    account = services.accounts.create(
        email=email, given_name="Olga", family_name=email.split("@")[0].title(), language="fr",
        password_hash=services.passwords.hash(PASSWORD),
    )  # fmt: skip
    services.totp.enrol(account.id, SEED, 0)
    _, invitation = services.operators.invite(email, roles, None)
    assert services.operators.accept(invitation, account)
    db.session.commit()
    return account.id


def app_code(services: Services, seed: str = SEED) -> str:
    return pyotp.TOTP(seed).at(services.clock.now())


def sign_in(web: Flask, services: Services, email: str) -> Person:
    """A browser at work in the console."""
    person = Person(web)
    person.open("/admin/login")
    person.submit(email=email, password=PASSWORD, otp=app_code(services))
    return person
