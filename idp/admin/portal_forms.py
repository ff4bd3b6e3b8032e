"""The fields of a portal as a form shows them: sections as data, the kind of each field read off the one model.

Pure: what is typed is a flat mapping of texts, which can be kept over a redirect; what is stored is what `judge` takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from idp.services.permissions import Permission
from idp.services.portal_details import OF_TRUST, PortalDetails
from idp.texts import LANGUAGES

MODEL = PortalDetails.model_fields


class Kind(StrEnum):
    LINE = "line"
    LINES = "lines"
    CHOICE = "choice"
    CHECKS = "checks"
    FLAG = "flag"
    WORDS = "words"  # one line in each language
    DOCUMENT = "document"  # JSON


@dataclass(frozen=True)
class Section:
    """One page of a portal's form. `permission`: what it takes to change it."""

    name: str
    fields: tuple[str, ...]
    permission: Permission = Permission.CHANGE_PORTAL


SECTIONS = (
    Section("contact", ("names", "short_name", "place", "phone", "email", "hours", "home_url")),
    Section("journeys", ("factors", "second_item", "code_life_days", "letter_window")),
    Section("addresses", (
        "redirect_uris", "post_logout_redirect_uris", "initiate_login_uri", "backchannel_logout_uri",
        "backchannel_logout_session_required",
    )),
    Section("client", (
        "security_profile", "token_endpoint_auth_method", "jwks_uri", "jwks", "token_endpoint_auth_signing_alg",
        "tls_client_auth_subject_dn", "tls_client_auth_san_dns", "grant_types", "scopes", "resources", "allowed_acr",
        "default_acr_values", "default_max_age", "trusted_devices", "id_token_signed_response_alg",
        "access_token_format", "refresh_rotation", "dpop_bound_access_tokens",
        "tls_client_certificate_bound_access_tokens", "require_par", "require_signed_request_object",
        "request_object_signing_alg", "authorization_signed_response_alg", "introspection_signed_response_alg",
    )),
    Section("trust", OF_TRUST, Permission.TRUST_PORTAL),
)  # fmt: skip
NEW = (
    "slug", "names", "short_name", "place", "phone", "email", "hours", "home_url", "factors", "redirect_uris",
    "post_logout_redirect_uris", "initiate_login_uri", "token_endpoint_auth_method", "jwks_uri",
)  # fmt: skip
INVITED = ("slug", "names", "short_name", "place", "phone", "email", "hours", "home_url", "factors", "security_profile")


def kind_of(name: str) -> Kind:
    annotation = MODEL[name].annotation
    if name in {"names", "hours"}:
        return Kind.WORDS
    if name == "jwks":
        return Kind.DOCUMENT
    if annotation is bool:
        return Kind.FLAG
    if get_origin(annotation) is list:
        return Kind.CHECKS if options_of(name) else Kind.LINES
    return Kind.CHOICE if options_of(name) else Kind.LINE


def options_of(name: str) -> tuple[str, ...]:
    """The values there are, where the model has a closed list of them."""
    return _literals(MODEL[name].annotation)


def _literals(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(get_args(annotation))
    inner = get_args(annotation)
    return next((found for one in inner if (found := _literals(one))), ())


def may_be_empty(name: str) -> bool:
    return type(None) in get_args(MODEL[name].annotation)


def entries_of(names: tuple[str, ...]) -> list[str]:
    """The names of the form's entries: one a field, but one a language or a box where there are several."""
    return [entry for name in names for entry in _entries(name)]


def _entries(name: str) -> list[str]:
    kind = kind_of(name)
    if kind is Kind.WORDS:
        return [f"{name}_{language}" for language in LANGUAGES]
    if kind is Kind.CHECKS:
        return [f"{name}_{at}" for at in range(len(options_of(name)))]
    return [name]


def shown(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Stored values as the entries of a form."""
    found: dict[str, str] = {}
    for name in names:
        value, kind = values.get(name), kind_of(name)
        if kind is Kind.WORDS:
            found |= {f"{name}_{language}": (value or {}).get(language, "") for language in LANGUAGES}
        elif kind is Kind.CHECKS:
            found |= {f"{name}_{at}": "yes" if one in (value or []) else "" for at, one in enumerate(options_of(name))}
        else:
            found[name] = _written(value, kind)
    return found


def _written(value: Any, kind: Kind) -> str:
    if value is None or value is False:
        return ""
    if kind is Kind.LINES:
        return "\n".join(value)
    if kind is Kind.DOCUMENT:
        return json.dumps(value, indent=2, ensure_ascii=False)
    return "yes" if value is True else str(value)


def read(entries: Mapping[str, str], names: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """What was typed as values that can be judged, and what could not even be read, in the words of `judge`."""
    found: dict[str, Any] = {}
    faults = []
    for name in names:
        kind, typed = kind_of(name), entries.get(name, "").strip()
        if kind is Kind.WORDS:
            words = {language: entries.get(f"{name}_{language}", "").strip() for language in LANGUAGES}
            found[name] = {language: one for language, one in words.items() if one}
        elif kind is Kind.CHECKS:
            found[name] = [one for at, one in enumerate(options_of(name)) if entries.get(f"{name}_{at}")]
        elif kind is Kind.LINES:
            found[name] = [one.strip() for one in typed.splitlines() if one.strip()]
        elif kind is Kind.FLAG:
            found[name] = bool(typed)
        elif kind is Kind.DOCUMENT and typed:
            try:
                found[name] = json.loads(typed)
            except (ValueError, RecursionError):
                faults.append(f"{name}: is no JSON")
        else:
            found[name] = None if not typed and may_be_empty(name) else typed
    return found, faults


def changes(values: dict[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that differ from what is stored; a number may still be written as it was typed."""
    return {
        name: value
        for name, value in values.items()
        if value != stored[name] and not (isinstance(stored[name], int) and value == str(stored[name]))
        and not (isinstance(value, list) and kind_of(name) is Kind.CHECKS and set(value) == set(stored[name]))
    }  # fmt: skip


def state_of(entries: Mapping[str, str]) -> str:
    """What tells whether somebody else changed the section meanwhile."""
    return hashlib.sha256(json.dumps(dict(entries), sort_keys=True).encode()).hexdigest()[:16]
