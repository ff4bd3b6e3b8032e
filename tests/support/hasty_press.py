"""A worker's press with small parts in a process of its own, to be killed: `python -m tests.support.hasty_press 2`."""

from __future__ import annotations

import sys

from idp.cli.context import at_work
from idp.services import press

if __name__ == "__main__":
    press.PART = press.ROWS = int(sys.argv[1])
    with at_work():
        from flask import current_app

        while True:
            press.Press(current_app._get_current_object()).run_once()  # type: ignore[attr-defined]
