"""Find by an index what hangs from a row that is removed, messages by their day, and batches by their state."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

IS_STREAK = sa.text("streak > 0")
INDEXES = (
    ("ix_factor_reset_insured_person_id", "factor_reset", ["insured_person_id"]),
    ("ix_kept_form_account_id", "kept_form", ["account_id"]),
    ("ix_letter_batch_state", "letter_batch", ["state", "id"]),
    ("ix_letter_order_insured_person_id", "letter_order", ["insured_person_id"]),
    ("ix_outbox_message_made", "outbox_message", ["created_at", "channel", "state"]),
    ("ix_recovery_letter_code_id", "recovery_letter", ["code_id"]),
    ("ix_recovery_letter_insured_person_id", "recovery_letter", ["insured_person_id"]),
)


def upgrade() -> None:
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)
    op.create_index(
        "ix_attempt_counter_streak", "attempt_counter", ["last_at"], unique=False, sqlite_where=IS_STREAK,
        postgresql_where=IS_STREAK,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_attempt_counter_streak", table_name="attempt_counter")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
