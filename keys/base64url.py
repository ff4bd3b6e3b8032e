"""base64url without padding (RFC 7515 §2, RFC 4648 §5), in one move: most of what is signed or hashed leaves so."""

from __future__ import annotations

from binascii import b2a_base64

URL_SAFE = bytes.maketrans(b"+/", b"-_")


def encode(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(URL_SAFE, b"=").decode("ascii")
