"""What a portal's developer should change, found by comparing a request with the portal's registration.

Pure: one function a matter, each giving findings; what they say repeats addresses and names, never a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from idp.models.portal import Portal
from idp.protocol.client_assertion import LONGEST_LIFE, is_for
from keys import InvalidToken
from keys.jws import peek, peek_claims

SHORTEST_RANDOM = 16
FAULT, NOTE = "fault", "note"  # what is refused or would fail certification, and what is only worth knowing


@dataclass(frozen=True)
class Seen:
    """One request as it came: where, with what in the address and in the body, and how the client proved itself."""

    portal: Portal
    endpoint: str
    query: MultiDict[str, str]
    form: MultiDict[str, str]
    scheme: str = ""
    has_proof: bool = False
    issuer: str = ""
    now: datetime | None = None

    @property
    def every(self) -> MultiDict[str, str]:
        return MultiDict([*self.query.items(multi=True), *self.form.items(multi=True)])


@dataclass(frozen=True)
class Finding:
    level: str
    what: str
    change: str


Matter = Callable[[Seen], Iterator[Finding]]


def advise(seen: Seen) -> list[Finding]:
    """Everything worth saying about a request, faults first."""
    found = [finding for matter in MATTERS.get(seen.endpoint, ()) for finding in matter(seen)]
    return sorted(found, key=lambda finding: finding.level != FAULT)


def difference(given: str, registered: list[str]) -> str:
    """Where an address leaves the registered one that it resembles most."""
    if not registered:
        return "none is registered"
    nearest = max(registered, key=lambda one: len(_common(one, given)))
    at = len(_common(nearest, given))
    there, here = nearest[at : at + 12] or "the end", given[at : at + 12] or "the end"
    return f"the registered {nearest} goes on with {there} after character {at}, the one sent with {here}"


def _common(one: str, other: str) -> str:
    count = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:count]


def repeated(seen: Seen) -> Iterator[Finding]:
    for name in {name for name in seen.every if name != "resource" and len(seen.every.getlist(name)) > 1}:
        yield Finding(FAULT, f"{name} is sent more than once", "send each parameter once (RFC 6749 section 3.1)")


def secrets_in_address(seen: Seen) -> Iterator[Finding]:
    for name in sorted({"client_secret", "client_assertion", "code_verifier", "refresh_token"} & set(seen.query)):
        yield Finding(FAULT, f"{name} stands in the address", "never put it there; have the operator renew the secret")


def redirect_uri(seen: Seen) -> Iterator[Finding]:
    given, registered = seen.every.get("redirect_uri"), list(seen.portal.redirect_uris)
    if given is not None and given not in registered:
        yield Finding(FAULT, "redirect_uri is not registered", difference(given, registered))
    if given is None and "request_uri" not in seen.every and "request" not in seen.every:
        yield Finding(FAULT, "redirect_uri is missing", "send one of the registered addresses, exactly")


def pushed(seen: Seen) -> Iterator[Finding]:
    reference = seen.query.get("request_uri", "")
    if seen.portal.require_par and not reference and "request" not in seen.query and seen.endpoint == "/authorize":
        yield Finding(FAULT, "the request was not pushed", "post it to /par and send client_id and request_uri only")
    if reference.startswith(("http://", "https://")):
        yield Finding(FAULT, "request_uri leads to the web", "nothing is fetched; push the request to /par instead")


def proof_key(seen: Seen) -> Iterator[Finding]:
    if _is_reference(seen):
        return
    if "code_challenge" not in seen.every:
        level = FAULT if seen.portal.require_pkce else NOTE
        yield Finding(level, "code_challenge is missing", "use PKCE with S256 (RFC 7636); it needs no registration")
    elif seen.every.get("code_challenge_method") != "S256":
        yield Finding(FAULT, "code_challenge_method is not S256", "send S256; plain is refused, and it is the default")


def state_and_nonce(seen: Seen) -> Iterator[Finding]:
    if _is_reference(seen):
        return
    for name in ("state", "nonce"):
        value = seen.every.get(name)
        if value is None:
            yield Finding(NOTE, f"{name} is missing", f"send a random {name} and compare it when the answer comes")
        elif len(value) < SHORTEST_RANDOM:
            yield Finding(
                NOTE, f"{name} is short", f"make it random: {SHORTEST_RANDOM} characters or more, each time new"
            )


def scope(seen: Seen) -> Iterator[Finding]:
    if _is_reference(seen):
        return
    asked = seen.every.get("scope", "").split()
    if "openid" not in asked:
        yield Finding(FAULT, "scope does not hold openid", "ask for openid and what else you need")
    unknown = [name for name in asked if name not in seen.portal.scopes]
    if unknown:
        yield Finding(NOTE, f"not registered and left out: {' '.join(unknown)}"[:200], "ask the operator to allow it")


def parameters_in_body(seen: Seen) -> Iterator[Finding]:
    if seen.query:
        yield Finding(FAULT, "parameters stand in the address", "send them in the body, form-encoded")


def authentication(seen: Seen) -> Iterator[Finding]:
    """RFC 6749 section 2.3: exactly one method, the registered one."""
    ways = []
    if seen.scheme == "basic":
        ways.append("client_secret_basic")
    if "client_secret" in seen.form:
        ways.append("client_secret_post")
    if "client_assertion" in seen.form:
        ways.append("private_key_jwt")
    registered = seen.portal.token_endpoint_auth_method
    if len(ways) > 1:
        yield Finding(FAULT, f"two methods at once: {' and '.join(ways)}", f"use {registered} alone")
    elif ways and ways[0] != registered:
        yield Finding(FAULT, f"the client used {ways[0]}", f"it is registered with {registered}")
    elif not ways and "tls" not in registered:
        yield Finding(FAULT, "the client did not authenticate", f"use {registered}")


def assertion(seen: Seen) -> Iterator[Finding]:
    text = seen.form.get("client_assertion")
    if text is None or seen.now is None:
        return
    try:
        header, claims = peek(text), peek_claims(text)
    except InvalidToken:
        yield Finding(FAULT, "client_assertion is no signed token", "send a compact JWS")
        return
    for name in ("iss", "sub"):
        if claims.get(name) != seen.portal.client_id:
            yield Finding(FAULT, f"{name} of the assertion is not the client_id", f"set it to {seen.portal.client_id}")
    if not is_for(seen.portal, seen.issuer, claims.get("aud")):
        yield Finding(FAULT, "aud of the assertion is not the issuer", f"set it to the one string {seen.issuer}")
    yield from _life(claims, seen.now)
    if not isinstance(claims.get("jti"), str):
        yield Finding(FAULT, "jti of the assertion is missing", "make it random, and a new one for every request")
    pinned = seen.portal.token_endpoint_auth_signing_alg
    if pinned is not None and header.get("alg") != pinned:
        yield Finding(FAULT, "the assertion is signed with another algorithm", f"it is registered with {pinned}")
    registered = [key.get("kid") for key in (seen.portal.jwks or {}).get("keys", [])]
    if registered and "kid" in header and header["kid"] not in registered:
        yield Finding(FAULT, "kid of the assertion names no registered key", "register the key, or use jwks_uri")


def _life(claims: dict[str, Any], now: datetime) -> Iterator[Finding]:
    expires, second = claims.get("exp"), now.timestamp()
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        yield Finding(FAULT, "exp of the assertion is missing or no number", "set it to seconds, a minute from now")
    elif expires <= second:
        yield Finding(FAULT, "the assertion has expired", "sign a new one for every request, and check the clock")
    elif expires > second + LONGEST_LIFE.total_seconds():
        yield Finding(FAULT, "the assertion lives too long", f"at most {int(LONGEST_LIFE.total_seconds())} seconds")


def grant(seen: Seen) -> Iterator[Finding]:
    kind = seen.form.get("grant_type", "")
    if kind not in seen.portal.grant_types:
        yield Finding(
            FAULT, "grant_type is missing or not registered", f"registered: {' '.join(seen.portal.grant_types)}"
        )
    if kind != "authorization_code":
        return
    if seen.form.get("redirect_uri") not in seen.portal.redirect_uris:
        yield Finding(FAULT, "redirect_uri is not that of the request", "send the same redirect_uri again")
    if seen.portal.require_pkce and "code_verifier" not in seen.form:
        yield Finding(FAULT, "code_verifier is missing", "send the one that code_challenge was made from")


def binding(seen: Seen) -> Iterator[Finding]:
    if seen.portal.dpop_bound_access_tokens and not seen.has_proof:
        yield Finding(FAULT, "the DPoP header is missing", "send a fresh proof with every request (RFC 9449)")


def bearer(seen: Seen) -> Iterator[Finding]:
    if "access_token" in seen.query:
        yield Finding(FAULT, "access_token stands in the address", "send it in the Authorization header")
    if seen.portal.dpop_bound_access_tokens and seen.scheme == "bearer":
        yield Finding(FAULT, "a bound token was sent as a bearer token", "use the scheme DPoP")


def way_out(seen: Seen) -> Iterator[Finding]:
    given, registered = seen.every.get("post_logout_redirect_uri"), list(seen.portal.post_logout_redirect_uris)
    if "id_token_hint" not in seen.every:
        yield Finding(NOTE, "id_token_hint is missing", "without it the person is asked, and never sent back to you")
    if given is not None and given not in registered:
        yield Finding(FAULT, "post_logout_redirect_uri is not registered", difference(given, registered))


def _is_reference(seen: Seen) -> bool:
    """Whether the parameters are elsewhere: pushed before, or inside a signed object."""
    return "request_uri" in seen.every or "request" in seen.every


ASKING: tuple[Matter, ...] = (repeated, secrets_in_address, redirect_uri, pushed, proof_key, state_and_nonce, scope)
PROVING: tuple[Matter, ...] = (repeated, parameters_in_body, secrets_in_address, authentication, assertion)
MATTERS: dict[str, tuple[Matter, ...]] = {
    "/authorize": ASKING,
    "/par": (*PROVING, redirect_uri, proof_key, state_and_nonce, scope),
    "/token": (*PROVING, grant, binding),
    "/userinfo": (bearer, binding),
    "/introspect": PROVING,
    "/revoke": PROVING,
    "/device_authorization": PROVING,
    "/logout": (repeated, way_out),
}
