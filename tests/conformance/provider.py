"""The provider under test: Connect behind real TLS on a host name of its own, with one test person and two portals."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyotp
from flask import Flask
from werkzeug.serving import make_server

from idp.models.base import db
from idp.models.portal import Portal
from idp.services import schema
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.logout_delivery import LogoutCourier
from idp.settings import Settings
from keys.master import new_master_key
from tests.support.authority import Authority
from tests.support.builders import add_person
from wsgi import create_app

PROVIDER_HOST, PORTAL_HOST = "op.connect.test", "rp.connect.test"
EMAIL, PASSWORD = "buffy@connect.example.ch", "vier pferde im regen"


class JumpClock:
    """The real clock, plus the jumps that a module asks for instead of waiting."""

    def __init__(self) -> None:
        self.jumped = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.jumped

    def advance(self, span: timedelta) -> None:
        self.jumped += span


@dataclass(frozen=True)
class Callback:
    """One request that reached the portal: what a browser brought back from the provider."""

    method: str
    path: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    content_type: str

    @property
    def parameters(self) -> dict[str, str]:
        """The answer's parameters; one that came twice is a fault of the provider."""
        pairs = self.form if self.method == "POST" else self.query
        assert len({name for name, _ in pairs}) == len(pairs), "a parameter came twice"
        return dict(pairs)


@dataclass
class CallbackServer:
    """The portal's side of the browser: keeps every request it gets, and answers it."""

    received: list[Callback] = field(default_factory=list)
    logout_tokens: list[str] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def start(self, context: ssl.SSLContext) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._keep("GET", "")

            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length", 0)), 100_000)
                self._keep("POST", self.rfile.read(length).decode())

            def _keep(self, method: str, body: str) -> None:
                parts = urlsplit(self.path)
                form = parse_qsl(body, keep_blank_values=True)
                kind = self.headers.get("Content-Type", "")
                if parts.path == "/backchannel":
                    outer.logout_tokens += [value for name, value in form if name == "logout_token"]
                elif parts.path != "/favicon.ico":
                    query = parse_qsl(parts.query, keep_blank_values=True)
                    outer.received.append(Callback(method, parts.path, query, form, kind))
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>portal</title><h1>Back at the portal</h1>")

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class Provider:
    """Connect served over HTTPS by threads of this process, so that modules may move its clock."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.clock = JumpClock()
        self.portal_side = CallbackServer()
        self.portal_side.start(self.authority.issue(PORTAL_HOST, "localhost").server_context())
        made = self.authority.issue(PROVIDER_HOST)
        self._server = make_server(
            "127.0.0.1", 0, lambda *_: iter(()), threaded=True, ssl_context=made.server_context()
        )
        self.issuer = f"https://{PROVIDER_HOST}:{self._server.server_port}"
        self.portal_origin = f"https://{PORTAL_HOST}:{self.portal_side.port}"
        self.services = build_services(Settings.from_environ(self._environment(folder)), clock=self.clock)
        self.app: Flask = create_app(services=self.services)
        self._fill()
        self._server.app = self.app
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            "CONNECT_ISSUER": self.issuer,
            "CONNECT_DATABASE_URL": f"sqlite:///{folder}/connect.db",
            "CONNECT_MASTER_KEY": new_master_key(),
            "CONNECT_MAIL_FROM": "connect@example.ch",
            "CONNECT_SMTP_HOST": "localhost",
            "CONNECT_SMTP_SECURITY": "none",
            "CONNECT_SMS_PROVIDER": "webhook",
            "CONNECT_SMS_URL": "http://localhost:9/sms",
            "CONNECT_SMS_SECRET": new_master_key() + "Zq",
            "CONNECT_ARGON2_MEMORY_KIB": "8",
            "CONNECT_ARGON2_PASSES": "1",
            "CONNECT_EMBEDDED_WORKER": "false",
            "CONNECT_PORTALS_INSIDE": "localhost",
            "CONNECT_PORTALS_CA_FILE": str(self.authority.file),
        }

    def _fill(self) -> None:
        """Keys, and one person whose record and account carry every claim there is."""
        bundle: Services = self.services
        self.seed = bundle.totp.new_seed()
        with self.app.app_context():
            schema.upgrade()
            bundle.keyring.ensure()
            account = bundle.accounts.create(
                email=EMAIL, given_name="Buffy", family_name="Été", language="en",
                password_hash=bundle.passwords.hash(PASSWORD),
            )  # fmt: skip
            bundle.accounts.add_phone(account.id, "+41791234567")
            bundle.totp.enrol(account.id, self.seed, 0)
            self.account_id = account.id
            db.session.commit()

    def add_portal(self, slug: str, **changes: Any) -> tuple[str, str | None]:
        """Register a portal as an operator does and tie the test person to it; returns client id and secret."""
        with self.app.app_context():
            portal, secret = self.services.portals.add(
                {
                    **self._described(slug), "redirect_uris": [f"{self.portal_origin}/callback"],
                    "post_logout_redirect_uris": [f"{self.portal_origin}/bye"], **changes,
                }
            )  # fmt: skip
            self._tie(portal)
            return portal.client_id, secret

    def invite(self, slug: str) -> str:
        """An initial access token for a portal that its developer will register."""
        with self.app.app_context():
            secret, _ = self.services.invites.invite(self._described(slug), timedelta(hours=1))
            db.session.commit()
            return secret

    def link(self, slug: str) -> None:
        """Tie the test person to a portal that registered itself."""
        with self.app.app_context():
            self._tie(self.services.portals.load(slug))

    def _described(self, slug: str) -> dict[str, Any]:
        return {
            "slug": slug, "names": {"fr": f"Caisse {slug}"}, "short_name": "Caisse", "phone": "058 123 45 67",
            "email": "aide@example.ch", "home_url": f"{self.portal_origin}/",
        }  # fmt: skip

    def _tie(self, portal: Portal) -> None:
        person = add_person(portal, external_id=f"P-{portal.slug}", birth_date=date(1981, 1, 19))
        assert person.link(self.account_id, self.clock.now())
        db.session.commit()

    def deliver(self) -> None:
        """What the worker does with logout notices several times a second."""
        LogoutCourier(self.app).run_once()

    def one_time_code(self) -> str:
        """The app's code of a time step that was not used yet."""
        self.clock.advance(timedelta(seconds=30))
        return pyotp.TOTP(self.seed).at(self.clock.now())

    def stop(self) -> None:
        self._server.shutdown()
        self.portal_side.stop()


def as_object(text: str) -> dict[str, Any]:
    """A JSON object, or an assertion that says what came instead."""
    found = json.loads(text)
    assert isinstance(found, dict), f"not a JSON object but {type(found).__name__}"
    return found
