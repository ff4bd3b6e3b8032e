"""The table of settings in the README, made from `Settings`: `.venv/bin/python -m docs.configuration` writes it anew.

tests/house/test_documents.py fails when the table is stale.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from idp.setting_faults import PREFIX
from idp.settings import Settings

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: made by docs/configuration.py -->", "<!-- end of settings -->"


def table() -> str:
    """One row for each setting, in the order of the class."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


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
