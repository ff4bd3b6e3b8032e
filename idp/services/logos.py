"""A portal's logo: an SVG that holds drawing alone (security.md F-33), or the reason why it is refused.

What an editor leaves behind (comments, metadata, its own namespaces) is dropped; what could run, load or lead
elsewhere is refused by name. What is stored is written anew from what was understood.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

LARGEST = 10 * 1024
DEEPEST = 40
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
DRAWING = frozenset(
    {
        "svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title",
        "desc", "defs", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "symbol", "use",
        "pattern",
    }
)  # fmt: skip
ATTRIBUTES = frozenset(
    {
        "id", "viewBox", "width", "height", "preserveAspectRatio", "version", "x", "y", "x1", "y1", "x2", "y2", "cx",
        "cy", "r", "rx", "ry", "fx", "fy", "d", "points", "transform", "offset", "gradientUnits", "gradientTransform",
        "spreadMethod", "clipPathUnits", "maskUnits", "maskContentUnits", "patternUnits", "patternContentUnits",
        "patternTransform", "dx", "dy", "textLength", "href", "class", "role", "aria-label",
    }
)  # fmt: skip
PRESENTATION = frozenset(
    {
        "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
        "stroke-linejoin", "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "opacity", "color", "display",
        "visibility", "clip-path", "clip-rule", "mask", "stop-color", "stop-opacity", "font-family", "font-size",
        "font-weight", "font-style", "letter-spacing", "text-anchor", "dominant-baseline",
    }
)  # fmt: skip
DOCTYPE = re.compile(r"<!DOCTYPE[^\[<>]*>", re.IGNORECASE)
REFERENCE = re.compile(r"url\(\s*['\"]?(?!['\"]?#)", re.IGNORECASE)


def judged(svg: str) -> str:
    """The logo as it may be served. Raises ValueError with the reason."""
    if len(svg.encode()) > LARGEST:
        raise ValueError("is larger than 10 KB")
    plain = DOCTYPE.sub("", svg, count=1)
    if re.search(r"<!(DOCTYPE|ENTITY)", plain, re.IGNORECASE):
        raise ValueError("declares entities, which a logo may not")
    try:
        root = ElementTree.fromstring(plain)  # noqa: S314 - no DOCTYPE, so there is nothing to expand
    except (ElementTree.ParseError, ValueError):
        raise ValueError("is no SVG document") from None
    if root.tag != f"{SVG}svg":
        raise ValueError("is no SVG document")
    clean = _copied(root, 0)
    clean.set("xmlns", SVG[1:-1])
    written = ElementTree.tostring(clean, encoding="unicode")
    if len(written.encode()) > LARGEST:
        raise ValueError("is larger than 10 KB")
    return written


def _copied(element: ElementTree.Element, depth: int) -> ElementTree.Element:
    if depth > DEEPEST:
        raise ValueError("is nested too deeply")
    made = ElementTree.Element(element.tag.removeprefix(SVG), _attributes(element))
    made.text, made.tail = element.text, element.tail
    for child in element:
        if not isinstance(child.tag, str) or not child.tag.startswith(SVG) or child.tag == f"{SVG}metadata":
            continue  # an editor's own; comments are not even read
        name = child.tag.removeprefix(SVG)
        if name not in DRAWING:
            raise ValueError(f"holds <{name[:20]}>, which a logo may not")
        made.append(_copied(child, depth + 1))
    return made


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    styles = [part.partition(":") for part in element.get("style", "").split(";")]
    given = [*element.attrib.items(), *((name.strip(), value.strip()) for name, _, value in styles)]
    for full, value in given:
        name = full.replace(XLINK, "")
        if name.lower().startswith("on"):
            raise ValueError(f"holds {name[:20]}, which runs a script")
        if name in {"href", "src"} and not value.startswith("#"):
            raise ValueError("refers to something outside of itself")
        if REFERENCE.search(value) or "\\" in value:
            raise ValueError("refers to something outside of itself")
        if name in ATTRIBUTES | PRESENTATION:
            found[name] = value
    return found
