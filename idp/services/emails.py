"""E-mail addresses as identifiers: one normal form, and a suggestion where a well-known domain was mistyped.

The normal form is lower case, the domain in IDNA 2008 after NFKC: spellings that a mail server treats as one mailbox
are one account, plus and dots are kept. What stands before the @ must be ASCII as it was typed: few mail servers take
more (RFC 6531), an accent there is a slip of a typing hand nearly always, and no folding may lead to somebody else's
mailbox.
"""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

KNOWN_DOMAINS = (
    "gmail.com", "bluewin.ch", "hotmail.com", "hotmail.ch", "outlook.com", "yahoo.com", "yahoo.fr", "gmx.ch", "gmx.net",
    "gmx.de", "icloud.com", "sunrise.ch", "hispeed.ch", "protonmail.com", "proton.me", "orange.fr", "libero.it",
    "web.de", "t-online.de", "vtxnet.ch", "netplus.ch", "quickline.ch", "swissonline.ch", "ticino.com",
)  # fmt: skip
MAX_LENGTH, MAX_TYPED = 254, 1000
WIDE_AT = "\uff20"  # of a keyboard that writes full width


def normalise_email(typed: str) -> str | None:
    """The stored form of an address, or None when it is not one complete address."""
    local, _, domain = typed.strip().replace(WIDE_AT, "@").rpartition("@")
    if len(typed) > MAX_TYPED or not local.isascii():
        return None
    text = f"{local}@{unicodedata.normalize('NFKC', domain)}"
    if len(text) > MAX_LENGTH or not text.isprintable():
        return None
    if "=?" in text:  # reads as an encoded word in a header (RFC 2047), which means another address
        return None
    try:
        parts = validate_email(
            text, check_deliverability=False, allow_quoted_local=False, allow_domain_literal=False,
            allow_smtputf8=False, strict=True,
        )  # fmt: skip
    except EmailNotValidError:
        return None
    if "." not in parts.ascii_domain:
        return None
    return f"{parts.local_part.lower()}@{parts.ascii_domain.lower()}"


def email_problem(typed: str) -> str:
    """The message key of why an address cannot be taken."""
    if not typed.strip():
        return "e.email.empty"
    local, _, domain = typed.strip().rpartition("@")
    is_accented = not local.isascii() and normalise_email(f"x@{domain}") is not None
    return "e.email.accent" if is_accented else "e.email.format"


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
