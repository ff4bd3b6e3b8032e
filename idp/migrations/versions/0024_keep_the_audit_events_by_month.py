"""Keep the audit events by month on PostgreSQL; what is there becomes the first partition, as it lies.

A partition needs the moment in its key, so it is part of the key on both engines. The record is locked while the index
of that key is built and the rows are looked through once, unless the index was made beforehand (docs/operations.md).
"""

from datetime import UTC, date, datetime

import sqlalchemy as sa
from alembic import op

from idp.models.audit_months import BEFORE, ELSE, after, bound, copy_rights, make_months

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KEY, OLD, AHEAD_KEY = "pk_audit_event", "audit_event_old", "audit_event_by_id_and_at"
INDEXES = {
    "ix_audit_event_account_id": "(account_id)",
    "ix_audit_event_actor_id": "(actor_id)",
    "ix_audit_event_at": "(at)",
    "ix_audit_event_insured_person_id": "(insured_person_id)",
    "ix_audit_event_kept": "(tag, at) WHERE redacted_at IS NULL",
    "ix_audit_event_lock": "(at) WHERE tag = 'person:attempts:exhaust'",
    "ix_audit_event_portal": "(portal_id, id)",
    "ix_audit_event_tagged": "(tag, id)",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _set_key(["id", "at"])
        return
    connection = op.get_bind()
    op.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
    newest: datetime = connection.scalars(sa.text("SELECT greatest(max(at), now()) FROM audit_event")).one()
    end: date = after(newest.astimezone(UTC).date().replace(day=1))
    first = f"{BEFORE}{end:%Y_%m}"
    op.execute(f"ALTER TABLE audit_event RENAME TO {first}")
    for name in INDEXES:
        op.execute(f"ALTER INDEX {name} RENAME TO {name.replace('audit_event', first)}")
    op.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {AHEAD_KEY} ON {first} (id, at)")
    op.execute(f"ALTER TABLE {first} DROP CONSTRAINT {KEY}")
    op.execute(f"ALTER TABLE {first} ADD CONSTRAINT pk_{first} PRIMARY KEY USING INDEX {AHEAD_KEY}")
    op.execute(
        f"CREATE TABLE audit_event (LIKE {first} INCLUDING DEFAULTS, CONSTRAINT {KEY} PRIMARY KEY (id, at)) "
        "PARTITION BY RANGE (at)"
    )
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON audit_event {columns}")
    copy_rights(connection, first, "audit_event")
    op.execute(f"ALTER TABLE audit_event ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ({bound(end)})")
    op.execute(f"CREATE TABLE {ELSE} PARTITION OF audit_event DEFAULT")
    copy_rights(connection, "audit_event", ELSE)
    make_months(connection, newest)


def downgrade() -> None:
    """Into one table again, row by row."""
    if op.get_bind().dialect.name == "sqlite":
        _set_key(["id"])
        return
    op.execute(f"CREATE TABLE {OLD} (LIKE audit_event INCLUDING DEFAULTS)")
    op.execute(f"INSERT INTO {OLD} SELECT * FROM audit_event")  # noqa: S608 - names of ours
    copy_rights(op.get_bind(), "audit_event", OLD)
    op.execute("DROP TABLE audit_event")
    op.execute(f"ALTER TABLE {OLD} RENAME TO audit_event")
    op.execute(f"ALTER TABLE audit_event ADD CONSTRAINT {KEY} PRIMARY KEY (id)")
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON audit_event {columns}")


def _set_key(columns: list[str]) -> None:
    with op.batch_alter_table("audit_event", recreate="always") as table:
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, columns)
