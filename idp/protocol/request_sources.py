"""Where the parameters of an authorization request come from, and what is left of them once they are checked.

They stand in the query, in a signed request object (JAR), or were pushed beforehand (PAR), with or without an object.
The same two tuples of checks run over all of them, at the PAR endpoint and again when the person arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import authentication_context, jar, par, requested_claims, security_profile
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.authorize_checks import AFTER_REDIRECT, BEFORE_REDIRECT, KNOWN, Parameters, find_portal_of
from idp.protocol.id_token_hint import read_hint
from idp.protocol.responses import DEFAULT, MODES, Callback
from idp.services.bundle import Services


class Refused(Exception):
    """A request that cannot be granted. Without a `callback` no address is proved: the answer is a page of ours."""

    def __init__(self, error: ProtocolError, portal: Portal | None, callback: Callback | None) -> None:
        super().__init__(error.code)
        self.error = error
        self.portal = portal
        self.callback = callback


@dataclass(frozen=True)
class Asked:
    """The parameters that count, and the way they came."""

    parameters: Parameters
    is_signed: bool = False
    is_pushed: bool = False
    dpop_jkt: str | None = None
    pushed_id: str | None = None


def read(bundle: Services, outer: Parameters) -> tuple[Portal, AuthorizationRequest]:
    """The request at the authorization endpoint. Raises `Refused`."""
    portal, _, wanted = _arrive(bundle, outer)
    return portal, wanted


def keep(bundle: Services, outer: Parameters) -> tuple[Portal, str]:
    """Check and keep a request that is too long for an address; returns its `request_uri`. Raises `Refused`.

    Nobody authenticated, so it must have come in a way that its portal allows without pushing.
    """
    portal, asked, _ = _arrive(bundle, outer)
    if asked.is_pushed:
        return portal, outer["request_uri"]
    known = _known(asked.parameters)
    return portal, par.keep(bundle, portal, known, is_signed=asked.is_signed, dpop_jkt=known.get("dpop_jkt"))


def _arrive(bundle: Services, outer: Parameters) -> tuple[Portal, Asked, AuthorizationRequest]:
    try:
        portal = find_portal_of(outer)
    except ProtocolError as error:
        raise Refused(error, None, None) from error
    try:
        asked = _gather(bundle, portal, outer)
    except ProtocolError as error:
        raise Refused(error, portal, _proved(portal, outer)) from error
    callback = _callback(portal, asked.parameters)
    try:
        return portal, asked, check(bundle, portal, asked)
    except ProtocolError as error:
        raise Refused(error, portal, callback) from error


def push(bundle: Services, portal: Portal, form: Parameters, proved_key: str | None) -> str:
    """Check and keep a pushed request (RFC 9126 §2.1); returns its `request_uri`. Raises `ProtocolError`."""
    # RFC 9126 §2.1: request_uri MUST NOT be provided.
    if "request_uri" in form:
        raise ProtocolError("invalid_request", "request_uri must not be pushed")
    is_signed = "request" in form
    parameters = jar.read(bundle, portal, form["request"]) if is_signed else form
    known = _known(parameters)
    dpop_jkt = par.bound_key(known.get("dpop_jkt"), proved_key)
    for judge in BEFORE_REDIRECT:
        judge(known, portal)
    check(bundle, portal, Asked(known, is_signed, is_pushed=True, dpop_jkt=dpop_jkt))
    return par.keep(bundle, portal, known, is_signed=is_signed, dpop_jkt=dpop_jkt)


def _known(parameters: Parameters) -> Parameters:
    """Those that have a meaning here, of which nearly every request has no others."""
    if KNOWN.issuperset(parameters):
        return parameters
    return MultiDict((name, value) for name, value in parameters.items(multi=True) if name in KNOWN)


def _gather(bundle: Services, portal: Portal, outer: Parameters) -> Asked:
    objects, addresses = outer.getlist("request"), outer.getlist("request_uri")
    # RFC 9101 §5: request and request_uri MUST NOT be used together, nor either of them twice.
    if len(objects) + len(addresses) > 1:
        raise ProtocolError("invalid_request", "send one request or one request_uri")
    if objects:
        return Asked(jar.read(bundle, portal, objects[0]), is_signed=True)
    if not addresses:
        return Asked(outer)
    # OIDC Core §6.2: by reference is not offered; what is not one of our own addresses is never fetched.
    if not addresses[0].startswith(par.PREFIX):
        raise ProtocolError("request_uri_not_supported", "request_uri must be one that this server issued")
    row = par.load(bundle, portal, addresses[0])
    return Asked(par.given(row), bool(row.parameters["is_signed"]), True, row.dpop_jkt, str(row.id))


def _callback(portal: Portal, parameters: Parameters) -> Callback:
    """The address that is proved by `BEFORE_REDIRECT`. Raises `Refused` where there is none."""
    try:
        for judge in BEFORE_REDIRECT:
            judge(parameters, portal)
    except ProtocolError as error:
        raise Refused(error, portal, None) from error
    states, mode = parameters.getlist("state"), parameters.get("response_mode", DEFAULT)
    return Callback(
        parameters["redirect_uri"], mode if mode in MODES else DEFAULT, states[0] if len(states) == 1 else None
    )


def _proved(portal: Portal, outer: Parameters) -> Callback | None:
    """Where an unusable request object or address may be complained of: the outer address, if it is the portal's."""
    try:
        return _callback(portal, outer)
    except Refused:
        return None


