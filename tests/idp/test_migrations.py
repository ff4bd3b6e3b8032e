"""The migrations lead from an empty database to exactly the models, on both engines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Engine, inspect

from idp.models.base import Base, db
from idp.services import schema
from tests.support.engines import ENGINES, SQLITE, empty_postgresql_database, worker_number
from tests.support.waiting import wait_until


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, run_folder: Path, tmp_path: Path) -> Iterator[Callable[[str], Flask]]:
    """Makes applications on empty databases of one engine."""
    apps: list[Flask] = []

    def make(name: str) -> Flask:
        app = Flask(name)
        app.config["SQLALCHEMY_DATABASE_URI"] = (
            f"sqlite:///{tmp_path}/{name}.db"
            if request.param == SQLITE
            else empty_postgresql_database(run_folder, f"{name}_{worker_number()}")
        )
        db.init_app(app)
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_an_empty_database_is_migrated_and_a_second_run_changes_nothing(empty: Callable[[str], Flask]) -> None:
    with empty("migrated").app_context():
        assert schema.current() is None
        assert schema.upgrade() == schema.newest()
        assert schema.current() == schema.newest()
        before = described(db.engine)
        assert schema.upgrade() == schema.newest()
        assert described(db.engine) == before


def test_two_instances_that_upgrade_at_once_take_turns(environment: dict[str, str], run_folder: Path) -> None:
    url = empty_postgresql_database(run_folder, f"upgraded_{worker_number()}")
    command = [sys.executable, "-m", "idp.cli", "db", "upgrade"]
    environ = {**os.environ, **environment, "CONNECT_DATABASE_URL": url}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(hashtext('connect db upgrade'))")
        both = [subprocess.Popen(command, env=environ, stdout=PIPE, stderr=STDOUT, text=True) for _ in range(2)]
        wait_until(lambda: waiting_for_their_turn(server) == len(both) or any(one.poll() is not None for one in both))
        server.execute("SELECT pg_advisory_unlock_all()")
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said


def waiting_for_their_turn(server: psycopg.Connection[tuple[int]]) -> int:
    row = server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    ).fetchone()
    return row[0] if row else 0


def test_alembic_finds_no_difference_between_the_migrated_schema_and_the_models(empty: Callable[[str], Flask]) -> None:
    with empty("migrated").app_context():
        schema.upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, Base.metadata) == []


def test_the_migrated_schema_is_the_one_the_models_create(empty: Callable[[str], Flask]) -> None:
    with empty("migrated").app_context():
        schema.upgrade()
        migrated = described(db.engine)
    with empty("created").app_context():
        Base.metadata.create_all(db.engine)
        created = described(db.engine)
    assert set(migrated) == {*created, "alembic_version"}
    for table, description in created.items():
        assert migrated[table] == description, table


def described(engine: Engine) -> dict[str, Any]:
    """Each table as the database itself tells it: columns, keys with their names and deeds, indexes."""
    found = inspect(engine)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(table)
            },
            "primary": found.get_pk_constraint(table),
            "foreign": sorted(found.get_foreign_keys(table), key=str),
            "unique": sorted(found.get_unique_constraints(table), key=str),
            "indexes": sorted(found.get_indexes(table), key=str),
        }
        for table in found.get_table_names()
    }
