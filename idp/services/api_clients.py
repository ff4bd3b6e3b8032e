"""Clients of the admin API as operators keep them, and the access tokens they get (RFC 6749 §4.4).

A token is opaque, lives ten minutes, is good at the API alone, and dies with its client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select

from idp.chance import Random, hash_of, new_id, pick, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.api_client import ApiClient, ApiToken, find_api_client, find_api_token, note_use
from idp.models.base import db, write
from idp.models.portal import find_portal_in_any_state
from idp.services.audit import Audit, AuditTag
from idp.services.client_secrets import ClientSecrets
from idp.services.permissions import ClientRights, Scope

PREFIX = "cc_api_"  # of a client id: no portal's slug has an underscore, so none has such a client id
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
TOKEN_FOR = timedelta(minutes=10)
LONGEST_NAME = 80


@dataclass(frozen=True)
class Caller:
    """Who calls the API with this token, and what they may do with it."""

    client: ApiClient
    rights: ClientRights


class ApiClients:
    def __init__(self, clock: Clock, random: Random, secrets: ClientSecrets, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._secrets = secrets
        self._audit = audit

    def add(self, name: str, scopes: Sequence[str], slug: str | None, by: UUID | None = None) -> tuple[ApiClient, str]:
        """A new client, and its secret in plain text, this once. Raises `BadInput` with every fault, one a line."""
        portal = find_portal_in_any_state(slug) if slug else None
        faults = [f"scopes: {one!r} is none of {', '.join(Scope)}" for one in scopes if one not in set(Scope)]
        if not scopes:
            faults.append("scopes: a client needs one at least")
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            faults.append(f"name: must be a line of 1 to {LONGEST_NAME} characters")
        if slug and portal is None:
            faults.append("portal: there is no such portal")
        if faults:
            raise BadInput("\n".join(faults))
        now = self._clock.now()
        client = ApiClient(
            id=new_id(self._random, now), client_id=PREFIX + pick(self._random, ALPHABET, 16), name=name.strip(),
            portal_id=portal.id if portal else None, scopes=[one.value for one in Scope if one in scopes],
            created_at=now, created_by=by,
        )  # fmt: skip
        secret = self._secrets.make(client)
        db.session.add(client)
        db.session.flush()
        self._record(client, "add", f"{client.name}: {' '.join(client.scopes)}")
        return client, secret

    def renew(self, client: ApiClient, keep_old_for: timedelta | None) -> str:
        """A new secret in plain text, this once; the old one stays good for so long. Raises `BadInput`."""
        secret, until = self._secrets.renew(client, keep_old_for)
        self._record(client, "secret", f"the old one until: {until}")
        return secret

    def has_previous(self, client: ApiClient) -> bool:
        return self._secrets.has_previous(client)

    def end_previous(self, client: ApiClient) -> None:
        """The older secret is void from now on. Raises `BadInput` where there is none."""
        self._secrets.end_previous(client)
        self._record(client, "end secret")

    def revoke(self, client: ApiClient) -> None:
        """The client and every token it holds are void, for good; its row stays for the record of events."""
        client.revoked_at = self._clock.now()
        write(delete(ApiToken).where(ApiToken.api_client_id == client.id))
        self._record(client, "revoke")

    def all(self) -> list[ApiClient]:
        """Every client that is not revoked, newest first."""
        found = select(ApiClient).where(ApiClient.revoked_at.is_(None))
        return list(db.session.scalars(found.order_by(ApiClient.id.desc())))

    def load(self, client_id: str) -> ApiClient:
        """The client of this id. Raises `BadInput`."""
        found = find_api_client(client_id)
        if found is None:
            raise BadInput(f"there is no client {client_id!r}; `connect api-client list` shows them")
        return found

    def authenticated(self, client_id: str, secret: str) -> ApiClient | None:
        """The client whose secret this is; an unknown one costs the same."""
        client = find_api_client(client_id)
        return client if self._secrets.is_right(client, secret) else None

    def issue(self, client: ApiClient, scopes: Sequence[str]) -> str:
        """An access token in plain text, good for `TOKEN_FOR`; only its hash is kept."""
        now, secret = self._clock.now(), token(self._random, "cc_ap_")
        db.session.add(
            ApiToken(
                id=new_id(self._random, now), token_hash=hash_of(secret), api_client_id=client.id, scopes=list(scopes),
                created_at=now, expires_at=now + TOKEN_FOR,
            )
        )  # fmt: skip
        note_use(client, now)
        return secret

    def find(self, secret: str) -> Caller | None:
        """Who holds this token. A scope that was taken from the client since is no longer in it."""
        found = find_api_token(hash_of(secret), self._clock.now())
        if found is None:
            return None
        client, scopes = found
        return Caller(client, ClientRights(frozenset(map(Scope, set(scopes) & set(client.scopes))), client.portal_id))

    def _record(self, client: ApiClient, action: str, detail: str = "") -> None:
        self._audit.record(
            AuditTag.API_CLIENT_CHANGED, portal=client.portal_id, client=client.client_id, action=action, detail=detail
        )
