"""Add the security profiles of portals, pushed requests, consent, device authorizations, invites, bound tokens."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
DOCUMENT = JSONDocument


def _flag(name: str, default: bool) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.true() if default else sa.false())


def _word(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False, server_default=default)


def _words(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, DOCUMENT, nullable=False, server_default=sa.text(f"'{default}'"))


def upgrade() -> None:
    _extend_portal()
    _extend_tokens()
    _create_tables()


def _extend_portal() -> None:
    may_be_empty = (
        "sector_identifier_uri", "jwks_uri", "tls_client_auth_subject_dn", "tls_client_auth_san_dns",
        "request_object_signing_alg", "authorization_signed_response_alg", "introspection_signed_response_alg",
        "backchannel_logout_uri", "policy_uri", "tos_uri", "registration_token_hash",
    )  # fmt: skip
    for name in may_be_empty:
        op.add_column("portal", sa.Column(name, sa.String(), nullable=True))
    op.add_column("portal", sa.Column("default_max_age", sa.Integer(), nullable=True))
    columns = (
        _word("security_profile", "standard"),
        _words("grant_types", '["authorization_code", "refresh_token"]'),
        _flag("require_par", False),
        _flag("require_signed_request_object", False),
        _word("access_token_format", "opaque"),
        _words("resources", "[]"),
        _flag("dpop_bound_access_tokens", False),
        _flag("tls_client_certificate_bound_access_tokens", False),
        _flag("refresh_rotation", True),
        _words("allowed_acr", '["mfa", "phr"]'),
        _words("default_acr_values", "[]"),
        _flag("backchannel_logout_session_required", False),
        _flag("consent", False),
        _flag("verified_claims", False),
        _word("publisher", ""),
    )
    for column in columns:
        op.add_column("portal", column)
    with op.batch_alter_table("portal") as table:  # the defaults were for the rows that were there
        for column in columns:
            table.alter_column(column.name, server_default=None)


def _extend_tokens() -> None:
    op.add_column("pending_request", sa.Column("denied_at", MOMENT, nullable=True))
    op.add_column("registration_code", sa.Column("second_item", sa.String(), nullable=True))
    op.add_column("oauth_grant", sa.Column("claims", DOCUMENT, nullable=True))
    op.add_column("oauth_grant", sa.Column("resources", DOCUMENT, nullable=True))
    op.add_column("authorization_code", sa.Column("dpop_jkt", sa.String(), nullable=True))
    op.add_column("access_token", sa.Column("portal_id", sa.Uuid(), nullable=True))
    op.add_column("access_token", sa.Column("audience", DOCUMENT, nullable=True))
    op.add_column("access_token", sa.Column("confirmation", DOCUMENT, nullable=True))
    op.add_column("access_token", sa.Column("actor", DOCUMENT, nullable=True))
    op.add_column("access_token", sa.Column("created_at", MOMENT, nullable=True))
    op.add_column("access_token", sa.Column("revoked_at", MOMENT, nullable=True))
    op.execute(
        "UPDATE access_token SET created_at = expires_at, portal_id = "
        "(SELECT portal_id FROM oauth_grant WHERE oauth_grant.id = access_token.grant_id)"
    )
    with op.batch_alter_table("access_token") as table:
        table.alter_column("portal_id", existing_type=sa.Uuid(), nullable=False)
        table.alter_column("created_at", existing_type=MOMENT, nullable=False)
        table.alter_column("grant_id", existing_type=sa.Uuid(), nullable=True)
        table.create_foreign_key("fk_access_token_portal_id", "portal", ["portal_id"], ["id"])


def _create_tables() -> None:
    op.create_table(
        "pushed_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handle_hash", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("dpop_jkt", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("consumed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_pushed_request_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pushed_request"),
        sa.UniqueConstraint("handle_hash", name="uq_pushed_request_handle_hash"),
    )
    op.create_index("ix_pushed_request_expires_at", "pushed_request", ["expires_at"], unique=False)

    op.create_table(
        "consent",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("claims", DOCUMENT, nullable=False),
        sa.Column("declined", DOCUMENT, nullable=False),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_consent_account_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_consent_portal_id"),
        sa.PrimaryKeyConstraint("account_id", "portal_id", name="pk_consent"),
    )
    op.create_table(
        "device_authorization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_code_hash", sa.String(), nullable=False),
        sa.Column("user_code_hash", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("polled_at", MOMENT, nullable=True),
        sa.Column("denied_at", MOMENT, nullable=True),
        sa.Column("consumed_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], name="fk_device_authorization_grant_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_device_authorization_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_device_authorization"),
        sa.UniqueConstraint("device_code_hash", name="uq_device_authorization_device_code_hash"),
        sa.UniqueConstraint("user_code_hash", name="uq_device_authorization_user_code_hash"),
    )
    op.create_index("ix_device_authorization_expires_at", "device_authorization", ["expires_at"], unique=False)

    op.create_table(
        "portal_invite",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_portal_invite"),
        sa.UniqueConstraint("token_hash", name="uq_portal_invite_token_hash"),
    )
    op.create_index("ix_portal_invite_expires_at", "portal_invite", ["expires_at"], unique=False)
