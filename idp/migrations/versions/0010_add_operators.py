"""Add operators, their roles, sessions and invitations, and who in the console did what."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("paused_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_operator_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_operator"),
    )
    op.create_table(
        "operator_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=True),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["operator.account_id"], name="fk_operator_role_account_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_operator_role_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_operator_role"),
        sa.UniqueConstraint("account_id", "role", "portal_id", name="uq_operator_role_account_id_role_portal_id"),
    )
    op.create_table(
        "operator_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("amr", JSONDocument, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["operator.account_id"], name="fk_operator_session_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_operator_session"),
        sa.UniqueConstraint("secret_hash", name="uq_operator_session_secret_hash"),
    )
    op.create_index("ix_operator_session_account_id", "operator_session", ["account_id"], unique=False)
    op.create_index("ix_operator_session_created_at", "operator_session", ["created_at"], unique=False)
    op.create_table(
        "operator_invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("roles", JSONDocument, nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operator_invitation"),
        sa.UniqueConstraint("token_hash", name="uq_operator_invitation_token_hash"),
    )
    op.create_index("ix_operator_invitation_expires_at", "operator_invitation", ["expires_at"], unique=False)
    op.add_column("audit_event", sa.Column("actor_id", sa.Uuid(), nullable=True))
    op.create_index("ix_audit_event_actor_id", "audit_event", ["actor_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audit_event_actor_id", table_name="audit_event")
    op.drop_column("audit_event", "actor_id")
    op.drop_table("operator_invitation")
    op.drop_table("operator_session")
    op.drop_table("operator_role")
    op.drop_table("operator")
