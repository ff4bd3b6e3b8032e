"""All PDFs of a batch in one ZIP file, made while it is sent: one part is in memory at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from uuid import UUID

from flask import Blueprint, Response, abort, stream_with_context

from idp.admin.entrance import requires, worker
from idp.admin.letter_batch import PAGE, load
from idp.admin.letters import PRINT
from idp.clock import swiss
from idp.models.base import db
from idp.services.bundle import services

blueprint = Blueprint("admin_letter_archive", __name__)


class _Pipe:
    """What a ZIP file is written to that nobody can go back in."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, piece: bytes) -> int:
        self._written += piece
        return len(piece)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is held here."""

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


@blueprint.get(f"{PAGE}/letters.zip")
@requires(PRINT)
def archive(batch_id: UUID) -> Response:
    found = load(batch_id, PRINT)
    if not services().letter_batches.files(found):
        abort(404)
    name = f"{found.portal.slug}-{found.number}"
    files = services().letter_batches.open_files(found, worker().account.id)
    answer = Response(stream_with_context(_zipped(name, files)), 200)
    answer.headers["Content-Type"] = "application/zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return answer


def _zipped(name: str, files: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """A PDF is compressed as it is, so the parts are stored."""
    pipe, now = _Pipe(), swiss(services().clock.now())
    moment = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as packed:
        for part, pdf in files:
            db.session.rollback()  # nothing is held while somebody's line is slow
            packed.writestr(zipfile.ZipInfo(f"{name}-{part:02}.pdf", moment), pdf)
            yield pipe.take()
    yield pipe.take()
