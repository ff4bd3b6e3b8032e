"""What is seen of the database from outside its statements: how many connections are in use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from idp.services.metrics import CONNECTIONS, CONNECTIONS_MOST, Metrics


def watch_connections(engine: Engine, metrics: Metrics, most: int) -> None:
    @event.listens_for(engine, "connect")
    def _new(*_: Any) -> None:
        metrics.put(CONNECTIONS_MOST, most)

    @event.listens_for(engine, "checkout")
    def _out(*_: Any) -> None:
        metrics.count(CONNECTIONS)

    @event.listens_for(engine, "checkin")
    def _in(*_: Any) -> None:
        metrics.count(CONNECTIONS, by=-1)
