"""Whatever belongs to an account has an end when the account is closed (idp/services/closing.py)."""

from __future__ import annotations

from idp.models.base import Base
from idp.services.closing import ERASED

STAYS = {
    "audit_event",  # knows the account by its id alone
    "session",  # ended, without browser and device; other rows hang from it
    "oauth_grant",  # withdrawn; housekeeping removes it
    "insured_person",  # the fund's record, nobody's again
}


def test_every_table_of_an_account_is_erased_or_stays_for_a_reason() -> None:
    of_account = {table.name for table in Base.metadata.tables.values() if "account_id" in table.columns}
    assert of_account == {model.__tablename__ for model in ERASED} | STAYS
