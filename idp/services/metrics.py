"""What is counted for whoever watches: every figure by name, its labels, and what it says (docs/operations.md).

Labels come from closed lists: a route as it is declared, the slug of a portal that is registered, words of our own.
Nothing that somebody sent, and nothing of a person, is ever one.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client.utils import floatToGoString

from idp.services.metric_files import COUNTER, HISTOGRAM, LIVE_LEAST, LIVE_SUM, MOST, Cell, MetricFiles

WHOLE = -1
NOBODY = ""  # in place of a portal's slug where none is known

log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Metric:
    """`bounds` are the upper ends of a histogram's classes, in seconds."""

    name: str
    kind: str
    labels: tuple[str, ...]
    said: str
    bounds: tuple[float, ...] = ()


QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = Metric("connect_requests", COUNTER, ("route", "method", "status"), "Requests that were answered.")
LATENCY = Metric(
    "connect_request_seconds", HISTOGRAM, ("route", "method"), "How long it took until the answer was made.", QUICK
)
JOURNEYS = Metric("connect_journeys", COUNTER, ("journey", "portal", "outcome"), "Walks that were begun or finished.")
STEPS = Metric("connect_steps", COUNTER, ("journey", "step", "outcome"), "Steps that were entered, and how they ended.")
SIGN_INS = Metric(
    "connect_sign_ins", COUNTER, ("portal", "factor", "outcome"), "Sign-ins, and proofs that were refused."
)
LOCKS = Metric("connect_locks", COUNTER, ("portal",), "Locks that began after too many wrong proofs.")
TOKENS = Metric("connect_token_answers", COUNTER, ("grant", "portal", "outcome"), "Answers of the token endpoint.")
HASH_PLACES = Metric("connect_hash_places_held", LIVE_SUM, (), "Requests that hash a password or wait for it.")
HASH_WAIT = Metric("connect_hash_wait_seconds", HISTOGRAM, (), "How long a password waited for its turn.", QUICK)
HASH_TIME = Metric("connect_hash_seconds", HISTOGRAM, (), "How long a password was hashed.", QUICK)
HASH_REFUSED = Metric("connect_hash_refusals", COUNTER, ("reason",), "Requests that found no place for a password.")
VOLUME_REFUSED = Metric("connect_volume_refusals", COUNTER, ("volume",), "Requests beyond the share of their network.")
REDIS_UP = Metric("connect_redis_up", LIVE_LEAST, (), "Whether Redis answers; absent where there is none.")
REDIS_LOST = Metric("connect_redis_losses", COUNTER, (), "How often Redis ceased to answer.")
CONNECTIONS = Metric("connect_database_connections", LIVE_SUM, (), "Connections to the database in use.")
CONNECTIONS_MOST = Metric("connect_database_connections_most", LIVE_SUM, (), "Connections that may be in use.")
MESSAGES = Metric("connect_messages", COUNTER, ("channel", "outcome"), "Tries at messages, by how they ended.")
SMS = Metric("connect_sms_gateway", COUNTER, ("gateway", "outcome"), "SMS that each gateway was asked to take.")
DUTY_DONE = Metric(
    "connect_duty_done_timestamp_seconds", MOST, ("duty",), "When a duty of the worker last ended a pass without fault."
)
DUTY_FAULTS = Metric("connect_duty_faults", COUNTER, ("duty",), "Passes of a duty that a fault ended.")
COUNTED = (
    REQUESTS, LATENCY, JOURNEYS, STEPS, SIGN_INS, LOCKS, TOKENS, HASH_PLACES, HASH_WAIT, HASH_TIME, HASH_REFUSED,
    VOLUME_REFUSED, REDIS_UP, REDIS_LOST, CONNECTIONS, CONNECTIONS_MOST, MESSAGES, SMS, DUTY_DONE, DUTY_FAULTS,
)  # fmt: skip


class Metrics:
    """Counts where the installation has a folder for it, from the moment it is told to."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._files: MetricFiles | None = None
        self._cells: dict[tuple[Metric, tuple[str, ...], int], Cell] = {}

    def start(self) -> None:
        """What serves and what works counts; a command that somebody types does not. Where nothing can be written the
        service goes on, and `/metrics` fails.
        """
        if self._folder is None or self._files is not None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files = MetricFiles(self._folder)
        except OSError as error:
            self._stop(error)
        self.put(CONNECTIONS, 0)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """One more, or so many: of a counter, or of a gauge that rises and falls."""
        if (files := self._files) is not None:
            try:
                with files.lock:
                    cell = self._cell(files, metric, labels)
                    cell.write(cell.value + by)
            except OSError as error:
                self._stop(error)

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """What a gauge shows from now on."""
        if (files := self._files) is not None:
            try:
                with files.lock:
                    self._cell(files, metric, labels).write(value)
            except OSError as error:
                self._stop(error)

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """One more in its class of a histogram."""
        if (files := self._files) is not None:
            try:
                with files.lock:
                    total = self._cell(files, metric, labels)
                    total.write(total.value + seconds)
                    within = self._cell(files, metric, labels, bisect_left(metric.bounds, seconds))
                    within.write(within.value + 1)
            except OSError as error:
                self._stop(error)

    def _stop(self, error: OSError) -> None:
        """No request fails because it cannot be counted."""
        self._files = None
        log.error("metrics_off", error=type(error).__name__)

    def _cell(self, files: MetricFiles, metric: Metric, labels: tuple[str, ...], at: int = WHOLE) -> Cell:
        """The number itself, the sum of a histogram, or its class at this place."""
        if (found := self._cells.get((metric, labels, at))) is not None:
            return found
        suffix = {COUNTER: "_total", HISTOGRAM: "_sum"}.get(metric.kind, "")
        made = files.cell(metric.kind, metric.name, metric.name + suffix, metric.labels, labels, metric.said)
        self._cells[metric, labels, WHOLE] = made
        if metric.kind == HISTOGRAM:
            # All classes at once: what reads them makes sums of them from the smallest to the largest.
            for place, bound in enumerate((*metric.bounds, float("inf"))):
                names, values = (*metric.labels, "le"), (*labels, floatToGoString(bound))
                self._cells[metric, labels, place] = files.cell(
                    metric.kind, metric.name, f"{metric.name}_bucket", names, values, metric.said
                )
        return self._cells[metric, labels, at]
