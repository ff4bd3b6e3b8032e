"""An authorization request that passed its checks (OIDC Core §3.1.2.1), and the form in which it is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from idp.protocol.authentication_context import KNOWN
from idp.protocol.requested_claims import Requested
from idp.protocol.responses import DEFAULT, Callback


@dataclass(frozen=True)
class AuthorizationRequest:
    """`asked_at` tells an authentication made for this request from an earlier one.

    `hinted_sub` comes of a hint or of the claim `sub`; `accepted_acr` are the contexts a session may have, and
    `demanded_acr` the names of which it is called one; `pushed_id` is the pushed request that this answers.
    """

    redirect_uri: str
    scope: str
    asked_at: datetime
    response_mode: str = DEFAULT
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompts: tuple[str, ...] = ()
    max_age: int | None = None
    accepted_acr: tuple[str, ...] = KNOWN
    demanded_acr: tuple[str, ...] = ()
    claims: Requested | None = None
    resources: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    login_hint: str | None = None
    hinted_sub: str | None = None
    dpop_jkt: str | None = None
    pushed_id: str | None = None

    @property
    def callback(self) -> Callback:
        return Callback(self.redirect_uri, self.response_mode, self.state)

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "asked_at": self.asked_at.isoformat()}

    @classmethod
    def restored(cls, kept: dict[str, Any]) -> AuthorizationRequest:
        """From JSON; a field that this version does not know is left out."""
        names = {field.name for field in fields(cls)}
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name in names
        }
        return cls(**(given | {"asked_at": datetime.fromisoformat(kept["asked_at"])}))
