"""What is recorded, as a closed list of tags `subject:object:action`, and the one place that records it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from flask import g
from sqlalchemy import Table, insert, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.prepared import Prepared
from idp.services.webhook_events import WebhookEvent, WebhookEvents
from keys import Vault

EVENT = cast(Table, AuditEvent.__table__)
RECORD = Prepared(insert(EVENT), *(column.key for column in EVENT.c if column.key not in {"redacted_at", "redaction"}))


class AuditTag(StrEnum):
    CODE_ISSUED = "operator:registration_code:issue"
    CODE_REVOKED = "operator:registration_code:revoke"
    CODE_EXTENDED = "operator:registration_code:extend"
    CODES_CHANGED = "operator:registration_code:change"
    CODE_RESERVED = "person:registration_code:reserve"
    CODE_REFUSED = "person:registration_code:refuse"
    SECOND_ITEM_REFUSED = "person:second_item:refuse"
    REGISTERED = "person:account:register"
    PORTAL_LINKED = "person:portal:link"
    SIGNED_IN = "person:session:open"
    ACCOUNT_CLOSED = "person:account:close"
    PASSWORD_RESET = "person:password:reset"
    PASSWORD_CHANGED = "person:password:change"
    EMAIL_CHANGED = "person:email:change"
    LANGUAGE_CHANGED = "person:language:change"
    PASSKEY_ADDED = "person:passkey:add"
    PASSKEY_REMOVED = "person:passkey:remove"
    PASSKEY_REFUSED = "person:passkey:refuse"
    PASSWORD_REFUSED = "person:password:refuse"
    RECOVERY_CODES_MADE = "person:recovery_code:create"
    RECOVERY_CODE_USED = "person:recovery_code:use"
    RECOVERY_LETTER_ASKED = "person:recovery_letter:create"
    RECOVERY_LETTER_CANCELLED = "person:recovery_letter:cancel"
    RECOVERY_LETTER_USED = "person:recovery_letter:use"
    RECOVERY_LETTER_PRINTED = "operator:recovery_letter:print"
    RECOVERY_LETTERS_SET = "operator:recovery_letter:set"
    RECOVERY_LETTERS_TAKEN = "operator:recovery_letter:download"
    RECOVERY_LETTERS_POSTED = "operator:recovery_letter:post"
    RECOVERY_LETTERS_DROPPED = "operator:recovery_letter:drop"
    RECOVERY_LETTER_STOPPED = "operator:recovery_letter:cancel"
    FACTOR_ADDED = "person:factor:add"
    FACTOR_REPLACED = "person:factor:replace"
    FACTOR_REMOVED = "person:factor:remove"
    FACTOR_REFUSED = "person:factor:refuse"
    ATTEMPTS_EXHAUSTED = "person:attempts:exhaust"
    SMS_STOPPED = "portal:sms:stop"
    PHONE_SHARED = "person:phone:share"
    SIGNED_OUT = "person:session:end"
    CONSENT_GIVEN = "person:consent:give"
    CONSENT_WITHDRAWN = "person:consent:withdraw"
    REQUEST_REFUSED = "person:authorization_request:refuse"
    CODE_REPLAYED = "portal:authorization_code:replay"
    REFRESH_REPLAYED = "portal:refresh_token:replay"
    DEVICE_ALLOWED = "person:device:allow"
    DEVICE_TRUSTED = "person:trusted_device:add"
    TRUST_ENDED = "person:trusted_device:remove"
    DEVICE_REFUSED = "person:device:refuse"
    PORTAL_CHANGED = "operator:portal:change"
    PERSONS_LISTED = "client:insured_person:list"
    PERSON_READ = "client:insured_person:read"
    CODES_LISTED = "client:registration_code:list"
    WEBHOOK_CHANGED = "operator:webhook:change"
    API_CLIENT_CHANGED = "operator:api_client:change"
    PORTAL_INVITED = "operator:portal:invite"
    PORTAL_REGISTERED = "portal:registration:create"
    REGISTRATION_CHANGED = "portal:registration:change"
    REGISTRATION_WITHDRAWN = "portal:registration:withdraw"
    PERSONS_IMPORTED = "operator:insured_person:import"
    IMPORT_UPLOADED = "operator:person_import:upload"
    IMPORT_CONFIRMED = "operator:person_import:confirm"
    IMPORT_PAUSED = "operator:person_import:pause"
    IMPORT_RESUMED = "operator:person_import:resume"
    IMPORT_CANCELLED = "operator:person_import:cancel"
    IMPORT_UNDONE = "operator:person_import:undo"
    IMPORT_READ = "operator:person_import:read"
    IMPORT_TOKEN_MADE = "operator:import_token:create"
    IMPORT_TOKEN_ENDED = "operator:import_token:revoke"
    PERSON_OPENED = "operator:insured_person:open"
    PERSON_REVEALED = "operator:insured_person:reveal"
    UNLOCKED = "operator:attempts:forgive"
    SESSIONS_ENDED = "operator:account:sign_out"
    RESET_ASKED = "operator:factor_reset:create"
    RESET_APPROVED = "operator:factor_reset:approve"
    RESET_STOPPED = "operator:factor_reset:cancel"
    RESET_REFUSED = "person:factor_reset:cancel"
    RESET_USED = "person:factor_reset:use"
    LETTER_ORDERED = "operator:letter:order"
    BATCH_DRAFTED = "operator:letter_batch:create"
    BATCH_APPROVED = "operator:letter_batch:approve"
    BATCH_SET = "operator:letter_batch:set"
    BATCH_PRINTED = "operator:letter_batch:print"
    BATCH_POSTED = "operator:letter_batch:post"
    BATCH_CANCELLED = "operator:letter_batch:cancel"
    BATCH_LAPSED = "operator:letter_batch:lapse"
    LETTERS_TAKEN = "operator:letter_batch:download"
    ADDRESSES_TAKEN = "operator:letter_batch:export"
    LETTER_PREVIEWED = "operator:letter:preview"
    LETTER_RETURNED = "operator:letter:return"
    NOTE_WRITTEN = "operator:call_note:create"
    NOTES_READ = "operator:call_note:open"
    CODE_RESENT = "operator:message:resend"
    PERSONS_SEARCHED = "operator:insured_person:search"
    KEY_ROTATED = "operator:signing_key:rotate"
    KEY_PLANNED = "operator:signing_key:plan"
    MESSAGES_RETRIED = "operator:message:retry"
    EVENTS_REDACTED = "operator:audit:redact"
    AUDIT_EXPORTED = "operator:audit:export"
    EXPORT_ASKED = "operator:list_export:create"
    EXPORT_TAKEN = "operator:list_export:download"
    EXPORT_CANCELLED = "operator:list_export:cancel"
    EXPORT_EXPIRED = "operator:list_export:expire"
    CHAIN_VERIFIED = "operator:audit:verify"
    SETTINGS_CHANGED = "operator:settings:change"
    NOTICE_CHANGED = "operator:maintenance_notice:change"
    OPERATOR_INVITED = "operator:operator:invite"
    OPERATOR_JOINED = "operator:operator:join"
    OPERATOR_CHANGED = "operator:operator:change"
    OPERATOR_PAUSED = "person:operator:pause"
    OPERATOR_RESUMED = "operator:operator:resume"
    OPERATOR_SIGNED_IN = "operator:session:open"
    OPERATOR_REFUSED = "operator:session:refuse"
    OPERATOR_SIGNED_OUT = "operator:session:end"


# What portals can be told of at once, and in a word what was changed; told in the transaction that records it.
TOLD: dict[AuditTag, tuple[WebhookEvent, str]] = {
    AuditTag.REGISTERED: (WebhookEvent.REGISTERED, ""),
    AuditTag.PORTAL_LINKED: (WebhookEvent.REGISTERED, ""),
    AuditTag.EMAIL_CHANGED: (WebhookEvent.CHANGED, "email"),
    AuditTag.FACTOR_ADDED: (WebhookEvent.CHANGED, "factor"),
    AuditTag.FACTOR_REPLACED: (WebhookEvent.CHANGED, "factor"),
    AuditTag.FACTOR_REMOVED: (WebhookEvent.CHANGED, "factor"),
    AuditTag.PASSKEY_ADDED: (WebhookEvent.CHANGED, "factor"),
    AuditTag.PASSKEY_REMOVED: (WebhookEvent.CHANGED, "factor"),
    AuditTag.ATTEMPTS_EXHAUSTED: (WebhookEvent.LOCKED, ""),
    AuditTag.LETTER_RETURNED: (WebhookEvent.LETTER_RETURNED, ""),
}


def event_mac(vault: Vault, event: AuditEvent | SimpleNamespace) -> str:
    """The MAC over every column of an event, from the moment it is made; who has only the database can make none."""
    said = [
        event.id, event.at.isoformat(), event.tag, event.account_id, event.insured_person_id, event.portal_id,
        event.request_id, event.actor_id, event.detail,
    ]  # fmt: skip
    return vault.mac("audit-event", json.dumps(said, default=str, sort_keys=True, ensure_ascii=False))


def redaction_mac(vault: Vault, event: AuditEvent) -> str:
    """The MAC over what is left of an event that was redacted, and over the MAC that it had."""
    said = [
        event.id, event.at.isoformat(), event.tag, event.account_id, event.insured_person_id, event.portal_id,
        event.request_id, event.actor_id, event.detail, event.mac, event.redacted_at and event.redacted_at.isoformat(),
    ]  # fmt: skip
    return vault.mac("audit-redaction", json.dumps(said, default=str, sort_keys=True, ensure_ascii=False))


def is_genuine(vault: Vault, event: AuditEvent) -> bool:
    """Whether the event is as it was made, or as it was left when it was redacted."""
    if event.redacted_at is not None or event.redaction is not None:
        return event.redaction == redaction_mac(vault, event)
    return event.mac == event_mac(vault, event)


class Audit:
    def __init__(self, clock: Clock, random: Random, vault: Vault, webhooks: WebhookEvents) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._webhooks = webhooks

    def record(
        self,
        tag: AuditTag,
        *,
        account: UUID | None = None,
        person: UUID | None = None,
        portal: UUID | None = None,
        **detail: str,
    ) -> None:
        """Add one event to the current transaction. `detail` holds words and ids, never a secret or an address."""
        RECORD.count(**self._made(tag, account, person, portal, detail))
        if tag in TOLD:
            self._tell(tag, account, person, portal, detail)

    def record_all(self, tag: AuditTag, persons: Sequence[UUID], portal: UUID) -> None:
        """The same event of each of many persons, which no portal is told of, in one go."""
        events = [self._made(tag, None, person, portal, {}) for person in persons]
        if events:
            db.session.execute(insert(EVENT), events)

    def _made(
        self, tag: AuditTag, account: UUID | None, person: UUID | None, portal: UUID | None, detail: dict[str, str]
    ) -> dict[str, Any]:
        now = self._clock.now()
        values: dict[str, Any] = {
            "id": new_id(self._random, now), "at": now, "tag": tag.value, "account_id": account,
            "insured_person_id": person, "portal_id": portal, "request_id": g.get("request_id"),
            "actor_id": g.get("actor_id"), "detail": detail,
        }  # fmt: skip
        return {**values, "mac": event_mac(self._vault, SimpleNamespace(**values))}

    def _tell(
        self, tag: AuditTag, account: UUID | None, person: UUID | None, portal: UUID | None, detail: dict[str, str]
    ) -> None:
        event, about = TOLD[tag]
        if detail.get("method") == "sms":
            about = "mobile"
        if person is not None and portal is not None:
            self._webhooks.emit(event, portal, person, about)
        else:
            self._webhooks.emit_for_account(event, account, about)

    def has_recorded(self, tag: AuditTag, portal: UUID, since: datetime) -> bool:
        """Whether this happened at this portal after `since`: an alarm rings once, not at every request."""
        found = select(AuditEvent.id).where(
            AuditEvent.at > since, AuditEvent.tag == tag.value, AuditEvent.portal_id == portal
        )
        return db.session.scalar(found.limit(1)) is not None
