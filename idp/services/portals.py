"""Portals as operators register them: every field judged by one model, every fault told at once.

Addresses are judged here once, so that everything else may compare them character by character (RFC 9700 §2.1).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.chance import Random, new_id, pick, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.gsm import septets
from keys import Vault

RESERVED = frozenset(
    {
        "account", "accessibility", "admin", "api", "apps", "authorize", "consent", "demo", "device", "help",
        "introspect", "jwks", "livez", "logout", "metrics", "par", "privacy", "readyz", "register", "revoke", "robots",
        "security", "static", "status", "terms", "token", "userinfo",
    }
)  # fmt: skip
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}")
ADDRESS = re.compile(r"[!-~]{1,2000}")  # visible ASCII: no space, no control character, no look-alike
SMALLEST_RSA = 2048
CLIENT_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def _check_address(value: str) -> str:
    """An absolute https address without user, fragment or wildcard; http on this machine only."""
    parts = urlsplit(value)
    if not ADDRESS.fullmatch(value) or "\\" in value or "*" in value:
        raise ValueError("has characters that an address here may not have")
    if not parts.hostname or parts.username is not None or parts.password is not None or "#" in value:
        raise ValueError("must be a full address without user and without #")
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ValueError("must begin with https:// (http:// is for localhost only)")
    if parts.netloc != parts.netloc.lower() or "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/":
        raise ValueError("must be written in its plain form: host in lower case, no /../ or /./")
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
    """A set of public keys, each strong enough; private members and symmetric keys are refused (RFC 8725 §3.4–3.5)."""
    documents = value.get("keys")
    if not isinstance(documents, list) or not documents or len(documents) > 10:
        raise ValueError("must be a JWK Set with 1 to 10 keys")
    if any(not isinstance(document, dict) or {"d", "k", "p", "q"} & set(document) for document in documents):
        raise ValueError("must hold public keys only")
    try:
        keys = list(KeySet.import_key_set({"keys": documents}))
    except Exception as error:
        raise ValueError("holds a key that cannot be read") from error
    for key in keys:
        if isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA:
            raise ValueError(f"holds an RSA key of less than {SMALLEST_RSA} bits")
        if not isinstance(key, RSAKey | ECKey | OKPKey):
            raise ValueError("holds a key that is neither RSA, EC nor OKP")
    return {"keys": documents}


def _has_text(value: str) -> str:
    if not value.strip() or any(ord(character) < 32 for character in value):
        raise ValueError("must be one line of text")
    return value.strip()


Address = Annotated[str, AfterValidator(_check_address)]
Line = Annotated[str, Field(max_length=120), AfterValidator(_has_text)]
Texts = dict[Literal["fr", "de", "it", "en"], Line]
Alg = Literal["RS256", "PS256", "ES256", "EdDSA"]
Acr = Literal["mfa", "phr"]
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]


class PortalDetails(BaseModel):
    """What an operator decides about a portal; the field names are those of a `--from` file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    slug: Annotated[str, AfterValidator(_check_slug)]
    names: Texts
    short_name: Annotated[str, AfterValidator(_check_short_name)]
    place: str = Field("", max_length=60)
    phone: Annotated[str, Field(pattern=r"^\+?[0-9 ()/-]{5,25}$")]
    email: Annotated[str, Field(pattern=r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+$", max_length=254)]
    hours: Texts = Field(default_factory=dict)
    brand_color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#0B5C7A"
    home_url: Address
    code_life_days: int = Field(30, ge=14, le=90)
    second_item: Literal["birth_date", "none"] = "birth_date"
    factors: list[Literal["sms", "app"]] = Field(default=["sms", "app"], min_length=1)
    letter_window: Literal["left", "right"] = "right"
    redirect_uris: list[Address] = Field(min_length=1, max_length=50)
    post_logout_redirect_uris: list[Address] = Field(default_factory=list, max_length=50)
    initiate_login_uri: Address | None = None
    scopes: list[Literal["openid", "profile", "email", "phone", "insurance", "offline_access"]] = Field(
        default=["openid", "profile", "email", "phone", "insurance", "offline_access"]
    )
    security_profile: Literal["standard", "fapi2"] = "standard"
    grant_types: list[GrantType] = Field(default=["authorization_code", "refresh_token"], min_length=1)
    token_endpoint_auth_method: Literal[
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ] = "client_secret_basic"
    token_endpoint_auth_signing_alg: Alg | None = None
    jwks: Annotated[dict[str, Any], AfterValidator(_check_jwks)] | None = None
    jwks_uri: Address | None = None
    tls_client_auth_subject_dn: str | None = Field(None, max_length=300)
    tls_client_auth_san_dns: str | None = Field(None, max_length=253)
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    id_token_signed_response_alg: Alg = "RS256"
    subject_type: Literal["pairwise", "public"] = "pairwise"
    sector_identifier: str | None = None
    sector_identifier_uri: Address | None = None
    require_pkce: bool = True
    require_par: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: Alg | None = None
    authorization_signed_response_alg: Alg | None = None
    introspection_signed_response_alg: Alg | None = None
    access_token_format: Literal["opaque", "jwt"] = "opaque"
    resources: list[Address] = Field(default_factory=list, max_length=20)
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    refresh_rotation: bool = True
    allowed_acr: list[Acr] = Field(default=["mfa", "phr"], min_length=1)
    default_acr_values: list[Acr] = Field(default_factory=list)
    default_max_age: int | None = Field(None, ge=0, le=31_536_000)
    backchannel_logout_uri: Address | None = None
    backchannel_logout_session_required: bool = False
    consent: bool = False
    verified_claims: bool = False
    publisher: str = Field("", max_length=120)
    policy_uri: Address | None = None
    tos_uri: Address | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> PortalDetails:
        if "fr" not in self.names:
            raise ValueError("names: the French name is needed, it stands in for missing ones")
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid is needed")
        if (self.token_endpoint_auth_method == "private_key_jwt") != (self.jwks is not None):
            raise ValueError("jwks: private_key_jwt needs the portal's public keys, the other methods have none")
        hosts = {urlsplit(address).netloc for address in self.redirect_uris}
        if self.sector_identifier is None:
            if len(hosts) > 1:
                # OIDC Core §8.1: several hosts have no common sector unless somebody says so.
                raise ValueError("sector_identifier: needed, because the redirect addresses have several hosts")
            self.sector_identifier = hosts.pop()
        return self


def judge(given: dict[str, Any]) -> PortalDetails:
    """Raises `BadInput` with every fault, one a line; values are not repeated."""
    try:
        return PortalDetails.model_validate(given)
    except ValidationError as error:
        raise BadInput("\n".join(_in_words(fault) for fault in error.errors())) from None


def _in_words(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


class Portals:
    def __init__(self, clock: Clock, random: Random, vault: Vault, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit

    def add(self, given: dict[str, Any]) -> tuple[Portal, str | None]:
        """A new portal, and its client secret in plain text, this once. Raises `BadInput`."""
        details, now = judge(given), self._clock.now()
        portal = Portal(
            id=new_id(self._random, now),
            client_id=f"{details.slug}.{pick(self._random, CLIENT_ID_ALPHABET, 12)}",  # a `sub` never has a dot
            created_at=now,
            **details.model_dump(),
        )
        secret = self._new_secret(portal)
        db.session.add(portal)
        try:
            db.session.flush()
        except IntegrityError:
            db.session.rollback()
            raise BadInput("slug: another portal, perhaps a disabled one, has it") from None
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="add")
        return portal, secret

    def update(self, slug: str, changes: dict[str, Any]) -> Portal:
        """Change fields of a portal; the whole is judged again. Raises `BadInput`."""
        portal = self.load(slug)
        if "slug" in changes and changes["slug"] != slug:
            raise BadInput("slug: it stands on letters and in bookmarks and cannot be changed")
        fields = PortalDetails.model_fields
        details = judge({name: getattr(portal, name) for name in fields} | changes)
        changed = [name for name in fields if getattr(portal, name) != getattr(details, name)]
        for name in changed:
            setattr(portal, name, getattr(details, name))
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="update", fields=" ".join(changed))
        return portal

    def renew_secret(self, slug: str) -> str:
        """A new client secret in plain text, this once; the old one is void. Raises `BadInput`."""
        portal = self.load(slug)
        secret = self._new_secret(portal)
        if secret is None:
            raise BadInput("this portal authenticates with its own key and has no secret")
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="secret")
        return secret

    def disable(self, slug: str) -> Portal:
        """Nobody signs in to it any more; its records stay. Raises `BadInput`."""
        portal = self.load(slug)
        if portal.disabled_at is None:
            portal.disabled_at = self._clock.now()
            self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="disable")
        return portal

    def load(self, slug: str) -> Portal:
        """The portal of this slug, disabled or not. Raises `BadInput`."""
        portal = db.session.scalar(select(Portal).where(Portal.slug == slug))
        if portal is None:
            raise BadInput(f"there is no portal {slug!r}; `connect portal list` shows them")
        return portal

    def all(self) -> list[Portal]:
        return list(db.session.scalars(select(Portal).order_by(Portal.slug)))

    def _new_secret(self, portal: Portal) -> str | None:
        if portal.token_endpoint_auth_method == "private_key_jwt":
            return None
        secret = token(self._random, "cc_cs_")
        portal.client_secret_hash = self._vault.mac("client-secret", secret)
        return secret
