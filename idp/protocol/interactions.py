"""What a person still has to do before a portal gets its answer. Pure, and asked again when the person comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from idp.errors import ProtocolError
from idp.models.session import TRUSTED_DEVICE
from idp.protocol import authentication_context
from idp.protocol.authorization import AuthorizationRequest


class Interaction(Enum):
    """`path`: where the journey begins below the portal. `error`: what `prompt=none` answers (OIDC Core §3.1.2.6)."""

    LOGIN = ("login", "login_required")
    REGISTER = ("register/code", "interaction_required")
    LINK = ("link/code", "interaction_required")
    CONSENT = ("consent", "consent_required")

    def __init__(self, path: str, error: str) -> None:
        self.path = path
        self.error = error


@dataclass(frozen=True)
class SignedIn:
    """What the policy must know of a session: when the person authenticated, how, and what is settled here."""

    auth_time: datetime
    acr: str
    is_meant: bool  # by the request, which may hint at one person
    is_linked: bool
    has_answered: bool  # to what a third party's portal wants to see


def needed(request: AuthorizationRequest, who: SignedIn | None, now: datetime) -> Interaction | None:
    """The next journey, or None when the request may be granted.

    Raises `ProtocolError` login_required when somebody signed in for this request who is not the one it hints at, and
    unmet_authentication_requirements when that sign-in did not reach the demanded context.
    """
    is_fresh = who is not None and who.auth_time >= request.asked_at
    is_meant = who is None or who.is_meant
    if is_fresh and not is_meant:
        raise ProtocolError("login_required", "the person who signed in is not the one of id_token_hint")
    if "create" in request.prompts and not is_fresh:
        return Interaction.REGISTER
    if who is None or not is_meant or (not is_fresh and _must_sign_in_again(request, who, now)):
        return Interaction.LOGIN
    if who.acr not in request.accepted_acr:
        if who.acr == TRUSTED_DEVICE:  # opened meanwhile in another tab, for somebody who asks for less
            return Interaction.LOGIN
        raise authentication_context.unmet()
    if not who.is_linked:
        return Interaction.LINK
    return None if who.has_answered else Interaction.CONSENT


def _must_sign_in_again(request: AuthorizationRequest, who: SignedIn, now: datetime) -> bool:
    # OIDC Core §3.1.2.1: prompt=login MUST reauthenticate, and so MUST an authentication older than max_age.
    if {"login", "select_account"} & set(request.prompts) or who.acr not in request.accepted_acr:
        return True
    return request.max_age is not None and now - who.auth_time > timedelta(seconds=request.max_age)
