"""Mail and SMS as rows of the transaction that causes them; idp/services/delivery.py sends them after the commit.

Recipient and content are sealed: a copy of the database holds no code and no address of a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import escape
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, func, insert, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import UTCDateTime, db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.services.gsm import fits_one_sms
from idp.settings import Settings
from idp.texts import Texts
from keys import Vault

OUR_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Za-z0-9_-]{20})@")
MINUTE = timedelta(minutes=1)
MESSAGE = cast(Table, OutboxMessage.__table__)
RECORD = Prepared(
    insert(MESSAGE), "id", "channel", "portal_id", "state", "sealed_content", "created_at",
    "due_at", "expires_at", "tries", "settled_at", "run_id",
)  # fmt: skip
SENT_SINCE = (  # how many messages a portal's persons were sent by a channel, as part of a statement
    select(func.count())
    .select_from(MESSAGE)
    .where(
        MESSAGE.c.portal_id == bindparam("portal"), MESSAGE.c.channel == bindparam("channel"),
        MESSAGE.c.created_at > bindparam("since", type_=UTCDateTime()),
    )
    .scalar_subquery()
)  # fmt: skip
BOLD = re.compile(r"\*\*(.+?)\*\*")
HTML = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    "<title>{subject}</title></head>"
    '<body style="font-family:system-ui,sans-serif;font-size:18px;line-height:1.5;max-width:36em;margin:1em auto">'
    "{paragraphs}<hr>{footer}</body></html>"
)
CODE_HTML = '<br><span style="font-size:32px;letter-spacing:.12em">{code}</span>'


@dataclass(frozen=True, repr=False)
class Content:
    """What is sealed in a row. `html` and `reply_to` are for mail only."""

    to: str
    text: str
    subject: str = ""
    html: str = ""
    sender_name: str = ""
    reply_to: str = ""
    language: str = "fr"
    name: str = ""  # of a mail, by which a report of its delivery names it: see `OUR_ID`


def id_mac(vault: Vault, ident: UUID) -> str:
    """What only we can put beside the id of a mail."""
    return vault.mac("message-id", str(ident))[:20]


class Outbox:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault, texts: Texts) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._texts = texts

    def mail(
        self, kind: str, *, to: str, language: str, portal: Portal | None, values: dict[str, str],
        expires_at: datetime | None = None, run_id: UUID | None = None, is_decoy: bool = False,
        added: tuple[str, ...] = (),
    ) -> UUID:  # fmt: skip
        """Queue one of the mails of ux.md §7.2: code, exists, reset, welcome or notice; or operator, of no portal.
        Returns its id.

        `added` are lines below it. A decoy costs the same and is never sent: whoever made us write it learns nothing
        (security.md F-10).
        """
        content = self.mail_content(kind, to=to, language=language, portal=portal, values=values, added=added)
        return self._add("mail", portal, content, expires_at, run_id, is_decoy=is_decoy)

    def sms(
        self, kind: str, *, to: str, language: str, portal: Portal, values: dict[str, str],
        expires_at: datetime | None = None, run_id: UUID | None = None,
    ) -> UUID:  # fmt: skip
        """Queue one of the SMS of ux.md §7.1: code, changed, letter; returns its id. Raises ValueError when it is too
        long.
        """
        text = self.sms_text(kind, language=language, portal=portal, values=values)
        if not fits_one_sms(text):
            raise ValueError("the text does not fit one SMS of the GSM alphabet")
        return self._add("sms", portal, Content(to=to, text=text, language=language), expires_at, run_id)

    def mail_content(
        self, kind: str, *, to: str, language: str, portal: Portal | None, values: Mapping[str, str],
        added: tuple[str, ...] = (),
    ) -> Content:  # fmt: skip
        """What a mail says, of a portal in its own words where it has some."""
        name, phone, email = self._sender(portal, language)
        values = {"portal": name, "phone": phone, **values}
        texts = self._texts.of(portal.texts if portal else None)
        subject = texts.get(language, f"m.{kind}.subject", **values)
        lines = texts.get(language, f"m.{kind}.body", **values).split("\n") + list(added)
        footer = [
            ", ".join(filter(None, (name, phone, email))),
            self._texts.get(language, "c.never"),
        ]
        text = "\n\n".join(BOLD.sub(r"\1", line) for line in lines) + "\n\n-- \n" + "\n".join(footer) + "\n"
        return Content(
            to=to,
            text=text,
            subject=subject,
            html=_html(language, subject, lines, footer),
            sender_name=f"{name} – Connect" if portal else name,
            reply_to=email,
            language=language,
        )

    def sms_text(self, kind: str, *, language: str, portal: Portal, values: Mapping[str, str]) -> str:
        """What an SMS says."""
        minutes = self._settings.sms_code_for // MINUTE
        return self._texts.get(
            language, f"s.{kind}", pname=portal.short_name, host=self._settings.host, phone=portal.phone,
            minutes=minutes, **values,
        )  # fmt: skip

    def open(self, row: OutboxMessage) -> Content:
        """The sealed content of a row that is not settled yet."""
        opened = self._vault.open(row.sealed_content or "", f"outbox_message.sealed_content.{row.id}")
        return Content(**json.loads(opened))

    def has_failed(self, run_id: UUID, channel: str) -> bool:
        """Whether the newest message of this run and channel could not be delivered."""
        state = db.session.scalar(
            select(OutboxMessage.state)
            .where(OutboxMessage.run_id == run_id, OutboxMessage.channel == channel)
            .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
            .limit(1)
        )
        return state in {"dead", "bounced"}

    def _sender(self, portal: Portal | None, language: str) -> tuple[str, str, str]:
        """Name, telephone and address of who writes: the portal, or the installation itself."""
        if portal is None:
            return "Connect", self._settings.support_phone, self._settings.support_email
        return portal.name(language), portal.phone, portal.email

    def _add(
        self, channel: str, portal: Portal | None, content: Content, expires_at: datetime | None, run_id: UUID | None,
        *, is_decoy: bool = False,
    ) -> UUID:  # fmt: skip
        now = self._clock.now()
        ident = new_id(self._random, now)
        if channel == "mail":
            content = replace(content, name=f"{ident}.{id_mac(self._vault, ident)}")
        sealed = self._vault.seal(json.dumps(vars(content)).encode(), f"outbox_message.sealed_content.{ident}")
        RECORD.count(
            id=ident,
            channel=channel,
            portal_id=portal.id if portal else None,
            state="dropped" if is_decoy else "waiting",
            sealed_content=None if is_decoy else sealed,
            created_at=now,
            due_at=now,
            expires_at=expires_at,
            tries=0,
            settled_at=now if is_decoy else None,
            run_id=run_id,
        )
        return ident


def _html(language: str, subject: str, lines: list[str], footer: list[str]) -> str:
    paragraphs = "".join(
        "<p>" + BOLD.sub(lambda found: CODE_HTML.replace("{code}", found[1]), escape(line)) + "</p>" for line in lines
    )
    small = "".join(f"<p>{escape(line)}</p>" for line in footer)
    parts = {"language": language, "subject": escape(subject), "paragraphs": paragraphs, "footer": small}
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], HTML)
