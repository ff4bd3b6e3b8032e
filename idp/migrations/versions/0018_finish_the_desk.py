"""Add what the desk and the record of events lacked: resets by two operators, and events that are redacted."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
IS_UNTALLIED = sa.text("tallied_at IS NULL AND consumed_at IS NULL")
IS_ENDED = sa.text("tallied_at IS NULL AND consumed_at IS NOT NULL")
IS_KEPT = sa.text("redacted_at IS NULL")
IS_OPEN = sa.text("ended_at IS NULL")
TWO_OTHERS = "asked_by <> account_id AND (approved_by IS NULL OR approved_by NOT IN (asked_by, account_id))"


def upgrade() -> None:
    op.create_table(
        "factor_reset",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("insured_person_id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("stop_hash", sa.String(), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("end", sa.String(), nullable=True),
        sa.CheckConstraint(TWO_OTHERS, name="ck_factor_reset_two_others"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_factor_reset_account_id"),
        sa.ForeignKeyConstraint(["insured_person_id"], ["insured_person.id"], name="fk_factor_reset_insured_person_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_factor_reset_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_factor_reset"),
        sa.UniqueConstraint("stop_hash", name="uq_factor_reset_stop_hash"),
    )
    op.create_index("ix_factor_reset_account_id", "factor_reset", ["account_id"], unique=False)
    op.create_index("ix_factor_reset_asked_at", "factor_reset", ["asked_at"], unique=False)
    op.create_index("ix_factor_reset_portal_id", "factor_reset", ["portal_id"], unique=False)
    op.create_index("ix_factor_reset_asked_by", "factor_reset", ["asked_by", "asked_at"], unique=False)
    op.create_index("ix_factor_reset_approved_by", "factor_reset", ["approved_by", "approved_at"], unique=False)
    op.create_index(
        "uq_factor_reset_open", "factor_reset", ["insured_person_id"], unique=True, sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    )  # fmt: skip

    op.create_table(
        "call_note",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("insured_person_id", sa.Uuid(), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("sealed_text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["insured_person_id"], ["insured_person.id"], name="fk_call_note_insured_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_call_note"),
    )
    op.create_index("ix_call_note_written_at", "call_note", ["written_at"], unique=False)
    op.create_index("ix_call_note_person", "call_note", ["insured_person_id", "written_at"], unique=False)
    op.create_table(
        "tally",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "portal_id", "kind", "name", "size", name="pk_tally"),
    )
    _count_events()
    op.create_table(
        "known_setting",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_known_setting"),
    )
    op.add_column("flow_run", sa.Column("marks", JSONDocument, nullable=True))
    op.add_column("flow_run", sa.Column("tallied_at", MOMENT, nullable=True))
    op.create_index(
        "ix_flow_run_untallied", "flow_run", ["expires_at"], unique=False, sqlite_where=IS_UNTALLIED,
        postgresql_where=IS_UNTALLIED,
    )  # fmt: skip
    op.create_index(
        "ix_flow_run_ended", "flow_run", ["consumed_at"], unique=False, sqlite_where=IS_ENDED,
        postgresql_where=IS_ENDED,
    )  # fmt: skip
    op.add_column("audit_event", sa.Column("redacted_at", MOMENT, nullable=True))
    op.add_column("audit_event", sa.Column("redaction", sa.String(), nullable=True))
    op.create_index(
        "ix_audit_event_kept", "audit_event", ["tag", "at"], unique=False, sqlite_where=IS_KEPT,
        postgresql_where=IS_KEPT,
    )  # fmt: skip


def _count_events() -> None:
    """The events that are linked already, by Swiss day; on SQLite by the clock of winter."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    day = "(e.at AT TIME ZONE 'Europe/Zurich')::date" if is_postgresql else "date(e.at, '+1 hour')"
    nowhere = "CAST('00000000-0000-0000-0000-000000000000' AS uuid)" if is_postgresql else f"'{'0' * 32}'"
    op.execute(
        "INSERT INTO tally (day, portal_id, kind, name, size, count) "  # noqa: S608 - nothing of it comes from outside
        f"SELECT {day}, coalesce(e.portal_id, {nowhere}), 'event', e.tag, 0, count(*) "
        "FROM audit_event e JOIN audit_link l ON l.event_id = e.id GROUP BY 1, 2, e.tag"
    )


def downgrade() -> None:
    op.drop_index("ix_audit_event_kept", table_name="audit_event")
    op.drop_column("audit_event", "redaction")
    op.drop_column("audit_event", "redacted_at")
    op.drop_index("ix_flow_run_untallied", table_name="flow_run")
    op.drop_index("ix_flow_run_ended", table_name="flow_run")
    op.drop_column("flow_run", "tallied_at")
    op.drop_column("flow_run", "marks")
    op.drop_table("tally")
    op.drop_table("known_setting")
    op.drop_table("call_note")
    op.drop_table("factor_reset")
