"""The table of roles in docs/console.md, made from the permissions: `.venv/bin/python -m docs.roles` writes it anew.

tests/house/test_documents.py fails when the table is stale.
"""

from __future__ import annotations

from pathlib import Path

from idp.services.permissions import GRANTS, Role
from idp.texts import Texts

CONSOLE = Path(__file__).resolve().parent / "console.md"
BEGIN, END = "<!-- roles: made by docs/roles.py -->", "<!-- end of roles -->"


def table() -> str:
    """One row for each permission, one column for each role."""
    texts = Texts.load()
    names = " | ".join(f"`{role}`" for role in Role)
    rows = [f"| | {names} |", "|---|" + "---|" * len(Role)]
    for permission, roles in GRANTS.items():
        held = " | ".join("yes" if role in roles else "" for role in Role)
        rows.append(f"| {texts.get('en', f'may.{permission}')} | {held} |")
    return "\n".join(rows)


def renewed(text: str) -> str:
    """The document with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    CONSOLE.write_text(renewed(CONSOLE.read_text(encoding="utf-8")), encoding="utf-8")
