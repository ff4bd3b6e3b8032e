"""A real Chromium, the demonstration as real processes, and the application on a clock that tests may turn.

Whatever a test does, its pages may raise no script error, break no content security policy and ask no other host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
from werkzeug.serving import WSGIRequestHandler, make_server

from idp.clock import FrozenClock
from idp.services.bundle import Services
from tests.browser.inspect_page import keep_picture
from tests.browser.letters import Letters
from tests.browser.world import World
from tests.support import demonstration
from tests.support.builders import add_portal
from tests.support.demonstration import Demo
from tests.support.ports import five_free_ports

HERE = Path(__file__).parent
Opener = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    with demonstration.running() as started:
        yield started


@dataclass
class Watch:
    """What went wrong on the pages of one test without anybody looking."""

    faults: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("console", lambda message: self._hear(page, message))
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._see)

    def _hear(self, page: Page, message: ConsoleMessage) -> None:
        is_document = message.text.startswith("Failed to load resource") and message.location["url"] == page.url
        if message.type in {"error", "warning"} and not is_document:
            self.faults.append(f"console: {message.text} at {page.url}")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https"} and parts.hostname != "localhost" and not request.is_navigation_request():
            self.faults.append(f"request to another host: {parts.hostname}")


@pytest.fixture
def open_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens pages, each in a context of its own; afterwards nothing may have gone wrong on any of them."""
    watch, contexts = Watch(), list[BrowserContext]()

    def open_one(language: str = "fr", **options: Any) -> Page:
        context = chromium.new_context(**{"locale": f"{language}-CH", "viewport": WIDE, **options})
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        context.on("page", watch.over)
        watch.over(page)
        return page

    yield open_one
    if request.node.stash.get(FAILED, False):
        for at, page in enumerate(page for context in contexts for page in context.pages):
            keep_picture(page, f"{request.node.name}-{at}")
    for context in contexts:
        context.close()
    assert watch.faults == []


WIDE = {"width": 1280, "height": 900}
LANDING = '<!doctype html><html lang="fr"><link rel="icon" href="data:,"><title>Portal</title><h1>Portal</h1>'


LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 40"><rect width="80" height="40" fill="#0b5c7a"/>'
    '<circle cx="20" cy="20" r="12" fill="#fff"/></svg>'
)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"CONNECT_ISSUER": f"http://localhost:{five_free_ports()}"}


class Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Who asked what is no output of a test."""


@pytest.fixture
def world(web: Flask, services: Services, clock: FrozenClock, environment: dict[str, str]) -> Iterator[World]:
    """The application of `web`, served to browsers, while the test holds its clock and its database."""
    issuer = environment["CONNECT_ISSUER"]
    web.add_url_rule("/landing", "landing", lambda: LANDING)  # here every portal stands
    at = {"home_url": f"{issuer}/landing", "initiate_login_uri": f"{issuer}/landing"}
    portals = [
        add_portal("cpx", logo_svg=LOGO, **at),
        *(add_portal(slug, place="Genève", **at) for slug in ("fon", "abc", "def", "ghi", "jkl", "mno", "pqr", "stu")),
    ]
    server = make_server("localhost", urlsplit(issuer).port or 0, web, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield World(web, issuer, services, clock, portals)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="package")
def letters(demo: Demo) -> Letters:
    return Letters(demo)
