"""How a resource of ours takes an access token, and how it says no (RFC 6750 §2, RFC 9449 §7, RFC 8705 §3)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request

from idp.errors import ProtocolError
from idp.protocol import authentication_context, dpop, mtls
from idp.protocol.confirmation import JKT, Holder, is_held
from idp.protocol.token_request import FORM
from idp.services.access_tokens import LiveToken
from idp.services.bundle import Services

REALM = "connect"
ALGS = " ".join(dpop.ALGORITHMS)


@dataclass(frozen=True, repr=False)
class Presented:
    """The one token of a request, and the scheme it came by, in lower case."""

    scheme: str
    token: str


def challenge(scheme: str, **parameters: str) -> str:
    """A challenge of RFC 9110 §11.6.1; the DPoP scheme tells its algorithms (RFC 9449 §7.1)."""
    given = {"realm": REALM, **parameters} | ({"algs": ALGS} if scheme == "DPoP" else {})
    return f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in given.items())


def refused(scheme: str, code: str, description: str, *, status: int = 401, **parameters: str) -> ProtocolError:
    name = "DPoP" if scheme == "dpop" else "Bearer"
    return ProtocolError(code, description, status=status, challenge=challenge(name, error=code, **parameters))


def load_token(bundle: Services, request: Request, *, scope: str) -> LiveToken:
    """The live token of this request with its person, held by who shows it, meant for us, with this scope. Raises
    `ProtocolError`.
    """
    shown = _presented(request)
    proof = _proof(bundle, request) if shown.scheme == "dpop" else None
    token = bundle.access_tokens.find(shown.token, with_person=True)
    if token is None:
        raise refused(shown.scheme, "invalid_token", "the token is not valid or no longer valid")
    bound = token.facts.confirmation
    # RFC 9449 §7.2: a bound token MUST NOT be accepted as a bearer token, nor an unbound one under DPoP.
    if (JKT in bound) != (proof is not None) or not is_held(bound, Holder(proof, mtls.certificate_of(bundle, request))):
        raise refused("dpop" if JKT in bound else "bearer", "invalid_token", "the token is bound to a key not shown")
    if proof is not None:
        _spend(bundle, proof, shown.token)
    _check_purpose(bundle, token, shown.scheme, scope)
    return token


def _presented(request: Request) -> Presented:
    """In the header, or in a form body; never in the address (RFC 6750 §2.3, RFC 9700 §4.3.2)."""
    scheme, _, in_header = request.headers.get("Authorization", "").partition(" ")
    in_body = request.form.getlist("access_token") if request.mimetype == FORM else []
    if "access_token" in request.args or len(in_body) > 1 or (in_header and in_body):
        raise refused("bearer", "invalid_request", "send one token, in the header or the body", status=400)
    if in_body:
        return Presented("bearer", in_body[0])
    if scheme.lower() not in {"bearer", "dpop"} or not in_header.strip():
        # RFC 6750 §3.1: who shows nothing SHOULD NOT be told an error code in the challenge.
        ways = f"{challenge('Bearer')}, {challenge('DPoP')}"
        raise ProtocolError("invalid_token", "an access token is needed", status=401, challenge=ways)
    return Presented(scheme.lower(), in_header.strip())


def _proof(bundle: Services, request: Request) -> dpop.Proof:
    try:
        proof = dpop.check(bundle, request)
    except ProtocolError as error:
        raise refused("dpop", error.code, error.description) from None
    if proof is None:
        raise refused("dpop", "invalid_dpop_proof", "the DPoP scheme needs a proof")
    return proof


def _spend(bundle: Services, proof: dpop.Proof, token: str) -> None:
    if not dpop.is_for_token(proof, token):
        raise refused("dpop", "invalid_dpop_proof", "ath is not the hash of the access token")
    try:
        dpop.spend(bundle, proof)
    except ProtocolError as error:
        raise refused("dpop", error.code, error.description) from None


def _check_purpose(bundle: Services, token: LiveToken, scheme: str, scope: str) -> None:
    # RFC 9700 §2.3: a resource server MUST refuse a token that is meant for another.
    if bundle.settings.issuer not in token.facts.audience:
        raise refused(scheme, "invalid_token", "the token is meant for another resource")
    if token.grant is None or scope not in token.facts.scope.split():
        raise refused(scheme, "insufficient_scope", "the token lacks a scope", status=403, scope=scope)
    # RFC 9470 §3: the portal's policy was raised since the person signed in.
    if token.grant.acr not in authentication_context.allowed(token.portal):
        wanted = " ".join(token.portal.allowed_acr)
        raise refused(scheme, "insufficient_user_authentication", "a stronger sign-in is needed", acr_values=wanted)
