"""The only door to randomness: everything unpredictable comes from the operating system through `Random`."""

from __future__ import annotations

import hashlib
import os
import secrets  # noqa: TID251 - this is the door
import threading
from datetime import datetime
from functools import lru_cache
from typing import Protocol
from uuid import UUID


class Random(Protocol):
    def bytes(self, count: int) -> bytes:
        """`count` unpredictable bytes."""
        ...


SMALL, LARGE, DRAWN = 16, 64, 1024  # bytes: of an id, of a secret with what is refused of it, of one way to the system
_small: list[bytes] = []  # drawn and given to nobody
_large: list[bytes] = []


def _forget() -> None:
    """Else a child would give what its parent gives."""
    _small.clear()
    _large.clear()


os.register_at_fork(after_in_child=_forget)


class SystemRandom:
    """The operating system's generator, asked for several pieces at once: on each way to it other threads are let in,
    and who asked waits for its turn again. Each piece is given once, and its rest thrown away.
    """

    def bytes(self, count: int) -> bytes:
        if count > LARGE:
            return secrets.token_bytes(count)
        size, pieces = (SMALL, _small) if count <= SMALL else (LARGE, _large)
        try:
            piece = pieces.pop()
        except IndexError:
            drawn = secrets.token_bytes(DRAWN)
            piece, *others = (drawn[at : at + size] for at in range(0, DRAWN, size))
            pieces.extend(others)
        return piece[:count]


SPARE = 8  # bytes more than letters that are wanted: some are refused, and to ask again costs more than to ask for more
ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def pick(random: Random, alphabet: str, count: int) -> str:
    """`count` ASCII characters, each equally likely (rejection sampling, so no alphabet length is biased)."""
    letters, refused = _letters(alphabet)
    chosen = b""
    while len(chosen) < count:
        chosen += random.bytes(count + SPARE).translate(letters, refused)
    return chosen[:count].decode("ascii")


@lru_cache(maxsize=16)
def _letters(alphabet: str) -> tuple[bytes, bytes]:
    """The letter for each byte, and the bytes that would favour the first letters."""
    limit = 256 - 256 % len(alphabet)
    return bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256)), bytes(range(limit, 256))


def digits(random: Random, count: int = 6) -> str:
    """A decimal code, each digit equally likely."""
    return pick(random, "0123456789", count)


def token(random: Random, prefix: str = "") -> str:
    """A URL-safe secret of 43 letters and digits (256 bits) behind a type prefix such as `cc_at_`.

    Letters and digits only: such a secret survives form encoding, copying by double click and every client library.
    """
    return prefix + pick(random, ALPHANUMERIC, 43)


def hash_of(secret: str) -> str:
    """What is stored of such a secret: 256 random bits need no key and no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


TAIL_BITS = 74  # of a UUID version 7, all that is not its moment, its version and its variant
_newest_id = (0, 0)
_newest_id_lock = threading.Lock()


def new_id(random: Random, now: datetime) -> UUID:
    """A time-ordered UUID, version 7 (RFC 9562 §5.7): rows that are born together lie together in the index.

    Within one millisecond of one process the random part counts up by an unpredictable step (§6.2, method 2), so ids
    sort in the order in which they were made.
    """
    global _newest_id
    milliseconds = int(now.timestamp() * 1000)
    with _newest_id_lock:
        drawn = random.bytes(14)
        tail = int.from_bytes(drawn[:10], "big") >> 80 - TAIL_BITS + 1
        if milliseconds == _newest_id[0]:
            tail = _newest_id[1] + 1 + int.from_bytes(drawn[10:], "big")
        _newest_id = (milliseconds, tail)
    high, low = tail >> 62, tail & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)
