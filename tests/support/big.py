"""A database on PostgreSQL as an installation has it after years: only its planner's statistics matter.

Made once a run, from the models alone, so that a new table is filled without a word here. A table that does not grow
with persons, sign-ins or time has to be named.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import psycopg
from sqlalchemy import JSON, Boolean, Column, Date, Integer, LargeBinary, String, Table, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import CreateIndex, DropIndex

from idp.models.base import Base, UTCDateTime
from idp.services.audit import AuditTag
from tests.support import servers
from tests.support.engines import TEMPLATE

NAME = "connect_big"
ROWS, PORTALS, FEW = 8_000, 40, 20
NOW = "timestamptz '2026-03-27 13:30+00'"  # the frozen clock's
# As many rows as there are funds, operators, settings or keys: to read them all is cheap.
SMALL = frozenset(
    {
        "api_client", "chosen_setting", "import_mapping", "import_token", "known_setting", "operator",
        "operator_invitation", "operator_role", "portal", "portal_invite", "saved_view", "self_test",
        "shared_version", "signing_key", "webhook",
    }
)  # fmt: skip
# Of how many rows the moment is empty: those that still wait, of all that have been; otherwise every second.
WAITING = {
    "settled_at", "tallied_at", "consumed_at", "used_at", "finished_at", "done_at", "ended_at", "cancelled_at",
}  # fmt: skip
WORDS = {
    "tag": tuple(AuditTag), "channel": ("mail", "sms", "logout", "webhook"), "language": ("de", "fr", "it", "en"),
    "status": ("active", "active", "closed", "disabled"), "journey": ("login", "registration", "recovery"),
    "kind": ("sms", "email"), "acr": ("mfa", "phr"), "purpose": ("register", "recover"), "scope": ("openid",),
    "listing": ("persons", "codes"), "role": ("support",), "event": ("registered",),
}  # fmt: skip
OF_TABLE = {
    "outbox_message.state": ("sent",) * 97 + ("waiting", "dead", "sending"),
    "list_export.state": ("done",) * 49 + ("waiting",),
    "letter_batch.state": ("posted",) * 49 + ("printed",), "person_import.state": ("done",) * 49 + ("ready",),
    "tally.kind": ("event", "event", "message", "begun", "step", "error"),
    "tally.name": (*tuple(AuditTag)[:10], "counted", "sms.sent", "login.code"),
}  # fmt: skip


def growing() -> frozenset[str]:
    return frozenset(Base.metadata.tables) - SMALL


def big_database(run: Path) -> str:
    """The connection string of it, made by the first who asks."""
    host = servers.postgresql(run)
    with psycopg.connect(host=str(host), user="connect", dbname="postgres", autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(1)")
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
            server.execute(f"DROP DATABASE IF EXISTS {NAME}_new")
            server.execute(f"CREATE DATABASE {NAME}_new TEMPLATE {TEMPLATE}")
            with psycopg.connect(host=str(host), user="connect", dbname=f"{NAME}_new", autocommit=True) as connection:
                connection.execute(";\n".join(_filling()).encode())
                connection.execute("VACUUM ANALYZE")
            server.execute(f"ALTER DATABASE {NAME}_new RENAME TO {NAME}")
    return f"host={host} user=connect dbname={NAME}"


def _filling() -> Iterator[str]:
    """Rows first and indexes then, which is quicker; nothing looks at keys of other tables meanwhile."""
    yield "SET session_replication_role = replica"
    for table in Base.metadata.sorted_tables:
        indexes = [index for index in table.indexes if not index.unique]
        yield from (str(DropIndex(index).compile(dialect=dialect())) for index in indexes)  # type: ignore[no-untyped-call]
        columns = [column for column in table.columns if not column.computed]
        names = ", ".join(f'"{column.name}"' for column in columns)
        values = ", ".join(_value(table, column) for column in columns)
        yield f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM generate_series(1, {rows(table)}) n'  # noqa: S608 - names of ours
        yield from (str(CreateIndex(index).compile(dialect=dialect())) for index in indexes)  # type: ignore[no-untyped-call]


def rows(table: Table) -> int:
    return ROWS if table.name in growing() else PORTALS if table.name == "portal" else FEW


def _value(table: Table, column: Column[object]) -> str:
    kind, name = column.type, column.name
    if column.foreign_keys:
        target = next(iter(column.foreign_keys)).column.table
        return _some(target, table)
    if name == "portal_id":
        return _some(Base.metadata.tables["portal"], table)
    if isinstance(kind, Uuid):
        return _uuid("n" if _is_unique(column) else f"n / 3 + {crc32(name.encode()) % 1000 * ROWS}")
    if isinstance(kind, UTCDateTime):
        return _moment(name, is_nullable=bool(column.nullable))
    if isinstance(kind, Date):
        return "date '1930-01-01' + n % 25000" if name == "birth_date" else "date '2026-03-27' - n % 365"
    if isinstance(kind, Boolean):
        return "n % 2 = 0"
    if isinstance(kind, Integer):
        return "n" if column.primary_key or _is_unique(column) else "n % 4"
    if isinstance(kind, String):
        return _text(table, column)
    if isinstance(kind, LargeBinary):
        return "decode(md5(n::text), 'hex')"
    assert isinstance(kind, JSON), column
    return "'{}'::jsonb"


def _is_unique(column: Column[object]) -> bool:
    """Whether no two rows may share it, alone or beside the columns of a key."""
    table = column.table
    keys = [table.primary_key, *(one for one in table.constraints if isinstance(one, UniqueConstraint))]
    unique = [list(key.columns) for key in keys] + [list(one.columns) for one in table.indexes if one.unique]
    return any(column in columns for columns in unique)


def _some(target: Table, table: Table) -> str:
    """A row of another table: of portals, one has two thirds of everything."""
    if target.name == "portal":
        return _uuid(f"CASE WHEN n % 3 < 2 AND {rows(table)} > {FEW} THEN 1 ELSE n % {PORTALS} + 1 END")
    if target.name == "operator":  # whose keys are of accounts
        return _uuid(f"(n % {FEW} + 1) * {ROWS // FEW}")
    return _uuid(f"n * {max(rows(target) // rows(table), 1)} % ({rows(target)} + 1)")


def _uuid(number: str) -> str:
    return f"lpad(to_hex({number}), 32, '0')::uuid"


def _moment(name: str, *, is_nullable: bool) -> str:
    """One row after the other within the past year; what is yet to end does so within a month."""
    at = f"{NOW} - ({ROWS} - n) * interval '1 year' / {ROWS}"
    if name.endswith("until") or name == "expires_at":
        at += " + interval '3 days'"
    if not is_nullable:
        return at
    return f"CASE WHEN n {f'> {ROWS} - 200' if name in WAITING else '% 2 = 0'} THEN NULL ELSE {at} END"


def _text(table: Table, column: Column[object]) -> str:
    words = OF_TABLE.get(f"{table.name}.{column.name}") or WORDS.get(column.name)
    if words is not None and (table.name == "tally" or not _is_unique(column)):
        return f"(ARRAY[{', '.join(repr(str(word)) for word in words)}])[n % {len(words)} + 1]"
    spread = "n" if _is_unique(column) or column.primary_key else "n / 3"
    return f"md5('{table.name}' || ({spread}))"
