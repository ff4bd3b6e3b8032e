"""The set-ups of docs/portals.md as a developer copies them: a block of code with the two addresses filled in."""

from __future__ import annotations

import re

from tests.support.served import ROOT

PORTALS = ROOT / "docs" / "portals.md"
ISSUER, PORTAL = "https://connect.example.ch", "https://portal.example.ch"


def set_up(heading: str, language: str, issuer: str, portal: str) -> str:
    """The one block in this language under this heading."""
    text = PORTALS.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^### {re.escape(heading)}.*?\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert ISSUER in block
    return str(block).replace(ISSUER, issuer).replace(PORTAL, portal)
