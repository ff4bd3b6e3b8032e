"""Add the letters by which people who lost their second factor come back."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
REFERENCES = ("account", "portal", "insured_person")


def upgrade() -> None:
    op.create_table(
        "recovery_letter",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(f"{table}_id", sa.Uuid(), nullable=False) for table in REFERENCES),
        sa.Column("cancel_hash", sa.String(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("printed_at", MOMENT, nullable=True),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        *(
            sa.ForeignKeyConstraint([f"{table}_id"], [f"{table}.id"], name=f"fk_recovery_letter_{table}_id")
            for table in REFERENCES
        ),
        sa.ForeignKeyConstraint(["code_id"], ["registration_code.id"], name="fk_recovery_letter_code_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_letter"),
        sa.UniqueConstraint("cancel_hash", name="uq_recovery_letter_cancel_hash"),
    )
    for column in ("account_id", "portal_id", "requested_at"):
        op.create_index(f"ix_recovery_letter_{column}", "recovery_letter", [column], unique=False)
