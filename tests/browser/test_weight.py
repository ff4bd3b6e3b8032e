"""What the pages weigh (ux.md §10, U21), measured on the demonstration from a browser that was never here before."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, Route

from tests.browser.conftest import Opener
from tests.browser.letters import Letters
from tests.browser.test_guide import enter
from tests.browser.walk import Walk
from tests.support.demonstration import Demo

KB = 1024
LIMITS = {"html": 8 * KB, "css": 12 * KB, "javascript": 10 * KB, "woff2": 36 * KB, "svg": 10 * KB}
FIRST_VISIT, LATER_PAGE, MOST_REQUESTS = 75 * KB, 10 * KB, 6


@dataclass
class Scale:
    """Each answer of one page load and its weight, text as gzip would send it."""

    weights: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.weights.values())


@contextmanager
def weighing(page: Page) -> Iterator[Scale]:
    scale, asked = Scale(), list[Request]()

    def hear(request: Request) -> None:
        asked.append(request)

    page.on("requestfinished", hear)
    yield scale
    page.wait_for_load_state("networkidle")
    page.remove_listener("requestfinished", hear)
    for request in asked:
        answer = request.response()
        if answer is None or answer.status in {302, 303} or request.url.startswith("data:"):
            continue
        kind = answer.headers["content-type"].split(";")[0].split("/")[1].split("+")[0]
        is_sent = request.sizes()["responseBodySize"] > 0  # else the browser had it
        weight = weigh(answer.body(), kind) if is_sent else 0
        assert weight <= LIMITS[kind], (request.url, weight)
        scale.weights[urlsplit(request.url).path] = weight


def weigh(body: bytes, kind: str) -> int:
    return len(body) if kind == "woff2" else len(gzip.compress(body, 9))


def test_the_first_visit_and_every_later_page(demo: Demo, letters: Letters, open_page: Opener) -> None:
    walk, letter = Walk(open_page("fr"), demo.home, demo), letters.one()
    with weighing(walk.page) as first:
        walk.open("/demo-a/register/code")
    assert first.total <= FIRST_VISIT, first
    assert 3 < len(first.weights) <= MOST_REQUESTS, first
    later = {}
    with weighing(walk.page) as later["R2"]:
        walk.enter_code(letter)
    before = demo.count()
    with weighing(walk.page) as later["R3"]:
        walk.fill("email", "poids@example.ch")
        walk.press()
    code = demo.code("mail", "poids@example.ch", before)
    with weighing(walk.page) as later["R4"]:
        walk.fill("otp", code)
        walk.press()
    with weighing(walk.page) as later["R4, empty"]:
        walk.press()
    with weighing(walk.page) as later["R6"]:
        walk.enter_details(letter, "app")
    with weighing(walk.page) as later["help"]:
        walk.open("/help")
    assert {name: scale.weights for name, scale in later.items() if scale.total > LATER_PAGE} == {}


def test_each_other_first_page_is_as_light(demo: Demo, open_page: Opener) -> None:
    for path in ("/", "/demo-a/login", "/help", "/privacy?lang=de", "/nix"):
        walk = Walk(open_page("fr"), demo.home, demo)
        with weighing(walk.page) as scale:
            walk.open(path)
        assert scale.total <= FIRST_VISIT, (path, scale)
        assert len(scale.weights) <= MOST_REQUESTS, (path, scale)


def test_the_guide_needs_nothing_else(demo: Demo, open_page: Opener) -> None:
    """No request to another host (watched by `open_page`), and no cookie but the four we tell of."""
    walk = Walk(open_page("fr"), demo.home, demo)
    enter(walk, "Caisse Démo A")
    walk.page.go_back()
    walk.fill("email", "helene@example.ch")
    with walk.page.expect_navigation():  # what was typed is kept, but not in this browser
        walk.page.locator("nav a").filter(has_text="Deutsch").click()
    assert walk.page.locator("input[name=email]").input_value() == "helene@example.ch"
    names = {cookie["name"] for cookie in walk.page.context.cookies(demo.home)}
    assert names == {"connect_browser", "connect_lang", "connect_portal"}
    assert walk.page.evaluate("localStorage.length + sessionStorage.length") == 0


SHIFTS = """new Promise(resolve => {
  let moved = 0;
  new PerformanceObserver(list => list.getEntries().forEach(one => { moved += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  document.fonts.ready.then(() => requestAnimationFrame(() => setTimeout(() => resolve(moved), 100)));
})"""
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 90_000}


def test_nothing_moves_while_a_page_arrives_over_a_slow_line(demo: Demo, open_page: Opener) -> None:
    """Neither the script nor a font that comes a second late pushes anything about (ux.md §10, U22)."""
    for path in ("/", "/demo-a/login", "/demo-a/register/code", "/help"):
        for lang, size in (("fr", {"width": 1280, "height": 900}), ("de", {"width": 390, "height": 800})):
            page = open_page(lang, viewport=size)
            session = page.context.new_cdp_session(page)
            session.send("Network.enable")
            session.send("Network.emulateNetworkConditions", SLOW)
            page.route("**/*.woff2", come_late)
            page.goto(demo.home + path)
            assert page.evaluate(SHIFTS) == 0, (path, lang, size)


def come_late(route: Route) -> None:
    time.sleep(1)
    route.continue_()
