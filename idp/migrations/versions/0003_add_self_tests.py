"""Add what a portal's developer watches: the self-tests and the requests observed during them."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "self_test",
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("watched_until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_self_test_portal_id"),
        sa.PrimaryKeyConstraint("portal_id", name="pk_self_test"),
    )
    op.create_table(
        "observed_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("observation", JSONDocument, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_observed_request_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_observed_request"),
    )
    op.create_index("ix_observed_request_portal_id", "observed_request", ["portal_id"], unique=False)
    op.create_index("ix_observed_request_expires_at", "observed_request", ["expires_at"], unique=False)
