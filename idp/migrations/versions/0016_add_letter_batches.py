"""Add batches of letters, the letters in them, their sealed files, and changes of many codes at once."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import UTCDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
IS_UNSETTLED = sa.text("settled_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "letter_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("window", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("set_at", MOMENT, nullable=True),
        sa.Column("printed_by", sa.Uuid(), nullable=True),
        sa.Column("printed_at", MOMENT, nullable=True),
        sa.Column("issued_at", MOMENT, nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("taken_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_letter_batch_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_letter_batch"),
        sa.UniqueConstraint("portal_id", "number", name="uq_letter_batch_portal_id_number"),
        sa.UniqueConstraint("mark", name="uq_letter_batch_mark"),
    )
    op.create_table(
        "batch_letter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("insured_person_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=True),
        sa.Column("earlier", sa.Integer(), nullable=False),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("returned_at", MOMENT, nullable=True),
        sa.Column("returned_by", sa.Uuid(), nullable=True),
        sa.Column("return_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["letter_batch.id"], name="fk_batch_letter_batch_id"),
        sa.ForeignKeyConstraint(["insured_person_id"], ["insured_person.id"], name="fk_batch_letter_insured_person_id"),
        sa.ForeignKeyConstraint(["code_id"], ["registration_code.id"], name="fk_batch_letter_code_id"),
        sa.PrimaryKeyConstraint("id", name="pk_batch_letter"),
        sa.UniqueConstraint("reference", name="uq_batch_letter_reference"),
        sa.UniqueConstraint("code_id", name="uq_batch_letter_code_id"),
    )
    op.create_index("ix_batch_letter_in_order", "batch_letter", ["batch_id", "number"], unique=False)
    op.create_index("ix_batch_letter_person", "batch_letter", ["insured_person_id"], unique=False)
    op.create_index(
        "uq_batch_letter_unsettled", "batch_letter", ["insured_person_id"], unique=True, sqlite_where=IS_UNSETTLED,
        postgresql_where=IS_UNSETTLED,
    )  # fmt: skip
    op.create_table(
        "letter_file",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("sealed_pdf", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["letter_batch.id"], name="fk_letter_file_batch_id"),
        sa.PrimaryKeyConstraint("batch_id", "part", name="pk_letter_file"),
    )
    op.create_table(
        "code_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("code_state", sa.String(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("taken_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_code_change_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_code_change"),
    )
    op.create_index("ix_code_change_portal_id", "code_change", ["portal_id"], unique=False)


def downgrade() -> None:
    op.drop_table("code_change")
    op.drop_table("letter_file")
    op.drop_table("batch_letter")
    op.drop_table("letter_batch")
