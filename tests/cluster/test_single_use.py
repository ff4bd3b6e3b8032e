"""What serves once serves once, whichever of the two instances is asked, however many ask at that moment (F-05)."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count

import pytest
from sqlalchemy import func, select

from idp.models.account import Account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from tests.attacks.test_parallel_registration import OTP, at_the_last_step
from tests.cluster.site import Site, at_once, introspected
from tests.support.portal_client import issue_code

ROUNDS = pytest.mark.parametrize("rounds", [1, pytest.param(60, marks=pytest.mark.long)])
PARALLEL = 16
_numbers = count(1)


def new_code(site: Site) -> str:
    portal = db.session.get_one(Portal, site.portal.id)
    return issue_code(site.services, portal, email=f"single{next(_numbers)}@example.ch")


@ROUNDS
def test_an_authorization_code_serves_one_of_many_who_ask_both_instances(site: Site, rounds: int) -> None:
    for _ in range(rounds):
        code = new_code(site)
        answers = at_once([partial(site.redeem, code, at) for at in site.alternately(PARALLEL)])
        assert Counter(one.status_code for one in answers) == {200: 1, 400: PARALLEL - 1}
        given = next(one.json() for one in answers if one.status_code == 200)
        for at in site.instances:  # the others were replays, which end what was given
            assert not introspected(site, given["access_token"], at)
            assert site.refresh(given["refresh_token"], at).status_code == 400


@ROUNDS
def test_a_refresh_token_serves_one_of_many_who_ask_both_instances(site: Site, rounds: int) -> None:
    for _ in range(rounds):
        given = site.redeem(new_code(site)).json()["refresh_token"]
        answers = at_once([partial(site.refresh, given, at) for at in site.alternately(PARALLEL)])
        assert Counter(one.status_code for one in answers) == {200: 1, 400: PARALLEL - 1}


@ROUNDS
def test_a_letter_gives_one_account_to_many_browsers_at_both_instances(site: Site, rounds: int) -> None:
    portal = db.session.get_one(Portal, site.portal.id)
    for _ in range(rounds):
        number = next(_numbers)
        emails = [f"letter{number}-{browser}@example.ch" for browser in range(PARALLEL // 2)]
        mobiles = [f"+4179{2_000_000 + number * PARALLEL + browser}" for browser in range(PARALLEL // 2)]
        stands = at_the_last_step(site.services, portal, f"L-{number}", emails, mobiles)
        turns = zip(stands * 2, site.alternately(len(stands)) + site.alternately(len(stands))[::-1], strict=True)
        answers = at_once([partial(site.send, one, at, "192.0.2.1", otp=OTP) for one, at in turns])
        assert {one.status_code for one in answers} <= {200, 303, 410}
        db.session.rollback()
        mine = select(func.count()).select_from(Account).where(Account.email.in_(emails))
        assert db.session.scalar(mine) == 1
        holder = select(Account.email).join(InsuredPerson, InsuredPerson.account_id == Account.id)
        assert db.session.scalar(holder.where(InsuredPerson.external_id == f"L-{number}")) in emails
