"""Every journey as tests walk it, generated from flows/journeys.py: a step without a right answer here fails them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
from flask import Flask
from sqlalchemy import func, select, update

from flows import run as runs
from flows.context import Step
from flows.journeys import CLOSING, JOURNEYS, LOGIN, RESET, Journey
from flows.steps.lock import FACTOR_BUDGETS
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.flow import AttemptCounter
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter
from tests.support.builders import add_person
from tests.support.letters import ask, printed
from tests.support.person import Person, newest_code
from tests.support.turns import one_of_each

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BORN = "27.3.1958"
NEW_PASSWORD = "neun kamele am waldrand"
DONE = {  # their last pages
    "registration": "Votre inscription est terminée",
    "reset": "Mot de passe modifié",
    "closing": "Votre compte est fermé",
}


def add_account(
    services: Services, portal: Portal, email: str, factor: str = "sms", number: str = "", hashed: str = ""
) -> Account:
    """Somebody who registered before, linked to this portal, with one second factor or, for "both", two. `hashed`: the
    password, where it was hashed before.
    """
    account = services.accounts.create(
        email=email,
        given_name="Hélène",
        family_name="Müller",
        language="fr",
        password_hash=hashed or services.passwords.hash(PASSWORD),
    )
    if factor in {"sms", "both"}:
        services.accounts.add_phone(account.id, number or "+41791234567")
    if factor in {"app", "both"}:
        services.totp.enrol(account.id, SEED, 0)
    person = add_person(portal, f"of-{email}", birth_date=date(1958, 3, 27))
    assert person.link(account.id, services.clock.now())
    db.session.commit()
    return account


def app_code(clock: FrozenClock, seed: str = SEED) -> str:
    return pyotp.TOTP(seed).at(clock.now())


@dataclass(frozen=True)
class Variant:
    """One journey with one second factor, or with what takes the place of a lost one."""

    journey: Journey
    factor: str
    way_back: str = ""

    def __str__(self) -> str:
        return f"{self.journey.name} by {self.way_back or self.factor}"

    def stops(self) -> list[Step]:
        """The steps that stop a person of this variant, in order: those that apply and have a question."""
        itinerary, state = self.journey.itinerary, self.journey.itinerary.initial
        found: list[Step] = []
        while (step := itinerary.current(state)) is not None:
            if step.has_screen and not self._is_automatic(step) and not self._is_known(step):
                found.append(step)
            facts: dict[str, Any] = dict.fromkeys(step.proves, True)
            chosen = {"factor": self.factor, "method": self.way_back or self.factor, "passkey_id": ""}
            facts |= {name: value for name, value in chosen.items() if name in facts}
            state = itinerary.prove(state, step, facts)
        return found

    def _is_automatic(self, step: Step) -> bool:
        """Proved without a question: a sign-in is fresh enough for all but the closing; the lost choose their way."""
        if step.name == "choose_method":
            return not self.way_back
        return step.name == "confirm" and self.journey is not CLOSING

    def _is_known(self, step: Step) -> bool:
        """An owner who just signed in is not asked for the factor again."""
        return self.journey.is_own and self.journey is not CLOSING and "factor_proved" in step.proves


# Consent has no walk without a portal's request: tests/protocol/test_consent.py walks it.
WALKED = [journey for journey in JOURNEYS.values() if journey.name != "consent"]
FACTORS = dict.fromkeys(("link", "password", "codes", "email"), ("sms",))  # these ask for no factor of their own
FACTORS |= {"mobile": ("sms",), "app": ("app",), "removal": ("both",)}
VARIANTS = [Variant(journey, factor) for journey in WALKED for factor in FACTORS.get(journey.name, ("sms", "app"))]
VARIANTS += [Variant(journey, factor, "letter") for journey, factor in ((LOGIN, "sms"), (RESET, "app"))]


def walked() -> list[Variant]:
    """Every variant on SQLite. What a walk promises does not hang on the engine: PostgreSQL walks each journey once."""
    if db.engine.dialect.name == "sqlite":
        return VARIANTS
    return list({(variant.journey.name, variant.way_back): variant for variant in VARIANTS}.values())


def cells(what: str, variants: list[Variant] = VARIANTS) -> list[tuple[Variant, Step]]:
    """Every step of every journey; where variants share it, in one of them by turns, and in the next on PostgreSQL."""
    named = [((variant.journey.name, step.name), (variant, step)) for variant in variants for step in variant.stops()]
    return one_of_each(named, what, after=int(db.engine.dialect.name != "sqlite"))


@dataclass
class World:
    """One person who walks one variant: letter, address, number and browser of their own."""

    web: Flask
    services: Services
    clock: FrozenClock
    portal: Portal
    variant: Variant
    number: int
    code: str = ""

    def __post_init__(self) -> None:
        self.person = Person(self.web)
        if self.variant.journey.name != "registration":
            account = add_account(self.services, self.home, self.email, self.variant.factor, self.mobile)
            if self.variant.way_back:
                self.code = lost(self.services, self.portal, account, self.variant.factor)
        if self.has_letter:
            self.code = letter(self.services, self.portal, f"W-{self.number}")
        if self.needs_session:
            sign_in(self)

    @property
    def has_letter(self) -> bool:
        return self.variant.journey.name in {"registration", "link"}

    @property
    def needs_session(self) -> bool:
        return self.variant.journey.is_own or self.variant.journey.name == "link"

    @property
    def home(self) -> Portal:
        """The portal where the account began; another one than the one that is to be linked."""
        if self.variant.journey.name != "link":
            return self.portal
        found = db.session.scalar(select(Portal).where(Portal.slug == "home"))
        assert found is not None
        return found

    @property
    def email(self) -> str:
        return f"person{self.number}@example.ch"

    @property
    def mobile(self) -> str:
        return f"+4179{1_000_000 + self.number}"

    def right(self, step: str) -> dict[str, str]:
        """The right answer to a step."""
        return ANSWERS[step](self)

    def begin(self) -> None:
        self.person.open(f"/{self.portal.slug}/{self.variant.journey.first_path}")

    def answer(self, step: str) -> None:
        self.person.submit(**self.right(step))

    def walk_to(self, step: str) -> None:
        """From the first step to this one, which is then on the screen."""
        self.begin()
        for stop in self.variant.stops():
            if stop.name == step:
                break
            self.answer(stop.name)
        assert self.is_at(step), (self.person.page.status_code, self.person.title)

    def finish(self, step: str) -> None:
        """From this step, which is on the screen, to the end."""
        names = [stop.name for stop in self.variant.stops()]
        for name in names[names.index(step) :]:
            self.answer(name)
        assert self.is_finished(), self.person.title

    def is_at(self, step: str) -> bool:
        """Whether this step is on the screen, as a page to be filled in."""
        path = self.variant.journey.paths[step]
        at = self.person.address.split("?")[0] == f"/{self.portal.slug}/{path}"
        return at and self.person.page.status_code == 200 and 'name="nonce"' in self.person.text

    def is_finished(self) -> bool:
        done = DONE.get(self.variant.journey.name)
        if self.variant.journey.is_own and not done:
            return self.person.address.split("?")[0].split("/")[1] == "account" and self.person.page.status_code == 200
        return self.person.title == done if done else self.person.address == self.portal.home_url

    def path(self, step: str) -> str:
        return f"/{self.portal.slug}/{self.variant.journey.paths[step]}?f={self.handle}"

    @property
    def handle(self) -> str:
        return self.person.address.split("f=")[1].split("&")[0]

    @property
    def entrance(self) -> str:
        """Where somebody lands who opens the walk anew, and is not signed in."""
        return "login" if self.variant.journey.is_own else self.variant.journey.first_path

    def answered(self) -> dict[str, Any]:
        """The facts that the person's answers proved."""
        proved = frozenset[str]().union(*(stop.proves for stop in self.variant.stops()))
        return {name: value for name, value in self.run().state.items() if name in proved}

    def run(self) -> runs.Run:
        db.session.rollback()
        found = runs.find(self.handle)
        assert found is not None
        return found


