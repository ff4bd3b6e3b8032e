"""Every mail and SMS as persons get it, in four languages, with invented data: for whoever wants to know what is said.

Made by the outbox itself, so that a preview cannot say anything else than a message does; nothing is queued.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from idp.models.portal import Portal
from idp.services.outbox import Outbox
from idp.settings import Settings
from idp.texts import LANGUAGES, Texts

CODE, TIME, DATE = "123456", "14:30", "27.3.2026"
EMAIL, DEVICE, PLACE = "helene@example.ch", "Firefox, Windows", "Bern"
MAILS = ("code", "exists", "reset", "welcome", "notice")  # those of the portal; `operator` is the installation's
SMS = ("code", "changed", "letter", "reset")
OPERATOR = "operator"
NOTICE_OF = "event.password"  # one of many events that the owner of an account is told of


@dataclass(frozen=True)
class Sample:
    """One message in one language; `subject` is empty for an SMS, `lines` are its paragraphs."""

    kind: str
    language: str
    subject: str
    lines: tuple[str, ...]


class MessageSamples:
    def __init__(self, settings: Settings, texts: Texts, outbox: Outbox) -> None:
        self._settings = settings
        self._texts = texts
        self._outbox = outbox

    def mails(self, portal: Portal | None) -> Iterator[Sample]:
        """The mails of a portal, in its own words where it has some; without one, those of the installation."""
        for kind in MAILS if portal is not None else (OPERATOR,):
            for language in LANGUAGES:
                made = self._outbox.mail_content(
                    kind, to=EMAIL, language=language, portal=portal, values=self._values(language, portal)
                )
                yield Sample(kind, language, made.subject, _paragraphs(made.text))

    def sms(self, portal: Portal) -> Iterator[Sample]:
        """The SMS that go out for a portal."""
        for kind in SMS:
            for language in LANGUAGES:
                values = {"code": CODE} if kind == "code" else {}
                text = self._outbox.sms_text(kind, language=language, portal=portal, values=values)
                yield Sample(kind, language, "", _paragraphs(text))

    def _values(self, language: str, portal: Portal | None) -> dict[str, str]:
        """What stands in the places of a text; nobody's data."""
        where = f"{portal.slug}/login" if portal is not None else "admin/invitation#…"
        return {
            "code": CODE, "time": TIME, "date": DATE, "email": EMAIL, "device": DEVICE, "place": PLACE,
            "event": self._texts.get(language, NOTICE_OF), "host": self._settings.host,
            "url": f"{self._settings.issuer}/{where}",
        }  # fmt: skip


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line.strip())
