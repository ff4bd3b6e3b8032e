"""All figures as Prometheus reads them: what the processes of this machine counted, and what the database says now.

Every installation has one database: what comes from it is the same wherever it is asked, so take the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from idp.models.audit import newest_link
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.signing_key import SigningKey
from idp.services.audit_chain import last_verified
from idp.services.bundle import Services
from idp.services.metric_files import settled
from keys.ring import PUBLISHED

CHANNELS = ("mail", "sms", "logout", "webhook")
ON_THEIR_WAY = ("waiting", "sending")
SAID = {
    "connect_database_up": "Whether the database answered just now; where it did not, what follows is absent.",
    "connect_outbox_messages": "Messages that are not delivered yet.",
    "connect_outbox_oldest_seconds": "Age of the oldest of them.",
    "connect_outbox_failing": "Those among them that failed before.",
    "connect_signing_key_age_seconds": "How long a signing key has been in its state.",
    "connect_audit_linked_timestamp_seconds": "When the newest event happened that the chain of audit holds.",
    "connect_audit_verified_timestamp_seconds": "When the chain of audit was last walked.",
    "connect_audit_chain_whole": "Whether it was found whole then.",
}


def shown(bundle: Services, folder: Path) -> bytes:
    """The text format 0.0.4 of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(bundle))
    with settled(folder) as files:
        registry.register(_Counted(files))
        return generate_latest(registry)


class _Counted(Collector):
    def __init__(self, files: list[str]) -> None:
        self._files = files

    def collect(self) -> Iterable[Metric]:
        merged: Iterable[Metric] = MultiProcessCollector.merge(self._files)
        return merged


class _Now(Collector):
    def __init__(self, bundle: Services) -> None:
        self._bundle = bundle

    def collect(self) -> Iterable[Metric]:
        try:
            found = [*self._outbox(), *self._keys(), *self._audit()]
        except SQLAlchemyError:
            db.session.rollback()
            return [_gauge("connect_database_up", 0)]
        return [_gauge("connect_database_up", 1), *found]

    def _outbox(self) -> Iterator[Metric]:
        now, per_channel = self._bundle.clock.now(), ["channel"]
        waiting = (
            select(
                OutboxMessage.channel, func.count(), func.min(OutboxMessage.created_at),
                func.count().filter(OutboxMessage.tries > 0, OutboxMessage.state == "waiting"),
            )
            .where(OutboxMessage.state.in_(ON_THEIR_WAY))
            .group_by(OutboxMessage.channel)
        )  # fmt: skip
        found = {row[0]: row for row in db.session.execute(waiting)}
        depth, oldest, failing = (
            GaugeMetricFamily(name, SAID[name], labels=per_channel)
            for name in ("connect_outbox_messages", "connect_outbox_oldest_seconds", "connect_outbox_failing")
        )
        for channel in CHANNELS:
            _, count, since, failed = found.get(channel, (channel, 0, now, 0))
            depth.add_metric([channel], count)
            oldest.add_metric([channel], max(0.0, (now - since).total_seconds()))
            failing.add_metric([channel], failed)
        yield from (depth, oldest, failing)

    def _keys(self) -> Iterator[Metric]:
        now, name = self._bundle.clock.now(), "connect_signing_key_age_seconds"
        family = GaugeMetricFamily(name, SAID[name], labels=["alg", "state"])
        held = select(SigningKey.alg, SigningKey.state, func.min(SigningKey.state_since))
        held = held.where(SigningKey.state.in_(PUBLISHED)).group_by(SigningKey.alg, SigningKey.state)
        for alg, state, since in db.session.execute(held):
            family.add_metric([alg, state], (now - since).total_seconds())
        yield family

    def _audit(self) -> Iterator[Metric]:
        if (newest := newest_link()) is not None:
            yield _gauge("connect_audit_linked_timestamp_seconds", newest.at.timestamp())
        if (walked := last_verified()) is not None:
            yield _gauge("connect_audit_verified_timestamp_seconds", walked.at.timestamp())
            yield _gauge("connect_audit_chain_whole", float(walked.detail.get("state") == "good"))


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, SAID[name], value=value)
