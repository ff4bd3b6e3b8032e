"""The application of a test from the other side: its letters, messages, clock and database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

import pyotp
from flask import Flask
from sqlalchemy import func, select, update

from flows.steps.lock import FACTOR_BUDGETS
from idp.clock import FrozenClock
from idp.models.account import RecoveryCode, load_account
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.passkey import Passkey
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.devices import show
from tests.browser.walk import Letter
from tests.support.authenticator import Authenticator
from tests.support.builders import add_person
from tests.support.letters import ask, printed
from tests.support.operators import add_operator
from tests.support.person import newest_code, newest_message
from tests.support.resets import agreed

BORN = date(1958, 3, 27)


@dataclass
class World:
    """`portals` are those of the installation; the first has a logo and both factors."""

    app: Flask
    home: str
    services: Services
    clock: FrozenClock
    portals: list[Portal]
    issued: int = 0

    def letter(self, portal: Portal | None = None, **changes: object) -> Letter:
        """A new person's letter."""
        portal = portal or self.portals[0]
        self.issued += 1
        person = add_person(portal, f"P-{self.issued}", birth_date=BORN, **changes)
        code = self.services.registration_codes.issue(person, portal)
        db.session.commit()
        return Letter(portal.slug, code, BORN)

    def owner(self, letter: Letter) -> str:
        """The address of the account that the letter's person has now."""
        digest = self.services.vault.mac("registration-code", letter.code)
        db.session.rollback()
        row = db.session.scalars(select(RegistrationCode).where(RegistrationCode.code_hash == digest)).one()
        assert row.person.account_id is not None
        return load_account(row.person.account_id).email

    def change_code(self, letter: Letter, **values: object) -> None:
        """What time or somebody else does to a letter's code."""
        digest = self.services.vault.mac("registration-code", letter.code)
        db.session.execute(update(RegistrationCode).where(RegistrationCode.code_hash == digest).values(**values))
        db.session.commit()

    def count(self) -> int:
        db.session.rollback()
        return db.session.scalar(select(func.count()).select_from(OutboxMessage)) or 0

    def code(self, channel: str, to: str, after: int) -> str:
        """Messages are queued by the very request that causes them."""
        assert self.count() > after, (channel, to)
        return newest_code(channel)

    def fail_messages(self) -> None:
        """Nothing that waits can be delivered."""
        db.session.execute(update(OutboxMessage).values(state="dead"))
        db.session.commit()

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def app_code(self, app: pyotp.TOTP, seconds: int = 0) -> str:
        return app.at(self.clock.now() + timedelta(seconds=seconds))

    def add_app(self, email: str) -> pyotp.TOTP:
        """Give an account the app as a second method."""
        account = self.services.accounts.find(email)
        assert account is not None
        seed = self.services.totp.new_seed()
        self.services.totp.enrol(account.id, seed, 0)
        db.session.commit()
        return pyotp.TOTP(seed)

    def recovery_code(self, email: str) -> str:
        """One of the codes that the person printed."""
        account = self.services.accounts.find(email)
        assert account is not None
        row = db.session.scalars(select(RecoveryCode).where(RecoveryCode.account_id == account.id)).first()
        assert row is not None
        return self.services.vault.open(row.sealed_code or "", f"recovery_code.sealed_code.{row.id}").decode()

    def ask_for_letter(self, email: str) -> None:
        """As H2 does at the first portal."""
        account = self.services.accounts.find(email)
        assert account is not None
        ask(self.services, account, self.portals[0])

    def printed_letter(self) -> str:
        """The code of the recovery letter that waits at the first portal."""
        (code,) = printed(self.services, self.portals[0])
        return code

    def agree_on_reset(self, email: str) -> None:
        """Two operators of the first portal agree to set up a new second factor; it cools off from now on."""
        account = self.services.accounts.find(email)
        assert account is not None
        people = (add_operator(self.services, f"{name}@cpx.example.ch", ["support@cpx"]) for name in ("remo", "sina"))
        agreed(self.services, account, self.portals[0], tuple(people))  # type: ignore[arg-type]

    def lock(self, email: str, factor: str) -> None:
        """Somebody guesses at a second factor until it is locked."""
        account = self.services.accounts.find(email)
        assert account is not None
        for _ in range(8):
            self.services.attempts.pay(FACTOR_BUDGETS[factor], str(account.id))
            self.later(seconds=61)

    def link_of_mail(self) -> str:
        """The address that the newest mail names."""
        found = re.search(r"https?://\S+", newest_message("mail"))
        assert found
        return found[0]

    def add_passkey(self, email: str) -> None:
        """Give an account a passkey of another device."""
        account = self.services.accounts.find(email)
        assert account is not None
        options = self.services.passkeys.creation_options(account, "another browser")
        made = Authenticator(self.home).create(options)
        assert isinstance(self.services.passkeys.create(account, "another browser", made, "Bitwarden"), Passkey)
        db.session.commit()

    def link(self, email: str, portal: Portal) -> None:
        """The account's owner has a record at this portal too."""
        account = self.services.accounts.find(email)
        assert account is not None
        self.issued += 1
        person: InsuredPerson = add_person(portal, f"P-{self.issued}")
        person.link(account.id, self.clock.now())
        db.session.commit()

    def device(self, *, is_third_party: bool) -> str:
        """The code that a device shows which asks for everything at the first portal."""
        portal = self.portals[0]
        portal.consent, portal.publisher = is_third_party, "Muster AG"
        portal.policy_uri = "https://cpx.example.ch/privacy"
        begun = self.services.devices.begin(portal, "openid profile email phone insurance offline_access")
        db.session.commit()
        return show(begun.user_code)
