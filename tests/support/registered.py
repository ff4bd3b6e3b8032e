"""Most tests begin with somebody who registered. A process walks the same registration once; afterwards what it wrote
is written again, with the present portal in it, and the browser gets the cookies and the page it ended with.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, inspect, select
from werkzeug.test import TestResponse

from idp import chance
from idp.models.account import Account
from idp.models.base import Base, db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.person import Person

Rows = dict[str, list[dict[str, Any]]]
OF_THE_PLACE = {"database_url", "redis_url"}  # settings that change from test to test and mean nothing here


@dataclass(frozen=True)
class _Registration:
    portal_id: UUID
    rows: Rows
    cookies: dict[Any, Any]
    page: TestResponse
    address: str
    newest_id: tuple[int, int]


_walked: dict[str, _Registration] = {}


def registered(person: Person, services: Services, portal: Portal, who: str, walk: Callable[[], None]) -> None:
    """Bring `person` to where `walk` leads; without walking where this process walked it under the same conditions."""
    if db.session.scalar(select(func.count()).select_from(Account)):
        walk()  # what was written then may not fit with what is there now
        return
    key = f"{who} {_conditions(services, portal)}"
    if key in _walked:
        _write(_walked[key], portal)
        person.client._cookies = copy(_walked[key].cookies)
        person.page, person.address = _walked[key].page, _walked[key].address
        chance._newest_id = _walked[key].newest_id  # what is made next sorts after what was written
        return
    before = _rows()
    walk()
    new = {name: [row for row in rows if row not in before[name]] for name, rows in _rows().items()}
    cookies = copy(person.client._cookies or {})
    _walked[key] = _Registration(portal.id, new, cookies, person.page, person.address, chance._newest_id)


def _conditions(services: Services, portal: Portal) -> str:
    """Everything that a registration may hang on: the engine, the time, the settings and the portal's own."""
    settings = services.settings.model_dump(exclude=OF_THE_PLACE)
    columns = {attr.key: getattr(portal, attr.key) for attr in inspect(Portal).column_attrs if attr.key != "id"}
    return repr((db.engine.dialect.name, services.clock.now(), type(services.random), settings, columns))


def _tables() -> list[Table]:
    return list(Base.metadata.sorted_tables)


def _rows() -> Rows:
    db.session.rollback()
    found = {table.name: [dict(row) for row in db.session.execute(select(table)).mappings()] for table in _tables()}
    db.session.rollback()
    return found


def _write(walked: _Registration, portal: Portal) -> None:
    moved = {walked.portal_id: portal.id, str(walked.portal_id): str(portal.id)}
    for table in _tables():
        if rows := walked.rows[table.name]:
            db.session.execute(insert(table), [_moved(row, moved) for row in rows])
    db.session.commit()


def _moved(value: Any, moved: dict[Any, Any]) -> Any:
    """The value with the portal of then replaced by the portal of now, wherever it stands."""
    if isinstance(value, dict):
        return {name: _moved(one, moved) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, moved) for one in value]
    return moved.get(value, value)
