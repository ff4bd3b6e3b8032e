"""`/readyz` says no for each thing without which requests fail, and for nothing else; `/livez` looks at nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from idp.models.base import db
from idp.models.portal import Portal
from idp.models.signing_key import SigningKey
from idp.services import schema
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.settings import Settings
from keys.master import new_master_key
from keys.ring import ACTIVE
from tests.support.person import ISSUER
from tests.support.servers import free_port, start_redis
from tests.support.waiting import wait_until
from wsgi import create_app


def ready(web: Flask) -> tuple[int, dict[str, Any]]:
    answer = web.test_client().get("/readyz", base_url=ISSUER)
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
    return answer.status_code, answer.get_json()


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return environment | {"CONNECT_DRAIN_FILE": str(tmp_path / "draining")}


def test_a_whole_installation_is_ready(web: Flask, services: Services) -> None:
    redis = "ok" if services.settings.redis_url else "none"
    assert ready(web) == (200, {"status": "ok", "database": "ok", "schema": "ok", "keys": "ok", "redis": redis})


@pytest.mark.sqlite_only
def test_a_schema_that_waits_for_its_migration_takes_no_requests_and_a_newer_one_does(web: Flask) -> None:
    right = (200, "ok", "ok")
    for version, wanted in (("0001", (503, "down", "behind")), ("9999", right), (schema.newest(), right)):
        db.session.execute(db.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        db.session.commit()
        status, said = ready(web)
        assert (status, said["status"], said["schema"]) == wanted
    db.session.execute(db.text("DROP TABLE alembic_version"))
    db.session.commit()
    assert ready(web)[0] == 503  # an empty database


@pytest.mark.sqlite_only
def test_keys_that_are_missing_or_sealed_under_another_master_key_take_no_requests(
    web: Flask, environment: dict[str, str], services: Services
) -> None:
    other = build_services(Settings.from_environ({**environment, "CONNECT_MASTER_KEY": new_master_key()}))
    assert ready(create_app(services=other))[1]["keys"] == "unreadable"
    key = (SigningKey.alg == "RS256", SigningKey.state == ACTIVE)
    db.session.execute(update(SigningKey).where(*key).values(state="retiring"))
    db.session.commit()
    status, said = ready(web)
    assert (status, said["status"], said["keys"]) == (503, "down", "missing")


@pytest.mark.no_database
def test_a_database_that_is_away_is_said_and_the_process_lives_on(database: str, services: Services) -> None:
    web = create_app(services=services)
    status, said = ready(web)
    assert status == 503
    assert said == {"status": "down", "database": "down", "schema": "unknown", "keys": "unknown", "redis": "none"}
    answer = web.test_client().get("/livez", base_url=ISSUER)
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


@pytest.mark.sqlite_only
def test_a_process_that_is_being_emptied_says_so_and_goes_on_answering(
    web: Flask, portal: Portal, tmp_path: Path
) -> None:
    (tmp_path / "draining").touch()
    assert (ready(web)[0], ready(web)[1]["status"]) == (503, "draining")
    assert web.test_client().get("/cpx/login", base_url=ISSUER).status_code < 400
    (tmp_path / "draining").unlink()
    assert ready(web)[0] == 200


@pytest.mark.sqlite_only
def test_without_redis_the_service_is_poorer_and_ready(
    app: Flask, signing_keys: None, environment: dict[str, str], tmp_path: Path
) -> None:
    """R-03: lost, it is said within a second; back, likewise; and nobody waits for it."""
    port = free_port()
    settings = Settings.from_environ({**environment, "CONNECT_REDIS_URL": f"redis://127.0.0.1:{port}/0"})
    web = create_app(services=build_services(settings))
    status, said = ready(web)
    assert (status, said["status"], said["redis"]) == (200, "degraded", "lost")
    process, _ = start_redis(tmp_path, port)
    wait_until(lambda: ready(web)[1]["redis"] == "ok")
    process.terminate()
    process.wait()
    wait_until(lambda: ready(web)[1]["status"] == "degraded")
