"""What a portal's developer may see of a request and its answer: every parameter by name, and no secret, no person.

Only values that are known to be harmless are shown; everything else is a length, a token its header and claim names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from keys import InvalidToken
from keys.jws import peek, peek_claims

SHOWN = frozenset(
    {
        "acr_values", "claims_locales", "client_assertion_type", "client_id", "code_challenge", "code_challenge_method",
        "display", "dpop_jkt", "error", "error_description", "grant_type", "iss", "max_age", "nonce",
        "post_logout_redirect_uri", "prompt", "redirect_uri", "requested_token_type", "resource", "response_mode",
        "response_type", "scope", "state", "subject_token_type", "token_type_hint", "ui_locales",
    }
)  # fmt: skip
LONGEST = 300
MOST = 40
JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
CLAIMS_SHOWN = ("iss", "aud", "exp", "iat", "nbf", "htm", "htu")


@dataclass(frozen=True)
class Outcome:
    """`error` is empty where the request was accepted; `said` is what happened, in words."""

    status: int
    said: str
    error: str = ""


@dataclass(frozen=True)
class Observation:
    method: str
    parameters: list[tuple[str, str]]
    outcome: Outcome
    findings: list[dict[str, str]]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def masked(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters with their values shown, described or counted."""
    return [(_clean(name), _shown(name, value)) for name, value in list(parameters)[:MOST]]


def _shown(name: str, value: str) -> str:
    if name in SHOWN:
        return _clean(value)
    if JWT.fullmatch(value):
        return _described(value)
    return f"({len(value)} characters)"


def _described(token: str) -> str:
    """A token by its header, its claim names, and those claims that say nothing of a person."""
    try:
        header, claims = peek(token), peek_claims(token)
    except InvalidToken:
        return "(a token that cannot be read)"
    kept = {name: claims[name] for name in CLAIMS_SHOWN if name in claims}
    others = ", ".join(sorted(name for name in claims if name not in kept))
    shown = {name: header[name] for name in ("alg", "typ", "kid") if name in header}
    return _clean(f"header {json.dumps(shown)}, claims {json.dumps(kept)}" + (f", and {others}" if others else ""))


def _clean(text: str) -> str:
    """One printable line of tolerable length, as every database keeps it."""
    kept = "".join(sign if sign.isprintable() else "\u00b7" for sign in text[: LONGEST + 1])
    return f"{kept[:LONGEST]}…" if len(kept) > LONGEST else kept


def outcome(status: int, location: str, content_type: str, body: str, issuer: str) -> Outcome:
    """What was answered, whatever form the answer had: JSON, a redirect, a form that posts itself, or a page."""
    if location:
        return _redirected(status, location, issuer)
    if content_type.startswith("application/json"):
        return _of_json(status, body)
    form = _Inputs(body).found
    if status < 400 and ("code" in form or "error" in form or "response" in form):
        return _answered(status, form)
    return Outcome(status, "a page was shown to the person", "" if status < 400 else "refused on a page")


def _redirected(status: int, location: str, issuer: str) -> Outcome:
    if location.startswith(("/", f"{issuer}/")):
        return Outcome(status, f"the person was led on to {urlsplit(location).path}")
    answer = dict(parse_qsl(urlsplit(location).query))
    if "code" in answer or "error" in answer or "response" in answer:
        return _answered(status, answer)
    return Outcome(status, f"the person was sent to {_clean(location.partition('?')[0])}")


def _answered(status: int, answer: dict[str, str]) -> Outcome:
    """An authorization response, by its parameters or by the claims of a signed one."""
    if "response" in answer:
        try:
            answer = {name: str(value) for name, value in peek_claims(answer["response"]).items()}
        except InvalidToken:
            return Outcome(status, "answered with something that cannot be read", "unreadable")
    if "error" in answer:
        return Outcome(status, _clean(answer.get("error_description", "")), _clean(answer["error"]))
    return Outcome(status, f"answered with {', '.join(sorted(answer))}")


def _of_json(status: int, body: str) -> Outcome:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Outcome(status, "answered", "" if status < 400 else "refused")
    if "error" in found:
        return Outcome(status, _clean(str(found.get("error_description", ""))), _clean(str(found["error"])))
    return Outcome(status, f"answered with {', '.join(sorted(found))}")


class _Inputs(HTMLParser):
    """The fields of a page's form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given.get("type") == "hidden":
            self.found[given.get("name", "")] = given.get("value", "")
