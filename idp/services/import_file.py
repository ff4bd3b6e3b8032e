"""The contents of an import's file, sealed in pieces in the database: processes keep nothing, and nothing lies open."""

from __future__ import annotations

import io
from uuid import UUID

from sqlalchemy import insert, select

from idp.models.base import db
from idp.models.person_import import ImportChunk
from keys import Vault

PIECE = 256 * 1024
KEPT = 3  # pieces that are open at once


def store_file(vault: Vault, import_id: UUID, content: bytes) -> None:
    """Seal it piece by piece, so that only one is in memory twice."""
    for number, start in enumerate(range(0, len(content), PIECE)):
        sealed = vault.seal(content[start : start + PIECE], _place(import_id, number))
        db.session.execute(insert(ImportChunk), {"import_id": import_id, "number": number, "sealed_data": sealed})


class SealedFile(io.RawIOBase):
    """The file to be read anywhere, with a few pieces of it in memory."""

    def __init__(self, vault: Vault, import_id: UUID, size: int) -> None:
        self._vault = vault
        self._import_id = import_id
        self._size = size
        self._at = 0
        self._open: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + to < 0:
            raise ValueError("before the beginning of the file")
        self._at = start + to
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        number, begin = divmod(self._at, PIECE)
        piece = self._piece(number)[begin : begin + len(into)]
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _piece(self, number: int) -> bytes:
        """Opened, and kept while it is among the last few: two parts of a workbook are read in turns."""
        if number not in self._open:
            found = select(ImportChunk.sealed_data).where(
                ImportChunk.import_id == self._import_id, ImportChunk.number == number
            )
            sealed = db.session.scalars(found).one()
            if len(self._open) == KEPT:
                self._open.pop(next(iter(self._open)))
            self._open[number] = self._vault.open(sealed, _place(self._import_id, number))
        return self._open[number]


def _place(import_id: UUID, number: int) -> str:
    return f"import_chunk.sealed_data.{import_id}.{number}"
