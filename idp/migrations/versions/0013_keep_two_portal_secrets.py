"""Let a portal have two client secrets for a while, words of its own, and the time of its last change."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MOMENTS = ("changed_at", "client_secret_made_at", "previous_secret_made_at", "previous_secret_until")
WORDS = ("previous_secret_hash", "logo_alt")


def upgrade() -> None:
    for name in MOMENTS:
        op.add_column("portal", sa.Column(name, UTCDateTime(timezone=True), nullable=True))
    op.add_column("portal", sa.Column("texts", JSONDocument, nullable=True))
    for name in WORDS:
        op.add_column("portal", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("portal") as table:
        for name in (*MOMENTS, *WORDS, "texts"):
            table.drop_column(name)
