"""The pages of ours that a sign-in may lead to: `then=` names one of them, so nobody is ever led elsewhere."""

from __future__ import annotations

PAGES = {
    "account": "/account",
    "profile": "/account/profile",
    "portals": "/account/portals",
    "language": "/account/language",
    "security": "/account/security",
    "passkeys": "/account/security/passkeys",
    "new_passkey": "/account/security/passkeys/new",
    "data": "/account/data",
    "kept": "/account/kept",
}
ANY_SESSION = {
    "account",
    "security",
    "portals",
    "language",
}  # the others are not for whoever was trusted without a second factor
# For whoever proved both factors a moment ago: what is changed there opens the account (NIST SP 800-63B-4 §4.1.2).
ONLY_CONFIRMED = {"passkeys", "new_passkey"}
