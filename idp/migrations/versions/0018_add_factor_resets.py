"""Add the resets of a second factor that two operators agree on."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0018"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
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
    op.create_index("ix_factor_reset_portal_id", "factor_reset", ["portal_id"], unique=False)
    op.create_index("ix_factor_reset_asked_by", "factor_reset", ["asked_by", "asked_at"], unique=False)
    op.create_index("ix_factor_reset_approved_by", "factor_reset", ["approved_by", "approved_at"], unique=False)
    op.create_index(
        "uq_factor_reset_open", "factor_reset", ["insured_person_id"], unique=True, sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("factor_reset")
