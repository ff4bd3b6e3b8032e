"""A migrated, empty database for each test, on SQLite and on PostgreSQL.

SQLite: a copy of one migrated file. PostgreSQL: one database a worker, made from a migrated template and emptied with
DELETE (0.3 ms; TRUNCATE of as many tables takes 20 ms, a new copy of the template 30 ms).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import redis
from flask import Flask
from sqlalchemy import delete

from idp.models.base import ALONE, Base, db
from idp.models.context import InContext
from idp.models.single_statements import SingleStatements
from idp.services import schema
from tests.support import servers

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ENGINES = (SQLITE, POSTGRESQL)
WITH_REDIS = "postgresql+redis"
DEPLOYMENTS = (*ENGINES, WITH_REDIS)
TEMPLATE = "connect_template"


def engine_of(deployment: str) -> str:
    """Its database, whether it has a Redis or not."""
    return deployment.partition("+")[0]


def worker_number() -> int:
    """Which of the run's workers this process is."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def sqlite_database(run: Path, folder: Path) -> str:
    """The URL of a fresh file in `folder`."""
    template = run / f"template-{worker_number()}.db"
    if not template.is_file():
        _migrate(f"sqlite:///{template}")
    shutil.copyfile(template, folder / "connect.db")
    return f"sqlite:///{folder}/connect.db"


def postgresql_database(run: Path) -> str:
    """The URL of this worker's database, emptied; whatever an earlier test left connected is cut off."""
    host, name = servers.postgresql(run), f"connect_{worker_number()}"
    url = postgresql_url(host, name)
    with psycopg.connect(host=str(host), user="connect", dbname="postgres", autocommit=True) as server:
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            _copy_template(server, host, name)
            return url
        server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
    with psycopg.connect(host=str(host), user="connect", dbname=name) as connection:
        connection.execute(";".join(str(delete(table)) for table in reversed(Base.metadata.sorted_tables)).encode())
    return url


def empty_postgresql_database(run: Path, name: str) -> str:
    """The URL of a database without any table."""
    host = servers.postgresql(run)
    with psycopg.connect(host=str(host), user="connect", dbname="postgres", autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
    return postgresql_url(host, name)


def redis_database(run: Path) -> str:
    """The URL of this worker's part of the run's Redis, emptied."""
    port, number = servers.shared_redis(run), worker_number()
    with redis.Redis(port=port, db=number) as client:
        client.flushdb()
    return f"redis://127.0.0.1:{port}/{number}"


def postgresql_url(host: Path, name: str) -> str:
    return f"postgresql+psycopg://connect@/{name}?host={host}"


def _copy_template(server: psycopg.Connection[tuple[object, ...]], host: Path, name: str) -> None:
    """The first worker makes and migrates the template, under a lock that the others wait for."""
    server.execute("SELECT pg_advisory_lock(1)")
    if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone() is None:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        _migrate(postgresql_url(host, TEMPLATE))
    server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    server.execute("SELECT pg_advisory_unlock(1)")


def _migrate(url: str) -> None:
    app = InContext("template")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        schema.upgrade()
        db.engine.dispose()


def held_connections(web: Flask) -> int:
    """How many are in the hands of requests, without those that are kept for single statements meanwhile."""
    spared: SingleStatements | None = web.extensions[ALONE]
    with web.app_context():
        given_out: int = db.engine.pool.checkedout()  # type: ignore[attr-defined]
    return given_out - (spared.kept if spared else 0)
