"""Two accounts and a letter, two browsers of two tabs: every form, link and old page in any order, and a model of it.

The model knows secrets, not steps: it notes which were typed in which walk of which browser, judged without the code
that is tested. A run is a number: `Mixture(…, number).run()` walks the same again, on another day.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import pyotp
from flask import Flask
from sqlalchemy import delete, select

from flows import run as runs
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import Base, db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.models.signing_key import SigningKey
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.browsing import FoundForm, main_part, parsed
from tests.support.builders import add_person
from tests.support.known_secrets import KnownSecrets, Typed
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of
from tests.support.walks import BORN, SEED

STEPS = 40
CODE_PROVES = {"factor_proved", "email_proved"}
RESET_CODE_PROVES = {"proved_at"}  # in a walk of the account it may come of a confirmation minutes ago
PRINTED = re.compile(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}\b")
STARTS = (
    "/cpx/login", "/cpx/login", "/cpx/login", "/cpx/reset", "/cpx/register/code", "/cpx/link/code", "/account",
    "/account/security", "/account/security/sessions", "/cpx/account/password", "/cpx/account/mobile",
    "/cpx/account/codes", "/cpx/account/email", "/logout", "/",
)  # fmt: skip
FAMILY = {"a": "Alphason", "b": "Betamann", "c": "Gammarini"}
EMAIL = {"a": "a@example.ch", "b": "b@example.ch", "c": "c@example.ch"}
MOBILE = {"a": "+41791110001", "b": "+41791110002", "c": "+41791110003"}
PASSWORDS = {who: (f"{PASSWORD} {who}{who}", f"neun kamele im moor {who}{who}") for who in FAMILY}
WAITS = (1, 31, 61, 660, 1_900, 16 * 60, 50_000)


@dataclass
class Tab:
    person: Person
    browser: int
    who: str  # whose secrets are typed here, mostly


class Mixture:
    def __init__(self, web: Flask, services: Services, clock: FrozenClock, portal: Portal, number: int) -> None:
        self.web, self.services, self.clock, self.portal = web, services, clock, portal
        self.number, self.chance = number, random.Random(number)
        self.rp = RelyingParty(web, portal.client_id, portal.redirect_uris[0], PORTAL_SECRET)
        self.typed: dict[str, Typed] = defaultdict(Typed)
        self.allowed: dict[int, set[UUID]] = {0: set(), 1: set()}  # who was rightly signed in in a browser
        self.named: dict[int, set[str]] = {0: set(), 1: set()}  # whose letter was typed in a browser
        self.held: dict[int, str] = {}  # browser → the secret of the session it last had
        self.spent: set[str] = set()
        self.old: list[tuple[int, str, FoundForm]] = []
        self.known = KnownSecrets(services)
        self.log: list[str] = []
        self._begin()

    def _begin(self) -> None:
        clear()
        self.clock.at = (self.clock.at + timedelta(days=3)).replace(hour=13, minute=30, second=0)
        for who in ("a", "b"):
            account = self.services.accounts.create(
                email=EMAIL[who], given_name=who.upper(), family_name=FAMILY[who], language="fr",
                password_hash=self.services.passwords.hash(PASSWORDS[who][0]),
            )  # fmt: skip
            self.services.accounts.add_phone(account.id, MOBILE[who])
            if who == "a":
                self.services.totp.enrol(account.id, SEED, 0)
            add_person(self.portal, f"of-{who}", family_name=FAMILY[who]).link(account.id, self.clock.now())
            self.known.papers[FAMILY[who]] = self._print_codes(account)
        person = add_person(self.portal, "of-c", family_name=FAMILY["c"])
        self.letter = self.services.registration_codes.issue(person, self.portal)
        db.session.commit()
        self.tabs = []
        for browser in (0, 1):
            first = Person(self.web)
            for _ in range(2):
                tab = Person(self.web)
                tab.client = first.client
                tab.open("/")
                self.tabs.append(Tab(tab, browser, self.chance.choice("abc")))

    def _print_codes(self, account: Account) -> list[str]:
        self.services.sessions.open(account, browser_hash="", acr="mfa", amr=["pwd"])
        session = db.session.scalars(select(Session).where(Session.account_id == account.id)).one()
        self.services.recovery_codes.renew(session)
        db.session.flush()
        codes = list(self.services.recovery_codes.shown(session))
        self.services.sign_out.session(session)
        return codes

    def run(self, steps: int = STEPS) -> None:
        try:
            for _ in range(steps):
                self.step()
        except AssertionError as error:
            walked = "\n".join(self.log[-15:])
            raise AssertionError(f"run {self.number}: {error}\n{walked}") from error

    def step(self) -> None:
        tab, draw = self.chance.choice(self.tabs), self.chance.random()
        if draw < 0.10:
            self.start(tab)
        elif draw < 0.72:
            self.submit(tab, tab.person.address, self._form_of(tab))
        elif draw < 0.80 and self.old:
            browser, address, form = self.chance.choice(self.old)
            if browser == tab.browser or self.chance.random() < 0.3:
                self.submit(tab, address, form)
        elif draw < 0.86 and (links := parsed(tab.person.text).links):
            self.open(tab, self.chance.choice(links))
        elif draw < 0.90 and self.old:
            self.open(tab, self.chance.choice(self.old)[1])
        elif draw < 0.94:
            self.clock.advance(timedelta(seconds=self.chance.choice(WAITS)))
            self.log.append("wait")
        elif draw < 0.97:
            tab.who = self.chance.choice("abc")
        else:
            self.enter_portal(tab)

    def start(self, tab: Tab) -> None:
        """Where one begins; who holds a letter begins with it, mostly."""
        has_letter = tab.who == "c" and self.chance.random() < 0.6
        self.open(tab, "/cpx/register/code" if has_letter else self.chance.choice(STARTS))

    def open(self, tab: Tab, address: str) -> None:
        self.log.append(f"{tab.browser} {tab.who} GET {address}")
        tab.person.open(address)
        self.look(tab, None)

    def _form_of(self, tab: Tab) -> FoundForm | None:
        forms = parsed(tab.person.text).forms
        if not forms:
            return None
        return forms[0] if self.chance.random() < 0.85 else self.chance.choice(forms)

    def submit(self, tab: Tab, address: str, form: FoundForm | None) -> None:
        if form is None:
            self.start(tab)
            return
        target = urljoin(address, form.action)
        fields = {name: self.fill(tab, name, value, target) for name, value in form.fields.items()}
        fields |= {name: self.choose(tab, name, values) for name, values in form.choices.items()}
        if self.chance.random() < 0.8 and "nonce" in fields:
            fields["nonce"] = f"{self.chance.random()}"  # an old page, but not the very same click
        shown = {name: value for name, value in fields.items() if name not in {"csrf_token", "nonce", "passkey"}}
        self.log.append(f"{tab.browser} {tab.who} POST {target} {shown}")
        walk = handle_of(target)
        before, session = self.proved(walk), self.session(tab.browser)
        self.note(tab, walk, fields)
        response, target = tab.person.post((target, fields))
        tab.person._arrive(response, target)
        self.old.append((tab.browser, address, form))
        opened = self.session(tab.browser)
        news = set(self.proved(walk)) - set(before)
        proves = CODE_PROVES | (RESET_CODE_PROVES if "/reset/" in target else set())
        if news & proves or (opened and (session is None or session[0] != opened[0])):
            self.judge_code(fields)
        self.look(tab, walk)

    def fill(self, tab: Tab, name: str, value: str, target: str) -> str:
        who = tab.who if self.chance.random() < 0.85 else self.chance.choice("abc")
        is_right = self.chance.random() < 0.88
        match name:
            case "csrf_token" | "nonce" | "passkey":
                return value
            case "email" if "/account/email" in target:
                return f"{who}-neu@example.ch"
            case "email":
                return self.chance.choice((EMAIL[who], f"{who}-neu@example.ch")) if not is_right else EMAIL[who]
            case "password":
                return self.chance.choices((*PASSWORDS[who], "falsch falsch falsch"), (6, 3, 1))[0]
            case "otp":
                return self.one_of_the_codes(who) if is_right else "000000"
            case "recovery_code":
                return self.chance.choice(self.known.papers[FAMILY[who]] or ["0000-0000-0000-0000"])
            case "code":
                return self.letter if who == "c" or not is_right else "0000-0000-0000"
            case "birth_date":
                return BORN
            case "mobile":
                return MOBILE[who]
            case _:
                return value

    def choose(self, tab: Tab, name: str, values: list[str]) -> str:
        return self.chance.choice(values)

    def one_of_the_codes(self, who: str) -> str:
        """Mostly the newest that this person got; sometimes the app's; sometimes an old one."""
        own = {EMAIL[who], f"{who}-neu@example.ch", MOBILE[who]}
        found = [code for code, to, _ in self.known.messages() if to in own]
        shown = [pyotp.TOTP(seed).at(self.clock.now()) for seed in self.seeds(who)]
        if shown and (not found or self.chance.random() < 0.4):
            return self.chance.choice(shown)
        return (found[0] if self.chance.random() < 0.85 else self.chance.choice(found)) if found else "111111"

    def seeds(self, who: str) -> list[str]:
        """The seeds in this person's app: enrolled, or on a page of a tab that is theirs."""
        found = [SEED] if who == "a" else []
        for tab in self.tabs:
            if tab.who == who and 'data-copy="' in tab.person.text:
                found += re.findall(r'data-copy="([A-Z2-7]{32})"', tab.person.text)
        account = self.services.accounts.find(EMAIL[who])
        if account is not None and (seed := self.known.seed_of(account.id)):
            found.append(seed)
        return found

    def note(self, tab: Tab, walk: str, fields: dict[str, str]) -> None:
        if fields.get("code") == self.letter:
            self.named[tab.browser].add("c")
        seeds = {seed for who in FAMILY for seed in self.seeds(who)} if fields.get("otp") else set()
        self.known.note(self.typed[f"{tab.browser} {walk}"], fields, seeds)

    def proved(self, walk: str) -> dict[str, object]:
        found = runs.find(walk) if walk else None
        state = dict(found.state) if found else {}
        db.session.rollback()
        return {name: value for name, value in state.items() if value is not None}

    def judge_code(self, fields: dict[str, str]) -> None:
        """A code that proved something once proves nothing again."""
        code = fields.get("otp") or fields.get("recovery_code") or ""
        is_sent = any(code == sent for sent, _, _ in self.known.messages())
        step = int(self.clock.now().timestamp()) // 30
        is_of_an_app = bool(fields.get("otp")) and not is_sent
        names = {f"{code} {near}" for near in (step - 1, step, step + 1)} if is_of_an_app else {code}
        assert not code or not names & self.spent, f"the code {code} counted twice"
        self.spent |= names

    def look(self, tab: Tab, walk: str | None) -> None:
        """Every page, whatever led to it."""
        page, person = tab.person.page, tab.person
        if urlsplit(person.address).netloc not in {"", urlsplit(ISSUER).netloc}:
            self.judge_session(tab, walk)
            return
        assert page.status_code < 500, f"{page.status_code} at {person.address}"
        if page.mimetype == "text/html":
            assert re.search(r"<form|<a ", main_part(person.text)), f"a dead end at {person.address}"
            assert person.title, f"a page without a title at {person.address}"
        if person.address == "/account/security/codes" and (made := PRINTED.findall(person.text)):
            owner = self.signed_in(tab.browser)
            assert owner, "recovery codes for nobody"
            self.known.papers[owner.family_name] += made
        self.judge_session(tab, walk)
        seen = {who for who, family in FAMILY.items() if family in person.text}
        known = {account.family_name for account in self.accounts(self.allowed[tab.browser])}
        for who in seen:
            assert FAMILY[who] in known or who in self.named[tab.browser], f"{FAMILY[who]} is named to a stranger"

    def accounts(self, ids: set[UUID]) -> list[Account]:
        found = list(db.session.scalars(select(Account).where(Account.id.in_(ids))))
        db.session.rollback()
        return found

    def session(self, browser: int) -> tuple[str, Session] | None:
        cookie = self.tabs[browser * 2].person.client.get_cookie("connect_session")
        found = self.services.sessions.load(cookie.value) if cookie else None
        db.session.rollback()
        return (cookie.value, found) if cookie and found else None

    def signed_in(self, browser: int) -> Account | None:
        found = self.session(browser)
        return db.session.get_one(Account, found[1].account_id) if found else None

    def judge_session(self, tab: Tab, walk: str | None) -> None:
        found = self.session(tab.browser)
        if found is None:
            return
        secret, session = found
        if self.held.get(tab.browser) == secret:
            assert session.account_id in self.allowed[tab.browser], "a session became somebody else's"
            return
        self.held[tab.browser] = secret
        account = db.session.get_one(Account, session.account_id)
        typed = self.typed[f"{tab.browser} {walk}"] if walk else Typed()
        assert self.known.had_both(account, typed), f"{account.email} is signed in without both factors: {typed}"
        self.allowed[tab.browser].add(account.id)
        db.session.rollback()

    def enter_portal(self, tab: Tab) -> None:
        """The portal asks who is there; its claims are of whoever is signed in in this browser."""
        self.log.append(f"{tab.browser} {tab.who} portal")
        tab.person.open(self.rp.request())
        self.look(tab, None)
        if "code=" not in tab.person.address:
            return
        tokens = self.rp.redeem(answer_of(tab.person.address)["code"]).get_json()
        claims = self.rp.userinfo(tokens["access_token"]).get_json()
        account = self.signed_in(tab.browser)
        assert account is not None
        assert (claims["email"], claims["family_name"]) == (account.email, account.family_name)
        assert account.id in self.allowed[tab.browser]
        db.session.rollback()


def handle_of(address: str) -> str:
    found = re.search(r"[?&]f=([A-Za-z0-9]{22})", address)
    return found[1] if found else ""


def clear() -> None:
    """Nobody was here yet; portals and keys stay."""
    db.session.rollback()
    for table in reversed(Base.metadata.sorted_tables):
        if table.name not in {Portal.__tablename__, SigningKey.__tablename__}:
            db.session.execute(delete(table))
    db.session.commit()
