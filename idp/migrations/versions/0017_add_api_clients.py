"""Add the clients of the admin API and their tokens."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_client",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=True),
        sa.Column("scopes", JSONDocument, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("client_secret_hash", sa.String(), nullable=True),
        sa.Column("client_secret_made_at", MOMENT, nullable=True),
        sa.Column("previous_secret_hash", sa.String(), nullable=True),
        sa.Column("previous_secret_made_at", MOMENT, nullable=True),
        sa.Column("previous_secret_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_api_client_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_client"),
        sa.UniqueConstraint("client_id", name="uq_api_client_client_id"),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("api_client_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", JSONDocument, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["api_client_id"], ["api_client.id"], name="fk_api_token_api_client_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
    )
    op.create_index("ix_api_token_api_client_id", "api_token", ["api_client_id"], unique=False)
    op.create_index("ix_api_token_expires_at", "api_token", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("api_token")
    op.drop_table("api_client")
