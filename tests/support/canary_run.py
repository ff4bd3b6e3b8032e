"""A whole installation over HTTPS with its mail server and SMS gateway, in which every secret that comes up is noted.

The processes run at DEBUG with the server's access log on. `walk` leads persons and portals through registrations,
sign-ins, exchanges, errors and crashes; what must not leak stands in `World.canaries` afterwards.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyotp
from sqlalchemy import text as sql

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.authority import Authority
from tests.support.builders import add_person
from tests.support.canaries import Canaries
from tests.support.figures import counting, scraped
from tests.support.mail_server import MailServer
from tests.support.ports import five_free_ports
from tests.support.served import Process, RemotePerson, granian, inside, installation
from tests.support.web_server import Said, WebServer

ARRIVES_WITHIN_S = 20
T = TypeVar("T")


@dataclass
class World:
    issuer: str
    folder: Path
    services: Services
    authority: Authority
    mails: MailServer
    texts: WebServer
    traces: WebServer
    environ: dict[str, str]
    canaries: Canaries = field(default_factory=Canaries)
    processes: list[Process] = field(default_factory=list)

    def start(self, target: str = "wsgi:app") -> None:
        extra = ("--access-log", "--log-level", "debug")
        self.processes = [
            granian(self.environ, self.folder / "web.log", self.authority, *extra, target=target),
            Process(["idp.cli", "worker"], self.environ, self.folder / "worker.log"),
        ]

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.processes = []

    def logs(self) -> str:
        return "".join((self.folder / name).read_text() for name in ("web.log", "worker.log"))

    def figures(self) -> str:
        """What Prometheus would be told now."""
        return scraped(self.issuer, self.authority)

    def spans(self) -> str:
        """What was exported so far, as it went over the wire."""
        return b"".join(asked.body for asked in self.traces.asked).decode("latin-1")

    def database_files(self) -> list[Path]:
        return [path for path in self.folder.glob("connect.db*") if path.suffix != ".log"]

    def mailed(self, to: str) -> str:
        """The code of the newest mail to an address, once it has arrived."""
        received = self.wait_for(lambda: [one for one in self.mails.received if one.recipients == [to]])
        return self._code(received[-1].part("plain"), "code by mail")

    def texted(self, to: str) -> str:
        received = self.wait_for(lambda: [one.json for one in self.texts.asked if one.json["to"] == to])
        return self._code(received[-1]["text"], "code by SMS")

    def _code(self, message: str, name: str) -> str:
        found = re.search(r"\b\d{6}\b", message)
        assert found
        return self.canaries.seed(name, found[0])

    def wait_for(self, look: Callable[[], T]) -> T:
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while not (found := look()):
            assert time.monotonic() < deadline, f"nothing came:\n{self.logs()[-3000:]}"
            time.sleep(0.05)
        return found

    @contextmanager
    def without_table(self, name: str) -> Iterator[None]:
        """What a request does while the database fails it in the middle."""
        _run_sql(f"ALTER TABLE {name} RENAME TO gone")
        try:
            yield
        finally:
            _run_sql(f"ALTER TABLE gone RENAME TO {name}")


def _run_sql(statement: str) -> None:
    db.session.rollback()
    db.session.execute(sql(statement))
    db.session.commit()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The surroundings; `World.start` starts the installation itself."""
    authority = Authority(folder)
    issuer = f"https://localhost:{five_free_ports()}"
    password, key, route = f"Post{secrets.token_hex(8)}", secrets.token_urlsafe(40), secrets.token_urlsafe(12)
    post = MailServer("starttls", authority.issue(), users={"connect": password})
    gateway, collector = WebServer(lambda _: Said(204), authority.issue()), WebServer(lambda _: Said(200))
    with post as mails, gateway as texts, collector as traces:
        environ = installation(
            folder, issuer, CONNECT_LOG_LEVEL="debug", CONNECT_SMTP_PORT=str(mails.port),
            CONNECT_SMTP_SECURITY="starttls", CONNECT_SMTP_CA_FILE=str(authority.file), CONNECT_SMTP_USERNAME="connect",
            CONNECT_SMTP_PASSWORD=password, CONNECT_SMS_URL=f"{texts.address}/sms?route={route}",
            CONNECT_SMS_SECRET=key, CONNECT_SMS_CA_FILE=str(authority.file), CONNECT_TRACING="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=traces.address, OTEL_BSP_SCHEDULE_DELAY="200", **counting(folder),
        )  # fmt: skip
        with inside(environ) as services:
            made = World(issuer, folder, services, authority, mails, texts, traces, environ)
            made.canaries.seed("password of the mail server", password)
            made.canaries.seed("key of the SMS gateway", key)
            made.canaries.seed("route of the SMS gateway", route)
            made.canaries.seed("master key", environ["CONNECT_MASTER_KEY"])
            try:
                yield made
            finally:
                made.stop()


