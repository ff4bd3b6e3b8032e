"""Add the advice that people put off."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reminder",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("card", sa.String(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("put_off_at", UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_reminder_account_id"),
        sa.PrimaryKeyConstraint("account_id", "card", name="pk_reminder"),
    )
