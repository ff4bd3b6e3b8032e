"""Sets letters in a process of its own, which gives its memory back: the typesetter keeps half a megabyte a page.

Run as a program it reads a JSON list of pages from its input and writes one PDF (PDF/UA-1) to its output, or the
picture of a single page.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

LONGEST_S = 600
PICTURE_PPI = 100.0
NO_GLYPH = 3
SAYS_NO_GLYPH = "could not be displayed with font"


class NoGlyph(Exception):
    """A page holds a character that no typeface of the letter has; a blank would stand for it, so PDF/UA forbids it."""


def typeset(source: Path, pages: list[dict[str, Any]], kind: Literal["pdf", "png"] = "pdf") -> bytes:
    """The PDF of these pages by the template at `source`, or the picture of one. Raises `NoGlyph`."""
    # -P: our own folder must not hide modules of the standard library.
    command = [sys.executable, "-P", __file__, str(source), kind]
    done = subprocess.run(  # noqa: S603 - this very file, and a path of ours
        command, input=json.dumps(pages).encode(), capture_output=True, timeout=LONGEST_S, check=False
    )
    if done.returncode == NO_GLYPH:
        raise NoGlyph
    if done.returncode:
        raise RuntimeError(f"the letter cannot be set: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def main() -> int:
    import typst  # here alone: whoever asks for a letter needs none of it

    source, kind = Path(sys.argv[1]), sys.argv[2]
    try:
        compiled = typst.compile(
            str(source),
            root=str(source.parent),
            format="png" if kind == "png" else "pdf",
            pdf_standards=[] if kind == "png" else ["ua-1"],
            ppi=PICTURE_PPI,
            ignore_system_fonts=True,
            sys_inputs={"letters": sys.stdin.buffer.read().decode()},
        )
    except typst.TypstError as error:
        if SAYS_NO_GLYPH in str(error):
            return NO_GLYPH
        raise
    if not isinstance(compiled, bytes):
        raise TypeError("the typesetter returned no document")
    sys.stdout.buffer.write(compiled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
