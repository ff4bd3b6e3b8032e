"""A peer of bench/portal_calls.py: django-oauth-toolkit on PostgreSQL as one file, with the same work as ours.

`application` answers portals behind granian. `python django_provider.py PORT` is the side door: it makes the tables,
then codes, tokens and sessions without a browser. The environment says where and who.
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import django
from django.conf import settings

PORTAL, SECRET = "fon", "portal-secret-of-the-tests"
CALLBACK = f"https://{PORTAL}.example.ch/callback"
SCOPE = "openid profile email offline_access"
CHALLENGE = os.environ["CHALLENGE"]
LONG_S = 3600


settings.configure(
    SECRET_KEY=os.environ["COOKIE_KEY"],
    ALLOWED_HOSTS=["localhost"], USE_TZ=True, ROOT_URLCONF="django_site",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DATABASE"], "USER": "connect",
        "HOST": os.environ["DATABASE_HOST"], "CONN_MAX_AGE": None,
    }},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True, "OIDC_RSA_PRIVATE_KEY": Path(os.environ["KEY_FILE"]).read_text(),
        "OIDC_ISS_ENDPOINT": f"{os.environ['ORIGIN']}/o", "OAUTH2_VALIDATOR_CLASS": "django_site.Validator",
        "PKCE_REQUIRED": True,
        "SCOPES": {name: name for name in [*SCOPE.split(), "introspection"]}, "ROTATE_REFRESH_TOKEN": True,
        "DEFAULT_SCOPES": SCOPE.split(), "ACCESS_TOKEN_EXPIRE_SECONDS": LONG_S,
        "AUTHORIZATION_CODE_EXPIRE_SECONDS": LONG_S,
    },
)  # fmt: skip
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken  # noqa: E402

application = get_wsgi_application()


def prepare() -> tuple[Any, Any]:
    """The tables, the person and the portal. The client's secret is kept as it is: Django's own hashing would take
    longer than everything that is measured.
    """
    call_command("migrate", verbosity=0)
    person = get_user_model().objects.create_user("helene", "helene@example.ch", "a password that nobody uses")
    portal = Application.objects.create(
        client_id=PORTAL, client_secret=SECRET, hash_client_secret=False, redirect_uris=CALLBACK, user=person,
        client_type=Application.CLIENT_CONFIDENTIAL, authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        algorithm=Application.RS256_ALGORITHM, skip_authorization=True,
    )  # fmt: skip
    return person, portal


def access_tokens(person: Any, portal: Any, count: int) -> list[Any]:
    return AccessToken.objects.bulk_create(
        AccessToken(
            user=person, application=portal, token=secrets.token_urlsafe(32), scope=SCOPE,
            expires=timezone.now() + timedelta(seconds=LONG_S),
        )
        for _ in range(count)
    )  # fmt: skip


def made(kind: str, person: Any, portal: Any, count: int) -> list[str]:
    until = timezone.now() + timedelta(seconds=LONG_S)
    if kind == "access":
        return [one.token for one in access_tokens(person, portal, count)]
    if kind == "refresh":
        rows = RefreshToken.objects.bulk_create(
            RefreshToken(user=person, application=portal, token=secrets.token_urlsafe(32), access_token=one)
            for one in access_tokens(person, portal, count)
        )
        return [one.token for one in rows]
    if kind == "code":
        rows = Grant.objects.bulk_create(
            Grant(
                user=person, application=portal, code=secrets.token_urlsafe(32), scope=SCOPE, redirect_uri=CALLBACK,
                expires=until, nonce="n", code_challenge=CHALLENGE, code_challenge_method="S256",
            )
            for _ in range(count)
        )  # fmt: skip
        return [one.code for one in rows]
    return [f"sessionid={session(person)}" for _ in range(count)]


def session(person: Any) -> str:
    """The key of a browser's session in which this person is signed in."""
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY] = str(person.pk), "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = person.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def serve(port: int) -> None:
    person, portal = prepare()

    class Door(BaseHTTPRequestHandler):
        """GET /code/fon/1000 → a thousand codes, one a line."""

        def do_GET(self) -> None:
            _, kind, _, count = self.path.split("/")
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\n".join(made(kind, person, portal, int(count))).encode())

    HTTPServer(("127.0.0.1", port), Door).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
