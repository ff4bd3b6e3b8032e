"""The migrations lead from an empty database to exactly the models, on both engines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Engine, MetaData, insert, inspect, select, text

from idp.models.authorization import AccessToken
from idp.models.base import Base, db
from idp.models.context import InContext
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.person_word import PersonWord
from idp.models.portal import Portal
from idp.models.signing_key import SigningKey
from idp.services import schema
from tests.support.engines import ENGINES, SQLITE, empty_postgresql_database, worker_number
from tests.support.waiting import wait_until


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, run_folder: Path, tmp_path: Path) -> Iterator[Callable[[str], Flask]]:
    """Makes applications on empty databases of one engine."""
    apps: list[Flask] = []

    def make(name: str) -> Flask:
        app = InContext(name)
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
                connection, opts={"compare_type": True, "compare_server_default": True, "include_name": is_whole}
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


def test_portals_and_tokens_of_the_first_release_survive_the_next(empty: Callable[[str], Flask]) -> None:
    with empty("filled").app_context():
        fill_the_first_release(FIRST_ROWS)
        schema.upgrade()
        token = db.session.scalars(select(AccessToken)).one()
        portal = db.session.scalars(select(Portal)).one()
        assert token.portal_id == portal.id
        assert (portal.security_profile, portal.refresh_rotation, portal.resources) == ("standard", True, [])
        assert portal.grant_types == ["authorization_code", "refresh_token"]
        if db.engine.dialect.name == "sqlite":
            assert db.session.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_of_keys_that_two_processes_made_together_one_of_a_kind_stays(empty: Callable[[str], Flask]) -> None:
    with empty("twice").app_context():
        schema.upgrade("0003")
        made = [("a", "active"), ("b", "active"), ("c", "next"), ("d", "next"), ("e", "retiring"), ("f", "retiring")]
        common = {"public_jwk": {}, "sealed_private": "x", "created_at": MOMENT, "state_since": MOMENT}
        for alg in ("RS256", "ES256"):
            rows = [{"kid": f"{kid}.{alg}", "alg": alg, "state": state, **common} for kid, state in made]
            db.session.execute(insert(SigningKey.__table__), rows)  # of the columns that there were
        db.session.commit()
        schema.upgrade()
        keys = {key.kid: key for key in db.session.scalars(select(SigningKey).where(SigningKey.alg == "ES256"))}
        left = {kid[0]: key.state for kid, key in keys.items()}
        assert left == {"a": "active", "b": "retiring", "c": "next", "e": "retiring", "f": "retiring"}
        assert keys["b.ES256"].state_since > MOMENT
        assert db.session.query(SigningKey).count() == 2 * len(left)


def test_persons_of_before_are_found_by_their_words(empty: Callable[[str], Flask]) -> None:
    with empty("known").app_context():
        fill_the_first_release((FIRST_ROWS[0], ("insured_person", PERSON)))
        schema.upgrade()
        assert set(db.session.scalars(select(PersonWord.word))) == {"p1", "75612", "zoe", "muller", "mueller", "1000"}


def test_persons_and_codes_of_before_stand_in_their_lists(empty: Callable[[str], Flask]) -> None:
    with empty("listed").app_context():
        fill_the_first_release((FIRST_ROWS[0], ("insured_person", PERSON), ("registration_code", CODE)))
        schema.upgrade()
        assert db.session.scalars(select(InsuredPerson.sort_name)).all() == ["muller zoe"]
        assert db.session.scalars(select(RegistrationCode.portal_id)).all() == [ONE]


def fill_the_first_release(rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    schema.upgrade("0001")
    with db.engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)
        is_sqlite = connection.dialect.name == SQLITE  # it keeps a UUID as its 32 digits
        for table, row in rows:
            kept = {name: value.hex if is_sqlite and value == ONE else value for name, value in row.items()}
            connection.execute(insert(tables.tables[table]).values(kept))


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID(int=1)
PERSON: dict[str, Any] = {
    "id": ONE, "portal_id": ONE, "external_id": "P-1", "insured_number": "756.12", "given_name": "Zoé",
    "family_name": "Müller", "birth_date": date(1958, 3, 27), "language": "fr", "address": ["Rue 1", "1000 Lausanne"],
    "created_at": MOMENT, "changed_at": MOMENT,
}  # fmt: skip
CODE: dict[str, Any] = {
    "id": ONE, "insured_person_id": ONE, "purpose": "register", "code_hash": "x", "issued_at": MOMENT,
    "expires_at": MOMENT,
}  # fmt: skip
FIRST_ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("portal", {
        "id": ONE, "slug": "cpx", "client_id": "cpx.1", "created_at": MOMENT, "names": {"fr": "Caisse"},
        "short_name": "Caisse", "place": "", "phone": "058", "email": "a@b.ch", "hours": {}, "brand_color": "#0B5C7A",
        "home_url": "https://cpx.example.ch/", "code_life_days": 30, "second_item": "none", "factors": ["app"],
        "letter_window": "left", "redirect_uris": [], "post_logout_redirect_uris": [], "scopes": ["openid"],
        "token_endpoint_auth_method": "client_secret_basic", "assertion_audience": "issuer",
        "id_token_signed_response_alg": "RS256", "subject_type": "pairwise", "sector_identifier": "cpx.example.ch",
        "require_pkce": True,
    }),
    ("account", {
        "id": ONE, "email": "a@b.ch", "email_verified_at": MOMENT, "given_name": "A", "family_name": "B",
        "language": "fr", "status": "active", "terms_accepted_at": MOMENT, "created_at": MOMENT,
    }),
    ("session", {
        "id": ONE, "secret_hash": "x", "account_id": ONE, "browser_hash": "b", "created_at": MOMENT,
        "auth_time": MOMENT, "seen_at": MOMENT, "acr": "mfa", "amr": [], "user_agent": "",
    }),
    ("portal_session", {"id": ONE, "session_id": ONE, "portal_id": ONE, "created_at": MOMENT}),
    ("oauth_grant", {
        "id": ONE, "portal_id": ONE, "account_id": ONE, "session_id": ONE, "sid": ONE, "scope": "openid",
        "auth_time": MOMENT, "acr": "mfa", "amr": [], "created_at": MOMENT, "expires_at": MOMENT,
    }),
    ("access_token", {"id": ONE, "token_hash": "t", "grant_id": ONE, "scope": "openid", "expires_at": MOMENT}),
)  # fmt: skip


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
            "indexes": sorted(map(in_words, found.get_indexes(table)), key=str),
        }
        for table in found.get_table_names()
        if is_whole(table, "table")
    }


def is_whole(name: str | None, kind: str, _parents: object = None) -> bool:
    """Not a partition, which the models know nothing of."""
    return kind != "table" or name is None or not re.match(r"audit_event_(\d|until|else)", name)


def in_words(index: Mapping[str, Any]) -> dict[str, Any]:
    """An index with its condition as text, so that two of them can be compared."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}
