"""Add imports as jobs: their sealed files, what each step wrote, how columns were named, and the tokens of feeds."""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime(timezone=True)
IS_WORKED_ON = sa.text("state IN ('checking', 'running', 'undoing')")
COUNTS = ("rows", "position", "new", "changed", "unchanged", "errors", "left_out")


def upgrade() -> None:
    op.create_table(
        "person_import",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed_headings", sa.String(), nullable=True),
        sa.Column("fields", JSONDocument, nullable=True),
        sa.Column("starts_itself", sa.Boolean(), nullable=False),
        sa.Column("good_only", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("left_ids", JSONDocument, nullable=True),
        sa.Column("changed_fields", JSONDocument, nullable=True),
        sa.Column("sealed_errors", sa.String(), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("fault_named", JSONDocument, nullable=True),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_person_import_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person_import"),
    )
    op.create_index("ix_person_import_listed", "person_import", ["portal_id", "id"], unique=False)
    op.create_index(
        "ix_person_import_worked_on", "person_import", ["id"], unique=False, sqlite_where=IS_WORKED_ON,
        postgresql_where=IS_WORKED_ON,
    )  # fmt: skip
    for table, number, *columns in (
        ("import_chunk", "number", sa.Column("sealed_data", sa.String(), nullable=False)),
        (
            "import_batch",
            "position",
            sa.Column("written_at", MOMENT, nullable=False),
            sa.Column("sealed_before", sa.String(), nullable=False),
        ),
    ):
        op.create_table(
            table,
            sa.Column("import_id", sa.Uuid(), nullable=False),
            sa.Column(number, sa.Integer(), nullable=False),
            *columns,
            sa.ForeignKeyConstraint(
                ["import_id"], ["person_import.id"], name=f"fk_{table}_import_id", ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("import_id", number, name=f"pk_{table}"),
        )
    op.create_table(
        "import_mapping",
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("columns", JSONDocument, nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_import_mapping_portal_id"),
        sa.PrimaryKeyConstraint("portal_id", name="pk_import_mapping"),
    )
    op.create_table(
        "import_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name="fk_import_token_portal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_import_token"),
        sa.UniqueConstraint("token_hash", name="uq_import_token_token_hash"),
    )
    op.create_index("ix_import_token_portal_id", "import_token", ["portal_id"], unique=False)


def downgrade() -> None:
    for table in ("import_token", "import_mapping", "import_batch", "import_chunk", "person_import"):
        op.drop_table(table)
