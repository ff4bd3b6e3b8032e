"""What a portal says in its own words: a few texts of pages and mails, plain, with the placeholders of the usual ones.

No address stands in them: a message that asks for a code never holds something to follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from idp.texts import LANGUAGES, PLACEHOLDER, Texts, typeset

KEYS = (
    "l.first", "l.noportal", "r1.before", "r2.hint", "r3.notReceived", "r7.body", "m.welcome.subject",
    "m.welcome.body", "m.exists.body", "m.code.body", "m.reset.body",
)  # fmt: skip
LONGEST = 800
ADDRESS = re.compile(r"://|\bwww\.|@|\b[a-z0-9-]+\.(?:ch|com|net|org|li|eu|info)\b", re.IGNORECASE)
OwnTexts = dict[str, dict[str, str]]  # language → key → text


@dataclass(frozen=True)
class TextFault:
    """`kind` names the rule; `needed` are the placeholders that the usual text has."""

    language: str
    key: str
    kind: str
    needed: str = ""

    def __str__(self) -> str:
        return f"{self.language} {self.key} {SAID[self.kind].format(needed=self.needed)}"


SAID = {
    "unknown": "is no text that a portal may say in its own words",
    "placeholders": "must have these placeholders and no other: {needed}",
    "address": "may hold no address",
    "length": f"is longer than {LONGEST} characters",
    "line": "must be one line without control characters",
}


def faults_of(own: Mapping[str, Mapping[str, str]]) -> Iterator[TextFault]:
    """Everything that is wrong, text by text."""
    usual = Texts.load().catalogues
    for language, texts in own.items():
        for key, text in texts.items():
            if language not in LANGUAGES or key not in KEYS:
                yield TextFault(language, key, "unknown")
                continue
            wanted = set(PLACEHOLDER.findall(usual[language][key]))
            if set(PLACEHOLDER.findall(text)) != wanted:
                yield TextFault(
                    language, key, "placeholders", " ".join(f"{{{name}}}" for name in sorted(wanted)) or "–"
                )
            elif len(text) > LONGEST:
                yield TextFault(language, key, "length")
            elif not _is_plain(text, may_break=key.endswith(".body")):
                yield TextFault(language, key, "line")
            elif ADDRESS.search(text):
                yield TextFault(language, key, "address")


def judged(own: OwnTexts) -> OwnTexts:
    """The texts as they are stored: set like the others, nothing empty. Raises ValueError with every fault."""
    said = {
        language: {key: text.strip() for key, text in texts.items() if text.strip()} for language, texts in own.items()
    }
    faults = [str(fault) for fault in faults_of(said)]
    if faults:
        raise ValueError("; ".join(faults))
    return {
        language: {key: typeset(key, text, language) for key, text in texts.items()}
        for language, texts in said.items()
        if texts
    }


def _is_plain(text: str, *, may_break: bool) -> bool:
    return all((ord(one) >= 32 and one not in "\x7f\u2028\u2029") or (may_break and one == "\n") for one in text)
