"""`/metrics`: for whoever has the token, from closed lists of labels, and equal to what was done."""

from __future__ import annotations

import random
import string
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.hash_queue import TooBusy
from idp.settings import Settings, SettingsError
from tests.actions import enter_details, finish_registration, letter, sign_in
from tests.support.figures import TOKEN, asked, counting
from tests.support.person import ISSUER, Person, newest_code
from tests.support.relying_party import RelyingParty, answer_of

EMAIL = "helene@example.ch"


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return environment | counting(tmp_path)


def test_figures_are_what_was_done(web: Flask, portal: Portal, rp: RelyingParty, services: Services) -> None:
    before, person = asked(web), Person(web)
    person.open("/cpx/register/code")
    person.submit(code="XXXX-XXXX-XXXX")
    finish_registration(person, letter(services, portal), EMAIL)
    person = Person(web)
    person.open(rp.request())
    person.submit(email=EMAIL, password="wrong wrong wrong")
    sign_in(person)
    code = answer_of(person.address)["code"]
    assert rp.redeem(code).status_code == 200
    assert rp.redeem(code).status_code == 400
    rp.post("/token", grant_type="refresh_token", refresh_token="cc_rt_x")
    rp.secret = "wrong"
    rp.post("/token", grant_type="urn:made:up")
    seen = asked(web)
    steps = {"journey": "registration"}
    assert seen.of("connect_journeys_total", portal="cpx", outcome="begun", **steps) == 1
    assert seen.of("connect_journeys_total", portal="cpx", outcome="finished", **steps) == 1
    assert seen.of("connect_journeys_total", portal="cpx", outcome="finished", journey="login") == 1
    for outcome, count in {"refused": 1, "proved": 1}.items():
        assert seen.of("connect_steps_total", step="registration_code", outcome=outcome, **steps) == count
    assert seen.of("connect_steps_total", step="email", outcome="entered", **steps) == 1
    assert seen.of("connect_sign_ins_total", portal="cpx", factor="sms", outcome="signed_in") == 2
    assert seen.of("connect_sign_ins_total", portal="cpx", factor="password", outcome="refused") == 1
    answers = {
        (grant, who, outcome): seen.of("connect_token_answers_total", grant=grant, portal=who, outcome=outcome)
        for grant, who, outcome in (
            ("code", "cpx", "issued"), ("code", "cpx", "invalid_grant"), ("refresh", "cpx", "invalid_grant"),
            ("other", "", "unsupported_grant_type"), ("other", "", "invalid_client"),
        )
    }  # fmt: skip
    assert sum(answers.values()) == 4
    assert answers["code", "cpx", "issued"] == answers["code", "cpx", "invalid_grant"] == 1
    token = {"route": "/token", "method": "POST"}
    assert seen.of("connect_requests_total", status="200", **token) == 1
    assert seen.of("connect_request_seconds_count", **token) == 4
    assert seen.of("connect_request_seconds_bucket", le="+Inf", **token) == 4
    assert 0 < seen.of("connect_request_seconds_sum", **token) < 60
    assert seen.of("connect_hash_wait_seconds_count") - before.of("connect_hash_wait_seconds_count") == 3
    assert seen.of("connect_hash_seconds_count") - before.of("connect_hash_seconds_count") == 3
    assert seen.of("connect_hash_seconds_sum") > before.of("connect_hash_seconds_sum")
    assert seen.of("connect_hash_places_held") == 0
    assert seen.of("connect_outbox_messages", channel="sms") == 2
    assert seen.of("connect_outbox_messages", channel="webhook") == 0


@pytest.mark.sqlite_only
def test_what_is_rolled_back_was_not_done(web: Flask, portal: Portal, services: Services) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email=EMAIL)
    person.submit(otp=newest_code("mail"))
    enter_details(person, factor="sms", mobile="079 123 45 67")
    code = newest_code("sms")
    db.session.execute(db.text("DROP TABLE outbox_message"))  # the welcome is the last that is written
    db.session.commit()
    person.submit(otp=code)
    assert person.page.status_code == 500
    seen = asked(web)
    assert seen.of("connect_sign_ins_total", portal="cpx", factor="sms", outcome="signed_in") == 0
    assert seen.of("connect_journeys_total", journey="registration", portal="cpx", outcome="finished") == 0
    assert seen.of("connect_journeys_total", journey="registration", portal="cpx", outcome="begun") == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.long)])
