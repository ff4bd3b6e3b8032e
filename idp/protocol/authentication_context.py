"""Authentication contexts: which `acr` a request demands and which a session reaches (OIDC Core §5.5.1.1, RFC 9470).

`mfa` is two factors, `phr` a phishing-resistant passkey, which is two factors as well. A trusted device is neither:
what it opened has a name of its own, which no portal can ask for and only one that allows such devices ever hears.
"""

from __future__ import annotations

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.models.session import TRUSTED_DEVICE

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


def allowed(portal: Portal) -> tuple[str, ...]:
    """What this portal takes where it demands nothing."""
    return (*portal.allowed_acr, *((TRUSTED_DEVICE,) if portal.trusted_devices else ()))


def acceptable(portal: Portal, names: tuple[str, ...], *, is_fresh: bool) -> tuple[str, ...]:
    """The `acr` that a session may have; `is_fresh` where the request demands how recent the proof is.

    Raises `ProtocolError` when no sign-in here can reach one of them.
    """
    found = tuple(
        acr
        for acr, called in NAMES_OF.items()
        if set(called) & set(portal.allowed_acr) and (not names or set(called) & set(names))
    )
    if not set(found) & set(OFFERED):
        raise unmet()
    takes_trust = portal.trusted_devices and "mfa" in portal.allowed_acr and not names and not is_fresh
    return (*found, TRUSTED_DEVICE) if takes_trust else found


def name(acr: str, names: tuple[str, ...]) -> str:
    """What a session of this `acr` is called towards a portal that demanded these."""
    return next((one for one in names if one in NAMES_OF.get(acr, ())), acr)
