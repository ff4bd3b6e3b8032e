"""Connect behind granian over HTTP and over HTTPS, with somebody who is registered, for relying parties to meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import delete, select

from idp.models.authorization import DeviceAuthorization
from idp.models.base import db
from idp.models.flow import Challenge
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import finish_registration, letter, link, sign_in
from tests.support.authority import Authority
from tests.support.ports import five_free_ports
from tests.support.served import RemotePerson, granian, inside, installation

EMAIL = "helene@example.ch"
KEYS: dict[str, RSAKey | ECKey | OKPKey] = {
    "RS256": RSAKey.generate_key(2048, parameters={"alg": "RS256"}, auto_kid=True),
    "PS256": RSAKey.generate_key(2048, parameters={"alg": "PS256"}, auto_kid=True),
    "ES256": ECKey.generate_key("P-256", parameters={"alg": "ES256"}, auto_kid=True),
    "EdDSA": OKPKey.generate_key("Ed25519", auto_kid=True),  # its algorithm has two names, see RFC 9864
}


@dataclass(frozen=True)
class Registered:
    """A relying party as Connect knows it, with the secret or key that only the relying party has."""

    portal: Portal
    secret: str | None
    alg: str

    @property
    def redirect_uri(self) -> str:
        return self.portal.redirect_uris[0]

    @property
    def bye(self) -> str:
        return self.portal.post_logout_redirect_uris[0]


class Connect:
    """The served installation and its one person."""

    def __init__(self, issuer: str, services: Services, authority: Authority | None) -> None:
        self.issuer, self.services, self.authority = issuer, services, authority
        self.count = 0
        first = self.add_portal()
        self.person = self.new_browser()
        self.person.open(f"{issuer}/{first.portal.slug}/register/code")
        finish_registration(self.person, letter(services, first.portal), EMAIL)

    def new_browser(self) -> RemotePerson:
        return RemotePerson(self.issuer, self.authority)

    def add_portal(self, alg: str = "RS256", **details: Any) -> Registered:
        """Register a portal as an operator does; `alg` is of the key where the portal authenticates with one."""
        self.count += 1
        home = f"http://localhost:{details.pop('port', 9)}"
        names = dict.fromkeys(("fr", "de", "it", "en"), f"Caisse {self.count}")
        if details.get("token_endpoint_auth_method") == "private_key_jwt":
            details["jwks"] = {"keys": [KEYS[alg].as_dict(private=False)]}
        given = {
            "slug": f"fund-{self.count}", "names": names, "short_name": f"Caisse {self.count}",
            "phone": "058 123 45 67", "email": "help@example.ch", "home_url": f"{home}/",
            "sector_identifier": f"fund-{self.count}.example.ch",
            "redirect_uris": [f"{home}/callback"], "post_logout_redirect_uris": [f"{home}/bye"], **details,
        }  # fmt: skip
        portal, secret = self.services.portals.add(given)
        db.session.commit()
        return Registered(portal, secret, alg)

    def add_portal_of_the_person(self, alg: str = "RS256", **details: Any) -> Registered:
        """A portal whose letter the person has answered too."""
        made = self.add_portal(alg, **details)
        link(self.services, made.portal, EMAIL)
        return made

    def sign_in(self) -> None:
        """The person signs in by SMS, as often as a test likes: the hourly limit of codes is another test's subject."""
        db.session.execute(delete(Challenge))
        db.session.commit()
        sign_in(self.person, EMAIL)

    def let_pass(self, seconds: int) -> None:
        """The person signed in that much longer ago, for whoever asks about it."""
        for session in db.session.scalars(select(Session)):
            session.auth_time -= timedelta(seconds=seconds)
        db.session.commit()

    def let_devices_rest(self) -> None:
        """Every device polled last a minute ago."""
        for waiting in db.session.scalars(select(DeviceAuthorization)):
            if waiting.polled_at is not None:
                waiting.polled_at -= timedelta(minutes=1)
        db.session.commit()


def strict(authority: Authority) -> dict[str, str]:
    """Over HTTPS portals on this machine are reached too, and DPoP proofs need a nonce of ours."""
    return {
        "CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file),
        "CONNECT_DPOP_NONCE": "true",
    }  # fmt: skip


@pytest.fixture(scope="module", params=["https", "http"])
def connect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    folder = tmp_path_factory.mktemp(request.param)
    authority = Authority(folder) if request.param == "https" else None
    issuer = f"{request.param}://localhost:{five_free_ports()}"
    environ = installation(folder, issuer, **(strict(authority) if authority else {}))
    with inside(environ) as services:
        server = granian(environ, folder / "server.log", authority)
        try:
            yield Connect(issuer, services, authority)
        finally:
            server.stop()
