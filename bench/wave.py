"""The flood: so many wrong sign-ins in flight for so long, each of a network of its own; run as a process of its own.

Called with the port, the seconds and a file of the requests; prints how they were answered, by status.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path

GENTLE = 10  # niceness: what is measured beside the flood must not wait for the flood's own processor time


async def _again_and_again(port: int, request: str, seconds: float, found: Counter[str]) -> None:
    """The same form, as if the person had pressed again, until the time is over."""
    ends_at = time.monotonic() + seconds
    for number in count():
        if time.monotonic() > ends_at:
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, body = request.replace("NONCE", f"{number:08}").split("\n\n")
        writer.write(f"{head}\nContent-Length: {len(body)}\n\n".replace("\n", "\r\n").encode() + body.encode())
        answer = await reader.read()
        found[answer.split(b" ", 2)[1].decode() if answer else "none"] += 1
        writer.close()


async def _all(port: int, seconds: float, requests: list[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    await asyncio.gather(*(_again_and_again(port, request, seconds, found) for request in requests))
    return found


if __name__ == "__main__":
    os.nice(GENTLE)
    given = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    print(json.dumps(asyncio.run(_all(int(sys.argv[1]), float(sys.argv[2]), given))))
