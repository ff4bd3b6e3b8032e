"""How many statements each request sends to the database: a figure without noise, and a budget that only shrinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask, g, has_request_context, request
from sqlalchemy import event

from idp.clock import FrozenClock
from idp.models import known_portals
from idp.models.base import ALONE, db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.bundle import services as current_services
from idp.services.passwords import Passwords
from tests.actions import PASSWORD, finish_registration, letter, sign_in
from tests.support.engines import held_connections
from tests.support.letters import printed
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty, answer_of

EMAIL = "helene@example.ch"
BUDGET = {  # statements and commits, where portals are known
    "GET /": 2,
    "GET /<any(help,terms,privacy,accessibility):name>": 0,
    "GET /<slug>/register/code": 2,
    "POST /<slug>/register/code": 13,
    "GET /<slug>/register/email": 3,
    "POST /<slug>/register/email": 17,
    "GET /<slug>/register/email-code": 6,
    "POST /<slug>/register/email-code": 12,
    "GET /<slug>/register/details": 4,
    "POST /<slug>/register/details": 22,
    "GET /<slug>/register/sms": 5,
    "POST /<slug>/register/sms": 27,
    "GET /<slug>/register/done": 3,
    "GET /authorize": 5,
    "GET /authorize/resume/<handle>": 8,
    "GET /<slug>/login": 5,  # one says that a session is in use
    "POST /<slug>/login": 17,
    "GET /<slug>/login/code": 6,
    "POST /<slug>/login/code": 17,
    "GET /<slug>/login/help": 8,
    "GET /<slug>/login/letter": 8,
    "POST /<slug>/login/letter": 16,
    "GET /<slug>/login/letter-code": 4,
    "POST /<slug>/login/letter-code": 18,
    "GET /<slug>/login/methods": 6,
    "POST /<slug>/login/methods": 11,
    "GET /<slug>/login/factor": 6,
    "GET /account/security": 8,
    "GET /account/letter/cancel": 5,
    "POST /token": 7,
    "GET /userinfo": 5,
    "GET /jwks": 0,
    "GET /.well-known/openid-configuration": 0,
    "GET /account": 9,  # one asks for what two operators agreed on
    "GET /logout": 10,
}

COMMITS = {  # of a step's form: one for a guess that is paid, for a letter that pays, and for what came of it
    "POST /<slug>/register/code": 2,
    "POST /<slug>/register/email": 2,
    "POST /<slug>/register/email-code": 2,
    "POST /<slug>/register/details": 3,
    "POST /<slug>/register/sms": 2,
    "POST /<slug>/login": 2,
    "POST /<slug>/login/code": 2,
    "POST /<slug>/login/methods": 1,
    "POST /<slug>/login/letter-code": 2,
}


class Counter:
    """The most statements that a request of each kind sent."""

    def __init__(self, web: Flask) -> None:
        self.most: dict[str, int] = {}
        self.commits: dict[str, int] = {}
        self.is_writing = False
        self.rolled_back = list[str]()
        self.written_alone = set[str]()  # by forms of walks, each committed by itself
        self._count = self._committed = 0
        with web.app_context():
            self.engine = db.engine
        self._listeners: dict[str, Callable[..., None]] = {
            "before_cursor_execute": self._statement, "commit": self._commit, "rollback": self._rollback,
        }  # fmt: skip
        for name, listener in self._listeners.items():
            event.listen(self.engine, name, listener)
        web.before_request_funcs.setdefault(None, []).insert(0, self._start)
        web.teardown_request(self._end)

    def close(self) -> None:
        for name, listener in self._listeners.items():
            event.remove(self.engine, name, listener)

    def _statement(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._count += 1
        if statement.startswith("SELECT"):
            return
        if ALONE not in g:
            self.is_writing = True
        elif request.method == "POST" and request.blueprint == "journeys":
            self.written_alone.add(statement.partition("(")[0].strip())

    def _commit(self, _connection: object) -> None:
        self._count += 1
        self._committed += 1
        self.is_writing = False

    def _rollback(self, _connection: object) -> None:
        self.is_writing = False
        if has_request_context():
            self.rolled_back.append(f"{request.method} {request.url_rule}")

    def _start(self) -> None:
        current_services().live.refresh()  # once a second, whatever is asked: tests/idp/services/test_live_settings.py
        self._count = self._committed = 0

    def _end(self, _error: BaseException | None) -> None:
        kind = f"{request.method} {request.url_rule}"
        self.most[kind] = max(self.most.get(kind, 0), self._count)
        self.commits[kind] = max(self.commits.get(kind, 0), self._committed)
        self._count = self._committed = 0


@pytest.fixture
def counter(web: Flask) -> Iterator[Counter]:
    made = Counter(web)
    yield made
    made.close()


def test_every_request_keeps_to_its_budget(
    web: Flask, counter: Counter, services: Services, portal: Portal, rp: RelyingParty, clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(known_portals, "FRESH_FOR_S", 3600.0)
    person = Person(web)
    person.open("/")
    person.open("/help")
    person.open(f"/{portal.slug}/register/code")
    finish_registration(person, letter(services, portal), EMAIL)
    clock.advance(timedelta(minutes=2))
    person.open(rp.request(prompt="login"))
    sign_in(person, EMAIL)
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    rp.userinfo(tokens["access_token"])
    tokens = rp.refresh(tokens["refresh_token"]).get_json()
    person.open(rp.request())
    person.open("/account")
    for path in ("/jwks", "/.well-known/openid-configuration"):
        web.test_client().get(path, base_url=ISSUER)
    person.open("/account/security")
    lose_the_telephone(web, services, portal)
    person.open(f"/logout?id_token_hint={tokens['id_token']}")
    assert set(counter.most) == set(BUDGET)
    over = {kind: (count, BUDGET[kind]) for kind, count in counter.most.items() if count > BUDGET[kind]}
    assert over == {}
    assert {kind: counter.commits[kind] for kind in COMMITS if counter.commits[kind] > COMMITS[kind]} == {}
    assert counter.written_alone <= {"INSERT INTO submission", "INSERT INTO attempt_counter"}
    assert counter.rolled_back == []  # it would make a connection to PostgreSQL forget what is prepared in it


def lose_the_telephone(web: Flask, services: Services, portal: Portal) -> None:
    """Somebody asks for a letter, enters its code, and looks at the link that cancels it."""
    lost = Person(web)
    lost.open(f"/{portal.slug}/login")
    lost.submit(email=EMAIL, password=PASSWORD)
    lost.open(lost.address.replace("/code", "/help"))
    lost.open(lost.address.replace("/help", "/letter"))
    lost.submit()
    (code,) = printed(services, portal)
    lost.open(lost.address.replace("/letter", "/methods"))
    lost.submit(method="letter")
    lost.submit(letter_code=code)
    link = newest_message("mail").split("?letter=")[1].split()[0]
    lost.open(f"/account/letter/cancel?letter={link}")


@pytest.mark.parametrize("second_item", ["birth_date", "none"])
def test_no_write_is_open_and_no_connection_held_while_a_password_is_hashed(
    web: Flask, counter: Counter, services: Services, portal: Portal, monkeypatch: pytest.MonkeyPatch, second_item: str
) -> None:
    """SQLite has one writer, and PostgreSQL few connections: whoever kept one meanwhile would stop everybody."""
    portal.second_item = second_item
    db.session.commit()
    writes, held = list[bool](), list[int]()
    keyed = Passwords._keyed

    def watched(passwords: Passwords, password: str) -> str:
        writes.append(counter.is_writing)
        held.append(held_connections(web))
        return keyed(passwords, password)

    monkeypatch.setattr(Passwords, "_keyed", watched)
    person = Person(web)
    person.open(f"/{portal.slug}/register/code")
    finish_registration(person, letter(services, portal), EMAIL)
    stranger = Person(web)
    stranger.open(f"/{portal.slug}/login")
    stranger.submit(email=EMAIL, password=PASSWORD)
    stranger.open(f"/{portal.slug}/reset")
    stranger.submit(email=EMAIL)
    stranger.submit(otp=newest_code("mail"))
    stranger.submit(otp=newest_code("sms"))
    stranger.submit(password="neun kamele am waldrand")
    assert writes == [False] * 3
    assert held == [0] * 3
