"""Runs `connect` and kills it at a named point: `python -m tests.support.killed before os.fsync code issue …`."""

from __future__ import annotations

import os
import signal
import sys
from pydoc import locate
from typing import Any

from idp.cli.main import main


def die_at(when: str, place: str) -> None:
    """Let the first call of the function at this dotted place be the end, before or after its work."""
    owner_name, _, name = place.rpartition(".")
    owner = locate(owner_name)
    work = getattr(owner, name)

    def end(*arguments: Any, **named: Any) -> None:
        if when == "after":
            work(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, end)


if __name__ == "__main__":
    die_at(sys.argv[1], sys.argv[2])
    main(sys.argv[3:], prog_name="connect")
