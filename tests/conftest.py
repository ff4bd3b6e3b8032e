"""What every test may ask for: settings made at run time, a frozen clock, and an application on a fresh database.

A test that asks for `app` (or `database`) runs twice, on SQLite and on PostgreSQL, there with Redis or without it in
turns, unless it is marked `no_database`, `sqlite_only` or `postgresql_only`. Where an engine is not the question (the
protocol's answers, attacks, journeys, commands) they take turns: each case runs on one of the two, and on both with
`--every-engine`, as in the long run, or where it is marked `both_engines`; the console runs on PostgreSQL, where its
statements are explained, and on SQLite in turns. What is `generated` from the journeys runs on SQLite, and on both
likewise: what a walk promises there does not hang on the engine, whose own tests are elsewhere. With `--on` every test
runs on one deployment, and those of another engine alone are left out.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import structlog
from flask import Flask
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Connection, Engine, event

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.context import InContext
from idp.models.portal import Portal
from idp.models.signing_key import SigningKey
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.settings import Settings
from keys.master import new_master_key
from tests.actions import register
from tests.support import servers
from tests.support.builders import add_portal
from tests.support.engines import (
    DEPLOYMENTS,
    ENGINES,
    POSTGRESQL,
    SQLITE,
    WITH_REDIS,
    engine_of,
    postgresql_database,
    redis_database,
    sqlite_database,
)
from tests.support.every_answer import watch
from tests.support.every_plan import faults, statements_of_requests
from tests.support.instances import Instances
from tests.support.person import Person
from tests.support.quick_apps import close_machine_door, share_rules, share_templates
from tests.support.relying_party import PORTAL_SECRET, RelyingParty
from tests.support.turns import one_of_each, take_all
from wsgi import create_app

MASTER_KEY = new_master_key()
SIGNING_KEYS: list[dict[str, Any]] = []  # made once in this process: RSA keys take a second
RUN_FOLDER = pytest.StashKey[Path]()
TAKING_TURNS = ("protocol", "attacks", "journeys", "cli", "admin")
ON_POSTGRESQL = "admin"  # in each run, and on SQLite in turns
RARELY = (100_000, 20, 100)
OWN_PROCESSES = ("browser", "demo")  # folders whose tests start whole installations, on SQLite


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-engine", action="store_true", help="what takes turns runs on both engines, and whole")
    parser.addoption("--on", choices=DEPLOYMENTS, help="run all tests on this deployment, and none on another")


def pytest_configure(config: pytest.Config) -> None:
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])  # drawing every local takes seconds
    share_rules()
    if config.option.every_engine:
        take_all()
    gc.freeze()  # what was loaded stays; looking through it again and again took a fifth of the time of all tests
    gc.set_threshold(*RARELY)
    given = getattr(config, "workerinput", {}).get("run_folder")
    config.stash[RUN_FOLDER] = Path(given) if given else servers.new_run_folder()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_folder"] = str(node.config.stash[RUN_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        servers.stop_all(config.stash[RUN_FOLDER])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", _engines(metafunc), indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What waits for its turn, and with `--on` what runs on another engine alone, does not run."""
    for name in sorted({name for item in items for name in _in_turns(item)}):
        chosen = {*one_of_each(((_siblings(item, name), item) for item in items if name in _in_turns(item)), name)}
        waiting = {item for item in items if name in _in_turns(item) and item not in chosen and not _is_always(item)}
        config.hook.pytest_deselected(items=list(waiting))
        items[:] = [item for item in items if item not in waiting]
    if config.option.on is not None:
        away = [item for item in items if _engine_of(item) not in {None, engine_of(config.option.on)}]
        config.hook.pytest_deselected(items=away)
        items[:] = [item for item in items if item not in away]


def _in_turns(item: pytest.Item) -> set[str]:
    """The parameters of this test of which one value is enough for an ordinary run."""
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    named = {name for mark in item.iter_markers("in_turns") for name in mark.args}
    if item.path.parent.name in TAKING_TURNS and item.get_closest_marker("both_engines") is None:
        named.add("database")
    return named & set(given)


def _siblings(item: pytest.Item, parameter: str) -> str:
    """The name that those bear who differ from this one in this parameter alone, whose values are words."""
    assert isinstance(item, pytest.Function)
    return item.nodeid.partition("[")[0] + item.callspec.id.replace(item.callspec.params[parameter], "", 1)


def _is_always(item: pytest.Item) -> bool:
    return item.path.parent.name == ON_POSTGRESQL and _engine_of(item) == POSTGRESQL


def _engine_of(item: pytest.Item) -> str | None:
    given = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return next((engine_of(value) for value in given if isinstance(value, str) and value in DEPLOYMENTS), None)


