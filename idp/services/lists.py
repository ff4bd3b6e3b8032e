"""The lists of the console: who may see each, and by what its address may narrow it.

What is kept of an address, in a saved view or an export, passes through `read_filters`, when it is stored and when it
is used: nothing but known parameters with values of a known shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

from idp.models.letter_batch import BatchState
from idp.services.code_changes import CodeState
from idp.services.permissions import Permission
from idp.services.person_lists import Ages, Filter
from idp.texts import LANGUAGES

PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,100}")  # a slug, an id, a day, a tag, the name of a column
CHANNELS = ("mail", "sms", "logout", "webhook")
MESSAGE_STATES = ("waiting", "sending", "sent", "delivered", "bounced", "expired", "dead", "dropped")


class Listing(StrEnum):
    """A list by the last part of its address."""

    PORTALS = "portals"
    MESSAGES = "messages"
    PERSONS = "persons"
    IMPORTS = "imports"
    LETTERS = "letters"
    CODES = "codes"
    AUDIT = "audit"

    @property
    def address(self) -> str:
        return f"/admin/{self.value}"


@dataclass(frozen=True)
class Choice:
    """A filter with a closed list of values; the key of the words of each begins with `words`, but of languages, which
    have names of their own.
    """

    label: str
    words: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """`choices` are its filters by name, `plain` those whose values are only known by their shape. `is_personal`: its
    rows are about persons.
    """

    see: Permission
    title: str
    choices: Mapping[str, Choice] = field(default_factory=dict)
    plain: tuple[str, ...] = ("portal", "sort")
    is_personal: bool = False


# What is typed to look for a person, and the fund's reference in the audit, are personal: they are never kept.
KNOWN: Mapping[Listing, Known] = {
    Listing.PORTALS: Known(Permission.SEE_PORTALS, "por.title", plain=("sort",)),
    Listing.MESSAGES: Known(
        Permission.SEE_MESSAGES, "msg.title",
        {"channel": Choice("msg.channel", "msg.", CHANNELS),
         "state": Choice("adm.state", "msg.state.", MESSAGE_STATES)},
    ),
    Listing.PERSONS: Known(
        Permission.SEE_PERSONS, "per.title",
        {"status": Choice("adm.state", "per.state.", tuple(Filter)),
         "language": Choice("per.language", "", LANGUAGES),
         "ages": Choice("per.ages", "per.ages.", tuple(Ages))},
        is_personal=True,
    ),
    Listing.IMPORTS: Known(Permission.IMPORT_PERSONS, "imp.title"),
    Listing.LETTERS: Known(
        Permission.SEE_LETTERS, "bat.title", {"state": Choice("adm.state", "bat.state.", tuple(BatchState))}
    ),
    Listing.CODES: Known(
        Permission.SEE_LETTERS, "cod.title", {"state": Choice("adm.state", "cod.state.", tuple(CodeState))},
        is_personal=True,
    ),
    Listing.AUDIT: Known(
        Permission.SEE_AUDIT, "adm.audit", plain=("portal", "sort", "group", "tag", "who", "from", "to")
    ),
}  # fmt: skip


def read_filters(listing: Listing, given: Mapping[str, str]) -> dict[str, str]:
    """Of these parameters those that this list knows, with a value that it may have; everything else is left out."""
    known, found = KNOWN[listing], {}
    for name, value in given.items():
        choice = known.choices.get(name)
        is_good = value in choice.values if choice else name in known.plain and PLAIN.fullmatch(value) is not None
        if is_good:
            found[name] = value
    return found


def address_of(listing: Listing, filters: Mapping[str, str]) -> str:
    """The list narrowed so."""
    asked = read_filters(listing, filters)
    return f"{listing.address}?{urlencode(asked)}" if asked else listing.address
