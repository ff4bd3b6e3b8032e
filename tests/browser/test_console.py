"""The console in a real Chromium: every screen, and the whole of it by keyboard and without JavaScript."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from idp.models.base import db
from idp.models.letter_batch import LetterBatch
from idp.services.import_worker import ImportWorker
from tests.browser.conftest import Opener
from tests.browser.console import EMAIL, NEW, choose_file, console_states
from tests.browser.inspect_page import inspect
from tests.browser.keyboard import KeyboardWalk
from tests.browser.walk import PASSWORD, Walk
from tests.browser.world import World
from tests.support import persons_file
from tests.support.batches import APPROVER, press
from tests.support.builders import add_person
from tests.support.operators import add_operator, app_code

LONGEST, OTHERS = "de", ("fr", "it", "en")  # German words are the widest
BY_TURNS, BOTH, NONE = "by turns", "both", "none"  # the schemes in which axe looks at a screen; it reads no language


@pytest.mark.parametrize(
    ("language", "schemes"),
    [(LONGEST, BY_TURNS), *(pytest.param(one, NONE, marks=pytest.mark.long) for one in OTHERS),
     pytest.param(LONGEST, BOTH, marks=pytest.mark.long)],
)  # fmt: skip
def test_every_screen_of_the_console(world: World, open_page: Opener, language: str, schemes: str) -> None:
    walk = Walk(open_page(language), world.home, world, language)
    seen, faults = list[str](), list[str]()
    for name in console_states(walk, world):
        seen.append(name)
        turn = ("light", "dark")[len(seen) % 2]
        faults += inspect(walk.page, name, language, {BY_TURNS: (turn,), BOTH: ("light", "dark"), NONE: ()}[schemes])
    assert faults == []
    assert len(seen) == len(set(seen)) > 15


def test_a_portal_is_brought_online_by_keyboard_alone_and_without_javascript(world: World, open_page: Opener) -> None:
    add_operator(world.services, EMAIL, ["portal_admin"])
    walk = KeyboardWalk(open_page("fr", java_script_enabled=False), world.home, world, "fr")
    walk.open("/admin/login")
    for name, value in (("email", EMAIL), ("password", PASSWORD), ("otp", app_code(world.services))):
        walk.fill(name, value)
    walk.press()
    walk.open("/admin/portals")
    walk.press(walk.text("por.create"))
    for name, value in {**NEW, "names_fr": "Caisse Y"}.items():
        walk.page.locator(f"[name={name}]").focus()
        walk.page.keyboard.type(value)
    walk.page.locator("[name=jwks_uri]").focus()  # of a tall field a browser brings only the caret into sight
    walk.press()
    assert "cc_cs_" in walk.body
    walk.press(walk.text("c.continue"))
    assert walk.heading == "Caisse Y"
    walk.press(walk.text("por.s.brand"))
    walk.fill("brand_color", "#AA0000")
    walk.press(walk.text("por.brand.preview"))
    assert walk.says("por.brand.shown", color="#AA0000")
    walk.press()
    assert walk.says("c.saved")
    walk.press(walk.text("por.s.secrets"))
    walk.press()
    assert "cc_cs_" in walk.body
    walk.press(walk.text("c.continue"))
    walk.press(walk.text("por.disable"))
    walk.press()
    assert walk.says("por.disabled")


def test_persons_are_imported_by_keyboard_alone_and_without_javascript(world: World, open_page: Opener) -> None:
    """U3, U9: from the file to its persons. Only the window in which a file is chosen is the system's own."""
    add_operator(world.services, EMAIL, ["portal_admin"])
    walk = KeyboardWalk(open_page("fr", java_script_enabled=False), world.home, world, "fr")
    walk.open("/admin/login")
    for name, value in (("email", EMAIL), ("password", PASSWORD), ("otp", app_code(world.services))):
        walk.fill(name, value)
    walk.press()
    walk.open("/admin/imports")
    walk.press(walk.text("imp.new"))
    walk.page.locator("[name=portal]").focus()
    walk.page.keyboard.type("Caisse C")
    choose_file(walk, persons_file.many(3))
    walk.press()
    assert walk.heading == walk.text("imp.columns")
    walk.press()
    assert walk.says("imp.state.checking")
    ImportWorker(world.app).run_once()
    walk.press(walk.text("imp.refresh"))
    walk.press(walk.text("imp.start"))
    assert walk.says("imp.start.undo")
    walk.press()
    assert walk.says("imp.progress", n=0, m=3, errors=0)
    ImportWorker(world.app).run_once()
    walk.press(walk.text("imp.refresh"))
    assert walk.says("imp.state.done")
    assert walk.says("imp.count.new")


def test_a_batch_of_letters_goes_out_by_keyboard_alone_and_without_javascript(world: World, open_page: Opener) -> None:
    portal, services = world.portals[0], world.services
    for at in range(2):
        add_person(portal, f"B-{at}")
    add_operator(services, EMAIL, ["letters"])
    walk = KeyboardWalk(open_page("fr", java_script_enabled=False), world.home, world, "fr")
    walk.open("/admin/login")
    for name, value in (("email", EMAIL), ("password", PASSWORD), ("otp", app_code(services))):
        walk.fill(name, value)
    walk.press()
    walk.open("/admin/letters")
    walk.press(walk.text("bat.new"))
    for name, value in (("portal", portal.name("fr")), ("kind", walk.text("bat.kind.never"))):
        walk.page.locator(f"[name={name}]").focus()
        walk.page.keyboard.type(value)
    walk.press()
    assert walk.says("bat.counted", n=2, most=10_000, batches=1)
    walk.press()
    batch = db.session.scalars(select(LetterBatch)).one()
    assert services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    press(world.app)
    walk.open(f"/admin/letters/{batch.id}")
    walk.press(walk.text("bat.do.print"))
    walk.press()
    press(world.app)
    walk.press(walk.text("bat.refresh"))
    walk.press(walk.text("bat.do.post"))
    walk.press()
    assert walk.says("bat.done.post")
    walk.press(walk.text("bat.do.returned"))
    walk.page.locator("[name=letters]").focus()
    walk.page.keyboard.type("0001")
    walk.page.locator("[name=reason]").focus()
    walk.page.keyboard.type(walk.text("bat.reason.unknown").split()[0])  # a space would open the list
    walk.press()
    assert walk.says("bat.back.found", n=1)
    walk.press()
    assert walk.says("bat.back.done", n=1)
