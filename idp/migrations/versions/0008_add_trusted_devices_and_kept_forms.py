"""Add trusted devices, whether a portal lets them stand in for the second factor, and forms kept over a sign-in."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.add_column("portal", sa.Column("trusted_devices", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("portal") as table:  # the default was for the rows that were there
        table.alter_column("trusted_devices", server_default=None)
    op.create_table(
        "trusted_device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_trusted_device_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_trusted_device"),
        sa.UniqueConstraint("secret_hash", name="uq_trusted_device_secret_hash"),
    )
    op.create_index("ix_trusted_device_account_id", "trusted_device", ["account_id"], unique=False)
    op.create_index("ix_trusted_device_expires_at", "trusted_device", ["expires_at"], unique=False)
    op.create_table(
        "kept_form",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sealed_fields", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_kept_form_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_kept_form"),
        sa.UniqueConstraint("browser_hash", "account_id", name="uq_kept_form_browser_hash_account_id"),
    )
    op.create_index("ix_kept_form_expires_at", "kept_form", ["expires_at"], unique=False)
