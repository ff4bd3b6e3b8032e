"""A TCP line to a server of this machine that a test can make slow, lossy or silent (R-16)."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 64 * 1024
RESENT_AFTER_S = 0.2  # the least time after which TCP sends again what was lost
LOOK_S = 0.02


class BadLine:
    """Whoever connects to `port` speaks to the server behind it; `open_count` is how many do."""

    def __init__(self, to_port: int, seed: int = 1) -> None:
        self.delay_s, self.loss, self.drip_s = 0.0, 0.0, 0.0
        self.open_count = 0
        self._is_cut = False
        self._to_port, self._random = to_port, random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> BadLine:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = server.result(5)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextmanager
    def bad(self, delay_s: float = 0.0, loss: float = 0.0, drip_s: float = 0.0) -> Iterator[None]:
        """Each piece comes later, some once more later, or the answers come byte by byte."""
        self.delay_s, self.loss, self.drip_s = delay_s, loss, drip_s
        yield
        self.delay_s = self.loss = self.drip_s = 0.0

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing comes through, and nobody is told."""
        self._is_cut = True
        yield
        self._is_cut = False

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_count += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            self.open_count -= 1
            return
        ways = [
            asyncio.ensure_future(self._pass_on(reader, back)),
            asyncio.ensure_future(self._pass_on(there, writer, is_answer=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.open_count -= 1
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, back):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                is_lost = self._random.random() < self.loss
                await asyncio.sleep(self.delay_s + (RESENT_AFTER_S + self.delay_s if is_lost else 0))
                while self._is_cut:
                    await asyncio.sleep(LOOK_S)
                drips = is_answer and self.drip_s > 0
                for part in [piece[at : at + 1] for at in range(len(piece))] if drips else [piece]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(self.drip_s if drips else 0)
