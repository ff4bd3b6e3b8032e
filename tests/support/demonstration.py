"""The demonstration as a process of its own, met over HTTP alone: its letters and its inbox."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.ports import five_free_ports

ROOT = Path(__file__).resolve().parent.parent.parent
ANSWERS_WITHIN_S, POLL_S = 30, 0.05


class Demo:
    """Connect on `port`, its two portals on the next two."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port, self.process = port, process
        self.home = f"http://localhost:{port}"
        self.portals = (f"http://localhost:{port + 1}", f"http://localhost:{port + 2}")
        self.log = ROOT / "demo-data" / str(port) / "demo.log"

    def letters(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = requests.get(f"{self.home}/demo/letters.json", timeout=10).json()
        return found

    def letter(self, **wanted: str) -> dict[str, str]:
        return next(one for one in self.letters() if all(one[name] == value for name, value in wanted.items()))

    def inbox(self) -> list[dict[str, str]]:
        """Newest first."""
        found: list[dict[str, str]] = requests.get(f"{self.home}/demo/inbox.json", timeout=10).json()
        return found

    def count(self) -> int:
        return len(self.inbox())

    def code(self, channel: str, to: str, after: int) -> str:
        """The code of the newest message to this address, once there are more messages than `after`."""
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while time.monotonic() < deadline:
            inbox = self.inbox()
            for message in inbox[: len(inbox) - after]:
                found = re.search(r"\b\d{6}\b", message["subject"] + message["text"])
                if message["channel"] == channel and message["to"] == to and found:
                    return found[0]
            time.sleep(POLL_S)
        raise AssertionError(f"no {channel} came")


@contextmanager
def running(*program: str) -> Iterator[Demo]:
    """A fresh demonstration on free ports, by `dev.py demo` unless told otherwise; nothing of it stays."""
    port = five_free_ports()
    process = start(port, *program)
    try:
        yield Demo(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        shutil.rmtree(ROOT / "demo-data" / str(port), ignore_errors=True)


def start(port: int, *program: str) -> subprocess.Popen[str]:
    command = [sys.executable, *(program or ("dev.py", "demo")), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    if [line[:2] for line in lines] != ["1.", "2.", "3.", "4.", "5."]:
        process.kill()
        process.communicate()
        raise AssertionError(f"the demonstration did not start: {lines}")
    return process
