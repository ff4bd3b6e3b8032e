"""A portal's brand colour as tokens: readable text on it, and links that reach 4.5:1 on the card in each mode."""

from __future__ import annotations

import hashlib

from idp.models.portal import Portal

CARD_LIGHT, CARD_DARK = "#FFFFFF", "#1A222B"
READABLE = 4.5
STEPS = 100

RGB = tuple[float, float, float]


def _rgb(color: str) -> RGB:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(rgb: RGB) -> str:
    return "#" + "".join(f"{round(part * 255):02X}" for part in rgb)


def _luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(color: str) -> str:
    """The first of white, ink and black that is readable on this colour; white or black always is."""
    return next(text for text in ("#FFFFFF", "#16202A", "#000000") if contrast(text, color) >= READABLE)


def readable_on(color: str, card: str) -> str:
    """The colour moved towards white or black, no further than needed to be readable on the card."""
    goal = (1.0, 1.0, 1.0) if _luminance(card) < 0.18 else (0.0, 0.0, 0.0)
    start = _rgb(color)
    for step in range(STEPS + 1):
        share = step / STEPS
        mixed = _hex(tuple(a + (b - a) * share for a, b in zip(start, goal, strict=True)))  # type: ignore[arg-type]
        if contrast(mixed, card) >= READABLE:
            return mixed
    raise ValueError("white and black are readable on every card")


def stylesheet(color: str) -> str:
    """The few custom properties that differ from the default."""
    dark = readable_on(color, CARD_DARK)
    return (
        f":root{{--brand:{color};--on-brand:{text_on(color)};--link:{readable_on(color, CARD_LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--brand:{dark};--on-brand:{text_on(dark)};--link:{dark}}}}}"
    )


def theme_address(portal: Portal) -> str:
    digest = hashlib.sha256(stylesheet(portal.brand_color).encode()).hexdigest()[:10]
    return f"/{portal.slug}/theme.{digest}.css"


def logo_address(portal: Portal) -> str:
    """Where the portal's logo is served; its name changes with its content, so that it may be cached for ever."""
    digest = hashlib.sha256((portal.logo_svg or "").encode()).hexdigest()[:10]
    return f"/{portal.slug}/logo.{digest}.svg"
