"""A program of the cluster: started with its own log, ended with everything it began, killed or frozen where a fault is
wanted.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN_S, ENDS_WITHIN_S, POLL_S = 180, 20, 0.02  # what ends is seen at once, so the first may be long
AT_END_OF_LOG = 2000


class Program:
    """`ends_by` is the signal by which it is asked to end. Should whoever started it die, it ends too."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        environ: Mapping[str, str] | None = None,
        *,
        user: str | None = None,
        ends_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log, self._ends_by = log, ends_by
        guard = ["setpriv", "--pdeathsig", ends_by.name.removeprefix("SIG")] if shutil.which("setpriv") else []
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*as_user(user), *guard, *command],
                cwd=ROOT, env={**os.environ, **(environ or {})}, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def children(self) -> list[int]:
        """The processes that it began."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Raises `RuntimeError` with the end of its log when it ends before, or takes too long."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not is_there():
            if self.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"{self.log.name}:\n{self.log.read_text()[-AT_END_OF_LOG:]}")
            time.sleep(POLL_S)

    def end(self) -> None:
        """Ask it to end, and insist after a while."""
        if not self.has_ended:
            self._process.send_signal(self._ends_by)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Without any warning, with everything it began."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self._process.wait(ENDS_WITHIN_S)

    def signal(self, number: signal.Signals) -> None:
        """To it and to everything it began."""
        if not self.has_ended:
            os.killpg(self.pid, number)


def as_user(user: str | None) -> list[str]:
    """What a command begins with so that it runs as somebody else; only root can, and others need not."""
    if user is None or os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
