"""Persons who register while servers come and go: each waits, takes the way on that the page offers, and gets there.

What was acknowledged to whom is kept, so that it can be compared with what the database holds afterwards.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import select

from idp.models.account import Account, Password, Phone
from idp.models.base import db
from idp.models.person import InsuredPerson
from tests.actions import PASSWORD
from tests.support.person import Person, newest_message
from tests.support.relying_party import RelyingParty, answer_of

PATIENCE_S = 0.2
MOST_TRIES = 600
MOST_STEPS = 40
RESENT_AFTER_S = 31  # no sooner is another code sent
DONE = "/cpx/register/done"


@dataclass
class Journal:
    """`registered`: to whom R7 was shown; `redeemed`: how often each code was answered with tokens; `waited`: seconds
    that answers took; `unavailable`: answers 503; `wrong`: what no outage explains.
    """

    registered: list[str] = field(default_factory=list)
    redeemed: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    unavailable: int = 0
    wrong: list[str] = field(default_factory=list)


class Crowd:
    """`clients` threads, each with one person after another."""

    def __init__(self, web: Flask, rp: RelyingParty, codes: list[str], clients: int) -> None:
        self.journal, self._web, self._rp = Journal(), web, rp
        self._codes, self._stop = list(enumerate(codes)), threading.Event()
        self._threads = [threading.Thread(target=self._live) for _ in range(clients)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whoever is on the way arrives."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()

    def _live(self) -> None:
        while self._codes and not self._stop.is_set():
            number, code = self._codes.pop()
            try:
                self._register(number, code)
            except Exception as error:
                self.journal.wrong.append(f"{type(error).__name__}: {error}")

    def _register(self, number: int, code: str) -> None:
        person, email, mobile = Person(self._web), f"p{number}@example.ch", f"+4179{number:07}"
        self._try(lambda: person.open("/cpx/register/code"), person)
        details = {"birth_date": "27.3.1958", "password": PASSWORD, "terms": "yes", "factor": "sms", "mobile": mobile}
        answers: dict[str, Callable[[], dict[str, str]]] = {
            "/cpx/register/code": lambda: {"code": code},
            "/cpx/register/email": lambda: {"email": email},
            "/cpx/register/email-code": lambda: {"otp": self._code("mail", email)},
            "/cpx/register/details": lambda: details,
            "/cpx/register/sms": lambda: {"otp": self._code("sms", mobile)},
        }
        for _ in range(MOST_STEPS):
            path = urlsplit(person.address).path
            if path == DONE:
                self.journal.registered.append(email)
                self._redeem(person)
                return
            if "otp" in person.errors():  # it was used up, and the server was lost before that led anywhere
                time.sleep(RESENT_AFTER_S)
                self._try(lambda: person.press("resend"), person)
            answer = answers[path]()
            self._try(lambda answer=answer: person.submit(**answer), person)  # type: ignore[misc]
        raise AssertionError(f"{email} never got further than {path}: {person.title} {person.errors()}")

    def _redeem(self, person: Person) -> None:
        """A code for the portal, which redeems it again and again."""
        for _ in range(MOST_TRIES):
            person.open(self._rp.request())
            if "code" in (answer := answer_of(person.address)):
                break
            assert person.page.status_code == 503
            time.sleep(PATIENCE_S)
        statuses = [self._rp.redeem(answer["code"]).status_code]
        while statuses[-1] == 503 or len(statuses) < 2:
            time.sleep(PATIENCE_S if statuses[-1] == 503 else 0)
            statuses.append(self._rp.redeem(answer["code"]).status_code)
        self.journal.redeemed.append(statuses.count(200))
        if not set(statuses) <= {200, 400, 503}:
            self.journal.wrong.append(f"/token {statuses}")

    def _try(self, act: Callable[[], None], person: Person) -> None:
        """Once, and where it is answered 503 the page's own way: the step again."""
        began = time.monotonic()
        act()
        self.journal.waited.append(time.monotonic() - began)
        for _ in range(MOST_TRIES):
            if person.page.status_code not in {429, 503}:  # 429: too many hash a password at once
                break
            self.journal.unavailable += 1
            if not person.page.headers.get("Retry-After"):
                self.journal.wrong.append("503 without Retry-After")
            time.sleep(PATIENCE_S)
            person.open(person.address)
        if person.page.status_code != 200:
            self.journal.wrong.append(f"{person.address.split('?')[0]}: {person.page.status_code}")

    def _code(self, channel: str, to: str) -> str:
        """As it arrives, when the database lets it."""
        for _ in range(MOST_TRIES):
            try:
                with self._web.app_context():  # whose end may meet the outage, too
                    found = re.search(r"\b\d{6}\b", newest_message(channel, to))
                    assert found
                    return found[0]
            except Exception:  # as long as it is away
                time.sleep(PATIENCE_S)
        raise AssertionError(f"no {channel}")


def check(journal: Journal) -> None:
    """K1 nothing acknowledged is lost; K2 no code served twice; K3 there is no half account."""
    assert journal.wrong == []
    assert journal.registered
    db.session.rollback()
    accounts = {account.email: account.id for account in db.session.scalars(select(Account))}
    assert set(journal.registered) <= set(accounts)
    assert len(set(journal.registered)) == len(journal.registered)
    owners = [person.account_id for person in db.session.scalars(select(InsuredPerson)) if person.account_id]
    for of_account in (list(db.session.scalars(select(model.account_id))) for model in (Password, Phone)):
        assert sorted(of_account) == sorted(accounts.values())
    assert sorted(owners) == sorted(accounts.values())
    assert max(journal.redeemed) == 1
