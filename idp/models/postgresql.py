"""How this process speaks to PostgreSQL: nobody waits long for a server that is gone, frozen, full or read-only.

The server ends a statement after five seconds by itself; a server that stands still, or a network that swallows what
is sent, ends nothing, so the waiting has an end of its own. A connection that is of no use is thrown away with all that
are older than it, and the next request opens a new one: the pool heals without a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError

from idp.models.outage import of_no_use
from idp.models.patience import Patience

STATEMENT_S = 5
PATIENCE_S = STATEMENT_S + 1.0  # for an answer: a server that is well has ended the statement before
PING_S = 2.0
CONNECT_S = 2
TRUSTED_FOR_S = 1.0  # so long after its last use a connection is taken to be alive
AGAIN_AFTER_S = 1.0
TOOK_LONG_S = 0.5
USED_AT = "used_at"
WELL = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
SESSION = (
    f"-c statement_timeout={STATEMENT_S}s -c lock_timeout=4s -c timezone=UTC "
    # The server's side of a connection whose other end is gone: its locks are held for half a minute at most.
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
)
CHOICES: dict[str, int | str] = {  # that the address may make otherwise
    "connect_timeout": CONNECT_S,  # for each server that it names
    "target_session_attrs": "read-write",  # a replica is no place to work, and the next address may be
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4,
    "tcp_user_timeout": int(PATIENCE_S * 1000),
}  # fmt: skip


@dataclass
class Doubts:
    """When a connection was last found to be of no use, in monotonic seconds: those used before may be so too."""

    at: float = 0.0


_patience = Patience()
_doubts: WeakKeyDictionary[Engine, Doubts] = WeakKeyDictionary()


def doubts_of(engine: Engine) -> Doubts:
    return _doubts.setdefault(engine, Doubts())


class PatientConnection(psycopg.Connection[Any]):
    """Waits so long for an answer and no longer. Nobody knows what the server does after that, so it is closed."""

    patience: float | None = PATIENCE_S
    asked_at = 0.0
    rollbacks = 0

    def ask(self, how: Callable[..., Any], *what: Any) -> Any:
        """The result of one of `pgconn`'s ways to ask and wait in one go (patience.py). Raises `psycopg.Error`."""
        self.asked_at = began = time.monotonic()
        try:
            result = how(*what)
        except MemoryError:  # what the driver says where libpq has no connection to ask through
            result = None
        finally:
            self.asked_at = 0.0
        if result is not None and result.status in WELL:
            return result
        if result is None or self.pgconn.status == ConnStatus.BAD:
            said, waited = self.pgconn.get_error_message(), time.monotonic() - began
            self.close()
            is_overdue = self.patience is not None and waited > self.patience
            raise psycopg.OperationalError(f"no answer within {self.patience} s" if is_overdue else said)
        raise error_from_result(result, encoding=self.info.encoding)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise

    def commit(self) -> None:
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.ask(self.pgconn.exec_, b"COMMIT")

    def rollback(self) -> None:
        """With it the driver has everything forgotten that is prepared in this connection, but only if it prepared
        something itself; what others prepared (direct_cursor.py) goes in any case, so that they know.
        """
        is_open = self.pgconn.transaction_status != TransactionStatus.IDLE
        super().rollback()
        if is_open and not self.closed:
            self.ask(self.pgconn.exec_, b"DEALLOCATE ALL")
            self.rollbacks += 1


def arguments(url: URL) -> dict[str, int | str]:
    """What a connection is opened with, beside what stands in the address."""
    return {"options": SESSION} | {name: value for name, value in CHOICES.items() if name not in url.query}


def take_your_time(connection: Connection) -> None:
    """Until this connection is given back its statements may take as long as they take: those of a migration."""
    driver = connection.connection.driver_connection
    if isinstance(driver, PatientConnection):
        driver.patience = None


def prepare_postgresql(engine: Engine) -> None:
    """Ask of a pooled connection whether it is alive only where there is doubt: after a pause, and where another one
    was found dead since its last use. Asking each time would cost every request a journey to the server and back.
    """
    dialect, door, doubts = engine.dialect, _Door(), doubts_of(engine)
    is_gone: Callable[..., bool] = dialect.is_disconnect
    dialect.is_disconnect = lambda error, *rest: of_no_use(error) or is_gone(error, *rest)  # type: ignore[method-assign]

    @event.listens_for(engine, "do_connect")
    def _on_connect(_dialect: object, _record: object, given: list[Any], named: dict[str, Any]) -> PatientConnection:
        return door.open(*given, **named)

    @event.listens_for(engine, "checkin")
    def _on_checkin(connection: PatientConnection | None, record: Any) -> None:
        record.info[USED_AT] = time.monotonic()
        if connection is not None:
            connection.patience = PATIENCE_S

    @event.listens_for(engine, "handle_error")
    def _on_error(context: ExceptionContext) -> None:
        if context.is_disconnect:
            doubts.at = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: PatientConnection, record: Any, _proxy: object) -> None:
        used_at = record.info.get(USED_AT)
        if used_at is not None and not is_alive(engine, doubts, connection, used_at):
            raise InvalidatePoolError  # the pool makes a new one, of all that are older


def is_alive(engine: Engine, doubts: Doubts, connection: PatientConnection, used_at: float) -> bool:
    """Whether a connection last used then (monotonic seconds) still lives; the server is asked only in doubt."""
    if used_at > doubts.at and used_at > time.monotonic() - TRUSTED_FOR_S:
        return True
    connection.patience = PING_S
    try:
        engine.dialect.do_ping(connection)  # type: ignore[arg-type]
    except psycopg.Error:
        doubts.at = time.monotonic()
        return False
    connection.patience = PATIENCE_S
    return True


def _speak_in_utc(connection: PatientConnection) -> None:
    """Also where the address brings options of its own: what is read is not looked at for its zone (prepared.py)."""
    if connection.info.parameter_status("TimeZone") != "UTC":
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()


class _Door:
    """New connections. Where opening one took long and failed, one request a second tries again and the others are
    told at once: else every thread would stand before a server that does not answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_shut = False
        self._try_at = 0.0

    def open(self, *given: Any, **named: Any) -> PatientConnection:
        if not self._is_tried():
            raise psycopg.errors.ConnectionTimeout("not tried again yet")
        began = time.monotonic()
        try:
            opened = PatientConnection.connect(*given, **named)
        except psycopg.OperationalError:
            if time.monotonic() - began > TOOK_LONG_S:
                self._is_shut, self._try_at = True, time.monotonic() + AGAIN_AFTER_S
            raise
        self._is_shut = False
        _patience.look_after(opened)
        _speak_in_utc(opened)
        return opened

    def _is_tried(self) -> bool:
        with self._lock:
            if self._is_shut and time.monotonic() < self._try_at:
                return False
            self._try_at = time.monotonic() + AGAIN_AFTER_S + CONNECT_S
            return True
