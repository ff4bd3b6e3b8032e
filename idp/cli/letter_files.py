"""Letters as files: first beside their names, so that every valid code has its letter, and never over another file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from idp.cli.context import fail
from idp.errors import BadInput
from idp.models.base import db
from idp.services.letters import Letter

LETTERS_PER_FILE = 1000


def file_names(out: Path, count: int) -> list[Path]:
    number = -(-count // LETTERS_PER_FILE)
    return [out] if number == 1 else [out.with_stem(f"{out.stem}-{at:02}") for at in range(1, number + 1)]


def _half(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def check_free(files: list[Path]) -> None:
    if not files[0].parent.is_dir():
        fail(f"there is no folder {files[0].parent}")
    for file in files:
        if file.exists():
            fail(f"{file} exists already; letters are never written over")
        if _half(file).exists():
            fail(
                f"{_half(file)} is left from a run that was stopped at its very end;",
                "if `connect code list` or `connect letter list` shows that its codes were issued, "
                f"rename it to {file.name}, else delete it",
            )


def write(
    letters: list[Letter], files: list[Path], render: Callable[[list[Letter]], bytes],
    issue: Callable[[list[Letter]], None],
) -> None:  # fmt: skip
    """The PDFs first, then the codes, then the PDFs' names: whatever fails, no valid code is without its letter."""
    lots = [letters[at : at + LETTERS_PER_FILE] for at in range(0, len(letters), LETTERS_PER_FILE)]
    pdfs = []
    with click.progressbar(length=len(letters), label="Setting letters", file=sys.stderr) as bar:
        for lot in lots:
            pdfs.append(render(lot))
            bar.update(len(lot))
    issue(letters)
    try:
        for file, pdf in zip(files, pdfs, strict=True):
            _write_privately(_half(file), pdf)
    except BaseException as error:
        for file in files:
            _half(file).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BadInput(f"the letters could not be written: {error.strerror}") from None
        raise
    db.session.commit()  # from here on the letters are good, and only their names are missing
    for file in files:
        _half(file).replace(file)


def keep(file: Path, pdf: bytes) -> None:
    """One file whose codes are not valid yet: a run that was stopped leaves no half of it under its name."""
    try:
        _write_privately(_half(file), pdf)
    except OSError as error:
        _half(file).unlink(missing_ok=True)
        raise BadInput(f"the letters could not be written: {error.strerror}") from None
    _half(file).replace(file)


def _write_privately(path: Path, content: bytes) -> None:
    """A new file that only we can read, on the disk when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
