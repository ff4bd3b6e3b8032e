"""A software authenticator: it keeps keys, signs what it is asked to sign, and lies where a test tells it to."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import struct
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
BITWARDEN = UUID("d548826e-79b4-db40-a3d8-11116f7e8349")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def options_on(page: str) -> str:
    """What the page hands to the authenticator."""
    found = re.search(r'data-options="([^"]*)"', page)
    assert found, "the page asks no authenticator"
    return html.unescape(found[1])


@dataclass
class Authenticator:
    """One key at one site. Whatever is not the truth is passed as `origin`, `rp_id`, `kind`, `flags` and so on."""

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    aaguid: UUID = BITWARDEN
    sign_count: int = 0
    credential_id: bytes = field(default_factory=lambda: os.urandom(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user_handle: bytes = b""

    def create(self, options: str, **lies: Any) -> str:
        """The JSON that a browser's `toJSON()` makes of a new credential."""
        asked = json.loads(options)
        self.user_handle = unb64(asked["user"]["id"])
        flags = lies.get("flags", USER_PRESENT | USER_VERIFIED) | ATTESTED
        head = struct.pack(">H", len(self.credential_id)) + self.credential_id
        attested = self.aaguid.bytes + head + cbor2.dumps(self._cose())
        data = self._data(flags, lies) + attested
        statement = {"fmt": lies.get("fmt", "none"), "attStmt": {}, "authData": data}
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", asked["challenge"], lies)),
            "attestationObject": b64(cbor2.dumps(statement)),
            "transports": ["internal", "hybrid"],
        }
        return self._credential(response)

    def sign(self, options: str, **lies: Any) -> str:
        """The JSON of an assertion."""
        asked = json.loads(options)
        data = self._data(lies.get("flags", USER_PRESENT | USER_VERIFIED), lies)
        client_data = self._client_data("webauthn.get", asked["challenge"], lies)
        key = lies.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(lies.get("user_handle", self.user_handle)),
        }
        return self._credential(response)

    def _credential(self, response: dict[str, Any]) -> str:
        ident = b64(self.credential_id)
        outer = {"id": ident, "rawId": ident, "type": "public-key", "clientExtensionResults": {}}
        return json.dumps({**outer, "authenticatorAttachment": "platform", "response": response})

    def _client_data(self, kind: str, challenge: str, lies: dict[str, Any]) -> bytes:
        told = {
            "type": lies.get("kind", kind),
            "challenge": lies.get("challenge", challenge),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        return json.dumps(told).encode()

    def _data(self, flags: int, lies: dict[str, Any]) -> bytes:
        count = lies.get("sign_count", self.sign_count)
        return hashlib.sha256(lies.get("rp_id", self.rp_id).encode()).digest() + struct.pack(">BI", flags, count)

    def _cose(self) -> dict[int, Any]:
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
