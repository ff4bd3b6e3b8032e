"""What each journey proves: one frozen class of facts a journey, all of them empty at its start (design.md §4.3).

A walk keeps these and nothing else of where it stands: the step that is open is derived from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, repr=False)
class Registration:
    code_id: str | None = None
    person_id: str | None = None
    email: str | None = None
    email_proved: bool | None = None
    given_name: str | None = None
    family_name: str | None = None
    password_hash: str | None = None
    factor: str | None = None
    mobile: str | None = None
    factor_proved: bool | None = None
    app_step: int | None = None


@dataclass(frozen=True, repr=False)
class Owned:
    """What is proved of an account: whose it is, the second factor, and what takes the place of a lost one."""

    account_id: str | None = None
    proved_at: str | None = None  # when its password, its passkey or the code of its address was right
    method: str | None = None
    factor_proved: bool | None = None
    factor: str | None = None  # from here on what is set up anew, or given up
    mobile: str | None = None
    new_factor_proved: bool | None = None
    app_step: int | None = None
    letter_code_id: str | None = None  # of a recovery letter

    def account(self) -> UUID:
        """The account, once it is proved."""
        return UUID(str(self.account_id))


@dataclass(frozen=True, repr=False)
class Login(Owned):
    passkey_id: str | None = None  # empty where it was the password
    is_trusted: bool | None = None  # the person wants to be asked for no code in this browser


@dataclass(frozen=True, repr=False)
class Reset(Owned):
    email: str | None = None
    password_hash: str | None = None


@dataclass(frozen=True)
class Link:
    code_id: str | None = None
    person_id: str | None = None
    account_id: str | None = None
    second_item_proved: bool | None = None


@dataclass(frozen=True, repr=False)
class Change(Owned):
    """A change that the owner of an account makes."""

    password_hash: str | None = None
    email: str | None = None
    email_proved: bool | None = None
    is_wanted: bool | None = None


@dataclass(frozen=True)
class Consent:
    allowed: list[str] | None = None
    is_refused: bool | None = None
