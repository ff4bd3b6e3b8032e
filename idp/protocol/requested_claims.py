"""The `claims` parameter (OIDC Core §5.5): read defensively, and reduced to what the portal may ever learn."""

from __future__ import annotations

import json
from typing import Any

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import claims, verified_claims

PLACES = ("userinfo", "id_token")
DEEPEST = 12
LONGEST_TEXT = 300
LARGEST_NUMBER = 2**53
OF_AUTHENTICATION = ("sub", "acr", "auth_time")  # always in the ID token; `sub` and `acr` may demand a value

Requested = dict[str, dict[str, Any]]


def read(text: str, portal: Portal) -> Requested | None:
    """Place → claim → how it is wanted, without what is unknown or not the portal's to learn; None when none is left.

    Raises `ProtocolError` invalid_request.
    """
    document = _parse(text)
    found: Requested = {}
    for place in PLACES:
        wanted = document.get(place)
        if wanted is not None and not isinstance(wanted, dict):
            raise _refused(f"claims has a member {place} that is no object")
        kept = {name: _how(name, how) for name, how in (wanted or {}).items() if _is_learnable(name, portal)}
        if kept:
            found[place] = kept
    return found or None


def demands(requested: Requested | None, name: str) -> tuple[tuple[str, ...], bool]:
    """The values that the ID token's claim of this name may have, and whether it is essential."""
    how = (requested or {}).get("id_token", {}).get(name) or {}
    values = [*([how["value"]] if "value" in how else []), *how.get("values", [])]
    return tuple(str(value) for value in values), how.get("essential") is True


def _refused(description: str) -> ProtocolError:
    return ProtocolError("invalid_request", description)


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _refused("claims is not JSON") from None
    if not isinstance(document, dict):
        raise _refused("claims is no object")
    _check_plain(document, DEEPEST)
    return document


def _no_constant(name: str) -> None:
    raise ValueError("JSON has neither NaN nor infinite numbers")


def _check_plain(node: object, depth: int) -> None:
    """Nothing that a database, a signature or a page could stumble over: no control characters, no huge numbers."""
    if depth == 0:
        raise _refused("claims is nested too deeply")
    if isinstance(node, dict):
        for name, part in node.items():
            _check_plain(name, depth)
            _check_plain(part, depth - 1)
    elif isinstance(node, list):
        for part in node:
            _check_plain(part, depth - 1)
    elif isinstance(node, str):
        if len(node) > LONGEST_TEXT or not node.isprintable():
            raise _refused("claims has a text that is too long or not printable")
    elif isinstance(node, float) or (isinstance(node, int) and abs(node) > LARGEST_NUMBER):
        raise _refused("claims has a number that is no small whole number")


def _is_learnable(name: str, portal: Portal) -> bool:
    if name == "verified_claims":
        return portal.verified_claims
    return name in OF_AUTHENTICATION or claims.SCOPE_OF.get(name) in portal.scopes


def _how(name: str, how: Any) -> Any:
    """Null, or an object with `essential`, `value` and `values`; other members are ignored (OIDC Core §5.5.1)."""
    if name == "verified_claims":
        verified_claims.check(how)
        return how
    if how is None:
        return None
    if not isinstance(how, dict) or not isinstance(how.get("essential", False), bool):
        raise _refused("claims has a claim that is neither null nor an object with a boolean essential")
    values = how.get("values", [])
    if not isinstance(values, list) or any(isinstance(one, dict | list) for one in (how.get("value"), *values)):
        raise _refused("claims has a value that is no plain value, or values that are no array")
    return {member: how[member] for member in ("essential", "value", "values") if member in how}
