"""The kinds of values a portal's fields have, each judged by itself; portal_rules.py says how they fit together.

Addresses are judged here once, so that everything else may compare them character by character (RFC 9700 §2.1).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import AfterValidator, Field

from idp.services.emails import normalise_email
from idp.services.gsm import septets
from idp.services.logos import judged as judged_logo
from idp.services.portal_texts import judged as judged_texts
from keys.jwks import UnusableKeys, judged

RESERVED = frozenset(
    {
        "account", "accessibility", "admin", "api", "apps", "authorize", "consent", "demo", "device", "help",
        "introspect", "jwks", "livez", "logout", "metrics", "par", "privacy", "readyz", "register", "revoke", "robots",
        "security", "selftest", "static", "status", "terms", "token", "userinfo",
    }
)  # fmt: skip
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}")
ADDRESS = re.compile(r"[!-~]{1,2000}")  # visible ASCII: no space, no control character, no look-alike
HOST = r"(localhost|\[[0-9a-f:]+\]|[a-z0-9-]+(\.[a-z0-9-]+)+)(:[0-9]{1,5})?"


def _check_address(value: str) -> str:
    """An absolute https address without user, fragment or wildcard; http on this machine only."""
    if not ADDRESS.fullmatch(value) or "\\" in value or "*" in value:
        raise ValueError("has characters that an address here may not have")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("cannot be read as an address") from None
    if not parts.hostname or parts.username is not None or parts.password is not None or "#" in value:
        raise ValueError("must be a full address without user and without #")
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ValueError("must begin with https:// (http:// is for localhost only)")
    if parts.netloc != parts.netloc.lower() or "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/":
        raise ValueError("must be written in its plain form: host in lower case, no /../ or /./")
    return value


def _check_https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError("must begin with https://")
    return value


def _check_slug(value: str) -> str:
    if not SLUG.fullmatch(value) or value in RESERVED:
        raise ValueError("must be 2 to 31 of a-z, 0-9 and -, begin with a letter, and be no word of our own addresses")
    return value


def _check_short_name(value: str) -> str:
    length = septets(value)
    if not value.strip() or length is None or length > 20:
        raise ValueError("must be 1 to 20 characters of the SMS alphabet")
    return value


def _check_jwks(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"keys": judged(value)}
    except UnusableKeys as error:
        raise ValueError(str(error)) from None


def _check_name(value: str) -> str:
    """A distinguished name as RFC 4514 writes it (RFC 8705 §2.1.2)."""
    try:
        x509.Name.from_rfc4514_string(value)
    except ValueError:
        raise ValueError("must be a distinguished name such as CN=portal,O=Fund,C=CH") from None
    return value


def _check_email(value: str) -> str:
    """It stands in `Reply-To` of every mail, so it is held to the rule for persons' addresses."""
    address = normalise_email(value)
    if address is None:
        raise ValueError("must be one e-mail address, without accents before the @")
    return address


def _has_text(value: str) -> str:
    if not value.strip() or any(ord(character) < 32 for character in value):
        raise ValueError("must be one line of text")
    return value.strip()


def _are_different(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("names one thing twice")
    return values


Address = Annotated[str, AfterValidator(_check_address)]
HttpsAddress = Annotated[str, AfterValidator(_check_address), AfterValidator(_check_https)]
Addresses = Annotated[list[Address], AfterValidator(_are_different)]
Slug = Annotated[str, AfterValidator(_check_slug)]
Email = Annotated[str, AfterValidator(_check_email)]
ShortName = Annotated[str, AfterValidator(_check_short_name)]
Logo = Annotated[str, AfterValidator(judged_logo)]
OwnTexts = Annotated[dict[str, dict[str, str]], AfterValidator(judged_texts)]
JWKS = Annotated[dict[str, Any], AfterValidator(_check_jwks)]
SubjectName = Annotated[str, Field(max_length=300), AfterValidator(_check_name)]
Sector = Annotated[str, Field(pattern=rf"^{HOST}$", max_length=260)]
Line = Annotated[str, Field(max_length=120), AfterValidator(_has_text)]
Texts = dict[Literal["fr", "de", "it", "en"], Line]
Alg = Literal["RS256", "PS256", "ES256", "EdDSA"]
Acr = Literal["mfa", "phr"]
Acrs = Annotated[list[Acr], AfterValidator(_are_different)]
Scope = Literal["openid", "profile", "email", "phone", "insurance", "offline_access"]
AuthMethod = Literal[
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
]
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]
