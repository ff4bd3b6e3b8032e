"""F-17, T-08: two persons, two browsers, two tabs each, every action in any order; a model says who may be signed in.

No session exists that the model has not seen both factors for, and every page shown belongs to the walk it is shown in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.flow import AttemptCounter
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.builders import add_portal
from tests.support.person import Person, newest_code
from tests.support.walks import add_account, app_code

PEOPLE = ("a@example.ch", "b@example.ch")
people = st.sampled_from(PEOPLE)
tabs = st.tuples(st.integers(0, 1), st.integers(0, 1))  # browser, tab


@dataclass
class Tab:
    """One tab and the walk that it shows."""

    person: Person
    handle: str = ""


@dataclass
class Setting:
    web: Flask
    services: Services
    clock: FrozenClock
    portal: Portal


class Mixing(RuleBasedStateMachine):
    """The walks of a browser are shared by its tabs when they have the same handle."""

    setting: ClassVar[Setting]

    @initialize()
    def clean(self) -> None:
        db.session.rollback()
        for table in (Session, AttemptCounter):
            db.session.execute(delete(table))
        db.session.commit()
        self.setting.clock.advance(timedelta(days=2))
        self.tabs: dict[tuple[int, int], Tab] = {}
        self.password_of: dict[str, str] = {}  # handle → whose password was right there last
        self.may_be_in: set[tuple[int, str]] = set()  # browser, account
        for browser in (0, 1):
            first = Person(self.setting.web)
            second = Person(self.setting.web)
            second.client = first.client
            self.tabs[browser, 0], self.tabs[browser, 1] = Tab(first), Tab(second)

    def _reached(self, at: tuple[int, int]) -> None:
        address = self.tabs[at].person.address
        if "f=" in address:
            self.tabs[at].handle = address.split("f=")[1].split("#")[0].split("&")[0]

    def _handle(self, at: tuple[int, int]) -> str:
        return self.tabs[at].handle

    @rule(at=tabs)
    def begin(self, at: tuple[int, int]) -> None:
        self.tabs[at].person.open("/cpx/login")
        self._reached(at)

    @rule(at=tabs, other=tabs)
    def open_address_of_another_tab(self, at: tuple[int, int], other: tuple[int, int]) -> None:
        if self._handle(other):
            self.tabs[at].person.open(f"/cpx/login/code?f={self._handle(other)}")
            self._reached(at)

    @rule(at=tabs, who=people, anew=st.booleans())
    def enter_right_password(self, at: tuple[int, int], who: str, anew: bool) -> None:
        self._enter_password(at, who, right=True, anew=anew)

    @rule(at=tabs, who=people, anew=st.booleans())
    def enter_wrong_password(self, at: tuple[int, int], who: str, anew: bool) -> None:
        self._enter_password(at, who, right=False, anew=anew)

    def _enter_password(self, at: tuple[int, int], who: str, *, right: bool, anew: bool) -> None:
        person = self.tabs[at].person
        self.setting.clock.advance(timedelta(minutes=13))  # past every pause, so that each guess is judged
        person.open("/cpx/login" if anew or not self._handle(at) else f"/cpx/login?f={self._handle(at)}")
        self._reached(at)
        if 'name="password"' not in person.text:
            return
        handle = self._handle(at)
        person.submit(email=who, password=PASSWORD if right else "wrong wrong")
        if right and "/login/code" in person.address:
            self.password_of[handle] = who

    @rule(at=st.integers(0, 3))
    def enter_own_code(self, at: int) -> None:
        self._enter_code(at, "own")

    @rule(at=st.integers(0, 3))
    def enter_code_of_the_other(self, at: int) -> None:
        self._enter_code(at, "other")

    @rule(at=st.integers(0, 3))
    def enter_wrong_code(self, at: int) -> None:
        self._enter_code(at, "wrong")

    def _enter_code(self, at: int, kind: str) -> None:
        """Where a code is asked for: of whoever this walk is for, of the other person, or a wrong one."""
        asked = [key for key, tab in self.tabs.items() if tab.handle and self._is_asked(tab)]
        if not asked:
            return
        key = asked[at % len(asked)]
        tab = self.tabs[key]
        owner = self.password_of.get(tab.handle)
        assert owner is not None, "a code is asked for though no password was right in this walk"
        other = PEOPLE[1 - PEOPLE.index(owner)]
        code = {"own": self._code(owner), "other": self._code(other), "wrong": "000000"}[kind]
        if kind == "own":
            self.may_be_in.add((key[0], owner))
        tab.person.submit(otp=code)
        self._reached(key)

    def _is_asked(self, tab: Tab) -> bool:
        tab.person.open(f"/cpx/login/code?f={tab.handle}")
        return 'name="otp"' in tab.person.text

    def _code(self, who: str) -> str:
        """A has the app, B a telephone."""
        if who == PEOPLE[0]:
            return app_code(self.setting.clock)
        try:
            return newest_code("sms")
        except AssertionError:
            return "111111"

    @rule(at=tabs, path=st.sampled_from(["login", "login/code", "login/methods", "register/sms", "link/details"]))
    def wander(self, at: tuple[int, int], path: str) -> None:
        self.tabs[at].person.open(f"/cpx/{path}?f={self._handle(at)}")

    @rule(at=tabs, fields=st.dictionaries(st.sampled_from(["otp", "email", "password", "method"]), st.just("")))
    def send_an_old_form(self, at: tuple[int, int], fields: dict[str, str]) -> None:
        person = self.tabs[at].person
        if self._handle(at) and 'name="nonce"' in person.text and "/logout" not in person.address:
            person.submit(**fields)

    @rule(at=tabs)
    def sign_out(self, at: tuple[int, int]) -> None:
        person = self.tabs[at].person
        person.open("/logout")
        if "extent" in person.text:
            person.submit(extent="all")
        self.may_be_in = {pair for pair in self.may_be_in if pair[0] != at[0]}

    @rule(span=st.sampled_from([1, 31, 90]))
    def wait(self, span: int) -> None:
        self.setting.clock.advance(timedelta(minutes=span))

    @invariant()
    def nobody_is_in_without_both_factors(self) -> None:
        for browser in (0, 1):
            if (browser, 0) not in getattr(self, "tabs", {}):
                continue
            cookie = self.tabs[browser, 0].person.client.get_cookie("connect_session")
            db.session.rollback()
            session = self._session(cookie.value) if cookie else None
            if session is not None:
                account = db.session.get_one(Account, session.account_id)
                assert (browser, account.email) in self.may_be_in, "a session without the model's factors"

    def _session(self, secret: str) -> Session | None:
        found = self.setting.services.sessions.load(secret)
        db.session.rollback()
        return found


@pytest.fixture
def mixing(web: Flask, services: Services, clock: FrozenClock) -> Iterator[type[Mixing]]:
    portal = add_portal()
    add_account(services, portal, PEOPLE[0], "app")
    add_account(services, portal, PEOPLE[1], "sms", "+41791234567")
    Mixing.setting = Setting(web, services, clock, portal)
    yield Mixing
    del Mixing.setting


def run(machine: type[Mixing], runs: int, steps: int, *phases: Phase) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=checks,
            phases=phases or tuple(Phase),
        ),
    )


def test_no_mixture_of_walks_signs_anybody_in_without_both_factors(mixing: type[Mixing]) -> None:
    run(mixing, 12, 25, Phase.generate)  # a failure is shown as it was found; the full run shortens it


@pytest.mark.long
def test_five_thousand_mixtures_do_not_either(mixing: type[Mixing]) -> None:
    run(mixing, 5_000, 40)
