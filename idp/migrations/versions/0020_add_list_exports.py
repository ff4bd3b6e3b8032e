"""Add exports of the console's lists, and saved views of them."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "list_export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("listing", sa.String(), nullable=False),
        sa.Column("filters", JSONDocument, nullable=False),
        sa.Column("portals", JSONDocument, nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("written", JSONDocument, nullable=False),
        sa.Column("portal_at", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=True),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_list_export_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_list_export"),
    )
    op.create_index("ix_list_export_account_id", "list_export", ["account_id"], unique=False)
    op.create_index("ix_list_export_made_at", "list_export", ["made_at"], unique=False)
    op.create_table(
        "export_piece",
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed_data", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["list_export.id"], name="fk_export_piece_export_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name="pk_export_piece"),
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("listing", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("filters", JSONDocument, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_saved_view_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("account_id", "listing", "name", name="uq_saved_view_account_id_listing_name"),
    )


def downgrade() -> None:
    op.drop_table("saved_view")
    op.drop_table("export_piece")
    op.drop_table("list_export")
