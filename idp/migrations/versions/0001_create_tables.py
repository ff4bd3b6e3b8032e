"""Create the tables."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
DOCUMENT = JSONDocument


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_verified_at", MOMENT, nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("family_name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("terms_accepted_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("email", name="uq_account_email"),
    )
    op.create_table(
        "assertion_id",
        sa.Column("id_hash", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_assertion_id"),
    )
    op.create_index("ix_assertion_id_expires_at", "assertion_id", ["expires_at"], unique=False)

    op.create_table(
        "attempt_counter",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("blocked_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("subject", name="pk_attempt_counter"),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("insured_person_id", sa.Uuid(), nullable=True),
        sa.Column("portal_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_account_id", "audit_event", ["account_id"], unique=False)
    op.create_index("ix_audit_event_at", "audit_event", ["at"], unique=False)
    op.create_index("ix_audit_event_insured_person_id", "audit_event", ["insured_person_id"], unique=False)

    op.create_table(
        "portal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("names", DOCUMENT, nullable=False),
        sa.Column("short_name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("hours", DOCUMENT, nullable=False),
        sa.Column("brand_color", sa.String(), nullable=False),
        sa.Column("logo_svg", sa.String(), nullable=True),
        sa.Column("home_url", sa.String(), nullable=False),
        sa.Column("code_life_days", sa.Integer(), nullable=False),
        sa.Column("second_item", sa.String(), nullable=False),
        sa.Column("factors", DOCUMENT, nullable=False),
        sa.Column("letter_window", sa.String(), nullable=False),
        sa.Column("redirect_uris", DOCUMENT, nullable=False),
        sa.Column("post_logout_redirect_uris", DOCUMENT, nullable=False),
        sa.Column("initiate_login_uri", sa.String(), nullable=True),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("token_endpoint_auth_method", sa.String(), nullable=False),
        sa.Column("token_endpoint_auth_signing_alg", sa.String(), nullable=True),
        sa.Column("client_secret_hash", sa.String(), nullable=True),
        sa.Column("jwks", DOCUMENT, nullable=True),
        sa.Column("assertion_audience", sa.String(), nullable=False),
        sa.Column("id_token_signed_response_alg", sa.String(), nullable=False),
        sa.Column("subject_type", sa.String(), nullable=False),
        sa.Column("sector_identifier", sa.String(), nullable=False),
        sa.Column("require_pkce", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_portal"),
        sa.UniqueConstraint("client_id", name="uq_portal_client_id"),
        sa.UniqueConstraint("slug", name="uq_portal_slug"),
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("alg", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("public_jwk", DOCUMENT, nullable=False),
        sa.Column("sealed_private", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_key"),
    )
    op.create_table(
        "flow_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handle_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("state", DOCUMENT, nullable=False),
        sa.Column("entries", DOCUMENT, nullable=False),
        sa.Column("errors", DOCUMENT, nullable=False),
        sa.Column("notice", DOCUMENT, nullable=False),
        sa.Column("resume", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("consumed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_flow_run_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_flow_run"),
        sa.UniqueConstraint("handle_hash", name="uq_flow_run_handle_hash"),
    )
    op.create_index("ix_flow_run_expires_at", "flow_run", ["expires_at"], unique=False)

    op.create_table(
        "insured_person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("insured_number", sa.String(), nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("family_name", sa.String(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("address", DOCUMENT, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("linked_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_insured_person_account_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_insured_person_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_insured_person"),
        sa.UniqueConstraint("portal_id", "account_id", name="uq_insured_person_portal_id_account_id"),
        sa.UniqueConstraint("portal_id", "external_id", name="uq_insured_person_portal_id_external_id"),
    )
    op.create_index("ix_insured_person_account_id", "insured_person", ["account_id"], unique=False)

    op.create_table(
        "outbox_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed_content", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_outbox_message_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_message"),
    )
    op.create_index("ix_outbox_message_due", "outbox_message", ["state", "due_at"], unique=False)
    op.create_index("ix_outbox_message_run_id", "outbox_message", ["run_id"], unique=False)

    op.create_table(
        "password",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_password_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_password"),
    )
    op.create_table(
        "pending_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handle_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("consumed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_pending_request_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pending_request"),
        sa.UniqueConstraint("handle_hash", name="uq_pending_request_handle_hash"),
    )
    op.create_index("ix_pending_request_expires_at", "pending_request", ["expires_at"], unique=False)

    op.create_table(
        "phone",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("verified_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_phone_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_phone"),
    )
    op.create_index("ix_phone_number", "phone", ["number"], unique=False)

    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("auth_time", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("acr", sa.String(), nullable=False),
        sa.Column("amr", DOCUMENT, nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_session_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("secret_hash", name="uq_session_secret_hash"),
    )
    op.create_index("ix_session_account_id", "session", ["account_id"], unique=False)
    op.create_index("ix_session_browser_hash", "session", ["browser_hash"], unique=False)

    op.create_table(
        "totp_secret",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_seed", sa.String(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_totp_secret_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_totp_secret"),
    )
    op.create_table(
        "challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("recipient_hash", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["flow_run.id"], name="fk_challenge_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_challenge"),
    )
    op.create_index("ix_challenge_expires_at", "challenge", ["expires_at"], unique=False)
    op.create_index("ix_challenge_run_kind", "challenge", ["run_id", "kind", "sent_at"], unique=False)

    op.create_table(
        "portal_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_portal_session_portal_id"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_portal_session_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_portal_session"),
        sa.UniqueConstraint("session_id", "portal_id", name="uq_portal_session_session_id_portal_id"),
    )
    op.create_table(
        "registration_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("insured_person_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("reserved_by", sa.Uuid(), nullable=True),
        sa.Column("reserved_at", MOMENT, nullable=True),
        sa.Column("redeemed_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["insured_person_id"], ["insured_person.id"], name="fk_registration_code_insured_person_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_registration_code"),
        sa.UniqueConstraint("code_hash", name="uq_registration_code_code_hash"),
    )
    op.create_index(
        "ix_registration_code_person", "registration_code", ["insured_person_id", "issued_at"], unique=False
    )

    op.create_table(
        "submission",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["flow_run.id"], name="fk_submission_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "nonce", name="pk_submission"),
    )
    op.create_table(
        "oauth_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("sid", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=True),
        sa.Column("auth_time", MOMENT, nullable=False),
        sa.Column("acr", sa.String(), nullable=False),
        sa.Column("amr", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_oauth_grant_account_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_oauth_grant_portal_id"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_oauth_grant_session_id"),
        sa.ForeignKeyConstraint(["sid"], ["portal_session.id"], name="fk_oauth_grant_sid"),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_grant"),
    )
    op.create_index("ix_oauth_grant_account_id", "oauth_grant", ["account_id"], unique=False)
    op.create_index("ix_oauth_grant_expires_at", "oauth_grant", ["expires_at"], unique=False)
    op.create_index("ix_oauth_grant_session_id", "oauth_grant", ["session_id"], unique=False)

    op.create_table(
        "access_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], name="fk_access_token_grant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_access_token"),
        sa.UniqueConstraint("token_hash", name="uq_access_token_token_hash"),
    )
    op.create_index("ix_access_token_expires_at", "access_token", ["expires_at"], unique=False)

    op.create_table(
        "authorization_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], name="fk_authorization_code_grant_id"),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_authorization_code_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_authorization_code"),
        sa.UniqueConstraint("code_hash", name="uq_authorization_code_code_hash"),
    )
    op.create_index("ix_authorization_code_expires_at", "authorization_code", ["expires_at"], unique=False)

    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], name="fk_refresh_token_grant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_token"),
        sa.UniqueConstraint("token_hash", name="uq_refresh_token_token_hash"),
    )
    op.create_index("ix_refresh_token_expires_at", "refresh_token", ["expires_at"], unique=False)
