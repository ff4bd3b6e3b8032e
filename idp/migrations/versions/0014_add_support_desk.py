"""Add what the support desk looks through: the words by which persons are found, filled in, and letters to print.

The words are made by the code that keeps them; a release that folds words otherwise makes them anew.
"""

import sqlalchemy as sa
from alembic import op

from idp.models.base import JSONDocument, UTCDateTime
from idp.models.person_word import WORD
from idp.services.person_words import words_of

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BATCH = 1000
COLUMNS = ("external_id", "insured_number", "given_name", "family_name")
PERSON = sa.table(
    "insured_person", sa.column("id", sa.Uuid()), sa.column("portal_id", sa.Uuid()), sa.column("account_id", sa.Uuid()),
    sa.column("address", JSONDocument), *(sa.column(name, sa.String()) for name in COLUMNS),
)  # fmt: skip
ACCOUNT = sa.table(
    "account", sa.column("id", sa.Uuid()), sa.column("given_name", sa.String()), sa.column("family_name", sa.String())
)
IS_REGISTERED = sa.text("account_id IS NOT NULL")
IS_LOCK = sa.text("tag = 'person:attempts:exhaust'")
IS_WAITING = sa.text("printed_at IS NULL AND cancelled_at IS NULL")
MOMENT = UTCDateTime(timezone=True)
IS_BEGUN = sa.text("reserved_at IS NOT NULL AND redeemed_at IS NULL AND revoked_at IS NULL")
IS_OPEN = sa.text("redeemed_at IS NULL AND revoked_at IS NULL")


def upgrade() -> None:
    words = op.create_table(
        "person_word",
        sa.Column("portal_id", sa.Uuid(), nullable=False),
        sa.Column("word", WORD, nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["insured_person.id"], name="fk_person_word_person_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("portal_id", "word", "person_id", name="pk_person_word"),
    )
    _fill(words)
    op.create_index("ix_person_word_person_id", "person_word", ["person_id", "word"], unique=False)
    op.create_index("ix_insured_person_listed", "insured_person", ["portal_id", "id"], unique=False)
    op.create_index(
        "ix_insured_person_registered", "insured_person", ["portal_id", "id"], unique=False,
        sqlite_where=IS_REGISTERED, postgresql_where=IS_REGISTERED,
    )  # fmt: skip
    op.create_index(
        "ix_registration_code_begun", "registration_code", ["insured_person_id", "expires_at"], unique=False,
        sqlite_where=IS_BEGUN, postgresql_where=IS_BEGUN,
    )  # fmt: skip
    op.create_index(
        "ix_registration_code_open", "registration_code", ["insured_person_id", "expires_at"], unique=False,
        sqlite_where=IS_OPEN, postgresql_where=IS_OPEN,
    )  # fmt: skip
    op.create_index(
        "ix_audit_event_lock", "audit_event", ["at"], unique=False, sqlite_where=IS_LOCK, postgresql_where=IS_LOCK
    )
    op.create_table(
        "letter_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("insured_person_id", sa.Uuid(), nullable=False),
        sa.Column("ordered_by", sa.Uuid(), nullable=False),
        sa.Column("ordered_at", MOMENT, nullable=False),
        sa.Column("printed_at", MOMENT, nullable=True),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["insured_person_id"], ["insured_person.id"], name="fk_letter_order_insured_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_letter_order"),
    )
    op.create_index(
        "uq_letter_order_waiting", "letter_order", ["insured_person_id"], unique=True, sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    )  # fmt: skip
    op.create_index("ix_letter_order_ordered_by", "letter_order", ["ordered_by", "ordered_at"], unique=False)


def _fill(words: sa.Table) -> None:
    """Some records at a time, in the order of their ids, so that no million is held in memory."""
    connection, last = op.get_bind(), None
    some = (
        sa.select(PERSON, ACCOUNT.c.given_name.label("given"), ACCOUNT.c.family_name.label("family"))
        .select_from(PERSON.outerjoin(ACCOUNT, ACCOUNT.c.id == PERSON.c.account_id))
        .order_by(PERSON.c.id)
        .limit(BATCH)
    )
    while rows := connection.execute(some if last is None else some.where(PERSON.c.id > last)).mappings().all():
        made = [
            {"portal_id": row["portal_id"], "person_id": row["id"], "word": word}
            for row in rows
            for word in words_of(row, row["given"], row["family"])
        ]
        if made:
            connection.execute(words.insert(), made)
        last = rows[-1]["id"]


def downgrade() -> None:
    op.drop_table("letter_order")
    op.drop_index("ix_audit_event_lock", table_name="audit_event")
    op.drop_index("ix_registration_code_begun", table_name="registration_code")
    op.drop_index("ix_registration_code_open", table_name="registration_code")
    op.drop_index("ix_insured_person_registered", table_name="insured_person")
    op.drop_index("ix_insured_person_listed", table_name="insured_person")
    op.drop_table("person_word")
