"""One key per purpose from the one master key: HKDF-SHA-256 (RFC 5869), the purpose as `info`."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(master: bytes, purpose: str) -> bytes:
    """32 bytes that only the holder of the master key can compute, different for every purpose."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"connect:{purpose}".encode()).derive(master)
