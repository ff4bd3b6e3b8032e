"""Where the files that come with the code lie: in the source tree, and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
TEMPLATES = PACKAGE / "_templates" if (PACKAGE / "_templates").is_dir() else PACKAGE.parent / "templates"
