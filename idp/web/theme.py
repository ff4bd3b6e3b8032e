"""A portal's brand colour as tokens: readable text on it, and links that reach 4.5:1 in each mode (ux.md §8.2)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

from idp.models.portal import Portal

PAGE_LIGHT, CARD_LIGHT, CARD_DARK, BORDER_LIGHT = "#F4F6F8", "#FFFFFF", "#1A222B", "#6B7885"  # as in connect.css
READABLE, VISIBLE, COMFORTABLE = 4.5, 3.0, 7.0  # text, edges, and text on the dark card, where hues look faint
DARK_BELOW = 0.18
STEPS, CHROMA_STEPS = 100, 20
GAMUT_SLACK = 1e-4

RGB = tuple[float, float, float]


def _rgb(color: str) -> RGB:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(rgb: RGB) -> str:
    return "#" + "".join(f"{round(part * 255):02X}" for part in rgb)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _encoded(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else float(1.055 * part ** (1 / 2.4) - 0.055)


def _luminance(color: str) -> float:
    linear = [_linear(part) for part in _rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(color: str) -> str:
    """The first of white, ink and black that is readable on this colour; white or black always is."""
    return next(text for text in ("#FFFFFF", "#16202A", "#000000") if contrast(text, color) >= READABLE)


def readable_on(color: str, card: str, ratio: float = READABLE) -> str:
    """The colour made lighter or darker in OKLCH, no further than this contrast with the card needs; its hue stays."""
    goal = 1.0 if _luminance(card) < DARK_BELOW else 0.0
    lightness, chroma, hue = _oklch(color)
    for step in range(STEPS + 1):
        moved = _from_oklch(lightness + (goal - lightness) * step / STEPS, chroma, hue)
        if contrast(moved, card) >= ratio:
            return moved
    raise ValueError("white and black are readable on every card")


def _oklch(color: str) -> tuple[float, float, float]:
    """Lightness, chroma and hue (Björn Ottosson's OKLab, as CSS Color 4 §9 uses it)."""
    red, green, blue = (_linear(part) for part in _rgb(color))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.atan2(b, a)


def _from_oklch(lightness: float, chroma: float, hue: float) -> str:
    """The nearest colour a screen can show: chroma gives way, lightness and hue stay."""
    for share in range(CHROMA_STEPS, -1, -1):
        rgb = _unclipped(lightness, chroma * share / CHROMA_STEPS, hue)
        if all(-GAMUT_SLACK <= part <= 1 + GAMUT_SLACK for part in rgb):
            break
    red, green, blue = (min(1.0, max(0.0, part)) for part in rgb)
    return _hex((_encoded(red), _encoded(green), _encoded(blue)))


def _unclipped(lightness: float, chroma: float, hue: float) -> RGB:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def tokens(color: str) -> tuple[dict[str, str], dict[str, str]]:
    """The few custom properties that differ from the default, by day and by night. A colour too pale for the card gets
    a visible edge.
    """
    dark = readable_on(color, CARD_DARK, COMFORTABLE)
    link = readable_on(color, PAGE_LIGHT)  # the page is darker than the card, so the card is served too
    edge = BORDER_LIGHT if is_pale(color) else color
    light = {"brand": color, "on-brand": text_on(color), "edge": edge, "link": link}
    return light, {"brand": dark, "on-brand": text_on(dark), "edge": dark, "link": dark}


def is_pale(color: str) -> bool:
    """Whether a button of this colour would be hard to see on the white card without an edge (WCAG 2.2, 1.4.11)."""
    return contrast(color, CARD_LIGHT) < VISIBLE


def visible(color: str) -> str:
    """The nearest colour that is seen without an edge."""
    return readable_on(color, CARD_LIGHT, VISIBLE)


@lru_cache(maxsize=256)
def stylesheet(color: str) -> str:
    light, dark = (_rules(mode) for mode in tokens(color))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def preview(color: str) -> str:
    """Both modes at once, for a page that shows them side by side."""
    light, dark = (_rules(mode) for mode in tokens(color))
    return f".preview-light{{{light}}}.preview-dark{{{dark}}}"


def _rules(mode: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in mode.items())


@dataclass(frozen=True)
class Ratio:
    """`what` of `mode`: two colours, their contrast, and what WCAG 2.2 AA needs."""

    what: str
    mode: str
    color: str
    against: str
    ratio: float
    needed: float


def ratios(color: str) -> list[Ratio]:
    """What is shown to the operator who chooses the colour; tests hold every colour to it."""
    found = []
    for mode, names, cards in zip(("light", "dark"), tokens(color), (CARD_LIGHT, CARD_DARK), strict=True):
        for what, one, other, needed in (
            ("button", names["on-brand"], names["brand"], READABLE), ("link", names["link"], cards, READABLE),
            ("edge", names["edge"], cards, VISIBLE),
        ):  # fmt: skip
            found.append(Ratio(what, mode, one, other, contrast(one, other), needed))
    return found


def theme_address(portal: Portal) -> str:
    return f"/{portal.slug}/theme.{_digest(portal.brand_color)}.css"


@lru_cache(maxsize=256)
def _digest(color: str) -> str:
    return hashlib.sha256(stylesheet(color).encode()).hexdigest()[:10]


def logo_address(portal: Portal) -> str:
    """Where the portal's logo is served; its name changes with its content, so that it may be cached for ever."""
    digest = hashlib.sha256((portal.logo_svg or "").encode()).hexdigest()[:10]
    return f"/{portal.slug}/logo.{digest}.svg"
