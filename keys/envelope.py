"""Envelope encryption: AES-256-GCM under a fresh data key, which is wrapped under the master's wrapping key.

The context (table, column and row) is authenticated with both, so a ciphertext moved to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE, KEY, TAG = 12, 32, 16
WRAPPED = NONCE + KEY + TAG


class EnvelopeError(Exception):
    """The sealed value does not open here: wrong key, wrong row, or changed."""


def seal(wrapping_key: bytes, plaintext: bytes, context: str) -> str:
    """The sealed form, URL-safe base64: version, wrapped data key, nonce, ciphertext."""
    data_key = AESGCM.generate_key(256)
    bound = context.encode()
    wrap_nonce, nonce = os.urandom(NONCE), os.urandom(NONCE)
    wrapped = wrap_nonce + AESGCM(wrapping_key).encrypt(wrap_nonce, data_key, VERSION + bound)
    sealed = VERSION + wrapped + nonce + AESGCM(data_key).encrypt(nonce, plaintext, VERSION + bound)
    return base64.urlsafe_b64encode(sealed).decode()


def open_sealed(wrapping_key: bytes, sealed: str, context: str) -> bytes:
    """The plaintext. Raises `EnvelopeError` without saying why."""
    try:
        raw = base64.urlsafe_b64decode(sealed)
        if raw[:1] != VERSION or len(raw) < 1 + WRAPPED + NONCE + TAG:
            raise EnvelopeError("not a sealed value")
        bound = VERSION + context.encode()
        wrapped, rest = raw[1 : 1 + WRAPPED], raw[1 + WRAPPED :]
        data_key = AESGCM(wrapping_key).decrypt(wrapped[:NONCE], wrapped[NONCE:], bound)
        return AESGCM(data_key).decrypt(rest[:NONCE], rest[NONCE:], bound)
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise EnvelopeError("the sealed value does not open") from error
