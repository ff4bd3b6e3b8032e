"""Add the indexes that cleaning and the limits of sending look through, and keep the signing keys to one of a kind.

Where two processes that started together made two active or two next keys, the older one stays.
"""

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

IS_ONE = "state IN ('active', 'next')"
KEY = sa.table("signing_key", *(sa.column(name) for name in ("kid", "alg", "state", "state_since", "created_at")))


def upgrade() -> None:
    for name, (table, columns) in PLAIN.items():
        op.create_index(name, table, columns, unique=False)
    for name, (table, columns, where) in PARTIAL.items():
        rows = sa.text(where)
        op.create_index(name, table, columns, unique=False, sqlite_where=rows, postgresql_where=rows)
    # A second active key has signed tokens, so it stays published until the calendar retires it.
    now = sa.func.current_timestamp()
    op.execute(KEY.update().where(_is_second("active")).values(state="retiring", state_since=now))
    op.execute(KEY.delete().where(_is_second("next")))
    is_one = sa.text(IS_ONE)
    op.create_index(
        "uq_signing_key_state", "signing_key", ["alg", "state"], unique=True, sqlite_where=is_one,
        postgresql_where=is_one,
    )  # fmt: skip


def _is_second(state: str) -> sa.ColumnElement[bool]:
    """The keys in this state that have an older one beside them."""
    other = KEY.alias("other")
    is_older = sa.or_(
        other.c.created_at < KEY.c.created_at,
        sa.and_(other.c.created_at == KEY.c.created_at, other.c.kid < KEY.c.kid),
    )
    is_beside = sa.and_(other.c.alg == KEY.c.alg, other.c.state == state, is_older)
    return sa.and_(KEY.c.state == state, sa.exists().where(is_beside))