def _engines(metafunc: pytest.Metafunc) -> tuple[str, ...]:
    option, folder = metafunc.config.option, metafunc.definition.path.parent.name
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    turn = crc32(metafunc.definition.name.encode())
    on_postgresql = option.on if option.on not in {None, SQLITE} else (POSTGRESQL, WITH_REDIS)[turn // len(ENGINES) % 2]
    if "no_database" in marks:
        return ("none",)
    if "postgresql_only" in marks:
        return (on_postgresql,)
    if "sqlite_only" in marks or folder in OWN_PROCESSES:
        return (SQLITE,)
    if option.on is not None:
        return (option.on,)
    if "generated" in marks and not option.every_engine:
        return (SQLITE,)
    return SQLITE, on_postgresql


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """What this test run's workers share, with its servers."""
    return pytestconfig.stash[RUN_FOLDER]


@pytest.fixture(scope="session")
def instances() -> Iterator[Instances]:
    """Two processes with the whole application."""
    both = Instances()
    yield both
    both.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of a worker, whose driver allows no second one; *.connect.test is this machine."""
    program = shutil.which("chromium")
    assert program, "the tests in a browser need Debian's package chromium"
    options = ["--no-sandbox", "--host-resolver-rules=MAP *.connect.test 127.0.0.1"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def database(request: pytest.FixtureRequest, run_folder: Path, tmp_path: Path) -> str:
    """The URL of a migrated, empty database; for `no_database` one that cannot be opened."""
    if engine_of(request.param) == POSTGRESQL:
        return postgresql_database(run_folder)
    return sqlite_database(run_folder, tmp_path) if request.param == SQLITE else "sqlite:////nowhere/at/all.db"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 3, 27, 13, 30, tzinfo=UTC))


@pytest.fixture
def environment(request: pytest.FixtureRequest, run_folder: Path, tmp_path: Path) -> dict[str, str]:
    """A complete configuration with cheap password hashing."""
    url, with_redis = f"sqlite:///{tmp_path}/connect.db", {}
    if "database" in request.fixturenames:
        url = request.getfixturevalue("database")
        if request.node.callspec.params["database"] == WITH_REDIS:
            with_redis = {"CONNECT_REDIS_URL": redis_database(run_folder)}
    return {
        "CONNECT_ISSUER": "http://localhost:8000",
        "CONNECT_DATABASE_URL": url,
        "CONNECT_MASTER_KEY": MASTER_KEY,
        "CONNECT_MAIL_FROM": "connect@example.ch",
        "CONNECT_SMTP_HOST": "localhost",
        "CONNECT_SMTP_SECURITY": "none",
        "CONNECT_SMS_PROVIDER": "webhook",
        "CONNECT_SMS_URL": "http://localhost:9/sms",
        "CONNECT_SMS_SECRET": new_master_key() + "Zq",
        "CONNECT_ARGON2_MEMORY_KIB": "8",
        "CONNECT_ARGON2_PASSES": "1",
        **with_redis,
    }


@pytest.fixture
def services(environment: dict[str, str], clock: FrozenClock) -> Services:
    return build_services(Settings.from_environ(environment), clock=clock)


@pytest.fixture
def closed_pools() -> Iterator[None]:
    """Whatever application a test makes, its connections are closed: psycopg warns of those that are only forgotten."""
    met: set[Engine] = set()

    def meet(connection: Connection) -> None:
        met.add(connection.engine)

    event.listen(Engine, "engine_connect", meet)
    yield
    event.remove(Engine, "engine_connect", meet)
    for engine in met:
        engine.dispose()


@pytest.fixture
def app(database: str, services: Services, closed_pools: None) -> Iterator[Flask]:
    """A bare application inside its context, on an empty database of either engine."""
    app = InContext("test")
    attach(app, services)
    with app.app_context():
        yield app
        db.session.remove()


@pytest.fixture
def signing_keys(app: Flask, services: Services) -> None:
    """An active and a next key of every algorithm."""
    if SIGNING_KEYS:
        db.session.add_all(SigningKey(**values) for values in SIGNING_KEYS)
        db.session.commit()
        return
    services.keyring.ensure()
    columns = [column.key for column in SigningKey.__table__.columns]
    SIGNING_KEYS.extend({name: getattr(row, name) for name in columns} for row in services.keyring.rows())


@pytest.fixture
def web(
    request: pytest.FixtureRequest, app: Flask, services: Services, signing_keys: None, run_folder: Path
) -> Iterator[Flask]:
    """The whole web application on the database of `app`; every answer must hold the conditions of the wire, and every
    statement of a request must find its rows without reading a big table.

    Every second test calls the endpoints for machines behind Flask's dispatch, the others by their own door.
    """
    web = create_app(services=services)
    if crc32(request.node.originalname.encode()) // len(ENGINES) % 2:
        close_machine_door(web)
    share_templates(web)
    found = watch(web)
    with statements_of_requests(web) as noted:
        yield web
    assert found == []
    assert faults(noted, run_folder) == []


@pytest.fixture
def portal(app: Flask, services: Services) -> Portal:
    """A portal that authenticates with `PORTAL_SECRET`."""
    return add_portal(client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))


@pytest.fixture
def rp(web: Flask, portal: Portal) -> RelyingParty:
    """That portal's side of the protocol."""
    return RelyingParty(web, portal.client_id, portal.redirect_uris[0], PORTAL_SECRET)


@pytest.fixture
def person(web: Flask, portal: Portal, services: Services) -> Person:
    """Somebody registered at the portal by SMS and signed in."""
    return register(web, services, portal)
