"""Authentication contexts: which `acr` a request demands and which a session reaches (OIDC Core §5.5.1.1, RFC 9470).

`mfa` is two factors, `phr` a phishing-resistant passkey, which is two factors as well.
"""

from __future__ import annotations

from idp.errors import ProtocolError
from idp.models.portal import Portal

NAMES_OF = {"mfa": ("mfa",), "phr": ("phr", "mfa")}  # what a session may be called, the strongest first
KNOWN = tuple(NAMES_OF)
OFFERED = ("mfa", "phr")  # what a person can reach on the sign-in pages today


def unmet() -> ProtocolError:
    """The error of OpenID Connect Core Error Code unmet_authentication_requirements, which RFC 9470 §5 asks for."""
    return ProtocolError("unmet_authentication_requirements", "the demanded acr cannot be reached here")


def demanded(portal: Portal, acr_values: tuple[str, ...], essential: tuple[str, ...]) -> tuple[str, ...]:
    """The contexts of which one is demanded, in the order of preference; empty when any will do.

    Essential values must be met or refused. Voluntary ones that nobody here knows are ignored (OIDC Core §3.1.2.1).
    """
    if essential:
        return essential
    return tuple(acr for acr in acr_values or portal.default_acr_values if acr in KNOWN)


def acceptable(portal: Portal, names: tuple[str, ...]) -> tuple[str, ...]:
    """The `acr` that a session may have. Raises `ProtocolError` when no sign-in here can reach one of them."""
    found = tuple(
        acr
        for acr, called in NAMES_OF.items()
        if set(called) & set(portal.allowed_acr) and (not names or set(called) & set(names))
    )
    if not set(found) & set(OFFERED):
        raise unmet()
    return found


def name(acr: str, names: tuple[str, ...]) -> str:
    """What a session of this `acr` is called towards a portal that demanded these."""
    return next((one for one in names if one in NAMES_OF[acr]), acr)
