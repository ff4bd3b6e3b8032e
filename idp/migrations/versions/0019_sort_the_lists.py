"""Add what lists are sorted and filtered by: names folded for sorting, and of a code the portal that it is for.

The names are folded by the code that keeps them; a release that folds them otherwise makes them anew.
"""

import sqlalchemy as sa
from alembic import op

from idp.models.person_word import WORD
from idp.services.person_words import sort_name

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BATCH = 1000
NAMES = ("given_name", "family_name")
PERSON = sa.table(
    "insured_person", sa.column("id", sa.Uuid()), sa.column("account_id", sa.Uuid()),
    *(sa.column(name, sa.String()) for name in (*NAMES, "sort_name")),
)  # fmt: skip
ACCOUNT = sa.table("account", sa.column("id", sa.Uuid()), *(sa.column(name, sa.String()) for name in NAMES))
IS_BEGUN = sa.text("reserved_at IS NOT NULL AND redeemed_at IS NULL AND revoked_at IS NULL")
IS_OPEN = sa.text("redeemed_at IS NULL AND revoked_at IS NULL")
IS_REDEEMED = sa.text("redeemed_at IS NOT NULL")
IS_REVOKED = sa.text("redeemed_at IS NULL AND revoked_at IS NOT NULL")
BY_ID, BY_END = ["portal_id", "id"], ["portal_id", "expires_at", "id"]
OF_BEGUN = ["portal_id", "expires_at", "insured_person_id"]
OF_PERSONS = ["portal_id", "insured_person_id", "expires_at"]
OF_CODES = (
    ("listed", BY_ID, None), ("ending", BY_END, None), ("begun", OF_BEGUN, IS_BEGUN), ("running", BY_END, IS_OPEN),
    ("redeemed", BY_ID, IS_REDEEMED), ("revoked", BY_ID, IS_REVOKED), ("open", OF_PERSONS, IS_OPEN),
)  # fmt: skip
BY_NAME, FILTERED = ["portal_id", "sort_name", "id"], ["language", "birth_date", "account_id"]
SPOKEN = ["portal_id", "language", "birth_date", "id"]
WITHOUT_PORTAL = (("begun", IS_BEGUN), ("open", IS_OPEN))


def upgrade() -> None:
    op.add_column("insured_person", sa.Column("sort_name", WORD, nullable=False, server_default=""))
    with op.batch_alter_table("insured_person") as table:  # the default was for the rows that were there
        table.alter_column("sort_name", server_default=None)
    _fold_names()
    op.drop_index("ix_insured_person_listed", table_name="insured_person")
    op.create_index("ix_insured_person_listed", "insured_person", [*BY_ID, *FILTERED], unique=False)
    op.create_index("ix_insured_person_named", "insured_person", [*BY_NAME, *FILTERED], unique=False)
    op.create_index("ix_insured_person_spoken", "insured_person", SPOKEN, unique=False)
    for name, _ in WITHOUT_PORTAL:
        op.drop_index(f"ix_registration_code_{name}", table_name="registration_code")
    op.add_column("registration_code", sa.Column("portal_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE registration_code SET portal_id = "
        "(SELECT p.portal_id FROM insured_person p WHERE p.id = registration_code.insured_person_id)"
    )
    with op.batch_alter_table("registration_code") as table:
        table.alter_column("portal_id", existing_type=sa.Uuid(), nullable=False)
        table.create_foreign_key("fk_registration_code_portal_id", "portal", ["portal_id"], ["id"])
    for name, columns, where in OF_CODES:
        op.create_index(
            f"ix_registration_code_{name}", "registration_code", columns, unique=False, sqlite_where=where,
            postgresql_where=where,
        )  # fmt: skip
    op.create_index("ix_audit_event_tagged", "audit_event", ["tag", "id"], unique=False)
    op.create_index("ix_outbox_message_listed", "outbox_message", ["channel", "id"], unique=False)


def _fold_names() -> None:
    """Some records at a time, in the order of their ids, so that no million is held in memory."""
    connection, last = op.get_bind(), None
    some = (
        sa.select(PERSON, ACCOUNT.c.given_name.label("given"), ACCOUNT.c.family_name.label("family"))
        .select_from(PERSON.outerjoin(ACCOUNT, ACCOUNT.c.id == PERSON.c.account_id))
        .order_by(PERSON.c.id)
        .limit(BATCH)
    )
    fold_one = sa.update(PERSON).where(PERSON.c.id == sa.bindparam("whose")).values(sort_name=sa.bindparam("folded"))
    while rows := connection.execute(some if last is None else some.where(PERSON.c.id > last)).mappings().all():
        folded = [
            {
                "whose": row["id"],
                "folded": sort_name(row["given_name"] or row["given"], row["family_name"] or row["family"]),
            }
            for row in rows
        ]
        connection.execute(fold_one, folded)
        last = rows[-1]["id"]


def downgrade() -> None:
    op.drop_index("ix_outbox_message_listed", table_name="outbox_message")
    op.drop_index("ix_audit_event_tagged", table_name="audit_event")
    for name, _, _ in OF_CODES:
        op.drop_index(f"ix_registration_code_{name}", table_name="registration_code")
    with op.batch_alter_table("registration_code") as table:
        table.drop_constraint("fk_registration_code_portal_id", type_="foreignkey")
        table.drop_column("portal_id")
    for name, where in WITHOUT_PORTAL:
        op.create_index(
            f"ix_registration_code_{name}", "registration_code", ["insured_person_id", "expires_at"], unique=False,
            sqlite_where=where, postgresql_where=where,
        )  # fmt: skip
    op.drop_index("ix_insured_person_spoken", table_name="insured_person")
    op.drop_index("ix_insured_person_named", table_name="insured_person")
    op.drop_index("ix_insured_person_listed", table_name="insured_person")
    op.create_index("ix_insured_person_listed", "insured_person", BY_ID, unique=False)
    op.drop_column("insured_person", "sort_name")
