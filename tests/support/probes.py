"""What a stranger can ask to find out who has an account or a letter: for each question, forms of both kinds.

Every form has a browser, a walk and a network of its own, so that no count or pause of one meets another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from sqlalchemy import select

from flows.journeys import LOGIN, REGISTRATION, RESET
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.challenges import Kind
from idp.services.registration_codes import generate
from tests.actions import PASSWORD
from tests.support.builders import BORN
from tests.support.prepared import Stand, send_codes, stand

Form = tuple[Stand, dict[str, str]]
KNOWN, UNKNOWN = 0, 1


@dataclass(frozen=True)
class World:
    services: Services
    portal: Portal
    other: Portal


def address(kind: int, number: int) -> str:
    """Of one length, so that nothing but the answer differs."""
    return f"{'owner' if kind == KNOWN else 'nobdy'}{number:05}@example.ch"


def add_owners(world: World, count: int, status: str = "active", start: int = 0) -> None:
    """Accounts with one password among them, which nobody waits for to be hashed."""
    hashed = world.services.passwords.hash(PASSWORD)
    for number in range(start, start + count):
        account = world.services.accounts.create(
            email=address(KNOWN, number), given_name="Hélène", family_name="Müller", language="fr",
            password_hash=hashed,
        )  # fmt: skip
        account.status = status
        world.services.accounts.add_phone(account.id, f"+4179{number:07}")
    db.session.commit()


def sign_in(world: World, kind: int, numbers: range) -> list[Form]:
    """A wrong password."""
    return [
        (stand(world.services, world.portal, LOGIN, "credentials"),
         {"email": address(kind, number), "password": "wrong wrong wrong"})
        for number in numbers
    ]  # fmt: skip


def sign_in_closed(world: World, kind: int, numbers: range) -> list[Form]:
    """The right password of an account that is disabled or closed; the right one of nobody."""
    if kind == KNOWN:
        half = len(numbers) // 2
        add_owners(world, half, "disabled", numbers.start + 50_000)
        add_owners(world, len(numbers) - half, "closed", numbers.start + 50_000 + half)
    return [
        (stand(world.services, world.portal, LOGIN, "credentials"),
         {"email": address(kind, number + 50_000), "password": PASSWORD})
        for number in numbers
    ]  # fmt: skip


def reset(world: World, kind: int, numbers: range) -> list[Form]:
    """A new password for an address."""
    return [
        (stand(world.services, world.portal, RESET, "reset_email"), {"email": address(kind, number)})
        for number in numbers
    ]  # fmt: skip


def reset_code(world: World, kind: int, numbers: range) -> list[Form]:
    """A wrong code on the way to a new password."""
    stands = [
        stand(world.services, world.portal, RESET, "email_code", email=address(kind, number)) for number in numbers
    ]
    send_codes(world.services, Kind.EMAIL, stands, [address(kind, number) for number in numbers], "314159")
    return [(one, {"otp": "271828"}) for one in stands]


def registration(world: World, kind: int, numbers: range) -> list[Form]:
    """The address that a registration begins with."""
    forms = []
    for number in numbers:
        person = _person(world.portal, f"R-{kind}-{number}")
        world.services.registration_codes.issue(person, world.portal)
        code = db.session.scalars(select(RegistrationCode).where(RegistrationCode.insured_person_id == person.id)).one()
        facts = {"code_id": str(code.id), "person_id": str(person.id)}
        one = stand(world.services, world.portal, REGISTRATION, "email", **facts)
        assert world.services.registration_codes.reserve(code, one.run_id)
        forms.append((one, {"email": address(kind, number)}))
    return forms


def letter_code(world: World, kind: int, numbers: range) -> list[Form]:
    """The code of a letter to somebody of another portal; a well-formed code that nobody got."""
    forms = []
    for number in numbers:
        code = generate(world.services.random)
        if kind == KNOWN:
            person = _person(world.other, f"L-{number}")
            code = world.services.registration_codes.issue(person, world.other)
        forms.append((stand(world.services, world.portal, REGISTRATION, "registration_code"), {"code": code}))
    return forms


PROBES: Sequence[Callable[[World, int, range], list[Form]]] = (
    sign_in, sign_in_closed, reset, reset_code, registration, letter_code,
)  # fmt: skip


def _person(portal: Portal, external_id: str) -> InsuredPerson:
    person = InsuredPerson(
        id=uuid4(), portal_id=portal.id, external_id=external_id, insured_number="756.1234.5678.97",
        given_name="Hélène", family_name="Müller", birth_date=date(1958, 3, 27), language="fr",
        address=["Rue du Lac 1", "1000 Lausanne"],
        created_at=BORN, changed_at=BORN,
    )  # fmt: skip
    db.session.add(person)
    db.session.flush()
    return person
