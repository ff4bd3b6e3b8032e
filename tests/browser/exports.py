"""The screens of exports and saved views, in every state."""

from __future__ import annotations

from collections.abc import Iterator

from idp.services.exporter import Exporter
from tests.browser.walk import Walk
from tests.browser.world import World


def exports(walk: Walk, world: World) -> Iterator[str]:
    slug = world.portals[0].slug
    walk.open("/admin/exports")
    yield "exports, none"
    walk.open("/admin/exports/new?list=imports&portal=nowhere")
    yield "export, nothing to export"
    walk.open(f"/admin/persons?portal={slug}")
    walk.press(walk.text("exp.new"))
    yield "export, new"
    walk.press()
    yield "export, no reason"
    walk.page.locator("[name=reason]").select_option("compare")
    walk.press()
    yield "export, being written"
    Exporter(world.app).run_once()
    walk.press(walk.text("exp.refresh"))
    yield "export, ready"
    with walk.page.expect_download() as download:
        walk.named(walk.text("exp.take")).click()
    assert download.value.suggested_filename.startswith("persons-")
    walk.press(walk.text("exp.wipe"))
    yield "export, wiped"
    walk.press(walk.text("c.back"))
    yield "exports"


def saved_views(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/admin/views")
    yield "views, none"
    walk.open(f"/admin/codes?portal={world.portals[0].slug}&state=revoked")
    walk.press(walk.text("sav.save"))
    yield "view, new"
    walk.press()
    yield "view, no name"
    walk.fill("name", "Voided, to be looked at")
    walk.press()
    yield "codes, with a view"
    walk.press(walk.text("sav.manage"))
    yield "views"
    walk.press(walk.text("sav.change"))
    yield "view"
    walk.press(walk.text("sav.remove"))
    yield "views, removed"
