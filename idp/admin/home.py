"""The first page of the console: the figures of the portals that one's role covers, and what one's roles allow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.chart import Chart, chart
from idp.admin.entrance import console, requires, worker
from idp.services.audit_chain import last_verified
from idp.services.bundle import services
from idp.services.figures import Day, Figures, figures
from idp.services.funnel import Funnel, funnel
from idp.services.health import health
from idp.services.operators import roles_words
from idp.services.permissions import GRANTS, Permission
from idp.texts import PLACEHOLDER, format_date, format_moment
from idp.web.i18n import text

blueprint = Blueprint("admin_home", __name__)
LATE = timedelta(days=2)  # after the calendar's day: then no worker runs
RANGES = (1, 7, 30, 365)
BY_MONTH = 60  # days from which on a table of days is too long to be read
BAR, ROW = 360, 28  # of the funnel


@dataclass(frozen=True)
class Step:
    """A step in words: how many passed it, how long it took, and its bar."""

    name: str
    passed: int
    median: str
    y: int
    width: float


@dataclass(frozen=True)
class HomeView:
    """`table`: each permission in words, and whether it is held at all portals, at some, or not. `days` are in words,
    `ranges` the spans to choose from; `health` is empty for whoever may not see it.
    """

    roles: tuple[str, ...]
    table: tuple[tuple[str, str], ...]
    figures: Figures
    days: tuple[tuple[str, Day], ...]
    chart: Chart
    ranges: tuple[tuple[int, str, bool], ...]
    steps: tuple[Step, ...]
    errors: tuple[tuple[str, str, int], ...]
    cost: str
    health: tuple[tuple[str, str, bool], ...]


@blueprint.get("/admin")
@requires(Permission.SEE_CONSOLE)
def home() -> Response:
    at_work, settings = worker(), services().settings
    table = tuple((text(f"may.{one}"), text(f"adm.held.{_held(one)}")) for one in Permission if one in GRANTS)
    asked = request.args.get("days", "")
    span = int(asked) if asked in {str(one) for one in RANGES} else RANGES[1]
    covered = at_work.rights.portals(Permission.SEE_CONSOLE)
    found = figures(services().clock.now(), span, covered)
    walks = funnel(found.days[0].day, covered)
    shown = found.by_month if span > BY_MONTH else found.days
    view = HomeView(
        roles=tuple(role_in_words(one) for one in roles_words(at_work.account.id)),
        table=table,
        figures=found,
        days=tuple((_day(day, span), day) for day in reversed(shown)),
        chart=chart([(day.sign_ins, day.registrations) for day in shown]),
        ranges=tuple((one, _range(one), one == span) for one in RANGES),
        steps=_steps(walks),
        errors=tuple((key, PLACEHOLDER.sub("…", text(key)), count) for key, count in walks.errors if key in _known()),
        cost=f"CHF {found.sms * settings.sms_price:.2f}" if settings.sms_price else "",
        health=_health() if at_work.rights.may(Permission.SEE_MESSAGES) else (),
    )
    return console("admin/home.html", text("adm.home"), view, needs=Permission.SEE_CONSOLE)


def _steps(walks: Funnel) -> tuple[Step, ...]:
    """From the beginning to the end, each with its share of those who began."""
    rows = [("begun", walks.begun, None), *((one.name, one.passed, one.median) for one in walks.rungs),
            ("done", walks.done, None)]  # fmt: skip
    most = max(1, *(passed for _, passed, _ in rows))
    return tuple(
        Step(text(f"fun.{name}"), passed, text("fun.at_most", time=_span(median)) if median else "–", at * ROW,
             round(BAR * passed / most, 1))
        for at, (name, passed, median) in enumerate(rows)
    )  # fmt: skip


def _health() -> tuple[tuple[str, str, bool], ...]:
    """What, how it is in words, and whether somebody should look."""
    now, found = services().clock.now(), health(services().clock.now())
    lines = []
    for one in found.channels:
        said = [text("hea.delivered", time=format_moment(one.delivered_at)) if one.delivered_at else text("hea.never")]
        if one.waiting_since:
            said.append(text("hea.waiting", time=format_moment(one.waiting_since)))
        if one.failing:
            said.append(text("hea.failing", n=one.failing))
        lines.append((text(f"msg.{one.name}"), " ".join(said), one.is_late(now) or one.failing > 0))
    lines.append((text("hea.database"), f"{found.database}, {found.schema}", False))
    if (verified := last_verified()) is not None:
        is_good = verified.detail.get("state") == "good"
        key = "adm.chain.good" if is_good else "adm.chain.broken"
        words = text(key, time=format_moment(verified.at), n=verified.detail.get("links", ""))
        lines.append((text("adm.audit"), words, not is_good))
    keys = ", ".join(f"{alg} {text('hea.days', n=(now - at).days)}" for alg, at in found.keys)
    is_old = any(now > at + LATE for at in services().keyring.calendar().values())
    return (*lines, (text("key.title"), keys or text("per.nothing"), is_old))


def _day(day: Day, span: int) -> str:
    return f"{day.day:%m.%Y}" if span > BY_MONTH else format_date(day.day)


def _range(days: int) -> str:
    return text({1: "fig.today", 365: "fig.year"}.get(days, "fig.days"), n=days)


def _span(seconds: int) -> str:
    """A class of spans as people say it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _known() -> Collection[str]:
    """The texts that there are: an error of an earlier release may have none any more."""
    return services().texts.keys()


def role_in_words(written: str) -> str:
    """`support@cpx` as people say it."""
    role, _, slug = written.partition("@")
    return f"{text(f'role.{role}')} – {slug or text('adm.everywhere')}"


def _held(permission: Permission) -> str:
    rights = worker().rights
    if rights.may(permission):
        return "all"
    return "some" if rights.may_somewhere(permission) else "none"
