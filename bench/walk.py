"""An installation to measure, and persons and portals who walk through it over real connections."""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyotp
import requests
from sqlalchemy import text as sql

from bench.report import pin, processor_ms
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD, enter_details, letter
from tests.support.builders import add_person, add_portal
from tests.support.figures import counting
from tests.support.person import newest_code
from tests.support.ports import five_free_ports
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, answer_of, challenge
from tests.support.served import Process, RemotePerson, granian, inside, installation

SERVER_CORE, LOAD_CORE = 0, 1
SECOND_PORTAL = "fon"


def answering(main: int) -> int:
    """The process that answers requests, of granian's first one."""
    (web,) = all_answering(main)
    return web


def all_answering(main: int) -> list[int]:
    """The processes that answer requests, where there are several."""
    return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]


@dataclass
class Place:
    """The served installation with two portals."""

    issuer: str
    folder: Path
    environ: dict[str, str]
    services: Services
    portals: list[Portal] = field(default_factory=list)
    server: Process | None = None
    main: int = 0  # granian's first process, which began those that answer
    workers: list[int] = field(default_factory=list)

    def start(self, *extra: str, cores: Sequence[int] = (SERVER_CORE,)) -> int:
        """Start the server; returns the process that answers requests, the first one where there are several."""
        self.server = granian(self.environ, self.folder / "web.log", None, "--log-level", "warning", *extra)
        self.main = self.server.pid
        self.workers = all_answering(self.main)
        for number, pid in enumerate((self.main, *self.workers)):
            pin(pid, cores[max(0, number - 1) % len(cores)])
        pin(os.getpid(), LOAD_CORE)
        return self.workers[0]

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()


@contextmanager
def place(*, counts: bool = False, **changes: str) -> Iterator[Place]:
    """`counts`: for `/metrics`, too."""
    with tempfile.TemporaryDirectory(prefix="connect-bench-") as name:
        issuer = f"http://localhost:{five_free_ports()}"
        figures = counting(Path(name)) if counts else {}
        environ = installation(Path(name), issuer, CONNECT_LOG_LEVEL="warning", **figures, **changes)
        with inside(environ) as services:
            made = Place(issuer, Path(name), environ, services)
            made.portals = add_portals(services)
            try:
                yield made
            finally:
                made.stop()


def add_portals(services: Services) -> list[Portal]:
    """The two whom everything here is measured for."""
    secret = services.vault.mac("client-secret", PORTAL_SECRET)
    return [add_portal(slug, client_secret_hash=secret) for slug in ("cpx", SECOND_PORTAL)]


