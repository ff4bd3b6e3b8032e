"""The demonstration's own pages: letters with their codes, and everything that was sent. Mounted in the demo alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from flask import Blueprint, abort, jsonify, redirect, request, send_file
from markupsafe import Markup
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.models.base import db
from idp.models.person import RECOVER, REGISTER, RegistrationCode
from idp.models.portal import Portal, find_portal, list_portals
from idp.services.bundle import services
from idp.services.letters import Letter
from idp.services.registration_codes import show
from idp.web.browser import ensure_browser
from idp.web.i18n import language, text
from idp.web.render import Frame, page

blueprint = Blueprint("demo", __name__)
SHOWN_LETTERS, SHOWN_MESSAGES = 12, 20


@dataclass(frozen=True, repr=False)
class LetterView:
    name: str
    portal: str
    code: str
    born: str
    state: str
    title: str
    address: str
    qr: Markup


@dataclass(frozen=True, repr=False)
class DemoView:
    letters: list[LetterView]
    query: str
    messages: list[dict[str, str]]
    portals: list[Portal]
    waiting: int  # recovery letters that people asked for and nobody printed yet
    recovered: list[str]  # portals whose recovery letters were printed


def _folder() -> Path:
    folder = services().settings.demo_folder
    if folder is None:
        abort(404)
    return folder


def _kept() -> list[dict[str, str]]:
    """Every letter in clear, the newest recovery letters last."""
    path = _folder() / "letters.json"
    kept: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return kept


def _letters() -> list[dict[str, str]]:
    kept = _kept()
    hashes = {services().vault.mac("registration-code", letter["code"]): letter for letter in kept}
    now = services().clock.now()
    for row in db.session.scalars(select(RegistrationCode)):
        if row.code_hash in hashes:
            hashes[row.code_hash]["state"] = row.state(now)
    return kept


def _messages() -> Iterator[dict[str, Any]]:
    path = _folder() / "inbox.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return (json.loads(line) for line in reversed(lines))


@blueprint.get("/demo/letters.json")
def letters_json() -> Response:
    return jsonify(_letters())


@blueprint.get("/demo/inbox.json")
def inbox_json() -> Response:
    """Newest first."""
    return jsonify(list(_messages()))


@blueprint.get("/demo/<any(letters,recovery):kind>-<slug>.pdf")
def letters_pdf(kind: str, slug: str) -> Response:
    path = _folder() / f"{kind}-{slug}.pdf"
    if find_portal(slug) is None or not path.is_file():
        abort(404)
    return send_file(path, mimetype="application/pdf")


@blueprint.post("/demo/letters/print")
def print_letters() -> Response:
    """Print the recovery letters that wait, as `connect letter print` does; the codes stand in clear, as only here."""
    bundle, kept = services(), _kept()
    for portal in list_portals():
        letters = bundle.recovery_letters.compose(portal)
        if not letters:
            continue
        (_folder() / f"recovery-{portal.slug}.pdf").write_bytes(bundle.letters.render(letters))
        bundle.recovery_letters.issue(letters)
        kept += [in_clear(letter) for letter in letters]
    db.session.commit()
    (_folder() / "letters.json").write_text(json.dumps(kept), encoding="utf-8")
    return redirect("/demo#letters", 303)


def in_clear(letter: Letter) -> dict[str, str]:
    """What the demonstration keeps of a letter."""
    person = letter.person
    return {
        "portal": letter.portal.slug, "code": letter.code, "given_name": person.given_name,
        "family_name": person.family_name, "birth_date": person.birth_date.isoformat(), "language": person.language,
        "purpose": RECOVER if letter.recovery_id else REGISTER,
    }  # fmt: skip


@blueprint.get("/demo")
def demo() -> Response:
    query = request.args.get("q", "").strip()[:60]
    portals = {portal.slug: portal for portal in list_portals()}
    found = [
        letter
        for letter in _letters()
        if letter["portal"] in portals
        and letter.get("state") in ({"issued", "reserved"} if not query else {letter.get("state")})
        and query.casefold() in f"{letter['given_name']} {letter['family_name']} {letter['code']}".casefold()
    ]
    found.sort(key=lambda letter: letter.get("purpose") != RECOVER)  # what somebody waits for stands first
    ours = [letter for letter in found if letter["language"] == language() or letter.get("purpose") == RECOVER]
    shown = (ours if not query else found)[:SHOWN_LETTERS]
    view = DemoView(
        [_view(letter, portals[letter["portal"]]) for letter in shown],
        query,
        [_said(message) for _, message in zip(range(SHOWN_MESSAGES), _messages(), strict=False)],
        list(portals.values()),
        sum(services().recovery_letters.count_waiting(portal) for portal in portals.values()),
        [slug for slug in portals if (_folder() / f"recovery-{slug}.pdf").is_file()],
    )
    ensure_browser()
    return page("demo/demo.html", Frame(text("demo.title"), look="wide"), view)


def _view(letter: dict[str, str], portal: Portal) -> LetterView:
    is_recovery, letters = letter.get("purpose") == RECOVER, services().letters
    address = (
        letters.recovery_address(portal, letter["language"])
        if is_recovery
        else letters.address(portal, letter["language"], letter["code"])
    )
    year, month, day = (int(part) for part in letter["birth_date"].split("-"))
    image = segno.make(address, error="m", micro=False).svg_inline(scale=3, border=4, light="#fff", dark="#000")
    return LetterView(
        name=f"{letter['given_name']} {letter['family_name']}".strip(),
        portal=portal.name(language()),
        code=show(letter["code"]),
        born=f"{day}.{month}.{year}",
        state=text(f"demo.{letter.get('state', 'issued')}"),
        title=text("lt.title") if is_recovery else "",
        address=address,
        qr=Markup(image),  # noqa: S704 - drawn here from our own address
    )


def _said(message: dict[str, Any]) -> dict[str, str]:
    return {name: str(message.get(name, "")) for name in ("channel", "to", "subject", "text", "at")}
