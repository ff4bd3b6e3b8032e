"""What a person lets a third party's portal see: asked once, item by item, and only what is new later on.

OIDC Core §3.1.2.4; scopes ask for voluntary claims (§5.4), so each may be left out, and only essential claims may not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import delete, select

from idp.models.authorization import Consent
from idp.models.base import db, insert_if_absent
from idp.models.portal import Portal
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.claims import SCOPE_OF
from idp.services.audit import AuditTag
from idp.services.bundle import Services

SCOPE, CLAIM = "scope", "claim"
LABELS = {
    "scope.openid": "con.openid", "scope.profile": "con.profile", "scope.email": "l.email",
    "scope.phone": "r4.mobile", "scope.insurance": "con.insurance", "scope.offline_access": "con.offline",
    "claim.name": "con.fullname", "claim.given_name": "r4.given", "claim.family_name": "r4.family",
    "claim.birthdate": "r4.dob", "claim.locale": "c.lang", "claim.updated_at": "con.updated",
    "claim.email": "l.email", "claim.email_verified": "l.email", "claim.phone_number": "r4.mobile",
    "claim.phone_number_verified": "r4.mobile", "claim.insured_number": "con.insured",
    "claim.external_id": "con.file", "claim.verified_claims": "con.verified",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One scope or claim that a request wants; `key` names it in forms and in what was declined."""

    kind: str
    name: str
    is_essential: bool

    @property
    def key(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def label(self) -> str:
        """The key of the words for it."""
        return LABELS[self.key]


def items(request: AuthorizationRequest) -> tuple[Item, ...]:
    """What the request wants to know, each once: the scopes, then the claims that no wanted scope gives anyway."""
    scopes = request.scope.split()
    wanted: dict[str, bool] = {}  # claim → whether it is essential
    for named in (request.claims or {}).values():
        for name, how in named.items():
            is_essential = isinstance(how, dict) and how.get("essential") is True
            wanted[name] = wanted.get(name, False) or is_essential
    claims = [  # in an order of our own: a database may keep the members of an object in another one
        Item(CLAIM, name, wanted[name])
        for name in (*SCOPE_OF, "verified_claims")
        if name in wanted and SCOPE_OF.get(name) not in scopes
    ]
    needed = {"openid", *(SCOPE_OF.get(name) for name, is_essential in wanted.items() if is_essential)}
    return (*(Item(SCOPE, name, name in needed) for name in scopes), *claims)


def unanswered(portal: Portal, account_id: UUID, request: AuthorizationRequest) -> tuple[Item, ...]:
    """What the person must still be asked; nothing at a first party's portal."""
    if not portal.consent:
        return ()
    wanted, kept = items(request), _find(portal, account_id)
    # OIDC Core §3.1.2.1: prompt=consent asks again, also about what was answered before.
    if kept is None or ("consent" in request.prompts and kept.granted_at < request.asked_at):
        return wanted
    allowed, declined = _allowed(kept), set(kept.declined)
    return tuple(item for item in wanted if item.key not in allowed and (item.is_essential or item.key not in declined))


def allowed_before(portal: Portal, account_id: UUID, request: AuthorizationRequest) -> tuple[Item, ...]:
    """What the request wants and the person allowed before, without what is asked now."""
    kept, asked = _find(portal, account_id), unanswered(portal, account_id, request)
    allowed = _allowed(kept) if kept else set()
    return tuple(item for item in items(request) if item.key in allowed and item not in asked)


def record(
    bundle: Services, portal: Portal, account_id: UUID, asked: tuple[Item, ...], allowed: frozenset[str]
) -> None:
    """Keep the answer to these items: `allowed` are the keys of those the person lets the portal see."""
    now = bundle.clock.now()
    insert_if_absent(
        Consent, account_id=account_id, portal_id=portal.id, scopes=[], claims=[], declined=[], granted_at=now
    )
    kept = db.session.get_one(Consent, (account_id, portal.id), populate_existing=True)
    asked_keys = {item.key for item in asked}
    yes = (_allowed(kept) - asked_keys) | {item.key for item in asked if item.is_essential or item.key in allowed}
    kept.scopes = sorted(key.removeprefix(f"{SCOPE}.") for key in yes if key.startswith(f"{SCOPE}."))
    kept.claims = sorted(key.removeprefix(f"{CLAIM}.") for key in yes if key.startswith(f"{CLAIM}."))
    kept.declined = sorted((set(kept.declined) | asked_keys) - yes)
    kept.granted_at = now


def narrow(portal: Portal, account_id: UUID, request: AuthorizationRequest) -> AuthorizationRequest:
    """The request without what the person did not allow."""
    if not portal.consent:
        return request
    kept = _find(portal, account_id)
    allowed = _allowed(kept) if kept else set()
    left_out = {item.name for item in items(request) if item.kind == CLAIM and item.key not in allowed}
    scopes = [name for name in request.scope.split() if Item(SCOPE, name, False).key in allowed]
    hidden = {name for name, scope in SCOPE_OF.items() if scope in request.scope.split() and scope not in scopes}
    claims = {
        place: {name: how for name, how in named.items() if name not in left_out | hidden}
        for place, named in (request.claims or {}).items()
    }
    return replace(request, scope=" ".join(scopes), claims=claims or None)


def given_by(account_id: UUID) -> list[Consent]:
    """Every answer of this person that lets a portal see something, the newest first."""
    rows = db.session.scalars(
        select(Consent).where(Consent.account_id == account_id).order_by(Consent.granted_at.desc())
    )
    return [row for row in rows if row.scopes or row.claims]


def allowed_items(kept: Consent) -> tuple[Item, ...]:
    """What an answer lets the portal see."""
    scopes = sorted(kept.scopes, key=lambda name: list(LABELS).index(f"{SCOPE}.{name}"))
    return (*(Item(SCOPE, name, False) for name in scopes), *(Item(CLAIM, name, False) for name in kept.claims))


def withdraw(bundle: Services, portal: Portal, account_id: UUID) -> None:
    """Forget the answer, and end everything that it gave: the portal must ask again."""
    db.session.execute(delete(Consent).where(Consent.account_id == account_id, Consent.portal_id == portal.id))
    bundle.tokens.revoke_for_account(account_id, portal.id)
    bundle.audit.record(AuditTag.CONSENT_WITHDRAWN, account=account_id, portal=portal.id)


def _find(portal: Portal, account_id: UUID) -> Consent | None:
    return db.session.get(Consent, (account_id, portal.id))


def _allowed(kept: Consent) -> set[str]:
    return {f"{SCOPE}.{name}" for name in kept.scopes} | {f"{CLAIM}.{name}" for name in kept.claims}