class Stopwatch:
    """Milliseconds from the end of a request to the head of its answer, and the server's work for it, by what it was.

    One request is on its way at a time, so all that the server computes since the last one is for this one.
    """

    def __init__(self, pid: int) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.worked: dict[str, list[float]] = defaultdict(list)
        self._pid, self._before = pid, processor_ms(pid)

    def note(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        path = urlsplit(str(answer.request.url)).path
        path = re.sub(rf"^/(?:cpx|{SECOND_PORTAL})/", "/{portal}/", path)
        path = re.sub(r"(?<=/resume/).*", "…", re.sub(r"\.[0-9a-f]{10}\.", ".….", path))
        kind = f"{answer.request.method:4} {path} {answer.status_code}"
        before, self._before = self._before, processor_ms(self._pid)
        self.taken[kind].append(answer.elapsed.total_seconds() * 1000)
        self.worked[kind].append(self._before - before)


def _must(is_right: bool, otherwise: str) -> None:
    """A wrong answer is no measurement, however fast it comes."""
    if not is_right:
        raise RuntimeError(otherwise)


class Walker:
    """One person after the other, each new, timed by one stopwatch."""

    def __init__(self, place: Place, watch: Stopwatch) -> None:
        self.place, self.watch, self.count = place, watch, 0

    def browser(self) -> RemotePerson:
        person = RemotePerson(self.place.issuer)
        person.http.hooks["response"].append(self.watch.note)
        return person

    def life(self) -> None:
        """Everything a person meets: registration by SMS or app, a second portal, sign-out, sign-in, help."""
        self.count += 1
        first, second = self.place.portals
        email, mobile = f"person{self.count}@example.ch", f"+4179{4000000 + self.count}"
        person = self.browser()
        self._open_the_pages(person)
        seed = self._register(person, first, email, mobile, "app" if self.count % 2 else "sms")
        tokens = self._exchange(person, first)
        self._link(second, email)
        self._exchange(person, second)
        person.open("/account")
        person.open(f"/logout?id_token_hint={tokens['id_token']}")
        person.open(self._request(first))
        self._sign_in(person, email, seed)
        person.open("/logout")
        person.submit()

    def _open_the_pages(self, person: RemotePerson) -> None:
        for path in ("/", "/help", "/terms", "/privacy", "/accessibility", "/cpx/login/help", "/nowhere", "/livez"):
            person.open(path)
        person.open("/cpx/login")
        for address in re.findall(r'(?:href|src)="(/(?:static|cpx/theme)[^"]+)"', person.text):
            person.http.get(self.place.issuer + address, timeout=30)

    def _register(self, person: RemotePerson, portal: Portal, email: str, mobile: str, factor: str) -> str | None:
        """Returns the seed of the app, if it was chosen."""
        person.open(f"/{portal.slug}/register/code")
        person.submit(code="0000-0000-0000")
        person.submit(code=letter(self.place.services, portal, f"P-{self.count}"))
        person.submit(email="not an address")
        person.submit(email=email)
        person.submit(otp=self._code("mail"))
        enter_details(person, factor=factor, mobile=mobile)
        found = re.search(r"secret=([A-Z2-7]{32})", person.text)
        person.submit(otp=pyotp.TOTP(found[1]).now() if found else self._code("sms"))
        _must(person.title == "Votre inscription est terminée", "the registration ended elsewhere")
        return found[1] if found else None

    def _sign_in(self, person: RemotePerson, email: str, seed: str | None) -> None:
        if seed:  # the code of this half minute was used at the registration
            db.session.execute(sql("UPDATE totp_secret SET last_step = last_step - 2"))
            db.session.commit()
        person.submit(email=email, password="a wrong one altogether")
        person.submit(email=email, password=PASSWORD)
        person.submit(otp=pyotp.TOTP(seed).now() if seed else self._code("sms"))
        _must("code=" in person.address, "the sign-in did not lead back")

    def _link(self, portal: Portal, email: str) -> None:
        """The account has a record at this portal too."""
        account = self.place.services.accounts.find(email)
        if account is None:
            raise LookupError("nobody registered")
        add_person(portal, external_id=f"L-{self.count}").link(account.id, self.place.services.clock.now())
        db.session.commit()

    def _code(self, channel: str) -> str:
        """The code of the newest message, which nobody delivers here."""
        return newest_code(channel)

    def _request(self, portal: Portal) -> str:
        return (
            f"/authorize?client_id={portal.client_id}&redirect_uri={portal.redirect_uris[0]}&response_type=code"
            f"&scope=openid profile email phone insurance offline_access&state=s&nonce=n"
            f"&code_challenge={challenge()}&code_challenge_method=S256"
        )

    def _exchange(self, person: RemotePerson, portal: Portal) -> dict[str, Any]:
        """What the portal's server does: redeem, ask for the claims, refresh."""
        person.open(self._request(portal))
        code = answer_of(person.address)["code"]
        tokens = self._token(
            portal, grant_type="authorization_code", code=code, redirect_uri=portal.redirect_uris[0],
            code_verifier=VERIFIER,
        )  # fmt: skip
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = person.http.get(f"{self.place.issuer}/userinfo", headers=bearer, timeout=30)
        _must("insured_number" in answer.json(), "the claims are not the person's")
        for path in ("/.well-known/openid-configuration", "/jwks"):
            person.http.get(self.place.issuer + path, timeout=30)
        return self._token(portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])

    def _token(self, portal: Portal, **form: str) -> dict[str, Any]:
        with requests.Session() as http:
            http.trust_env = False
            http.hooks["response"].append(self.watch.note)
            http.get(f"{self.place.issuer}/livez", timeout=30)  # so that no exchange is charged for the connection
            answer = http.post(
                f"{self.place.issuer}/token", data=form, auth=(portal.client_id, PORTAL_SECRET), timeout=30
            )
        _must(answer.status_code == 200, "the token endpoint refused")
        body: dict[str, Any] = answer.json()
        return body
