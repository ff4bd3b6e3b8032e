"""E-mail addresses as identifiers: one normal form, and a suggestion where a well-known domain was mistyped.

The normal form is NFKC, the whole address case-folded, the domain in IDNA 2008: spellings that a mail server treats
as one mailbox are one account. Homoglyphs stay distinct, plus and dots are kept. Mail goes to the normal form only.
"""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

KNOWN_DOMAINS = (
    "gmail.com", "bluewin.ch", "hotmail.com", "hotmail.ch", "outlook.com", "yahoo.com", "yahoo.fr", "gmx.ch", "gmx.net",
    "gmx.de", "icloud.com", "sunrise.ch", "hispeed.ch", "protonmail.com", "proton.me", "orange.fr", "libero.it",
    "web.de", "t-online.de", "vtxnet.ch", "netplus.ch", "quickline.ch", "swissonline.ch", "ticino.com",
)  # fmt: skip
MAX_LENGTH = 254


def normalise_email(typed: str) -> str | None:
    """The stored form of an address, or None when it is not one complete address."""
    text = unicodedata.normalize("NFKC", typed.strip())
    if len(text) > MAX_LENGTH or any(ord(character) < 32 or character in "\u2028\u2029" for character in text):
        return None
    try:
        parts = validate_email(text, check_deliverability=False, allow_quoted_local=False, allow_domain_literal=False)
    except EmailNotValidError:
        return None
    if "." not in parts.ascii_domain:
        return None
    local = unicodedata.normalize("NFKC", parts.local_part.casefold())
    return f"{local}@{parts.ascii_domain.lower()}"


def suggest_email(normalised: str) -> str | None:
    """The address with a well-known domain one typing error away, if the typed domain is not known itself."""
    local, _, domain = normalised.rpartition("@")
    if domain in KNOWN_DOMAINS:
        return None
    for known in KNOWN_DOMAINS:
        if _one_error_apart(domain, known):
            return f"{local}@{known}"
    return None


def _one_error_apart(typed: str, known: str) -> bool:
    """One letter replaced, missing, added, or two neighbours exchanged."""
    if len(typed) == len(known):
        wrong = [at for at, pair in enumerate(zip(typed, known, strict=True)) if pair[0] != pair[1]]
        if len(wrong) == 1:
            return "." not in (typed[wrong[0]], known[wrong[0]]) or len(typed) > 6
        return (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and typed[wrong[0]] == known[wrong[1]]
            and typed[wrong[1]] == known[wrong[0]]
        )
    longer, shorter = (typed, known) if len(typed) > len(known) else (known, typed)
    return len(longer) - len(shorter) == 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )
