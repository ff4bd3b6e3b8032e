"""A portal at the endpoints for clients: authenticates by secret, key or certificate, holds keys, and has a person."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from idp.models.account import Account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.issuing import sign_on
from idp.services.sessions import SignedOn
from tests.support.builders import BORN, add_person, add_portal
from tests.support.holder import MAKERS, Certificate, ProofKey, signed
from tests.support.person import ISSUER
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, challenge

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CERTIFICATE_HEADER = "X-Client-Certificate"
PROXY = {"CONNECT_TRUSTED_PROXIES": "1", "CONNECT_MTLS_CERTIFICATE_HEADER": CERTIFICATE_HEADER}
SCOPE = "openid profile email phone insurance offline_access"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
EVERY_GRANT = ["authorization_code", "refresh_token", "client_credentials", DEVICE, EXCHANGE]


@dataclass
class PortalClient:
    web: Flask
    services: Services
    portal: Portal
    key: Any = None  # of private_key_jwt; None where a secret or a certificate is the proof
    alg: str = "ES256"
    dpop: ProofKey | None = None
    certificate: Certificate | None = None
    count: int = field(default=0)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        """POST a form, authenticated as registered, with a proof where there is a key for it."""
        given = Headers(headers or {})
        fields = {name: value for name, value in {**(body or {}), **more}.items() if value is not None}
        self._authenticate(fields, given)
        if self.dpop is not None and "DPoP" not in given:
            given["DPoP"] = self.dpop.proof("POST", path)
        if self.certificate is not None:
            given[CERTIFICATE_HEADER] = self.certificate.header
        return self.web.test_client().post(path, data=fields, headers=given, base_url=ISSUER)

    def _authenticate(self, fields: dict[str, Any], headers: Headers) -> None:
        method = self.portal.token_endpoint_auth_method
        if method == "client_secret_basic":
            pair = f"{self.portal.client_id}:{PORTAL_SECRET}"
            headers.setdefault("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        elif method == "client_secret_post":
            fields |= {"client_id": self.portal.client_id, "client_secret": PORTAL_SECRET}
        elif method == "private_key_jwt":
            fields.setdefault("client_assertion", self.assertion())
            fields["client_assertion_type"] = ASSERTION_TYPE
        else:
            fields["client_id"] = self.portal.client_id

    def assertion(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        self.count += 1
        now = int(self.services.clock.now().timestamp())
        said = {
            "iss": self.portal.client_id, "sub": self.portal.client_id, "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": f"assertion-{self.portal.slug}-{self.count}",
        }  # fmt: skip
        claims = {name: value for name, value in (said | changes).items() if value is not None}
        return signed({"alg": self.alg, "typ": "JWT", **(header or {})}, claims, self.key)

    def code(self, **changes: Any) -> str:
        """An authorization code as the authorization endpoint would give it."""
        return issue_code(self.services, self.portal, **changes)

    def redeem(self, code: str, **more: Any) -> TestResponse:
        given = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        return self.post("/token", {**given, "redirect_uri": self.portal.redirect_uris[0], **more})

    def tokens(self, **changes: Any) -> dict[str, Any]:
        """What a fresh code gives."""
        more = changes.pop("more", {})
        response = self.redeem(self.code(**changes), **more)
        assert response.status_code == 200, response.get_json()
        body: dict[str, Any] = response.get_json()
        return body

    def refresh(self, refresh_token: str, **more: Any) -> TestResponse:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": refresh_token, **more})

    def userinfo(self, token: str, method: str = "GET", headers: dict[str, str] | None = None) -> TestResponse:
        """By the scheme that the client's own key asks for."""
        given = Headers({"Authorization": f"{'DPoP' if self.dpop else 'Bearer'} {token}"})
        if self.dpop is not None:
            given["DPoP"] = self.dpop.proof(method, "/userinfo", token)
        if self.certificate is not None:
            given[CERTIFICATE_HEADER] = self.certificate.header
        for name, value in (headers or {}).items():
            given[name] = value
        return self.web.test_client().open("/userinfo", method=method, headers=given, base_url=ISSUER)


def add_account(services: Services, email: str = "helene@example.ch", status: str = "active") -> Account:
    account = Account(
        id=uuid4(), email=email, email_verified_at=BORN, given_name="Hélène", family_name="Müller", language="fr",
        status=status, terms_accepted_at=BORN, created_at=BORN,
    )  # fmt: skip
    db.session.add(account)
    db.session.commit()
    return account


def sign_in(services: Services, portal: Portal, email: str = "helene@example.ch") -> tuple[Session, str]:
    """A session of a person who is linked to the portal, and the secret of its cookie."""
    account = services.accounts.find(email) or add_account(services, email)
    if services.accounts.record_of(account.id, portal.id) is None:
        record: InsuredPerson = add_person(portal, f"P-{email}", birth_date=date(1958, 3, 27))
        record.link(account.id, services.clock.now())
    secret = services.sessions.open(account, browser_hash="b" * 64, acr="mfa", amr=["pwd", "sms", "mfa"])
    session = services.sessions.load(secret)
    assert session is not None
    db.session.commit()
    return session, secret


def as_signed_on(session: Session) -> SignedOn:
    """As the first request of a linked portal finds this session."""
    return SignedOn(
        session.id, session.account_id, session.auth_time, session.acr, session.amr, session.seen_at, True, None
    )


def issue_code(
    services: Services,
    portal: Portal,
    *,
    session: Session | None = None,
    email: str = "helene@example.ch",
    scope: str = SCOPE,
    nonce: str | None = "n-1",
    resources: tuple[str, ...] = (),
    claims: dict[str, Any] | None = None,
    dpop_jkt: str | None = None,
    with_challenge: bool = True,
) -> str:
    session = session or sign_in(services, portal, email)[0]
    sid = services.sessions.portal_session(session.id, portal.id)
    grant = services.tokens.make_grant(
        session, portal, sid, scope=scope, nonce=nonce, claims=claims, resources=resources
    )
    code, row = services.tokens.make_code(
        grant, redirect_uri=portal.redirect_uris[0], code_challenge=challenge() if with_challenge else None,
        dpop_jkt=dpop_jkt,
    )  # fmt: skip
    assert sign_on(grant, row)
    db.session.commit()
    return code


def client(web: Flask, services: Services, slug: str = "cpx", **changes: Any) -> PortalClient:
    """A fresh portal and its side of the endpoints; by secret unless the changes say otherwise."""
    alg = changes.pop("alg", "ES256")
    dpop, certificate = changes.pop("dpop", None), changes.pop("certificate", None)
    method = changes.get("token_endpoint_auth_method", "client_secret_basic")
    key = None
    if method == "private_key_jwt":
        key = MAKERS[alg]()
        changes.setdefault("jwks", {"keys": [key.as_dict(private=False)]})
    portal = add_portal(slug, **{"client_secret_hash": services.vault.mac("client-secret", PORTAL_SECRET), **changes})
    db.session.refresh(portal)
    db.session.expunge(portal)  # threads may read it too
    return PortalClient(web, services, portal, key, alg, dpop, certificate)


def change(portal: Portal, **fields: Any) -> None:
    """What an operator changes later."""
    row = db.session.get_one(Portal, portal.id)
    for name, value in fields.items():
        setattr(row, name, value)
    db.session.commit()
