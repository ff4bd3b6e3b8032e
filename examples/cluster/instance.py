"""An instance of Connect behind granian, emptied before it is stopped: what an operator's unit connect-web@ does."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from examples.cluster.program import Program

THREADS = 8
EMPTIED_WITHIN_S = 1.0  # nginx looks for the file with each request; what it has sent is finished by granian
LOOKS_FOR_S = 5
LISTENS = "0A"  # a state of /proc/net/tcp


class Instance:
    """While its drain file is there, nginx sends it nothing, and `/readyz` says so to whoever else asks."""

    def __init__(self, number: int, port: int, folder: Path, environ: Mapping[str, str], workers: int) -> None:
        self.number, self.port, self.workers = number, port, workers
        self.drain = folder / f"connect-{number}" / "draining"
        self.drain.parent.mkdir()
        self.log = folder / f"web-{number}.log"
        self._environ = {**environ, "CONNECT_DRAIN_FILE": str(self.drain)}
        self.program: Program | None = None

    def start(self) -> None:
        """Until it answers nothing comes to it."""
        self.begin()
        self.open()

    def begin(self) -> None:
        command = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", str(self.workers), "--blocking-threads", str(THREADS), "--no-ws", "--respawn-failed-workers",
            "--respawn-interval", "0.5", "--workers-kill-timeout", "30", "--log-level", "warning", "wsgi:app",
        ]  # fmt: skip
        self.drain.touch()
        self.program = Program(command, self.log, self._environ)

    def open(self) -> None:
        """Each of its workers listens on its own, as soon as it has loaded Connect."""
        if self.program is None:
            raise LookupError("the instance was not begun")
        self.program.wait_until(lambda: self.listening() == self.workers and self.is_alive())
        self.drain.unlink()

    def stop(self) -> None:
        """Readiness goes first, then what is on its way, then the process."""
        self.drain.touch()
        time.sleep(EMPTIED_WITHIN_S)
        self.end()

    def restart(self) -> None:
        self.stop()
        self.start()

    def end(self) -> None:
        if self.program is not None:
            self.program.end()

    def listening(self) -> int:
        """How many of its workers wait for connections."""
        address = f"0100007F:{self.port:04X}"
        fields = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return sum(one[1] == address and one[3] == LISTENS for one in fields)

    def is_alive(self) -> bool:
        return self.ask("/livez") is not None

    def readiness(self) -> dict[str, Any]:
        """What `/readyz` says; nothing where it does not answer."""
        answer = self.ask("/readyz")
        return {} if answer is None else answer.json()

    def ask(self, path: str) -> requests.Response | None:
        """This instance itself, past nginx."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=LOOKS_FOR_S)
        except requests.RequestException:
            return None
