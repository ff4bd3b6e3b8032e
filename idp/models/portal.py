"""The portals: relying parties (RFC 7591 client metadata) with the name, brand and contact persons see."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db
from idp.models.client_secret import HasClientSecrets


class Portal(HasClientSecrets, Base):
    """One relying party. `slug` stands in URLs, `client_id` on the wire; neither is ever given to another portal."""

    __tablename__ = "portal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]  # empty for what has not been changed since this is kept

    # What persons see. `names` has the keys fr, de, it, en; `short_name` is for SMS (GSM-7, at most 20).
    names: Mapped[dict[str, str]]
    short_name: Mapped[str]
    place: Mapped[str] = mapped_column(default="")
    phone: Mapped[str]
    email: Mapped[str]
    hours: Mapped[dict[str, str]]  # opening hours in fr, de, it, en
    brand_color: Mapped[str] = mapped_column(default="#0B5C7A")
    logo_svg: Mapped[str | None]
    logo_alt: Mapped[str | None]  # what the logo says beyond the name that stands beside it
    home_url: Mapped[str]
    texts: Mapped[dict[str, Any] | None]  # language → key → what it says in its own words

    # How persons are registered.
    code_life_days: Mapped[int] = mapped_column(default=30)
    second_item: Mapped[str] = mapped_column(default="birth_date")  # or "none"
    factors: Mapped[list[str]]  # of "sms", "app"
    letter_window: Mapped[str] = mapped_column(default="right")  # or "left"

    # Client metadata, in the words of RFC 7591 and OpenID Connect Registration.
    redirect_uris: Mapped[list[str]]
    post_logout_redirect_uris: Mapped[list[str]]
    initiate_login_uri: Mapped[str | None]
    scopes: Mapped[list[str]]
    token_endpoint_auth_method: Mapped[str] = mapped_column(default="client_secret_basic")
    token_endpoint_auth_signing_alg: Mapped[str | None]
    jwks: Mapped[dict[str, Any] | None]
    assertion_audience: Mapped[str] = mapped_column(default="issuer")  # or "token_endpoint"
    id_token_signed_response_alg: Mapped[str] = mapped_column(default="RS256")
    subject_type: Mapped[str] = mapped_column(default="pairwise")
    sector_identifier: Mapped[str]  # host that pairwise subjects are computed for (OIDC Core §8.1)
    sector_identifier_uri: Mapped[str | None]
    require_pkce: Mapped[bool] = mapped_column(default=True)
    security_profile: Mapped[str] = mapped_column(default="standard")  # or "fapi2"
    grant_types: Mapped[list[str]] = mapped_column(default=lambda: ["authorization_code", "refresh_token"])
    jwks_uri: Mapped[str | None]
    tls_client_auth_subject_dn: Mapped[str | None]
    tls_client_auth_san_dns: Mapped[str | None]
    require_par: Mapped[bool] = mapped_column(default=False)
    require_signed_request_object: Mapped[bool] = mapped_column(default=False)
    request_object_signing_alg: Mapped[str | None]
    authorization_signed_response_alg: Mapped[str | None]
    introspection_signed_response_alg: Mapped[str | None]
    access_token_format: Mapped[str] = mapped_column(default="opaque")  # or "jwt" (RFC 9068)
    resources: Mapped[list[str]] = mapped_column(default=list)  # what it may ask access tokens for (RFC 8707)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(default=False)
    tls_client_certificate_bound_access_tokens: Mapped[bool] = mapped_column(default=False)
    refresh_rotation: Mapped[bool] = mapped_column(default=True)
    allowed_acr: Mapped[list[str]] = mapped_column(default=lambda: ["mfa", "phr"])
    default_acr_values: Mapped[list[str]] = mapped_column(default=list)
    default_max_age: Mapped[int | None]
    backchannel_logout_uri: Mapped[str | None]
    backchannel_logout_session_required: Mapped[bool] = mapped_column(default=False)
    trusted_devices: Mapped[bool] = mapped_column(default=False)  # may stand in for the second factor for 30 days
    consent: Mapped[bool] = mapped_column(default=False)  # a third party's portal asks the person first
    verified_claims: Mapped[bool] = mapped_column(default=False)  # may learn how the person was tied to the record
    publisher: Mapped[str] = mapped_column(default="")  # who is behind a third party's portal
    policy_uri: Mapped[str | None]
    tos_uri: Mapped[str | None]
    registration_token_hash: Mapped[str | None]  # of RFC 7592, where the portal registered itself

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None

    def name(self, language: str) -> str:
        """The name in `language`, else in French, which every portal has."""
        return self.names.get(language) or self.names["fr"]

    def opening_hours(self, language: str) -> str:
        return self.hours.get(language) or self.hours.get("fr", "")


def find_portal(slug: str) -> Portal | None:
    """The enabled portal of this slug."""
    return _enabled(Portal.slug == slug) if _may_name(slug) else None


def find_portal_in_any_state(slug: str) -> Portal | None:
    """The portal of this slug, disabled or not: for those who keep it."""
    return db.session.scalar(select(Portal).where(Portal.slug == slug)) if _may_name(slug) else None


def find_client(client_id: str) -> Portal | None:
    """The enabled portal of this client id."""
    return _enabled(Portal.client_id == client_id) if _may_name(client_id) else None


def load_enabled(portal_id: UUID) -> Portal | None:
    """The enabled portal of this id."""
    return _enabled(Portal.id == portal_id)


def _may_name(text: str) -> bool:
    """Anybody sends names, also out of JSON and of percent signs; no database takes NUL or half a surrogate pair."""
    return bool(text) and text.isascii() and text.isprintable()


def _enabled(where: ColumnElement[bool]) -> Portal | None:
    portal = db.session.scalar(select(Portal).where(where))
    return None if portal is None or portal.is_disabled else portal


def list_portals() -> list[Portal]:
    """Every enabled portal, by slug; the caller sorts by the name in the reader's language."""
    return list(db.session.scalars(select(Portal).where(Portal.disabled_at.is_(None)).order_by(Portal.slug)))
