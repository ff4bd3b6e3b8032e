"""What is chosen instead of the environment's settings, as a file says it is: the part `settings` of `connect config`.

Where the file has that part, a setting that is not in it is the environment's again; else nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from idp.errors import BadInput
from idp.services.portal_file import SETTINGS, PortalFile
from idp.services.setting_changes import Change, SettingChanges, WrongChoices


class SettingConfig:
    def __init__(self, changes: SettingChanges) -> None:
        self._changes = changes

    def export(self) -> dict[str, str]:
        """Every choice, as it would be written in the environment."""
        return {name: row.value for name, row in sorted(self._changes.chosen().items())}

    def differences(self, file: PortalFile) -> tuple[Change, ...]:
        """What applying the file would change. Raises `BadInput` with every fault and its line."""
        try:
            return self._changes.differences(self._wanted(file))
        except WrongChoices as error:
            lines = [
                f"line {file.line_of(SETTINGS, fault.name)}: {SETTINGS}.{fault.name}: {fault.reason}"
                for fault in error.faults
            ]
            raise BadInput("\n".join(lines)) from None

    def version(self) -> int:
        return self._changes.version()

    def apply(self, file: PortalFile, seen: int) -> None:
        """As part of the caller's transaction. Raises `BadInput`."""
        self._changes.prepare(self._wanted(file), seen)

    def _wanted(self, file: PortalFile) -> Mapping[str, str | None]:
        if file.settings is None:
            return {}
        return {**dict.fromkeys(self._changes.chosen()), **file.settings}
