"""Forms that came after their session had ended: kept sealed for half an hour, for the same person in the same browser.

Only what passed the guard against foreign forms is kept, nothing secret is among it, and it is never carried out by
itself: the person sees it again and sends it once more (ux.md §4.5).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import insert_if_absent
from idp.models.kept_form import KeptForm, find_kept, forget_kept
from keys import Vault

KEPT_FOR = timedelta(minutes=30)
LARGEST = 4096  # bytes of JSON
OF_THE_PAGE = {"csrf_token", "nonce"}
SECRET = {"password", "otp", "recovery_code", "code", "passkey"}


@dataclass(frozen=True, repr=False)
class Kept:
    path: str
    fields: dict[str, str]


class KeptForms:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault

    def keep(self, browser_hash: str, account_id: UUID, path: str, form: Mapping[str, str]) -> bool:
        """Keep it in place of what was kept before; False where it holds a secret or too much, and is asked anew."""
        fields = {name: value for name, value in form.items() if name not in OF_THE_PAGE}
        written = json.dumps(fields).encode()
        if SECRET & fields.keys() or len(written) > LARGEST:
            return False
        now = self._clock.now()
        ident = new_id(self._random, now)
        forget_kept(browser_hash, account_id)
        return insert_if_absent(
            KeptForm,
            id=ident,
            browser_hash=browser_hash,
            account_id=account_id,
            path=path,
            sealed_fields=self._vault.seal(written, _place(ident, browser_hash, account_id, path)),
            expires_at=now + KEPT_FOR,
        )

    def find(self, browser_hash: str, account_id: UUID) -> Kept | None:
        row = find_kept(browser_hash, account_id, self._clock.now())
        if row is None:
            return None
        place = _place(row.id, row.browser_hash, row.account_id, row.path)
        return Kept(row.path, json.loads(self._vault.open(row.sealed_fields, place)))

    def settle(self, browser_hash: str, account_id: UUID, path: str) -> None:
        """A form was sent to this address by its person: what was kept for it is done with."""
        forget_kept(browser_hash, account_id, path)


def _place(ident: UUID, browser_hash: str, account_id: UUID, path: str) -> str:
    """A row that is moved to another browser, account or address cannot be opened."""
    return f"kept_form.sealed_fields.{ident}|{browser_hash}|{account_id}|{path}"
