"""The authorization response in each mode: in the address, by a form that posts itself, or as a signed JWT (JARM).

OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode, JWT Secured Authorization Response Mode §2. Who answers
is always said: `iss` of RFC 9207 §2, or the claim of that name. Errors go the same way as success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote_plus

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import security_profile
from idp.services.bundle import Services

DEFAULT = "query"
SIGNED = ("query.jwt", "form_post.jwt", "jwt")  # jwt is the default of the response type: for code, query.jwt
MODES = (DEFAULT, "form_post", *SIGNED)
TYPE = "JWT"
LIFE = timedelta(minutes=5)  # JARM §2.1 recommends at most ten minutes


@dataclass(frozen=True)
class Callback:
    """Where an answer goes: an address that is proved to be the portal's, the mode, and the state as it came."""

    redirect_uri: str
    mode: str = DEFAULT
    state: str | None = None


@dataclass(frozen=True, repr=False)
class Answer:
    """Where the browser goes; `form` is what a page posts there, None when the address carries everything."""

    address: str
    form: Mapping[str, str] | None = None


def signing_alg(portal: Portal) -> str:
    """As registered, else RS256 (JARM §3), which FAPI 2.0 rules out: there the ID token's algorithm stands in."""
    if portal.authorization_signed_response_alg:
        return portal.authorization_signed_response_alg
    return portal.id_token_signed_response_alg if security_profile.is_fapi2(portal) else "RS256"


def answer(bundle: Services, portal: Portal, callback: Callback, **values: str) -> Answer:
    """The response with these parameters, in the mode that was asked for."""
    pairs = {**values, **({"state": callback.state} if callback.state is not None else {})}
    if callback.mode in SIGNED:
        pairs = {"response": _sign(bundle, portal, pairs)}
    else:
        pairs["iss"] = bundle.settings.issuer
    if callback.mode.startswith("form_post"):
        return Answer(callback.redirect_uri, pairs)
    joint = "&" if "?" in callback.redirect_uri else "?"
    query = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs.items())  # the names are words of the RFCs
    return Answer(callback.redirect_uri + joint + query)


def refusal(bundle: Services, portal: Portal, callback: Callback, error: ProtocolError) -> Answer:
    """The error response of RFC 6749 §4.1.2.1."""
    return answer(bundle, portal, callback, error=error.code, error_description=error.description)


def _sign(bundle: Services, portal: Portal, pairs: Mapping[str, str]) -> str:
    # JARM §2.1: iss, aud and exp MUST be there.
    claims = {
        "iss": bundle.settings.issuer,
        "aud": portal.client_id,
        "exp": int((bundle.clock.now() + LIFE).timestamp()),
        **pairs,
    }
    return bundle.keyring.sign(claims, alg=signing_alg(portal), typ=TYPE)
