"""What must hold of every screen in every state: ux.md §10, U1, U2, U4, U5 and the sizes of §8.1."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import CDPSession, Page

from tests.browser import markup
from tests.support.demonstration import ROOT
from tests.support.turns import takes_all

ARTIFACTS = ROOT / "test-artifacts"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROW, WIDE = {"width": 320, "height": 256}, {"width": 1280, "height": 900}  # 1280 px at 400 % is 320 px
LARGE_TEXT = "html{font-size:200%!important}"
TEXT_SPACING = (
    "*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}"
    "p,li,dd{margin-bottom:2em!important}"
)

STRUCTURE = """() => {
  const faults = [], all = selector => [...document.querySelectorAll(selector)];
  const ids = all("[id]").map(one => one.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  if (twice.length) faults.push(`ids that stand twice: ${twice}`);
  if (all("h1").length !== 1) faults.push("not one h1");
  const parts = all("body > *").map(one => one.localName).filter(name => !["a", "dialog"].includes(name));
  if (!["header,main,footer", "header,nav,main,footer"].includes(parts.join())) faults.push(`landmarks: ${parts}`);
  const levels = all("h1,h2,h3,h4").map(one => +one.localName[1]);
  if (Math.max(...levels) > 3) faults.push("headings too deep");
  for (const link of all("[href^='#']")) {
    if (!document.querySelector(link.hash)) faults.push(`no such place: ${link.hash}`);
  }
  for (const one of all("[aria-describedby],label[for]")) {
    const wanted = (one.getAttribute("aria-describedby") || one.htmlFor).split(" ");
    for (const id of wanted) if (!document.getElementById(id)) faults.push(`no such id: ${id}`);
  }
  if (all("style,[style],script:not([src])").some(one => !one.closest("svg"))) faults.push("inline style or script");
  return faults;
}"""

OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > width + 1)
    .slice(-3).map(one => one.outerHTML.slice(0, 90));
}"""

CLIPPED = """() => [...document.querySelectorAll("button,.button,label,legend,p,li,h1,h2,h3,summary,strong")]
  .filter(one => getComputedStyle(one).overflow !== "visible" && one.scrollHeight > one.clientHeight + 1)
  .map(one => one.outerHTML.slice(0, 90))"""

SIZES = """() => {
  const small = [], seen = one => one.checkVisibility() && one.getBoundingClientRect().width > 0;
  const check = (selector, least) => document.querySelectorAll(selector).forEach(one => {
    const height = one.getBoundingClientRect().height;
    if (seen(one) && Math.round(height * 10) / 10 < least) small.push(`${one.outerHTML.slice(0, 60)}: ${height}`);
  });
  check("button:not(.quiet),.button,select,input:not([type=hidden]):not([type=radio]):not([type=checkbox])", 48);
  check(".quiet,nav a,footer li a,.back,.go a,.links a,summary,.choice", 44);
  check("input[type=radio],input[type=checkbox]", 28);
  return small;
}"""

# Of each field what stands there to be read: its label, its hint and its error.
WRITTEN = """() => [...document.querySelectorAll("main input:not([type=hidden],[type=radio],[type=file]),textarea")]
  .filter(one => one.checkVisibility()).map(one => {
    const spaced = text => text.trim().replace(/\\s+/g, " "), words = node => spaced(node.textContent);
    const field = one.closest(".field");
    if (!field) return [spaced(one.labels[0].innerText), ""];  // a box of its own, whose lines are set apart
    const label = field.querySelector("label").cloneNode(true);
    label.querySelectorAll(".unless-has").forEach(note => note.remove());
    return [words(label), [...field.querySelectorAll(":scope > .hint, :scope > .error")].map(words).join(" ")];
  })"""


TIGHT = (("320 px, spaced", NARROW, TEXT_SPACING), ("text at 200 %", WIDE, LARGE_TEXT))
ROOMIER = (("320 px", NARROW, ""), ("spaced", WIDE, TEXT_SPACING))  # in the long run; what fits when tight fits there


@lru_cache(maxsize=1)
def axe_source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong or cannot decide; the words drawn in a picture are the picture's."""
    if page.evaluate("window.axe === undefined"):
        page.evaluate(axe_source())
    options = {"runOnly": TAGS, "resultTypes": ["violations", "incomplete"]}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{kind} {one['id']}: {[node['html'][:120] for node in one['nodes']]}"
        for kind in ("violations", "incomplete")
        for one in found[kind]
        if not all(node["html"].startswith("<text") for node in one["nodes"])
    ]


def style_sheet(page: Page, rules: str) -> None:
    """Lay the reader's own rules over the page, as a browser extension would; an empty text takes them away."""
    page.evaluate(
        "rules => { const sheet = new CSSStyleSheet(); sheet.replaceSync(rules);"
        " document.adoptedStyleSheets = rules ? [sheet] : []; }",
        rules,
    )


def reflow(page: Page) -> list[str]:
    """Nothing is wider than the window: narrow, with wide spacing, and with text twice as large."""
    found: list[str] = []
    for name, size, rules in TIGHT + (ROOMIER if takes_all() else ()):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        style_sheet(page, rules)
        found += [f"{name}: {one}" for one in page.evaluate(OVERFLOW) + page.evaluate(CLIPPED)]
    style_sheet(page, "")
    return found


def announced(session: CDPSession) -> list[tuple[str, str]]:
    """Name and description of each field, as the accessibility tree hands them to a screen reader."""
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    kinds = {"textbox", "searchbox", "checkbox"}
    return [
        (_value(node, "name"), _value(node, "description"))
        for node in nodes
        if not node.get("ignored") and node.get("role", {}).get("value") in kinds
    ]


def _value(node: dict[str, Any], name: str) -> str:
    return " ".join(str(node.get(name, {}).get("value", "")).split())


def inspect(page: Page, name: str, language: str, schemes: tuple[str, ...] = ("light",)) -> list[str]:
    """Everything that is wrong with the page as it stands."""
    source = page.context.request.get(page.url).text()
    faults = [f"markup: {one}" for one in markup.faults(source)]
    faults += [f"structure: {one}" for one in page.evaluate(STRUCTURE)]
    if page.locator("html").get_attribute("lang") != language:
        faults.append("language of the page")
    title, heading = page.title(), page.locator("h1").inner_text()
    has_errors = page.locator("#e").count() == 1
    if heading not in title or not title.endswith("Connect"):
        faults.append(f"title: {title}")
    if has_errors and (page.evaluate("document.activeElement.id") != "e" or not title.startswith(("Err", "Fehl"))):
        faults.append("the error summary has no focus, or the title does not say Error")
    session = page.context.new_cdp_session(page)
    written = sorted(tuple(one) for one in page.evaluate(WRITTEN))
    heard = sorted(announced(session))  # the tree tells groups of fields after the fields that stand alone
    session.detach()
    if written != heard:
        faults.append(f"fields: {json.dumps({'written': written, 'heard': heard}, ensure_ascii=False)}")
    faults += [f"too small: {one}" for one in page.evaluate(SIZES)]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        faults += [f"axe, {scheme}: {one}" for one in violations(page)]
    faults += [f"reflow: {one}" for one in reflow(page)]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    if faults:
        keep_picture(page, f"{name}-{language}")
    return [f"{name}: {fault}" for fault in faults]


def keep_picture(page: Page, name: str) -> None:
    """For whoever reads the failure."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{re.sub(r'[^A-Za-z0-9_]+', '-', name)}.png", full_page=True)
