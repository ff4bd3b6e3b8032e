"""Many who sign in or ask at once while something happens to the cluster, and what became of each request."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import requests

from tests.cluster.site import Site

PAUSE_S = 0.1  # so that five ask fifty times a second


@dataclass
class Seen:
    """`ids` are codes and tokens: no two are the same."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    finished: int = 0

    def note(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self.statuses[answer.status_code] += 1

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500)


class SignIns:
    """Whole sign-ins by nginx, each of a new person with a new browser, from the first page to the portal's tokens."""

    def __init__(self, site: Site, emails: list[str], at_once: int) -> None:
        self.seen, self._site, self._at_once = Seen(), site, at_once
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for email in emails:
            self._waiting.put(email)

    @contextmanager
    def going_on(self) -> Iterator[Seen]:
        """They begin, and all have ended with this; nobody begins any more where it fails."""
        with ThreadPoolExecutor(self._at_once) as pool:
            for _ in range(self._at_once):
                pool.submit(self._one_after_the_other)
            try:
                yield self.seen
            except BaseException:
                self._waiting = queue.SimpleQueue()
                raise

    def _one_after_the_other(self) -> None:
        while True:
            try:
                email = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._sign_in(email)
            except Exception as error:
                self.seen.failures.append(f"{email}: {type(error).__name__}: {error}")

    def _sign_in(self, email: str) -> None:
        browser = self._site.browser()
        browser.http.hooks["response"].append(self.seen.note)
        try:
            code = self._site.sign_in(browser, email)
        finally:
            browser.http.close()
        answer = self._site.redeem(code)
        self.seen.note(answer)
        assert answer.status_code == 200, answer.text
        given = answer.json()
        self.seen.ids += [code, given["access_token"], given["refresh_token"]]
        self.seen.finished += 1

    @property
    def left(self) -> int:
        return self._waiting.qsize()


@dataclass(frozen=True)
class Asked:
    method: str
    begun: float
    took: float
    status: int  # 0 where no answer came


class Asking:
    """Requests by nginx without a pause, those that may be sent twice and those that may not in turns."""

    def __init__(self, site: Site, at_once: int) -> None:
        self.asked: list[Asked] = []
        self._site, self._stop = site, Event()
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(at_once)]

    @contextmanager
    def going_on(self) -> Iterator[list[Asked]]:
        for thread in self._threads:
            thread.start()
        try:
            yield self.asked
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            number += 1
            method, begun, status = ("GET", "POST")[number % 2], time.monotonic(), 0
            try:
                answer = self._site.get("/jwks") if method == "GET" else self._site.post("/introspect", token="x")
                status = answer.status_code
            except requests.RequestException:
                pass
            self.asked.append(Asked(method, begun, time.monotonic() - begun, status))
            time.sleep(PAUSE_S)


def failed(asked: list[Asked]) -> list[Asked]:
    return [one for one in asked if one.status != 200]
