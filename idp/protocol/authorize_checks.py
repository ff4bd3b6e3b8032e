"""The checks of an authorization request, in their order (OIDC Core §3.1.2.2, RFC 6749 §4.1.1).

What fails before the redirect address is known to be the portal's own is answered with a page; what fails after it goes
back to the portal. The line between the two tuples *is* the defence against open redirects (RFC 9700 §4.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from werkzeug.datastructures import MultiDict

from idp.errors import ProtocolError
from idp.models.known_portals import known_client
from idp.models.portal import Portal
from idp.protocol import pkce, responses, security_profile

Parameters = MultiDict[str, str]
Check = Callable[[Parameters, Portal], None]

RESPONSE_TYPES = ("code",)
PROMPTS = ("none", "login", "consent", "select_account", "create")
LONGEST = {
    "state": 4096, "nonce": 512, "scope": 1000, "login_hint": 254, "claims": 8192, "resource": 2000,
    "redirect_uri": 2000, "id_token_hint": 16384, "request": 16384, "registration": 8192,
}  # fmt: skip
LONGEST_OTHER = 200
KNOWN = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "prompt", "max_age", "login_hint", "id_token_hint", "ui_locales", "acr_values",
        "request", "request_uri", "registration", "display", "claims", "resource", "dpop_jkt",
    }
)  # fmt: skip
MAY_REPEAT = {"resource"}  # RFC 8707 §2
STAND_ONCE = KNOWN - MAY_REPEAT
MOST_RESOURCES = 10
VISIBLE = re.compile(r"[\x20-\x7e]*")
SECONDS = re.compile(r"[0-9]{1,9}")
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


def find_portal_of(parameters: Parameters) -> Portal:
    """The portal that asks. Raises `ProtocolError`."""
    # RFC 6749 §3.1: a parameter MUST NOT be included more than once.
    if len(parameters.getlist("client_id")) != 1:
        raise ProtocolError("invalid_request", "client_id is missing or repeated")
    portal = known_client(parameters["client_id"])
    if portal is None:
        raise ProtocolError("invalid_client", "client_id is not registered here")
    return portal


def check_redirect_uri(parameters: Parameters, portal: Portal) -> None:
    # RFC 9700 §2.1: exact string comparison; OIDC Core §3.1.2.1: the parameter is REQUIRED, so there is no default.
    if len(parameters.getlist("redirect_uri")) != 1:
        raise ProtocolError("invalid_request", "redirect_uri is missing or repeated")
    if parameters["redirect_uri"] not in portal.redirect_uris:
        raise ProtocolError("invalid_request", "redirect_uri is not exactly one of the registered addresses")


def check_repetition(parameters: Parameters, portal: Portal) -> None:
    for name, values in parameters.lists():
        if len(values) > 1 and name in STAND_ONCE:
            raise ProtocolError("invalid_request", f"{name} is repeated")


def check_lengths(parameters: Parameters, portal: Portal) -> None:
    for name, values in parameters.lists():
        longest = LONGEST.get(name, LONGEST_OTHER)
        if name in KNOWN and max(map(len, values)) > longest:
            raise ProtocolError("invalid_request", f"{name} is longer than {longest} characters")


def check_registration(parameters: Parameters, portal: Portal) -> None:
    # OIDC Core §7.2.1: self-issued registration is not offered and MUST be refused by name.
    if "registration" in parameters:
        raise ProtocolError("registration_not_supported", "registration is not supported")


def check_grant_type(parameters: Parameters, portal: Portal) -> None:
    if "authorization_code" not in portal.grant_types:
        raise ProtocolError("unauthorized_client", "this client is not registered for the authorization code grant")


def check_response_type(parameters: Parameters, portal: Portal) -> None:
    if "response_type" not in parameters:
        raise ProtocolError("invalid_request", "response_type is missing")
    if parameters["response_type"] not in RESPONSE_TYPES:
        raise ProtocolError("unsupported_response_type", "response_type must be code")


def check_response_mode(parameters: Parameters, portal: Portal) -> None:
    if parameters.get("response_mode", responses.DEFAULT) not in responses.MODES:
        raise ProtocolError("invalid_request", f"response_mode must be one of {', '.join(responses.MODES)}")


def check_scope(parameters: Parameters, portal: Portal) -> None:
    # OIDC Core §3.1.2.1: scope MUST contain openid; values that are not understood SHOULD be ignored.
    if not VISIBLE.fullmatch(parameters.get("scope", "")):
        raise ProtocolError("invalid_scope", "scope has characters that are not allowed")
    if "openid" not in parameters.get("scope", "").split(" "):
        raise ProtocolError("invalid_scope", "scope must contain openid")


def check_challenge(parameters: Parameters, portal: Portal) -> None:
    pkce.check_challenge(
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
        required=security_profile.demands_pkce(portal),
    )


def check_prompt(parameters: Parameters, portal: Portal) -> None:
    prompts = parameters.get("prompt", "").split()
    if any(prompt not in PROMPTS for prompt in prompts):
        raise ProtocolError("invalid_request", "prompt has a value that is not supported")
    # OIDC Core §3.1.2.1: none MUST NOT be used with any other value.
    if "none" in prompts and len(prompts) > 1:
        raise ProtocolError("invalid_request", "prompt=none stands alone")


def check_max_age(parameters: Parameters, portal: Portal) -> None:
    if "max_age" in parameters and not SECONDS.fullmatch(parameters["max_age"]):
        raise ProtocolError("invalid_request", "max_age must be a whole number of seconds")


def check_resource(parameters: Parameters, portal: Portal) -> None:
    # RFC 8707 §2: an address the client may not ask tokens for MUST be answered with invalid_target.
    wanted = parameters.getlist("resource")
    if len(wanted) > MOST_RESOURCES or any(resource not in portal.resources for resource in wanted):
        raise ProtocolError("invalid_target", "resource is not exactly one of the registered resources")


def check_key(parameters: Parameters, portal: Portal) -> None:
    # RFC 9449 §10: dpop_jkt is a JWK thumbprint with SHA-256 in base64url.
    if "dpop_jkt" in parameters and not THUMBPRINT.fullmatch(parameters["dpop_jkt"]):
        raise ProtocolError("invalid_request", "dpop_jkt must be 43 characters of base64url")


BEFORE_REDIRECT: tuple[Check, ...] = (check_redirect_uri,)
AFTER_REDIRECT: tuple[Check, ...] = (
    check_repetition,
    check_lengths,
    check_registration,
    check_grant_type,
    check_response_type,
    check_response_mode,
    check_scope,
    check_challenge,
    check_prompt,
    check_max_age,
    check_resource,
    check_key,
)
