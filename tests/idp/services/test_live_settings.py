"""Settings that operators choose: judged like the environment, in every process within a second, never lost."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select, text

from idp.choices import Choices
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.chosen_setting import ChosenSetting
from idp.models.portal import Portal
from idp.services import live_settings
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.delivery import Worker
from idp.services.housekeeping import Housekeeper
from idp.services.live_settings import FRESH_FOR, LiveSettings, settled
from idp.services.setting_changes import ChangedMeanwhile, SettingChanges, WrongChoices
from idp.services.sms import in_order
from idp.services.throttle import Volume
from idp.settings import Settings, SettingsError
from tests.support.authority import Authority
from tests.support.instances import Instances
from tests.support.office import Office
from tests.support.web_server import Asked, Said, WebServer

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SECRET = "kR8nVw3XqZ6tYb9LmD2sHf5Gp7Jc4Qx1"


@pytest.fixture
def other(environment: dict[str, str], clock: FrozenClock, app: Flask, services: Services) -> LiveSettings:
    """The settings of another process."""
    found = build_services(Settings.from_environ(environment), clock=clock).live
    found.refresh()
    return found


def choose(services: Services, **wanted: str | None) -> tuple[str, ...]:
    changes = services.setting_changes
    return tuple(one.name for one in changes.apply(wanted, changes.version()))


def test_a_choice_counts_here_at_once_and_in_every_process_within_a_second(
    app: Flask, services: Services, other: LiveSettings, clock: FrozenClock
) -> None:
    held = other.settings
    assert choose(services, sms_code_for="300", sms_countries="ch, li") == ("sms_code_for", "sms_countries")
    assert services.settings.sms_code_for == timedelta(minutes=5)
    other.refresh()
    assert held.sms_code_for == timedelta(minutes=10), "looked at less than a second ago"
    clock.advance(FRESH_FOR)
    other.refresh()
    assert (held.sms_code_for, held.sms_countries) == (timedelta(minutes=5), ("CH", "LI"))
    assert held == other.settings == services.settings
    assert choose(services, sms_code_for=None) == ("sms_code_for",)
    assert services.settings.sms_code_for == timedelta(minutes=10)
    assert services.settings.sms_countries == ("CH", "LI")


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield asked
    event.remove(db.engine, "before_cursor_execute", note)


def test_a_process_asks_once_a_second_and_reads_only_what_changed(
    app: Flask, services: Services, other: LiveSettings, clock: FrozenClock, statements: list[str]
) -> None:
    for _ in range(50):
        other.refresh()
    assert statements == []
    clock.advance(FRESH_FOR)
    for _ in range(50):
        other.refresh()
    assert len(statements) == 1
    choose(services, sms_per_day="7")
    clock.advance(FRESH_FOR)
    statements.clear()
    other.refresh()
    assert len(statements) == 2
    assert other.settings.sms_per_day == 7


def test_what_was_known_last_goes_on_while_the_database_is_away(
    app: Flask, services: Services, clock: FrozenClock, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(services, sms_per_day="7")
    db.session.execute(text("ALTER TABLE shared_version RENAME TO elsewhere"))
    db.session.commit()
    try:
        for _ in range(5):
            clock.advance(FRESH_FOR)
            services.live.refresh()
            assert services.settings.sms_per_day == 7
        assert capsys.readouterr().out.count("settings_unread") == 1, "told once"
    finally:
        db.session.rollback()
        db.session.execute(text("ALTER TABLE elsewhere RENAME TO shared_version"))
        db.session.commit()
    clock.advance(FRESH_FOR)
    services.live.refresh()
    choose(services, sms_per_day="8")
    assert services.settings.sms_per_day == 8


def test_a_database_that_does_not_answer_holds_up_one_thread_and_no_other(
    app: Flask, services: Services, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.live.refresh()
    clock.advance(FRESH_FOR)
    began, answers = threading.Event(), threading.Event()

    def hang(_: object) -> int:
        began.set()
        assert answers.wait(20)
        return 0

    monkeypatch.setattr(live_settings, "version_seen_by", hang)

    def look() -> None:
        with app.app_context():
            services.live.refresh()

    stuck = threading.Thread(target=look)
    stuck.start()
    try:
        assert began.wait(20)
        services.live.refresh()  # comes back
        assert not answers.is_set()
    finally:
        answers.set()
        stuck.join(20)


def test_every_fault_is_told_at_its_setting_and_nothing_is_done(app: Flask, services: Services) -> None:
    wrong = {
        "sms_code_for": "601", "session_idle_for": "3600", "session_absolute_for": "1800", "sms_first": "fallback",
        "sms_countries": "CH,XX", "support_email": "nobody", "sms_per_day": "0", "sign_ins_per_hour": "many",
        "sms_sender": "", "visits_kept_for": "86400", "sms_price": "nan",
    }  # fmt: skip
    with pytest.raises(WrongChoices) as caught:
        choose(services, **wrong)
    found = [(fault.name, fault.kind) for fault in caught.value.faults]
    assert sorted(found) == [
        ("session_idle_for", "above"), ("sign_ins_per_hour", "number"), ("sms_code_for", "most"),
        ("sms_countries", "countries"), ("sms_first", "second"), ("sms_per_day", "least"), ("sms_price", "number"),
        ("sms_sender", "empty"), ("support_email", "email"), ("visits_kept_for", "least"),
    ]  # fmt: skip
    with pytest.raises(WrongChoices):
        choose(services, issuer="https://elsewhere.example.ch")
    assert not db.session.scalars(select(ChosenSetting)).all()
    assert services.setting_changes.version() == 0


LIMITS = [name for name in Choices.model_fields if name.endswith(("_per_hour", "_per_day"))]


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_not_chosen_so_high_that_it_is_none(app: Flask, services: Services, name: str) -> None:
    """security.md T-07, F-22: what one network may guess, and what a portal may text, hang on them."""
    with pytest.raises(WrongChoices) as caught:
        choose(services, **{name: "1000000000"})
    assert [(fault.name, fault.kind) for fault in caught.value.faults] == [(name, "most")]
    limit = caught.value.faults[0].named["limit"]
    choose(services, **{name: limit})
    assert getattr(services.settings, name) == int(limit)


def test_what_the_environment_says_may_be_left_as_high_as_it_is(
    app: Flask, services: Services, environment: dict[str, str], clock: FrozenClock
) -> None:
    high = Settings.from_environ({**environment, "CONNECT_SENDS_PER_HOUR": "1000000000"})
    changes = SettingChanges(LiveSettings(high, clock), clock, services.audit)
    found = changes.differences({"sends_per_hour": "1000000000", "imports_per_hour": "61"})
    assert [(change.name, change.becomes) for change in found] == [("imports_per_hour", 61)]


@pytest.mark.parametrize(
    "address",
    [
        "help@fund.ch?bcc=me%40evil.ch", "help@fund.ch&cc=x", "a,b@fund.ch", "<me@evil.ch>", "help@evil.ch#",
        "=?x?=@a.ch", "help@fund", "a@b@c.ch", "help@fund.ch\n",
    ],
)  # fmt: skip
def test_the_address_of_the_support_says_nothing_beside_where_it_is(
    app: Flask, services: Services, address: str
) -> None:
    """It stands in a link of every page and in `Reply-To`."""
    with pytest.raises(WrongChoices) as caught:
        choose(services, support_email=address)
    assert [(fault.name, fault.kind) for fault in caught.value.faults] == [("support_email", "email")]
    choose(services, support_email="Anne-Marie.O'Brien+help@support.fund-x.ch")


def test_nobody_lets_an_unused_session_stay_open_for_more_than_an_hour(
    app: Flask, services: Services, environment: dict[str, str]
) -> None:
    with pytest.raises(WrongChoices) as caught:
        choose(services, session_idle_for="3601")
    assert [(fault.name, fault.kind) for fault in caught.value.faults] == [("session_idle_for", "most")]
    with pytest.raises(SettingsError):
        Settings.from_environ({**environment, "CONNECT_SESSION_IDLE_FOR": "3601"})
    choose(services, session_idle_for="3600")
    assert services.settings.session_idle_for == timedelta(hours=1)


def test_whoever_saw_an_older_version_changes_nothing(app: Flask, services: Services) -> None:
    changes = services.setting_changes
    seen = changes.version()
    changes.apply({"sms_per_day": "7"}, seen)
    with pytest.raises(ChangedMeanwhile):
        changes.apply({"sms_per_day": "8"}, seen)
    assert services.settings.sms_per_day == 7


def race(app: Flask, value: object, number: int) -> bool:
    services: Services = app.extensions["connect"]
    with app.app_context():
        try:
            wanted = 100 + 10 * int(str(value)) + number  # never what is chosen already
            services.setting_changes.apply({"sms_per_day": str(wanted)}, int(str(value)))
        except ChangedMeanwhile:
            return False
        finally:
            db.session.remove()
    return True


def test_of_many_who_saw_the_same_version_one_goes_on(
    app: Flask, services: Services, environment: dict[str, str], clock: FrozenClock, instances: Instances
) -> None:
    answers = instances.race(environment, clock.now(), race, [0, 1, 2], clients=8)
    assert [sum(one) for one in answers] == [1, 1, 1]
    db.session.rollback()
    assert services.setting_changes.version() == 3


def test_before_and_after_stand_in_the_audit(app: Flask, services: Services) -> None:
    choose(services, sms_code_for="300")
    choose(services, sms_code_for="300")
    choose(services, sms_code_for=None)
    events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.at, AuditEvent.id)).all()
    assert [(json.loads(one.detail["before"]), json.loads(one.detail["after"])) for one in events] == [
        ({"sms_code_for": "10 min"}, {"sms_code_for": "5 min"}),
        ({"sms_code_for": "5 min"}, {"sms_code_for": "10 min (CONNECT_SMS_CODE_FOR)"}),
    ]


@pytest.mark.no_database
def test_a_choice_that_the_environment_made_impossible_is_passed_over_and_the_others_count(
    environment: dict[str, str],
) -> None:
    settings = Settings.from_environ({**environment, "CONNECT_SESSION_ABSOLUTE_FOR": "1800"})
    chosen = {"session_idle_for": "3600", "sms_per_day": "7", "of_another_release": "1", "sms_code_for": "soon"}
    made, unusable = settled(settings, chosen)
    assert unusable == ["of_another_release", "session_idle_for", "sms_code_for"]
    assert (made.sms_per_day, made.session_idle_for) == (7, timedelta(minutes=30))
    # What is at fault may be the environment's side of it: then nothing chosen counts, and that is usable always.
    settings = Settings.from_environ({**environment, "CONNECT_SESSION_IDLE_FOR": "3600"})
    made, unusable = settled(settings, {"session_absolute_for": "1800", "sms_per_day": "7"})
    assert (made, unusable) == (settings, ["session_absolute_for", "sms_per_day"])


@pytest.mark.no_database
def test_no_service_keeps_what_may_be_chosen_anew() -> None:
    """What is read when a service is made stays as it was then."""
    found = []
    for file in sorted((ROOT / "idp").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in {"__init__", "build_services", "create_app"}:
                found += [
                    f"{file.name}:{part.lineno} {part.attr}"
                    for part in ast.walk(node)
                    if isinstance(part, ast.Attribute) and part.attr in Choices.model_fields
                ]
    assert found == []


def test_the_other_gateway_is_asked_first_as_soon_as_somebody_says_so(
    office: Office, authority: Authority, environment: dict[str, str], clock: FrozenClock
) -> None:
    asked: list[str] = []

    def gateway(name: str) -> Callable[[Asked], Said]:
        def take(_: Asked) -> Said:
            asked.append(name)
            return Said(204)

        return take

    with (
        WebServer(gateway("provider"), authority.issue()) as one,
        WebServer(gateway("fallback"), authority.issue()) as two,
    ):
        given = {
            "CONNECT_SMS_URL": f"{one.address}/sms", "CONNECT_SMS_CA_FILE": str(authority.file),
            "CONNECT_SMS_FALLBACK_PROVIDER": "webhook", "CONNECT_SMS_FALLBACK_URL": f"{two.address}/sms",
            "CONNECT_SMS_FALLBACK_SECRET": SECRET,
        }  # fmt: skip
        settings = Settings.from_environ({**environment, **given})
        far = build_services(settings, clock=clock)
        office.app.extensions["connect"] = far
        office.text()
        Worker(office.app).run_once()
        clock.advance(FRESH_FOR)
        here = build_services(settings, clock=clock)
        choose(here, sms_first="fallback")
        office.text()
        Worker(office.app).run_once()
    assert asked == ["provider", "fallback"]
    assert [row.gateway for row in office.rows()] == asked
    assert [name for name, _ in in_order(here.settings)] == ["fallback", "provider"]


def test_limits_follow_a_choice(app: Flask, services: Services, portal: Portal, clock: FrozenClock) -> None:
    choose(services, letter_codes_per_hour="2")
    spent: list[datetime | None] = [services.throttle.spend(Volume.LETTER_CODES, "192.0.2.1") for _ in range(3)]
    assert [one is None for one in spent] == [True, True, False]


def test_a_web_process_and_a_pass_of_housekeeping_follow_what_another_process_chose(
    web: Flask, services: Services, environment: dict[str, str], clock: FrozenClock
) -> None:
    elsewhere = build_services(Settings.from_environ(environment), clock=clock)
    page = web.test_client()
    page.get("/help", base_url="http://localhost:8000")
    choose(elsewhere, support_phone="031 000 00 01")
    clock.advance(FRESH_FOR)
    page.get("/static/connect.css", base_url="http://localhost:8000").close()
    assert services.settings.support_phone == "", "a file asks no database"
    shown = page.get("/help", base_url="http://localhost:8000").get_data(as_text=True)
    assert "031 000 00 01" in shown
    choose(elsewhere, support_phone="031 000 00 02")
    clock.advance(FRESH_FOR)
    Housekeeper(web).run_once()
    assert services.settings.support_phone == "031 000 00 02"
