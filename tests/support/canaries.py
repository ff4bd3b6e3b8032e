"""Values that must not be found where they do not belong, and the search for them in every dress they could wear."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

# A moment as SQLite keeps it, whose microseconds may look like a code: six digits, thousands of moments, many codes.
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2})\.\d{6}")
SHORT = 8  # below this a value is looked for as a word only: six digits stand in many a number by chance


class Canaries:
    """Names of secrets and their values; `seed` gives a value back, so that a journey can use it at once."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def seed(self, name: str, value: str) -> str:
        assert len(value) >= 5, name
        kept = self.values.setdefault(name, value)
        if kept != value:
            self.values[f"{name} #{len(self.values)}"] = value
        return value

    def find(self, text: str, *, only: Iterable[str] | None = None) -> list[str]:
        """The names of the values that stand in a text, as they are or encoded."""
        names = self.values if only is None else only
        return [name for name in names if any(_stands_in(dress, text) for dress in _dresses(self.values[name]))]

    def find_in_lines(self, text: str) -> list[str]:
        """The same for a log; the moment of a JSON line is left out, whose microseconds may look like a code."""
        found = []
        for line in text.splitlines():
            try:
                fields = json.loads(line)
                fields.pop("timestamp")
                line = json.dumps(fields, ensure_ascii=False)
            except (ValueError, AttributeError, KeyError):
                pass
            found += [f"{name} in: {line[:300]}" for name in self.find(line)]
        return found

    def find_in_database(self, engine: sa.Engine, files: list[Path], *, only: Iterable[str]) -> list[str]:
        """Every value of every table, and the bytes of the files, where deleted rows still lie about.

        Of a value that is a moment, and nothing else, the microseconds are left out.
        """
        names = list(only)
        found = []
        for table in sa.inspect(engine).get_table_names():
            with engine.connect() as connection:
                for row in connection.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608
                    text = "\n".join(_shown(str(value)) for value in row.values())
                    found += [f"{name} in table {table}" for name in self.find(text, only=names)]
        for file in files:
            content = file.read_bytes().decode("latin-1")
            for name in names:
                value = self.values[name].encode().decode("latin-1")
                if len(value) > SHORT and value in content:
                    found.append(f"{name} in file {file.name}")
        return found


def _shown(value: str) -> str:
    moment = _MOMENT.fullmatch(value)
    return value if moment is None else moment[1]


def _dresses(value: str) -> set[str]:
    raw = value.encode()
    dresses = {
        value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1],
        value.encode("unicode_escape").decode(),
    }  # fmt: skip
    if len(value) > SHORT:
        dresses |= {base64.b64encode(raw).decode().rstrip("="), raw.hex(), value.replace("-", ""), value.lower()}
    return dresses


def _stands_in(value: str, text: str) -> bool:
    if len(value) > SHORT:
        return value in text
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(value)}(?![0-9A-Za-z])", text) is not None
