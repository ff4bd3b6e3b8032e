"""Let recovery letters be set as a sealed pile that is confirmed as printed."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recovery_print",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("sealed_pdf", sa.String(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_recovery_print_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_print"),
    )
    op.create_index("ix_recovery_print_portal_id", "recovery_print", ["portal_id"], unique=False)
    with op.batch_alter_table("recovery_letter") as table:
        table.add_column(sa.Column("print_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("print_number", sa.Integer(), nullable=True))
        table.add_column(sa.Column("code_hash", sa.String(), nullable=True))
        table.create_foreign_key("fk_recovery_letter_print_id", "recovery_print", ["print_id"], ["id"])
        table.create_index("ix_recovery_letter_print_id", ["print_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("recovery_letter") as table:
        table.drop_index("ix_recovery_letter_print_id")
        table.drop_constraint("fk_recovery_letter_print_id", type_="foreignkey")
        table.drop_column("code_hash")
        table.drop_column("print_number")
        table.drop_column("print_id")
    op.drop_table("recovery_print")
