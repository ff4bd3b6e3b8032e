"""A portal and its persons, who reach the cluster by nginx, or one instance of it past nginx."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar
from urllib.parse import urlencode

import pyotp
import requests
from flask import current_app
from requests.adapters import HTTPAdapter
from sqlalchemy import select

from examples.cluster.cluster import Cluster
from examples.cluster.instance import Instance
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.builders import add_portal
from tests.support.prepared import Stand
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, answer_of, challenge
from tests.support.served import RemotePerson
from tests.support.walks import SEED, add_account

SCOPE = "openid profile email offline_access"
ANSWERS_WITHIN_S = 30
ADDED_AT_ONCE = 4
T = TypeVar("T")
_numbers = itertools.count(1)


class _From(HTTPAdapter):
    """Connections from another address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, source_address=(self._address, 0), **named)  # type: ignore[no-untyped-call]


@dataclass
class Site:
    """`portal` is not of this thread's database: any thread reads it."""

    cluster: Cluster
    services: Services
    portal: Portal

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self.cluster.instances

    def new_emails(self, count: int) -> list[str]:
        """Addresses of so many persons who have an authenticator app, and have not signed in with it."""
        emails = [f"person{next(_numbers)}@example.ch" for _ in range(count)]
        app, hashed = current_app._get_current_object(), self.services.passwords.hash(PASSWORD)  # type: ignore[attr-defined]

        def add(email: str) -> None:
            with app.app_context():
                portal = db.session.get_one(Portal, self.portal.id)
                add_account(self.services, portal, email, "app", hashed=hashed)

        with ThreadPoolExecutor(ADDED_AT_ONCE) as pool:
            list(pool.map(add, emails))
        return emails

    def browser(self) -> RemotePerson:
        """Somebody before nginx, in a network of their own: one network may not hold every place of the queue."""
        person = RemotePerson(self.cluster.issuer)
        number = next(_numbers)
        person.http.mount("https://", _From(f"127.1.{number // 250 % 250}.{number % 250 + 1}"))
        person.http.verify = str(self.cluster.certificate)
        return person

    def request(self, **more: str) -> str:
        """The address of an authorization request."""
        asked = {
            "client_id": self.portal.client_id, "redirect_uri": self.portal.redirect_uris[0], "scope": SCOPE,
            "response_type": "code", "state": secrets.token_hex(8), "nonce": secrets.token_hex(8),
            "code_challenge": challenge(), "code_challenge_method": "S256",
        }  # fmt: skip
        return f"/authorize?{urlencode(asked | more)}"

    def sign_in(self, person: RemotePerson, email: str) -> str:
        """The whole sign-in; the code that the portal is given."""
        person.open(self.request())
        person.submit(email=email, password=PASSWORD)
        person.submit(otp=pyotp.TOTP(SEED).now())
        assert person.address.startswith(self.portal.redirect_uris[0]), (person.page.status_code, person.title)
        return answer_of(person.address)["code"]

    def post(self, path: str, at: Instance | None = None, **form: str) -> requests.Response:
        """What the portal's server asks, of nginx or of one instance."""
        headers = {"Host": self.cluster.issuer.removeprefix("https://")}
        return requests.post(
            self.origin(at) + path, data=form, headers=headers, auth=(self.portal.client_id, PORTAL_SECRET),
            verify=str(self.cluster.certificate), timeout=ANSWERS_WITHIN_S,
        )  # fmt: skip

    def redeem(self, code: str, at: Instance | None = None) -> requests.Response:
        given = {"code": code, "redirect_uri": self.portal.redirect_uris[0], "code_verifier": VERIFIER}
        return self.post("/token", at, grant_type="authorization_code", **given)

    def refresh(self, token: str, at: Instance | None = None) -> requests.Response:
        return self.post("/token", at, grant_type="refresh_token", refresh_token=token)

    def get(self, path: str, at: Instance | None = None, **headers: str) -> requests.Response:
        return requests.get(
            self.origin(at) + path, headers={"Host": self.cluster.issuer.removeprefix("https://"), **headers},
            verify=str(self.cluster.certificate), timeout=ANSWERS_WITHIN_S, allow_redirects=False,
        )  # fmt: skip

    def send(self, stand: Stand, at: Instance, network: str, **fields: str) -> requests.Response:
        """A step's form from this network, as nginx would pass it on to an instance."""
        form = {"csrf_token": self.services.vault.mac("csrf", stand.secret), "nonce": secrets.token_urlsafe(16)}
        headers = {
            "Host": self.cluster.issuer.removeprefix("https://"), "Origin": self.cluster.issuer,
            "Cookie": f"__Host-connect_browser={stand.secret}", "X-Forwarded-For": network,
        }  # fmt: skip
        return requests.post(
            self.origin(at) + stand.address, data=form | fields, headers=headers, allow_redirects=False,
            timeout=ANSWERS_WITHIN_S,
        )  # fmt: skip

    def origin(self, at: Instance | None) -> str:
        return self.cluster.issuer if at is None else f"http://127.0.0.1:{at.port}"

    def alternately(self, count: int) -> list[Instance]:
        """So many turns, each instance in its turn."""
        return [self.instances[number % len(self.instances)] for number in range(count)]


def installed(cluster: Cluster, services: Services) -> Site:
    """The portal of all tests is made by the first one."""
    portal = db.session.scalar(select(Portal).where(Portal.slug == "cpx"))
    if portal is None:
        secret = services.vault.mac("client-secret", PORTAL_SECRET)
        portal = add_portal("cpx", client_secret_hash=secret, id_token_signed_response_alg="ES256")
    db.session.refresh(portal)
    db.session.expunge(portal)
    return Site(cluster, services, portal)


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What each gives, all begun in the same moment."""
    barrier = Barrier(len(jobs))

    def one(job: Callable[[], T]) -> T:
        barrier.wait(ANSWERS_WITHIN_S)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(one, jobs))


def introspected(site: Site, token: str, at: Instance) -> bool:
    answer: dict[str, Any] = site.post("/introspect", at, token=token).json()
    return bool(answer["active"])


def sockets(pid: int) -> set[str]:
    """Of this process, by inode."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            found.add(str(file.readlink()))
    return {target for target in found if target.startswith("socket:")}


def to_database(site: Site) -> set[str]:
    """The inodes of all connections to PostgreSQL, at the end that is not PostgreSQL's."""
    ports = {f"{port:04X}" for port in site.cluster.postgresql.ports}
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {f"socket:[{one[9]}]" for one in lines if one[2].partition(":")[2] in ports}


def computed_s(pid: int) -> float:
    """What this process has computed so far, without those that it began."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")
