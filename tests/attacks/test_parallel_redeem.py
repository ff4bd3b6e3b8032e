"""One code or refresh token, 64 clients at once: one success, whatever the engine (security.md finding 1)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from flask import Flask
from sqlalchemy import func, select

from idp.models.authorization import AccessToken
from idp.models.base import db
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of

PARALLEL = 64


def at_once(rp: RelyingParty, **body: str) -> Counter[int]:
    barrier = Barrier(PARALLEL)

    def one(_: int) -> int:
        barrier.wait()
        return rp.post("/token", **body).status_code

    with ThreadPoolExecutor(PARALLEL) as pool:
        return Counter(pool.map(one, range(PARALLEL)))


def test_of_64_redemptions_of_one_code_one_succeeds(app: Flask, rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    code = answer_of(person.address)["code"]
    db.session.remove()
    outcomes = at_once(
        rp, grant_type="authorization_code", code=code, redirect_uri=rp.redirect_uri, code_verifier="v" * 43
    )
    assert outcomes == {200: 1, 400: PARALLEL - 1}
    assert db.session.scalar(select(func.count()).select_from(AccessToken)) == 1


def test_of_64_uses_of_one_refresh_token_one_succeeds(app: Flask, rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["refresh_token"]
    db.session.remove()
    assert at_once(rp, grant_type="refresh_token", refresh_token=token) == {200: 1, 400: PARALLEL - 1}
