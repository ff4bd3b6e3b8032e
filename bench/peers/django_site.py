"""The addresses of django_provider.py, and what it says of a person."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


class Validator(OAuth2Validator):
    """One portal with several grants, as everywhere else, and the claims of the one person at the userinfo endpoint."""

    def validate_grant_type(self, client_id: str, grant_type: str, client: Any, request: Any, *more: Any) -> bool:
        if grant_type == "client_credentials":
            return True
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *more))

    def get_userinfo_claims(self, request: Any) -> dict[str, Any]:
        return super().get_userinfo_claims(request) | {
            "name": "Hélène Müller", "given_name": "Hélène", "family_name": "Müller", "birthdate": "1958-03-27",
            "locale": "fr", "email": "helene@example.ch", "email_verified": True,
        }  # fmt: skip
