"""What this installation has decided: what operators may choose, group by group, and what the environment alone says.

Secrets are never shown; a change of either stands in the audit with what was before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.audit import actor_names
from idp.admin.entrance import console, requires, worker
from idp.admin.setting_forms import GROUPS, said
from idp.choices import Choices
from idp.models.chosen_setting import ChosenSetting
from idp.services.bundle import Services, services
from idp.services.known_settings import Decided, decided
from idp.services.permissions import Permission
from idp.texts import format_count, format_moment
from idp.web.i18n import language, text

blueprint = Blueprint("admin_settings", __name__)
SEE = Permission.SEE_SETTINGS
DONE = {"saved": "set.saved", "nothing": "set.nothing", "announced": "mnt.announced", "withdrawn": "mnt.withdrawn"}


@dataclass(frozen=True, repr=False)
class ChoiceView:
    """`is_usual`: nobody chose anything and the environment says nothing."""

    name: str
    label: str
    value: str
    whence: str
    is_usual: bool


@dataclass(frozen=True, repr=False)
class GroupView:
    name: str
    title: str
    choices: tuple[ChoiceView, ...]


@dataclass(frozen=True, repr=False)
class SettingView:
    name: str
    what: str
    value: str
    default: str
    is_default: bool
    since: str


@dataclass(frozen=True, repr=False)
class SettingsView:
    groups: tuple[GroupView, ...]
    fixed: tuple[SettingView, ...]
    passwords: str
    notice: str
    may_change: bool


@blueprint.get("/admin/settings")
@requires(SEE, everywhere=True)
def settings() -> Response:
    bundle = services()
    rows = decided(bundle.live.environment)
    view = SettingsView(
        groups=_groups(bundle, {row.field: row for row in rows}),
        fixed=tuple(_fixed(row) for row in rows if row.field not in Choices.model_fields),
        passwords=_passwords(bundle),
        notice=_notice(bundle),
        may_change=worker().rights.may(Permission.CHANGE_SETTINGS),
    )
    done = request.args.get("done", "")
    status = text(DONE[done]) if done in DONE else None
    return console("admin/settings.html", text("set.title"), view, needs=SEE, status=status)


def _groups(bundle: Services, environment: Mapping[str, Decided]) -> tuple[GroupView, ...]:
    now, chosen = bundle.setting_changes.now(), bundle.setting_changes.chosen()
    names = actor_names({row.chosen_by for row in chosen.values() if row.chosen_by})
    found = []
    for group, members in GROUPS.items():
        choices = tuple(
            ChoiceView(
                name=environment[name].name,
                label=text(f"set.n.{name}"),
                value=said(name, getattr(now, name)),
                whence=_whence(environment[name], chosen.get(name), names),
                is_usual=name not in chosen and environment[name].is_default,
            )
            for name in members
        )
        found.append(GroupView(group, text(f"set.g.{group}"), choices))
    return tuple(found)


def _whence(environment: Decided, row: ChosenSetting | None, names: Mapping[UUID, str]) -> str:
    """Who chose it and when, or since when the environment says so."""
    if row is not None:
        who = names.get(row.chosen_by, "") if row.chosen_by else text("set.shell")
        return text("set.whence.console", who=who, date=format_moment(row.chosen_at))
    if environment.is_default:
        return text("set.whence.default")
    if environment.changed_at is None:
        return text("set.whence.environment")
    return text("set.whence.since", date=format_moment(environment.changed_at))


def _fixed(one: Decided) -> SettingView:
    since = format_moment(one.changed_at) if one.changed_at else ""
    return SettingView(one.name, one.what, one.value, one.default, one.is_default, since)


def _notice(bundle: Services) -> str:
    """The notice of maintenance that stands or is to come, or that there is none."""
    found = bundle.maintenance.stored()
    if found is None:
        return text("mnt.none")
    begin, end = format_moment(found.begins_at), format_moment(found.ends_at)
    return text("mnt.stands", begin=begin, end=end, text=found.texts.get(language(), ""))


def _passwords(bundle: Services) -> str:
    """Which list of passwords that nobody may choose this process knows."""
    common = bundle.passwords.common
    return text(
        "set.passwords", count=format_count(common.count, language()), version=common.version,
        own=format_count(common.own_count, language()),
    )  # fmt: skip
