"""What attackers try first: passwords that many have or that were stolen, single words, and an operator's own list.

NIST SP 800-63B-4 §3.1.1.2 asks for such a blocklist. Ours comes with the code and holds truncated hashes, so that
nothing is downloaded and nobody reads stolen passwords here; docs/common_passwords.py makes it and names its sources.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

from idp.places import PACKAGE

FILE = PACKAGE / "data" / "common_passwords.bin"
WIDTH = 5  # bytes of SHA-256 an entry: of three million passwords that are not listed, one is taken for one that is
SHORTEST_STEM = 8
LOOKALIKES = str.maketrans("013457@$!€", "oieastasie")
SIGNS = re.compile(r"^[\W_]+|[\W_]+$")
DIGITS_AND_SIGNS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def folded(text: str) -> str:
    """Capitals and signs that stand for letters make no new password."""
    return unicodedata.normalize("NFKC", text).casefold().translate(LOOKALIKES)


def forms(password: str) -> set[str]:
    """The password, without the signs around it, and without the digits too; where enough is left to judge."""
    text = unicodedata.normalize("NFKC", password)
    stems = (SIGNS.sub("", text), DIGITS_AND_SIGNS.sub("", text))
    return {text, *(stem for stem in stems if len(stem) >= SHORTEST_STEM)}


def digest(text: str) -> bytes:
    return hashlib.sha256(folded(text).encode()).digest()[:WIDTH]


class CommonPasswords:
    def __init__(self, own: Iterable[str] = ()) -> None:
        self._known = FILE.read_bytes()
        self._own = frozenset(digest(line.strip()) for line in own if line.strip())
        self.count, self.own_count = len(self._known) // WIDTH, len(self._own)
        listed = hashlib.sha256(self._known + b"".join(sorted(self._own)))
        self.version = listed.hexdigest()[:8]  # another one where anything in either list is another

    def has(self, password: str) -> bool:
        """Whether this is one of them, or one of them with digits and signs around it."""
        digests = [digest(form) for form in forms(password)]
        return any(one in self._own or self._is_known(one) for one in digests)

    def _is_known(self, wanted: bytes) -> bool:
        def at(number: int) -> bytes:
            return self._known[number * WIDTH : (number + 1) * WIDTH]

        return at(bisect_left(range(len(self._known) // WIDTH), wanted, key=at)) == wanted
