"""Keep what operators choose in the console: settings, which gateway took an SMS, and when a key is to be followed."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "chosen_setting",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("chosen_at", MOMENT, nullable=False),
        sa.Column("chosen_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_chosen_setting"),
    )
    op.create_table(
        "shared_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_shared_version"),
    )
    op.add_column("outbox_message", sa.Column("gateway", sa.String(), nullable=True))
    op.add_column("signing_key", sa.Column("rotate_at", MOMENT, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("signing_key") as table:
        table.drop_column("rotate_at")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_column("gateway")
    op.drop_table("shared_version")
    op.drop_table("chosen_setting")
