"""The one door to words: every text of pages, mails, SMS and letters, by key, in four languages.

Catalogues are gettext files whose msgid is the key of the text. Typography is applied when they are loaded: ’ for ',
and the French no-break space before ? ! ; : (never in SMS, whose alphabet has neither).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from babel.messages.pofile import read_po

from idp.clock import swiss

LANGUAGES = ("fr", "de", "it", "en")
LANGUAGE_NAMES = {"fr": "Français", "de": "Deutsch", "it": "Italiano", "en": "English"}
FOLDER = Path(__file__).parent / "translations"
PLACEHOLDER = re.compile(r"\{([a-zA-Z0-9_]+)\}")
FRENCH_HIGH = re.compile(r"(?<=[\w»)}])([?!;]|:(?=\s|$))")


@dataclass(frozen=True, repr=False)
class Texts:
    """All catalogues, read once; `own`: what a portal says in its own words, by language and key."""

    catalogues: Mapping[str, Mapping[str, str]]
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    @cache
    def load(cls) -> Texts:
        """Read the four catalogues, once in a process."""
        return cls({language: MappingProxyType(_read(language)) for language in LANGUAGES})

    def get(self, language: str, key: str, **values: object) -> str:
        """The text with its placeholders filled in literally: a value is data, never a template. Raises KeyError."""
        text = self.own.get(language, {}).get(key) or self.catalogues[language][key]
        return PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), text)

    def of(self, own: Mapping[str, Mapping[str, str]] | None) -> Texts:
        """The same with a portal's own words before the usual ones."""
        return replace(self, own=own) if own else self

    def keys(self) -> set[str]:
        return set(self.catalogues["fr"])


def _read(language: str) -> dict[str, str]:
    raw = (FOLDER / language / "LC_MESSAGES" / "connect.po").read_bytes()
    catalogue = read_po(BytesIO(raw), locale=language)
    return {
        str(message.id): typeset(str(message.id), str(message.string), language) for message in catalogue if message.id
    }


def typeset(key: str, text: str, language: str) -> str:
    """The typography of the language; SMS keep to their alphabet."""
    if key.startswith("s."):
        return text
    text = text.replace("'", "’")
    return FRENCH_HIGH.sub("\u00a0\\1", text) if language == "fr" else text


def format_day(at: datetime) -> str:
    """The Swiss day of a moment."""
    return format_date(swiss(at).date())


def format_moment(at: datetime) -> str:
    """Day and clock time in Switzerland: 27.3.2026, 14:30."""
    return f"{format_day(at)}, {format_time(at)}"


def format_date(day: date) -> str:
    """27.3.2026, the same in all four languages."""
    return f"{day.day}.{day.month}.{day.year}"


def format_count(number: int, language: str) -> str:
    """1’240, and 1,240 in English."""
    shown = f"{number:,}"
    return shown if language == "en" else shown.replace(",", "’")


def format_time(moment: datetime) -> str:
    """14:30 on a Swiss clock."""
    return f"{swiss(moment):%H:%M}"
