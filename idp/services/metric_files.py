"""What the processes of one machine count, in files of one folder: each writes its own, whoever is asked adds them up.

The format and its reader are prometheus_client's multi-process mode. Its writers choose their folder by a variable of
the environment when they are imported; ours are told theirs. What a process that ended had counted is added to one
file of the dead, so that neither sums fall nor files heap up.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

COUNTER, HISTOGRAM = "counter", "histogram"
MOST, LIVE_SUM, LIVE_LEAST = "gauge_max", "gauge_livesum", "gauge_livemin"  # how gauges of several processes make one
OF_THE_LIVING = (LIVE_SUM, LIVE_LEAST)
THE_DEAD = 0  # no process has this number
NAME = re.compile(rf"({'|'.join((COUNTER, HISTOGRAM, MOST, *OF_THE_LIVING))})_\d+\.db")


class Cell:
    """One number in a file of this process."""

    def __init__(self, file: MmapedDict, key: str) -> None:
        self._file = file
        self._key = key
        self.value: float = file.read_value(key)[0]

    def write(self, value: float) -> None:
        self.value = value
        self._file.write_value(self._key, value, 0.0)


class MetricFiles:
    """The files of this process; made when something is first written, for a server may fork before it serves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, MmapedDict] = {}
        weakref.finalize(self, _close, self._files)
        self.lock = threading.Lock()  # of whoever makes or writes a cell

    def cell(self, kind: str, metric: str, sample: str, names: tuple[str, ...], values: tuple[str, ...],
             said: str) -> Cell:  # fmt: skip
        """The number of these labels, as this process or one of the same number before it left it."""
        if kind not in self._files:
            file = _file(self._folder, kind, os.getpid())
            if kind in OF_THE_LIVING:
                file.unlink(missing_ok=True)
            self._files[kind] = MmapedDict(str(file))
        return Cell(self._files[kind], mmap_key(metric, sample, list(names), list(values), said))


def _close(files: dict[str, MmapedDict]) -> None:
    for file in files.values():
        file.close()


@contextmanager
def settled(folder: Path) -> Iterator[list[str]]:
    """The files to be read, once those of dead processes are added up; nobody else adds up meanwhile."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in _readable(folder):
            if not _is_alive(_pid(file)):
                _bury(folder, file)
        yield [str(file) for file in _readable(folder)]


def _readable(folder: Path) -> list[Path]:
    """Without what is not ours, and what another user's process left, a command of root's for instance."""
    ours = (file for file in folder.glob("*.db") if NAME.fullmatch(file.name))
    return [file for file in ours if file.is_file() and os.access(file, os.R_OK)]


def _bury(folder: Path, file: Path) -> None:
    kind = file.stem.rpartition("_")[0]
    if kind not in OF_THE_LIVING:
        grave = MmapedDict(str(_file(folder, kind, THE_DEAD)))
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            before = grave.read_value(key)[0]
            grave.write_value(key, max(before, value) if kind == MOST else before + value, 0.0)
        grave.close()
    file.unlink()


def _file(folder: Path, kind: str, pid: int) -> Path:
    return folder / f"{kind}_{pid}.db"


def _pid(file: Path) -> int:
    return int(file.stem.rpartition("_")[2])


def _is_alive(pid: int) -> bool:
    if pid == THE_DEAD:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
