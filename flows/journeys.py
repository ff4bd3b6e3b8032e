"""The journeys as tables of contents: their facts, their steps in order, and the address of each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flows.change import (
    CLOSED,
    finish_closing,
    finish_codes,
    finish_email,
    finish_factor,
    finish_password,
    finish_removal,
)
from flows.context import Context, Step
from flows.engine import Itinerary
from flows.facts import Change, Consent, Link, Login, Registration, Reset
from flows.finish import Ending, finish_consent, finish_link, finish_login, finish_registration, finish_reset
from flows.steps.account import MakeCodesStep, NewEmailCodeStep, NewEmailStep
from flows.steps.app_code import EnrolAppStep, LoginAppStep
from flows.steps.close import CloseStep
from flows.steps.codes import EmailCodeStep, LoginSMSStep, RegistrationSMSStep
from flows.steps.confirm import ConfirmStep
from flows.steps.consent import ConsentStep
from flows.steps.credentials import ChooseMethodStep, CredentialsStep
from flows.steps.details import DetailsStep
from flows.steps.email import EmailStep
from flows.steps.letter_code import LetterCodeStep
from flows.steps.link import AccountStep, SecondItemStep
from flows.steps.lock import RESET as RESET_PLACE
from flows.steps.lock import SIGN_IN, Place, own
from flows.steps.new_factor import NewAppStep, NewFactorStep, NewMobileStep, RecoveryCodeStep
from flows.steps.own_methods import NewAppIntroStep, NewNumberStep, RemoveMethodStep
from flows.steps.registration_code import RegistrationCodeStep
from flows.steps.reset import NewPasswordStep, ResetCodeStep, ResetEmailStep
from idp.settings import Settings


@dataclass(frozen=True)
class Journey:
    """`paths` maps each step to its address below the portal; `finish` runs when nothing is left to prove."""

    name: str
    itinerary: Itinerary[Any, Step]
    paths: dict[str, str]
    idle_for: Callable[[Settings], timedelta]
    finish: Callable[[Context], Ending]
    expired_key: str
    done_path: str | None = None  # the page at its end, where it does not lead on by itself
    is_own: bool = False  # only for somebody who is signed in

    @property
    def first_path(self) -> str:
        return next(iter(self.paths.values()))

    def keeps(self, path: str) -> set[str]:
        """The entries that may be kept of whatever is asked at this address."""
        return {name for step in self.itinerary.steps if self.paths[step.name] == path for name in step.keeps}

    def guesses(self, path: str) -> bool:
        """Whether whatever is answered at this address is a guess."""
        return all(step.guesses for step in self.itinerary.steps if self.paths[step.name] == path)

    @property
    def after_sign_in(self) -> str:
        """Where the walk goes on for a person who had to sign in on the way."""
        return self.paths.get("account", self.first_path)


def _owner(place: Place, *, is_always: bool = False) -> tuple[Step, ...]:
    """Who changes what opens the account proves the password or a passkey, and the present second factor."""
    confirm = ConfirmStep(place.after, is_always=is_always)
    return confirm, ChooseMethodStep(place), RecoveryCodeStep(place), LoginSMSStep(place), LoginAppStep(place)


def _owner_paths(path: str) -> dict[str, str]:
    code = f"{path}/code"
    return {
        "confirm": f"{path}/confirm", "choose_method": f"{path}/methods", "recovery_code": f"{path}/recovery",
        "sms_code": code, "totp": code,
    }  # fmt: skip


REGISTRATION = Journey(
    "registration",
    Itinerary(
        Registration(),
        (
            RegistrationCodeStep(),
            EmailStep(),
            EmailCodeStep(),
            DetailsStep(),
            RegistrationSMSStep(),
            EnrolAppStep(),
        ),
    ),
    {
        "registration_code": "register/code",
        "email": "register/email",
        "email_code": "register/email-code",
        "details": "register/details",
        "sms_code": "register/sms",
        "totp_enrol": "register/app",
    },
    lambda settings: settings.registration_idle_for,
    finish_registration,
    "x.flow",
    "register/done",
)
LOGIN = Journey(
    "login",
    Itinerary(
        Login(),
        (
            CredentialsStep(),
            ChooseMethodStep(),
            RecoveryCodeStep(SIGN_IN),
            LetterCodeStep(SIGN_IN),
            LoginSMSStep(),
            LoginAppStep(),
            NewFactorStep(SIGN_IN),
            NewMobileStep("login/factor"),
            NewAppStep("login/factor"),
        ),
    ),
    {
        "credentials": "login",
        "choose_method": "login/methods",
        "recovery_code": "login/recovery",
        "letter_code": "login/letter-code",
        "sms_code": "login/code",
        "totp": "login/code",
        "new_factor": "login/factor",
        "new_mobile": "login/sms",
        "totp_enrol": "login/app",
    },
    lambda settings: settings.login_idle_for,
    finish_login,
    "x.login",
)
RESET = Journey(
    "reset",
    Itinerary(
        Reset(),
        (
            ResetEmailStep(),
            ResetCodeStep(),
            ChooseMethodStep(RESET_PLACE),
            RecoveryCodeStep(RESET_PLACE),
            LetterCodeStep(RESET_PLACE),
            LoginSMSStep(RESET_PLACE),
            LoginAppStep(RESET_PLACE),
            NewFactorStep(RESET_PLACE),
            NewMobileStep("reset/new-factor"),
            NewAppStep("reset/new-factor"),
            NewPasswordStep(),
        ),
    ),
    {
        "reset_email": "reset",
        "email_code": "reset/code",
        "choose_method": "reset/methods",
        "recovery_code": "reset/recovery",
        "letter_code": "reset/letter-code",
        "sms_code": "reset/factor",
        "totp": "reset/factor",
        "new_factor": "reset/new-factor",
        "new_mobile": "reset/sms",
        "totp_enrol": "reset/app",
        "new_password": "reset/password",
    },
    lambda settings: settings.login_idle_for,
    finish_reset,
    "x.login",
    "reset/done",
)
LINK = Journey(
    "link",
    Itinerary(Link(), (RegistrationCodeStep(is_link=True), AccountStep(), SecondItemStep())),
    {"registration_code": "link/code", "account": "link/account", "second_item": "link/details"},
    lambda settings: settings.registration_idle_for,
    finish_link,
    "x.flow",
)
PASSWORD = Journey(
    "password",
    Itinerary(Change(), (ConfirmStep("new_password"), NewPasswordStep("/account/security"))),
    {"confirm": "account/password/confirm", "new_password": "account/password"},
    lambda settings: settings.login_idle_for,
    finish_password,
    "x.login",
    is_own=True,
)
MOBILE = Journey(
    "mobile",
    Itinerary(
        Change(), (*_owner(own("account/mobile", "new_number")), NewNumberStep(), NewMobileStep("account/mobile"))
    ),
    {**_owner_paths("account/mobile"), "new_number": "account/mobile", "new_mobile": "account/mobile/sms"},
    lambda settings: settings.login_idle_for,
    finish_factor,
    "x.login",
    is_own=True,
)
APP = Journey(
    "app",
    Itinerary(Change(), (*_owner(own("account/app", "new_app")), NewAppIntroStep(), NewAppStep("account/app"))),
    {**_owner_paths("account/app"), "new_app": "account/app", "totp_enrol": "account/app/key"},
    lambda settings: settings.login_idle_for,
    finish_factor,
    "x.login",
    is_own=True,
)
REMOVAL = Journey(
    "removal",
    Itinerary(Change(), (*_owner(own("account/method", "remove_method")), RemoveMethodStep())),
    {**_owner_paths("account/method"), "remove_method": "account/method"},
    lambda settings: settings.login_idle_for,
    finish_removal,
    "x.login",
    is_own=True,
)
CODES = Journey(
    "codes",
    Itinerary(Change(), (ConfirmStep("make_codes"), MakeCodesStep())),
    {"confirm": "account/codes/confirm", "make_codes": "account/codes"},
    lambda settings: settings.login_idle_for,
    finish_codes,
    "x.login",
    is_own=True,
)
EMAIL = Journey(
    "email",
    Itinerary(Change(), (ConfirmStep("new_email"), NewEmailStep(), NewEmailCodeStep())),
    {"confirm": "account/email/confirm", "new_email": "account/email", "email_code": "account/email/code"},
    lambda settings: settings.login_idle_for,
    finish_email,
    "x.login",
    is_own=True,
)
CLOSING = Journey(
    "closing",
    Itinerary(Change(), (*_owner(own("account/close", "close", asks_always=True), is_always=True), CloseStep())),
    {**_owner_paths("account/close"), "close": "account/close"},
    lambda settings: settings.login_idle_for,
    finish_closing,
    "x.login",
    CLOSED,
    is_own=True,
)
CONSENT = Journey(
    "consent",
    Itinerary(Consent(), (ConsentStep(),)),
    {"consent": "consent"},
    lambda settings: settings.login_idle_for,
    finish_consent,
    "x.login",
)
OWN = (PASSWORD, MOBILE, APP, REMOVAL, CODES, EMAIL, CLOSING)
JOURNEYS = {journey.name: journey for journey in (REGISTRATION, LOGIN, RESET, LINK, *OWN, CONSENT)}
