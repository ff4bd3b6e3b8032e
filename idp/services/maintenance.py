"""The notice that work on the installation is coming: plain words in four languages, shown from then until then.

It lies beside the settings that operators choose, so every process shows it within a second, costs nothing more, and
takes it off by its own clock, also while the database is away.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from idp.clock import Clock
from idp.models import chosen_setting as table
from idp.models.base import db
from idp.models.chosen_setting import NOTICE, ChosenSetting
from idp.services.audit import Audit, AuditTag
from idp.services.live_settings import LiveSettings, Notice
from idp.services.setting_changes import ChangedMeanwhile
from idp.texts import LANGUAGES

LONGEST_TEXT = 300
LONGEST_SPAN = timedelta(days=31)


@dataclass(frozen=True)
class NoticeFault:
    """What is wrong with `begins_at`, `ends_at` or the text of a language, by a word."""

    entry: str
    kind: str


def plain(text: str) -> str:
    """One line without control characters and without those that turn the direction of what follows."""
    kept = "".join(
        " " if one.isspace() else one for one in text if one.isspace() or unicodedata.category(one)[0] != "C"
    )
    return " ".join(kept.split())


def faults_of(notice: Notice, now: datetime) -> list[NoticeFault]:
    found = []
    if notice.ends_at <= notice.begins_at:
        found.append(NoticeFault("ends_at", "order"))
    elif notice.ends_at <= now:
        found.append(NoticeFault("ends_at", "past"))
    elif notice.ends_at - notice.begins_at > LONGEST_SPAN:
        found.append(NoticeFault("ends_at", "span"))
    for language in LANGUAGES:
        text = notice.texts.get(language, "")
        if not text or len(text) > LONGEST_TEXT:
            found.append(NoticeFault(language, "long" if text else "empty"))
    return found


class MaintenanceNotices:
    def __init__(self, live: LiveSettings, clock: Clock, audit: Audit) -> None:
        self._live = live
        self._clock = clock
        self._audit = audit

    def shown(self) -> Notice | None:
        """The one that persons see now; asks nobody."""
        notice = self._live.notice
        return notice if notice is not None and notice.begins_at <= self._clock.now() < notice.ends_at else None

    def stored(self) -> Notice | None:
        """The one that is shown now or later, as it stands in the database."""
        row = db.session.get(ChosenSetting, NOTICE)
        notice = Notice.read(row.value) if row is not None else None
        return notice if notice is not None and self._clock.now() < notice.ends_at else None

    def announce(self, notice: Notice, seen: int, by: UUID | None) -> None:
        """Show this one instead of any other, and commit; it has no faults. Raises `ChangedMeanwhile`."""
        self._put(notice, seen, by)

    def withdraw(self, seen: int, by: UUID | None) -> None:
        """Show none from now on, and commit. Raises `ChangedMeanwhile`."""
        self._put(None, seen, by)

    def _put(self, notice: Notice | None, seen: int, by: UUID | None) -> None:
        if not table.raise_version(seen):
            db.session.rollback()
            raise ChangedMeanwhile
        row = db.session.get(ChosenSetting, NOTICE, populate_existing=True)
        before = Notice.read(row.value) if row is not None else None
        if notice is None:
            if row is not None:
                db.session.delete(row)
        else:
            row = row or ChosenSetting(name=NOTICE)
            row.value, row.chosen_at, row.chosen_by = notice.written(), self._clock.now(), by
            db.session.add(row)
        self._audit.record(
            AuditTag.NOTICE_CHANGED, account=by, before=json.dumps(_fields(before), ensure_ascii=False),
            after=json.dumps(_fields(notice), ensure_ascii=False),
        )  # fmt: skip
        db.session.commit()
        self._live.forget()
        self._live.refresh()


def _fields(notice: Notice | None) -> Mapping[str, str]:
    """For the record of events: one field each, the texts by their language."""
    if notice is None:
        return {}
    moments = {name: value.isoformat() for name, value in asdict(notice).items() if isinstance(value, datetime)}
    return {**moments, **notice.texts}
