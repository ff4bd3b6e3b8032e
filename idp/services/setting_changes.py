"""Choosing settings in the console, by the command line or from a file: judged like the environment, all or nothing.

Whoever changes says which version was seen, so that nobody undoes what somebody else did meanwhile; before and after
stand in the audit. Everything counts in every process within a second (idp/services/live_settings.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from idp.choices import HIGHEST_CHOSEN, Choices
from idp.clock import Clock
from idp.errors import BadInput
from idp.models import chosen_setting as table
from idp.models.base import db
from idp.models.chosen_setting import ChosenSetting
from idp.services.audit import Audit, AuditTag
from idp.services.live_settings import LiveSettings, settled
from idp.services.setting_words import as_written, in_words
from idp.setting_faults import Fault, choice_faults
from idp.settings import Settings

KINDS = {
    "greater_than_equal": ("least", "ge"), "less_than_equal": ("most", "le"), "string_too_long": ("long", "max_length"),
    "string_too_short": ("empty", ""), "int_parsing": ("number", ""), "float_parsing": ("number", ""),
    "int_from_float": ("number", ""), "finite_number": ("number", ""), "time_delta_parsing": ("number", ""),
    "literal_error": ("choice", ""),
}  # fmt: skip


class WrongChoices(BadInput):
    """Every fault of what was chosen, one a line."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.sentence for fault in faults))
        self.faults = faults


class ChangedMeanwhile(BadInput):
    def __init__(self) -> None:
        super().__init__("somebody else changed the settings meanwhile; nothing was done, start again")


@dataclass(frozen=True)
class Change:
    """One setting, what it was and what it becomes, and whether the environment decides it again."""

    name: str
    was: object
    becomes: object
    is_put_back: bool

    @property
    def before(self) -> str:
        return in_words(self.was)

    @property
    def after(self) -> str:
        """In words, and whence it comes again."""
        after = in_words(self.becomes)
        return f"{after} (CONNECT_{self.name.upper()})" if self.is_put_back else after


class SettingChanges:
    def __init__(self, live: LiveSettings, clock: Clock, audit: Audit) -> None:
        self._live = live
        self._clock = clock
        self._audit = audit

    @property
    def environment(self) -> Settings:
        """What counts where nothing is chosen."""
        return self._live.environment

    def version(self) -> int:
        """Of what is chosen now; for `apply`."""
        return table.version()

    def chosen(self) -> dict[str, ChosenSetting]:
        """What operators chose, by name."""
        return {name: row for name, row in table.chosen().items() if name in Choices.model_fields}

    def now(self) -> Settings:
        """The settings that count now, as they stand in the database."""
        return settled(self.environment, {name: row.value for name, row in self.chosen().items()})[0]

    def differences(self, wanted: Mapping[str, str | None]) -> tuple[Change, ...]:
        """What these choices would change; None puts one back. Raises `WrongChoices` with every fault."""
        rows, now = self.chosen(), self.now()
        kept = {name: row.value for name, row in rows.items() if name not in wanted}
        given = {name: value for name, value in wanted.items() if value is not None}
        after = _judged(self.environment, settled(self.environment, kept)[0], wanted, given)
        return tuple(
            Change(name, getattr(now, name), getattr(after, name), value is None)
            for name, value in wanted.items()
            if getattr(now, name) != getattr(after, name) or (value is None and name in rows)
        )

    def apply(self, wanted: Mapping[str, str | None], seen: int, by: UUID | None = None) -> tuple[Change, ...]:
        """Do it and commit. Raises `WrongChoices`, and `ChangedMeanwhile` where `seen` is not the version any more."""
        try:
            changes = self.prepare(wanted, seen, by)
        except BadInput:
            db.session.rollback()
            raise
        if changes:
            db.session.commit()
            self._live.forget()
            self._live.refresh()
        else:
            db.session.rollback()
        return changes

    def prepare(self, wanted: Mapping[str, str | None], seen: int, by: UUID | None = None) -> tuple[Change, ...]:
        """The same as part of the caller's transaction."""
        if not table.raise_version(seen):
            raise ChangedMeanwhile
        changes, rows = self.differences(wanted), self.chosen()
        for change in changes:
            self._write(rows.get(change.name), change.name, wanted[change.name], by)
        if changes:
            self._audit.record(
                AuditTag.SETTINGS_CHANGED,
                account=by,
                before=json.dumps({one.name: one.before for one in changes}, ensure_ascii=False),
                after=json.dumps({one.name: one.after for one in changes}, ensure_ascii=False),
            )
        return changes

    def _write(self, row: ChosenSetting | None, name: str, value: str | None, by: UUID | None) -> None:
        if value is None:
            if row is not None:
                db.session.delete(row)
            return
        if row is None:
            row = ChosenSetting(name=name)
            db.session.add(row)
        row.value = as_written(getattr(self.environment.with_given({name: value}), name))
        row.chosen_at, row.chosen_by = self._clock.now(), by


def _judged(
    environment: Settings, kept: Settings, wanted: Mapping[str, str | None], given: Mapping[str, str]
) -> Settings:
    """The settings as they would be: what is kept, what is given, and the environment's where one is put back."""
    unknown = wanted.keys() - Choices.model_fields.keys()
    faults = [Fault(name, "unknown", "cannot be changed here") for name in sorted(unknown)]
    given = {name: value for name, value in given.items() if name not in unknown}
    try:
        made = kept.with_given(given)
    except ValidationError as error:
        faults += [_fault(detail) for detail in error.errors()]
        wrong = {fault.name for fault in faults}
        made = kept.with_given({name: value for name, value in given.items() if name not in wrong})
    if faults := [*faults, *_height_faults(environment, made, given), *choice_faults(made)]:
        raise WrongChoices(faults)
    return made


def _height_faults(environment: Settings, made: Settings, given: Mapping[str, str]) -> list[Fault]:
    """Limits that were chosen so high that they limit nothing, and higher than the environment has them."""
    return [
        Fault(name, "most", f"at most {most} may be chosen", {"limit": str(most)})
        for name, most in HIGHEST_CHOSEN.items()
        if name in given and getattr(made, name) > max(most, getattr(environment, name))
    ]


def _fault(detail: ErrorDetails) -> Fault:
    name, (kind, limit) = str(detail["loc"][0]), KINDS.get(detail["type"], ("form", ""))
    bounds = Choices.model_fields[name].metadata  # of a span, pydantic says them in English
    bound = next((getattr(one, limit) for one in bounds if limit and hasattr(one, limit)), None)
    named = {} if bound is None else {"limit": in_words(bound)}
    return Fault(name, kind, detail["msg"].removeprefix("Value error, "), named)
