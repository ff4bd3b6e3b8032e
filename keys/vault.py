"""What the house does with the master key: keyed hashes per purpose, and sealed values per row."""

from __future__ import annotations

import hmac
from functools import lru_cache

from keys import base64url
from keys.derive import derive
from keys.envelope import open_sealed, seal


class Vault:
    def __init__(self, master: bytes) -> None:
        self._key = lru_cache(maxsize=64)(lambda purpose: derive(master, purpose))
        self._begun = lru_cache(maxsize=64)(lambda purpose: hmac.new(self._key(purpose), digestmod="sha256"))

    def __repr__(self) -> str:
        return "Vault(…)"

    def mac_bytes(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under the purpose's own key: 32 bytes."""
        mac = self._begun(purpose).copy()  # the key is taken in already, and other threads are not let in meanwhile
        mac.update(data)
        return mac.digest()

    def mac(self, purpose: str, text: str) -> str:
        """The same over text, as 43 URL-safe characters."""
        return base64url.encode(self.mac_bytes(purpose, text.encode()))

    def seal(self, plaintext: bytes, context: str) -> str:
        """Encrypt for one place, named `table.column.row`."""
        return seal(self._key("envelope"), plaintext, context)

    def open(self, sealed: str, context: str) -> bytes:
        """Decrypt what was sealed for this very place. Raises `EnvelopeError`."""
        return open_sealed(self._key("envelope"), sealed, context)
