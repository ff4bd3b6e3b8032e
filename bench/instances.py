"""What a second instance behind nginx brings: the cluster of `python3 dev.py cluster`, one of its instances emptied and
both of them, in turns. nginx, TLS, passwords and the replica are there as an operator has them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.load import drive
from bench.portal_calls import FASTEST, OURSELVES
from bench.report import processor_ms
from bench.sides import ES256, Side, connect
from bench.tasks import CALLS, call, look
from bench.walk import Place, add_portals
from examples.cluster.cluster import PORTS, Cluster, made, running
from tests.support.ports import free_ports
from tests.support.served import installation

COUNTS = (1, 2)
CATCHES_UP_WITHIN_S = 60
BEHIND = "SELECT 1 FROM pg_stat_replication WHERE replay_lsn IS DISTINCT FROM pg_current_wal_lsn()"
(EXCHANGE,) = CALLS["exchange"]


@dataclass
class Shares:
    """For each number of instances, one value a round: exchanges a second, and what Connect and nginx computed for one,
    in milliseconds.
    """

    per_second: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in COUNTS})
    ours: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in COUNTS})
    of_nginx: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in COUNTS})


def measure(*, rounds: int, seconds: int, warm: int, core: int, connections: int) -> Shares:
    """`seconds` that count after `warm` that do not; the load comes from `core`."""
    shares = Shares()
    with tempfile.TemporaryDirectory(prefix="connect-bench-") as name, _cluster(Path(name)) as (cluster, side):
        values = Path(name) / "values"
        for _ in range(rounds):
            for count in COUNTS:
                with _emptied(cluster, count):
                    if warm:
                        _drive(cluster, side, values, warm, core, connections)
                    speed, ours, of_nginx = _drive(cluster, side, values, seconds, core, connections)
                shares.per_second[count].append(speed)
                shares.ours[count].append(ours)
                shares.of_nginx[count].append(of_nginx)
    return shares


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[Cluster, Side]]:
    folder.chmod(0o711)  # nginx and PostgreSQL are somebody else
    first = free_ports(PORTS)
    issuer = f"https://localhost:{first}"
    environ = installation(folder, issuer, CONNECT_LOG_LEVEL="warning")
    cluster = made(folder, issuer, range(first, first + PORTS), environ, workers=1)
    with running(cluster), cluster.inside() as services:
        place = Place(issuer, folder, cluster.environ, services, add_portals(services))
        yield cluster, replace(connect(place, OURSELVES), certificate=str(cluster.certificate))


@contextmanager
def _emptied(cluster: Cluster, count: int) -> Iterator[None]:
    """So many instances get requests."""
    spared = cluster.instances[count:]
    for instance in spared:
        instance.drain.touch()
    try:
        yield
    finally:
        for instance in spared:
            instance.drain.unlink()


def _drive(
    cluster: Cluster, side: Side, values: Path, seconds: int, core: int, connections: int
) -> tuple[float, float, float]:
    client = side.client(ES256)
    first, *rest = side.made(EXCHANGE.needs, client.client_id, 1 + FASTEST * len(COUNTS) * seconds)
    look(EXCHANGE, side, ES256, first)
    values.write_text("\n".join(rest) + "\n", encoding="ascii")
    asked = replace(call(EXCHANGE, side, ES256), values=values)
    _catch_up(cluster)
    before = _computed(cluster)
    answered = drive(side.origin, asked, seconds=seconds, core=core, connections=connections)
    after, count = _computed(cluster), answered.per_second * seconds
    ours, of_nginx = ((now - then) / count for then, now in zip(before, after, strict=True))
    return answered.per_second, ours, of_nginx


def _catch_up(cluster: Cluster) -> None:
    """Until the replica has replayed what was just made: in the measured seconds it would do so on the same cores."""
    deadline = time.monotonic() + CATCHES_UP_WITHIN_S
    with cluster.postgresql.connect(0) as server:
        while server.execute(BEHIND).fetchone() is not None:
            if time.monotonic() > deadline:
                raise RuntimeError("the replica did not catch up")
            time.sleep(0.1)


def _computed(cluster: Cluster) -> tuple[float, float]:
    """What the instances and nginx have computed so far, in milliseconds."""
    ours = [pid for one in cluster.instances if one.program is not None for pid in one.program.children()]
    return sum(map(processor_ms, ours)), sum(map(processor_ms, cluster.proxy.server.children()))