def check(bundle: Services, portal: Portal, asked: Asked) -> AuthorizationRequest:
    """The request, once every check that may answer the portal has passed. Raises `ProtocolError`."""
    parameters = asked.parameters
    security_profile.check_way(portal, is_pushed=asked.is_pushed, is_signed=asked.is_signed)
    for judge in AFTER_REDIRECT:
        judge(parameters, portal)
    claims = requested_claims.read(parameters["claims"], portal) if "claims" in parameters else None
    acr, is_essential = requested_claims.demands(claims, "acr")
    voluntary = acr or tuple(parameters.get("acr_values", "").split())
    names = authentication_context.demanded(portal, voluntary, acr if is_essential else ())
    prompts = tuple(parameters.get("prompt", "").split())
    max_age = int(parameters["max_age"]) if "max_age" in parameters else portal.default_max_age
    is_fresh = "login" in prompts or max_age is not None
    return AuthorizationRequest(
        redirect_uri=parameters["redirect_uri"],
        scope=_granted(portal, parameters["scope"]),
        asked_at=bundle.clock.now(),
        response_mode=parameters.get("response_mode", DEFAULT),
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        code_challenge=parameters.get("code_challenge"),
        prompts=prompts,
        max_age=max_age,
        accepted_acr=authentication_context.acceptable(portal, names, is_fresh=is_fresh),
        demanded_acr=names,
        claims=claims,
        resources=tuple(dict.fromkeys(parameters.getlist("resource"))),
        ui_locales=tuple(parameters.get("ui_locales", "").split()),
        login_hint=parameters.get("login_hint"),
        hinted_sub=_hinted_sub(bundle, portal, parameters.get("id_token_hint"), claims),
        dpop_jkt=asked.dpop_jkt or parameters.get("dpop_jkt"),
        pushed_id=asked.pushed_id,
    )


def _granted(portal: Portal, scope: str) -> str:
    return " ".join(name for name in dict.fromkeys(scope.split(" ")) if name in portal.scopes)


def _hinted_sub(
    bundle: Services, portal: Portal, hint: str | None, claims: requested_claims.Requested | None
) -> str | None:
    """Who is meant: by the hint, or by a value of the claim `sub` (OIDC Core §5.5.1)."""
    subs = {str(read_hint(bundle, hint, portal)["sub"])} if hint is not None else set()
    subs |= set(requested_claims.demands(claims, "sub")[0])
    if len(subs) > 1:
        raise ProtocolError("invalid_request", "id_token_hint and the claim sub name more than one person")
    return subs.pop() if subs else None
