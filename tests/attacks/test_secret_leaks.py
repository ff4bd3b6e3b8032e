"""Secrets and persons in the logs and in the database of a whole run at DEBUG (security.md F-43)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy import text as sql

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from tests.actions import link
from tests.support.canaries import Canaries
from tests.support.canary_portals import PortalSide, add_portal_side
from tests.support.canary_run import Browser, Insured, World, invite, register, sign_in, world

BY_SMS = Insured(
    "Quirinde", "Zyklamer", "quirinde.zyklamer@oberhorn.example.ch", "079 412 63 58", "756.9217.0769.85",
    "Quittengasse 417", "FUND-KEY-A7734", "geheime birnbäume im nebel",
)  # fmt: skip
BY_APP = Insured(
    "Zölestine", "Ümmelaar-Quast", "zoelestine@ummelaar.example.ch", "079 857 31 46", "756.3047.5009.62",
    "Holunderstieg 928", "FUND-KEY-B5521", "vier störche über thun",
)  # fmt: skip
SEEDED_AT_LEAST = 40


def crash(world: World, side: PortalSide, browser: Browser) -> None:
    """The database fails in the middle of a sign-in, a code, an exchange and a delivery."""
    stranger = Browser(world)
    stranger.open(side.address(prompt="login"))
    with world.without_table("account"):
        stranger.submit(email=BY_SMS.email, password=BY_SMS.password)
        assert stranger.page.status_code >= 500
        browser.open(f"/authorize?id_token_hint=x&{side.address().partition('?')[2]}")
    with world.without_table("attempt_counter"):
        stranger.open(side.address(prompt="login"))
        stranger.submit(email=BY_SMS.email, password=BY_SMS.password)
        assert stranger.page.status_code >= 500
    browser.open(side.address())
    code = world.canaries.seed("authorization code", browser.address.split("code=")[1].split("&")[0])
    with world.without_table("access_token"):
        headers, proof = side.credentials()
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": side.portal.redirect_uris[0],
            "code_verifier": "v" * 43,
        }  # fmt: skip
        assert side.post("/token", fields | proof, headers).status_code >= 500
    with world.without_table("outbox_message"):
        world.wait_for(lambda: "worker_database" in world.logs())


def fail_to_deliver(world: World, side: PortalSide) -> None:
    """A mail server that repeats the address it refuses, and a message that cannot be opened."""
    world.mails.answers["RCPT"] = [f"550 5.1.1 <{BY_SMS.email}>: no {BY_SMS.given_name} {BY_SMS.family_name} here"]
    for to in (BY_SMS.email, BY_APP.email):
        values = {"email": to, "url": world.issuer}
        world.services.outbox.mail("welcome", to=to, language="fr", portal=side.portal, values=values)
        db.session.commit()
        world.wait_for(lambda: _count("state NOT IN ('waiting', 'sending')") == _count("1"))
    ident = world.services.outbox.sms(
        "code", to=BY_SMS.e164, language="fr", portal=side.portal, values={"code": "555123"}
    )  # fmt: skip
    db.session.get_one(OutboxMessage, ident).sealed_content = "v1.cannot.be.opened"
    db.session.commit()
    world.wait_for(lambda: "message_fault" in world.logs())


def _count(condition: str) -> int:
    db.session.rollback()
    return int(db.session.execute(sql(f"SELECT count(*) FROM outbox_message WHERE {condition}")).scalar_one())  # noqa: S608


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """What Prometheus was told at the end of the run."""
    return []


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, shown: list[str]) -> Any:
    """Everything that happens in an installation, once; afterwards its processes are ended."""
    with world(tmp_path_factory.mktemp("canary")) as made:
        made.start()
        sides = [
            add_portal_side(made, method)
            for method in ("client_secret_basic", "client_secret_post", "private_key_jwt")
        ]  # fmt: skip
        first = sides[0]
        first.portal.trusted_devices = True
        db.session.commit()
        for insured in (BY_SMS, BY_APP):
            invite(made, first.portal, insured)
        browsers = [register(made, first.portal, BY_SMS, "sms"), register(made, first.portal, BY_APP, "app")]
        for side in sides[1:]:
            link(made.services, side.portal, BY_SMS.email)
        tokens = [side.exchange(browsers[0]) for side in sides]
        assert tokens
        first.exchange(browsers[1])
        browsers[0].open(first.address(prompt="login"))
        sign_in(made, browsers[0], BY_SMS)
        last = first.exchange(browsers[0])
        browsers[0].open(f"/logout?id_token_hint={last['id_token']}&post_logout_redirect_uri=https://x.example/")
        browsers[0].open(f"/{first.portal.slug}/login")
        browsers[0].submit(email=BY_SMS.email, password=BY_SMS.password)  # without a code: the device is trusted
        assert "cookie __Host-connect_trusted" in {name.split(" #")[0] for name in made.canaries.values}
        browsers[1].open(first.address(prompt="login"))
        sign_in(made, browsers[1], BY_APP)
        crash(made, first, browsers[1])
        fail_to_deliver(made, first)
        shown.append(made.figures())
        made.stop()
        yield made


def test_the_run_was_worth_searching(walked: World) -> None:
    logs = walked.logs()
    assert len(walked.canaries.values) >= SEEDED_AT_LEAST
    for line in ('"request"', '"error_page"', '"fault"', '"token_refused"', '"message_settled"', '"message_fault"'):
        assert line in logs, line
    assert "GET /authorize" in logs  # the server's own access log
    assert walked.environ["CONNECT_LOG_LEVEL"] == "debug"


def test_no_secret_and_no_person_stands_in_a_log(walked: World) -> None:
    assert walked.canaries.find_in_lines(walked.logs()) == []


def test_no_secret_and_no_person_is_in_a_figure(walked: World, shown: list[str]) -> None:
    (figures,) = shown
    assert 'connect_sign_ins_total{factor="sms"' in figures
    assert walked.canaries.find(figures) == []


def test_no_secret_and_no_person_is_in_a_span(walked: World) -> None:
    spans = walked.spans()
    for traced in ("POST /token", "GET /authorize", "SELECT", "server.address", "/<slug>/register/details"):
        assert traced in spans
    assert [name for name in walked.canaries.values if walked.canaries.find(spans, only=[name])] == []


def test_no_secret_stands_in_the_database_in_clear(walked: World) -> None:
    secret = [name for name in walked.canaries.values if not name.startswith("person")]
    files = walked.database_files()
    assert files
    assert walked.canaries.find_in_database(db.engine, files, only=secret) == []
    stored = walked.canaries.find_in_database(db.engine, files, only=["person: family name"])
    assert stored  # what may be stored is found, so the search works


def test_the_search_of_a_database_finds_a_code_but_in_no_microseconds() -> None:
    canaries = Canaries()
    canaries.seed("code", "481516")
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(sql("CREATE TABLE message (moment TEXT, content TEXT)"))
        connection.execute(sql("INSERT INTO message VALUES ('2026-11-27 06:58:01.481516', 'your code')"))
    assert canaries.find_in_database(engine, [], only=["code"]) == []
    with engine.begin() as connection:
        connection.execute(sql("UPDATE message SET content = 'sent 2026-11-27 06:58:01.481516, 481516'"))
    assert canaries.find_in_database(engine, [], only=["code"]) == ["code in table message"]
    engine.dispose()


MUTANTS = ["by_field", "by_sentence", "by_print", "by_exception"]


@pytest.mark.in_turns("mutant")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_search_finds_a_leak(tmp_path: Path, mutant: str) -> None:
    with world(tmp_path) as made:
        made.environ["LEAK"] = mutant
        made.start("tests.support.leaky:app")
        side = add_portal_side(made, "client_secret_basic")
        invite(made, side.portal, BY_SMS)
        browser = Browser(made)
        browser.open(f"/{side.portal.slug}/login")
        browser.submit(email=BY_SMS.email, password=BY_SMS.password)
        made.stop()
        assert made.canaries.find_in_lines(made.logs()), mutant
