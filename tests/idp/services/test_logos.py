"""Logos: drawing is kept as it was meant, what could run or lead elsewhere is refused by name (F-33)."""

from __future__ import annotations

import pytest

from idp.services.logos import LARGEST, judged

NS = 'xmlns="http://www.w3.org/2000/svg"'


def svg(inside: str, more: str = "") -> str:
    return f"<svg {NS} viewBox='0 0 8 4'{more}>{inside}</svg>"


@pytest.mark.parametrize(
    ("hostile", "why"),
    [
        (svg("<script>alert(1)</script>"), "<script>"),
        (svg("<SCRIPT>alert(1)</SCRIPT>"), "<SCRIPT>"),
        (svg("<foreignObject><p/></foreignObject>"), "<foreignObject>"),
        (svg("<style>@import url(https://evil.example/x.css)</style>"), "<style>"),
        (svg("<image href='https://evil.example/x.png'/>"), "<image>"),
        (svg("<a href='https://evil.example'><path d='M0 0'/></a>"), "<a>"),
        (svg("<animate attributeName='href' to='javascript:alert(1)'/>"), "<animate>"),
        (svg("<g><defs><set attributeName='onload'/></defs></g>"), "<set>"),
        (svg("", " onload='alert(1)'"), "onload"),
        (svg("<rect ONCLICK='x'/>"), "ONCLICK"),
        (svg("<use href='https://evil.example/x.svg#a'/>"), "outside"),
        (svg("<use xmlns:x='http://www.w3.org/1999/xlink' x:href='data:image/svg+xml,x'/>"), "outside"),
        (svg("<rect fill='url(https://evil.example/x)'/>"), "outside"),
        (svg("<rect style='fill:url(\"//evil.example\")'/>"), "outside"),
        (svg("<rect style='fill:u\\72l(//evil.example)'/>"), "outside"),
        (svg("<rect filter='URL( x.svg#a)'/>"), "outside"),
        (f"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg {NS}>&a;</svg>", "entities"),
        (f"<!DOCTYPE a><!DOCTYPE svg SYSTEM 'x'><svg {NS}/>", "entities"),
        (svg("<g>" * 60 + "</g>" * 60), "deeply"),
        (svg("<path d='" + "M0 0" * 3000 + "'/>"), "10 KB"),
        ("<svg/>", "no SVG"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'/>", "no SVG"),
        ("GIF89a", "no SVG"),
        ("", "no SVG"),
        ("<svg" * 2000, "no SVG"),
        ("\ufffd\ufffdPNG", "no SVG"),
    ],
)
def test_what_could_run_or_lead_elsewhere_is_refused(hostile: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        judged(hostile)


def test_a_drawing_is_kept_and_what_an_editor_left_is_dropped() -> None:
    drawn = judged(
        "<?xml version='1.0' encoding='UTF-8'?><!-- by an editor -->"
        "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd'>"
        f"<svg {NS} xmlns:ed='http://ed.example/' viewBox='0 0 8 4' ed:zoom='2'><metadata>by me</metadata>"
        "<ed:grid>x</ed:grid><title>Fund &amp; {{7*7}}</title>"
        "<linearGradient id='a'><stop offset='1'/></linearGradient>"
        "<rect style='fill:url(#a);-ed-x:1' width='8'/>"
        "<use xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='#a'/></svg>"
    )
    assert drawn == (
        '<svg viewBox="0 0 8 4" xmlns="http://www.w3.org/2000/svg"><title>Fund &amp; {{7*7}}</title>'
        '<linearGradient id="a"><stop offset="1" /></linearGradient><rect width="8" fill="url(#a)" />'
        '<use href="#a" /></svg>'
    )
    assert judged(drawn) == drawn
    assert len(drawn) < LARGEST
