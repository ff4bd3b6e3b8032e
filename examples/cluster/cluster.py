"""The whole cluster in one folder: started in the order in which the parts need each other, ended in the reverse."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.cluster.instance import Instance
from examples.cluster.memory import Redis
from examples.cluster.postgresql import PostgreSQL
from examples.cluster.program import Program
from examples.cluster.proxy import Proxy
from idp.models.base import db
from idp.services import schema
from idp.services.assembly import bare_app, build_services
from idp.services.bundle import Services
from idp.settings import Settings

NUMBERS = (1, 2)
PORTS = 6  # of nginx, of the two instances, of the two databases, of Redis


@dataclass
class Cluster:
    """`environ` is the configuration that all parts share."""

    folder: Path
    issuer: str
    environ: dict[str, str]
    certificate: Path
    postgresql: PostgreSQL
    redis: Redis
    instances: tuple[Instance, ...]
    proxy: Proxy
    worker: Program | None = None

    @contextmanager
    def inside(self) -> Iterator[Services]:
        """The services of the installation in this process, as a command of `connect` has them."""
        app = bare_app(build_services(Settings.from_environ(self.environ)))
        with app.app_context():
            try:
                yield app.extensions["connect"]
            finally:
                db.session.remove()
                db.engine.dispose()

    def start_worker(self) -> Program:
        self.worker = Program([sys.executable, "-m", "idp.cli", "worker"], self.folder / "worker.log", self.environ)
        return self.worker

    def ended(self) -> list[str]:
        """The logs of the parts that do not run any more."""
        parts = [self.postgresql.primary, self.postgresql.replica, self.redis.server, self.proxy.server, self.worker]
        parts += [instance.program for instance in self.instances]
        return [part.log.name for part in parts if part is not None and part.has_ended]

    def rolling_restart(self) -> None:
        """One instance after the other; the other one answers meanwhile."""
        for instance in self.instances:
            instance.restart()


def made(folder: Path, issuer: str, ports: Sequence[int], environ: Mapping[str, str], workers: int = 2) -> Cluster:
    """The parts with their configuration; `environ` says what is not of the cluster itself. nginx answers under the
    issuer's port, the first of `ports`; nginx and PostgreSQL, which are somebody else, may enter the folder.
    """
    web, first, second, primary, replica, memory = ports
    certificate, key = _self_signed(folder)
    passwords = [secrets.token_urlsafe(32) for _ in range(3)]
    postgresql = PostgreSQL(folder / "postgresql", (primary, replica), passwords[0])
    redis = Redis(folder, memory, passwords[1], certificate, key)
    whole = {
        **environ, "CONNECT_ISSUER": issuer, "CONNECT_DATABASE_URL": postgresql.url, "CONNECT_REDIS_URL": redis.url,
        "CONNECT_TRUSTED_PROXIES": "1", "CONNECT_EMBEDDED_WORKER": "false",
        "CONNECT_METRICS_FOLDER": str(folder / "metrics"), "CONNECT_METRICS_TOKEN": passwords[2],
    }  # fmt: skip
    instances = tuple(
        Instance(number, port, folder, whole, workers) for number, port in zip(NUMBERS, (first, second), strict=True)
    )
    drains = {instance.number: instance.drain for instance in instances}
    proxy = Proxy(folder, web, {one.number: one.port for one in instances}, drains, certificate, key)
    return Cluster(folder, issuer, whole, certificate, postgresql, redis, instances, proxy)


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """Everything answers; whatever was started ends with this, also when a part of it does not start."""
    with ExitStack() as ending:
        ending.callback(cluster.postgresql.end)
        cluster.postgresql.start()
        ending.callback(cluster.redis.end)
        cluster.redis.start()
        with cluster.inside() as services:
            schema.upgrade()
            services.keyring.ensure()
        ending.callback(cluster.start_worker().end)
        for instance in cluster.instances:
            ending.callback(instance.end)
            instance.begin()
        for instance in cluster.instances:
            instance.open()
        ending.callback(cluster.proxy.end)
        cluster.proxy.start()
        yield cluster


def _self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine, which is also what its believers are given, and its key."""
    certificate, key = folder / "certificate.pem", folder / "certificate.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7",
         "-subj", "/CN=Connect cluster", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return certificate, key
