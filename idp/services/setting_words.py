"""The value of a setting as it is shown, and as it would be written in the environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def in_words(value: Any) -> str:
    """A value as it would be written; spans in days, hours, minutes or seconds."""
    if value is None or value in ("", ()):
        return "–"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
            if seconds % size == 0:
                return f"{seconds // size} {unit}"
        return f"{seconds} s"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def as_written(value: Any) -> str:
    """A value as it would be written in the environment."""
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)
