"""What an operator or a portal's developer decides about a portal: one model, every fault told at once, in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from idp.errors import BadInput
from idp.services.portal_fields import (
    JWKS,
    Acr,
    Acrs,
    Address,
    Addresses,
    Alg,
    AuthMethod,
    Email,
    GrantType,
    HttpsAddress,
    Line,
    Logo,
    OwnTexts,
    Scope,
    Sector,
    ShortName,
    Slug,
    SubjectName,
    Texts,
)
from idp.services.portal_rules import DEFAULTS, faults_of, hosts_of


class PortalDetails(BaseModel):
    """The field names are those of a `--from` file; the client metadata among them are in the words of RFC 7591."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    slug: Slug
    names: Texts
    short_name: ShortName
    place: str = Field("", max_length=60)
    phone: Annotated[str, Field(pattern=r"^\+?[0-9 ()/-]{5,25}$")]
    email: Email
    hours: Texts = Field(default_factory=dict)
    brand_color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#0B5C7A"
    logo_svg: Logo | None = None
    logo_alt: Line | None = None
    texts: OwnTexts | None = None
    home_url: Address
    code_life_days: int = Field(30, ge=14, le=90)
    second_item: Literal["birth_date", "none"] = "birth_date"
    factors: list[Literal["sms", "app"]] = Field(default=["sms", "app"], min_length=1)
    letter_window: Literal["left", "right"] = "right"
    redirect_uris: Addresses = Field(default_factory=list, max_length=50)
    post_logout_redirect_uris: Addresses = Field(default_factory=list, max_length=50)
    initiate_login_uri: Address | None = None
    scopes: list[Scope] = Field(default=["openid", "profile", "email", "phone", "insurance", "offline_access"])
    security_profile: Literal["standard", "fapi2"] = "standard"
    grant_types: list[GrantType] = Field(default=["authorization_code", "refresh_token"], min_length=1)
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    token_endpoint_auth_signing_alg: Alg | None = None
    jwks: JWKS | None = None
    jwks_uri: HttpsAddress | None = None
    tls_client_auth_subject_dn: SubjectName | None = None
    tls_client_auth_san_dns: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)] | None = None
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    id_token_signed_response_alg: Alg = "RS256"
    subject_type: Literal["pairwise", "public"] = "pairwise"
    sector_identifier: Sector | None = None
    sector_identifier_uri: HttpsAddress | None = None
    require_pkce: bool = True
    require_par: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: Alg | None = None
    authorization_signed_response_alg: Alg | None = None
    introspection_signed_response_alg: Alg | None = None
    access_token_format: Literal["opaque", "jwt"] = "opaque"
    resources: Addresses = Field(default_factory=list, max_length=20)
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    refresh_rotation: bool = True
    allowed_acr: Acrs = Field(default=["mfa", "phr"], min_length=1)
    default_acr_values: list[Acr] = Field(default_factory=list)
    default_max_age: int | None = Field(None, ge=0, le=31_536_000)
    trusted_devices: bool = False
    backchannel_logout_uri: HttpsAddress | None = None
    backchannel_logout_session_required: bool = False
    consent: bool = False
    verified_claims: bool = False
    publisher: str = Field("", max_length=120)
    policy_uri: Address | None = None
    tos_uri: Address | None = None


# How far a portal is trusted; to decide that takes a permission of its own.
OF_TRUST = (
    "consent", "publisher", "policy_uri", "tos_uri", "verified_claims", "subject_type", "sector_identifier",
    "sector_identifier_uri", "require_pkce", "assertion_audience",
)  # fmt: skip
STAND_INS: dict[str, Any] = {
    "slug": "portal", "names": {"fr": "Portail"}, "short_name": "Portail", "phone": "058 000 00 00",
    "email": "portal@portal.example", "home_url": "https://portal.example/",
}  # fmt: skip


def judge(given: dict[str, Any]) -> PortalDetails:
    """Raises `BadInput` with every fault, one a line; values are not repeated."""
    details, faults = _read(given, frozenset())
    if faults:
        raise BadInput("\n".join(faults))
    return details


def faults_in(given: dict[str, Any], left_out: frozenset[str] = frozenset()) -> list[str]:
    """The faults of a description that is not whole yet: what looks at a field that is `left_out` is not asked."""
    return _read(given, left_out)[1]


def _read(given: dict[str, Any], left_out: frozenset[str]) -> tuple[PortalDetails, list[str]]:
    given = DEFAULTS.get(str(given.get("security_profile")), {}) | given
    faults, unread = [], set(left_out)
    try:
        details = PortalDetails.model_validate(given)
    except ValidationError as error:
        # What cannot be read by itself is told, and left out while the rest is judged together.
        unread |= {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        faults = [_in_words(fault) for fault in error.errors()]
        kept = {name: value for name, value in given.items() if name not in unread}
        details = PortalDetails.model_validate(STAND_INS | kept)
    faults += faults_of(details, details.security_profile, frozenset(unread))
    if details.sector_identifier is None:
        details.sector_identifier = _sector(details)
    return details, faults


def _sector(details: PortalDetails) -> str:
    """The host that pairwise subjects are computed for (OIDC Core §8.1)."""
    if details.sector_identifier_uri is not None:
        return urlsplit(details.sector_identifier_uri).hostname or ""
    return min(hosts_of(details), default=urlsplit(details.home_url).netloc)


def _in_words(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
