"""All threads of a web process share one heap of the C library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.no_database,
    pytest.mark.skipif(sys.platform != "linux", reason="the C library of other systems has no such heaps"),
]
FOUR_THREADS = """
import ctypes, sys, threading
if sys.argv[2] == "shared":
    from idp.web import heap
    heap.share_one()
libc, together = ctypes.CDLL(None), threading.Barrier(4)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
def work():
    together.wait()
    kept = [libc.malloc(1000) for _ in range(1000)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.parametrize(("how", "many"), [("shared", False), ("each its own", True)])
def test_threads_take_memory_from_one_heap(tmp_path: Path, how: str, many: bool) -> None:
    told = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", FOUR_THREADS, str(told), how], check=True, timeout=60)
    assert (told.read_text().count("<heap nr=") > 1) == many
