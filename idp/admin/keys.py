"""The signing keys: which sign now, which come next, and a rotation by hand, with what it may cost said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.models.signing_key import SigningKey
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.texts import format_day
from idp.web.i18n import text
from keys.jwk import ALGORITHMS
from keys.ring import ACTIVE

blueprint = Blueprint("admin_keys", __name__)
SEE, ROTATE = Permission.SEE_KEYS, Permission.ROTATE_KEYS
LIST, ROTATION = "/admin/keys", "/admin/keys/rotate"
DONE = {"yes": "key.rotated", "planned": "key.planned"}


@dataclass(frozen=True)
class KeyView:
    alg: str
    state: str
    since: str
    rotation: str
    kid: str


@dataclass(frozen=True)
class KeysView:
    """`next_on`: when the calendar rotates next."""

    keys: tuple[KeyView, ...]
    next_on: str
    may_rotate: bool


@dataclass(frozen=True)
class RotationView:
    """`young`: algorithms whose next key a portal may not have read yet; `algs`: what there is to rotate."""

    algs: tuple[str, ...]
    young: tuple[str, ...]


@blueprint.get(LIST)
@requires(SEE, everywhere=True)
def keys() -> Response:
    bundle = services()
    rows, calendar = bundle.keyring.rows(), bundle.keyring.calendar()
    view = KeysView(
        keys=tuple(_view(row, calendar) for row in rows),
        next_on=format_day(min(calendar.values())) if calendar else "",
        may_rotate=worker().rights.may(ROTATE),
    )
    done = request.args.get("done", "")
    status = text(DONE[done]) if done in DONE else None
    return console("admin/keys.html", text("key.title"), view, needs=SEE, status=status)


def _view(row: SigningKey, calendar: Mapping[str, datetime]) -> KeyView:
    """`rotation`: of a key that signs, when the next one takes over; with a mark where an operator planned it."""
    rotation = format_day(calendar[row.alg]) if row.state == ACTIVE and row.alg in calendar else ""
    if row.rotate_at is not None and rotation:
        rotation = text("key.asPlanned", date=rotation)
    return KeyView(row.alg, text(f"key.state.{row.state}"), format_day(row.state_since), rotation, row.kid)


@blueprint.get(ROTATION)
@requires(ROTATE, everywhere=True)
def rotation() -> Response:
    """What will happen, before it does."""
    view = RotationView(tuple(ALGORITHMS), tuple(services().keyring.announced_lately()))
    return console("admin/rotate.html", text("key.rotate"), view, needs=ROTATE, back=LIST)


@blueprint.post(ROTATION)
@requires(ROTATE, everywhere=True)
def rotate() -> Response:
    alg = request.form.get("alg", "")
    wanted = alg if alg in ALGORITHMS else None
    if wanted is None and alg != "all":
        return redirect(ROTATION, 303)
    bundle = services()
    bundle.keyring.rotate(wanted)
    bundle.audit.record(AuditTag.KEY_ROTATED, account=worker().account.id, alg=wanted or "all")
    return redirect(f"{LIST}?done=yes", 303)
