"""The settings that count now: what operators chose before what the environment says, the same in every process.

A process asks for the version at most once a second, and reads the choices only when it is another. Whoever holds the
settings sees the new ones, for what is behind them is changed in one move (docs/decisions/0025). While the database is
away, what was known last goes on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from idp.choices import Choices
from idp.clock import Clock
from idp.models.base import db
from idp.models.chosen_setting import NOTICE, chosen_seen_by, version_seen_by
from idp.setting_faults import choice_faults
from idp.settings import Settings

FRESH_FOR = timedelta(seconds=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Notice:
    """Words in four languages that persons see from then until then (idp/services/maintenance.py)."""

    begins_at: datetime
    ends_at: datetime
    texts: Mapping[str, str]

    def written(self) -> str:
        moments = {"begins_at": self.begins_at.isoformat(), "ends_at": self.ends_at.isoformat()}
        return json.dumps({**moments, "texts": dict(self.texts)}, ensure_ascii=False)

    @classmethod
    def read(cls, value: str) -> Notice | None:
        """None where it is none that this release knows."""
        try:
            known = json.loads(value)
            begins_at, ends_at = (datetime.fromisoformat(known[name]) for name in ("begins_at", "ends_at"))
            return cls(begins_at, ends_at, {str(name): str(text) for name, text in known["texts"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class LiveSettings:
    def __init__(self, environment: Settings, clock: Clock) -> None:
        self.environment = environment
        self.settings = environment.model_copy()
        self.notice: Notice | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._version = 0
        self._looked_at: datetime | None = None
        self._is_away = False

    def refresh(self) -> None:
        """Look whether somebody chose otherwise, unless somebody looked within the last second or is looking now.
        Called where nothing is begun yet: before a request, a message or a pass.
        """
        if self.is_fresh():
            return
        now, looked_at = self._clock.now(), self._looked_at
        if not self._lock.acquire(blocking=looked_at is None):  # a database that does not answer holds up one alone
            return
        try:
            self._look()
            self._is_away = False
        except SQLAlchemyError as error:
            if not self._is_away:
                log.error("settings_unread", error=type(error).__name__)
            self._is_away = True
        finally:
            self._looked_at = now
            self._lock.release()

    def is_fresh(self) -> bool:
        looked_at = self._looked_at
        return looked_at is not None and timedelta(0) <= self._clock.now() - looked_at < FRESH_FOR

    def forget(self) -> None:
        """Look at the next occasion, for something was changed here."""
        self._looked_at = None

    def _look(self) -> None:
        with db.engine.connect() as connection:  # of its own: nobody's transaction is touched
            version = version_seen_by(connection)
            chosen = chosen_seen_by(connection) if version != self._version else None
            connection.commit()  # a rollback would make it forget what is prepared in it
        if chosen is None:
            return
        notice = Notice.read(chosen.pop(NOTICE, ""))
        made, unusable = settled(self.environment, chosen)
        if unusable:
            log.error("settings_unusable", names=unusable)
        # One move: a thread sees all of the old settings or all of the new ones, and no lock is taken to read one.
        object.__setattr__(self.settings, "__dict__", dict(made.__dict__))
        self.notice = notice
        self._version = version


def settled(environment: Settings, chosen: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The environment's settings with these choices, and the names of those that cannot be used with it: of another
    release, or at odds with an environment that changed since.
    """
    usable = {name: value for name, value in chosen.items() if name in Choices.model_fields}
    while True:  # each round takes at least one away
        try:
            made = environment.with_given(usable)
            wrong = {fault.name for fault in choice_faults(made)}
        except ValidationError as error:
            wrong = {str(detail["loc"][0]) for detail in error.errors()}
        if not wrong:
            return made, sorted(chosen.keys() - usable.keys())
        usable = {name: value for name, value in usable.items() if name not in wrong} if wrong & usable.keys() else {}