def test_hostile_requests_add_no_series(web: Flask, portal: Portal, count: int) -> None:
    client, chance = web.test_client(), random.Random(7)
    client.get("/nowhere/at/all", base_url=ISSUER)
    client.open("/nowhere/at/all", method="BREW", base_url=ISSUER)
    client.get("/nowhere/login?f=x", base_url=ISSUER)
    asked(web)
    before = asked(web).series()
    for number in range(count):
        word = "".join(chance.choices(string.ascii_letters + string.digits, k=9))
        path = f"/{word}/{number}?code={word}" if number % 4 else f"/{word}/login?f=x"
        method = f"X{word.upper()}" if number % 2 and number % 4 else "GET"
        client.open(path, method=method, base_url=ISSUER, headers={"X-Request-Id": word, "Traceparent": word})
    assert asked(web).series() - before == set()


@pytest.mark.sqlite_only
def test_nobody_reads_them_without_the_token(web: Flask) -> None:
    client = web.test_client()
    for given in (
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "é"},
    ):
        answer = client.get("/metrics", headers=given, base_url=ISSUER)
        assert (answer.status_code, answer.get_data()) == (401, b"")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get(f"/metrics?token={TOKEN}", base_url=ISSUER).status_code == 401
    assert asked(web).of("connect_database_up") == 1


@pytest.mark.sqlite_only
def test_whoever_watches_asks_a_process_by_its_address(web: Flask) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for host in ("http://10.1.2.3:8000", "http://connect-web-7.cluster.local"):
        for path in ("/livez", "/readyz", "/metrics"):
            assert web.test_client().get(path, base_url=host, headers=headers).status_code == 200
        assert web.test_client().get("/cpx/login", base_url=host).status_code == 421


@pytest.mark.sqlite_only
def test_keys_and_the_chain_of_audit_show_their_age(web: Flask, services: Services) -> None:
    seen = asked(web)
    for alg in ("RS256", "ES256"):
        for state in ("active", "next"):
            age = seen.samples["connect_signing_key_age_seconds", frozenset({("alg", alg), ("state", state)})]
            assert age >= 0
    assert "connect_audit_chain_whole" not in {name for name, _ in seen.series()}


@pytest.mark.sqlite_only
def test_a_queue_that_is_full_and_a_connection_in_use_are_seen(web: Flask, services: Services) -> None:
    with ExitStack() as held:
        held.enter_context(db.engine.connect())
        for _ in range(4):
            held.enter_context(services.passwords.queue.place("192.0.2.1"))
        with pytest.raises(TooBusy):
            held.enter_context(services.passwords.queue.place("192.0.2.1"))
        seen = asked(web)
        assert seen.of("connect_hash_places_held") == 4
        assert seen.of("connect_hash_refusals_total", reason="own_flood") == 1
        assert seen.of("connect_database_connections") >= 1


@pytest.mark.sqlite_only
def test_without_a_database_the_rest_is_still_told(web: Flask) -> None:
    db.session.execute(db.text("DROP TABLE outbox_message"))
    db.session.commit()
    seen = asked(web)
    assert seen.of("connect_database_up") == 0
    assert seen.series("connect_outbox") == set()
    assert asked(web).of("connect_requests_total", route="/metrics", method="GET", status="200") == 1


@pytest.mark.no_database
def test_a_configuration_that_would_leak_or_count_nothing_is_refused(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert Settings.from_environ(environment).metrics_folder == tmp_path / "metrics"
    for changes, name in (
        ({"CONNECT_METRICS_TOKEN": ""}, "METRICS_FOLDER, CONNECT_METRICS_TOKEN"),
        ({"CONNECT_METRICS_FOLDER": ""}, "METRICS_FOLDER, CONNECT_METRICS_TOKEN"),
        ({"CONNECT_METRICS_TOKEN": "short"}, "METRICS_TOKEN: needs at least 32"),
        ({"CONNECT_METRICS_TOKEN": "change-me-" * 4}, "METRICS_TOKEN: needs at least 32"),
    ):
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ(environment | changes)
        assert name in str(caught.value)
