"""Client metadata on the wire (RFC 7591 §2, OpenID Connect Registration §2) and what they mean for a portal.

The types are strict and what is unknown is ignored; whether a value is good is judged by the one model of portals.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol.authorize_checks import RESPONSE_TYPES

# The names on the wire of those fields that have another name here.
WIRE_NAMES = {
    "scopes": "scope",
    "require_par": "require_pushed_authorization_requests",
    "sector_identifier": "sector_identifier_uri",  # which decides it
}
LONGEST_DESCRIPTION = 1000


class ClientMetadata(BaseModel):
    """What a developer may say; a field that is left out or null has its default (RFC 7592 §2.2).

    The defaults are those of RFC 7591 §2, which are not those of an operator's command.
    """

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    redirect_uris: list[str] = Field(default_factory=list)
    post_logout_redirect_uris: list[str] = Field(default_factory=list)
    initiate_login_uri: str | None = None
    scopes: str | None = Field(None, alias="scope")
    grant_types: list[str] = Field(default=["authorization_code"])
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    id_token_signed_response_alg: str | None = None
    sector_identifier_uri: str | None = None
    require_par: bool | None = Field(None, alias="require_pushed_authorization_requests")
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    authorization_signed_response_alg: str | None = None
    introspection_signed_response_alg: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    default_acr_values: list[str] = Field(default_factory=list)
    default_max_age: int | None = None
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    policy_uri: str | None = None
    tos_uri: str | None = None
    # Not stored: there is one way for all.
    response_types: list[str] = Field(default=["code"])
    application_type: str = "web"


STORED = tuple(name for name in ClientMetadata.model_fields if name not in {"response_types", "application_type"})


def read(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request body. Raises `ProtocolError` whatever a hostile one holds."""
    try:
        found = json.loads(raw, object_pairs_hook=_no_repetition, parse_constant=_no_constant)
        # Halves of surrogate pairs and NUL are JSON, but no text that a database keeps.
        if b"\\u0000" in json.dumps(found, ensure_ascii=False).encode():
            raise ValueError("NUL")
    except (ValueError, RecursionError):
        raise bad_metadata("the body is not well-formed JSON") from None
    if not isinstance(found, dict):
        raise bad_metadata("the body must be a JSON object")
    return found


def portal_fields(found: dict[str, Any], scopes: list[str]) -> dict[str, Any]:
    """The fields of a portal that these metadata say, within the scopes that the operator allowed.

    Raises `ProtocolError` with the codes of RFC 7591 §3.2.2.
    """
    try:
        metadata = ClientMetadata.model_validate({name: value for name, value in found.items() if value is not None})
    except ValidationError as error:
        raise refused([_in_words(fault) for fault in error.errors()]) from None
    faults = []
    if any(kind not in RESPONSE_TYPES for kind in metadata.response_types):
        faults.append("response_types: must be code")
    if metadata.application_type != "web":
        faults.append("application_type: must be web; there are confidential clients only")
    if metadata.initiate_login_uri is not None and not metadata.initiate_login_uri.startswith("https://"):
        # OpenID Connect Registration §2: initiate_login_uri MUST use the https scheme.
        faults.append("initiate_login_uri: must begin with https://")
    if faults:
        raise refused(faults)
    said = {name: getattr(metadata, name) for name in STORED}
    # RFC 7591 §2: what may be asked for is narrowed to what is allowed, and the answer says so.
    wanted = scopes if metadata.scopes is None else metadata.scopes.split()
    said["scopes"] = [name for name in scopes if name in wanted]
    decided_by_profile = ("require_par", "id_token_signed_response_alg")
    return {name: value for name, value in said.items() if value is not None or name not in decided_by_profile}


def of_portal(portal: Portal) -> dict[str, Any]:
    """The metadata as they are registered; what is empty is left out."""
    metadata = {WIRE_NAMES.get(name, name): getattr(portal, name) for name in STORED}
    shown = {name: value for name, value in metadata.items() if value not in (None, [])}
    return {
        **shown,
        "scope": " ".join(portal.scopes),
        "client_name": portal.names["fr"],
        **{f"client_name#{language}": name for language, name in portal.names.items()},
        "client_uri": portal.home_url,
        "contacts": [portal.email],
        "subject_type": portal.subject_type,
        "response_types": list(RESPONSE_TYPES),
        "application_type": "web",
    }


def refused(faults: list[str]) -> ProtocolError:
    """The faults of the metadata as RFC 7591 §3.2.2 names them, in printable ASCII that repeats no value."""
    told = [_on_the_wire(fault) for fault in faults]
    is_about_redirects = any(fault.startswith("redirect_uris") for fault in told)
    return _error("invalid_redirect_uri" if is_about_redirects else "invalid_client_metadata", "; ".join(told))


def bad_metadata(description: str) -> ProtocolError:
    return _error("invalid_client_metadata", description)


def _error(code: str, description: str) -> ProtocolError:
    printable = "".join(sign if " " <= sign <= "~" and sign not in '"\\' else "'" for sign in description)
    return ProtocolError(code, printable[:LONGEST_DESCRIPTION])


def _on_the_wire(fault: str) -> str:
    name, colon, rest = fault.partition(":")
    head, dot, tail = name.partition(".")
    return f"{WIRE_NAMES.get(head, head)}{dot}{tail}{colon}{rest}"


def _in_words(fault: Any) -> str:
    return f"{fault['loc'][0]}: {fault['msg']}"


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)
