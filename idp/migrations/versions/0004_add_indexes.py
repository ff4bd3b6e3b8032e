"""Add the indexes that cleaning and the limits of sending look through."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PLAIN = {
    "ix_access_token_grant_id": ("access_token", ["grant_id"]),
    "ix_authorization_code_grant_id": ("authorization_code", ["grant_id"]),
    "ix_challenge_recipient": ("challenge", ["recipient_hash", "kind", "sent_at"]),
    "ix_challenge_sent": ("challenge", ["kind", "sent_at"]),
    "ix_device_authorization_grant_id": ("device_authorization", ["grant_id"]),
    "ix_oauth_grant_sid": ("oauth_grant", ["sid"]),
    "ix_outbox_message_sent": ("outbox_message", ["portal_id", "channel", "created_at"]),
    "ix_refresh_token_grant_id": ("refresh_token", ["grant_id"]),
    "ix_session_created_at": ("session", ["created_at"]),
}
PARTIAL = {
    "ix_attempt_counter_last_at": ("attempt_counter", ["last_at"], "streak = 0"),
    "ix_oauth_grant_revoked_at": ("oauth_grant", ["revoked_at"], "revoked_at IS NOT NULL"),
    "ix_outbox_message_settled_at": ("outbox_message", ["settled_at"], "settled_at IS NOT NULL"),
}


def upgrade() -> None:
    for name, (table, columns) in PLAIN.items():
        op.create_index(name, table, columns, unique=False)
    for name, (table, columns, where) in PARTIAL.items():
        rows = sa.text(where)
        op.create_index(name, table, columns, unique=False, sqlite_where=rows, postgresql_where=rows)
