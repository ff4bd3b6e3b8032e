"""A fund's file, whatever it was saved as: told apart by its first bytes, never by its name."""

from __future__ import annotations

import io
from collections.abc import Callable

from idp.services.person_rows import BadTable, Table
from idp.services.persons_csv import read_csv
from idp.services.persons_xlsx import read_xlsx

ZIP = b"PK\x03\x04"
OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # XLS, and every workbook with a password


def open_table(stream: io.RawIOBase, watch: Callable[[int], None] = lambda _: None) -> Table:
    """Headings and records of a seekable file. Raises `BadTable`, also while it is read. `watch` is told how many bytes
    were read.
    """
    beginning = stream.read(len(ZIP)) or b""
    stream.seek(0)
    if beginning.startswith(OLD_OFFICE):
        raise BadTable("old")
    buffered = io.BufferedReader(_Watched(stream, watch), 64 * 1024)
    return read_xlsx(buffered) if beginning == ZIP else read_csv(buffered, beginning)


class _Watched(io.RawIOBase):
    """The same bytes, counted."""

    def __init__(self, stream: io.RawIOBase, watch: Callable[[int], None]) -> None:
        self._stream = stream
        self._watch = watch

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        piece = self._stream.read(len(into)) or b""
        into[: len(piece)] = piece
        self._watch(len(piece))
        return len(piece)

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(to, whence)

    def tell(self) -> int:
        return self._stream.tell()
