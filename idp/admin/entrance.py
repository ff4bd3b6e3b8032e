"""Before every page of the console: who works here, and whether their role allows it.

`requires` is on every view of the console but the few that let somebody in; a house test walks the URL map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from idp.admin.list_tools import ListTools, tools_of
from idp.services.operator_sessions import AtWork
from idp.services.permissions import GRANTS, Permission, Role
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.operator import current_operator
from idp.web.render import Frame, page

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Need:
    permission: Permission
    everywhere: bool


class NotAllowed(Exception):
    """Allowed somewhere, but not at the portal of what was asked for."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission


NEEDS: dict[str, Need] = {}  # view → what it needs

# The sections of the console: address, message key, what one must be allowed to see. First what is done every day, in
# the order in which a fund is brought online, then what whoever runs the installation looks after.
SECTIONS = (
    ("/admin", "adm.home", Permission.SEE_CONSOLE),
    ("/admin/persons", "per.title", Permission.SEE_PERSONS),
    ("/admin/portals", "por.title", Permission.SEE_PORTALS),
    ("/admin/imports", "imp.title", Permission.IMPORT_PERSONS),
    ("/admin/letters", "bat.title", Permission.SEE_LETTERS),
    ("/admin/codes", "cod.title", Permission.SEE_LETTERS),
    ("/admin/resets", "res.every", Permission.HELP_PERSON),
    ("/admin/messages", "msg.title", Permission.SEE_MESSAGES),
    ("/admin/operators", "adm.operators", Permission.SEE_OPERATORS),
    ("/admin/api-clients", "api.title", Permission.CHANGE_API_CLIENTS),
    ("/admin/webhooks", "hook.title", Permission.CHANGE_PORTAL),
    ("/admin/keys", "key.title", Permission.SEE_KEYS),
    ("/admin/settings", "set.title", Permission.SEE_SETTINGS),
    ("/admin/audit", "adm.audit", Permission.SEE_AUDIT),
)


@dataclass(frozen=True, repr=False)
class Console(Frame):
    """The frame of a page of the console: whose it is, and where else one may go."""

    who: str = ""
    sections: tuple[tuple[str, str, bool], ...] = ()
    may: str = ""  # in words, what the page's permission is and who holds it
    tools: ListTools | None = None  # of a page that is a list


def requires(permission: Permission, *, everywhere: bool = False) -> Callable[[F], F]:
    """Let a view run for operators who are allowed this at one portal at least; which ones the view asks by itself.
    `everywhere`: only for whoever is allowed it at all portals, for what belongs to none.
    """

    def declare(view: F) -> F:
        NEEDS[f"{view.__module__}.{view.__name__}"] = Need(permission, everywhere)

        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            at_work = current_operator()
            if at_work is None:
                return sign_in_first()
            rights = at_work.rights
            if not (rights.may(permission) if everywhere else rights.may_somewhere(permission)):
                return refused(permission)
            try:
                return view(*args, **kwargs)
            except NotAllowed as error:
                return refused(error.permission)

        return cast(F, checked)

    return declare


def worker() -> AtWork:
    """The operator of this request, behind `requires`."""
    return cast(AtWork, current_operator())


def whose() -> str:
    """What is kept between two pages of the console is kept for this session (idp/web/kept.py)."""
    return str(worker().session.id)


def sign_in_first() -> Response:
    """To the sign-in and, after it, back to where a GET led."""
    then = request.path if request.method == "GET" else "/admin"
    return redirect(f"/admin/login?{urlencode({'then': then})}", 303)


def refused(permission: Permission) -> Response:
    """The page of what one's role does not allow: it says which roles do, and whom to ask."""
    return console("admin/refused.html", text("adm.refused"), needs=permission, status_code=403)


def console(
    template: str, title: str, view: object = None, *, needs: Permission, form: FormView | None = None,
    back: str | None = None, status: str | None = None, status_code: int = 200, can_switch: bool = True,
) -> Response:  # fmt: skip
    """A page of the console in its frame."""
    at_work = worker()
    frame = Console(
        title,
        form=form or FormView(),
        back=back,
        status=status,
        can_switch=can_switch,
        look="console",
        who=at_work.account.full_name or at_work.account.email,
        sections=tuple(
            (address, text(key), _is_here(address))
            for address, key, permission in SECTIONS
            if at_work.rights.may_somewhere(permission)
        ),
        may=may_words(needs),
        tools=tools_of(at_work),
    )
    return page(template, frame, view, status=status_code)


def _is_here(address: str) -> bool:
    """A page below a section belongs to it."""
    return request.path == address or (address != "/admin" and request.path.startswith(f"{address}/"))


def may_words(permission: Permission) -> str:
    """Which roles may do this, in words; every page of the console says so (ux.md §9.1)."""
    roles = ", ".join(text(f"role.{role}") for role in Role if role in GRANTS[permission])
    return text("adm.may", what=text(f"may.{permission}"), roles=roles)