def lost(services: Services, portal: Portal, account: Account, factor: str) -> str:
    """Somebody tried with what was on the lost telephone until it was locked, and has the letter; its code."""
    locked = {"blocked_until": services.clock.now() + timedelta(days=1), "spent": 50, "streak": 50}
    budget = FACTOR_BUDGETS[factor]
    services.attempts.pay(budget, str(account.id))
    mine = AttemptCounter.subject == services.attempts._key(budget, str(account.id))
    db.session.execute(update(AttemptCounter).where(mine).values(locked))
    ask(services, account, portal)
    return printed(services, portal)[0]


def sign_in(world: World) -> None:
    person = world.person
    person.open(f"/{world.home.slug}/login")
    person.submit(email=world.email, password=PASSWORD)
    person.submit(otp=newest_code("sms") if world.variant.factor == "sms" else app_code(world.clock))
    assert person.address == world.home.home_url
    world.clock.advance(timedelta(minutes=1))


def sent() -> int:
    """How many messages were ever queued for sending."""
    db.session.rollback()
    rows = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.state != "dropped")
    return db.session.scalar(rows) or 0


def _enrolment_code(world: World) -> dict[str, str]:
    return {"otp": app_code(world.clock, world.person.text.split('data-copy="')[1].split('"')[0])}


ANSWERS: dict[str, Callable[[World], dict[str, str]]] = {
    "registration_code": lambda world: {"code": world.code},
    "email": lambda world: {"email": world.email},
    "email_code": lambda world: {"otp": newest_code("mail")},
    "details": lambda world: {
        "birth_date": BORN, "password": PASSWORD, "terms": "yes", "factor": world.variant.factor,
        "mobile": world.mobile,
    },
    "sms_code": lambda world: {"otp": newest_code("sms")},
    "totp_enrol": _enrolment_code,
    "credentials": lambda world: {"email": world.email, "password": PASSWORD},
    "totp": lambda world: {"otp": app_code(world.clock)},
    "second_item": lambda world: {"birth_date": BORN},
    "reset_email": lambda world: {"email": world.email},
    "choose_method": lambda world: {"method": world.variant.way_back},
    "letter_code": lambda world: {"letter_code": world.code},
    "new_factor": lambda world: {"factor": world.variant.factor, "mobile": f"{world.mobile[:-7]}9{world.mobile[-6:]}"},
    "new_number": lambda world: {"mobile": f"{world.mobile[:-7]}9{world.mobile[-6:]}"},
    "new_app": lambda world: {},
    "confirm": lambda world: {"password": PASSWORD},
    "close": lambda world: {"agree": "yes"},
    "remove_method": lambda world: {"factor": "sms"},
    "new_mobile": lambda world: {"otp": newest_code("sms")},
    "make_codes": lambda world: {},
    "new_email": lambda world: {"email": f"new-{world.email}"},
    "new_password": lambda world: {"password": NEW_PASSWORD},
}  # fmt: skip


def waiting_handle(services: Services, address: str) -> str:
    """That of the portal's request for which the walk at this address began."""
    run = runs.find(parse_qs(urlsplit(address).query)["f"][0])
    assert run is not None
    return (runs.resume_address(services, run) or "").removeprefix(runs.RESUME)
