"""Every brand colour a portal may choose yields readable text, links and visible edges, by day and by night."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from idp.places import PACKAGE
from idp.web import theme

colors = st.integers(min_value=0, max_value=0xFFFFFF).map(lambda number: f"#{number:06X}")
PAGE_DARK = "#11171D"


def tokens(color: str) -> tuple[dict[str, str], dict[str, str]]:
    light, dark = theme.stylesheet(color).split("@media")
    return dict(re.findall(r"--([\w-]+):(#\w+)", light)), dict(re.findall(r"--([\w-]+):(#\w+)", dark))


@settings(max_examples=1000, deadline=None)
@given(colors)
def test_a_brand_colour_is_readable_everywhere(color: str) -> None:
    light, dark = tokens(color)
    for mode, card, page in ((light, "#FFFFFF", "#F4F6F8"), (dark, "#1A222B", PAGE_DARK)):
        assert theme.contrast(mode["brand"], mode["on-brand"]) >= 4.5
        assert theme.contrast(mode["link"], card) >= 4.5
        assert theme.contrast(mode["link"], page) >= 4.5
        assert theme.contrast(mode["edge"], card) >= 3
    assert light["brand"] == color
    assert all(one.ratio >= one.needed for one in theme.ratios(color)), "what cannot be read cannot be chosen"
    assert theme.contrast(theme.visible(color), "#FFFFFF") >= 3


@settings(max_examples=300, deadline=None)
@given(colors)
def test_a_colour_survives_the_way_through_oklch(color: str) -> None:
    lightness, chroma, hue = theme._oklch(color)
    back = theme._rgb(theme._from_oklch(lightness, chroma, hue))
    assert all(abs(one - two) <= 2 / 255 for one, two in zip(back, theme._rgb(color), strict=True))


def test_a_readable_colour_is_left_alone() -> None:
    assert theme.readable_on("#0B5C7A", "#FFFFFF") == "#0B5C7A"


def test_the_surfaces_are_those_of_the_stylesheet() -> None:
    styles = (Path(PACKAGE) / "static" / "connect.css").read_text(encoding="utf-8").upper()
    for name, value in (("PAGE", theme.PAGE_LIGHT), ("BORDER", theme.BORDER_LIGHT), ("CARD", theme.CARD_DARK)):
        assert f"--{name}:{value}" in styles
    assert f"--PAGE:{PAGE_DARK}" in styles
