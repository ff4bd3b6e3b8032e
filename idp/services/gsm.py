"""The GSM 03.38 alphabet: a text within it fits 160 characters into one SMS, one outside it only 70."""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")  # two septets each
ALPHABET = BASIC | EXTENDED
SEGMENT = 160


def septets(text: str) -> int | None:
    """The length in septets, or None when a character is outside the alphabet."""
    if not ALPHABET.issuperset(text):
        return None
    return len(text) + sum(map(text.count, EXTENDED))


def fits_one_sms(text: str) -> bool:
    length = septets(text)
    return length is not None and length <= SEGMENT
