"""The end of an account: what opened it is erased, what was given is withdrawn, what it knew of its person is wiped.

The row stays, empty, so that its id is never given again, nor any `sub` that was made of it (docs/decisions/0018).
"""

from __future__ import annotations

from sqlalchemy import delete, select, update

from idp.clock import Clock
from idp.models.account import Account, Password, Phone, RecoveryCode, Reminder, TOTPSecret
from idp.models.authorization import Consent
from idp.models.base import Base, db
from idp.models.factor_reset import FactorReset
from idp.models.kept_form import KeptForm
from idp.models.list_export import ListExport
from idp.models.operator import Operator, OperatorRole, OperatorSession
from idp.models.passkey import Passkey
from idp.models.person import RECOVER, REGISTER, InsuredPerson, revoke_codes
from idp.models.recovery_letter import RecoveryLetter
from idp.models.saved_view import SavedView
from idp.models.session import Session
from idp.models.trusted_device import TrustedDevice
from idp.services.attempts import APP_CODE, PASSWORD, RECOVERY_CODE, RECOVERY_LETTER, SMS_CODE, Attempts
from idp.services.person_words import renew_words
from idp.services.sign_out import SignOut
from idp.services.tokens import Tokens

ERASED: tuple[type[Base], ...] = (
    Password, Phone, TOTPSecret, Passkey, RecoveryCode, RecoveryLetter, FactorReset, Reminder, TrustedDevice, Consent,
    KeptForm, ListExport, SavedView, OperatorSession, OperatorRole, Operator,
)  # fmt: skip


class Closing:
    def __init__(self, clock: Clock, attempts: Attempts, sign_out: SignOut, tokens: Tokens) -> None:
        self._clock = clock
        self._attempts = attempts
        self._sign_out = sign_out
        self._tokens = tokens

    def close(self, account: Account) -> None:
        """Close it for good. Its address is free again; a new letter opens its records to another account."""
        self._sign_out.account(account.id)
        self._tokens.revoke_everything_of(account.id)
        for model in ERASED:
            db.session.execute(delete(model).where(model.__table__.c.account_id == account.id))
        self._unlink(account)
        wiped = {"browser_hash": "", "user_agent": ""}
        db.session.execute(update(Session).where(Session.account_id == account.id).values(wiped))
        self._forget_guesses(account)
        account.status, account.email = "closed", f"closed:{account.id}"
        account.given_name = account.family_name = ""
        db.session.flush()

    def _unlink(self, account: Account) -> None:
        """The funds' records are nobody's again, and no code that was issued before opens them."""
        records = db.session.scalars(select(InsuredPerson.id).where(InsuredPerson.account_id == account.id)).all()
        for purpose in (REGISTER, RECOVER):
            revoke_codes(records, self._clock.now(), purpose)
        free = update(InsuredPerson).where(InsuredPerson.account_id == account.id)
        db.session.execute(free.values(account_id=None, linked_at=None))
        renew_words(records)  # the names that the account had given are no longer searched for

    def _forget_guesses(self, account: Account) -> None:
        """Whoever has the address next begins without the locks of this one."""
        self._attempts.forgive(PASSWORD, account.email)
        for budget in (SMS_CODE, APP_CODE, RECOVERY_CODE, RECOVERY_LETTER):
            self._attempts.forgive(budget, str(account.id))
