"""The months of the record of events on PostgreSQL, each a partition, made before it begins.

What was recorded before there were months is one partition, whose name says where it ends. A month that nobody made is
no reason to refuse an event: it goes to the partition for everything else, and stays there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection, text

TABLE = "audit_event"
BEFORE, ELSE = f"{TABLE}_until_", f"{TABLE}_else"
AHEAD = 3  # months after this one
# Beside what reads and writes the record; whoever would have to wait comes again in an hour.
PATIENCE = "SET LOCAL lock_timeout = '100ms'"
ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('connect audit months'))"


def make_months(connection: Connection, now: datetime) -> list[str]:
    """Make what is missing of this month and the next ones, in the present transaction; the names of those made."""
    if not connection.scalar(text(ALONE)):
        return []
    connection.execute(text(PATIENCE))
    made = set(partitions(connection))
    begin = next((_day(name) for name in made if name.startswith(BEFORE)), date.min)
    missing = [month for month in _months(now.date()) if month >= begin and name_of(month) not in made]
    return [name_of(month) for month in missing if _make(connection, month)]


def partitions(connection: Connection) -> list[str]:
    found = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1"
    return list(connection.scalars(text(found), {"table": TABLE}))


def name_of(month: date) -> str:
    return f"{TABLE}_{month:%Y_%m}"


def after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def bound(month: date) -> str:
    """Where it begins, in UTC."""
    return f"'{month.isoformat()} 00:00+00'"


def copy_rights(connection: Connection, source: str, target: str) -> None:
    """Whoever may not change the record through one table may not through the other either."""
    names = {"source": source}
    given = list(connection.execute(text(RIGHTS), names))
    if not given:
        return
    owner = connection.scalar(text("SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class "
                                   "WHERE oid = to_regclass(:source)"), names)  # fmt: skip
    connection.execute(text(f"REVOKE ALL ON {target} FROM {owner}"))
    for who, right, column in given:
        connection.execute(text(f"GRANT {right}{f' ({column})' if column else ''} ON {target} TO {who}"))


RIGHTS = """
SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type, attname
FROM (
  SELECT relacl AS acl, NULL::text AS attname FROM pg_class WHERE oid = to_regclass(:source)
  UNION ALL
  SELECT attacl, quote_ident(attname) FROM pg_attribute WHERE attrelid = to_regclass(:source)
) AS held, aclexplode(acl)
"""


def _make(connection: Connection, month: date) -> bool:
    """Attached, and not made within the table, which would have to wait for everybody who uses it."""
    name, within = name_of(month), f"at >= {bound(month)} AND at < {bound(after(month))}"
    if connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {ELSE} WHERE {within})")):  # noqa: S608 - names of ours
        return False
    connection.execute(text(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS)"))
    copy_rights(connection, TABLE, name)
    limits = f"FROM ({bound(month)}) TO ({bound(after(month))})"
    connection.execute(text(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES {limits}"))
    return True


def _months(today: date) -> Iterator[date]:
    month = today.replace(day=1)
    for _ in range(AHEAD + 1):
        yield month
        month = after(month)


def _day(name: str) -> date:
    year, month = name.removeprefix(BEFORE).split("_")
    return date(int(year), int(month), 1)
