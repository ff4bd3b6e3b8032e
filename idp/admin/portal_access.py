"""Which portal a page of the console is about: one that this operator may see, or none at all (C-74)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import abort

from idp.admin.entrance import refused, requires, worker
from idp.models.portal import find_portal_in_any_state
from idp.services.permissions import Permission

F = TypeVar("F", bound=Callable[..., Any])


def at_portal(permission: Permission, *, everywhere: bool = False) -> Callable[[F], F]:
    """Like `requires`, for the portal whose slug stands in the address; the view is given the portal.

    A portal that one may not see is as one that does not exist.
    """

    def declare(view: F) -> F:
        @wraps(view)
        def found(slug: str, **rest: Any) -> Any:
            portal, rights = find_portal_in_any_state(slug), worker().rights
            if portal is None or not rights.may(Permission.SEE_PORTALS, portal.id):
                abort(404)
            if not rights.may(permission, portal.id):
                return refused(permission)
            return view(portal, **rest)

        return cast(F, requires(permission, everywhere=everywhere)(found))

    return declare