@dataclass
class Insured:
    """Somebody whose every detail is unusual enough to be found."""

    given_name: str
    family_name: str
    email: str
    mobile: str
    number: str
    street: str
    external_id: str
    password: str
    born: date = date(1947, 11, 23)
    code: str = ""
    authenticator: str = ""

    @property
    def e164(self) -> str:
        return "+41" + self.mobile.replace(" ", "")[1:]


def invite(world: World, portal: Portal, insured: Insured) -> None:
    """The fund's record and a letter; all of it is noted."""
    record = add_person(
        portal, external_id=insured.external_id, insured_number=insured.number, given_name=insured.given_name,
        family_name=insured.family_name, birth_date=insured.born, address=[insured.street, "3999 Oberhorn"],
    )  # fmt: skip
    insured.code = world.services.registration_codes.issue(record, portal)
    db.session.commit()
    for name, value in {
        "person: given name": insured.given_name, "person: family name": insured.family_name,
        "person: address": insured.email, "person: number": insured.e164, "person: number as typed": insured.mobile,
        "person: insured number": insured.number, "person: key of the fund": insured.external_id,
        "person: street": insured.street, "person: born": insured.born.isoformat(), "password": insured.password,
        "letter code": insured.code,
    }.items():  # fmt: skip
        world.canaries.seed(name, value)


class Browser(RemotePerson):
    """A person whose cookies and tokens are noted with every page."""

    def __init__(self, world: World) -> None:
        super().__init__(world.issuer, world.authority)
        self._world = world

    def open(self, address: str) -> None:
        super().open(address)
        self._look()

    def submit(self, form: int = 0, **fields: str) -> None:
        super().submit(form, **fields)
        self._look()

    def _look(self) -> None:
        for token in re.findall(r'name="csrf_token" value="([^"]+)"', self.text):
            self._world.canaries.seed("CSRF token", token)
        for cookie in self.http.cookies:
            is_choice = cookie.name.endswith(("_lang", "_portal"))  # a language and a slug are no secrets
            if not is_choice and cookie.value:
                self._world.canaries.seed(f"cookie {cookie.name}", cookie.value)


def register(world: World, portal: Portal, insured: Insured, factor: str) -> Browser:
    """Registration with a mistake at every step."""
    seed, browser = world.canaries.seed, Browser(world)
    browser.open(f"/{portal.slug}/register/code?code={insured.code}")  # nobody asks for that, but somebody might
    browser.submit(code=seed("letter code mistyped", insured.code[:-1] + ("Z" if insured.code[-1] != "Z" else "Y")))
    browser.submit(code=insured.code)
    browser.submit(email=seed("person: address mistyped", "hélène.birnbäume@example"))
    browser.submit(email=insured.email)
    mailed = world.mailed(insured.email)
    browser.submit(otp=seed("code guessed", "918273" if mailed != "918273" else "918274"))
    browser.submit(otp=mailed)
    assert browser.title == "Complétez vos données", browser.text
    details = {"terms": "yes", "factor": factor, "mobile": insured.mobile if factor == "sms" else ""}
    wrong = {
        "birth_date": seed("person: born mistyped", "23.11.1948"),
        "password": seed("password refused", "kurzbirn"),
    }
    browser.submit(0, **details, **wrong)
    right = {"birth_date": seed("person: born as typed", "23.11.1947"), "password": insured.password}
    browser.submit(0, **details, **right)
    if factor == "sms":
        texted = world.texted(insured.e164)
        browser.submit(otp=seed("code guessed", "564738" if texted != "564738" else "564739"))
        browser.submit(otp=texted)
    else:
        found = re.search(r"secret=([A-Z2-7]{32})", browser.text)
        assert found
        insured.authenticator = seed("authenticator seed", found[1])
        browser.submit(otp=seed("code guessed", "657483"))
        browser.submit(otp=seed("code of the app", pyotp.TOTP(insured.authenticator).now()))
    assert browser.title == "Votre inscription est terminée", browser.text
    return browser


def sign_in(world: World, browser: Browser, insured: Insured) -> None:
    """From L1, with a wrong password and a wrong code first."""
    seed = world.canaries.seed
    browser.submit(email=insured.email, password=seed("password guessed", f"nicht {insured.password}"))
    if insured.authenticator:
        _run_sql("UPDATE totp_secret SET last_step = last_step - 2")  # else the code of this half minute is used up
        browser.submit(email=insured.email, password=insured.password)
        browser.submit(otp=seed("code guessed", "746352"))
        browser.submit(otp=seed("code of the app", pyotp.TOTP(insured.authenticator).now()))
        return
    before = len(world.texts.asked)
    browser.submit(email=insured.email, password=insured.password)
    world.wait_for(lambda: len(world.texts.asked) > before)
    browser.submit(otp=seed("code guessed", "463728"))
    browser.submit(otp=world.texted(insured.e164), trust="yes")
