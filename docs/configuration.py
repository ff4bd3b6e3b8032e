"""The table of settings in the README, made from `Settings`: `.venv/bin/python -m docs.configuration` writes it anew.

tests/house/test_documents.py fails when the table is stale.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from idp.choices import Choices
from idp.services.setting_words import in_words
from idp.setting_faults import PREFIX
from idp.settings import Settings

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: made by docs/configuration.py -->", "<!-- end of settings -->"
OF_THE_CONSOLE = "These are what counts unless somebody chose otherwise in the console or with `connect settings set`:"


def table() -> str:
    """One row for each setting, in the order of the class; what the console may change stands apart."""
    own = [name for name in Settings.model_fields if name not in Choices.model_fields]
    return "\n\n".join((_rows(own), OF_THE_CONSOLE, _rows(list(Choices.model_fields))))


def _rows(names: list[str]) -> str:
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name in names:
        field = Settings.model_fields[name]
        rows.append(f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description}{_bounds(field)} |")
    return "\n".join(rows)


def _bounds(field: FieldInfo) -> str:
    """Of a span, in words."""
    least = next((one.ge for one in field.metadata if isinstance(one, Ge)), None)
    most = next((one.le for one in field.metadata if isinstance(one, Le)), None)
    is_span = isinstance(least, timedelta) and isinstance(most, timedelta)
    return f"; {in_words(least)} to {in_words(most)}" if is_span else ""


def _shown(default: Any) -> str:
    """As it would be written in the environment."""
    if default is PydanticUndefined:
        return "**needed**"
    if default is None or default == "":
        return ""
    if isinstance(default, timedelta):
        return f"`{int(default.total_seconds())}` (seconds)"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def renewed(text: str) -> str:
    """The README with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
