"""Rows for tests: portals and insured persons."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.person_words import renew_words

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def add_portal(slug: str = "cpx", **changes: Any) -> Portal:
    name = f"Caisse {slug.upper()}"
    values: dict[str, Any] = {
        "id": uuid4(), "slug": slug, "client_id": f"client-{slug}", "created_at": BORN,
        "names": dict.fromkeys(("fr", "de", "it", "en"), name), "short_name": name, "place": "Bern",
        "phone": "058 123 45 67", "email": f"help@{slug}.example.ch", "hours": {"fr": "8–17"}, "brand_color": "#0B5C7A",
        "home_url": f"https://{slug}.example.ch/", "code_life_days": 30, "second_item": "birth_date",
        "factors": ["sms", "app"], "letter_window": "right", "redirect_uris": [f"https://{slug}.example.ch/callback"],
        "post_logout_redirect_uris": [f"https://{slug}.example.ch/bye"],
        "scopes": ["openid", "profile", "email", "phone", "insurance", "offline_access"],
        "token_endpoint_auth_method": "client_secret_basic", "assertion_audience": "issuer",
        "id_token_signed_response_alg": "RS256", "subject_type": "pairwise",
        "sector_identifier": f"{slug}.example.ch", "require_pkce": True,
    }  # fmt: skip
    portal = Portal(**(values | changes))
    db.session.add(portal)
    db.session.commit()
    return portal


def add_person(portal: Portal, external_id: str = "P-1", **changes: Any) -> InsuredPerson:
    values: dict[str, Any] = {
        "id": uuid4(), "portal_id": portal.id, "external_id": external_id, "insured_number": "756.1234.5678.97",
        "given_name": "Hélène", "family_name": "Müller", "birth_date": date(1958, 3, 27), "language": "fr",
        "address": ["Rue du Lac 1", "1000 Lausanne"], "created_at": BORN, "changed_at": BORN,
    }  # fmt: skip
    person = InsuredPerson(**(values | changes))
    db.session.add(person)
    db.session.flush()
    renew_words([person.id])
    db.session.commit()
    return person
