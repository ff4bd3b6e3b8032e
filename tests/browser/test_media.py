"""Forced colours, dark, touch and paper (ux.md §10, U7)."""

from __future__ import annotations

import io
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from tests.browser.conftest import Opener
from tests.browser.states import EMAIL
from tests.browser.walk import Walk, read_app
from tests.browser.world import World
from tests.support import qr

EDGES = """() => [...document.querySelectorAll(
  ".card,button:not(.quiet),.button,.choice,main input:not([type=hidden]):not([type=radio]):not([type=checkbox])")]
  .filter(one => one.checkVisibility() && getComputedStyle(one).borderTopWidth === "0px" && !one.matches(".plain"))
  .map(one => one.outerHTML.slice(0, 80))"""


def to_app(walk: Walk, world: World) -> None:
    """R6."""
    letter = world.letter()
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    assert walk.page.evaluate(EDGES) == []
    walk.enter_details(letter, "app")
    assert walk.heading == walk.text("r6.title")


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "dark"},
        {"forced_colors": "active"},
        {"forced_colors": "active", "color_scheme": "dark"},
        {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True},
        {"reduced_motion": "reduce", "contrast": "more"},
    ],
    ids=lambda options: "-".join(map(str, options)),
)
def test_the_app_can_be_set_up_in_every_mode(world: World, open_page: Opener, options: dict[str, Any]) -> None:
    walk = Walk(open_page(**options), world.home, world)
    to_app(walk, world)
    assert walk.page.evaluate(EDGES) == []
    app = walk.scan()
    box = walk.page.locator(".qr").bounding_box()
    assert box is not None
    assert box["width"] >= 200
    is_touch = "has_touch" in options  # there the way to the app on this very device stands first
    assert walk.page.locator(".on-touch a").is_visible() is is_touch
    walk.page.locator("summary").click()
    assert walk.page.locator(".off-touch a").is_visible() is not is_touch
    link = walk.page.locator("a[href^=otpauth]:visible").get_attribute("href") or ""
    assert f"secret={app.secret}" in link
    walk.fill("otp", world.app_code(app))
    walk.press()
    assert walk.heading == walk.text("r7.title")


def test_a_printed_app_page_can_be_scanned_and_read(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    to_app(walk, world)
    app = walk.scan()
    paper = pypdfium2.PdfDocument(walk.page.pdf(format="A4", margin={"top": "2cm", "left": "2cm", "right": "2cm"}))
    words = "".join(page.get_textpage().get_text_range() for page in paper)
    picture = io.BytesIO()
    paper[0].render(scale=2).to_pil().save(picture, "png")
    assert read_app(picture.getvalue()).secret == app.secret
    assert app.secret in "".join(words.split())  # the closed part too
    for absent in ("c.continue", "c.back", "c.copy", "c.help", "r6.open"):
        assert walk.text(absent) not in words, absent
    paper.close()


def test_the_printed_guide_is_whole_and_black_on_white(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(color_scheme="dark"), world.home, world)
    walk.open("/help")
    paper = pypdfium2.PdfDocument(walk.page.pdf(format="A4", print_background=True))
    assert len(paper) <= 4
    words = " ".join("".join(page.get_textpage().get_text_range() for page in paper).split())
    assert "Installez l’application Authenticator de Microsoft." in words
    assert "058 123 45 67" in words or "figure sur votre lettre" in words
    grey = paper[0].render(scale=1).to_pil().convert("L")
    assert grey.getpixel((2, 2)) == 255
    assert max(grey.histogram()[:60]) > 0  # and there is dark ink on it
    paper.close()


def test_the_print_button_prints(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/help")
    walk.page.evaluate("window.print = () => { document.title = 'printed' }")
    walk.page.get_by_role("button", name=walk.text("c.print")).click()
    assert walk.page.title() == "printed"


def test_the_letters_picture_shows_the_code_beside_the_qr(world: World, open_page: Opener) -> None:
    """In both modes it is dark on white paper, with the words the alternative text promises."""
    for scheme in ("light", "dark"):
        walk = Walk(open_page(color_scheme=scheme), world.home, world)
        walk.open("/cpx/register/code")
        picture = walk.page.get_by_role("img", name=walk.text("r1.imgAlt"))
        drawn = Image.open(io.BytesIO(picture.screenshot())).convert("L")
        assert drawn.getpixel((20, 20)) == 255
        assert picture.locator("text").text_content() == "K7M4-9PQX-2TDH"
        assert qr.codes(drawn) == []  # a drawing, no code that leads anywhere
