"""The notice of maintenance: entered in four languages, looked at as persons will see it, and put up or taken off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.portal_faults import OTHER
from idp.admin.setting_change import LIST, version_of
from idp.clock import SWISS_TIME
from idp.services.bundle import services
from idp.services.live_settings import Notice
from idp.services.maintenance import LONGEST_TEXT, faults_of, plain
from idp.services.permissions import Permission
from idp.services.setting_changes import ChangedMeanwhile
from idp.texts import LANGUAGE_NAMES, LANGUAGES, format_moment
from idp.web import kept
from idp.web.forms import FormView, line, read_date
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_maintenance", __name__)
CHANGE = Permission.CHANGE_SETTINGS
FORM, CONFIRM = f"{LIST}/notice", f"{LIST}/notice/confirm"
LATEST = date(2200, 1, 1)
MOMENTS = ("begins_at", "ends_at")
MOMENT = re.compile(r"(.+?),?\s+(\d{1,2})[:.hH](\d{2})")


@dataclass(frozen=True, repr=False)
class NoticeView:
    """`languages`: entry and name of each."""

    languages: tuple[tuple[str, str], ...]
    version: str
    stands: bool


@dataclass(frozen=True, repr=False)
class PreviewView:
    """`texts`: language, its name, and what persons will read."""

    begin: str
    end: str
    texts: tuple[tuple[str, str, str], ...]
    entries: tuple[tuple[str, str], ...]


@blueprint.get(FORM)
@requires(CHANGE, everywhere=True)
def show() -> Response:
    bundle = services()
    found = bundle.maintenance.stored()
    form = kept.find(whose()) or FormView(_entries(found) if found else {})
    version = form.values.get("version", str(bundle.setting_changes.version()))
    view = NoticeView(tuple(LANGUAGE_NAMES.items()), version, found is not None)
    return console("admin/notice.html", text("mnt.title"), view, needs=CHANGE, form=form, back=LIST)


@blueprint.post(FORM)
@requires(CHANGE, everywhere=True)
def check() -> Response:
    typed = _typed()
    _, errors = _read(typed)
    return kept.lead(FORM if errors else CONFIRM, whose(), typed, errors)


@blueprint.get(CONFIRM)
@requires(CHANGE, everywhere=True)
def look() -> Response:
    """As persons will see it."""
    form = kept.find(whose())
    notice, _ = _read(form.values) if form is not None else (None, {})
    if form is None or notice is None:
        return redirect(FORM, 303)
    view = PreviewView(
        begin=format_moment(notice.begins_at),
        end=format_moment(notice.ends_at),
        texts=tuple((code, name, notice.texts[code]) for code, name in LANGUAGE_NAMES.items()),
        entries=tuple(form.values.items()),
    )
    return console("admin/notice_confirm.html", text("mnt.confirm"), view, needs=CHANGE, back=FORM)


@blueprint.post(CONFIRM)
@requires(CHANGE, everywhere=True)
def announce() -> Response:
    typed, bundle = _typed(), services()
    notice, errors = _read(typed)
    if notice is None:
        return kept.lead(FORM, whose(), typed, errors)
    try:
        bundle.maintenance.announce(notice, version_of(typed), worker().account.id)
    except ChangedMeanwhile:
        return _meanwhile(typed)
    return redirect(f"{LIST}?done=announced", 303)


@blueprint.post(f"{FORM}/end")
@requires(CHANGE, everywhere=True)
def withdraw() -> Response:
    try:
        services().maintenance.withdraw(version_of(request.form), worker().account.id)
    except ChangedMeanwhile:
        return _meanwhile({})
    return redirect(f"{LIST}?done=withdrawn", 303)


def _meanwhile(typed: Mapping[str, str]) -> Response:
    newer = {**typed, "version": str(services().setting_changes.version())}
    return kept.lead(FORM, whose(), newer, {OTHER: Wrong("set.meanwhile")})


def _typed() -> dict[str, str]:
    moments = {name: line(request.form.get(name)) for name in (*MOMENTS, "version")}
    return moments | {name: plain(request.form.get(name, "")[: 2 * LONGEST_TEXT]) for name in LANGUAGES}


def _entries(notice: Notice) -> dict[str, str]:
    moments = {name: format_moment(getattr(notice, name)) for name in MOMENTS}
    return moments | {name: notice.texts.get(name, "") for name in LANGUAGES}


def _read(typed: Mapping[str, str]) -> tuple[Notice | None, dict[str, Wrong]]:
    """The notice, or everything that is wrong with it."""
    begins_at, ends_at = (_read_moment(typed.get(name, "")) for name in MOMENTS)
    errors = {
        name: Wrong("mnt.e.moment") for name, found in zip(MOMENTS, (begins_at, ends_at), strict=True) if found is None
    }
    now = services().clock.now()
    notice = Notice(begins_at or now, ends_at or now, {name: typed.get(name, "") for name in LANGUAGES})
    for fault in faults_of(notice, now):
        if not (fault.entry in MOMENTS and errors):
            named = {"n": str(LONGEST_TEXT), "name": LANGUAGE_NAMES.get(fault.entry, "")}
            errors[fault.entry] = Wrong(f"mnt.e.{fault.kind}", named)
    order = (*MOMENTS, *LANGUAGES)
    return (None if errors else notice), {name: errors[name] for name in order if name in errors}


def _read_moment(typed: str) -> datetime | None:
    """A day and a time of the Swiss clock, as people write them."""
    found = MOMENT.fullmatch(typed)
    if found is None:
        return None
    day, hour, minute = read_date(found[1], LATEST), int(found[2]), int(found[3])
    if isinstance(day, str) or hour > 23 or minute > 59:
        return None
    return datetime.combine(day, time(hour, minute), SWISS_TIME)
