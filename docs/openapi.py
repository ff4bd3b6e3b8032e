"""The description of the admin API, docs/openapi.json: `.venv/bin/python -m docs.openapi` writes it anew.

tests/house/test_documents.py fails when it is stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from idp.api.openapi import document
from idp.api.routes import OPERATIONS

FILE = Path(__file__).resolve().parent / "openapi.json"
ISSUER = "https://connect.example.ch"


def written() -> str:
    """As it should stand in the file."""
    return json.dumps(document(ISSUER, OPERATIONS), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
